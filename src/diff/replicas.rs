//! Which nodes replicate whom.

use crate::base::{Address, NodeId, NodeName, Role, SlotSet, counted};
use crate::desired::Shard;
use crate::observed::{Member, NodeView, Replication};

use super::{Blocked, Diff, Difference, Look, Note, Now, Scope, Severity};

/// Compares every declared node that is not its shard's live primary.
pub(super) fn compare(look: &Look<'_>, diff: &mut Diff) {
    for shard in &look.desired.shards {
        let Some(primary) = diff.pairing.primaries.get(&shard.name).copied() else {
            continue;
        };
        if diff.is_shard_blocked(&shard.name) {
            continue;
        }
        for name in shard.nodes() {
            let Some(id) = diff.pairing.ids.get(name).copied() else {
                continue;
            };
            let joinable = diff.pairing.joinable.contains(&id);
            let Some(view) = look.observed.views.get(&id).filter(|_| joinable) else {
                continue;
            };
            if id == primary || diff.is_node_blocked(name) {
                continue;
            }
            match gives_all(diff, view) {
                true => late(diff, shard, name, view),
                false => replica(look, diff, shard, name, view, primary),
            }
        }
    }
}

/// Whether a node serves slots now, and by this plan none any more: because it hands over, or
/// because they all move.
fn gives_all(diff: &Diff, view: &NodeView) -> bool {
    let serves = !view.own_slots().is_empty();
    diff.drains(view) || (serves && diff.pairing.successor_of(view.id).is_some())
}

/// A node that becomes a replica once it serves nothing any more.
fn late(diff: &mut Diff, shard: &Shard, name: &NodeName, view: &NodeView) {
    let Some(primary) = diff.pairing.leader_to_be(&shard.name) else {
        return;
    };
    // Keys of slots that it doesn't own stay, and are told: with them it would be refused.
    let own = view.own_slots();
    let home = diff.differences.iter().filter_map(|one| {
        let Difference::Stray(stray) = one else {
            return None;
        };
        (stray.holder == view.id).then_some(&stray.slots)
    });
    let known: SlotSet = home.chain([own]).collect();
    if view.keys_in_slot.keys().any(|slot| !known.contains(*slot)) {
        return;
    }
    // What it moves away is no copy of anything; what it hands over it goes on copying.
    let hands_over = diff.pairing.successor_of(view.id).is_some();
    diff.differences.push(Difference::NotReplicating {
        node: name.clone(),
        id: view.id,
        shard: shard.name.clone(),
        primary,
        now: Now {
            role: Role::Primary,
            primary: None,
            serves: true,
            keys: if hands_over { view.keys } else { 0 },
        },
    });
}

fn replica(
    look: &Look<'_>,
    diff: &mut Diff,
    shard: &Shard,
    name: &NodeName,
    view: &NodeView,
    primary: NodeId,
) {
    let follows = view.role() == Role::Replica && view.primary() == Some(primary);
    if follows && !dials_elsewhere(look, view, primary) {
        link(diff, name, view, primary);
        return;
    }
    if !look.observed.views.contains_key(&primary) {
        let who = diff.pairing.label(primary);
        diff.blocked.push(Blocked {
            code: "primary-silent",
            severity: Severity::Blocked,
            subject: name.to_string(),
            why: format!(
                "{name} can't be attached to shard {}: its primary {who} does not answer",
                shard.name
            ),
            evidence: Vec::new(),
            way_out: format!("Start {who}, or make it reachable from here."),
            scope: Scope::Node(name.clone()),
        });
        return;
    }
    let goes_home = diff.differences.iter().any(
        |difference| matches!(difference, Difference::Stray(stray) if stray.holder == view.id),
    );
    if goes_home {
        // It can be attached once its keys are where they belong.
        return;
    }
    if let Some(blocked) = unsafe_to_attach(look, diff, shard, name, view, primary) {
        diff.blocked.push(blocked);
    } else {
        let shard = shard.name.clone();
        let mut now = now(view);
        let mut leader = Some(primary);
        if copies_what_moves(look, diff, view) {
            now.keys = 0;
            // It comes after that, and after whoever takes over. Unless it is that one.
            let takes_over = diff.pairing.successors.get(&shard) == Some(&view.id);
            leader = leader
                .filter(|_| takes_over)
                .or(diff.pairing.leader_to_be(&shard));
        }
        diff.differences
            .extend(leader.map(|primary| Difference::NotReplicating {
                node: name.clone(),
                id: view.id,
                shard,
                primary,
                now,
            }));
    }
}

/// Whether a node's primary serves nothing any more by the time that it changes it.
fn copies_what_moves(look: &Look<'_>, diff: &Diff, view: &NodeView) -> bool {
    let old = view.primary().and_then(|old| look.observed.views.get(&old));
    old.is_some_and(|old| diff.drains(old))
}

fn now(view: &NodeView) -> Now {
    Now {
        role: view.role(),
        primary: view.primary(),
        serves: false,
        keys: view.keys,
    }
}

