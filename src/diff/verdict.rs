//! States that are left alone: what they look like, what they block, and what gets out of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, Role, SlotSet, counted};
use crate::desired::Shard;
use crate::observed::{LiveMember, NodeView, OpenSlot, groups};

use super::{Blocked, Diff, Look, Note, Scope, Severity};

/// Nodes of one island that say different things about who owns a slot. They were given time.
pub(super) fn disagreements(look: &Look<'_>, diff: &mut Diff) {
    for island in &look.cluster.islands {
        for disagreement in &island.disagreements {
            let evidence = disagreement.claims.iter().map(|claim| {
                let who = diff.pairing.label_all(&claim.said_by);
                match claim.owner {
                    Some(owner) => format!(
                        "{who}: owner is {} at epoch {}",
                        diff.pairing.label(owner),
                        claim.epoch
                    ),
                    None => format!("{who}: nobody owns them"),
                }
            });
            let evidence: Vec<String> = evidence.collect();
            diff.blocked.push(Blocked {
                code: "views-disagree",
                severity: Severity::Blocked,
                subject: format!("slots {}", disagreement.slots),
                why: format!("the nodes don't agree who owns slots {}", disagreement.slots),
                evidence,
                way_out: "Look for a cut network or a full disk between them, and plan again. If it stays, one side has to give way by hand: the owner with the higher epoch is the one that the servers will believe."
                    .to_owned(),
                scope: Scope::Everything,
            });
        }
    }
}

/// Shards whose primary is gone, or stands outside of what the file names.
pub(super) fn shards(look: &Look<'_>, diff: &mut Diff) {
    let owners: Vec<(NodeId, &LiveMember)> = look
        .cluster
        .members
        .iter()
        .filter(|(_, member)| !member.answered && !member.slots.is_empty())
        .map(|(id, m)| (*id, m))
        .collect();
    for (id, member) in owners {
        if let Some(blank) = restarted_blank(look, diff, id, member) {
            diff.blocked.push(shard_lost(look, diff, id, blank));
            continue;
        }
        if member.failed || member.noaddr {
            diff.blocked.push(primary_failed(look, diff, id, member));
        }
    }
    for shard in &look.desired.shards {
        if let Some(primary) = diff.pairing.primaries.get(&shard.name).copied()
            && let Some(blocked) = outsider_serves(diff, shard, primary)
        {
            diff.blocked.push(blocked);
        }
        if let Some(blocked) = declared_primary_elsewhere(look, diff, shard) {
            diff.blocked.push(blocked);
        }
    }
}

/// The declared node that now answers with another id where this owner of slots used to be.
fn restarted_blank(
    look: &Look<'_>,
    diff: &Diff,
    owner: NodeId,
    member: &LiveMember,
) -> Option<NodeId> {
    let blank = |view: &&NodeView| {
        view.own_slots().is_empty() && view.keys == 0 && view.role() == Role::Primary
    };
    let same_place = |view: &&NodeView| {
        member
            .sightings
            .iter()
            .any(|seen| seen.address == Some(view.dialled))
    };
    let unlisted = |view: &&NodeView| {
        look.cluster
            .members
            .get(&view.id)
            .is_some_and(|other| !other.is_listed())
    };
    let declared = || {
        look.observed
            .views
            .values()
            .filter(|view| diff.pairing.names.contains_key(&view.id) && view.id != owner)
    };
    let found = declared().filter(blank).find(same_place);
    // Peers drop the address of an id that no longer answers where it was (`noaddr`), so a
    // blank that nobody lists is the best guess then.
    let guessed = || {
        declared()
            .filter(blank)
            .find(unlisted)
            .filter(|_| member.noaddr)
    };
    found.or_else(guessed).map(|view| view.id)
}

