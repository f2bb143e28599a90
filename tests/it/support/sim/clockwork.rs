//! What each server does ten times a second: dial, ping, give up, grow suspicious.

use rcl::base::NodeId;

use super::bus::Kind;
use super::quirks;
use super::world::World;

impl World {
    pub(super) fn tick(&mut self, me: usize) {
        self.nodes[me].ticks += 1;
        self.give_up_handshakes(me);
        self.dial_all(me);
        if self.nodes[me].ticks.is_multiple_of(10) {
            self.ping_somebody(me);
        }
        self.ping_the_quiet(me);
        self.meet_again(me);
        self.replicate(me);
        self.update_state(me);
    }

    fn give_up_handshakes(&mut self, me: usize) {
        let (now, timeout) = (self.now, self.nodes[me].handshake_timeout());
        let old: Vec<NodeId> = self.nodes[me]
            .table
            .iter()
            .filter(|(_, member)| member.handshake && now - member.born > timeout)
            .map(|(id, _)| *id)
            .collect();
        for id in old {
            self.forget_handshake(me, id);
        }
    }

    pub(super) fn forget_handshake(&mut self, me: usize, id: NodeId) {
        self.close_link(me, id);
        self.nodes[me].table.remove(&id);
    }

    /// Every member without a connection is dialled, and told at once who calls.
    fn dial_all(&mut self, me: usize) {
        let own = self.nodes[me].id;
        let missing: Vec<NodeId> = self.nodes[me]
            .table
            .iter()
            .filter(|(id, member)| **id != own && member.link.is_none() && !member.noaddr)
            .map(|(id, _)| *id)
            .collect();
        for id in missing {
            let reached = self.dial(me, id);
            let now = self.now;
            let Some(member) = self.nodes[me].table.get_mut(&id) else {
                continue;
            };
            if !reached {
                // From here on the silence counts.
                if member.ping_sent == 0 {
                    member.ping_sent = now;
                }
                continue;
            }
            let before = member.ping_sent;
            let kind = if member.meet { Kind::Meet } else { Kind::Ping };
            member.meet = false;
            self.send(me, id, kind);
            if before != 0
                && let Some(member) = self.nodes[me].table.get_mut(&id)
            {
                member.ping_sent = before;
            }
        }
    }

    /// Of five members taken at random the one that was heard of longest ago.
    fn ping_somebody(&mut self, me: usize) {
        let count = self.nodes[me].table.len();
        let mut quietest: Option<(u64, NodeId)> = None;
        for _ in 0..5 {
            let place = self.rng.place(count);
            let node = &self.nodes[me];
            let Some((id, member)) = node.table.iter().nth(place) else {
                continue;
            };
            if *id == node.id || member.handshake || member.link.is_none() || member.ping_sent != 0
            {
                continue;
            }
            if quietest.is_none_or(|(heard, _)| member.pong_received < heard) {
                quietest = Some((member.pong_received, *id));
            }
        }
        if let Some((_, id)) = quietest {
            self.send(me, id, Kind::Ping);
        }
    }

    /// Members not heard of for half the node timeout are pinged; those that don't answer for
    /// the whole of it become suspects.
    fn ping_the_quiet(&mut self, me: usize) {
        let now = self.now;
        let timeout = self.nodes[me].node_timeout();
        let ids: Vec<NodeId> = self.nodes[me]
            .peers()
            .filter(|(_, member)| !member.noaddr)
            .map(|(id, _)| id)
            .collect();
        for id in ids {
            let Some(member) = self.nodes[me].table.get(&id) else {
                continue;
            };
            let silent_for = now - member.data_received;
            if let Some(link) = &member.link {
                let waits = member.ping_sent != 0 && now - member.ping_sent > timeout / 2;
                if now - link.opened > timeout && waits && silent_for > timeout / 2 {
                    self.close_link(me, id);
                } else if member.ping_sent == 0 && now - member.pong_received > timeout / 2 {
                    self.send(me, id, Kind::Ping);
                    continue;
                }
            }
            let Some(member) = self.nodes[me].table.get_mut(&id) else {
                continue;
            };
            if member.ping_sent != 0
                && (now - member.ping_sent).min(silent_for) > timeout
                && !member.is_failing()
            {
                member.maybe_fail = true;
            }
        }
    }

    /// Valkey: a member that never dials back is introduced to again.
    fn meet_again(&mut self, me: usize) {
        if !quirks::meets_again(self.nodes[me].server) {
            return;
        }
        let now = self.now;
        let patience = self.nodes[me].handshake_timeout();
        let node = &self.nodes[me];
        let strangers: Vec<NodeId> = node
            .peers()
            .filter(|(id, member)| {
                member.link.is_some()
                    && !member.noaddr
                    && !member.is_failing()
                    && !node.inbound.contains_key(id)
                    && now - member.born.max(member.met_again).max(member.hung_up) > patience
            })
            .map(|(id, _)| id)
            .collect();
        for id in strangers {
            if let Some(member) = self.nodes[me].table.get_mut(&id) {
                member.met_again = now;
            }
            self.send(me, id, Kind::Meet);
        }
    }
}
