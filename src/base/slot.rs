//! Hash slots: single slots, ranges, and ordered sets of ranges.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// How many hash slots a cluster has.
pub const SLOT_COUNT: u16 = 16384;

/// A hash slot, 0 to 16383.
pub type Slot = u16;

/// An inclusive range of slots, `first <= last < 16384`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRange {
    pub first: Slot,
    pub last: Slot,
}

impl SlotRange {
    /// The range, or `None` when the ends are out of order or out of bounds.
    #[must_use]
    pub fn new(first: Slot, last: Slot) -> Option<Self> {
        (first <= last && last < SLOT_COUNT).then_some(Self { first, last })
    }

    /// How many slots the range holds, 1 to 16384.
    #[must_use]
    pub fn count(self) -> u16 {
        self.last - self.first + 1
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// Why a text is not a slot or a range of slots.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseSlotsError {
    #[error("'{text}' is not a slot or a range like 0-5461")]
    Malformed { text: String },
    #[error("slot {slot} is out of range: slots go from 0 to 16383")]
    OutOfRange { slot: String },
    #[error("the range {first}-{last} ends before it starts")]
    Backwards { first: Slot, last: Slot },
}

impl FromStr for SlotRange {
    type Err = ParseSlotsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let slot = |part: &str| -> Result<Slot, ParseSlotsError> {
            let part = part.trim();
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(ParseSlotsError::Malformed {
                    text: text.to_owned(),
                });
            }
            match part.parse::<Slot>() {
                Ok(slot) if slot < SLOT_COUNT => Ok(slot),
                Ok(_) | Err(_) => Err(ParseSlotsError::OutOfRange {
                    slot: part.to_owned(),
                }),
            }
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (slot(first)?, slot(last)?),
            None => (slot(text)?, slot(text)?),
        };
        Self::new(first, last).ok_or(ParseSlotsError::Backwards { first, last })
    }
}

/// A set of slots, kept as ordered ranges that neither touch nor overlap, so
/// that equal sets are equal values and print the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotSet {
    ranges: Vec<SlotRange>,
}

impl SlotSet {
    /// The set without a slot.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// All 16384 slots.
    #[must_use]
    pub fn full() -> Self {
        Self {
            ranges: vec![SlotRange {
                first: 0,
                last: SLOT_COUNT - 1,
            }],
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many slots are in the set, 0 to 16384.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.ranges.iter().map(|range| range.count()).sum()
    }

    #[must_use]
    pub fn contains(&self, slot: Slot) -> bool {
        self.ranges
            .binary_search_by(|range| {
                if range.last < slot {
                    std::cmp::Ordering::Less
                } else if range.first > slot {
                    std::cmp::Ordering::Greater
                } else {
                    std::cmp::Ordering::Equal
                }
            })
            .is_ok()
    }

    /// The ranges in ascending order.
    #[must_use]
    pub fn ranges(&self) -> &[SlotRange] {
        &self.ranges
    }

    /// Every slot in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.ranges
            .iter()
            .flat_map(|range| range.first..=range.last)
    }

    pub fn insert(&mut self, range: SlotRange) {
        match self.ranges.last_mut() {
            None => self.ranges.push(range),
            Some(last) if range.first > last.last + 1 => self.ranges.push(range),
            Some(last) if range.first > last.last => last.last = range.last,
            Some(_) => {
                self.ranges.push(range);
                self.normalise();
            }
        }
    }

    fn normalise(&mut self) {
        self.ranges.sort_unstable();
        let mut kept: Vec<SlotRange> = Vec::with_capacity(self.ranges.len());
        for range in self.ranges.drain(..) {
            match kept.last_mut() {
                Some(last) if range.first <= last.last + 1 => last.last = last.last.max(range.last),
                Some(_) | None => kept.push(range),
            }
        }
        self.ranges = kept;
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.ranges.iter().chain(&other.ranges).copied().collect()
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (
            self.ranges.iter().peekable(),
            other.ranges.iter().peekable(),
        );
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            if let Some(common) = SlotRange::new(a.first.max(b.first), a.last.min(b.last)) {
                both.push(common);
            }
            if a.last < b.last {
                left.next();
            } else {
                right.next();
            }
        }
        Self { ranges: both }
    }

    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        let mut holes = other.ranges.iter().peekable();
        for range in &self.ranges {
            let mut first = range.first;
            let mut open = true;
            while let Some(hole) = holes.peek() {
                if hole.last < first {
                    holes.next();
                    continue;
                }
                if hole.first > range.last {
                    break;
                }
                if hole.first > first {
                    rest.push(SlotRange {
                        first,
                        last: hole.first - 1,
                    });
                }
                if hole.last >= range.last {
                    open = false;
                    break;
                }
                first = hole.last + 1;
                holes.next();
            }
            if open {
                rest.push(SlotRange {
                    first,
                    last: range.last,
                });
            }
        }
        Self { ranges: rest }
    }

    /// Splits off the lowest `count` slots and returns them.
    pub fn take_lowest(&mut self, count: u16) -> Self {
        let mut missing = count;
        let whole = self.ranges.iter().take_while(|range| {
            let fits = range.count() <= missing;
            missing -= if fits { range.count() } else { 0 };
            fits
        });
        let whole = whole.count();
        let rest = self.ranges.split_off(whole);
        let mut taken = std::mem::replace(&mut self.ranges, rest);
        if let Some(range) = self.ranges.first_mut().filter(|_| missing > 0) {
            let last = range.first + missing - 1;
            taken.push(SlotRange {
                first: range.first,
                last,
            });
            range.first = last + 1;
        }
        Self { ranges: taken }
    }
}

