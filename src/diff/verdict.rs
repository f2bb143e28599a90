//! States that are left alone: what they look like, what they block, and what gets out of them.

use crate::base::{NodeId, counted, named};
use crate::observed::{Claim, Disagreement, LiveMember, NodeView};

use super::slots::given_back;
use super::{
    Blocked, Diff, Difference, Look, Scope, Severity, Unclaimed, cut_off, given_up, lost, roles,
    unclaimed,
};

/// Nodes of one island that say different things about who owns a slot. They were given time.
pub(super) fn disagreements(look: &Look<'_>, diff: &mut Diff) {
    let islands = look.cluster.islands.iter();
    let all: Vec<&Disagreement> = islands.flat_map(|one| &one.disagreements).collect();
    let mended = all
        .iter()
        .map(|one| unclaimed::judge(look, diff, one))
        .collect::<Option<Vec<Unclaimed>>>();
    let Some(mended) = mended else {
        let blocked: Vec<Blocked> = all
            .into_iter()
            .map(|one| disagree(look, diff, one))
            .collect();
        diff.blocked.extend(blocked);
        return;
    };
    diff.differences
        .extend(mended.into_iter().map(Difference::Unclaimed));
}

fn disagree(look: &Look<'_>, diff: &Diff, disagreement: &Disagreement) -> Blocked {
    let slots = named(&disagreement.slots);
    let mut claims: Vec<&Claim> = disagreement.claims.iter().collect();
    // The odd ones out first; by id the order would change from cluster to cluster.
    claims.sort_by_key(|claim| (claim.said_by.len(), diff.pairing.label_all(&claim.said_by)));
    let evidence = claims.into_iter().map(|claim| {
        let who = diff.pairing.label_all(&claim.said_by);
        match claim.owner {
            Some(owner) => {
                let owner = diff.pairing.label(owner);
                format!("{who}: owner is {owner} at epoch {}", claim.epoch)
            }
            None => format!("{who}: no owner"),
        }
    });
    Blocked {
        code: "views-disagree",
        severity: Severity::Blocked,
        why: format!("the nodes don't agree who owns {slots}"),
        evidence: evidence.collect(),
        way_out: way_out_of(look, diff, disagreement),
        subject: slots,
        scope: Scope::Everything,
    }
}

fn way_out_of(look: &Look<'_>, diff: &Diff, disagreement: &Disagreement) -> String {
    let claims = &disagreement.claims;
    let denies = |owner: NodeId| {
        let nobody = |claim: &&Claim| claim.owner.is_none();
        claims
            .iter()
            .filter(nobody)
            .any(|claim| claim.said_by.contains(&owner))
    };
    let owners: Vec<NodeId> = claims.iter().filter_map(|claim| claim.owner).collect();
    match owners.as_slice() {
        // What DELSLOTS does on an owner is never told to others.
        [owner] if denies(*owner) => {
            let back = given_back(look, *owner, &disagreement.slots);
            let owner = diff.pairing.label(*owner);
            format!(
                "{owner} gave them up, and not all others have heard of it. To undo that, give them back to it by hand ({back} on {owner}), and plan again."
            )
        }
        _ => "Look for a cut network or a full disk between these nodes, and plan again. If it stays, see which of them holds the keys (CLUSTER COUNTKEYSINSLOT) and make that one the owner by hand, slot by slot (CLUSTER SETSLOT … NODE on the nodes that say otherwise): servers believe the owner with the higher epoch."
            .to_owned(),
    }
}

/// Shards whose primary is gone.
pub(super) fn shards(look: &Look<'_>, diff: &mut Diff) {
    let mut owners: Vec<(NodeId, &LiveMember)> = look
        .cluster
        .members
        .iter()
        .map(|(id, member)| (*id, member))
        .filter(|(_, member)| !member.answered && !member.slots.is_empty())
        .collect();
    owners.sort_by_key(|(_, member)| member.slots.ranges().first().map(|range| range.first));
    for (id, member) in owners {
        let gone = is_gone(look, member);
        let mut replicas = look.observed.views.values();
        if let Some(lost) = lost::verdict(look, diff, id, member) {
            diff.blocked.push(lost);
        } else if gone && !replicas.any(|view| view.primary() == Some(id)) {
            let blocked = given_up::verdict(look, diff, id, member);
            diff.blocked.extend(blocked);
        } else if gone {
            diff.blocked.push(primary_failed(look, diff, id, member));
        }
    }
    cut_off::verdicts(look, diff);
    for shard in &look.desired.shards {
        if diff.is_shard_blocked(&shard.name) {
            continue;
        }
        if !diff.pairing.primaries.contains_key(&shard.name)
            && let Err(Some(blocked)) = roles::detachable(look, diff, shard)
        {
            diff.blocked.push(*blocked);
        }
    }
}

