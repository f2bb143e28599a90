//! The cluster bus: connections between nodes and what they say on them.

use std::net::IpAddr;

use rcl::base::{NodeId, Role, SlotSet};

use super::node::{Link, Member};
use super::world::World;

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Meet,
    Ping,
    Pong,
    Fail(NodeId),
    Forgotten(NodeId),
    /// What the sender knows of another node's slots.
    Update {
        about: NodeId,
        epoch: u64,
        slots: SlotSet,
    },
}

/// One packet, with what every header says of its sender.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) kind: Kind,
    pub(super) sender: NodeId,
    pub(super) current_epoch: u64,
    /// A replica tells its primary's epoch and slots.
    pub(super) epoch: u64,
    pub(super) slots: SlotSet,
    pub(super) primary: Option<NodeId>,
    /// Empty unless it is announced.
    pub(super) ip: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) bus_port: u16,
    pub(super) hostname: String,
    pub(super) gossip: Vec<Gossip>,
    pub(super) to: usize,
    pub(super) incarnation: u32,
    pub(super) arrival: Arrival,
}

/// What a packet says of a third node.
#[derive(Clone, Debug)]
pub(super) struct Gossip {
    pub(super) id: NodeId,
    pub(super) ip: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) bus_port: u16,
    pub(super) role: Role,
    pub(super) failing: bool,
    pub(super) pong_received: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Arrival {
    /// On a connection that the sender opened.
    Inbound {
        link: u64,
        from: usize,
        source: IpAddr,
        local: IpAddr,
    },
    /// The answer on a connection that the receiver opened.
    Answer { link: u64 },
}

impl World {
    /// Opens a connection to a member, if somebody listens at the address it is known by.
    pub(super) fn dial(&mut self, me: usize, member: NodeId) -> bool {
        let node = &self.nodes[me];
        let Some((ip, bus_port)) = node
            .table
            .get(&member)
            .and_then(|m| Some((m.ip?, m.bus_port)))
        else {
            return false;
        };
        let Some(peer) = self.reached_from(node.machine, ip, bus_port, true) else {
            return false;
        };
        let link = Link {
            id: self.next_link,
            opened: self.now,
            peer,
            dialled: ip,
            source: self.source_address(me, ip),
        };
        self.next_link += 1;
        if let Some(member) = self.nodes[me].table.get_mut(&member) {
            member.link = Some(link);
        }
        true
    }

    /// Where the peer sees packets come from. For every loopback address the system takes
    /// 127.0.0.1, whatever the node is bound to, unless the server is told to use another.
    pub(super) fn source_address(&self, me: usize, to: IpAddr) -> IpAddr {
        let node = &self.nodes[me];
        let bound = node.options.text("bind-source-addr").parse();
        bound.unwrap_or(if to.is_loopback() {
            IpAddr::from([127, 0, 0, 1])
        } else {
            node.listens[0]
        })
    }

    /// Closes the connection to a member, at both ends.
    pub(super) fn close_link(&mut self, me: usize, member: NodeId) {
        let Some(link) = self.nodes[me]
            .table
            .get_mut(&member)
            .and_then(|member| member.link.take())
        else {
            return;
        };
        let now = self.now;
        let peer = &mut self.nodes[link.peer];
        let known = peer.inbound.iter().find(|(_, id)| **id == link.id);
        if let Some(caller) = known.map(|(caller, _)| *caller) {
            peer.inbound.remove(&caller);
            if let Some(member) = peer.table.get_mut(&caller) {
                member.hung_up = now;
            }
        }
    }

    /// The peer closes a connection that it was dialled with.
    pub(super) fn close_inbound(&mut self, from: usize, link: u64) {
        let found = self.nodes[from]
            .table
            .iter()
            .find(|(_, member)| member.link.as_ref().is_some_and(|l| l.id == link));
        if let Some((id, _)) = found {
            let id = *id;
            self.close_link(from, id);
        }
    }

    /// Sends on the connection to a member, if there is one.
    pub(super) fn send(&mut self, me: usize, member: NodeId, kind: Kind) {
        let Some(link) = self.nodes[me]
            .table
            .get(&member)
            .and_then(|member| member.link.clone())
        else {
            return;
        };
        if matches!(kind, Kind::Ping) {
            let now = self.now;
            if let Some(member) = self.nodes[me].table.get_mut(&member) {
                member.ping_sent = now;
            }
        }
        let arrival = Arrival::Inbound {
            link: link.id,
            from: me,
            source: link.source,
            local: link.dialled,
        };
        let packet = self.packet(me, kind, link.peer, arrival);
        self.deliver(packet);
    }

    /// A PONG to everyone that there is a connection to.
    pub(super) fn broadcast(&mut self, me: usize, kind: &Kind) {
        let ids: Vec<NodeId> = self.nodes[me].peers().map(|(id, _)| id).collect();
        for id in ids {
            self.send(me, id, kind.clone());
        }
    }

    pub(super) fn packet(&mut self, me: usize, kind: Kind, to: usize, arrival: Arrival) -> Packet {
        let gossip = match kind {
            Kind::Meet | Kind::Ping | Kind::Pong => self.gossip_about(me),
            Kind::Fail(_) | Kind::Forgotten(_) | Kind::Update { .. } => Vec::new(),
        };
        let node = &self.nodes[me];
        let myself = node.myself();
        let speaks_for = myself
            .primary
            .and_then(|primary| node.table.get(&primary))
            .unwrap_or(myself);
        Packet {
            kind,
            sender: node.id,
            current_epoch: node.current_epoch,
            epoch: speaks_for.epoch,
            slots: speaks_for.slots.clone(),
            primary: myself.primary,
            ip: node.announced_ip(),
            port: node.announced_port(),
            bus_port: node.announced_bus_port(),
            hostname: node.options.text("cluster-announce-hostname").to_owned(),
            gossip,
            to,
            incarnation: self.nodes[to].incarnation,
            arrival,
        }
    }

    /// A tenth of the members it knows, three at least, and all that it holds for failing.
    fn gossip_about(&mut self, me: usize) -> Vec<Gossip> {
        let known = self.nodes[me].table.len();
        let wanted = (known / 10).max(3).min(known.saturating_sub(2));
        let mut chosen: Vec<NodeId> = Vec::new();
        let mut tries = wanted * 3;
        while chosen.len() < wanted && tries > 0 {
            tries -= 1;
            let place = self.rng.place(known);
            let node = &self.nodes[me];
            let Some((id, member)) = node.table.iter().nth(place) else {
                continue;
            };
            let silent = member.link.is_none() && member.slots.is_empty();
            let fit = *id != node.id
                && !member.handshake
                && !member.noaddr
                && !member.maybe_fail
                && !silent;
            if fit && !chosen.contains(id) {
                chosen.push(*id);
            }
        }
        let node = &self.nodes[me];
        chosen.extend(
            node.peers()
                .filter(|(_, member)| member.maybe_fail && !member.noaddr)
                .map(|(id, _)| id),
        );
        chosen
            .iter()
            .filter_map(|id| Some(gossip(*id, node.table.get(id)?)))
            .collect()
    }
}

fn gossip(id: NodeId, member: &Member) -> Gossip {
    Gossip {
        id,
        ip: member.ip,
        port: member.port,
        bus_port: member.bus_port,
        role: member.role,
        failing: member.is_failing(),
        pong_received: member.pong_received,
    }
}
