//! What a server makes of a packet: who sent it, where it is, what it serves, whom it knows.

use rcl::base::{NodeId, Role};

use super::bus::{Arrival, Gossip, Kind, Packet};
use super::node::{Health, Member};
use super::quirks;
use super::world::World;

impl World {
    pub(super) fn receive(&mut self, packet: Packet) {
        let me = packet.to;
        let node = &self.nodes[me];
        if node.health != Health::Up || node.incarnation != packet.incarnation {
            return;
        }
        if packet.sender == node.id {
            self.met_itself(me, &packet);
            return;
        }
        let sender = node
            .table
            .contains_key(&packet.sender)
            .then_some(packet.sender);
        if let Some(id) = sender {
            self.hear(me, id, &packet);
        }
        match &packet.kind {
            Kind::Meet | Kind::Ping => self.answer(me, sender, &packet),
            Kind::Pong | Kind::Fail(_) | Kind::Forgotten(_) | Kind::Update { .. } => {}
        }
        match (&packet.kind, sender) {
            (Kind::Meet | Kind::Ping | Kind::Pong, _) => self.take_in(me, sender, &packet),
            (Kind::Fail(about), Some(_)) => self.told_of_failure(me, *about),
            (
                Kind::Update {
                    about,
                    epoch,
                    slots,
                },
                Some(_),
            ) => self.updated(me, *about, *epoch, slots),
            (Kind::Forgotten(id), Some(_)) => self.told_to_forget(me, *id),
            (Kind::Fail(_) | Kind::Forgotten(_) | Kind::Update { .. }, None) => {}
        }
    }

    /// A node that was told to meet itself learns its address by it, and forgets the rest.
    fn met_itself(&mut self, me: usize, packet: &Packet) {
        match packet.arrival {
            Arrival::Inbound { link, local, .. } => {
                let node = &mut self.nodes[me];
                if node.announced_ip().is_none() {
                    node.myself_mut().ip = Some(local);
                }
                let pong = self.packet(me, Kind::Pong, me, Arrival::Answer { link });
                self.deliver(pong);
            }
            Arrival::Answer { link } => {
                let dialled = self.nodes[me]
                    .table
                    .iter()
                    .find(|(_, m)| m.link.as_ref().is_some_and(|l| l.id == link));
                if let Some((id, member)) = dialled.map(|(id, member)| (*id, member.handshake)) {
                    if member {
                        self.forget_handshake(me, id);
                    } else {
                        self.lose_address(me, id);
                    }
                }
            }
        }
    }

    /// The sender is known: it lives, and it knows of epochs.
    fn hear(&mut self, me: usize, id: NodeId, packet: &Packet) {
        let now = self.now;
        let node = &mut self.nodes[me];
        node.current_epoch = node.current_epoch.max(packet.current_epoch);
        if let Some(member) = node.table.get_mut(&id) {
            member.data_received = now;
            member.epoch = member.epoch.max(packet.epoch);
        }
        if let Arrival::Inbound { link, from, .. } = packet.arrival
            && quirks::keeps_one_inbound(node.server)
            && let Some(older) = node.inbound.insert(id, link)
            && older != link
        {
            self.close_inbound(from, older);
        }
    }

    /// PING and MEET are answered; a MEET also makes the sender a member to be.
    fn answer(&mut self, me: usize, sender: Option<NodeId>, packet: &Packet) {
        let Arrival::Inbound {
            link,
            from,
            source,
            local,
        } = packet.arrival
        else {
            return;
        };
        let meet = matches!(packet.kind, Kind::Meet);
        let now = self.now;
        let node = &mut self.nodes[me];
        if (meet || node.myself().ip.is_none()) && node.announced_ip().is_none() {
            node.myself_mut().ip = Some(local);
        }
        if meet && sender.is_none() {
            let id = self.rng.node_id();
            let ip = packet.ip.unwrap_or(source);
            let member = Member::handshake(ip, packet.port, packet.bus_port, now);
            self.nodes[me].table.insert(id, member);
        }
        if let Some(id) = sender.filter(|_| meet && quirks::meets_again(self.nodes[me].server)) {
            self.dial_anew(me, id);
        }
        // The connection may have been closed by what was done with this packet.
        let open = self.nodes[from]
            .table
            .values()
            .any(|member| member.link.as_ref().is_some_and(|l| l.id == link));
        if open {
            let pong = self.packet(me, Kind::Pong, from, Arrival::Answer { link });
            self.deliver(pong);
        }
    }

    /// Valkey: a member that introduces itself again may have lost this node's connection.
    fn dial_anew(&mut self, me: usize, id: NodeId) {
        let patience = self.nodes[me].handshake_timeout();
        let old = self.nodes[me]
            .table
            .get(&id)
            .is_some_and(|member| self.now - member.born > patience);
        if old {
            self.close_link(me, id);
        }
    }

    fn take_in(&mut self, me: usize, sender: Option<NodeId>, packet: &Packet) {
        if let Arrival::Answer { link } = packet.arrival
            && !self.identify(me, sender, link, packet)
        {
            return;
        }
        let Some(id) = sender else { return };
        if let (Kind::Ping, Arrival::Inbound { .. }) = (&packet.kind, packet.arrival) {
            self.update_address(me, id, packet);
        }
        if let Some(member) = self.nodes[me].table.get_mut(&id) {
            member.hostname.clone_from(&packet.hostname);
        }
        self.update_role(me, id, packet);
        self.update_slots(me, id, packet);
        self.settle_collision(me, id, packet);
        for gossip in &packet.gossip {
            self.listen(me, id, gossip);
        }
    }

