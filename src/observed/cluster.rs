//! What the views add up to: islands of nodes that know each other, members, slot owners,
//! and where the views disagree.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Address, NodeId, Role, SLOT_COUNT, Slot, SlotRange, SlotSet};

use super::{Answer, Group, Member, NodeView, Observed, Unmet, groups, unmet};

/// The merged picture. The first island is the cluster; the others are nodes, mostly blank
/// ones, that still have to join it or that belong elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    pub islands: Vec<Island>,
    /// Every node that anybody lists, and every node that answered.
    pub members: BTreeMap<NodeId, LiveMember>,
}

/// Nodes that know each other, directly or through others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Island {
    /// The nodes that answered.
    pub answered: BTreeSet<NodeId>,
    /// Nodes that did not answer and that one of the above lists.
    pub silent: BTreeSet<NodeId>,
    pub owners: SlotOwners,
    pub disagreements: Vec<Disagreement>,
}

/// A node as the views together show it: by its own word where it answered, else by the
/// most common word of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveMember {
    pub answered: bool,
    pub role: Role,
    pub primary: Option<NodeId>,
    pub epoch: u64,
    pub slots: SlotSet,
    /// Most of the nodes that list it hold it for failed.
    pub failed: bool,
    /// Most of them at least miss its answers.
    pub suspected: bool,
    /// Somebody lists it without an address: it was reset, or came back as another node.
    pub noaddr: bool,
    /// Where the nodes that list it have it.
    pub sightings: Vec<Sighting>,
}

/// The address that some nodes have for a member.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    pub address: Option<Address>,
    /// Never the member itself.
    pub by: Vec<NodeId>,
}

/// Slot owners by node.
pub type SlotOwners = BTreeMap<NodeId, SlotSet>;

/// Slots about whose owner the nodes of one island say different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    pub slots: SlotSet,
    pub claims: Vec<Claim>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `None`: they say that nobody owns the slots.
    pub owner: Option<NodeId>,
    /// The owner's epoch as they have it.
    pub epoch: u64,
    pub said_by: Vec<NodeId>,
}

impl Cluster {
    /// Merges the views of one look.
    #[must_use]
    pub fn merge(observed: &Observed) -> Self {
        let mut islands: Vec<Island> = components(&observed.views)
            .into_iter()
            .map(|ids| island(ids, &observed.views))
            .collect();
        let declared: BTreeSet<NodeId> = observed
            .declared
            .values()
            .filter_map(|answer| match answer {
                Answer::Node(id) => Some(*id),
                Answer::Failed(_) => None,
            })
            .collect();
        // The cluster is where the slots are; between islands with as many, the one that more of
        // the declared nodes are in, then the larger one.
        islands.sort_by_key(|island| {
            let slots: u32 = island
                .owners
                .values()
                .map(|slots| u32::from(slots.count()))
                .sum();
            (
                std::cmp::Reverse((
                    slots,
                    island.answered.intersection(&declared).count(),
                    island.answered.len(),
                )),
                island.answered.first().copied(),
            )
        });
        Self {
            islands,
            members: members(&observed.views),
        }
    }

    /// The island that is the cluster; `None` when nobody answered.
    #[must_use]
    pub fn main(&self) -> Option<&Island> {
        self.islands.first()
    }

    /// The islands in which any of these nodes answered.
    pub fn islands_of<'a>(
        &'a self,
        nodes: &'a BTreeSet<NodeId>,
    ) -> impl Iterator<Item = &'a Island> {
        let islands = self.islands.iter();
        islands.filter(|island| !island.answered.is_disjoint(nodes))
    }

    /// The island a node answered in.
    #[must_use]
    pub fn island_of(&self, node: NodeId) -> Option<&Island> {
        self.islands
            .iter()
            .find(|island| island.answered.contains(&node))
    }
}

impl Cluster {
    /// Whether looking again could show something else: nodes of one island that differ
    /// about slots, that don't list each other yet, or that are shaking hands; and where
    /// nothing is missing, anything that keeps the cluster from being whole.
    #[must_use]
    pub fn is_settled(&self, observed: &Observed) -> bool {
        self.islands.iter().all(|island| {
            let views = island
                .answered
                .iter()
                .filter_map(|id| observed.views.get(id));
            island.disagreements.is_empty()
                && groups(views).iter().all(|group| {
                    group.table.values().all(|member| !member.flags.handshake)
                        && island
                            .answered
                            .iter()
                            .all(|peer| group.table.contains_key(peer))
                })
                && (!island.is_complete() || island.is_whole(observed))
        })
    }
}

