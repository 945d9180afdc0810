//! `springline explain E0203`: what a code means, an example that gives it, and how to mend it.

use serde_json::json;
use springline_model::Code;

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};

pub(crate) fn execute(global: &Global, name: Option<&str>) -> Result<Exit, Failure> {
    let Some(name) = name else {
        match global.format {
            Format::Text => Code::ALL.iter().for_each(|code| anstream::println!("{}  {}", code.id(), code.title())),
            Format::Json => {
                let codes: Vec<_> =
                    Code::ALL.iter().map(|code| json!({ "code": code.id(), "title": code.title() })).collect();
                anstream::println!("{:#}", json!({ "codes": codes }));
            }
        }
        return Ok(Exit::Done);
    };
    let found = Code::named(name).and_then(|code| Some((code, code.explanation()?)));
    let Some((code, explanation)) = found else {
        return Err(Failure::new(format!("there is no code `{name}`")).hint("`springline explain` lists the codes"));
    };
    match global.format {
        Format::Text => {
            anstream::println!("{}: {}\n\n{}\n", code.id(), code.title(), explanation.meaning);
            anstream::println!("Example ({}):\n", explanation.path);
            explanation.example.lines().for_each(|line| anstream::println!("    {line}"));
            anstream::println!("\nHow to mend it: {}", without_links(explanation.mending));
        }
        Format::Json => anstream::println!(
            "{:#}",
            json!({
                "code": code.id(),
                "title": code.title(),
                "meaning": explanation.meaning,
                "path": explanation.path,
                "example": explanation.example,
                "mending": without_links(explanation.mending),
            })
        ),
    }
    Ok(Exit::Done)
}

/// The text of a Markdown passage whose links lead nowhere on a terminal.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (kept, label) = before.rsplit_once('[').unwrap_or((before, ""));
        out.push_str(kept);
        out.push_str(label);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    #[test]
    fn links_are_their_text() {
        assert_eq!(super::without_links("See [the page](../a.md); [b](c) (d)."), "See the page; b (d).");
    }
}
