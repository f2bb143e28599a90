//! Every parser against its corpus: what `make fuzz` begins with, and what it once has found.

#[expect(
    unreachable_pub,
    reason = "for the package of this folder it is a library"
)]
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn equipment() {
    replay("equipment", targets::equipment);
}

#[test]
fn given() {
    replay("given", targets::given);
}

#[test]
fn jobs() {
    replay("jobs", targets::jobs);
}

#[test]
fn nodes() {
    replay("nodes", targets::nodes);
}

#[test]
fn presence() {
    replay("presence", targets::presence);
}

#[test]
fn saved() {
    replay("saved", targets::saved);
}

#[test]
fn views() {
    replay("views", targets::views);
}

#[test]
fn yaml() {
    replay("yaml", targets::yaml);
}

/// Each input whole, and broken off at each of its first bytes.
#[track_caller]
fn replay(name: &str, target: fn(&[u8])) {
    const CUTS: usize = 500;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let files = fs::read_dir(folder.join(name)).expect("a corpus");
    let mut inputs = 0;
    for file in files {
        let input = fs::read(file.expect("a file").path()).expect("an input");
        target(&input);
        (0..input.len().min(CUTS)).for_each(|cut| target(&input[..cut]));
        inputs += 1;
    }
    assert!(inputs > 0, "no corpus for {name}");
}
