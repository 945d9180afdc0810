//! How names and texts are quoted: the one way from a name or a value into SQL.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How one kind of token is quoted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quoting {
    /// What stands before and behind.
    quote: String,
    /// What is written for a character that cannot stand for itself.
    escapes: BTreeMap<char, String>,
    /// Characters that the engine cannot hold at all.
    #[serde(default)]
    forbidden: String,
}

impl Quoting {
    /// Appends the quoted text. The error is a character that the engine cannot hold.
    pub(crate) fn write(&self, text: &str, out: &mut String) -> Result<(), char> {
        out.push_str(&self.quote);
        // Nearly every name is plain, and no engine gives a meaning to these characters inside quotes.
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            out.push_str(text);
            out.push_str(&self.quote);
            return Ok(());
        }
        for character in text.chars() {
            if self.forbidden.contains(character) {
                return Err(character);
            }
            match self.escapes.get(&character) {
                Some(escape) => out.push_str(escape),
                None => out.push(character),
            }
        }
        out.push_str(&self.quote);
        Ok(())
    }

    /// What a folder's author forgot: an unescaped quote would end the token early.
    pub(crate) fn problem(&self) -> Option<String> {
        let first = self.quote.chars().next();
        match first {
            None => Some("`quote` is empty".to_owned()),
            Some(quote) if !self.escapes.contains_key(&quote) => {
                Some(format!("`escapes` says nothing about the quote {quote} itself"))
            }
            Some(_) => None,
        }
    }
}