impl FromIterator<SlotRange> for SlotSet {
    fn from_iter<I: IntoIterator<Item = SlotRange>>(ranges: I) -> Self {
        let mut set = Self {
            ranges: ranges.into_iter().collect(),
        };
        set.normalise();
        set
    }
}

/// The union of sets; one by one each union would sort everything again.
impl<'a> FromIterator<&'a SlotSet> for SlotSet {
    fn from_iter<I: IntoIterator<Item = &'a SlotSet>>(sets: I) -> Self {
        sets.into_iter()
            .flat_map(|set| set.ranges.iter().copied())
            .collect()
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        slots
            .into_iter()
            .filter_map(|slot| SlotRange::new(slot, slot))
            .collect()
    }
}

/// `0-5461,5470`; the empty set prints as `none`.
impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, range) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{range}")?;
        }
        Ok(())
    }
}

impl FromStr for SlotSet {
    type Err = ParseSlotsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self::new());
        }
        text.split(',').map(str::parse::<SlotRange>).collect()
    }
}

impl Serialize for SlotSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SlotSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(text: &str) -> SlotSet {
        text.parse().unwrap()
    }

    #[test]
    fn prints_what_it_parsed_and_joins_neighbours() {
        for (text, printed) in [
            ("0-5461", "0-5461"),
            ("7", "7"),
            ("3,1,2", "1-3"),
            ("0-10,5-20,22", "0-20,22"),
            ("none", "none"),
            ("16383", "16383"),
        ] {
            assert_eq!(set(text).to_string(), printed, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_slot() {
        for (text, error) in [
            ("5-", "'5-' is not a slot or a range like 0-5461"),
            ("", "'' is not a slot or a range like 0-5461"),
            ("+5", "'+5' is not a slot or a range like 0-5461"),
            (
                "0-16384",
                "slot 16384 is out of range: slots go from 0 to 16383",
            ),
            (
                "99999999",
                "slot 99999999 is out of range: slots go from 0 to 16383",
            ),
            ("9-3", "the range 9-3 ends before it starts"),
        ] {
            assert_eq!(
                text.parse::<SlotRange>().unwrap_err().to_string(),
                error,
                "{text}"
            );
        }
    }

    #[test]
    fn takes_the_lowest() {
        let mut pool = set("0-9,20-29");
        assert_eq!(pool.take_lowest(12), set("0-9,20-21"));
        assert_eq!(pool, set("22-29"));
        assert_eq!(pool.take_lowest(100), set("22-29"));
        assert!(pool.is_empty());
    }

    fn any_set() -> impl Strategy<Value = SlotSet> {
        prop::collection::vec((0u16..200, 0u16..20), 0..12).prop_map(|pairs| {
            pairs
                .into_iter()
                .filter_map(|(first, length)| SlotRange::new(first, first + length))
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_a_set_of_single_slots(left in any_set(), right in any_set(), probe in 0u16..250) {
            use std::collections::BTreeSet;
            let (a, b): (BTreeSet<Slot>, BTreeSet<Slot>) = (left.iter().collect(), right.iter().collect());
            prop_assert_eq!(left.union(&right), a.union(&b).copied().collect());
            prop_assert_eq!(left.intersection(&right), a.intersection(&b).copied().collect());
            prop_assert_eq!(left.difference(&right), a.difference(&b).copied().collect());
            prop_assert_eq!(left.contains(probe), a.contains(&probe));
            prop_assert_eq!(usize::from(left.count()), a.len());
            let mut one_by_one = SlotSet::new();
            for range in right.ranges() { one_by_one.insert(*range); }
            for range in left.ranges() { one_by_one.insert(*range); }
            prop_assert_eq!(one_by_one, left.union(&right));
            let mut rest = left.clone();
            let taken = rest.take_lowest(7);
            prop_assert_eq!(usize::from(taken.count()), a.len().min(7));
            prop_assert_eq!(taken.union(&rest), left);
        }
    }
}