impl LiveMember {
    /// The address that most of its peers have for it.
    #[must_use]
    pub fn usual_address(&self) -> Option<Address> {
        let mut votes: BTreeMap<Address, usize> = BTreeMap::new();
        for sighting in &self.sightings {
            if let Some(address) = sighting.address {
                *votes.entry(address).or_default() += sighting.by.len();
            }
        }
        votes
            .into_iter()
            .rev()
            .max_by_key(|(_, count)| *count)
            .map(|(address, _)| address)
    }

    /// Whether any other node lists it.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        !self.sightings.is_empty()
    }

    /// Whether it is there for clients and its peers, or at least missed by few of these.
    #[must_use]
    pub fn lives(&self) -> bool {
        !self.failed && !self.noaddr && (self.answered || !self.suspected)
    }
}

impl Island {
    /// Every slot that some node is held to own.
    #[must_use]
    pub fn assigned(&self) -> SlotSet {
        self.owners
            .values()
            .flat_map(|slots| slots.ranges().iter().copied())
            .collect()
    }

    /// Everybody answers, and every slot has an owner.
    fn is_complete(&self) -> bool {
        self.silent.is_empty() && self.assigned() == SlotSet::full()
    }

    /// Roles, epochs, the state of the cluster and the links of replicas follow by seconds: a
    /// primary waits five for further replicas before it begins to copy.
    fn is_whole(&self, observed: &Observed) -> bool {
        unmet(&observed.views, &self.answered, &BTreeSet::new())
            .iter()
            .all(|unmet| match unmet {
                Unmet::LinkDown { replica } => observed
                    .views
                    .get(replica)
                    .is_some_and(NodeView::is_syncing),
                Unmet::NoAnswer { .. }
                | Unmet::NotListed { .. }
                | Unmet::Handshake { .. }
                | Unmet::Unwell { .. }
                | Unmet::NotOk { .. }
                | Unmet::Unassigned { .. }
                | Unmet::Disagrees { .. }
                | Unmet::SameEpoch { .. } => false,
            })
    }
}

/// Groups the nodes that answered: two belong together when one lists the other.
fn components(views: &BTreeMap<NodeId, NodeView>) -> Vec<BTreeSet<NodeId>> {
    let mut islands: Vec<BTreeSet<NodeId>> = Vec::new();
    for group in groups(views.values()) {
        let listed = group
            .table
            .iter()
            .filter(|(_, member)| !member.flags.handshake)
            .map(|(id, _)| *id);
        let mut together: BTreeSet<NodeId> = listed
            .filter(|id| views.contains_key(id))
            .chain(group.viewers.iter().copied())
            .collect();
        islands.retain_mut(|island| {
            let apart = island.is_disjoint(&together);
            if !apart {
                together.append(island);
            }
            apart
        });
        islands.push(together);
    }
    islands
}

fn island(answered: BTreeSet<NodeId>, views: &BTreeMap<NodeId, NodeView>) -> Island {
    let groups = groups(answered.iter().filter_map(|id| views.get(id)));
    let silent = groups
        .iter()
        .flat_map(|group| group.table.iter())
        .filter(|(peer, member)| !member.flags.handshake && !views.contains_key(peer))
        .map(|(peer, _)| *peer)
        .collect();
    let maps = distinct_maps(&groups);
    let disagreements = if maps.len() > 1 {
        disagreements(&maps, views)
    } else {
        Vec::new()
    };
    // The owners' own claims are what the servers themselves go by. Of one that doesn't answer others tell, and may
    // tell what was: who imports a slot learns of no new owner.
    let mut owners: SlotOwners = SlotOwners::new();
    for view in answered.iter().filter_map(|id| views.get(id)) {
        if !view.own_slots().is_empty() {
            owners.insert(view.id, view.own_slots().clone());
        }
    }
    let claimed: SlotSet = owners.values().collect();
    for map in maps.keys() {
        let silent = map.iter().filter(|(owner, _)| !answered.contains(owner));
        for (owner, slots) in silent {
            let left = slots.difference(&claimed);
            if !left.is_empty() {
                let theirs = owners.entry(*owner).or_default();
                *theirs = theirs.union(&left);
            }
        }
    }
    Island {
        answered,
        silent,
        owners,
        disagreements,
    }
}

