//! Nodes that answer here while most of their peers hold them for failed: commands pass, but
//! nothing passes on the cluster bus. To this tool all looks well, and the cluster is down.

use std::collections::BTreeSet;

use crate::base::{NodeId, Role};
use crate::observed::LiveMember;

use super::announce::wanted;
use super::{Blocked, Diff, Look, Scope, Severity};

/// Blocks what such a node belongs to, and leaves it out of what is waited for.
pub(super) fn verdicts(look: &Look<'_>, diff: &mut Diff) {
    let found: Vec<(NodeId, &LiveMember)> = look
        .cluster
        .members
        .iter()
        .map(|(id, member)| (*id, member))
        .filter(|(id, member)| {
            member.answered
                && member.failed
                && diff.pairing.joinable.contains(id)
                && !is_sought_elsewhere(look, diff, *id, member)
        })
        .collect();
    for (id, member) in found {
        let blocked = verdict(look, diff, id, member);
        diff.blocked.push(blocked);
        diff.pairing.cut_off.insert(id);
        diff.pairing.joinable.remove(&id);
    }
}

/// Peers look for it where it isn't: they lose it for as long, and announcing its address mends that.
fn is_sought_elsewhere(look: &Look<'_>, diff: &Diff, id: NodeId, member: &LiveMember) -> bool {
    let declared = diff
        .pairing
        .names
        .get(&id)
        .and_then(|name| look.desired.nodes.get(name));
    let view = look.observed.views.get(&id);
    declared.zip(view).is_some_and(|(node, view)| {
        let right = wanted(node, view).client;
        let mut sought = member
            .sightings
            .iter()
            .filter_map(|sighting| sighting.address);
        sought.any(|address| address != right)
    })
}

fn verdict(look: &Look<'_>, diff: &Diff, id: NodeId, member: &LiveMember) -> Blocked {
    let label = diff.pairing.label(id);
    let viewers: BTreeSet<NodeId> = look
        .observed
        .views
        .values()
        .filter(|view| view.table.get(&id).is_some_and(|line| line.flags.fail))
        .map(|view| view.id)
        .collect();
    let bus_port = look
        .observed
        .views
        .get(&id)
        .and_then(|view| view.myself())
        .map_or(0, |myself| myself.link_address.bus_port);
    let shard = diff
        .pairing
        .primaries
        .iter()
        .find(|(_, primary)| **primary == id)
        .map(|(shard, _)| shard.clone());
    let scope = match (member.role, shard, diff.pairing.names.get(&id)) {
        (Role::Primary, Some(shard), _) => Scope::Shard(shard),
        (_, _, Some(name)) => Scope::Node(name.clone()),
        (_, _, None) => Scope::Alone,
    };
    Blocked {
        code: "cut-off",
        severity: Severity::Blocked,
        why: format!("{label} answers, but the other nodes hold it for failed"),
        evidence: vec![format!(
            "held for failed by {}",
            diff.pairing.label_all(&viewers)
        )],
        way_out: format!(
            "Open its bus port {bus_port} between the nodes, both ways, and plan again; if it is open, the log of {label} says what keeps it busy."
        ),
        subject: label,
        scope,
    }
}
