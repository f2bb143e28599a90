//! Members that the file doesn't name, and members that are gone for good: which of them are to go,
//! what stands in the way, and which leave it takes.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, NodeName, Role, counted};
use crate::desired::HostAddress;
use crate::observed::{Answer, FailureKind, Island, LiveMember, NodeView};

use super::{Blocked, Diff, Difference, Look, Scope, Severity};

/// What is to go, decided before slots are compared: nobody takes slots from a member that stays.
#[derive(Default)]
pub(super) struct Removals {
    units: Vec<Unit>,
    ghosts: Vec<NodeId>,
    /// Members of which more is said than that they are there.
    told: BTreeSet<NodeId>,
}

/// Undeclared members that go together, or not at all: a primary after its replicas, or a replica.
#[derive(Clone)]
struct Unit {
    nodes: Vec<NodeId>,
    /// Declared nodes that have to be attached elsewhere first.
    others: Vec<NodeId>,
}

impl Unit {
    /// The primary, or the only replica.
    fn head(&self) -> Option<NodeId> {
        self.nodes.last().copied()
    }
}

impl Removals {
    pub(super) fn decide(look: &Look<'_>, diff: &mut Diff) -> Self {
        let mut removals = Self::default();
        let Some(main) = look.cluster.main().filter(|_| !diff.pairing.forming) else {
            return removals;
        };
        if look.desired.policy.prune {
            removals.members(look, diff, main);
        }
        removals.gone(look, diff, main);
        removals
    }

    /// Whether the member is to go, with leave and without anything in the way.
    pub(super) fn takes(&self, id: NodeId) -> bool {
        self.units.iter().any(|unit| unit.nodes.contains(&id))
    }

    /// Whether a note would only repeat what is said of the member already.
    pub(super) fn tells_of(&self, id: NodeId) -> bool {
        self.told.contains(&id)
    }

    fn members(&mut self, look: &Look<'_>, diff: &mut Diff, main: &Island) {
        let units = units(look, diff, main);
        if units.is_empty() {
            return;
        }
        let everyone = units.iter().flat_map(|unit| &unit.nodes);
        self.told.extend(everyone.clone());
        let heads = units.iter().filter_map(Unit::head);
        let unsafe_now = [doubtful(look, diff, main), most_voters(look, diff, heads)];
        if let Some((why, evidence, way_out)) = unsafe_now.into_iter().flatten().next() {
            let who = diff.pairing.label_all(everyone);
            let mut blocked = in_the_way(who.clone(), why, way_out);
            blocked.evidence = evidence;
            blocked.evidence.push(format!("not in the file: {who}"));
            diff.blocked.push(blocked);
            return;
        }
        for unit in units {
            if let Some(blocked) = stands_in_the_way(look, diff, &unit) {
                diff.blocked.push(blocked);
            } else if let Some(blocked) = lacks_leave(look, diff, &unit) {
                diff.blocked.push(blocked);
            } else {
                self.units.push(unit);
            }
        }
    }

    /// Members that nothing answers for any more.
    fn gone(&mut self, look: &Look<'_>, diff: &mut Diff, main: &Island) {
        let prune = look.desired.policy.prune;
        let mut silent: Vec<(String, NodeId, &LiveMember)> = main
            .silent
            .iter()
            .filter(|id| !diff.pairing.names.contains_key(id))
            .filter_map(|id| Some((diff.pairing.label(*id), *id, look.cluster.members.get(id)?)))
            .filter(|(_, _, member)| member.slots.is_empty())
            .collect();
        // Replicas first: nobody is forgotten while another one is listed as its replica.
        silent.sort_by_key(|(label, _, member)| (member.role == Role::Primary, label.clone()));
        for (label, id, member) in silent {
            let flag = format!("--allow forget={}", spelling(look, diff, id));
            let leave = may_forget(look, diff, id);
            let doubt = match member.noaddr {
                true => None,
                false => doubtful(look, diff, main),
            };
            if !(member.failed || member.noaddr) {
                if prune {
                    self.told.insert(id);
                    diff.blocked.push(in_the_way(
                        label.clone(),
                        format!("{label} is to be removed, but does not answer here, while its peers still reach it"),
                        format!("Open its port for rcl, or stop {label}: then it can be forgotten."),
                    ));
                }
            } else if let Some((why, evidence, way_out)) = doubt.filter(|_| prune || leave) {
                self.told.insert(id);
                let mut blocked = in_the_way(label, why, way_out);
                blocked.evidence = evidence;
                diff.blocked.push(blocked);
            } else if leave {
                self.told.insert(id);
                self.ghosts.push(id);
            } else if prune {
                self.told.insert(id);
                diff.blocked.push(needs_leave(
                    label.clone(),
                    format!("{label} is still listed as a member, but {}", state(member)),
                    Vec::new(),
                    &[flag],
                ));
            }
        }
    }

