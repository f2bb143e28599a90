//! Members that go: CLUSTER RESET HARD, CLUSTER FORGET, and for how long nobody lets them in again.

use rcl::base::{NodeId, Reply};

use super::bus::Kind;
use super::commands::error;
use super::node::{Member, Node};
use super::quirks;
use super::world::World;

/// For how long a forgotten member isn't taken in again, where no option says otherwise.
const BARRED_FOR: u64 = 60_000;

impl Node {
    pub(super) fn bars(&self, id: NodeId, now: u64) -> bool {
        self.barred.get(&id).is_some_and(|until| now < *until)
    }

    fn barred_for(&self) -> u64 {
        match self.options.number("cluster-blacklist-ttl") {
            0 => BARRED_FOR,
            seconds => seconds * 1000,
        }
    }
}

impl World {
    /// Everybody is forgotten, and the id with them. The others find another node at its address.
    pub(super) fn reset_hard(&mut self, me: usize) -> Reply {
        let reply = self.reset_soft(me);
        if reply != Reply::ok() {
            return reply;
        }
        let (id, now) = (self.rng.node_id(), self.now);
        let node = &mut self.nodes[me];
        let ip = node.myself().ip;
        node.id = id;
        node.current_epoch = 0;
        node.inbound.clear();
        let myself = Member {
            ip,
            ..Member::new(now)
        };
        node.table = [(id, myself)].into();
        Reply::ok()
    }

    /// Servers check neither slots nor replicas.
    pub(super) fn forget(&mut self, me: usize, id: &str) -> Reply {
        let now = self.now;
        let node = &self.nodes[me];
        let Ok(id) = id.parse::<NodeId>() else {
            return error(format!("Unknown node {id}"));
        };
        if id == node.id {
            return error("I tried hard but I can't forget myself...");
        }
        if node.myself().primary == Some(id) {
            return error("Can't forget my master!");
        }
        let spreads = quirks::spreads_forgetting(node.server);
        if !node.table.contains_key(&id) {
            return match spreads && node.bars(id, now) {
                true => Reply::ok(),
                false => error(format!("Unknown node {id}")),
            };
        }
        self.strike_out(me, id);
        if spreads {
            self.broadcast(me, &Kind::Forgotten(id));
        }
        Reply::ok()
    }

    /// Another member has forgotten it. A replica keeps its primary.
    pub(super) fn told_to_forget(&mut self, me: usize, id: NodeId) {
        let node = &self.nodes[me];
        let keeps = id == node.id || node.myself().primary == Some(id);
        if !keeps && node.table.contains_key(&id) && quirks::spreads_forgetting(node.server) {
            self.strike_out(me, id);
        }
    }

    fn strike_out(&mut self, me: usize, id: NodeId) {
        let until = self.now + self.nodes[me].barred_for();
        self.close_link(me, id);
        let node = &mut self.nodes[me];
        node.table.remove(&id);
        node.inbound.remove(&id);
        node.barred.insert(id, until);
        for member in node.table.values_mut() {
            member.reports.remove(&id);
            if member.primary == Some(id) {
                member.primary = None;
            }
        }
    }
}
