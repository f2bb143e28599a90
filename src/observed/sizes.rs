//! What single keys take in memory, of a few that were asked.

use serde::{Deserialize, Serialize};

use crate::base::{Key, Reply, Slot};

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
    pub keys: u64,
    /// Of all these keys together.
    pub bytes: u64,
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
        let sum = |sum: u64, key: &SizedKey| sum.saturating_add(key.bytes);
        let (keys, bytes) = (largest.len() as u64, largest.iter().fold(0, sum));
        largest.sort_by_key(|key| std::cmp::Reverse(key.bytes));
        largest.truncate(KEPT);
        Self {
            largest,
            keys,
            bytes,
        }
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
        assert_eq!((sample.keys, sample.bytes), (5, 27));
        let named: Vec<(&str, u64)> = sample
            .largest
            .iter()
            .map(|key| (key.name.as_str(), key.bytes))
            .collect();
        assert_eq!(named, [("e", 9), ("c", 7), ("f", 6)]);
    }
}
