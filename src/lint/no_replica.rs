//! A shard with slots and without a replica.

use super::{Level, Remark, Rule, serving};
use crate::desired::{Desired, Subject};

pub(super) const RULE: Rule = Rule {
    code: "no-replica",
    summary: "a primary that serves slots has no replica",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    serving(desired)
        .into_iter()
        .filter(|(shard, _)| shard.replicas.is_empty())
        .map(|(shard, primary)| Remark {
            level: Level::Warning,
            message: format!(
                "the shard {} has no replica; when {} fails, nobody can take over its slots",
                shard.name, primary.name
            ),
            help: "add a replica on another host".to_owned(),
            subject: Subject::Shard(shard.name.clone()),
        })
        .collect()
}
