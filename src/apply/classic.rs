//! A classic move as a state machine without I/O: the replies of the last commands in, the next
//! commands out.
//!
//! Slots go in windows. All slots of a window are opened on both sides, emptied in batches, and
//! handed over together, so that round trips grow with the data and not with the slots. While a
//! slot is open its owner sends clients that ask for a key it doesn't have any more to the
//! target, so that no key can appear behind the move.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::base::{Command, Key, NodeId, Reply, Role, Slot, SlotSet};
use crate::observed::{Direction, NodeTable};
use crate::plan::{Bounds, Transfer};

use super::mover::{Failure, Todo, number, stray, table};

/// Slots that are open at once. A stop waits until they are through.
const WINDOW: usize = 128;

/// Keys that are listed in one go, so that a window of small slots takes few round trips.
const LISTED: u32 = 1000;

/// How often a batch that got no answer, or a slot whose new owner wasn't taken, is tried again.
const TRIES: u32 = 5;

/// The least that one of several MIGRATE commands in one go is given. A server runs them in a row
/// and serves nobody in between, so that a target that hangs costs the sum of their limits.
const SHORTEST: Duration = Duration::from_millis(250);

/// What a server needs before another attempt can go better.
const BREATH: Duration = Duration::from_millis(200);

/// A batch of keys of one slot.
#[derive(Clone, Debug)]
struct Batch {
    slot: Slot,
    keys: Vec<Key>,
    /// Whether it needs the whole limit for itself: a big key, or one that broke off before.
    alone: bool,
}

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
    /// Their sizes.
    Size(Vec<Batch>),
    /// MIGRATE.
    Send(Vec<Batch>),
    /// The last look at the source: no key, still the owner, all slots still open.
    Source,
    /// The last look at the target: still importing them.
    Target,
    /// The new owner, told to the target.
    Take(Vec<Slot>),
    /// The new owner, told to the source.
    Give,
}

/// The move of one pair.
#[derive(Debug)]
pub(super) struct Classic<'a> {
    transfer: &'a Transfer,
    bounds: Bounds,
    /// Not opened yet.
    left: VecDeque<Slot>,
    window: Vec<Slot>,
    /// Slots of the window that may hold keys.
    filled: BTreeSet<Slot>,
    /// Batches that wait for their turn.
    waiting: VecDeque<(Batch, bool)>,
    stage: Option<Stage>,
    tries: u32,
    stopping: bool,
    pub(super) moved: SlotSet,
    pub(super) keys: u64,
}

impl<'a> Classic<'a> {
    pub(super) fn new(transfer: &'a Transfer, bounds: Bounds) -> Self {
        // What is open already comes first: a stop should leave less behind, not more.
        let begun = transfer.begun();
        let rest = transfer.slots.difference(&begun);
        Self {
            transfer,
            bounds,
            left: begun.iter().chain(rest.iter()).collect(),
            window: Vec::new(),
            filled: BTreeSet::new(),
            waiting: VecDeque::new(),
            stage: None,
            tries: 0,
            stopping: false,
            moved: SlotSet::new(),
            keys: 0,
        }
    }

    /// No new slots are opened; those that are open are brought to their end.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    /// The slots that are open on both sides now.
    pub(super) fn open(&self) -> SlotSet {
        self.window.iter().copied().collect()
    }

