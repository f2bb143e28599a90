//! Written-out shares of very different size. Weights are left alone: they are meant.

use super::{Level, Remark, Rule};
use crate::base::SlotSet;
use crate::desired::{Desired, Shard, SlotShare, Subject};

pub(super) const RULE: Rule = Rule {
    code: "uneven-shares",
    summary: "a shard is to serve more than twice as many slots as another",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    let shares: Vec<(&Shard, u16)> = desired
        .shards
        .iter()
        .filter_map(|shard| Some((shard, explicit(shard)?.count())))
        .collect();
    let smallest = shares.iter().min_by_key(|(_, count)| *count);
    let biggest = shares.iter().max_by_key(|(_, count)| *count);
    let (Some((small, few)), Some((big, many))) = (smallest, biggest) else {
        return Vec::new();
    };
    if u32::from(*many) <= 2 * u32::from(*few) {
        return Vec::new();
    }
    vec![Remark {
        level: Level::Warning,
        message: format!(
            "the shard {} is to serve {many} slots, but the shard {} only {few}",
            big.name, small.name
        ),
        help: "leave `slots` out for equal shares, or write a `weight` if the nodes differ"
            .to_owned(),
        subject: Subject::Shard(big.name.clone()),
    }]
}

fn explicit(shard: &Shard) -> Option<&SlotSet> {
    match &shard.slots {
        SlotShare::Explicit(set) => Some(set),
        SlotShare::Auto { .. } | SlotShare::None => None,
    }
}