/// A slot map as one node shows it, borrowed from its view.
type SlotMap<'a> = BTreeMap<NodeId, &'a SlotSet>;

/// The different slot maps among the views, each with the nodes that show it.
fn distinct_maps<'a>(groups: &[Group<'a>]) -> BTreeMap<SlotMap<'a>, Vec<NodeId>> {
    let mut maps: BTreeMap<SlotMap<'a>, Vec<NodeId>> = BTreeMap::new();
    for group in groups {
        let map = group
            .table
            .iter()
            .filter(|(_, member)| !member.slots.is_empty())
            .map(|(owner, member)| (*owner, &member.slots))
            .collect();
        maps.entry(map).or_default().extend(group.viewers.iter());
    }
    maps
}

fn disagreements(
    maps: &BTreeMap<SlotMap<'_>, Vec<NodeId>>,
    views: &BTreeMap<NodeId, NodeView>,
) -> Vec<Disagreement> {
    let by_slot: Vec<(Ranges, &Vec<NodeId>)> = maps
        .iter()
        .map(|(map, said_by)| (in_order(map), said_by))
        .collect();
    // Between two ends of ranges nobody changes his mind.
    let ends: BTreeSet<Slot> = by_slot
        .iter()
        .flat_map(|(ranges, _)| ranges)
        .flat_map(|(range, _)| [range.first, range.last + 1])
        .chain([0, SLOT_COUNT])
        .collect();
    let mut found: BTreeMap<Vec<Option<NodeId>>, SlotSet> = BTreeMap::new();
    for (first, end) in ends.iter().zip(ends.iter().skip(1)) {
        let said: Vec<Option<NodeId>> = by_slot
            .iter()
            .map(|(ranges, _)| owner_in(ranges, *first))
            .collect();
        if said.iter().any(|owner| *owner != said[0])
            && let Some(range) = SlotRange::new(*first, *end - 1)
        {
            found.entry(said).or_default().insert(range);
        }
    }
    let mut disagreements: Vec<Disagreement> = found
        .into_iter()
        .filter_map(|(said, slots)| {
            let mut claims: BTreeMap<Option<NodeId>, Vec<NodeId>> = BTreeMap::new();
            for (owner, (_, said_by)) in said.iter().zip(&by_slot) {
                let informed = said_by.iter().copied().filter(|node| {
                    // Redis learns no owner of a slot that it imports: when its giver failed over, it knows
                    // none, or the old one, until the move is finished.
                    let imports = views.get(node).is_some_and(|view| view.imports(&slots));
                    let named = || said.iter().flatten();
                    let waits = imports && named().all(|owner| owner != node);
                    !waits && (owner.is_some() || named().any(|owner| hears(views, *node, *owner)))
                });
                claims.entry(*owner).or_default().extend(informed);
            }
            claims.retain(|_, said_by| !said_by.is_empty());
            let mut claims: Vec<Claim> = claims
                .into_iter()
                .map(|(owner, said_by)| claim(owner, said_by, views))
                .collect();
            // The odd ones out first: by id the order would differ from cluster to cluster.
            claims.sort_by_key(|claim| claim.said_by.len());
            (claims.len() > 1).then_some(Disagreement { slots, claims })
        })
        .collect();
    disagreements.sort_by(|left, right| left.slots.cmp(&right.slots));
    disagreements
}

/// Whether a node is in touch with the other, or is it. One that is met halfway only, that misses
/// the other's answers or looks for it at a wrong address, knows nothing of its slots: that is no
/// claim.
fn hears(views: &BTreeMap<NodeId, NodeView>, node: NodeId, other: NodeId) -> bool {
    let line = views.get(&node).and_then(|view| view.table.get(&other));
    let deaf = |member: &Member| {
        let flags = member.flags;
        !member.connected || flags.handshake || flags.fail || flags.maybe_fail
    };
    node == other || line.is_some_and(|member| !deaf(member))
}

