//! The rules that concern nodes among each other: each stands in the file once, under one name,
//! one id and one announced address, and no two want the same port.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::file::NodeEntry;
use super::finding::{Findings, Place, quoted};
use super::{HostAddress, HostName};
use crate::base::{BusAddress, NodeId, ShardName};

/// What the nodes read so far have taken.
#[derive(Debug, Default)]
pub(super) struct NodeRules {
    by_address: BTreeMap<(HostName, u16), Seen>,
    by_id: BTreeMap<NodeId, Place>,
    by_announced: BTreeMap<(IpAddr, u16), (Place, bool)>,
    /// Bus ports by default, which no node of the same host may have for its clients.
    buses: BTreeMap<(HostName, u16), (String, Place)>,
}

#[derive(Debug)]
struct Seen {
    name: String,
    place: Place,
    shard: ShardName,
}

impl NodeRules {
    pub(super) fn check(
        &mut self,
        node: &NodeEntry,
        host: &HostName,
        address: Option<&HostAddress>,
        shard: &ShardName,
        findings: &mut Findings,
    ) {
        let port = node.address.port;
        let key = (host.clone(), port);
        if let Some(seen) = self.by_address.get(&key) {
            report_twice(node, seen, shard, findings);
            return;
        }
        let name = node.name.value.clone();
        let place = node.name.place;
        let seen = Seen {
            name: name.clone(),
            place,
            shard: shard.clone(),
        };
        self.by_address.insert(key, seen);
        let announced_bus = node.announce.as_ref().and_then(|it| it.value.bus_port);
        match (announced_bus, port.checked_add(BusAddress::BUS_OFFSET)) {
            (None, None) => findings.add(
                place,
                format!(
                    "the port {port} leaves no room for the bus port, which is {} higher",
                    BusAddress::BUS_OFFSET
                ),
                "write a port up to 55535, or announce the bus port: \
                 {at: host1:60000, announce: \"203.0.113.7@17000\"}",
            ),
            (None, Some(bus)) => {
                self.buses.insert((host.clone(), bus), (name, place));
            }
            (Some(_), _) => {}
        }
        self.check_id(node, findings);
        self.check_announced(node, address, findings);
    }

    fn check_id(&mut self, node: &NodeEntry, findings: &mut Findings) {
        let Some(id) = &node.id else {
            return;
        };
        if let Some(first) = self.by_id.get(&id.value) {
            findings.add_related(
                id.place,
                "two nodes have the same id",
                "write the id that CLUSTER MYID answers on this node, or leave it out",
                (*first, "first written here"),
            );
        } else {
            self.by_id.insert(id.value, id.place);
        }
    }

    /// Peers tell nodes apart by the announced address as well, so it has to be one node's.
    fn check_announced(
        &mut self,
        node: &NodeEntry,
        address: Option<&HostAddress>,
        findings: &mut Findings,
    ) {
        let (place, ip, port) = match (&node.announce, address) {
            (Some(announce), _) => (
                announce.place,
                announce.value.ip,
                announce.value.port.unwrap_or(node.address.port),
            ),
            (None, Some(HostAddress::Ip(ip))) => (node.name.place, *ip, node.address.port),
            (None, Some(HostAddress::Dns(_)) | None) => return,
        };
        let key = (ip.to_canonical(), port);
        let announced = node.announce.is_some();
        match self.by_announced.get(&key) {
            Some((first, first_announced)) if announced || *first_announced => {
                findings.add_related(
                    place,
                    "two nodes have the same announced address",
                    "write the port of each under which the others reach it",
                    (*first, "first written here"),
                );
            }
            Some(_) => {}
            None => {
                self.by_announced.insert(key, (place, announced));
            }
        }
    }

    /// Needs all nodes: the one with the higher port may come first.
    pub(super) fn check_ports(&self, findings: &mut Findings) {
        for (key, (name, place)) in &self.buses {
            if let Some(seen) = self.by_address.get(key) {
                findings.add_related(
                    seen.place,
                    format!("{} is the bus port of {}", key.1, quoted(name)),
                    "write another port",
                    (
                        *place,
                        "its bus port is 10000 higher than its port for clients",
                    ),
                );
            }
        }
    }
}

fn report_twice(node: &NodeEntry, seen: &Seen, shard: &ShardName, findings: &mut Findings) {
    let (message, help) = if seen.name != node.name.value {
        (
            format!(
                "{} and {} are the same node",
                quoted(&seen.name),
                quoted(&node.name.value)
            ),
            "write each node once",
        )
    } else if seen.shard == *shard {
        (
            format!("the node {} is in its shard twice", quoted(&seen.name)),
            "write each node once",
        )
    } else {
        (
            format!(
                "the node {} is in the shards {} and {}",
                quoted(&seen.name),
                quoted(seen.shard.as_str()),
                quoted(shard.as_str())
            ),
            "write each node in one shard only",
        )
    };
    findings.add_related(
        node.name.place,
        message,
        help,
        (seen.place, "first written here"),
    );
}