    /// Once slots and replicas have been compared: a member goes when nothing keeps it.
    pub(super) fn settle(self, look: &Look<'_>, diff: &mut Diff) {
        let attached = |diff: &Diff, id: NodeId| {
            diff.differences.iter().any(
                |one| matches!(one, Difference::NotReplicating { id: node, .. } if *node == id),
            )
        };
        for unit in self.units {
            let empties = unit
                .nodes
                .iter()
                .filter_map(|id| look.observed.views.get(id));
            let empty = |view: &NodeView| {
                let hands_over = diff.pairing.successor_of(view.id).is_some();
                let idle = view.own_slots().is_empty() && !keeps_keys(diff, view);
                hands_over || idle || diff.drains(view)
            };
            let ready = empties.clone().all(empty);
            if !ready || !unit.others.iter().all(|id| attached(diff, *id)) {
                continue;
            }
            for view in empties {
                diff.differences.push(Difference::Undeclared {
                    node: view.id,
                    role: view.role(),
                    slots: view.own_slots().clone(),
                });
            }
        }
        let ghosts: BTreeSet<NodeId> = self.ghosts.iter().copied().collect();
        for id in self.ghosts {
            let replicas = look.observed.views.values();
            let mut replicas = replicas.filter(|view| view.primary() == Some(id));
            let needed = replicas.find(|view| {
                let goes = diff.differences.iter().any(
                    |one| matches!(one, Difference::Undeclared { node, .. } if *node == view.id),
                );
                !goes && !attached(diff, view.id)
            });
            let label = diff.pairing.label(id);
            let listed = look.cluster.members.iter().find(|(other, member)| {
                let forgotten = ghosts.contains(other);
                member.primary == Some(id) && !member.answered && !forgotten
            });
            if let Some((replica, _)) = listed {
                let flag = spelling(look, diff, *replica);
                let replica = diff.pairing.label(*replica);
                diff.blocked.push(needs_leave(
                    label.clone(),
                    format!("{label} can't be forgotten while {replica}, which doesn't answer either, is listed as its replica"),
                    Vec::new(),
                    &[format!("--allow forget={}", spelling(look, diff, id)), format!("--allow forget={flag}")],
                ));
                continue;
            }
            if let Some(replica) = needed {
                let replica = diff.pairing.label(replica.id);
                diff.blocked.push(in_the_way(
                    label.clone(),
                    format!("{label} can't be forgotten: {replica} still counts it as its primary"),
                    format!("Attach {replica} to another primary, or remove it, first."),
                ));
                continue;
            }
            let noaddr = look.cluster.members.get(&id).is_some_and(|one| one.noaddr);
            diff.differences
                .push(Difference::Ghost { node: id, noaddr });
        }
    }
}

/// What is known of the members that the file doesn't name and that answer, by who goes with whom.
fn units(look: &Look<'_>, diff: &Diff, main: &Island) -> Vec<Unit> {
    let undeclared = |id: &NodeId| !diff.pairing.names.contains_key(id);
    let views = || {
        let answered = main.answered.intersection(&diff.pairing.joinable);
        answered.filter_map(|id| look.observed.views.get(id))
    };
    let leads = |id: NodeId| {
        diff.pairing
            .primaries
            .values()
            .any(|primary| *primary == id)
    };
    let mut primaries: BTreeMap<NodeId, Unit> = BTreeMap::new();
    let mut replicas = Vec::new();
    for view in views().filter(|view| undeclared(&view.id)) {
        match view.role() {
            // Whoever serves a declared shard hands it over first, and is a replica by then.
            Role::Primary if leads(view.id) => {
                if diff.pairing.successor_of(view.id).is_some() {
                    replicas.push(view.id);
                }
            }
            Role::Primary => {
                let copies = views().filter(|other| other.primary() == Some(view.id));
                let (nodes, others): (Vec<NodeId>, Vec<NodeId>) =
                    copies.map(|view| view.id).partition(undeclared);
                let nodes = nodes.into_iter().chain([view.id]).collect();
                primaries.insert(view.id, Unit { nodes, others });
            }
            Role::Replica => replicas.push(view.id),
        }
    }
    let taken: BTreeSet<NodeId> = primaries
        .values()
        .flat_map(|unit| unit.nodes.clone())
        .collect();
    let alone = replicas.into_iter().filter(|id| !taken.contains(id));
    let alone = alone.map(|id| Unit {
        nodes: vec![id],
        others: Vec::new(),
    });
    let mut units: Vec<Unit> = alone.chain(primaries.into_values()).collect();
    units.sort_by_key(|unit| unit.head().map(|id| diff.pairing.label(id)));
    units
}

