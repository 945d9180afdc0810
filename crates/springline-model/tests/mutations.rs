//! Whatever is done to the text of a project, checking it ends with a project or with diagnostics
//! whose places lie in the files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod kit;

use springline_model::{Checked, Label, PackageSource, Registry, check, check_with};

/// A project with something of everything, small so that many mutations are quick.
const SAMPLE: &str = include_str!("sample.yaml");
/// A package with something of everything that packages have.
const PACKAGE: &str = "package:
  name: p
  description: É.
  parameters:
    entity: { default: customer, description: x }
    towns: { default: [a, b, \"{{ entity }}\"] }
    least: { default: 3 }
import: [ { from: ../q, with: { entity: \"{{ entity }}\", towns: \"{{ towns }}\" } } ]
entities:
  - name: \"{{ entity }}\"
    events: [ { name: purchase, source: orders, key: id, at: at } ]
    fields:
      - { name: \"in_{{ town }}\", for_each: { town: \"{{ towns }}\" }, expr: \"ville = '{{ town }}'\" }
      - { name: spent, expr: sum(purchase.amount), default: \"{{ least }}\" }
segments:
  - { name: best, entity: \"{{ entity }}\", where: { field: spent, gte: \"{{ least }}\" } }
";
/// Of each of the tests: a few seconds. Twenty times as many were run when the checker was written.
const RUNS: u32 = 2_000;

/// Marsaglia's xorshift: small, seeded, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "- ",
    "\n",
    "'",
    "\"",
    "(",
    ")",
    "\t",
    "&a ",
    "*a",
    "|",
    ">",
    "#",
    "é",
    "\u{1F600}",
    "\0",
    "null",
    "~",
    "{{",
    "}}",
    "{%",
    "where",
    "within",
    "not",
    "case when",
    "cast(",
    ".",
    "..",
    "0",
    "99999999999999999999",
    "-",
    "||",
    "purchase",
    "sum(",
    "over (",
    "%",
    "\\",
    "\u{feff}",
    "\r\n",
    "---\n",
    "<<: ",
    "!!str ",
    "is null",
    "in (",
];

/// Cuts a text where words, signs and blanks meet.
fn tokens(text: &str) -> Vec<&str> {
    let kind = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            0
        } else if c.is_whitespace() {
            1
        } else {
            2
        }
    };
    let mut cuts = vec![0];
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    for pair in chars.windows(2) {
        if kind(pair[0].1) != kind(pair[1].1) || kind(pair[1].1) == 2 {
            cuts.push(pair[1].0);
        }
    }
    cuts.push(text.len());
    cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect()
}

fn mutate(text: &str, random: &mut Random) -> String {
    let mut parts: Vec<String> = tokens(text).into_iter().map(str::to_owned).collect();
    for _ in 0..=random.below(4) {
        let at = random.below(parts.len());
        match random.below(7) {
            0 => drop(parts.remove(at)),
            1 => parts.insert(at, parts[at].clone()),
            2 => parts[at] = PIECES[random.below(PIECES.len())].to_owned(),
            3 => parts.insert(at, PIECES[random.below(PIECES.len())].to_owned()),
            4 => {
                let other = random.below(parts.len());
                parts.swap(at, other);
            }
            5 => {
                let from = random.below(parts.len());
                let piece: Vec<String> = parts[from..(from + random.below(12)).min(parts.len())].to_vec();
                parts.splice(at..at, piece);
            }
            _ => {
                // One byte of any value, made text again: broken characters become replacement characters.
                let mut bytes = parts[at].clone().into_bytes();
                let byte = random.below(bytes.len());
                if let Some(byte) = bytes.get_mut(byte) {
                    *byte = random.next() as u8;
                }
                parts[at] = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        if parts.is_empty() {
            parts.push("x".to_owned());
        }
    }
    parts.concat()
}

fn assert_places(checked: &Checked, text: &str) {
    let inside = |label: &Label| {
        let file = checked.sources.text(label.span.file);
        file.get(label.span.start as usize..label.span.end as usize).is_some()
    };
    for d in &checked.diagnostics {
        assert!(inside(&d.primary) && d.secondary.iter().all(inside), "{d:?} is outside of\n{text}");
        assert!(!d.message.is_empty());
    }
}

fn run(seed: u64, registry: &Registry) {
    let mut random = Random(seed);
    for _ in 0..RUNS {
        let text = mutate(SAMPLE, &mut random);
        let checked = check(vec![("springline.yaml".to_owned(), text.clone())], registry);
        assert!(checked.project.is_some() || !checked.diagnostics.is_empty(), "neither a project nor a word:\n{text}");
        assert_places(&checked, &text);
    }
}

#[test]
fn the_sample_is_fine() {
    let checked = check(vec![("springline.yaml".to_owned(), SAMPLE.to_owned())], &kit::registry());
    assert!(checked.diagnostics.is_empty(), "{:#?}", checked.diagnostics);
}

// Three tests, so that they run side by side.

#[test]
fn no_mutation_panics() {
    run(0x9E37_79B9_7F4A_7C15, &kit::registry());
}

#[test]
fn no_other_mutation_panics() {
    run(0x2545_F491_4F6C_DD1D, &kit::registry());
}

/// The same text for every package.
struct Everywhere(String);

impl PackageSource for Everywhere {
    fn files(&self, _: &str) -> Result<Vec<(String, String)>, String> {
        Ok(vec![("package.yaml".to_owned(), self.0.clone())])
    }

    fn shipped(&self) -> Vec<String> {
        vec!["springline/p".to_owned()]
    }
}

#[test]
fn no_mutation_of_a_package_panics() {
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    let project = format!("{SAMPLE}\nimport: [p, {{ from: p, with: {{ least: 7, towns: [x] }} }}]\n");
    let registry = kit::registry();
    for _ in 0..RUNS / 2 {
        let text = mutate(PACKAGE, &mut random);
        let files = vec![("springline.yaml".to_owned(), project.clone())];
        let checked = check_with(files, &registry, &Everywhere(text.clone()));
        assert!(checked.project.is_some() || !checked.diagnostics.is_empty(), "neither a project nor a word:\n{text}");
        assert_places(&checked, &text);
    }
}
