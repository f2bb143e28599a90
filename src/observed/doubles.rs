//! Keys that both ends of a begun move hold.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::{NodeId, Reply, Slot};

/// Keys of a slot that its owner and the node that it was being moved to hold both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubles {
    pub slot: Slot,
    pub source: NodeId,
    pub target: NodeId,
    /// As people see their names.
    pub keys: Vec<String>,
}

/// Keys of a slot that are named one by one.
const NAMED: usize = 5;

/// `slot 5: "a", "b" and 3 more`.
impl fmt::Display for Doubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.keys.iter().take(NAMED);
        let named: Vec<String> = named.map(|key| format!("{key:?}")).collect();
        write!(f, "slot {}: {}", self.slot, named.join(", "))?;
        match self.keys.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Doubles {
    /// The names that both lists have. The target was asked first: what has left the source in between is not
    /// among the source's any more.
    #[must_use]
    pub fn common(at_target: &Reply, at_source: &Reply) -> Vec<String> {
        let names = |reply: &Reply| -> BTreeSet<Vec<u8>> {
            let names = reply.as_list().unwrap_or_default().iter();
            let names = names.filter_map(Reply::as_bytes);
            names.map(<[u8]>::to_vec).collect()
        };
        let (there, here) = (names(at_target), names(at_source));
        let both = there.intersection(&here);
        both.map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Reply {
        let bulk = |name: &&str| Reply::Bytes(name.as_bytes().into());
        Reply::List(names.iter().map(bulk).collect())
    }

    #[test]
    fn what_both_list() {
        let (target, source) = (list(&["b", "a", "c"]), list(&["c", "d", "a"]));
        assert_eq!(Doubles::common(&target, &source), ["a", "c"]);
        let refused = Reply::Error("NOPERM".to_owned());
        assert!(Doubles::common(&target, &refused).is_empty());
    }
}
