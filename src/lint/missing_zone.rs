//! Hosts without a zone where the policy keeps replicas apart by zone.

use std::collections::BTreeSet;

use super::{Level, Remark, Rule, zone};
use crate::desired::{Apart, Desired, HostName, Subject};

pub(super) const RULE: Rule = Rule {
    code: "missing-zone",
    summary: "a host has no zone, but `policy.replicas_apart` is `zone`",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    match desired.policy.replicas_apart {
        Apart::Zone => {}
        Apart::Host | Apart::Off => return Vec::new(),
    }
    let missing: BTreeSet<&HostName> = desired
        .nodes
        .values()
        .filter(|node| zone(desired, node).is_none())
        .map(|node| &node.host)
        .collect();
    missing
        .into_iter()
        .map(|host| Remark {
            level: Level::Error,
            message: format!("the host {host} has no zone, but `replicas_apart` is `zone`"),
            help: "write it under `hosts`: {address: 192.168.81.100, zone: rack-a}".to_owned(),
            subject: Subject::Host(host.clone()),
        })
        .collect()
}
