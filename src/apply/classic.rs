//! A classic move as a state machine without I/O: the replies of the last commands in, the next
//! commands out.
//!
//! Slots go in windows. All slots of a window are opened on both sides, emptied in batches, and
//! handed over together, so that round trips grow with the data and not with the slots. While a
//! slot is open its owner sends clients that ask for a key it doesn't have any more to the
//! target, so that no key can appear behind the move.

mod batches;
mod handover;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::base::{Command, Key, NodeId, Reply, Slot, SlotSet};
use crate::plan::{Bounds, Transfer};

pub(super) use self::batches::goes_by;
use self::batches::{Batch, Sizes};
use super::mover::{Failure, Todo, Turn, number, stray};

/// Slots that are open at once, in each of the lanes of a move. A stop waits until they are through.
pub(super) const WINDOW: usize = 32;

/// How often a batch that got no answer, or a slot whose new owner wasn't taken, is tried again.
const TRIES: u32 = 5;

/// What a server needs before another attempt can go better.
pub(super) const BREATH: Duration = Duration::from_millis(200);

/// What the last commands asked.
#[derive(Debug)]
enum Stage {
    /// The target's keys of the slots that aren't open yet.
    Look,
    /// The present owner, told to the target.
    Owner,
    /// IMPORTING at the target.
    Import,
    /// MIGRATING at the source.
    Export,
    /// The source's keys, slot by slot.
    List(Vec<Slot>),
    /// The sizes of every so-manieth of them.
    Size(Vec<Batch>, usize),
    /// MIGRATE.
    Send(Vec<Batch>),
    /// The last look at the source: no key, still the owner, all slots still open.
    Source,
    /// The last look at the target: still importing them.
    Target,
    /// The new owner, told to the target.
    Take(Vec<Slot>),
    /// Whether the source has heard of the new owner by itself, and how often it was asked before.
    Heard(u32),
    /// The new owner, told to the source.
    Give,
}

/// The move of one pair.
#[derive(Debug)]
pub(super) struct Classic<'a> {
    transfer: &'a Transfer,
    bounds: Bounds,
    /// How long the MIGRATE commands of one go may take, unless one has the source for itself: another lane's
    /// may be next in the source's row, and both together are to take no longer than the limit.
    share: Duration,
    /// Not opened yet.
    left: VecDeque<Slot>,
    window: Vec<Slot>,
    /// Slots of the window that may hold keys.
    filled: BTreeSet<Slot>,
    /// Slots of it that the target takes over after those that it is taking now.
    rest: Vec<Slot>,
    /// Batches that wait for their turn.
    waiting: VecDeque<Batch>,
    sizes: Sizes,
    stage: Option<Stage>,
    tries: u32,
    /// The first key of the last batch of a slot that was taken, and how often one of these was listed again.
    sent_last: BTreeMap<Slot, Key>,
    in_vain: u32,
    /// Whether the source had not heard of the last slots that were taken over when it was told of them.
    deaf: bool,
    /// How often in a row keys were counted and none was moved.
    unlisted: u32,
    stopping: bool,
    pub(super) moved: SlotSet,
    pub(super) keys: u64,
    pub(super) bytes: u64,
}

impl<'a> Classic<'a> {
    /// One of so many that move slots of this pair at the same time.
    pub(super) fn new(transfer: &'a Transfer, bounds: Bounds, lanes: u32) -> Self {
        // What is open already comes first: a stop should leave less behind, not more.
        let begun = transfer.begun();
        let rest = transfer.slots.difference(&begun);
        Self {
            transfer,
            bounds,
            share: bounds.limit / lanes.max(1),
            left: begun.iter().chain(rest.iter()).collect(),
            window: Vec::new(),
            rest: Vec::new(),
            filled: BTreeSet::new(),
            waiting: VecDeque::new(),
            sizes: Sizes::default(),
            stage: None,
            tries: 0,
            sent_last: BTreeMap::new(),
            in_vain: 0,
            deaf: false,
            unlisted: 0,
            stopping: false,
            moved: SlotSet::new(),
            keys: 0,
            bytes: 0,
        }
    }

    /// No new slots are opened; those that are open are brought to their end.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    /// What may go beside what is asked now: where it may take the whole limit, nothing.
    pub(super) fn turn(&self) -> Turn {
        match &self.stage {
            Some(Stage::Send(batches)) if batches.iter().any(Batch::is_alone) => Turn::Alone,
            Some(Stage::Take(_) | Stage::Heard(_)) if self.bounds.waits => Turn::Takes,
            Some(_) | None => Turn::Shared,
        }
    }

    /// The slots that are open on both sides now.
    pub(super) fn open(&self) -> SlotSet {
        self.window.iter().copied().collect()
    }

    /// What is left open if nothing more is sent.
    pub(super) fn left_open(&self) -> SlotSet {
        match self.stage {
            // No mark of this window is set yet but those that were found.
            Some(Stage::Look | Stage::Owner) => self.open().intersection(&self.transfer.begun()),
            Some(_) | None => self.open(),
        }
    }