/// Whether a replica looks for its primary where that one isn't. Servers that learn a new address
/// from gossip, and not from the primary itself, go on dialling the old one for ever.
pub(super) fn dials_elsewhere(look: &Look<'_>, view: &NodeView, primary: NodeId) -> bool {
    let Replication::Replica {
        host,
        port,
        link_up: false,
        syncing: false,
        ..
    } = &view.replication
    else {
        return false;
    };
    let line = view.table.get(&primary);
    let dialled = host.parse().ok().map(|ip| Address::new(ip, *port));
    let healthy = line.filter(|line| line.connected && !line.flags.fail && !line.flags.maybe_fail);
    let known = healthy.and_then(Member::address);
    view.server.dials_anew_on_replicate()
        && look.observed.views.contains_key(&primary)
        && known.is_some_and(|known| dialled.is_some_and(|dialled| dialled != known))
}

/// The link of a replica of the right primary.
fn link(diff: &mut Diff, name: &NodeName, view: &NodeView, primary: NodeId) {
    if view.replicates(primary) {
        return;
    }
    match &view.replication {
        Replication::Replica { syncing: true, .. } => diff.notes.push(Note {
            code: "syncing",
            subject: name.to_string(),
            text: format!(
                "{name} is copying the data of its primary {}.",
                diff.pairing.label(primary)
            ),
        }),
        Replication::Replica { .. } | Replication::Primary { .. } => {
            diff.differences.push(Difference::LinkDown {
                node: name.clone(),
                id: view.id,
                primary,
            });
        }
    }
}

/// Why the node may not be made a replica now: it serves slots, holds keys that nothing
/// accounts for, or would be wiped without leave.
pub(super) fn unsafe_to_attach(
    look: &Look<'_>,
    diff: &Diff,
    shard: &Shard,
    name: &NodeName,
    view: &NodeView,
    primary: NodeId,
) -> Option<Blocked> {
    let now = now(view);
    let block = |code, why, evidence, way_out| {
        let scope = Scope::Node(name.clone());
        Some(Blocked {
            code,
            severity: Severity::Blocked,
            subject: name.to_string(),
            why,
            evidence,
            way_out,
            scope,
        })
    };
    if !view.own_slots().is_empty() {
        return block(
            "replica-serves-slots",
            format!(
                "{name} is declared a replica of shard {}, but serves {}",
                shard.name,
                counted(view.own_slots().count(), "slot")
            ),
            vec![format!("it serves {}", view.own_slots())],
            "Declare it as the primary of the shard whose slots it serves, or move its slots away first.".to_owned(),
        );
    }
    match now.role {
        Role::Primary if now.keys > 0 && !diff.drains(view) => block(
            "stray-keys",
            format!(
                "{name} is to replicate shard {}, but holds keys and owns no slot",
                shard.name
            ),
            vec![counted(now.keys, "key")],
            "Save what you need of them, empty the node yourself, and plan again.".to_owned(),
        ),
        Role::Primary => None,
        Role::Replica if !is_well(look, now.primary) => {
            let old = now
                .primary
                .map_or("an unknown node".to_owned(), |old| diff.pairing.label(old));
            block(
                "last-copy",
                format!(
                    "{name} replicates {old}, which doesn't answer or has failed: its copy may be the only one"
                ),
                vec![counted(now.keys, "key")],
                format!("Bring {old} back, or let its shard elect a new primary first."),
            )
        }
        // It keeps what it copied: from its primary, or from a replica of it.
        Role::Replica if root(look, view) == Some(primary) => None,
        // What it copied has moved away by then.
        Role::Replica if copies_what_moves(look, diff, view) => None,
        Role::Replica if now.keys > 0 && !look.allowed.resync.contains(name) => block(
            "needs-leave",
            format!(
                "attaching {name} to shard {} wipes the {} that it copies from its present primary",
                shard.name,
                counted(now.keys, "key")
            ),
            vec![format!(
                "present primary: {}",
                now.primary
                    .map_or("unknown".to_owned(), |old| diff.pairing.label(old))
            )],
            format!("If that is meant, give leave with --allow resync={name}"),
        ),
        Role::Replica => None,
    }
}

/// The primary whose data a replica has, be it by way of other replicas.
fn root(look: &Look<'_>, view: &NodeView) -> Option<NodeId> {
    let mut root = view.primary()?;
    // A ring of replicas leads nowhere.
    for _ in 0..look.observed.views.len() {
        match look.observed.views.get(&root)?.primary() {
            Some(next) => root = next,
            None => return Some(root),
        }
    }
    None
}

/// Whether a node's primary answers, and its peers hold it for well.
pub(super) fn is_well(look: &Look<'_>, primary: Option<NodeId>) -> bool {
    let well = |id: NodeId| {
        look.observed.views.contains_key(&id)
            && look
                .cluster
                .members
                .get(&id)
                .is_some_and(|member| !member.failed)
    };
    primary.is_some_and(well)
}
