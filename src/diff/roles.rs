//! Who is to lead a shard, where that isn't who leads it now.

use crate::base::{NodeId, NodeName, Role, counted};
use crate::desired::Shard;

use super::{
    Blocked, Cause, Diff, Difference, Elsewhere, HandOver, Look, Note, Scope, Severity, removal,
    replicas, verdict,
};

/// Finds the shards whose primary role is to go to another of their nodes, and those where it
/// should and can't.
pub(super) fn compare(look: &Look<'_>, diff: &mut Diff) {
    for shard in &look.desired.shards {
        let Some(primary) = diff.pairing.primaries.get(&shard.name).copied() else {
            continue;
        };
        if diff.is_shard_blocked(&shard.name) {
            continue;
        }
        match diff.pairing.names.get(&primary).cloned() {
            Some(name) if name == shard.primary => detach(look, diff, shard, primary),
            Some(name) if shard.replicas.contains(&name) => {
                failed_over(look, diff, shard, primary, &name);
            }
            Some(name) => crossed(look, diff, shard, primary, &name),
            None => undeclared(look, diff, shard, primary),
        }
    }
}

fn hand_over(diff: &mut Diff, shard: &Shard, from: NodeId, to: NodeId, cause: Cause) {
    diff.pairing.successors.insert(shard.name.clone(), to);
    diff.differences.push(Difference::HandOver(HandOver {
        shard: shard.name.clone(),
        from,
        to,
        cause,
    }));
}

/// Another declared node leads the shard: roles change at run time, so nothing is wrong unless the
/// file wants them back.
fn failed_over(look: &Look<'_>, diff: &mut Diff, shard: &Shard, primary: NodeId, name: &NodeName) {
    let placed = &shard.primary;
    let rest = match look.desired.policy.failback {
        false => "Nothing is done about it: `failback` under `policy` is false.".to_owned(),
        true => match can_take_over(look, diff, shard, placed, primary) {
            Ok(to) => return hand_over(diff, shard, primary, to, Cause::Failback),
            Err(why) => format!("It can't be brought back now: {why}."),
        },
    };
    diff.notes.push(Note {
        code: "failed-over",
        subject: format!("shard {}", shard.name),
        text: format!("{name} is the primary now, the file places it at {placed}. {rest}"),
    });
}

/// The shard is led by a node that the file declares in another one. It becomes a replica here first.
fn crossed(look: &Look<'_>, diff: &mut Diff, shard: &Shard, primary: NodeId, name: &NodeName) {
    let keys = look
        .observed
        .views
        .get(&primary)
        .map_or(0, |view| view.keys);
    let served = format!(
        "shard {} is served by {name}, which the file declares in another shard",
        shard.name
    );
    if keys > 0 && !look.allowed.resync.contains(name) {
        diff.blocked.push(blocked(
            shard,
            format!(
                "{served}; once it has handed over, moving it there wipes its copy of {}",
                counted(keys, "key")
            ),
            vec![format!("its id is {primary}")],
            format!(
                "If that is meant, give leave with --allow resync={name}. Else declare {name} in shard {}.",
                shard.name
            ),
        ));
        return;
    }
    match successor(look, diff, shard, primary) {
        Ok(to) => hand_over(diff, shard, primary, to, Cause::Crossed),
        Err(evidence) => diff.blocked.push(blocked(
            shard,
            format!("{served}, and no node of shard {} can take over", shard.name),
            evidence,
            format!(
                "Declare {name} in shard {}, or mend what keeps its declared nodes from taking over.",
                shard.name
            ),
        )),
    }
}

/// The shard is led by a node that the file doesn't name any more. It hands over where it is to be
/// removed.
fn undeclared(look: &Look<'_>, diff: &mut Diff, shard: &Shard, primary: NodeId) {
    let label = diff.pairing.label(primary);
    let served = format!(
        "shard {} is served by {label}, which the file doesn't name",
        shard.name
    );
    let refuse = |why, evidence, way_out| Blocked {
        code: "undeclared-primary",
        ..blocked(shard, why, evidence, way_out)
    };
    let id = vec![format!("its id is {primary}")];
    let declare = format!("Declare {label} in shard {}", shard.name);
    let missing = removal::missing_leave(look, diff, primary);
    if !look.desired.policy.prune {
        diff.blocked.push(refuse(
            served,
            id,
            format!(
                "{declare}. To have it hand over and removed, write `prune: true` under `policy`."
            ),
        ));
    } else if !missing.is_empty() {
        let flags = missing.join(" ");
        diff.blocked.push(refuse(
            format!("{served}: it is to hand over, and to be removed after that"),
            id,
            format!("If that is meant, give leave with {flags}. Else: {declare}."),
        ));
    } else if let Some((why, evidence, way_out)) = removal::refused(look, diff) {
        diff.blocked.push(refuse(
            format!("{served}, and doesn't hand over: {why}"),
            id.into_iter().chain(evidence).collect(),
            way_out,
        ));
    } else {
        match successor(look, diff, shard, primary) {
            Ok(to) => hand_over(diff, shard, primary, to, Cause::Leaving),
            Err(evidence) => diff.blocked.push(refuse(
                format!(
                    "{served}, and no node of shard {} can take over",
                    shard.name
                ),
                evidence,
                format!("Mend what keeps its declared nodes from taking over. Else: {declare}."),
            )),
        }
    }
}