    /// What comes next, given the replies to what came before.
    pub(super) fn next(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        let Some(stage) = self.stage.take() else {
            return Ok(self.open_window());
        };
        match stage {
            Stage::Look => self.looked(replies),
            Stage::Owner => {
                let (target, commands) = (self.transfer.target, self.owner());
                let late = self.late(Stage::Owner, replies, target, commands)?;
                Ok(late.unwrap_or_else(|| self.take_part()))
            }
            Stage::Import => {
                let (target, commands) = (self.transfer.target, self.import());
                if let Some(late) = self.late(Stage::Import, replies, target, commands)? {
                    return Ok(late);
                }
                let commands = self.export();
                Ok(self.ask(Stage::Export, self.transfer.source, commands))
            }
            Stage::Export => {
                let (source, commands) = (self.transfer.source, self.export());
                if let Some(late) = self.late(Stage::Export, replies, source, commands)? {
                    return Ok(late);
                }
                self.filled = self.window.iter().copied().collect();
                Ok(self.list())
            }
            Stage::List(slots) => self.listed(&slots, replies),
            Stage::Size(batches, every) => Ok(self.sized(batches, every, replies)),
            Stage::Send(batches) => self.sent(batches, replies),
            Stage::Source => self.emptied(replies),
            Stage::Target => self.still_importing(replies),
            Stage::Take(slots) => self.taken(slots, replies),
            Stage::Heard(before) => self.heard(before, replies),
            Stage::Give => Ok(self.given()),
        }
    }

    /// The next commands got no answer: they may have run or not. Questions and marks are asked
    /// again; of a MIGRATE the keys may lie on both sides.
    pub(super) fn unanswered(
        &mut self,
        words: &str,
        node: NodeId,
        commands: &[Command],
    ) -> Result<Todo, Failure> {
        self.tries += 1;
        if self.tries > TRIES {
            return Err(Failure::unanswered(node, commands, words));
        }
        match self.stage.take() {
            // The source may have failed over meanwhile, and have taken writes since.
            Some(Stage::Take(_)) => Err(Failure::unanswered(node, commands, words)),
            Some(Stage::Send(batches)) => {
                batches.into_iter().for_each(|batch| self.retry(batch));
                Ok(Todo::Wait(BREATH))
            }
            stage => {
                self.stage = stage;
                Ok(Todo::Repeat {
                    after: BREATH,
                    node,
                    commands: commands.to_vec(),
                })
            }
        }
    }

    fn ask(&mut self, stage: Stage, node: NodeId, commands: Vec<Command>) -> Todo {
        self.stage = Some(stage);
        Todo::Call { node, commands }
    }

    fn open_window(&mut self) -> Todo {
        if !self.window.is_empty() {
            return self.list();
        }
        if self.stopping || self.left.is_empty() {
            return Todo::Done;
        }
        let count = self.left.len().min(WINDOW);
        self.window = self.left.drain(..count).collect();
        let commands = self.window.iter().copied().map(Command::count_keys);
        let commands = commands.collect();
        self.ask(Stage::Look, self.transfer.target, commands)
    }

    /// Keys that lie at the target before it takes part in the move are nobody's: they would
    /// come back to life with the slot, or stand in the way of its keys.
    fn looked(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        let (target, begun) = (self.transfer.target, self.transfer.begun());
        let window = self.window.clone();
        for (slot, reply) in window.iter().zip(replies) {
            let count = number(reply, target, &Command::count_keys(*slot))?;
            if count > 0 && !begun.contains(*slot) {
                // Nothing of this window was opened yet.
                self.window.clear();
                return Err(stray(self.transfer, *slot, count));
            }
        }
        let commands = self.owner();
        if commands.is_empty() {
            return Ok(self.take_part());
        }
        Ok(self.ask(Stage::Owner, target, commands))
    }

    /// Redis learns no new owner of a slot that it imports. When the giver has failed over, the
    /// taker knows none, calls the cluster down and takes no key, until it is told who it is.
    fn owner(&self) -> Vec<Command> {
        // What has gone already is the target's: told otherwise, it would disown it, and nobody else would.
        let torn = self.transfer.torn.difference(&self.moved);
        if !self.window.iter().any(|slot| torn.contains(*slot)) {
            return Vec::new();
        }
        // All of them at once: while it misses the owner of one, it serves nothing.
        torn.iter()
            .map(|slot| Command::set_owner(slot, self.transfer.source))
            .collect()
    }

    fn take_part(&mut self) -> Todo {
        let commands = self.import();
        self.ask(Stage::Import, self.transfer.target, commands)
    }

    fn import(&self) -> Vec<Command> {
        let slots = self.window.iter();
        slots
            .map(|slot| Command::importing(*slot, self.transfer.source))
            .collect()
    }

    fn export(&self) -> Vec<Command> {
        let slots = self.window.iter();
        slots
            .map(|slot| Command::migrating(*slot, self.transfer.target))
            .collect()
    }

    /// The same marks again, where they were not all taken. Valkey 8.0 and later waits for its replicas, and says
    /// NOREPLICAS when one is late: a mark that is set again does no harm.
    fn late(
        &mut self,
        stage: Stage,
        replies: &[Reply],
        node: NodeId,
        commands: Vec<Command>,
    ) -> Result<Option<Todo>, Failure> {
        let refused = replies
            .iter()
            .zip(&commands)
            .filter_map(|(reply, command)| Some((reply.as_error()?, command)));
        let (late, refused): (Vec<_>, Vec<_>) =
            refused.partition(|(words, _)| words.starts_with("NOREPLICAS"));
        self.tries = match late.is_empty() {
            true => 0,
            false => self.tries + 1,
        };
        let late = late.into_iter().filter(|_| self.tries > TRIES);
        if let Some((words, command)) = refused.into_iter().chain(late).next() {
            return Err(Failure::refused(node, command.clone(), words));
        }
        let again = self.tries > 0;
        Ok(again.then(|| self.once_more(stage, BREATH, node, commands)))
    }

    fn once_more(
        &mut self,
        stage: Stage,
        after: Duration,
        node: NodeId,
        commands: Vec<Command>,
    ) -> Todo {
        self.stage = Some(stage);
        Todo::Repeat {
            after,
            node,
            commands,
        }
    }
}

#[cfg(test)]
mod tests;
