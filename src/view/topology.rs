//! Who serves what: the live shards and the declared ones in the same words, so that they can
//! be compared line by line and drawn as a tree.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, NodeName, Role, ShardName, SlotSet};
use crate::desired::Desired;
use crate::diff::{Pairing, ownership};
use crate::observed::{Cluster, LiveMember};

/// The live cluster as shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Topology {
    /// In the order of the file, then by slots.
    pub(super) shards: Vec<LiveShard>,
    /// Members that serve no slots and replicate nobody; in the order of the file, then by
    /// address, as those below.
    pub(super) loose: Vec<NodeId>,
    /// Nodes that are no members: blank ones, and those of other clusters.
    pub(super) apart: Vec<NodeId>,
    pub(super) unassigned: SlotSet,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LiveShard {
    /// Its name in the file, where it has one.
    pub(super) name: Option<ShardName>,
    pub(super) primary: NodeId,
    /// In the order of the file, then by id.
    pub(super) replicas: Vec<NodeId>,
    pub(super) slots: SlotSet,
}

impl LiveShard {
    /// Its nodes, the primary first.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::once(self.primary).chain(self.replicas.iter().copied())
    }
}

/// The file and which node is which in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared<'a> {
    pub(super) desired: &'a Desired,
    pub(super) pairing: &'a Pairing,
}

/// The live shards. Without a file the cluster is where most slots are.
pub(super) fn live(cluster: &Cluster, declared: Option<Declared<'_>>) -> Topology {
    let members = members_of(cluster, declared);
    let shard_names: BTreeMap<NodeId, &ShardName> = declared
        .into_iter()
        .flat_map(|declared| &declared.pairing.primaries)
        .map(|(shard, primary)| (*primary, shard))
        .collect();
    let places = places(declared);
    let mut replicas: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for (id, member) in &members {
        if let (Role::Replica, Some(primary)) = (member.role, member.primary) {
            replicas.entry(primary).or_default().push(*id);
        }
    }
    let mut topology = Topology::default();
    let mut placed: BTreeSet<NodeId> = BTreeSet::new();
    for (id, member) in &members {
        let name = shard_names.get(id);
        let mut nodes = replicas.remove(id).unwrap_or_default();
        let serves = !member.slots.is_empty() || !nodes.is_empty() || name.is_some();
        if member.role == Role::Primary && serves {
            nodes.sort_by_key(|node| (places.get(node).copied().unwrap_or(usize::MAX), *node));
            placed.insert(*id);
            placed.extend(&nodes);
            topology.shards.push(LiveShard {
                name: name.map(|name| (*name).clone()),
                primary: *id,
                replicas: nodes,
                slots: member.slots.clone(),
            });
        }
    }
    let order = |shard: &LiveShard| {
        let declared = declared.and_then(|declared| {
            let shards = &declared.desired.shards;
            shards
                .iter()
                .position(|other| Some(&other.name) == shard.name.as_ref())
        });
        let first = shard.slots.ranges().first().map(|range| range.first);
        (
            declared.unwrap_or(usize::MAX),
            first.unwrap_or(u16::MAX),
            shard.primary,
        )
    };
    topology.shards.sort_by_key(order);
    let assigned: SlotSet = topology.shards.iter().map(|shard| &shard.slots).collect();
    topology.unassigned = SlotSet::full().difference(&assigned);
    let rest = cluster.members.keys().filter(|id| !placed.contains(id));
    let mut rest: Vec<NodeId> = rest.copied().collect();
    rest.sort_by_key(|id| {
        let at = cluster.members.get(id).and_then(LiveMember::usual_address);
        (places.get(id).copied().unwrap_or(usize::MAX), at, *id)
    });
    (topology.loose, topology.apart) = rest.into_iter().partition(|id| members.contains_key(id));
    topology
}

/// The nodes that are the cluster. Blank nodes that know nobody are none.
fn members_of<'a>(
    cluster: &'a Cluster,
    declared: Option<Declared<'_>>,
) -> BTreeMap<NodeId, &'a LiveMember> {
    let joinable = declared.map(|declared| &declared.pairing.joinable);
    let joinable = joinable.filter(|joinable| !joinable.is_empty());
    let islands = cluster
        .islands
        .iter()
        .enumerate()
        .filter(|(place, island)| {
            let counts = match joinable {
                Some(joinable) => island.answered.iter().any(|id| joinable.contains(id)),
                None => *place == 0,
            };
            let alone = island.answered.len() + island.silent.len() == 1;
            counts && (!alone || !island.owners.is_empty())
        });
    islands
        .flat_map(|(_, island)| island.answered.iter().chain(&island.silent))
        .filter_map(|id| Some((*id, cluster.members.get(id)?)))
        .collect()
}

/// Where each node stands in the file.
fn places(declared: Option<Declared<'_>>) -> BTreeMap<NodeId, usize> {
    let Some(Declared { desired, pairing }) = declared else {
        return BTreeMap::new();
    };
    let nodes = desired.shards.iter().flat_map(|shard| shard.nodes());
    nodes
        .enumerate()
        .filter_map(|(place, name)| Some((*pairing.ids.get(name)?, place)))
        .collect()
}

/// A line of a topology in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Line {
    /// Whether the lines below it, down to the next such line, belong to it.
    pub(super) head: bool,
    pub(super) words: String,
    /// Only on the lines of shards: told apart exactly, printed shortened.
    pub(super) slots: Option<SlotSet>,
}

