//! Faults in the middle of an apply, on real servers behind a network that can be cut: whatever happens, rcl ends
//! in time with an exit code that fits, names who is in trouble and what to do, and the next apply completes the
//! cluster.
//!
//! `make test` runs some faults always and a sample of the others; RCL_SEED draws another one. `make soak` runs
//! every story with every fault at every moment, and writes the tables of docs/reliability.md.

mod cast;
mod fault;
mod judge;
mod peer;
mod row;
mod sample;
mod story;
mod table;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::support::ServerKind;

use fault::Fault;
use row::{Moment, Row};
use story::Story;

/// All rows of one story, or a sample of them.
#[track_caller]
#[expect(clippy::print_stdout, reason = "what is drawn has to be seen")]
fn endures(story: Story, kind: ServerKind) {
    let lines = row::undisturbed(story, kind);
    // Only for what redis-cli can do.
    let compared = table::whole() && peer::knows(story);
    let usual = compared.then(|| peer::undisturbed(story, kind)).flatten();
    let chosen = match table::whole() {
        true => {
            let all = Fault::ALL.into_iter().filter(|fault| fault.befalls(story));
            all.flat_map(|fault| Moment::chosen().map(move |moment| (fault, moment)))
                .collect()
        }
        false => sample::draw(story, kind),
    };
    let about = format!("{} on {}", story.name(), kind.name());
    let left = Mutex::new(chosen.into_iter());
    let rows: Mutex<Vec<Row>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..table::abreast() {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no row panics with it").next();
                    let Some((fault, moment)) = next else { break };
                    let ran = catch_unwind(AssertUnwindSafe(|| {
                        let mut row = row::run(story, kind, fault, moment, lines);
                        let usual = usual.filter(|_| moment == Moment::COMPARED);
                        row.peer = usual.map(|usual| peer::run(story, kind, fault, moment, usual));
                        row
                    }));
                    let row = ran.unwrap_or_else(|panic| {
                        Row::new(fault, moment).broken(&words(panic.as_ref()))
                    });
                    println!("{about}: {row}");
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

/// What a failed assertion said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
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
fn move_on_redis_7_0() {
    endures(Story::Move, ServerKind::Redis70);
}

#[test]
fn move_on_valkey_9_1() {
    endures(Story::Move, ServerKind::Valkey91);
}

#[test]
fn move_on_redis_6_2() {
    endures(Story::Move, ServerKind::Redis62);
}

#[test]
fn move_on_redis_8_2() {
    endures(Story::Move, ServerKind::Redis82);
}

#[test]
fn move_on_valkey_8_1() {
    endures(Story::Move, ServerKind::Valkey81);
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
