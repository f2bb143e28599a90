//! `policy`: what rcl takes care of, and how slots move.

use std::time::Duration;

use super::finding::{Findings, quoted};
use super::option::{Kind, Unit, checked_value};
use super::read::{Field, Wanted, boolean, fields, text};
use super::yaml::Tree;
use super::{Apart, Engine, Moves, Policy};

/// More keys in one command keep a server from its clients for too long.
const MAX_BATCH: u32 = 10_000;

const POLICY: Wanted<'_> = Wanted {
    what: "`policy`",
    example: "policy: {replicas_apart: zone}",
};

const MOVE: Wanted<'_> = Wanted {
    what: "`move`",
    example: "move: {engine: auto, batch: 100, pause: 0s}",
};

pub(super) fn read(tree: &Tree, findings: &mut Findings) -> Policy {
    let known = ["replicas_apart", "failback", "prune", "move"];
    let Some([apart, failback, prune, moves]) = fields(tree, POLICY, known, findings) else {
        return Policy::default();
    };
    let mut switch = |field: Option<Field<'_>>, key: &str| {
        let wanted = Wanted {
            what: &format!("`{key}`"),
            example: &format!("`{key}: false`"),
        };
        let asked = field.and_then(|field| boolean(field.value, wanted, findings));
        asked.is_some_and(|asked| asked.value)
    };
    let (failback, prune) = (switch(failback, "failback"), switch(prune, "prune"));
    Policy {
        failback,
        prune,
        replicas_apart: apart
            .and_then(|field| replicas_apart(field.value, findings))
            .unwrap_or_default(),
        moves: moves
            .and_then(|field| read_moves(field.value, findings))
            .unwrap_or_default(),
    }
}

fn replicas_apart(tree: &Tree, findings: &mut Findings) -> Option<Apart> {
    let choices = [
        ("host", Apart::Host),
        ("zone", Apart::Zone),
        ("off", Apart::Off),
    ];
    choice(tree, "replicas_apart", choices, findings)
}

fn read_moves(tree: &Tree, findings: &mut Findings) -> Option<Moves> {
    let [engine, batch, pause] = fields(tree, MOVE, ["engine", "batch", "pause"], findings)?;
    let default = Moves::default();
    let engines = [
        ("auto", Engine::Auto),
        ("atomic", Engine::Atomic),
        ("classic", Engine::Classic),
    ];
    Some(Moves {
        engine: engine
            .and_then(|field| choice(field.value, "engine", engines, findings))
            .unwrap_or(default.engine),
        batch: batch
            .and_then(|field| read_batch(field.value, findings))
            .unwrap_or(default.batch),
        pause: pause
            .and_then(|field| read_pause(field.value, findings))
            .unwrap_or(default.pause),
    })
}

/// One of three words.
fn choice<T>(
    tree: &Tree,
    key: &str,
    choices: [(&str, T); 3],
    findings: &mut Findings,
) -> Option<T> {
    let words = choices.each_ref().map(|(word, _)| *word);
    let list = format!("{}, {} or {}", words[0], words[1], words[2]);
    let wanted = Wanted {
        what: &format!("`{key}`"),
        example: &list,
    };
    let text = text(tree, wanted, findings)?;
    let found = choices.into_iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        findings.add(
            text.place,
            format!("`{key}` can't be {}", quoted(&text.value)),
            format!("write {list}"),
        );
    }
    found.map(|(_, choice)| choice)
}

fn read_batch(tree: &Tree, findings: &mut Findings) -> Option<u32> {
    let wanted = Wanted {
        what: "`batch`",
        example: "a whole number of keys, such as `batch: 100`",
    };
    let text = text(tree, wanted, findings)?;
    let batch = text.value.parse::<u32>().ok();
    let batch = batch.filter(|batch| (1..=MAX_BATCH).contains(batch));
    if batch.is_none() {
        findings.add(
            text.place,
            format!("`batch` can't be {}", quoted(&text.value)),
            format!("write a whole number from 1 to {MAX_BATCH}"),
        );
    }
    batch
}

fn read_pause(tree: &Tree, findings: &mut Findings) -> Option<Duration> {
    let wanted = Wanted {
        what: "`pause`",
        example: "a time, such as `pause: 10ms`",
    };
    let text = text(tree, wanted, findings)?;
    match checked_value("pause", Kind::Time(Unit::Millisecond), &text.value) {
        Ok(millis) => millis.parse().ok().map(Duration::from_millis),
        Err(mistake) => {
            findings.add(text.place, mistake.message, mistake.help);
            None
        }
    }
}
