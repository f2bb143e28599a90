//! A shard that is declared to serve nothing.

use super::{Level, Remark, Rule};
use crate::desired::{Desired, SlotShare, Subject};

pub(super) const RULE: Rule = Rule {
    code: "no-slots",
    summary: "a primary is declared `slots: none`",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    desired
        .shards
        .iter()
        .filter(|shard| shard.slots == SlotShare::None)
        .map(|shard| Remark {
            level: Level::Warning,
            message: format!(
                "the primary {} of the shard {} serves no slots, so it holds no keys and has no vote",
                shard.primary, shard.name
            ),
            help: "leave `slots: none` out to give it a share".to_owned(),
            subject: Subject::Shard(shard.name.clone()),
        })
        .collect()
}