    /// What comes next, given the replies to what came before.
    pub(super) fn next(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        let Some(stage) = self.stage.take() else {
            return Ok(self.open_window());
        };
        match stage {
            Stage::Look => self.looked(replies),
            Stage::Owner => {
                self.accepted(replies, self.transfer.target, &self.owner())?;
                Ok(self.take_part())
            }
            Stage::Import => {
                self.accepted(replies, self.transfer.target, &self.import())?;
                let commands = self.export();
                Ok(self.ask(Stage::Export, self.transfer.source, commands))
            }
            Stage::Export => {
                self.accepted(replies, self.transfer.source, &self.export())?;
                self.filled = self.window.iter().copied().collect();
                Ok(self.list())
            }
            Stage::List(slots) => self.listed(&slots, replies),
            Stage::Size(batches) => Ok(self.sized(batches, replies)),
            Stage::Send(batches) => self.sent(batches, replies),
            Stage::Source => self.emptied(replies),
            Stage::Target => self.still_importing(replies),
            Stage::Take(slots) => self.taken(slots, replies),
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
                return Err(stray(target, *slot, count));
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
        let torn = &self.transfer.torn;
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

    fn accepted(
        &self,
        replies: &[Reply],
        node: NodeId,
        commands: &[Command],
    ) -> Result<(), Failure> {
        let mut refused = replies
            .iter()
            .zip(commands)
            .filter_map(|(reply, command)| Some((reply.as_error()?, command)));
        match refused.next() {
            Some((words, command)) => Err(Failure::refused(node, command.clone(), words)),
            None => Ok(()),
        }
    }

    /// Lists keys of slots that may have some, or goes on to the last look.
    fn list(&mut self) -> Todo {
        if !self.waiting.is_empty() {
            return self.send();
        }
        let slots: Vec<Slot> = self.filled.iter().copied().collect();
        if slots.is_empty() {
            let mut commands: Vec<Command> = self
                .window
                .iter()
                .copied()
                .map(Command::count_keys)
                .collect();
            commands.push(Command::new("CLUSTER NODES"));
            return self.ask(Stage::Source, self.transfer.source, commands);
        }
        let slots_now = u32::try_from(slots.len()).unwrap_or(LISTED);
        let each = (LISTED / slots_now.max(1)).max(1);
        let commands = slots.iter().map(|slot| Command::list_keys(*slot, each));
        let commands = commands.collect();
        self.ask(Stage::List(slots), self.transfer.source, commands)
    }

    fn listed(&mut self, slots: &[Slot], replies: &[Reply]) -> Result<Todo, Failure> {
        let source = self.transfer.source;
        let mut batches = Vec::new();
        for (slot, reply) in slots.iter().zip(replies) {
            if let Some(words) = reply.as_error() {
                let command = Command::list_keys(*slot, self.bounds.batch);
                return Err(Failure::refused(source, command, words));
            }
            let keys = reply.as_list().unwrap_or_default().iter();
            let keys: Vec<Key> = keys.filter_map(Reply::as_bytes).map(Key::new).collect();
            if keys.is_empty() {
                self.filled.remove(slot);
            } else {
                let alone = self.transfer.torn.contains(*slot);
                batches.push(Batch {
                    slot: *slot,
                    keys,
                    alone,
                });
            }
        }
        if batches.is_empty() {
            return Ok(self.list());
        }
        let keys = batches.iter().flat_map(|batch| &batch.keys);
        let commands = keys
            .map(|key| Command::new("MEMORY USAGE").keys([key]))
            .collect();
        Ok(self.ask(Stage::Size(batches), source, commands))
    }

    /// Cuts the keys into batches by count and by bytes. A size that is refused, since the user
    /// lacks the right, counts as nothing: the count still bounds the batch.
    fn sized(&mut self, batches: Vec<Batch>, replies: &[Reply]) -> Todo {
        let mut sizes = replies.iter();
        for Batch { slot, keys, alone } in batches {
            let limit = self.bounds.bytes;
            let cut = |keys, bytes| Batch {
                slot,
                keys,
                alone: alone || bytes > limit,
            };
            let (mut batch, mut bytes) = (Vec::new(), 0);
            for key in keys {
                let size = sizes.next().and_then(Reply::as_integer).unwrap_or(0);
                let size = u64::try_from(size).unwrap_or(0);
                let full = batch.len() >= self.bounds.batch as usize
                    || (!batch.is_empty() && bytes + size > self.bounds.bytes);
                if full {
                    let keys = std::mem::take(&mut batch);
                    self.waiting.push_back((cut(keys, bytes), false));
                    bytes = 0;
                }
                bytes += size;
                batch.push(key);
            }
            self.waiting.push_back((cut(batch, bytes), false));
        }
        self.send()
    }

    /// As many batches in one go as make up a full one, and as can all time out within the limit:
    /// the source serves nobody in between.
    fn send(&mut self) -> Todo {
        let shares = self.bounds.limit.as_millis() / SHORTEST.as_millis();
        let most = usize::try_from(shares).unwrap_or(1).max(1);
        let (mut batches, mut count) = (Vec::new(), 0);
        while let Some((batch, replace)) = self.waiting.pop_front() {
            count += batch.keys.len();
            let full = count > self.bounds.batch as usize || batches.len() == most || batch.alone;
            if full && !batches.is_empty() {
                self.waiting.push_front((batch, replace));
                break;
            }
            let alone = batch.alone;
            batches.push((batch, replace));
            if alone {
                break;
            }
        }
        let each = self.bounds.limit / u32::try_from(batches.len()).unwrap_or(1).max(1);
        let commands = batches.iter();
        let commands = commands.map(|(batch, replace)| self.migrate(batch, each, *replace));
        let commands = commands.collect();
        let batches = batches.into_iter().map(|(batch, _)| batch).collect();
        self.ask(Stage::Send(batches), self.transfer.source, commands)
    }

    fn migrate(&self, batch: &Batch, within: Duration, replace: bool) -> Command {
        Command::migrate(self.transfer.address, within, replace, &batch.keys)
    }

    /// Puts a batch that may lie on both sides back in the queue, to go with the whole limit.
    fn retry(&mut self, batch: Batch) {
        let replace = !self.transfer.begun().contains(batch.slot);
        let alone = true;
        self.waiting.push_back((Batch { alone, ..batch }, replace));
    }

    /// A batch that broke off may have left keys on both sides. The source is the owner and gives
    /// the slot away, the target takes it: clients are served by the source as long as it has the
    /// key, so its value is the newer one, and replaces the other. That is certain only of slots that
    /// this run has opened: of a mark that was lost and set again by an earlier one nothing tells.
    fn sent(&mut self, batches: Vec<Batch>, replies: &[Reply]) -> Result<Todo, Failure> {
        let mut broke_off = false;
        for (batch, reply) in batches.into_iter().zip(replies) {
            match reply.as_error() {
                None => {
                    self.keys += batch.keys.len() as u64;
                    self.tries = 0;
                }
                Some(words)
                    if words.contains("BUSYKEY") && self.transfer.begun().contains(batch.slot) =>
                {
                    return Err(Failure::state(
                        self.transfer.target,
                        format!(
                            "holds a key of slot {} that the source holds too, and the move was begun by an earlier run: see which of them is the right one, remove the other, and run again",
                            batch.slot
                        ),
                    ));
                }
                // A target that has just learnt the owners needs a moment.
                Some(words) if goes_by(words) => {
                    // Once for all that were sent in one go.
                    self.tries += u32::from(!broke_off);
                    broke_off |= !words.contains("BUSYKEY");
                    if self.tries > TRIES {
                        let command = self.migrate(&batch, self.bounds.limit, true);
                        return Err(Failure::refused(self.transfer.source, command, words));
                    }
                    self.retry(batch);
                }
                Some(words) => {
                    let command = self.migrate(&batch, self.bounds.limit, false);
                    return Err(Failure::refused(self.transfer.source, command, words));
                }
            }
        }
        let pause = match broke_off {
            true => BREATH,
            false => self.bounds.pause,
        };
        if pause.is_zero() {
            Ok(self.list())
        } else {
            Ok(Todo::Wait(pause))
        }
    }

    /// The new owner is announced only while the old one holds no key, owns the slots, and sends
    /// clients on to the target.
    fn emptied(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        let source = self.transfer.source;
        for (slot, reply) in self.window.iter().zip(replies) {
            if number(reply, source, &Command::count_keys(*slot))? > 0 {
                self.filled.insert(*slot);
            }
        }
        let window = self.open();
        let table = table(source, replies.last())?;
        let own = table.members.get(&source);
        let owned = own.map(|own| own.slots.clone()).unwrap_or_default();
        let kept = window.difference(&owned);
        if !kept.is_empty() {
            return Err(Failure::state(
                source,
                format!("does not own slots {kept} any more"),
            ));
        }
        self.marked(&table, source, Direction::Migrating)?;
        if self.filled.is_empty() {
            let commands = vec![Command::new("CLUSTER NODES")];
            return Ok(self.ask(Stage::Target, self.transfer.target, commands));
        }
        Ok(self.list())
    }

    fn still_importing(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        let target = self.transfer.target;
        let table = table(target, replies.last())?;
        let role = table.members.get(&target).map(|own| own.role);
        if role != Some(Role::Primary) {
            return Err(Failure::state(target, "is no primary any more".to_owned()));
        }
        // Without the mark the new owner would take no new epoch, and others would not believe it.
        self.marked(&table, target, Direction::Importing)?;
        Ok(self.take(self.window.clone()))
    }

    fn marked(&self, table: &NodeTable, node: NodeId, direction: Direction) -> Result<(), Failure> {
        let marks = table.open.iter().filter(|open| open.direction == direction);
        let marks: SlotSet = marks.map(|open| open.slot).collect();
        let missing = self.open().difference(&marks);
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Failure::state(
                node,
                format!("has lost the marks of slots {missing}"),
            )),
        }
    }

