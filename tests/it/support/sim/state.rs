//! What a server concludes: who owns a slot, who has failed, whether the cluster is ok.

use rcl::base::{NodeId, Role, SLOT_COUNT, SlotSet};

use super::bus::{Kind, Packet};
use super::node::{Health, Open};
use super::quirks;
use super::world::World;

/// For so long after its start a primary doesn't call the cluster ok.
const WRITABLE_AFTER: u64 = 2000;

impl World {
    /// A sender tells the slots that it, or its primary, serves.
    pub(super) fn update_slots(&mut self, me: usize, id: NodeId, packet: &Packet) {
        let node = &self.nodes[me];
        let Some(sender) = node.table.get(&id) else {
            return;
        };
        let leads = sender.role == Role::Primary;
        let speaks_for = if leads { Some(id) } else { sender.primary };
        let Some(spoken_for) = speaks_for.and_then(|id| node.table.get(&id)) else {
            return;
        };
        if spoken_for.slots == packet.slots {
            return;
        }
        if leads {
            self.claim(me, id, packet.epoch, &packet.slots);
        }
        // The sender doesn't know yet that somebody else serves these by a greater epoch.
        let node = &self.nodes[me];
        let newer = node.table.iter().find(|(owner, member)| {
            **owner != id
                && member.epoch > packet.epoch
                && !member.slots.intersection(&packet.slots).is_empty()
        });
        if let Some((owner, member)) = newer {
            let update = Kind::Update {
                about: *owner,
                epoch: member.epoch,
                slots: member.slots.clone(),
            };
            self.send(me, id, update);
        }
    }

    pub(super) fn updated(&mut self, me: usize, about: NodeId, epoch: u64, slots: &SlotSet) {
        let Some(member) = self.nodes[me].table.get_mut(&about) else {
            return;
        };
        if member.epoch >= epoch {
            return;
        }
        member.role = Role::Primary;
        member.primary = None;
        member.epoch = epoch;
        self.claim(me, about, epoch, slots);
    }

    /// Gives the claimed slots to the claimer where nobody has them, or by a smaller epoch.
    fn claim(&mut self, me: usize, claimer: NodeId, epoch: u64, claimed: &SlotSet) {
        let node = &mut self.nodes[me];
        let own = node.id;
        if claimer == own {
            return;
        }
        let importing: SlotSet = node
            .open
            .iter()
            .filter(|(_, open)| matches!(open, Open::Importing(_)))
            .map(|(slot, _)| *slot)
            .collect();
        let leader = node.myself().primary.unwrap_or(own);
        let has = |id: &NodeId| {
            node.table
                .get(id)
                .map(|member| member.slots.clone())
                .unwrap_or_default()
        };
        let mut gained = claimed.difference(&has(&claimer)).difference(&importing);
        let (mut lost, mut from_leader) = (SlotSet::new(), SlotSet::new());
        for (id, member) in node.table.iter_mut().filter(|(id, _)| **id != claimer) {
            let disputed = member.slots.intersection(&gained);
            if disputed.is_empty() {
                continue;
            }
            if member.epoch >= epoch {
                gained = gained.difference(&disputed);
                continue;
            }
            member.slots = member.slots.difference(&disputed);
            if *id == own {
                lost = disputed.clone();
            }
            if *id == leader {
                from_leader = disputed;
            }
        }
        let Some(member) = node.table.get_mut(&claimer) else {
            return;
        };
        member.slots = member.slots.union(&gained);
        let emptied =
            !from_leader.is_empty() && node.table.get(&leader).is_some_and(|m| m.slots.is_empty());
        let took_over = claimed.count() == from_leader.count();
        if emptied && (node.options.is_on("cluster-allow-replica-migration") || took_over) {
            self.become_replica(me, claimer);
        } else if !lost.is_empty() {
            let mut keys = self.nodes[me].keys.clone();
            keys.remove(&lost);
            self.set_keys(me, keys);
        }
    }

    /// How many primaries serve slots, as this node sees it.
    fn size(&self, me: usize) -> usize {
        let serves = |member: &&super::node::Member| {
            member.role == Role::Primary && !member.slots.is_empty()
        };
        self.nodes[me].table.values().filter(serves).count()
    }

    /// A suspect fails when most of the primaries can't reach it.
    pub(super) fn count_reports(&mut self, me: usize, about: NodeId) {
        let now = self.now;
        let quorum = self.size(me) / 2 + 1;
        let node = &mut self.nodes[me];
        let (leads, window) = (node.is_primary(), node.node_timeout() * 2);
        let Some(member) = node.table.get_mut(&about) else {
            return;
        };
        member.reports.retain(|_, at| now - *at <= window);
        if !member.maybe_fail || member.reports.len() + usize::from(leads) < quorum {
            return;
        }
        member.maybe_fail = false;
        member.failed = Some(now);
        if leads {
            self.broadcast(me, &Kind::Fail(about));
        }
    }

    pub(super) fn told_of_failure(&mut self, me: usize, about: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[me];
        if about == node.id {
            return;
        }
        if let Some(member) = node
            .table
            .get_mut(&about)
            .filter(|member| member.failed.is_none())
        {
            member.failed = Some(now);
            member.maybe_fail = false;
        }
    }

    /// A failed member that answers again is well, an owner of slots after some time.
    pub(super) fn clear_failure(&mut self, me: usize, id: NodeId) {
        let now = self.now;
        let wait = self.nodes[me].node_timeout() * 2;
        let Some(member) = self.nodes[me].table.get_mut(&id) else {
            return;
        };
        let Some(since) = member.failed else { return };
        if member.role == Role::Replica || member.slots.is_empty() || now - since > wait {
            member.failed = None;
        }
    }

    /// cluster_state: ok with all slots served (if that is demanded) by members that live, most
    /// primaries in reach, and that for a while.
    pub(super) fn update_state(&mut self, me: usize) {
        let now = self.now;
        let node = &mut self.nodes[me];
        if node.is_primary() && !node.state_ok && now - node.booted < WRITABLE_AFTER {
            return;
        }
        let (mut size, mut reachable, mut covered) = (0, 0, 0);
        for member in node
            .table
            .values()
            .filter(|member| !member.slots.is_empty())
        {
            size += 1;
            reachable += usize::from(!member.is_failing());
            covered += if member.failed.is_some() {
                0
            } else {
                member.slots.count()
            };
        }
        let whole = covered == SLOT_COUNT || !node.options.is_on("cluster-require-full-coverage");
        if reachable < size / 2 + 1 {
            node.minority_at = now;
            node.state_ok = false;
            return;
        }
        let rejoin = node.node_timeout().clamp(500, 5000);
        if whole && !node.state_ok && node.is_primary() && now - node.minority_at < rejoin {
            return;
        }
        node.state_ok = whole;
    }

    /// The node follows another as its replica from now on.
    pub(super) fn become_replica(&mut self, me: usize, primary: NodeId) {
        let node = &mut self.nodes[me];
        node.open.clear();
        let myself = node.myself_mut();
        myself.role = Role::Replica;
        myself.primary = Some(primary);
        myself.slots = SlotSet::new();
        self.follow(me, primary);
        if quirks::broadcasts(self.nodes[me].server) {
            self.broadcast(me, &Kind::Pong);
        }
    }

    pub(crate) fn is_up(&self, node: usize) -> bool {
        self.nodes[node].health == Health::Up
    }
}
