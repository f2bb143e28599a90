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

impl SizedKey {
    /// The largest ones, the first of them first. A size that was refused is none.
    #[must_use]
    pub fn largest(keys: &[(Slot, Key)], replies: &[Reply]) -> Vec<Self> {
        let sized = keys.iter().zip(replies).filter_map(|((slot, key), reply)| {
            Some(Self {
                slot: *slot,
                name: key.shown().to_owned(),
                bytes: reply.as_count()?,
            })
        });
        let mut sized: Vec<Self> = sized.collect();
        sized.sort_by_key(|key| std::cmp::Reverse(key.bytes));
        sized.truncate(KEPT);
        sized
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
        let largest = SizedKey::largest(&keys, &replies);
        let named: Vec<(&str, u64)> = largest
            .iter()
            .map(|key| (key.name.as_str(), key.bytes))
            .collect();
        assert_eq!(named, [("e", 9), ("c", 7), ("f", 6)]);
    }
}