/// Ranges in ascending order, each with its owner.
type Ranges = Vec<(SlotRange, NodeId)>;

/// The ranges of a map in ascending order. Where a confused node shows a slot twice, either may
/// stand.
fn in_order(map: &SlotMap<'_>) -> Vec<(SlotRange, NodeId)> {
    let mut ranges: Ranges = map
        .iter()
        .flat_map(|(owner, slots)| slots.ranges().iter().map(|range| (*range, *owner)))
        .collect();
    ranges.sort_unstable();
    ranges
}

fn owner_in(ranges: &[(SlotRange, NodeId)], slot: Slot) -> Option<NodeId> {
    let place = ranges.partition_point(|(range, _)| range.first <= slot);
    let (range, owner) = ranges.get(place.checked_sub(1)?)?;
    (range.last >= slot).then_some(*owner)
}

fn claim(
    owner: Option<NodeId>,
    mut said_by: Vec<NodeId>,
    views: &BTreeMap<NodeId, NodeView>,
) -> Claim {
    said_by.sort_unstable();
    let epoch = owner
        .and_then(|owner| {
            said_by
                .iter()
                .filter_map(|id| views.get(id)?.table.get(&owner))
                .map(|m| m.epoch)
                .max()
        })
        .unwrap_or(0);
    Claim {
        owner,
        epoch,
        said_by,
    }
}

/// A line about a member, and who shows it beside the member itself.
type Signed<'a> = (&'a Member, Vec<NodeId>);

fn members(views: &BTreeMap<NodeId, NodeView>) -> BTreeMap<NodeId, LiveMember> {
    let mut listed: BTreeMap<NodeId, Vec<Signed<'_>>> =
        views.keys().map(|id| (*id, Vec::new())).collect();
    for group in groups(views.values()) {
        for (id, member) in group.table {
            let by: Vec<NodeId> = group
                .viewers
                .iter()
                .filter(|viewer| *viewer != id)
                .copied()
                .collect();
            if !member.flags.handshake && !by.is_empty() {
                listed.entry(*id).or_default().push((member, by));
            }
        }
    }
    listed
        .into_iter()
        .map(|(id, lines)| (id, live_member(views.get(&id), lines)))
        .collect()
}

fn live_member(own: Option<&NodeView>, lines: Vec<Signed<'_>>) -> LiveMember {
    let said: Option<&Member> = own
        .and_then(NodeView::myself)
        .or_else(|| most_common(&lines));
    let count = |counts: &dyn Fn(&Member) -> bool| -> usize {
        lines
            .iter()
            .filter(|(member, _)| counts(member))
            .map(|(_, by)| by.len())
            .sum()
    };
    LiveMember {
        answered: own.is_some(),
        role: said.map_or(Role::Primary, |member| member.role),
        primary: said.and_then(|member| member.primary),
        epoch: said.map_or(0, |member| member.epoch),
        slots: said.map(|member| member.slots.clone()).unwrap_or_default(),
        failed: count(&|member| member.flags.fail) * 2 > count(&|_| true),
        suspected: count(&|member| member.flags.fail || member.flags.maybe_fail) * 2
            > count(&|_| true),
        noaddr: lines.iter().any(|(member, _)| member.flags.noaddr),
        sightings: lines
            .into_iter()
            .map(|(member, by)| Sighting {
                address: member.address(),
                by,
            })
            .collect(),
    }
}

/// The line that most of the others would sign, of those who know its latest epoch; between
/// equals the first by node id, so that the same views always give the same answer.
fn most_common<'a>(lines: &[Signed<'a>]) -> Option<&'a Member> {
    let mut votes: BTreeMap<(Role, Option<NodeId>, &SlotSet), (usize, &'a Member)> =
        BTreeMap::new();
    let latest = lines.iter().map(|(member, _)| member.epoch).max()?;
    for (member, by) in lines.iter().filter(|(member, _)| member.epoch == latest) {
        votes
            .entry((member.role, member.primary, &member.slots))
            .or_insert((0, member))
            .0 += by.len();
    }
    votes
        .into_values()
        .rev()
        .max_by_key(|(count, _)| *count)
        .map(|(_, member)| member)
}
