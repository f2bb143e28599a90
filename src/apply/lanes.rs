//! Carries out the moves of a plan, each by as many movers as it has lanes.
//!
//! A source stands still while a MIGRATE runs, and then waits until rcl has heard of its end and sends the next
//! one. Two lanes take half of the slots each, so that the one's round trip is the other's time to move keys.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::base::{Address, Command, NodeId, Reply, Slot, SlotSet};
use crate::net::Wire;
use crate::plan::{Engine, Plan, Step, StepId, Transfer};

use super::classic::WINDOW;
use super::driver::Stop;
use super::event::{Event, Headway, Trouble, TroubleKind};
use super::mover::{Left, Mover, Turn, drive};

/// Movers of one classic move. More make clients wait longer, and the source not faster.
const LANES: usize = 2;

/// How long one call of a move may take beside what its MIGRATE commands may.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How often people hear how far a move has come.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// How a move ended.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) step: StepId,
    pub(super) headway: Headway,
    pub(super) result: Result<(), Trouble>,
}

/// Each lane of a move: how far it is, and what it would leave half-way if it were ended now.
#[derive(Debug, Default)]
pub(super) struct HalfWay(RefCell<Vec<(Headway, Left)>>);

impl HalfWay {
    fn begin(&self, lanes: usize) {
        self.0.replace(vec![Default::default(); lanes]);
    }

    fn set(&self, lane: usize, mover: &Mover<'_>, took: Duration) {
        if let Some(so_far) = self.0.borrow_mut().get_mut(lane) {
            *so_far = (mover.headway(took), mover.left());
        }
    }

    /// In a sentence that begins after the source's name.
    pub(super) fn left_open(&self, transfer: &Transfer) -> Option<String> {
        let lanes = self.0.borrow();
        let left = lanes.iter().map(|(_, left)| left);
        left.fold(Left::default(), Left::and).words(transfer)
    }

    pub(super) fn headway(&self) -> Headway {
        let lanes = self.0.borrow();
        let lanes = || lanes.iter().map(|(headway, _)| headway);
        Headway {
            slots: lanes().map(|lane| lane.slots).sum(),
            keys: lanes().map(|lane| lane.keys).sum(),
            bytes: lanes().map(|lane| lane.bytes).sum(),
            took: lanes().map(|lane| lane.took).max().unwrap_or_default(),
            job: lanes().find_map(|lane| lane.job.clone()),
        }
    }
}

/// Moves the slots of a step; ends when they have gone, when it can't go on, or some time after
/// it was asked to stop.
pub(super) async fn carry(
    wire: &impl Wire,
    plan: &Plan,
    step: &Step,
    stop: watch::Receiver<Stop>,
    half_way: Rc<HalfWay>,
    tell: impl Fn(Event),
) -> Moved {
    let Some((transfer, load)) = step.action.transfer().zip(step.action.load()) else {
        return Moved {
            step: step.id,
            headway: Headway::default(),
            result: Ok(()),
        };
    };
    let began = Instant::now();
    let told_at = Cell::new(began);
    let given_up = Cell::new(false);
    let lanes = lanes(transfer);
    let count = u32::try_from(lanes.len()).unwrap_or(1);
    let turns = Semaphore::new(lanes.len());
    let taking = Semaphore::new(1);
    half_way.begin(lanes.len());
    let told = || {
        let headway = Headway {
            took: began.elapsed(),
            ..half_way.headway()
        };
        tell(Event::Moved {
            step: step.id,
            headway: headway.clone(),
        });
        headway
    };
    let ends = lanes.iter().enumerate().map(async |(place, lane)| {
        let mut mover = Mover::new(lane, load, count);
        let takes = Cell::new(None);
        let result = drive(
            &mut mover,
            lane,
            stop.clone(),
            || given_up.get(),
            async |node, commands, turn| {
                // From one call to the next, as long as these are about taking over.
                takes.set(match (turn, takes.take()) {
                    (Turn::Takes, Some(held)) => Some(held),
                    (Turn::Takes, None) => Some(taking.acquire().await),
                    (Turn::Shared | Turn::Alone, _) => None,
                });
                // It is never closed.
                let all = turn == Turn::Alone;
                let _turn = turns.acquire_many(if all { count } else { 1 }).await;
                let address = plan.places.get(&node);
                let answer = call(wire, step.id, address, lane, commands).await;
                tell_answers(step.id, node, commands, &answer, &tell);
                answer
            },
            |mover| {
                half_way.set(place, mover, began.elapsed());
                if told_at.get().elapsed() > TOLD_EVERY {
                    told_at.set(Instant::now());
                    told();
                }
            },
        )
        .await;
        given_up.set(given_up.get() || result.is_err());
        result
    });
    let ends = join_all(ends).await;
    Moved {
        step: step.id,
        headway: told(),
        result: ends.into_iter().fold(Ok(()), together),
    }
}

