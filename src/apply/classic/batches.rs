//! The middle of a window: its keys in batches, until the source holds none.

use std::time::Duration;

use crate::base::{Command, Key, NodeId, Reply, Slot};

use super::super::mover::{Failure, Todo};
use super::{BREATH, Classic, Stage, TRIES};

/// Keys that are listed in one go: as many slots as make up these, each with a full batch.
const LISTED: u32 = 10_000;

/// The least that one of several MIGRATE commands in one go is given. A server runs them in a row
/// and serves nobody in between, so that a target that hangs costs the sum of their limits.
const SHORTEST: Duration = Duration::from_millis(250);

/// MIGRATE commands in one go. Each waits for its target, and a server runs all of them before it
/// serves its next client.
const SENT: usize = 4;

/// Keys whose sizes are asked before fewer are.
const KNOWN: u32 = 500;

/// Once they are known to be small, one key in so many is asked, and one a slot at least.
const SPARSE: usize = 16;

/// A batch of keys of one slot.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    slot: Slot,
    keys: Vec<Key>,
    bytes: u64,
    /// Whether it needs the whole limit for itself: a big key, or one that broke off before.
    alone: bool,
    /// Whether it may lie at the target already.
    again: bool,
    /// Whether the size of each of its keys was asked.
    measured: bool,
}

impl Batch {
    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }
}

/// The sizes that were asked so far. Asking for every key costs a source a tenth of its time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    count: u64,
    sum: u64,
    largest: u64,
}

impl Sizes {
    fn add(&mut self, size: u64) {
        self.count += 1;
        self.sum += size;
        self.largest = self.largest.max(size);
    }

    #[cfg(test)]
    pub(super) fn add_many(&mut self, count: u64, size: u64) {
        (0..count).for_each(|_| self.add(size));
    }

    fn usual(self) -> u64 {
        self.sum / self.count.max(1)
    }
}

