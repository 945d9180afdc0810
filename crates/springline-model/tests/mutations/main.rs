//! Whatever is done to the text of a project, checking it ends with a project or with diagnostics
//! whose places lie in the files.
//!
//! `SPRINGLINE_FULL=1` runs a million cases; best with `CARGO_PROFILE_DEV_OPT_LEVEL=2`. A failure names its seed,
//! and `SPRINGLINE_SEED=<seed>` runs that case alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a long test tells what it did")]

mod expression;
#[path = "../kit/mod.rs"]
mod kit;
mod mutate;
mod packages;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use springline_model::{Checked, Label, Registry, check};

use mutate::{Random, by_bytes, by_tokens, by_tree};

/// A project with something of everything, small so that many mutations are quick.
const SAMPLE: &str = include_str!("../sample.yaml");
/// A few seconds.
const CASES: u64 = 6_000;
/// What `SPRINGLINE_FULL` asks for.
const ALL_CASES: u64 = 1_000_000;

/// How many cases failed; all are shown.
static FAILED: AtomicU64 = AtomicU64::new(0);

/// The files of a project: path and text.
type Files = Vec<(String, String)>;

/// The sample and the projects of the repository, the small ones more than once.
fn projects() -> Vec<Files> {
    let sample = || vec![("springline.yaml".to_owned(), SAMPLE.to_owned())];
    let mut all: Vec<Files> = (0..8).map(|_| sample()).collect();
    for (parent, times) in [("examples", 1), ("tests/golden", 2), ("tests/cases", 4)] {
        for entry in std::fs::read_dir(kit::folder(parent)).unwrap() {
            let dir = entry.unwrap().path();
            if dir.join("springline.yaml").is_file() {
                let files = kit::read_project(&dir);
                all.extend((0..times).map(|_| files.clone()));
            }
        }
    }
    all
}

/// The damaged project of a seed.
fn case(seed: u64, projects: &[Files]) -> Files {
    let mut random = Random::new(seed);
    if random.below(4) == 0 {
        return vec![("springline.yaml".to_owned(), with_expression(&mut random))];
    }
    let mut files = projects[random.below(projects.len())].clone();
    let place = random.below(files.len());
    let text = &mut files[place].1;
    *text = match random.below(3) {
        0 => by_bytes(text, &mut random),
        1 => by_tokens(text, &mut random),
        _ => by_tree(text, &mut random),
    };
    files
}

/// The sample with a random expression in the place of a field's or a segment's.
fn with_expression(random: &mut Random) -> String {
    let depth = 1 + random.below(5);
    let mut text = expression::expression(random, depth);
    if random.below(3) == 0 {
        text = by_tokens(&text, random);
    }
    let quoted = serde_json::to_string(&text).unwrap();
    match random.below(3) {
        0 => SAMPLE.replace("\"tile = 1 and ville not in ('a', 'b''c')\"", &quoted),
        1 => SAMPLE.replace("\"sum(purchase.amount where channel = 'é' within 90 days)\"", &quoted),
        _ => SAMPLE.replace("sha256(lower(email))", &quoted),
    }
}

fn assert_sound(checked: &Checked, files: usize) {
    assert!(checked.project.is_some() || !checked.diagnostics.is_empty(), "neither a project nor a word");
    let inside = |label: &Label| {
        let file = checked.sources.text(label.span.file);
        (label.span.file.0 as usize) < files && file.get(label.span.start as usize..label.span.end as usize).is_some()
    };
    for d in &checked.diagnostics {
        assert!(inside(&d.primary) && d.secondary.iter().all(inside), "{d:?} is outside of its file");
        assert!(!d.message.is_empty());
    }
}

fn run(seed: u64, projects: &[Files], registry: &Registry) -> bool {
    let files = case(seed, projects);
    let sound = catch_unwind(AssertUnwindSafe(|| {
        let checked = check(files.clone(), registry);
        assert_sound(&checked, files.len());
        checked.project.is_some()
    }));
    sound.unwrap_or_else(|_| {
        FAILED.fetch_add(1, Ordering::Relaxed);
        eprintln!("SPRINGLINE_SEED={seed} fails:\n{}", shown(&files));
        false
    })
}

fn shown(files: &Files) -> String {
    files.iter().map(|(path, text)| format!("--- {path}\n{text}\n")).collect()
}

#[test]
fn the_sample_is_fine() {
    let checked = check(vec![("springline.yaml".to_owned(), SAMPLE.to_owned())], &kit::registry());
    assert!(checked.diagnostics.is_empty(), "{:#?}", checked.diagnostics);
}

#[test]
fn no_mutation_panics() {
    let (projects, registry) = (projects(), kit::registry());
    if let Ok(seed) = std::env::var("SPRINGLINE_SEED") {
        run(seed.parse().unwrap(), &projects, &registry);
        return assert_eq!(FAILED.load(Ordering::Relaxed), 0, "the case fails");
    }
    let cases = if std::env::var_os("SPRINGLINE_FULL").is_some() { ALL_CASES } else { CASES };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let (next, valid, started) = (AtomicU64::new(0), AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= cases {
                        break;
                    }
                    valid.fetch_add(u64::from(run(seed, &projects, &registry)), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(FAILED.load(Ordering::Relaxed), 0, "cases failed, see above");
    let (took, valid) = (started.elapsed(), valid.into_inner());
    let rate = cases as f64 / took.as_secs_f64();
    println!("{cases} cases in {:.1} s, {rate:.0} a second, {valid} of them valid projects", took.as_secs_f64());
    assert!(valid > cases / 50 && valid < cases, "{valid} of {cases} are valid: the mutations are not what they were");
}