/// The move in parts that go beside each other. One that waits between its commands, or that first has to tell
/// its target who owns what, goes in one.
fn lanes(transfer: &Transfer) -> Vec<Transfer> {
    let alone = match transfer.engine {
        Engine::Classic(bounds) => !bounds.pause.is_zero() || !transfer.torn.is_empty(),
        Engine::Atomic | Engine::Homeward(_) | Engine::Orphaned { .. } => true,
    };
    if alone {
        return vec![transfer.clone()];
    }
    // By windows in turns, so that what has moved when a run ends is a range or two.
    let slots: Vec<Slot> = transfer.slots.iter().collect();
    let windows: Vec<&[Slot]> = slots.chunks(WINDOW).collect();
    let parts = (0..LANES.min(windows.len())).map(|first| {
        let own = windows.iter().skip(first).step_by(LANES);
        own.flat_map(|window| window.iter().copied()).collect()
    });
    let lane = |slots: SlotSet| Transfer {
        open: transfer.open.intersection(&slots),
        torn: transfer.torn.intersection(&slots),
        slots,
        ..transfer.clone()
    };
    parts.map(lane).collect()
}

/// What kept one lane from its end, with what the others have left: those only stopped for its sake.
fn together(one: Result<(), Trouble>, other: Result<(), Trouble>) -> Result<(), Trouble> {
    let (mut first, mut second) = match (one, other) {
        (Ok(()), end) | (end, Ok(())) => return end,
        (Err(one), Err(other)) => (one, other),
    };
    if first.kind == TroubleKind::Interrupted {
        std::mem::swap(&mut first, &mut second);
    }
    for (node, words) in second.objections {
        let said = first.objections.entry(node).or_default();
        if said.is_empty() {
            *said = words;
        } else if *said != words {
            *said = format!("{said}; {words}");
        }
    }
    if second.kind != TroubleKind::Interrupted {
        first.answers.extend(second.answers);
    }
    Err(first)
}

async fn call(
    wire: &impl Wire,
    step: StepId,
    address: Option<&Address>,
    transfer: &Transfer,
    commands: &[Command],
) -> Result<Vec<Reply>, String> {
    let Some(address) = address else {
        return Err("no address is known for it".to_owned());
    };
    let waits = commands
        .iter()
        .filter(|one| one.moves() && !one.sets_slot());
    let several = u32::try_from(waits.count().min(8)).unwrap_or(8);
    let within = ANSWER_WITHIN + transfer.limit() * several;
    let abreast = match transfer.engine {
        Engine::Classic(bounds) => bounds.waits && commands.iter().all(Command::sets_slot),
        Engine::Orphaned { waits } => waits && commands.iter().all(Command::sets_slot),
        Engine::Atomic | Engine::Homeward(_) => false,
    };
    let steps = vec![step.0; commands.len()];
    let answer = wire
        .call_for(&steps, abreast, *address, commands, within)
        .await;
    answer.map_err(|error| error.to_string())
}

/// Tells of the commands that change something; questions are nobody's news.
fn tell_answers(
    step: StepId,
    node: NodeId,
    commands: &[Command],
    answer: &Result<Vec<Reply>, String>,
    tell: &impl Fn(Event),
) {
    for (place, command) in commands.iter().enumerate().filter(|(_, one)| one.moves()) {
        let command = command.clone();
        tell(match answer {
            Ok(replies) => Event::Answered {
                step,
                node,
                command,
                reply: replies.get(place).cloned().unwrap_or(Reply::Nil),
            },
            Err(words) => Event::Unanswered {
                step,
                node,
                command,
                words: words.clone(),
            },
        });
    }
}

#[cfg(test)]
mod tests;
