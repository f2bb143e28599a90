//! Roles that change: CLUSTER FAILOVER, and replicas that become empty primaries.

use rcl::base::{NodeId, Reply, Role, SlotSet};

use super::bus::Kind;
use super::commands::error;
use super::keys::Keys;
use super::node::Member;
use super::quirks;
use super::world::World;

impl World {
    /// OK says that it was heard. What keeps it from happening is never told.
    pub(super) fn fail_over(&mut self, me: usize) -> Reply {
        let node = &self.nodes[me];
        if node.is_primary() {
            return error("You should send CLUSTER FAILOVER to a replica");
        }
        let line = node
            .myself()
            .primary
            .and_then(|id| Some((id, node.table.get(&id)?)));
        let Some((primary, line)) = line else {
            return error("I'm a replica but my master is unknown to me");
        };
        if line.failed.is_some() {
            return error("Master is down or failed, please use CLUSTER FAILOVER FORCE");
        }
        let from = self.nodes.iter().position(|node| node.id == primary);
        if let Some(from) = from.filter(|from| self.can_swap(me, *from)) {
            self.swap(me, from);
        }
        Reply::ok()
    }

    /// In sync with a living primary that serves slots, and with the votes of most primaries.
    fn can_swap(&self, me: usize, from: usize) -> bool {
        let (node, primary) = (&self.nodes[me], &self.nodes[from]);
        let synced = node.link_up() && node.keys == primary.keys && !node.doomed;
        let serves = self.is_up(from) && primary.is_primary() && !primary.myself().slots.is_empty();
        let owners = node.table.iter().filter(|(_, line)| !line.slots.is_empty());
        let (mut all, mut votes) = (0, 0);
        for (owner, _) in owners {
            all += 1;
            let owner = self.nodes.iter().position(|node| node.id == *owner);
            votes += usize::from(owner.is_some_and(|owner| self.votes(owner, me, primary.id)));
        }
        let last = node.swapped.max(primary.swapped);
        let again = last.is_some_and(|last| self.now < last + 4 * node.node_timeout());
        synced && serves && votes > all / 2 && (!again || quirks::swaps_again_at_once(node.server))
    }

    /// Who takes the candidate for a primary, or for another one's replica, has no vote for it.
    fn votes(&self, owner: usize, candidate: usize, primary: NodeId) -> bool {
        let node = &self.nodes[owner];
        let line = node.table.get(&self.nodes[candidate].id);
        self.is_up(owner)
            && node.is_primary()
            && line.is_some_and(|line| line.role == Role::Replica && line.primary == Some(primary))
    }

    fn swap(&mut self, me: usize, from: usize) {
        let epochs = self.nodes.iter().map(|node| node.current_epoch);
        let (epoch, now) = (epochs.max().unwrap_or(0) + 1, self.now);
        let slots = self.nodes[from].myself().slots.clone();
        self.nodes[from].swapped = Some(now);
        let open = match quirks::replicates_marks(self.nodes[me].server) {
            true => self.nodes[from].open.clone(),
            false => std::collections::BTreeMap::new(),
        };
        let node = &mut self.nodes[me];
        node.swapped = Some(now);
        node.current_epoch = epoch;
        node.upstream = None;
        node.open = open;
        for line in node.table.values_mut() {
            line.slots = line.slots.difference(&slots);
        }
        let myself = node.myself_mut();
        myself.role = Role::Primary;
        myself.primary = None;
        myself.slots = slots;
        myself.epoch = epoch;
        self.broadcast(me, &Kind::Pong);
    }

    /// CLUSTER REPLICATE NO ONE.
    pub(super) fn replicate_no_one(&mut self, me: usize) -> Reply {
        if self.nodes[me].is_primary() {
            return Reply::ok();
        }
        self.become_empty_primary(me);
        self.broadcast(me, &Kind::Pong);
        Reply::ok()
    }

    /// CLUSTER RESET SOFT: the id stays, everybody is forgotten. The others remember it.
    pub(super) fn reset_soft(&mut self, me: usize) -> Reply {
        let node = &self.nodes[me];
        if node.is_primary() && node.keys != Keys::default() {
            return error("CLUSTER RESET can't be called with master nodes containing keys");
        }
        self.become_empty_primary(me);
        let own = self.nodes[me].id;
        let others: Vec<NodeId> = self.nodes[me].peers().map(|(id, _)| id).collect();
        for id in others {
            self.close_link(me, id);
        }
        let now = self.now;
        let node = &mut self.nodes[me];
        let (ip, epoch) = (node.myself().ip, node.myself().epoch);
        let myself = Member {
            ip,
            epoch,
            ..Member::new(now)
        };
        node.table = [(own, myself)].into();
        Reply::ok()
    }

    fn become_empty_primary(&mut self, me: usize) {
        let node = &mut self.nodes[me];
        node.upstream = None;
        node.doomed = false;
        node.open.clear();
        let myself = node.myself_mut();
        myself.role = Role::Primary;
        myself.primary = None;
        myself.slots = SlotSet::new();
        self.set_keys(me, Keys::default());
    }
}