    fn take(&mut self, slots: Vec<Slot>) -> Todo {
        let commands = self.owners(&slots);
        self.ask(Stage::Take(slots), self.transfer.target, commands)
    }

    fn owners(&self, slots: &[Slot]) -> Vec<Command> {
        let slots = slots.iter();
        slots
            .map(|slot| Command::set_owner(*slot, self.transfer.target))
            .collect()
    }

    /// The target first: told the source first, it would send clients away to a node that sends
    /// them back.
    fn taken(&mut self, slots: Vec<Slot>, replies: &[Reply]) -> Result<Todo, Failure> {
        let target = self.transfer.target;
        let (again, refused) = self.not_accepted(&slots, replies);
        if let Some((slot, words)) = refused {
            let command = Command::set_owner(slot, target);
            return Err(Failure::refused(target, command, words));
        }
        if !again.is_empty() {
            self.tries += 1;
            if self.tries > TRIES {
                let command = Command::set_owner(again[0], target);
                return Err(Failure::refused(target, command, "NOREPLICAS"));
            }
            self.stage = Some(Stage::Take(again.clone()));
            return Ok(Todo::Repeat {
                after: BREATH,
                node: target,
                commands: self.owners(&again),
            });
        }
        self.tries = 0;
        let commands = self.owners(&self.window);
        Ok(self.ask(Stage::Give, self.transfer.source, commands))
    }

    /// Slots to send once more, and the first that was refused for good. Valkey 8.0 and later
    /// waits for its replicas, and says NOREPLICAS when one is late, though it takes effect there.
    fn not_accepted<'r>(
        &self,
        slots: &[Slot],
        replies: &'r [Reply],
    ) -> (Vec<Slot>, Option<(Slot, &'r str)>) {
        let mut again = Vec::new();
        for (slot, reply) in slots.iter().zip(replies) {
            match reply.as_error() {
                None => {}
                Some(words) if words.starts_with("NOREPLICAS") => again.push(*slot),
                Some(words) => return (again, Some((*slot, words))),
            }
        }
        (again, None)
    }

    /// What the source answers is not judged here: it has lost its last slot perhaps, and is a
    /// replica by now. The step's condition looks at both ends.
    fn given(&mut self) -> Todo {
        self.moved = self.moved.union(&self.open());
        self.window.clear();
        self.open_window()
    }
}

/// Whether another attempt can go better.
fn goes_by(words: &str) -> bool {
    words.contains("BUSYKEY") || words.contains("CLUSTERDOWN") || words.starts_with("IOERR")
}

#[cfg(test)]
mod tests;