type Words = (String, Vec<String>, String);

/// A declared node that nobody can find may be the very one that looks undeclared. A blank one that is to
/// take over from a member that goes is meant: that one was named.
fn doubtful(look: &Look<'_>, diff: &Diff, main: &Island) -> Option<Words> {
    let takes_over = |name: &NodeName| {
        let shard = look.desired.shard_of(name);
        let primary = shard.and_then(|shard| diff.pairing.primaries.get(&shard.name));
        primary.is_some_and(|id| !diff.pairing.names.contains_key(id) && has_leave(look, diff, *id))
    };
    let blank = |id: &NodeId| look.observed.views.get(id).is_some_and(NodeView::is_blank);
    let mut found = Vec::new();
    for (name, answer) in &look.observed.declared {
        match answer {
            Answer::Failed(failure) => found.push(format!("{name}: {failure}")),
            Answer::Node(id) if blank(id) && !takes_over(name) => {
                found.push(format!("{name} answers, and is blank"));
            }
            Answer::Node(_) => {}
        }
    }
    let mut members = diff.pairing.ids.values();
    if !members.any(|id| main.answered.contains(id)) {
        found.push("no declared node is a member".to_owned());
    }
    (!found.is_empty()).then(|| {
        (
            "nothing is removed while a declared node doesn't answer or is blank: with a wrong address in the file, the node that is meant would be the one to go".to_owned(),
            found,
            "Start or join these nodes first, or mend their addresses in the file; then plan again.".to_owned(),
        )
    })
}

/// Why no member is removed now, whatever leave is given: what has to be known before the first of
/// them hands over.
pub(super) fn refused(look: &Look<'_>, diff: &Diff) -> Option<Words> {
    let main = look.cluster.main()?;
    let answered = main.answered.intersection(&diff.pairing.joinable);
    let undeclared = answered.filter(|id| !diff.pairing.names.contains_key(id));
    let going = undeclared.copied().filter(|id| has_leave(look, diff, *id));
    doubtful(look, diff, main).or_else(|| most_voters(look, diff, going))
}

/// A file that leaves most of the cluster out is rather a wrong file.
fn most_voters(look: &Look<'_>, diff: &Diff, going: impl Iterator<Item = NodeId>) -> Option<Words> {
    let serves = |id: &NodeId| {
        let view = look.observed.views.get(id);
        view.is_some_and(|view| !view.own_slots().is_empty())
    };
    let going: Vec<NodeId> = going.filter(serves).collect();
    let owners = look.cluster.members.values();
    let owners = owners.filter(|member| !member.slots.is_empty()).count();
    (going.len() * 2 > owners).then(|| {
        (
            format!(
                "nothing is removed: {} of the {owners} primaries that serve slots are not in the file",
                going.len()
            ),
            vec![format!("they are {}", diff.pairing.label_all(&going))],
            "If they are all to go, remove them in several applies, at most half of the primaries each time: name the others in the file until then.".to_owned(),
        )
    })
}

