//! A host or zone whose loss would leave too few primaries to agree on a failover.

use std::collections::{BTreeMap, BTreeSet};

use super::{Level, Remark, Rule, serving, zone};
use crate::desired::{Desired, HostName, Node, Subject};

pub(super) const RULE: Rule = Rule {
    code: "quorum",
    summary: "losing one host or zone would take so many primaries that no replica can take over",
    check,
};

/// The primaries in one place, and the hosts they stand on.
#[derive(Default)]
struct Group<'d> {
    primaries: usize,
    hosts: BTreeSet<&'d HostName>,
}

fn check(desired: &Desired) -> Vec<Remark> {
    let primaries: Vec<&Node> = serving(desired).into_iter().map(|(_, node)| node).collect();
    // Where any single primary is too many to lose, another rule says so.
    if primaries.len() < 3 {
        return Vec::new();
    }
    let mut by_host: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    let mut by_zone: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for node in &primaries {
        by_host.entry(node.host.0.as_str()).or_default().add(node);
        if let Some(zone) = zone(desired, node) {
            by_zone.entry(zone).or_default().add(node);
        }
    }
    // A zone whose primaries share one host has been reported with the host.
    by_zone.retain(|_, group| group.hosts.len() > 1);
    let hosts = remarks("host", &by_host, primaries.len());
    let zones = remarks("zone", &by_zone, primaries.len());
    hosts.into_iter().chain(zones).collect()
}

fn remarks(kind: &str, groups: &BTreeMap<&str, Group<'_>>, total: usize) -> Vec<Remark> {
    let majority = total / 2 + 1;
    groups
        .iter()
        .filter(|(_, group)| total - group.primaries < majority)
        .filter_map(|(name, group)| {
            let (lost, rest) = (group.primaries, total - group.primaries);
            let are = if rest == 1 { "is" } else { "are" };
            Some(Remark {
                level: Level::Warning,
                message: format!(
                    "losing the {kind} {name} takes {lost} of {total} primaries; the other {rest} {are} no majority, so no replica can take over"
                ),
                help: format!("spread the primaries over three {kind}s or more, so that none has half of them"),
                subject: Subject::Host((*group.hosts.first()?).clone()),
            })
        })
        .collect()
}

impl<'d> Group<'d> {
    fn add(&mut self, node: &'d Node) {
        self.primaries += 1;
        self.hosts.insert(&node.host);
    }
}
