//! Faults in the middle of an apply, on real servers behind a network that can be cut: whatever happens, rcl ends
//! with an exit code that tells, names who is in trouble, and the next apply completes the cluster.
//!
//! `make test` runs a sample; RCL_SEED draws another one. `make soak` runs every story with every fault at every
//! moment, and prints the table of docs/reliability.md.

mod cast;
mod fault;
mod peer;
mod row;
mod sample;
mod story;
mod table;

use std::sync::Mutex;

use crate::support::ServerKind;

use fault::Fault;
use row::{Moment, Row};
use story::Story;

/// Rows that run side by side: each has eight servers.
const ABREAST: usize = 2;

/// How many rows of a story `make test` runs on each kind of server.
const SAMPLED: usize = 3;

/// All rows of one story, or a sample of them.
#[track_caller]
#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn endures(story: Story, kind: ServerKind) {
    let lines = row::undisturbed(story, kind);
    // Only for what redis-cli does in one command.
    let compared = table::whole() && matches!(story, Story::Form | Story::Grow);
    let usual = compared.then(|| peer::undisturbed(story, kind));
    let all = Fault::ALL.into_iter().filter(|fault| fault.befalls(story));
    let all: Vec<(Fault, Moment)> = all
        .flat_map(|fault| Moment::ALL.map(|moment| (fault, moment)))
        .collect();
    let (chosen, how) = match table::whole() {
        true => (all, "all of them".to_owned()),
        false => {
            let seed = sample::seed();
            (
                sample::draw(seed, &all, SAMPLED),
                format!("RCL_SEED={seed}"),
            )
        }
    };
    println!("{} on {}: {how}", story.name(), kind.name());
    let left = Mutex::new(chosen.into_iter());
    let rows: Mutex<Vec<Row>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no row panics with it").next();
                    let Some((fault, moment)) = next else { break };
                    let mut row = row::run(story, kind, fault, moment, lines);
                    row.peer = usual.map(|usual| peer::run(story, kind, fault, moment, usual));
                    println!("{row}");
                    rows.lock().expect("no row panics with it").push(row);
                }
            });
        }
    });
    let rows = rows.into_inner().expect("no row panics with it");
    let wrong: Vec<&Row> = rows.iter().filter(|row| !row.wrong.is_empty()).collect();
    table::keep(story, kind, &rows);
    assert!(
        wrong.is_empty(),
        "{} of {} rows:\n{}",
        wrong.len(),
        rows.len(),
        table::told(&wrong)
    );
}

#[test]
fn form_on_redis_7_0() {
    endures(Story::Form, ServerKind::Redis70);
}

#[test]
fn grow_on_redis_7_0() {
    endures(Story::Grow, ServerKind::Redis70);
}

#[test]
fn form_on_valkey_9_1() {
    endures(Story::Form, ServerKind::Valkey91);
}

#[test]
fn grow_on_valkey_9_1() {
    endures(Story::Grow, ServerKind::Valkey91);
}

#[test]
fn shrink_on_redis_7_0() {
    endures(Story::Shrink, ServerKind::Redis70);
}

#[test]
fn fail_back_on_redis_7_0() {
    endures(Story::FailBack, ServerKind::Redis70);
}

#[test]
fn shrink_on_valkey_9_1() {
    endures(Story::Shrink, ServerKind::Valkey91);
}

#[test]
fn fail_back_on_valkey_9_1() {
    endures(Story::FailBack, ServerKind::Valkey91);
}