fn shard_lost(look: &Look<'_>, diff: &Diff, owner: NodeId, blank: NodeId) -> Blocked {
    let name = diff.pairing.label(blank);
    let slots = look
        .cluster
        .members
        .get(&owner)
        .map(|member| member.slots.clone())
        .unwrap_or_default();
    let mut evidence = vec![format!(
        "slots {slots} still belong to node {}, but {name} answers as {} and is blank",
        owner.short(),
        blank.short()
    )];
    for view in look
        .observed
        .views
        .values()
        .filter(|view| view.primary() == Some(owner))
    {
        evidence.push(format!(
            "its replica {} holds {}",
            diff.pairing.label(view.id),
            counted(view.keys, "key")
        ));
    }
    Blocked {
        code: "shard-lost",
        severity: Severity::Blocked,
        subject: name.clone(),
        why: format!(
            "{name} came back blank while it still counts as the owner of {}; its replicas may be copying its emptiness",
            counted(slots.count(), "slot")
        ),
        evidence,
        way_out: format!(
            "Stop {name} now, so that no replica syncs from it. Then save a replica's data, or restore {name} from its backup with its old nodes.conf."
        ),
        scope: Scope::Everything,
    }
}

/// A failed owner of slots: its replica waits to be elected, or there is none.
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
    let subject = shard
        .as_ref()
        .map_or(format!("slots {}", member.slots), |shard| {
            format!("shard {shard}")
        });
    let scope = shard.map_or(Scope::Alone, Scope::Shard);
    if replicas.is_empty() {
        return Blocked {
            code: "shard-dead",
            severity: Severity::Blocked,
            why: format!(
                "{label}, the owner of {}, has failed, and none of its replicas answers",
                counted(member.slots.count(), "slot")
            ),
            subject,
            evidence: vec![format!("slots {} have no living copy", member.slots)],
            way_out: format!(
                "Start {label} or a replica of it. Giving up what it held is not supported yet."
            ),
            scope,
        };
    }
    let evidence = replicas.iter().map(|view| {
        format!(
            "its replica {} answers and holds {}",
            diff.pairing.label(view.id),
            counted(view.keys, "key")
        )
    });
    Blocked {
        code: "election-pending",
        severity: Severity::Blocked,
        why: format!("{label} has failed, and its replica has not been elected in its place"),
        subject,
        evidence: evidence.collect(),
        way_out: format!(
            "Wait for the election and plan again. If it doesn't come, a majority of the primaries is missing, or cluster-replica-validity-factor or cluster-replica-no-failover forbids it; start {label}, or fail over by hand."
        ),
        scope,
    }
}

/// The file's shard is served by a node that it doesn't name, or names in another shard.
fn outsider_serves(diff: &Diff, shard: &Shard, primary: NodeId) -> Option<Blocked> {
    let name = diff.pairing.names.get(&primary);
    if name.is_some_and(|name| shard.nodes().any(|node| node == name)) {
        return None;
    }
    let label = diff.pairing.label(primary);
    let (code, why, way_out) = match name {
        Some(name) => (
            "roles-crossed",
            format!(
                "shard {} is served by {name}, which the file declares in another shard; handing over is not supported yet",
                shard.name
            ),
            format!(
                "Declare {name} in shard {}, or fail over to one of its declared nodes by hand.",
                shard.name
            ),
        ),
        None => (
            "undeclared-primary",
            format!(
                "shard {} is served by {label}, which the file doesn't name",
                shard.name
            ),
            format!(
                "Declare {label} in shard {}, or fail over to one of its declared nodes by hand; handing over is not supported yet.",
                shard.name
            ),
        ),
    };
    Some(Blocked {
        code,
        severity: Severity::Blocked,
        subject: format!("shard {}", shard.name),
        why,
        evidence: vec![format!("{label} has id {primary}")],
        way_out,
        scope: Scope::Shard(shard.name.clone()),
    })
}

/// A shard that nobody serves, whose declared primary replicates another shard.
fn declared_primary_elsewhere(look: &Look<'_>, diff: &Diff, shard: &Shard) -> Option<Blocked> {
    if diff.pairing.primaries.contains_key(&shard.name) {
        return None;
    }
    let view = look
        .observed
        .views
        .get(diff.pairing.ids.get(&shard.primary)?)?;
    let primary = view.primary().filter(|_| view.role() == Role::Replica)?;
    Some(Blocked {
        code: "primary-is-replica",
        severity: Severity::Blocked,
        subject: format!("shard {}", shard.name),
        why: format!(
            "{} is to be the primary of shard {}, but replicates {}; detaching a replica is not supported yet",
            shard.primary,
            shard.name,
            diff.pairing.label(primary)
        ),
        evidence: vec![format!(
            "it holds {} of that shard",
            counted(view.keys, "key")
        )],
        way_out: format!(
            "Name another node as the primary of shard {}, or reset {} by hand.",
            shard.name, shard.primary
        ),
        scope: Scope::Shard(shard.name.clone()),
    })
}

