//! The end of a window: the last look at both sides, and the new owner.

use std::time::Duration;

use crate::base::{Command, NodeId, Reply, Role, Slot, SlotSet};
use crate::net::ABREAST;
use crate::observed::{Direction, NodeTable};

use super::super::mover::{Failure, Todo, number, table};
use super::{BREATH, Classic, Stage, TRIES};

/// How often a source is asked whether it has heard of its slots' new owner: for some two seconds. One that hears
/// nothing of it is told all the same, since clients would ask it in vain.
const LISTENED: u32 = 50;

/// The same of one that has heard nothing of the slots before: for a quarter of a second. What keeps the two from
/// hearing each other lasts, and would cost the two seconds for every few slots.
const LISTENED_IN_VAIN: u32 = 10;

/// A broadcast takes less than that.
const SOON: Duration = Duration::from_millis(5);

impl Classic<'_> {
    /// The source's keys of the window, and what it says of itself.
    pub(super) fn look_at_source(&mut self) -> Todo {
        let counts = self.window.iter().copied().map(Command::count_keys);
        let mut commands: Vec<Command> = counts.collect();
        commands.push(Command::new("CLUSTER NODES"));
        self.ask(Stage::Source, self.transfer.source, commands)
    }

    /// The new owner is announced only while the old one holds no key, owns the slots, and sends
    /// clients on to the target.
    pub(super) fn emptied(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
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
        self.unlisted += 1;
        if self.unlisted > TRIES {
            let filled: SlotSet = self.filled.iter().copied().collect();
            return Err(Failure::state(
                source,
                format!(
                    "counts keys in slots {filled} again and again, and lists none that can be moved"
                ),
            ));
        }
        Ok(self.list())
    }

    pub(super) fn still_importing(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
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

    /// On Valkey the target's replicas take over a slot before it does. If it dies in between, they may have heard
    /// from it that it doesn't own the slot, and have believed the source again: then the one that is elected
    /// deletes the keys. So that they hear nothing in between, no more slots go at once than the target waits for
    /// together, and no others until word of these has gone round.
    pub(super) fn take(&mut self, mut slots: Vec<Slot>) -> Todo {
        if self.bounds.waits {
            self.rest = slots.split_off(slots.len().min(ABREAST));
        }
        let commands = self.takes(&slots);
        self.ask(Stage::Take(slots), self.transfer.target, commands)
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

    /// Taking over a slot that has its mark, a server tells every node of the cluster at once: with many nodes that
    /// is most of what a slot without keys costs. One whose mark has just been taken away says so only to whom it
    /// talks to next. So the first slot of a window gives the target its new epoch, before it claims the others; and
    /// the last one tells everybody of all of them.
    pub(super) fn takes(&self, slots: &[Slot]) -> Vec<Command> {
        let last = slots.len().saturating_sub(1);
        let quietly = |place: usize| !self.bounds.waits && place > 0 && place < last;
        let places = slots.iter().zip(0..);
        places
            .flat_map(|(slot, place)| {
                let stable = quietly(place).then(|| Command::stable(*slot));
                let owner = Command::set_owner(*slot, self.transfer.target);
                stable.into_iter().chain([owner])
            })
            .collect()
    }

    fn owners(&self, slots: &[Slot]) -> Vec<Command> {
        let slots = slots.iter();
        slots
            .map(|slot| Command::set_owner(*slot, self.transfer.target))
            .collect()
    }

    /// The target first: told the source first, it would send clients away to a node that sends
    /// them back.
    pub(super) fn taken(&mut self, slots: Vec<Slot>, replies: &[Reply]) -> Result<Todo, Failure> {
        let target = self.transfer.target;
        let commands = self.takes(&slots);
        let owners = commands.iter().zip(replies);
        let owners = owners.filter(|(command, _)| command.gives_owner());
        let replies: Vec<&Reply> = owners.map(|(_, reply)| reply).collect();
        let (again, refused) = self.not_accepted(&slots, &replies);
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
            let commands = self.takes(&again);
            return Ok(self.once_more(Stage::Take(again), BREATH, target, commands));
        }
        self.tries = 0;
        let commands = vec![Command::new("CLUSTER NODES")];
        Ok(self.ask(Stage::Heard(0), self.transfer.source, commands))
    }

    /// The source is told once it has heard of the new owner from that one itself. Told before, Redis 7.0 takes what
    /// the target had sent until then, and what doesn't claim the slot yet, for a sign that the target is not its
    /// owner; and never forgets that. When the slot comes back to it one day, an old claim of the next source takes
    /// it away again, and its keys are deleted.
    pub(super) fn heard(&mut self, before: u32, replies: &[Reply]) -> Result<Todo, Failure> {
        let source = self.transfer.source;
        let table = table(source, replies.last())?;
        let own = table.members.get(&source).map(|own| &own.slots);
        let rest: SlotSet = self.rest.iter().copied().collect();
        let told = self.open().difference(&rest);
        let kept = own.is_some_and(|own| !own.intersection(&told).is_empty());
        let most = match self.deaf {
            true => LISTENED_IN_VAIN,
            false => LISTENED,
        };
        if kept && before < most {
            let commands = vec![Command::new("CLUSTER NODES")];
            let after = SOON * before.min(10);
            return Ok(self.once_more(Stage::Heard(before + 1), after, source, commands));
        }
        self.deaf = kept;
        if !rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Ok(self.take(rest));
        }
        let commands = self.owners(&self.window);
        Ok(self.ask(Stage::Give, source, commands))
    }

    /// Slots to send once more, and the first that was refused for good. Valkey 8.0 and later
    /// waits for its replicas, and says NOREPLICAS when one is late, though it takes effect there.
    fn not_accepted<'r>(
        &self,
        slots: &[Slot],
        replies: &[&'r Reply],
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
    pub(super) fn given(&mut self) -> Todo {
        self.moved = self.moved.union(&self.open());
        self.window.clear();
        self.sent_last.clear();
        self.open_window()
    }
}