impl Line {
    fn shard(words: String, slots: SlotSet) -> Self {
        Self {
            head: true,
            words,
            slots: Some(slots),
        }
    }

    fn node(words: String) -> Self {
        Self {
            head: false,
            words,
            slots: None,
        }
    }

    /// The line for people.
    pub(super) fn text(&self) -> String {
        match &self.slots {
            Some(slots) => format!("{}  {}", self.words, super::wording::slots(slots)),
            None if self.head => self.words.clone(),
            None => format!("  {}", self.words),
        }
    }
}

/// The live side and the declared side in lines. What the file says nothing about stands on
/// both sides, unless it is to go.
pub(super) fn sides(
    cluster: &Cluster,
    declared: Declared<'_>,
    going: &BTreeSet<NodeId>,
) -> (Vec<Line>, Vec<Line>) {
    let Declared { desired, pairing } = declared;
    let topology = live(cluster, Some(declared));
    let label = |id: &NodeId| pairing.label(*id);
    let (mut have, mut want) = (living(&topology, pairing), Vec::new());
    let live_shard = |name: &ShardName| {
        let mut shards = topology.shards.iter();
        shards.find(|shard| shard.name.as_ref() == Some(name))
    };
    let undeclared = |id: &&NodeId| !pairing.names.contains_key(id) && !going.contains(id);
    let mut away: BTreeSet<NodeId> = BTreeSet::new();
    let shares = ownership(desired, cluster, pairing).shares;
    let targets = shares
        .iter()
        .map(|share| &share.target)
        .collect::<SlotSet>();
    for (shard, share) in desired.shards.iter().zip(shares) {
        want.push(Line::shard(format!("shard {}", shard.name), share.target));
        let live = live_shard(&shard.name);
        // Roles change at run time: the declared nodes are right whichever of them serves.
        let serving = pairing
            .leader_to_be(&shard.name)
            .and_then(|id| pairing.names.get(&id))
            .filter(|name| shard.nodes().any(|node| node == *name));
        let primary: &NodeName = serving.unwrap_or(&shard.primary);
        want.push(declared_node("primary", primary, pairing));
        let replicas = shard.nodes().filter(|node| *node != primary);
        for name in replicas {
            match pairing
                .ids
                .get(name)
                .filter(|id| is_away(id, cluster, &topology))
            {
                Some(id) => away.extend([*id]),
                None => want.push(declared_node("replica", name, pairing)),
            }
        }
        let strangers = live.into_iter().flat_map(|live| &live.replicas);
        want.extend(
            strangers
                .filter(undeclared)
                .map(|id| Line::node(format!("replica {}", label(id)))),
        );
    }
    let unnamed = topology.shards.iter().filter(|shard| shard.name.is_none());
    for shard in unnamed.filter(|shard| !going.contains(&shard.primary)) {
        let words = format!("shard of {}", label(&shard.primary));
        want.push(Line::shard(words, shard.slots.difference(&targets)));
        let nodes = [("primary", &shard.primary)].into_iter();
        let replicas = shard.replicas.iter().map(|id| ("replica", id));
        want.extend(
            nodes
                .chain(replicas)
                .filter(|(_, id)| undeclared(id))
                .map(|(role, id)| Line::node(format!("{role} {}", label(id)))),
        );
    }
    let loose = topology.loose.iter().filter(|id| !away.contains(id));
    outside(&mut have, loose.clone(), pairing);
    outside(&mut want, loose.filter(undeclared), pairing);
    (have, want)
}

/// The shards as they are.
fn living(topology: &Topology, pairing: &Pairing) -> Vec<Line> {
    let mut lines = Vec::new();
    for shard in &topology.shards {
        let primary = pairing.label(shard.primary);
        let words = match &shard.name {
            Some(name) => format!("shard {name}"),
            None => format!("shard of {primary}"),
        };
        lines.push(Line::shard(words, shard.slots.clone()));
        lines.push(Line::node(format!("primary {primary}")));
        let replicas = shard.replicas.iter().map(|id| pairing.label(*id));
        lines.extend(replicas.map(|replica| Line::node(format!("replica {replica}"))));
    }
    lines
}

/// Whether it is a member that is down and serves nothing, such as a primary that failed. It comes
/// back as its shard's replica by itself: nothing moves it, so it stands on neither side.
fn is_away(id: &NodeId, cluster: &Cluster, topology: &Topology) -> bool {
    let member = cluster.members.get(id);
    member.is_some_and(|member| !member.answered) && topology.loose.contains(id)
}

/// A node where the file wants it. One that no answer told of is not there for a plan to place.
fn declared_node(role: &str, name: &NodeName, pairing: &Pairing) -> Line {
    let away = if pairing.ids.contains_key(name) {
        ""
    } else {
        ", which does not answer"
    };
    Line::node(format!("{role} {name}{away}"))
}

fn outside<'a>(lines: &mut Vec<Line>, nodes: impl Iterator<Item = &'a NodeId>, pairing: &Pairing) {
    let nodes: Vec<Line> = nodes.map(|id| Line::node(pairing.label(*id))).collect();
    if !nodes.is_empty() {
        lines.push(Line {
            head: true,
            words: "without a shard".to_owned(),
            slots: None,
        });
        lines.extend(nodes);
    }
}
