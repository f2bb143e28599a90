//! The reply of CLUSTER NODES: a node's table of members, and its own open slots.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::base::{Address, NodeId, Role, Slot, SlotRange, SlotSet};

/// A node's table of members, itself included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeTable {
    pub myself: Option<NodeId>,
    pub members: BTreeMap<NodeId, Member>,
    /// Servers show these only for the node that was asked.
    pub open: Vec<OpenSlot>,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub link_address: Link,
    pub role: Role,
    pub flags: Flags,
    pub primary: Option<NodeId>,
    /// A replica shows its primary's.
    pub epoch: u64,
    /// Whether the asked node's link to it is up; a frozen peer still shows as connected.
    pub connected: bool,
    pub slots: SlotSet,
}

/// The address column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Empty for a node that was never spoken to, and for `noaddr`.
    pub ip: Option<IpAddr>,
    pub port: u16,
    pub bus_port: u16,
    pub hostname: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "one a flag of the reply")]
pub struct Flags {
    pub handshake: bool,
    pub noaddr: bool,
    pub fail: bool,
    pub maybe_fail: bool,
    pub nofailover: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// `->-`: being given away to the peer.
    Migrating,
    /// `-<-`: being taken from the peer.
    Importing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSlot {
    pub slot: Slot,
    pub direction: Direction,
    pub peer: NodeId,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseNodesError {
    #[error("CLUSTER NODES has a line that makes no sense: {line:?}")]
    Line { line: String },
    #[error("CLUSTER NODES has more than {MOST_MEMBERS} members")]
    TooMany,
}

/// Four times as many as servers are made for: all of them are asked.
const MOST_MEMBERS: usize = 4000;

impl Member {
    /// The client address, where there is one.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        let link = &self.link_address;
        Some(Address::new(link.ip?, link.port))
    }
}

impl NodeTable {
    /// Parses the reply of any version: the address column gained a host name in Redis 7.0.
    ///
    /// # Errors
    /// When a line does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, ParseNodesError> {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            table.read_line(line).ok_or_else(|| ParseNodesError::Line {
                line: line.chars().take(200).collect(),
            })?;
            if table.members.len() > MOST_MEMBERS {
                return Err(ParseNodesError::TooMany);
            }
        }
        Ok(table)
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let mut fields = line.split(' ');
        let id: NodeId = fields.next()?.parse().ok()?;
        let link_address = parse_link(fields.next()?)?;
        let words = fields.next()?;
        let primary = match fields.next()? {
            "-" => None,
            primary => Some(primary.parse().ok()?),
        };
        let (_ping, _pong) = (fields.next()?, fields.next()?);
        let epoch = fields.next()?.parse().ok()?;
        let connected = fields.next()? == "connected";

        let mut flags = Flags::default();
        let mut role = Role::Primary;
        for word in words.split(',') {
            match word {
                // Who claims to be two is neither.
                "myself" if self.myself.is_some() => return None,
                "myself" => self.myself = Some(id),
                "slave" | "replica" => role = Role::Replica,
                "fail" => flags.fail = true,
                "fail?" => flags.maybe_fail = true,
                "handshake" => flags.handshake = true,
                "noaddr" => flags.noaddr = true,
                "nofailover" => flags.nofailover = true,
                _ => {}
            }
        }
        let mut slots = Vec::new();
        for field in fields {
            if let Some(open) = field.strip_prefix('[') {
                self.open.push(parse_open(open.strip_suffix(']')?)?);
            } else {
                slots.push(field.parse::<SlotRange>().ok()?);
            }
        }
        let slots = slots.into_iter().collect();
        let member = Member {
            link_address,
            role,
            flags,
            primary,
            epoch,
            connected,
            slots,
        };
        // No table lists a node twice.
        self.members.insert(id, member).is_none().then_some(())
    }
}

fn parse_link(text: &str) -> Option<Link> {
    let (address, names) = text
        .split_once(',')
        .map_or((text, None), |(address, names)| (address, Some(names)));
    let (client, bus_port) = address.rsplit_once('@')?;
    let (ip, port) = client.rsplit_once(':')?;
    let hostname = names
        .and_then(|names| names.split(',').next())
        .filter(|name| !name.is_empty());
    Some(Link {
        // A host name in cluster-announce-ip is shown as it is; nobody can be reached there.
        ip: ip.parse().ok(),
        port: port.parse().ok()?,
        bus_port: bus_port.parse().ok()?,
        hostname: hostname.map(str::to_owned),
    })
}

fn parse_open(text: &str) -> Option<OpenSlot> {
    let (slot, direction, peer) = if let Some((slot, peer)) = text.split_once("->-") {
        (slot, Direction::Migrating, peer)
    } else {
        let (slot, peer) = text.split_once("-<-")?;
        (slot, Direction::Importing, peer)
    };
    let slot: SlotRange = slot.parse().ok()?;
    Some(OpenSlot {
        slot: slot.first,
        direction,
        peer: peer.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "451b000000000000000000000000000000000000";
    const B: &str = "9e25000000000000000000000000000000000000";

    #[test]
    fn reads_every_shape_of_line() {
        let text = format!(
            "{A} 127.0.0.1:21000@31000,host-0.example.com myself,master - 0 1795356934000 1 connected 0-100 200 [50->-{B}] [150-<-{B}]\n\
             {B} 127.0.0.1:21001@31001 master,nofailover - 0 1795356935122 2 connected 101-199\n\
             a6b2000000000000000000000000000000000000 127.0.0.1:21003@31003 slave {A} 0 1795356935000 1 connected\n\
             df85000000000000000000000000000000000000 127.0.0.1:21950@31950 handshake - 0 0 0 disconnected\n\
             7b64000000000000000000000000000000000000 :21000@31000 master - 0 0 0 connected\n\
             9a4c000000000000000000000000000000000000 :0@0 master,noaddr - 1 2 7 disconnected 300\n\
             e5a3000000000000000000000000000000000000 ::1:21001@31001 master,fail? - 0 0 3 connected\n"
        );
        let table = NodeTable::parse(&text).unwrap();
        let member = |start: &str| {
            table
                .members
                .iter()
                .find(|(id, _)| id.as_str().starts_with(start))
                .map(|(_, member)| member)
                .unwrap()
        };
        assert_eq!(table.myself.unwrap().as_str(), A);
        assert_eq!(table.open.len(), 2);
        assert_eq!(table.open[0].direction, Direction::Migrating);
        assert_eq!(table.open[1].slot, 150);
        assert_eq!(member("451b").slots.to_string(), "0-100,200");
        assert_eq!(
            member("451b").link_address.hostname.as_deref(),
            Some("host-0.example.com")
        );
        assert!(member("9e25").flags.nofailover);
        assert_eq!(member("a6b2").role, Role::Replica);
        assert_eq!(member("a6b2").primary.unwrap().as_str(), A);
        assert!(member("df85").flags.handshake && !member("df85").connected);
        assert_eq!(member("7b64").link_address.ip, None);
        assert!(member("9a4c").flags.noaddr);
        assert_eq!(member("e5a3").link_address.ip, Some("::1".parse().unwrap()));
        assert!(member("e5a3").flags.maybe_fail && !member("e5a3").flags.fail);
    }

    #[test]
    fn refuses_nonsense_with_the_line() {
        for line in [
            "",
            "x",
            "short 1.2.3.4:1@2 master",
            &format!("{A} 1.2.3.4 master - 0 0 0 connected"),
        ] {
            let text = format!("{line}\n");
            assert_eq!(NodeTable::parse(&text).is_err(), !line.is_empty(), "{line}");
        }
    }
}