impl Classic<'_> {
    /// Lists keys of slots that may have some, or goes on to the last look.
    pub(super) fn list(&mut self) -> Todo {
        if !self.waiting.is_empty() {
            return self.send();
        }
        let each = self.bounds.batch.max(1);
        let most = if self.sizes_are_known() {
            LISTED
        } else {
            KNOWN
        };
        let most = usize::try_from(most / each).unwrap_or(1).max(1);
        let slots: Vec<Slot> = self.filled.iter().copied().take(most).collect();
        if slots.is_empty() {
            return self.look_at_source();
        }
        let commands = slots.iter().map(|slot| Command::list_keys(*slot, each));
        let commands = commands.collect();
        self.ask(Stage::List(slots), self.transfer.source, commands)
    }

    pub(super) fn listed(&mut self, slots: &[Slot], replies: &[Reply]) -> Result<Todo, Failure> {
        let source = self.transfer.source;
        let mut batches = Vec::new();
        for (slot, reply) in slots.iter().zip(replies) {
            if let Some(words) = reply.as_error() {
                let command = Command::list_keys(*slot, self.bounds.batch);
                return Err(Failure::refused(source, command, words));
            }
            let keys = reply.as_list().unwrap_or_default().iter();
            let keys: Vec<Key> = keys.filter_map(Reply::as_bytes).map(Key::new).collect();
            self.goes_on(*slot, keys.first())?;
            if keys.len() < self.bounds.batch as usize {
                // That was all: while a slot is given away no key appears in it. The last look counts them.
                self.filled.remove(slot);
            }
            if !keys.is_empty() {
                batches.push(Batch {
                    slot: *slot,
                    keys,
                    bytes: 0,
                    alone: self.transfer.torn.contains(*slot),
                    again: false,
                    measured: false,
                });
            }
        }
        if batches.is_empty() {
            return Ok(self.list());
        }
        let small = self.sizes_are_known() && !self.is_big(self.sizes.largest);
        Ok(self.size(batches, if small { SPARSE } else { 1 }))
    }

    /// A source that says of keys that they are gone, and lists them again, would be asked for ever.
    fn goes_on(&mut self, slot: Slot, first: Option<&Key>) -> Result<(), Failure> {
        let again = first.filter(|key| self.sent_last.get(&slot) == Some(key));
        let Some(key) = again else {
            return Ok(());
        };
        self.in_vain += 1;
        if self.in_vain <= TRIES {
            return Ok(());
        }
        let key = key.shown();
        Err(Failure::state(
            self.transfer.source,
            format!("takes every MIGRATE of key {key:?} of slot {slot}, and lists it again"),
        ))
    }

    fn sizes_are_known(&self) -> bool {
        self.sizes.count >= KNOWN.into()
    }

    /// Whether a batch of such keys would have more bytes than it may.
    fn is_big(&self, size: u64) -> bool {
        size.saturating_mul(self.bounds.batch.into()) > self.bounds.bytes
    }

    /// Asks for the size of every so-manieth key.
    fn size(&mut self, batches: Vec<Batch>, every: usize) -> Todo {
        let keys = batches
            .iter()
            .flat_map(|batch| batch.keys.iter().step_by(every));
        let commands = keys.map(Command::memory_usage).collect();
        self.ask(Stage::Size(batches, every), self.transfer.source, commands)
    }

    /// Cuts the keys into batches by count and by bytes, a bigger key alone. A size that is refused,
    /// since the user lacks the right, counts as nothing: the count still bounds the batch. A big key
    /// among those that were picked makes the others of the same listing suspect.
    pub(super) fn sized(&mut self, batches: Vec<Batch>, every: usize, replies: &[Reply]) -> Todo {
        let sizes = replies.iter().map(|reply| {
            // One that can't be is as good as a refused one.
            reply.as_count().unwrap_or(0)
        });
        let mut big = false;
        for size in sizes.clone() {
            self.sizes.add(size);
            big |= self.is_big(size);
        }
        if big && every > 1 {
            return self.size(batches, 1);
        }
        self.cut(batches, every, sizes);
        self.send()
    }

    fn cut(&mut self, batches: Vec<Batch>, every: usize, mut sizes: impl Iterator<Item = u64>) {
        let (limit, usual) = (self.bounds.bytes, self.sizes.usual());
        for listed in batches {
            let empty = Batch {
                keys: Vec::new(),
                bytes: 0,
                measured: every == 1,
                ..listed
            };
            let mut batch = empty.clone();
            for (place, key) in listed.keys.into_iter().enumerate() {
                let asked = place.is_multiple_of(every);
                let size = if asked { sizes.next() } else { None };
                let size = size.unwrap_or(usual);
                let full =
                    batch.keys.len() >= self.bounds.batch as usize || batch.bytes + size > limit;
                if full && !batch.keys.is_empty() {
                    self.waiting
                        .push_back(std::mem::replace(&mut batch, empty.clone()));
                }
                batch.alone |= size > limit;
                batch.bytes += size;
                batch.keys.push(key);
            }
            self.waiting.push_back(batch);
        }
    }

    /// As many batches in one go as make up a full one, by count and by bytes, few in number, and as
    /// can all time out within the limit: the source serves nobody in between.
    fn send(&mut self) -> Todo {
        // One that broke off may hold a big key that nobody asked for.
        let suspect = |batch: &mut Batch| batch.again && !batch.measured;
        if let Some(batch) = self.waiting.pop_front_if(suspect) {
            return self.size(vec![batch], 1);
        }
        let shares = self.share.as_millis() / SHORTEST.as_millis();
        let most = usize::try_from(shares).unwrap_or(1).clamp(1, SENT);
        let mut batches: Vec<Batch> = Vec::new();
        let (mut count, mut bytes) = (0, 0);
        while let Some(batch) = self.waiting.pop_front() {
            count += batch.keys.len();
            bytes += batch.bytes;
            let full = count > self.bounds.batch as usize
                || bytes > self.bounds.bytes
                || batches.len() == most
                || batch.alone;
            if full && !batches.is_empty() {
                self.waiting.push_front(batch);
                break;
            }
            let alone = batch.alone;
            batches.push(batch);
            if alone {
                break;
            }
        }
        let all = match batches.iter().any(Batch::is_alone) {
            true => self.bounds.limit,
            false => self.share,
        };
        let each = all / u32::try_from(batches.len()).unwrap_or(1).max(1);
        let commands = batches.iter().map(|batch| self.migrate(batch, each));
        let commands = commands.collect();
        self.ask(Stage::Send(batches), self.transfer.source, commands)
    }

    fn migrate(&self, batch: &Batch, within: Duration) -> Command {
        // What an earlier run may have left at the target is not known to be the older value.
        let replace = batch.again && !self.transfer.begun().contains(batch.slot);
        let (address, login) = (self.transfer.address, self.transfer.login.as_ref());
        Command::migrate(address, login, within, replace, &batch.keys)
    }

    /// Puts a batch that may lie on both sides back in the queue, to go with the whole limit.
    pub(super) fn retry(&mut self, batch: Batch) {
        self.waiting.push_back(Batch {
            alone: true,
            again: true,
            ..batch
        });
    }

    /// A batch that broke off may have left keys on both sides. The source is the owner and gives
    /// the slot away, the target takes it: clients are served by the source as long as it has the
    /// key, so its value is the newer one, and replaces the other. That is certain only of slots that
    /// this run has opened: of a mark that was lost and set again by an earlier one nothing tells.
    pub(super) fn sent(&mut self, batches: Vec<Batch>, replies: &[Reply]) -> Result<Todo, Failure> {
        let source: NodeId = self.transfer.source;
        let mut broke_off = false;
        for (batch, reply) in batches.into_iter().zip(replies) {
            match reply.as_error() {
                None => {
                    self.keys += batch.keys.len() as u64;
                    self.bytes += batch.bytes;
                    self.tries = 0;
                    self.unlisted = 0;
                    let first = batch.keys.into_iter().next();
                    self.sent_last.extend(first.map(|key| (batch.slot, key)));
                }
                Some(words)
                    if words.contains("BUSYKEY") && self.transfer.begun().contains(batch.slot) =>
                {
                    return Err(Failure::keys(
                        self.transfer.target,
                        format!(
                            "holds a key of slot {} that the source holds too, and the move was begun by an earlier run: see which of them is the right one, remove the other, and run again (to read or remove it here, send ASKING first)",
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
                        let command = self.migrate(&batch, self.bounds.limit);
                        return Err(Failure::refused(source, command, words));
                    }
                    self.retry(batch);
                }
                Some(words) => {
                    let command = self.migrate(&batch, self.bounds.limit);
                    return Err(Failure::refused(source, command, words));
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
}

/// Whether another attempt can go better.
pub(in crate::apply) fn goes_by(words: &str) -> bool {
    words.contains("BUSYKEY") || words.contains("CLUSTERDOWN") || words.starts_with("IOERR")
}
