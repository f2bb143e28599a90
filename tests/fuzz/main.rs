//! Every parser against inputs that nobody sends: seeds from `corpus`, changed at random for a bounded time.
//!
//! A run prints its seed; `RCL_FUZZ_SEED` repeats it, `RCL_FUZZ_SECONDS` says how long each parser gets. An input that
//! fails is kept in `target/fuzz`: mend what it found, and put it into the corpus.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]
#![expect(clippy::print_stdout, reason = "the seed has to be known")]

mod change;
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use change::Changes;

/// Enough for a test of every commit.
const SECONDS: u64 = 3;

/// So many inputs that brought about something new are changed further.
const KEPT: usize = 2000;

/// Longer inputs say nothing that shorter ones don't.
const LONGEST: usize = 16 << 10;

#[test]
fn nodes() {
    fuzz("nodes", targets::nodes);
}

#[test]
fn views() {
    fuzz("views", targets::views);
}

#[test]
fn jobs() {
    fuzz("jobs", targets::jobs);
}

#[test]
fn presence() {
    fuzz("presence", targets::presence);
}

#[test]
fn equipment() {
    fuzz("equipment", targets::equipment);
}

#[test]
fn saved() {
    fuzz("saved", targets::saved);
}

#[test]
fn yaml() {
    fuzz("yaml", targets::yaml);
}

#[test]
fn given() {
    fuzz("given", targets::given);
}

/// Runs a target, which panics where something is wrong and else tells what came about in a word: an input with a new
/// one is worth changing further.
#[track_caller]
fn fuzz(name: &str, target: fn(&[u8]) -> String) {
    let seeds = corpus(name);
    assert!(!seeds.is_empty(), "no corpus for {name}");
    let seed = number("RCL_FUZZ_SEED").unwrap_or_else(|| {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    });
    let limit = Duration::from_secs(number("RCL_FUZZ_SECONDS").unwrap_or(SECONDS));
    println!("{name}: RCL_FUZZ_SEED={seed}");
    let mut changes = Changes::new(seed);
    let mut kept = seeds.clone();
    let mut seen = BTreeSet::new();
    for input in &seeds {
        seen.insert(judge(name, target, input, seed));
    }
    let begun = Instant::now();
    let mut runs = 0_u64;
    while begun.elapsed() < limit {
        let mut input = changes.of(&kept);
        input.truncate(LONGEST);
        let came = judge(name, target, &input, seed);
        runs += 1;
        if seen.insert(came) && kept.len() < KEPT {
            kept.push(input);
        }
    }
    println!("{name}: {runs} inputs, {} kinds of outcome", seen.len());
    assert!(runs > 0, "{name}: not one input");
}

#[track_caller]
fn judge(name: &str, target: fn(&[u8]) -> String, input: &[u8], seed: u64) -> String {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    outcome.unwrap_or_else(|_| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}-{seed}"));
        fs::write(&path, input).unwrap();
        panic!("{name}: what failed is in {}", path.display())
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}