/// With the code of a primary that the file declares elsewhere.
fn blocked(shard: &Shard, why: String, evidence: Vec<String>, way_out: String) -> Blocked {
    Blocked {
        code: "roles-crossed",
        severity: Severity::Blocked,
        subject: format!("shard {}", shard.name),
        why,
        evidence,
        way_out,
        scope: Scope::Shard(shard.name.clone()),
    }
}

/// The declared primary, else the first replica that can; or why none of them can.
fn successor(
    look: &Look<'_>,
    diff: &Diff,
    shard: &Shard,
    primary: NodeId,
) -> Result<NodeId, Vec<String>> {
    let mut objections = Vec::new();
    for name in shard.nodes() {
        match can_take_over(look, diff, shard, name, primary) {
            Ok(id) => return Ok(id),
            Err(why) => objections.push(why),
        }
    }
    Err(objections)
}

/// Whether a node is, or is by this plan, a replica of the shard's primary that can be told to take
/// its place.
fn can_take_over(
    look: &Look<'_>,
    diff: &Diff,
    shard: &Shard,
    name: &NodeName,
    primary: NodeId,
) -> Result<NodeId, String> {
    let id = diff.pairing.ids.get(name).copied();
    let view = id.and_then(|id| look.observed.views.get(&id));
    let Some(view) = view.filter(|view| diff.pairing.joinable.contains(&view.id)) else {
        return Err(format!("{name} does not answer"));
    };
    let Some(leader) = look.observed.views.get(&primary) else {
        return Err(format!("{} does not answer", diff.pairing.label(primary)));
    };
    // Servers elect nobody in the place of a primary without slots.
    if leader.own_slots().is_empty() {
        return Err("servers don't fail over a shard without slots".to_owned());
    }
    if !verdict::has_quorum(look) {
        return Err("too few primaries are alive to agree on it".to_owned());
    }
    if diff.is_node_blocked(name) {
        return Err(format!("{name} is blocked"));
    }
    let leads = diff.pairing.primaries.values().any(|id| *id == view.id);
    if leads || !view.own_slots().is_empty() {
        return Err(format!("{name} leads another shard"));
    }
    let follows = view.primary() == Some(primary);
    let links = view.is_linked() || links_by_then(diff, primary);
    if follows && (links || replicas::dials_elsewhere(look, view, primary)) {
        return Ok(view.id);
    }
    if follows {
        return Err(format!("{name} has no link to its primary"));
    }
    match replicas::unsafe_to_attach(look, diff, shard, name, view, primary) {
        None => Ok(view.id),
        Some(blocked) => Err(format!("{}. {}", blocked.why, blocked.way_out)),
    }
}

/// Whether replicas find their primary once this plan has announced it where it is.
fn links_by_then(diff: &Diff, primary: NodeId) -> bool {
    diff.differences
        .iter()
        .any(|one| matches!(one, Difference::Announced { id, .. } if *id == primary))
}

/// The declared primary of a shard that nobody serves, where it replicates another node and can be
/// taken from there: that one lives and serves what it copies, and its copy may go. `Err(None)` where
/// it is no such node.
pub(super) fn detachable(
    look: &Look<'_>,
    diff: &Diff,
    shard: &Shard,
) -> Result<NodeId, Option<Box<Blocked>>> {
    let name = &shard.primary;
    let id = diff
        .pairing
        .ids
        .get(name)
        .filter(|id| diff.pairing.joinable.contains(id));
    let view = id.and_then(|id| look.observed.views.get(id)).ok_or(None)?;
    let follows = view.primary().filter(|_| view.role() == Role::Replica);
    let primary = follows.ok_or(None)?;
    let keys = counted(view.keys, "key");
    let label = diff.pairing.label(primary);
    let is = format!(
        "{name} is to be the primary of shard {}, but replicates {label}",
        shard.name
    );
    let evidence = vec![format!("it copies {keys} of {label}")];
    let refuse = |why, way_out| {
        Err(Some(Box::new(Blocked {
            code: "primary-is-replica",
            ..blocked(shard, why, evidence.clone(), way_out)
        })))
    };
    if !replicas::is_well(look, Some(primary)) {
        return refuse(
            format!("{is}, which doesn't answer or has failed: its copy may be the only one"),
            format!("Bring {label} back, or let its shard elect a new primary first."),
        );
    }
    if view.keys > 0 && !look.allowed.resync.contains(name) {
        return refuse(
            format!("{is}; detaching it wipes its copy"),
            format!(
                "If that is meant, give leave with --allow resync={name}. Else name another node as the primary of shard {}.",
                shard.name
            ),
        );
    }
    Ok(view.id)
}

fn detach(look: &Look<'_>, diff: &mut Diff, shard: &Shard, id: NodeId) {
    let view = look.observed.views.get(&id);
    let detached = view.filter(|_| diff.pairing.detached.contains(&id));
    if let Some((view, primary)) = detached.and_then(|view| Some((view, view.primary()?))) {
        diff.differences
            .push(Difference::LeaderElsewhere(Elsewhere {
                node: shard.primary.clone(),
                id,
                shard: shard.name.clone(),
                primary,
                keys: view.keys,
            }));
    }
}