/// What else the views show: open slots, nodes that the file doesn't name, ghosts, handshakes.
pub(super) fn leftovers(look: &Look<'_>, diff: &mut Diff) {
    open_slots(look, diff);
    let mut shaking: BTreeMap<String, BTreeSet<NodeId>> = BTreeMap::new();
    for group in groups(look.observed.views.values()) {
        for member in group.table.values().filter(|member| member.flags.handshake) {
            let ip = member
                .link_address
                .ip
                .map_or("?".to_owned(), |ip| ip.to_string());
            let place = format!(
                "{ip} port {} (bus port {})",
                member.link_address.port, member.link_address.bus_port
            );
            shaking
                .entry(place)
                .or_default()
                .extend(group.viewers.iter().copied());
        }
    }
    for (place, viewers) in shaking {
        diff.notes.push(Note {
            code: "handshake",
            subject: place.clone(),
            text: format!("{} can't finish shaking hands with {place}. The bus port must be open between them.", diff.pairing.label_all(&viewers)),
        });
    }
    for (id, member) in &look.cluster.members {
        let listed = member.is_listed();
        if !diff.pairing.names.contains_key(id) && listed {
            let text = stranger(diff, *id, member);
            diff.notes.push(text);
        }
    }
}

fn stranger(diff: &Diff, id: NodeId, member: &LiveMember) -> Note {
    let label = diff.pairing.label(id);
    let (code, text) = if !member.answered && (member.failed || member.noaddr) {
        let state = if member.noaddr {
            "has no address any more"
        } else {
            "has failed"
        };
        (
            "ghost",
            format!(
                "{label} is still listed as a member, but {state}. Forgetting members is not supported yet."
            ),
        )
    } else {
        let what = match (member.role, member.slots.is_empty()) {
            (Role::Replica, _) => "a replica".to_owned(),
            (Role::Primary, true) => "a primary without slots".to_owned(),
            (Role::Primary, false) => {
                format!("the primary of {}", counted(member.slots.count(), "slot"))
            }
        };
        (
            "undeclared",
            format!(
                "{label} is a member that the file doesn't name: {what}. Removing members is not supported yet."
            ),
        )
    };
    Note {
        code,
        subject: label,
        text,
    }
}

fn open_slots(look: &Look<'_>, diff: &mut Diff) {
    let open: Vec<(&NodeView, &OpenSlot)> = look
        .observed
        .views
        .values()
        .flat_map(|view| view.open.iter().map(move |open| (view, open)))
        .collect();
    if open.is_empty() {
        return;
    }
    let slots: SlotSet = open.iter().map(|(_, open)| open.slot).collect();
    let mut marks: BTreeMap<String, SlotSet> = BTreeMap::new();
    for (view, open) in &open {
        let verb = match open.direction {
            crate::observed::Direction::Migrating => "is giving to",
            crate::observed::Direction::Importing => "is taking from",
        };
        let line = format!(
            "{} {verb} {}",
            diff.pairing.label(view.id),
            diff.pairing.label(open.peer)
        );
        let entry = marks.entry(line).or_default();
        *entry = entry.union(&[open.slot].into_iter().collect());
    }
    diff.blocked.push(Blocked {
        code: "open-slots",
        severity: Severity::Blocked,
        subject: format!("slots {slots}"),
        why: format!(
            "a move of {} was begun and not finished; finishing a move is not supported yet",
            counted(slots.count(), "slot")
        ),
        evidence: marks
            .into_iter()
            .map(|(line, slots)| format!("{line}: {slots}"))
            .collect(),
        way_out: "Finish or close the move with the tool that began it.".to_owned(),
        scope: Scope::Alone,
    });
}