/// Whether its peers have given up a member that doesn't answer, or can't any more.
pub(super) fn is_gone(look: &Look<'_>, member: &LiveMember) -> bool {
    member.failed || member.noaddr || (member.suspected && !has_quorum(look))
}

/// How many of the owners of slots are alive, and how many an election needs.
struct Quorum {
    alive: usize,
    owners: usize,
    needed: usize,
}

fn quorum(look: &Look<'_>) -> Quorum {
    let owners = look
        .cluster
        .members
        .values()
        .filter(|member| !member.slots.is_empty());
    let alive = owners.clone().filter(|member| member.lives());
    let alive = alive.count();
    let owners = owners.count();
    Quorum {
        alive,
        owners,
        needed: owners / 2 + 1,
    }
}

pub(super) fn has_quorum(look: &Look<'_>) -> bool {
    let quorum = quorum(look);
    quorum.alive >= quorum.needed
}

/// A failed owner of slots, whose replica waits to be elected.
fn primary_failed(look: &Look<'_>, diff: &Diff, id: NodeId, member: &LiveMember) -> Blocked {
    let label = diff.pairing.label(id);
    let replicas: Vec<&NodeView> = look
        .observed
        .views
        .values()
        .filter(|view| view.primary() == Some(id))
        .collect();
    let shard = diff
        .pairing
        .primaries
        .iter()
        .find(|(_, primary)| **primary == id)
        .map(|(shard, _)| shard.clone());
    let slots = named(&member.slots);
    let blocked = |code, why, evidence, way_out| Blocked {
        code,
        severity: Severity::Blocked,
        subject: match &shard {
            Some(shard) => format!("shard {shard}"),
            None => slots.clone(),
        },
        why,
        evidence,
        way_out,
        scope: shard.clone().map_or(Scope::Alone, Scope::Shard),
    };
    let count = counted(member.slots.count(), "slot");
    let state = if member.noaddr && !member.failed {
        "has no address any more"
    } else if member.failed {
        "has failed"
    } else {
        "does not answer"
    };
    let mut evidence: Vec<String> = replicas
        .iter()
        .flat_map(|view| waiting(view, diff))
        .collect();
    evidence.sort();
    let Quorum {
        alive,
        owners,
        needed,
    } = quorum(look);
    if alive < needed {
        evidence.push(format!(
            "{alive} of {owners} primaries with slots alive: an election needs {needed}"
        ));
    }
    let mut way_out = way_out_of_election(&label, member, alive >= needed);
    // Where others hold keys, this shard most likely did.
    let mut others = look.observed.views.values();
    let emptied = replicas.iter().all(|view| view.keys == 0);
    if !replicas.is_empty() && emptied && others.any(|view| view.keys > 0) {
        way_out.push_str(&format!(
            " But no replica that answers holds a key: once it leads, {label} and all others copy its emptiness. If the shard had keys, stop these replicas until one that has them, or {label}, is back."
        ));
    }
    blocked(
        "election-pending",
        format!(
            "{label}, the owner of {count}, {state}, and no replica has been elected in its place"
        ),
        evidence,
        way_out,
    )
}

fn way_out_of_election(label: &str, member: &LiveMember, possible: bool) -> String {
    if !possible {
        "Start primaries that still have their data until enough are alive for an election; one that came back blank, only once a replica of it leads: the others would copy its emptiness. If they are gone for good, make each replica a primary by hand (CLUSTER FAILOVER TAKEOVER on it), and plan again.".to_owned()
    } else if member.noaddr {
        format!(
            "If a replica holds the keys, make it the primary by hand (CLUSTER FAILOVER FORCE on it). Start {label} again only after that, and plan again."
        )
    } else {
        format!(
            "Wait for the election and plan again. If it doesn't come, start {label}, or make a replica the primary by hand (CLUSTER FAILOVER FORCE on it): it may have been cut off from its primary for longer than cluster-replica-validity-factor allows."
        )
    }
}

/// What a replica of a failed primary holds, and what keeps it from taking over.
fn waiting(view: &NodeView, diff: &Diff) -> Vec<String> {
    let label = diff.pairing.label(view.id);
    let keys = counted(view.keys, "key");
    let mut lines = vec![format!("its replica {label} answers and holds {keys}")];
    if view
        .config
        .get("cluster-replica-no-failover")
        .is_some_and(|value| value == "yes")
    {
        lines.push(format!(
            "{label} may not take over: its cluster-replica-no-failover is yes"
        ));
    }
    lines
}
