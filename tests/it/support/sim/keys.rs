//! What a node holds: keys with an identity, so that a lost one is missed wherever copies lie.

use std::collections::BTreeMap;

use rcl::base::{Slot, SlotSet};

/// For each slot up to 64 keys, one a bit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys(BTreeMap<Slot, u64>);

impl Keys {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn count(&self) -> u64 {
        self.0
            .values()
            .map(|keys| u64::from(keys.count_ones()))
            .sum()
    }

    pub(crate) fn count_in(&self, slot: Slot) -> u64 {
        self.0
            .get(&slot)
            .map_or(0, |keys| u64::from(keys.count_ones()))
    }

    /// One bit a key.
    pub(crate) fn bits_in(&self, slot: Slot) -> u64 {
        self.0.get(&slot).copied().unwrap_or(0)
    }

    /// Removes the keys whose bits are set.
    pub(crate) fn take(&mut self, slot: Slot, keys: u64) {
        if let Some(held) = self.0.get_mut(&slot) {
            *held &= !keys;
            if *held == 0 {
                self.0.remove(&slot);
            }
        }
    }

    pub(crate) fn slots(&self) -> SlotSet {
        self.0.keys().copied().collect()
    }

    /// Adds the keys whose bits are set.
    pub(crate) fn put(&mut self, slot: Slot, keys: u64) {
        if keys != 0 {
            *self.0.entry(slot).or_default() |= keys;
        }
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        for (slot, keys) in &other.0 {
            self.put(*slot, *keys);
        }
    }

    pub(crate) fn remove(&mut self, slots: &SlotSet) {
        self.0.retain(|slot, _| !slots.contains(*slot));
    }

    /// Those in one of the slots.
    pub(crate) fn within(&self, slots: &SlotSet) -> Self {
        let kept = self.0.iter().filter(|(slot, _)| slots.contains(**slot));
        Self(kept.map(|(slot, keys)| (*slot, *keys)).collect())
    }

    /// Those that the other doesn't hold.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (slot, keys) in &self.0 {
            rest.put(*slot, keys & !other.0.get(slot).copied().unwrap_or(0));
        }
        rest
    }
}
