//! Brings keys to the node that owns their slots, from one that doesn't: the replies of the last
//! commands in, the next commands out.
//!
//! A server gives a key of a slot that it doesn't own only while it has that slot open as
//! importing. Nothing is ever replaced: a value that the owner has is not known to be the older one.

use std::collections::VecDeque;

use crate::base::{Command, Key, NodeId, Reply, Slot, SlotSet, counted};
use crate::plan::{Bounds, Transfer};

use super::classic::goes_by;
use super::mover::{Failure, Todo, number, table};

/// How often a command that got no answer, or was refused in passing, is sent again.
const TRIES: u32 = 5;

/// What the last command asked.
#[derive(Debug)]
enum Stage {
    /// The owner's keys of the slot, and whether it is still the owner.
    Look,
    /// IMPORTING at the holder, so that it gives the keys.
    Open,
    List,
    Send,
    /// STABLE at the holder.
    Close,
}

/// The way home of one holder's keys to one owner, slot by slot: there are few of them.
#[derive(Debug)]
pub(super) struct Homeward<'a> {
    transfer: &'a Transfer,
    bounds: Bounds,
    left: VecDeque<Slot>,
    slot: Option<Slot>,
    stage: Option<Stage>,
    tries: u32,
    sent: u64,
    stopping: bool,
    pub(super) moved: SlotSet,
    pub(super) keys: u64,
}

impl<'a> Homeward<'a> {
    pub(super) fn new(transfer: &'a Transfer, bounds: Bounds) -> Self {
        Self {
            transfer,
            bounds,
            left: transfer.slots.iter().collect(),
            slot: None,
            stage: None,
            tries: 0,
            sent: 0,
            stopping: false,
            moved: SlotSet::new(),
            keys: 0,
        }
    }

    /// No further slot is begun.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    pub(super) fn open(&self) -> SlotSet {
        self.slot.into_iter().collect()
    }

    pub(super) fn next(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        let (Some(stage), Some(slot)) = (self.stage.take(), self.slot) else {
            return Ok(self.resume());
        };
        let holder = self.transfer.source;
        match stage {
            Stage::Look => self.looked(slot, replies),
            Stage::Open => {
                accepted(holder, &self.importing(slot), replies)?;
                Ok(self.list(slot))
            }
            Stage::List => Ok(self.listed(slot, replies)),
            Stage::Send => self.given(slot, replies),
            Stage::Close => {
                accepted(holder, &Command::stable(slot), replies)?;
                self.moved = self.moved.union(&self.open());
                self.slot = None;
                Ok(self.resume())
            }
        }
    }

    /// All of these commands may be sent twice; a key that has arrived unseen is refused then.
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
        Ok(Todo::Repeat {
            after: super::classic::BREATH,
            node,
            commands: commands.to_vec(),
        })
    }

    fn resume(&mut self) -> Todo {
        if let Some(slot) = self.slot {
            return self.list(slot);
        }
        let Some(slot) = self.left.pop_front().filter(|_| !self.stopping) else {
            return Todo::Done;
        };
        self.slot = Some(slot);
        let commands = vec![Command::count_keys(slot), Command::new("CLUSTER NODES")];
        self.ask(Stage::Look, self.transfer.target, commands)
    }

    fn ask(&mut self, stage: Stage, node: NodeId, commands: Vec<Command>) -> Todo {
        self.stage = Some(stage);
        Todo::Call { node, commands }
    }

    fn importing(&self, slot: Slot) -> Command {
        Command::importing(slot, self.transfer.target)
    }

    /// Clients may have written there since the plan was made: then nobody can tell which of the
    /// values are the right ones.
    fn looked(&mut self, slot: Slot, replies: &[Reply]) -> Result<Todo, Failure> {
        let owner = self.transfer.target;
        let count = replies.first().map_or(Ok(0), |reply| {
            number(reply, owner, &Command::count_keys(slot))
        })?;
        let table = table(owner, replies.last())?;
        let owned = table.members.get(&owner).map(|own| &own.slots);
        let objection = if count > 0 {
            Some(format!(
                "has {} of slot {slot} by now, and it can't be told which values are the right ones",
                counted(count, "key")
            ))
        } else if owned.is_none_or(|slots| !slots.contains(slot)) {
            Some(format!("does not own slot {slot} any more"))
        } else {
            None
        };
        if let Some(words) = objection {
            self.slot = None;
            return Err(Failure::state(owner, words));
        }
        let commands = vec![self.importing(slot)];
        Ok(self.ask(Stage::Open, self.transfer.source, commands))
    }

    fn migrate(&self, keys: &[Key]) -> Command {
        let Transfer { address, login, .. } = self.transfer;
        Command::migrate(*address, login.as_ref(), self.bounds.limit, false, keys)
    }

    fn list(&mut self, slot: Slot) -> Todo {
        let commands = vec![Command::list_keys(slot, self.bounds.batch)];
        self.ask(Stage::List, self.transfer.source, commands)
    }

    fn listed(&mut self, slot: Slot, replies: &[Reply]) -> Todo {
        let keys = replies.first().and_then(Reply::as_list).unwrap_or_default();
        let keys: Vec<Key> = keys
            .iter()
            .filter_map(Reply::as_bytes)
            .map(Key::new)
            .collect();
        let holder = self.transfer.source;
        if keys.is_empty() {
            return self.ask(Stage::Close, holder, vec![Command::stable(slot)]);
        }
        self.sent = keys.len() as u64;
        let commands = vec![self.migrate(&keys)];
        self.ask(Stage::Send, holder, commands)
    }

    fn given(&mut self, slot: Slot, replies: &[Reply]) -> Result<Todo, Failure> {
        match replies.first().and_then(Reply::as_error) {
            None => {
                self.keys += self.sent;
                self.tries = 0;
                Ok(self.list(slot))
            }
            Some(words) if words.contains("BUSYKEY") => Err(Failure::keys(
                self.transfer.target,
                format!(
                    "has a key of slot {slot} that {} holds too: see which of them is the right one, remove the other, and run again",
                    self.transfer.source.short()
                ),
            )),
            Some(words) if goes_by(words) && self.tries < TRIES => {
                self.tries += 1;
                Ok(Todo::Wait(super::classic::BREATH))
            }
            Some(words) => Err(Failure::refused(
                self.transfer.source,
                self.migrate(&[]),
                words,
            )),
        }
    }
}

fn accepted(node: NodeId, command: &Command, replies: &[Reply]) -> Result<(), Failure> {
    match replies.iter().find_map(Reply::as_error) {
        Some(words) => Err(Failure::refused(node, command.clone(), words)),
        None => Ok(()),
    }
}
