//! Two replicas of one shard on the same host.

use std::collections::BTreeMap;

use super::{Level, Remark, Rule, replicas};
use crate::desired::{Apart, Desired, Node, Subject};

pub(super) const RULE: Rule = Rule {
    code: "replicas-together",
    summary: "two replicas of a shard are on the same host",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    match desired.policy.replicas_apart {
        Apart::Host | Apart::Zone => {}
        Apart::Off => return Vec::new(),
    }
    let mut remarks = Vec::new();
    for shard in &desired.shards {
        let mut by_host: BTreeMap<_, &Node> = BTreeMap::new();
        for replica in replicas(desired, shard) {
            let Some(other) = by_host.insert(&replica.host, replica) else {
                continue;
            };
            remarks.push(Remark {
                level: Level::Warning,
                message: format!(
                    "the replicas {} and {} of the shard {} are both on the host {}",
                    other.name, replica.name, shard.name, replica.host
                ),
                help: "move one of them to another host".to_owned(),
                subject: Subject::Node(replica.name.clone()),
            });
        }
    }
    remarks
}