    /// Who answered on a connection that this node opened. Whether there is more to take from
    /// the packet.
    fn identify(&mut self, me: usize, sender: Option<NodeId>, link: u64, packet: &Packet) -> bool {
        let now = self.now;
        let node = &mut self.nodes[me];
        let found = node
            .table
            .iter()
            .find(|(_, member)| member.link.as_ref().is_some_and(|l| l.id == link));
        let Some((dialled, handshake)) = found.map(|(id, member)| (*id, member.handshake)) else {
            return false;
        };
        if handshake {
            if let Some(id) = sender {
                self.update_address(me, id, packet);
                self.forget_handshake(me, dialled);
                return false;
            }
            // Up to Redis 7.0 a MEET lets it in at once.
            if node.bars(packet.sender, now) && quirks::spreads_forgetting(node.server) {
                self.forget_handshake(me, dialled);
                return false;
            }
            let Some(mut member) = node.table.remove(&dialled) else {
                return false;
            };
            member.handshake = false;
            member.meet = false;
            member.role = if packet.primary.is_some() {
                Role::Replica
            } else {
                Role::Primary
            };
            member.pong_received = now;
            member.data_received = now;
            member.ping_sent = 0;
            member.born = now;
            node.table.insert(packet.sender, member);
            return true;
        }
        if dialled != packet.sender {
            self.lose_address(me, dialled);
            return false;
        }
        if let Some(member) = node.table.get_mut(&dialled) {
            member.pong_received = now;
            member.ping_sent = 0;
            member.maybe_fail = false;
        }
        self.clear_failure(me, dialled);
        true
    }

    /// Another node lives where this member was dialled.
    fn lose_address(&mut self, me: usize, id: NodeId) {
        self.close_link(me, id);
        if let Some(member) = self.nodes[me].table.get_mut(&id) {
            member.noaddr = true;
            member.ip = None;
            member.port = 0;
            member.bus_port = 0;
        }
    }

    /// Where the packet came from is where the sender is, unless it announces another address.
    fn update_address(&mut self, me: usize, id: NodeId, packet: &Packet) {
        let came_from = match packet.arrival {
            Arrival::Inbound { source, .. } => Some(source),
            Arrival::Answer { link } => self.nodes[me]
                .table
                .values()
                .filter_map(|member| member.link.as_ref())
                .find(|known| known.id == link)
                .map(|known| known.dialled),
        };
        let ip = packet.ip.or(came_from);
        let Some(member) = self.nodes[me].table.get(&id) else {
            return;
        };
        if (member.ip, member.port, member.bus_port) == (ip, packet.port, packet.bus_port) {
            return;
        }
        self.close_link(me, id);
        let node = &mut self.nodes[me];
        if let Some(member) = node.table.get_mut(&id) {
            member.ip = ip;
            member.port = packet.port;
            member.bus_port = packet.bus_port;
            member.noaddr = false;
        }
        if node.myself().primary == Some(id) {
            self.follow(me, id);
        }
    }

    fn update_role(&mut self, me: usize, id: NodeId, packet: &Packet) {
        let node = &mut self.nodes[me];
        let known = packet
            .primary
            .filter(|primary| node.table.contains_key(primary));
        let Some(member) = node.table.get_mut(&id) else {
            return;
        };
        match packet.primary {
            None => {
                member.role = Role::Primary;
                member.primary = None;
            }
            Some(_) => {
                if member.role == Role::Primary {
                    member.slots = rcl::base::SlotSet::new();
                }
                member.role = Role::Replica;
                member.primary = known.or(member.primary);
            }
        }
    }

    /// Of two primaries with one epoch the one with the smaller id takes a new one.
    fn settle_collision(&mut self, me: usize, id: NodeId, packet: &Packet) {
        let node = &mut self.nodes[me];
        let sender_leads = node
            .table
            .get(&id)
            .is_some_and(|member| member.role == Role::Primary);
        if node.is_primary() && sender_leads && packet.epoch == node.myself().epoch && id > node.id
        {
            node.current_epoch += 1;
            node.myself_mut().epoch = node.current_epoch;
            if quirks::broadcasts(node.server) {
                self.broadcast(me, &Kind::Pong);
            }
        }
    }

    /// What a known sender says of a third node.
    fn listen(&mut self, me: usize, sender: NodeId, gossip: &Gossip) {
        let now = self.now;
        let node = &mut self.nodes[me];
        if gossip.id == node.id {
            return;
        }
        let from_primary = node
            .table
            .get(&sender)
            .is_some_and(|member| member.role == Role::Primary);
        let barred = node.bars(gossip.id, now);
        let Some(member) = node.table.get_mut(&gossip.id) else {
            if barred {
                return;
            }
            let mut member = Member::new(now);
            member.ip = gossip.ip;
            member.port = gossip.port;
            member.bus_port = gossip.bus_port;
            member.role = gossip.role;
            node.table.insert(gossip.id, member);
            return;
        };
        if from_primary && gossip.failing {
            member.reports.insert(sender, now);
            self.count_reports(me, gossip.id);
        } else if from_primary {
            member.reports.remove(&sender);
        }
        let Some(member) = self.nodes[me].table.get_mut(&gossip.id) else {
            return;
        };
        if !gossip.failing && member.ping_sent == 0 && member.reports.is_empty() {
            // Told in whole seconds.
            member.pong_received = member.pong_received.max(gossip.pong_received / 1000 * 1000);
        }
        let moved =
            (member.ip, member.port, member.bus_port) != (gossip.ip, gossip.port, gossip.bus_port);
        if member.is_failing() && !gossip.failing && moved {
            member.ip = gossip.ip;
            member.port = gossip.port;
            member.bus_port = gossip.bus_port;
            member.noaddr = false;
            self.close_link(me, gossip.id);
        }
    }
}
