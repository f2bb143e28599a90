//! A replica that shares its primary's host or zone against the file's policy.

use super::{Level, Remark, Rule, replicas, zone};
use crate::desired::{Apart, Desired, Node, Subject};

pub(super) const RULE: Rule = Rule {
    code: "replica-beside-primary",
    summary: "a replica shares its primary's host or zone, against `policy.replicas_apart`",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for shard in &desired.shards {
        let Some(primary) = desired.nodes.get(&shard.primary) else {
            continue;
        };
        for replica in replicas(desired, shard) {
            if let Some(shared) = shared(desired, primary, replica) {
                remarks.push(Remark {
                    level: Level::Error,
                    message: format!(
                        "the replica {} is {shared} like its primary {}, so that both are lost together",
                        replica.name, primary.name
                    ),
                    help: "move it elsewhere, or allow it with `policy: {replicas_apart: off}`"
                        .to_owned(),
                    subject: Subject::Node(replica.name.clone()),
                });
            }
        }
    }
    remarks
}

/// What the two must not share but do.
fn shared(desired: &Desired, primary: &Node, replica: &Node) -> Option<String> {
    let host = || (primary.host == replica.host).then(|| format!("on the host {}", primary.host));
    match desired.policy.replicas_apart {
        Apart::Off => None,
        Apart::Host => host(),
        Apart::Zone => match (zone(desired, primary), zone(desired, replica)) {
            (Some(one), Some(other)) if one == other => Some(format!("in the zone {one}")),
            // Hosts without a zone have a rule of their own, but one host is one zone.
            (Some(_) | None, Some(_) | None) => host(),
        },
    }
}
