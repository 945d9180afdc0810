//! The part of each page of `docs/destinations` that is made from what its type declares: `UPDATE_EXPECT=1` writes it
//! anew.

use std::fmt::Write;
use std::path::Path;

use springline_destination::{DestinationSpec, Effect, FieldRule, FieldSpec, Hashing, Normaliser, Removal, specs};

const BEGIN: &str = "<!-- from here on made from the code -->\n";

/// The types that have no page.
const WITHOUT_PAGE: [&str; 2] = ["file", "webhook"];

#[test]
fn the_pages_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/destinations");
    for spec in specs().iter().filter(|spec| !WITHOUT_PAGE.contains(&spec.name)) {
        let path = folder.join(format!("{}.md", spec.name));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (written, made) = page.split_once(BEGIN).unwrap_or((&page, ""));
        let wanted = declared(spec);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, format!("{written}{BEGIN}{wanted}")).unwrap();
        } else {
            assert!(made == wanted, "docs/destinations/{}.md is stale: run this test with UPDATE_EXPECT=1", spec.name);
        }
    }
}

fn declared(spec: &DestinationSpec) -> String {
    let mut out = String::from("\n## Options\n\n| option | default | what it does |\n|---|---|---|\n");
    for option in spec.options {
        let default = match option.default {
            Some(text) => format!("`{text}`"),
            None if option.required => match option.or {
                Some(other) => format!("must be given, or `{other}`"),
                None => "must be given".to_owned(),
            },
            None => String::new(),
        };
        let secret = if option.secret { "; never shown" } else { "" };
        writeln!(out, "| `{}` | {default} | {}{secret} |", option.name, option.meaning).unwrap();
    }
    let known = spec.fields.known();
    if !known.is_empty() {
        out.push_str("\n## Fields\n\n| field | sent as | what it holds |\n|---|---|---|\n");
        for field in known {
            writeln!(out, "| `{}` | {} | {} |", field.name, sent_as(field), meaning(field)).unwrap();
        }
    }
    if let FieldRule::Open(_) = spec.fields {
        out.push_str("\nAny other name is one that your account has defined.\n");
    }
    out.push_str("\n## Facts\n\n| fact | value |\n|---|---|\n");
    for (fact, value) in facts(spec) {
        writeln!(out, "| {fact} | {value} |").unwrap();
    }
    out
}

fn meaning(field: &FieldSpec) -> String {
    let also = match (field.required, field.identifier) {
        (true, _) => "; must be mapped",
        (false, true) => "; records are found by it",
        (false, false) => "",
    };
    format!("{}{also}", field.meaning)
}

fn sent_as(field: &FieldSpec) -> String {
    let form = match field.normaliser {
        Normaliser::AsIs => "as it is",
        Normaliser::Trim => "trimmed",
        Normaliser::Lower => "lower case",
        Normaliser::Email | Normaliser::GoogleEmail { .. } => "lower case, trimmed",
        Normaliser::PhoneDigits { .. } => "digits from the calling code on",
        Normaliser::PhoneE164 { .. } => "E.164",
        Normaliser::Name => "lower case, no punctuation",
        Normaliser::Initial => "one letter, lower case",
        Normaliser::Gender => "`f` or `m`",
        Normaliser::Year => "four digits",
        Normaliser::TwoDigits => "two digits",
        Normaliser::DateDigits => "eight digits",
        Normaliser::Place => "lower case, no spaces or punctuation",
        Normaliser::PostalCode => "lower case, no spaces",
        Normaliser::Country => "two letters, lower case",
    };
    match field.hashing {
        Hashing::Plain => form.to_owned(),
        Hashing::Sha256 | Hashing::Done => format!("SHA-256 of: {form}"),
    }
}

fn facts(spec: &DestinationSpec) -> Vec<(&'static str, String)> {
    let words = |modes: Vec<&str>| modes.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let modes: Vec<String> = spec.modes.iter().map(|mode| format!("{mode:?}").to_lowercase()).collect();
    let batch = spec.batch;
    let mut size = format!("{} rows", batch.rows);
    for (limit, what) in [(batch.removals, "rows that remove"), (batch.bytes, "bytes")] {
        if let Some(limit) = limit {
            write!(size, ", {limit} {what}").unwrap();
        }
    }
    let effect = match spec.effect {
        Effect::IdempotentByKey => "leaves the same record".to_owned(),
        Effect::Deduplicated { by, window } => format!("is dropped by its {by} for {} hours", window.as_secs() / 3_600),
        Effect::AtLeastOnce { when } => format!("can arrive twice when {when}"),
    };
    let needs = match spec.removal {
        Removal::Unsupported => "",
        Removal::ByKey => " (told by the key)",
        Removal::ByReceipt => " (told by what the destination gave when it took the row)",
    };
    let rate = spec.rate.map_or_else(|| "as answers allow".to_owned(), |rate| format!("{rate} requests a second"));
    vec![
        ("modes", words(modes.iter().map(String::as_str).collect())),
        ("one request", size),
        ("pace", format!("{rate}, {} at once", spec.concurrency)),
        ("a repeat", effect),
        ("a removal", format!("{}{needs}", words(spec.removals.iter().map(|kind| kind.as_str()).collect()))),
        ("an empty value", words(spec.nulls.iter().map(|nulls| nulls.as_str()).collect())),
    ]
}
