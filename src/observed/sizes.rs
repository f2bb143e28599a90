//! What single keys take in memory, of a few that were asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{Key, Reply, Slot, SlotSet};

/// Of each node so many are kept.
const KEPT: usize = 3;

/// A key and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizedKey {
    pub slot: Slot,
    /// As people see its name.
    pub name: String,
    pub bytes: u64,
}

/// What was asked of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The largest keys, the first of them first.
    pub largest: Vec<SizedKey>,
    /// How many keys of a slot were asked, and what they take together.
    pub slots: BTreeMap<Slot, (u64, u64)>,
}

impl Sample {
    /// A size that was refused is none.
    #[must_use]
    pub fn new(keys: &[(Slot, Key)], replies: &[Reply]) -> Self {
        let sized = keys.iter().zip(replies).filter_map(|((slot, key), reply)| {
            Some(SizedKey {
                slot: *slot,
                name: key.shown().to_owned(),
                bytes: reply.as_count()?,
            })
        });
        let mut largest: Vec<SizedKey> = sized.collect();
        let mut slots: BTreeMap<Slot, (u64, u64)> = BTreeMap::new();
        for key in &largest {
            let (keys, bytes) = slots.entry(key.slot).or_default();
            *keys += 1;
            *bytes = bytes.saturating_add(key.bytes);
        }
        largest.sort_by_key(|key| std::cmp::Reverse(key.bytes));
        largest.truncate(KEPT);
        Self { largest, slots }
    }

    /// How many keys of these slots were asked, and what they take together.
    #[must_use]
    pub fn of(&self, slots: &SlotSet) -> (u64, u64) {
        let asked = self.slots.iter().filter(|(slot, _)| slots.contains(**slot));
        asked.fold((0, 0), |(keys, bytes), (_, (more, taken))| {
            (keys + more, bytes.saturating_add(*taken))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first() {
        let keys: Vec<(Slot, Key)> = (0_u16..6)
            .zip(["a", "b", "c", "d", "e", "f"])
            .map(|(slot, name)| (slot, Key::new(name.as_bytes())))
            .collect();
        let refused = Reply::Error("NOPERM".to_owned());
        let numbers = [5, 7, 0, 9, 6].map(Reply::Integer);
        let replies: Vec<Reply> = [refused].into_iter().chain(numbers).collect();
        let sample = Sample::new(&keys, &replies);
        assert_eq!(sample.of(&SlotSet::full()), (5, 27));
        assert_eq!(sample.of(&"0-2".parse().unwrap()), (2, 12));
        let named: Vec<(&str, u64)> = sample
            .largest
            .iter()
            .map(|key| (key.name.as_str(), key.bytes))
            .collect();
        assert_eq!(named, [("e", 9), ("c", 7), ("f", 6)]);
    }
}
