//! How far a move has come, how fast it is, and how long it may still take.

use std::time::Duration;

use crate::apply::{Headway, JobHeadway, Outcome};
use crate::base::counted;
use crate::plan::{Load, Plan, StepId};
use crate::view::wording::duration;

/// What all moves of a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) slots: u64,
    pub(super) keys: u64,
    pub(super) bytes: u64,
}

impl Sum {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let moved = outcome.moved.values();
        moved.fold(Self::default(), |sum, headway| Self {
            slots: sum.slots + u64::from(headway.slots),
            keys: sum.keys + headway.keys,
            bytes: sum.bytes + headway.bytes,
        })
    }

    /// ` (50000 keys, 4.77 MiB)`, or nothing where no key has moved.
    pub(super) fn words(self) -> String {
        match self.keys {
            0 => String::new(),
            keys => format!(" ({}, {})", counted(keys, "key"), size(self.bytes)),
        }
    }
}

/// What a move is to carry, as the plan counted it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whole {
    pub(super) slots: u16,
    pub(super) load: Load,
}

impl Whole {
    pub(super) fn of(plan: &Plan, step: StepId) -> Option<Self> {
        let action = &plan.step(step)?.action;
        Some(Self {
            slots: action.transfer()?.slots.count(),
            load: action.load()?,
        })
    }

    /// What is done of what there is: keys, or slots where there are none.
    pub(super) fn part(self, headway: &Headway) -> (u64, u64) {
        match self.load.keys {
            0 => (headway.slots.into(), self.slots.into()),
            // Clients may have written more since the plan was made.
            keys => (headway.keys.min(keys), keys),
        }
    }
}

/// Numbers a second, and what is left by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Speed {
    pub(super) keys: u64,
    pub(super) bytes: u64,
    /// None as long as nothing has moved.
    pub(super) left: Option<Duration>,
}

impl Speed {
    pub(super) fn of(headway: &Headway, whole: Whole) -> Self {
        let millis = headway.took.as_millis().max(1);
        let each_second =
            |number: u64| u64::try_from(u128::from(number) * 1000 / millis).unwrap_or(u64::MAX);
        let (done, all) = whole.part(headway);
        let rest = millis * u128::from(all - done.min(all)) / u128::from(done.max(1));
        let left = u64::try_from(rest).ok().map(Duration::from_millis);
        Self {
            keys: each_second(headway.keys),
            bytes: each_second(headway.bytes),
            left: left.filter(|_| done > 0),
        }
    }
}

/// `256 of 1365 slots, about 1.3s left, 15612 of 83372 keys, 52310 keys/s, 5.60 MiB/s`.
pub(super) fn words(headway: &Headway, whole: Whole) -> String {
    let Headway {
        slots,
        keys,
        bytes: _,
        took: _,
        job,
    } = headway;
    let speed = Speed::of(headway, whole);
    let mut parts = vec![format!("{slots} of {}", counted(whole.slots, "slot"))];
    // Early in the line: a narrow terminal shows no more.
    if let Some(left) = speed.left.filter(|left| !left.is_zero()) {
        parts.push(format!("about {} left", duration(left)));
    }
    if whole.load.keys > 0 {
        let all = whole.load.keys.max(*keys);
        parts.push(format!("{keys} of {}", counted(all, "key")));
    }
    if speed.keys > 0 {
        parts.push(format!("{} keys/s", speed.keys));
        parts.push(format!("{}/s", size(speed.bytes)));
    }
    parts.extend(job.as_ref().map(job_words));
    parts.join(", ")
}

fn job_words(job: &JobHeadway) -> String {
    let JobHeadway { state, remaining } = job;
    match remaining {
        0 => format!("the job is {state}"),
        bytes => format!("the job is {state} and has {} to send", size(*bytes)),
    }
}

fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headway(slots: u16, keys: u64, bytes: u64, millis: u64) -> Headway {
        Headway {
            slots,
            keys,
            bytes,
            took: Duration::from_millis(millis),
            job: None,
        }
    }

    #[test]
    fn moves_say_how_far_they_are_and_how_fast() {
        let whole = |slots, keys, bytes| Whole {
            slots,
            load: Load { keys, bytes },
        };
        let copying = |remaining| Headway {
            job: Some(JobHeadway {
                state: "snapshotting".to_owned(),
                remaining,
            }),
            ..headway(0, 500, 50_000, 1000)
        };
        for (headway, whole, expected) in [
            (
                headway(0, 0, 0, 500),
                whole(100, 1000, 9000),
                "0 of 100 slots, 0 of 1000 keys",
            ),
            (
                headway(50, 500, 52_428, 500),
                whole(100, 1000, 9000),
                "50 of 100 slots, about 0.5s left, 500 of 1000 keys, 1000 keys/s, 102.40 KiB/s",
            ),
            (
                headway(100, 1100, 110_000, 1000),
                whole(100, 1000, 9000),
                "100 of 100 slots, 1100 of 1100 keys, 1100 keys/s, 107.42 KiB/s",
            ),
            (
                headway(25, 0, 0, 100),
                whole(100, 0, 0),
                "25 of 100 slots, about 0.3s left",
            ),
            (
                copying(0),
                whole(100, 1000, 100_000),
                "0 of 100 slots, about 1.0s left, 500 of 1000 keys, 500 keys/s, 48.83 KiB/s, the job is snapshotting",
            ),
            (
                copying(2048),
                whole(100, 1000, 100_000),
                "0 of 100 slots, about 1.0s left, 500 of 1000 keys, 500 keys/s, 48.83 KiB/s, the job is snapshotting and has 2.00 KiB to send",
            ),
        ] {
            assert_eq!(words(&headway, whole), expected);
        }
    }

    #[test]
    fn a_run_is_summed_up() {
        let mut outcome = Outcome::default();
        assert_eq!(Sum::of(&outcome).words(), "");
        outcome.moved.insert(StepId(1), headway(10, 1, 1024, 5));
        assert_eq!(Sum::of(&outcome).words(), " (1 key, 1.00 KiB)");
        outcome.moved.insert(StepId(2), headway(10, 2, 1024, 5));
        assert_eq!(Sum::of(&outcome).words(), " (3 keys, 2.00 KiB)");
    }
}