/// A state that keeps a unit where it is, whatever leave is given.
fn stands_in_the_way(look: &Look<'_>, diff: &Diff, unit: &Unit) -> Option<Blocked> {
    let head = unit.head()?;
    let view = look.observed.views.get(&head)?;
    let label = diff.pairing.label(head);
    if view.role() == Role::Replica {
        let primary = view.primary();
        let member = primary.and_then(|id| look.cluster.members.get(&id));
        let serves = member.is_none_or(|member| !member.slots.is_empty());
        let well = member.is_some_and(|member| member.answered && !member.failed);
        return (!well && (serves || view.keys > 0)).then(|| {
            let old = primary.map_or("an unknown node".to_owned(), |id| diff.pairing.label(id));
            Blocked {
                code: "last-copy",
                evidence: vec![counted(view.keys, "key")],
                ..in_the_way(
                    label.clone(),
                    format!("{label} replicates {old}, which doesn't answer or has failed: its copy may be the only one"),
                    format!("Bring {old} back, or let its shard elect a new primary first."),
                )
            }
        });
    }
    let mut silent = look.cluster.members.iter().filter(|(id, member)| {
        member.primary == Some(head)
            && member.role == Role::Replica
            && !member.answered
            && !member.failed
            && !member.noaddr
            && !diff.pairing.names.contains_key(id)
    });
    silent.next().map(|(id, _)| {
        let replica = diff.pairing.label(*id);
        in_the_way(
            label.clone(),
            format!("{label} is to be removed, but its replica {replica} does not answer"),
            format!("Start {replica}, or stop it and wait until its peers hold it for failed."),
        )
    })
}

/// Whether a primary without slots holds keys that this plan doesn't bring to where they belong.
fn keeps_keys(diff: &Diff, view: &NodeView) -> bool {
    let strays = diff.differences.iter().filter_map(|one| {
        let Difference::Stray(stray) = one else {
            return None;
        };
        (stray.holder == view.id).then_some(stray.keys)
    });
    view.role() == Role::Primary && strays.sum::<u64>() < view.keys
}

/// Replicas of a primary that are gone for good, and for which nobody gave leave to forget them. While
/// others count one of them as the primary's, that one can't go.
fn dead_copies(look: &Look<'_>, diff: &Diff, primary: NodeId) -> Vec<NodeId> {
    let members = look.cluster.members.iter();
    let dead = members.filter(|(id, member)| {
        let gone = !member.answered && (member.failed || member.noaddr);
        gone && member.role == Role::Replica
            && member.primary == Some(primary)
            && !diff.pairing.names.contains_key(id)
    });
    let dead = dead.map(|(id, _)| *id);
    dead.filter(|id| !may_forget(look, diff, *id)).collect()
}

fn may_forget(look: &Look<'_>, diff: &Diff, id: NodeId) -> bool {
    let names = spellings(look, diff, id);
    names.iter().any(|name| look.allowed.forget.contains(name))
}

/// Whether somebody gave leave to remove the member.
pub(super) fn has_leave(look: &Look<'_>, diff: &Diff, id: NodeId) -> bool {
    let names = spellings(look, diff, id);
    names.iter().any(|name| look.allowed.remove.contains(name))
}

fn lacks_leave(look: &Look<'_>, diff: &Diff, unit: &Unit) -> Option<Blocked> {
    let missing: Vec<NodeId> = unit
        .nodes
        .iter()
        .filter(|id| !has_leave(look, diff, **id))
        .copied()
        .collect();
    let head = unit.head()?;
    let dead = dead_copies(look, diff, head);
    if missing.is_empty() && dead.is_empty() {
        return None;
    }
    let view = look.observed.views.get(&head)?;
    let label = diff.pairing.label(head);
    let slots = view.own_slots().count();
    let why = match (view.role(), slots) {
        (Role::Replica, _) => {
            format!("{label}, a replica that the file doesn't name, is to be removed")
        }
        (Role::Primary, 0) => {
            format!("{label}, a primary without slots that the file doesn't name, is to be removed")
        }
        (Role::Primary, _) => format!(
            "{label}, which the file doesn't name, is to give its {} to other shards and to be removed",
            counted(slots, "slot")
        ),
    };
    let evidence = unit.nodes.iter().filter_map(|id| {
        let view = look.observed.views.get(id)?;
        let what = match view.role() {
            Role::Primary if view.keys == 0 => return None,
            Role::Primary if view.own_slots().is_empty() => {
                "keys, which go to the owners of their slots"
            }
            Role::Primary => "keys, which move with its slots",
            Role::Replica => "keys, a copy that goes",
        };
        let label = diff.pairing.label(*id);
        Some(format!("{label} holds {} {what}", view.keys))
    });
    let mut evidence: Vec<String> = evidence.collect();
    evidence.extend(dead.iter().map(|id| {
        let replica = diff.pairing.label(*id);
        format!("its replica {replica} is gone, and has to be forgotten first")
    }));
    let flags = flags(look, diff, missing, dead);
    Some(needs_leave(label, why, evidence, &flags))
}

