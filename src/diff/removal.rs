//! Members that the file doesn't name, and members that are gone for good: which of them are to go,
//! what stands in the way, and which leave it takes.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, Role, SlotSet, counted};
use crate::desired::HostAddress;
use crate::observed::{Answer, FailureKind, Island, LiveMember, NodeView};

use super::{Blocked, Diff, Difference, Look, Note, Scope, Severity};

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
        let unsafe_now = [doubtful(look, diff, main), most_voters(look, diff, &units)];
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
            } else if is_told_elsewhere(look, &unit) {
                continue;
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
        silent.sort_by(|(left, ..), (right, ..)| left.cmp(right));
        for (label, id, member) in silent {
            let flag = format!("--allow forget={}", spelling(look, diff, id));
            let leave = spellings(look, diff, id)
                .iter()
                .any(|name| look.allowed.forget.contains(name));
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
                hands_over || view.own_slots().is_empty() || diff.drains(view)
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
        note_of_migration(look, diff);
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
            // Whoever serves a declared shard hands it over first, and is a replica by then. A
            // newcomer that nobody has seen at work takes over, and the rest is for the next apply.
            Role::Primary if leads(view.id) => {
                let successor = diff.pairing.successor_of(view.id);
                let successor = successor.and_then(|id| look.observed.views.get(&id));
                if successor.is_some_and(|view| !view.is_blank()) {
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

/// A declared node that nobody can find may be the very one that looks undeclared.
fn doubtful(look: &Look<'_>, diff: &Diff, main: &Island) -> Option<Words> {
    let blank = |id: &NodeId| look.observed.views.get(id).is_some_and(NodeView::is_blank);
    let mut found = Vec::new();
    for (name, answer) in &look.observed.declared {
        match answer {
            Answer::Failed(failure) => found.push(format!("{name}: {failure}")),
            Answer::Node(id) if blank(id) => found.push(format!("{name} answers, and is blank")),
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

/// A file that leaves most of the cluster out is rather a wrong file.
fn most_voters(look: &Look<'_>, diff: &Diff, units: &[Unit]) -> Option<Words> {
    let serves = |id: &NodeId| {
        let view = look.observed.views.get(id);
        view.is_some_and(|view| !view.own_slots().is_empty())
    };
    let going: Vec<NodeId> = units.iter().filter_map(Unit::head).filter(serves).collect();
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

/// Keys at a primary without slots are told of as such.
fn is_told_elsewhere(look: &Look<'_>, unit: &Unit) -> bool {
    let views = unit
        .nodes
        .iter()
        .filter_map(|id| look.observed.views.get(id));
    views
        .filter(|view| view.role() == Role::Primary)
        .any(|view| view.own_slots().is_empty() && view.keys > 0)
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
    if missing.is_empty() {
        return None;
    }
    let head = unit.head()?;
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
            Role::Primary => "keys, which move with its slots",
            Role::Replica => "keys, a copy that goes",
        };
        let label = diff.pairing.label(*id);
        Some(format!("{label} holds {} {what}", view.keys))
    });
    let flags: Vec<String> = missing
        .into_iter()
        .map(|id| format!("--allow remove={}", spelling(look, diff, id)))
        .collect();
    Some(needs_leave(label, why, evidence.collect(), &flags))
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
    names.push(id.to_string());
    names
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

/// Emptying a primary takes an option that is put back to what it was seen to be: a killed run
/// leaves it behind, and only the file could tell the next one.
fn note_of_migration(look: &Look<'_>, diff: &mut Diff) {
    const OPTION: &str = "cluster-allow-replica-migration";
    if !look.observed.views.values().any(|view| diff.drains(view)) {
        return;
    }
    let unknown = diff.pairing.names.iter().any(|(id, name)| {
        let view = look.observed.views.get(id);
        let on = view
            .and_then(|view| view.config.get(OPTION))
            .map(String::as_str)
            == Some("yes");
        let node = look.desired.nodes.get(name);
        on && node.is_some_and(|node| !node.config.contains_key(OPTION))
    });
    if unknown {
        diff.notes.push(Note {
            code: "put-back",
            subject: OPTION.to_owned(),
            text: format!("{OPTION} is off while a primary is emptied, and is put back to what it is now. Declare it under `config`: then the next apply mends it if this one is killed."),
        });
    }
}

impl Diff {
    /// The slots that are to go from a primary to others.
    #[must_use]
    pub fn taken_from(&self, node: NodeId) -> SlotSet {
        let moves = self.differences.iter().filter_map(Difference::misplaced);
        let taken = moves.filter(|moved| moved.source == node);
        let taken = taken.map(|moved| &moved.slots);
        taken.collect()
    }

    /// Whether all slots of a primary are to go elsewhere.
    #[must_use]
    pub fn drains(&self, view: &NodeView) -> bool {
        let own = view.own_slots();
        !own.is_empty() && own.difference(&self.taken_from(view.id)).is_empty()
    }
}