fn flags(
    look: &Look<'_>,
    diff: &Diff,
    remove: impl IntoIterator<Item = NodeId>,
    forget: impl IntoIterator<Item = NodeId>,
) -> Vec<String> {
    let remove = remove.into_iter().map(|id| ("remove", id));
    let forget = forget.into_iter().map(|id| ("forget", id));
    remove
        .chain(forget)
        .map(|(kind, id)| format!("--allow {kind}={}", spelling(look, diff, id)))
        .collect()
}

/// What is missing of the leave to remove a primary that hands over first.
pub(super) fn missing_leave(look: &Look<'_>, diff: &Diff, primary: NodeId) -> Vec<String> {
    let itself = Some(primary).filter(|id| !has_leave(look, diff, *id));
    flags(look, diff, itself, dead_copies(look, diff, primary))
}

fn needs_leave(subject: String, why: String, evidence: Vec<String>, flags: &[String]) -> Blocked {
    Blocked {
        code: "needs-leave",
        evidence,
        ..in_the_way(
            subject,
            why,
            format!("If that is meant, give leave with {}", flags.join(" ")),
        )
    }
}

fn in_the_way(subject: String, why: String, way_out: String) -> Blocked {
    Blocked {
        code: "remove-node",
        severity: Severity::Blocked,
        subject,
        why,
        evidence: Vec::new(),
        way_out,
        scope: Scope::Alone,
    }
}

/// Why a silent member is taken for gone.
pub(super) fn state(member: &LiveMember) -> &'static str {
    if member.noaddr {
        "has no address any more"
    } else if member.failed {
        "has failed"
    } else {
        "another node answers at its address"
    }
}

/// Whether another node answers where the silent member was.
pub(super) fn is_replaced(look: &Look<'_>, id: NodeId) -> bool {
    let failure = look.observed.silent_members.get(&id);
    failure.is_some_and(|failure| failure.kind == FailureKind::OtherNode)
}

/// How a person may call a member that the file doesn't name: by a declared host and its port, by
/// its address, by its id.
pub(super) fn spellings(look: &Look<'_>, diff: &Diff, id: NodeId) -> Vec<String> {
    let view = look.observed.views.get(&id);
    let member = look.cluster.members.get(&id);
    let mut places = Vec::new();
    places.extend(view.map(|view| view.dialled));
    places.extend(member.and_then(LiveMember::usual_address));
    places.dedup();
    let mut names = Vec::new();
    for at in &places {
        for (name, host) in &look.desired.hosts {
            let there = match &host.address {
                HostAddress::Ip(ip) => *ip == at.ip,
                // A name is looked up when rcl runs: where its nodes were reached is where it is.
                HostAddress::Dns(_) => look.desired.nodes.values().any(|node| {
                    let id = diff.pairing.ids.get(&node.name);
                    let view = id.and_then(|id| look.observed.views.get(id));
                    node.host == *name && view.is_some_and(|view| view.dialled.ip == at.ip)
                }),
            };
            if there && name.0.parse::<std::net::IpAddr>().is_err() {
                names.push(format!("{name}:{}", at.port));
            }
        }
    }
    names.extend(places.iter().map(ToString::to_string));
    names.extend(ids(look, id));
    names
}

/// The id, and its beginning as plans show it, where no other member's begins like that.
pub(super) fn ids(look: &Look<'_>, id: NodeId) -> Vec<String> {
    let members = look.cluster.members.keys();
    let alike = members.filter(|other| other.short() == id.short()).count();
    let short = (alike < 2).then(|| id.short().to_owned());
    short.into_iter().chain([id.to_string()]).collect()
}

/// The first of these that means no other such member.
pub(super) fn spelling(look: &Look<'_>, diff: &Diff, id: NodeId) -> String {
    let others: BTreeSet<String> = look
        .cluster
        .members
        .keys()
        .filter(|other| **other != id && !diff.pairing.names.contains_key(other))
        .flat_map(|other| spellings(look, diff, *other))
        .collect();
    let mut names = spellings(look, diff, id).into_iter();
    names
        .find(|name| !others.contains(name))
        .unwrap_or_else(|| id.to_string())
}
