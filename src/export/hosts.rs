//! The hosts that nodes stand on: their names, and their zones where the servers know them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::base::{NodeId, NodeName};
use crate::desired::{Access, Host, HostAddress, HostName, is_name};

use super::members::Seat;

/// The option in which Valkey keeps where a node stands.
pub(super) const ZONE: &str = "availability-zone";

/// Every address with its name.
#[derive(Debug)]
pub(super) struct Hosts {
    by_ip: BTreeMap<IpAddr, (HostName, Option<String>)>,
}

impl Hosts {
    /// A host whose nodes all announce one name is called by it, the others host1, host2, … in the
    /// order of their addresses.
    pub(super) fn name(seats: &BTreeMap<NodeId, Seat<'_>>) -> Self {
        let mut on: BTreeMap<IpAddr, Vec<&Seat<'_>>> = BTreeMap::new();
        for seat in seats.values() {
            on.entry(seat.at.ip.to_canonical()).or_default().push(seat);
        }
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut announced: BTreeMap<IpAddr, String> = BTreeMap::new();
        for (ip, nodes) in &on {
            if let Some(name) = common(nodes.iter().map(|seat| seat.hostname.as_deref()))
                && is_host_name(name)
                && taken.insert(name.to_owned())
            {
                announced.insert(*ip, name.to_owned());
            }
        }
        let mut by_ip = BTreeMap::new();
        for ((ip, nodes), number) in on.iter().zip(1_usize..) {
            let name = announced.remove(ip).unwrap_or_else(|| {
                let mut free = (number..).map(|number| format!("host{number}"));
                let name = free.find(|name| !taken.contains(name)).unwrap_or_default();
                taken.insert(name.clone());
                name
            });
            let zones = nodes.iter().filter_map(|seat| seat.view).map(|view| {
                let zone = view.config.get(ZONE).map(String::as_str);
                zone.filter(|zone| !zone.is_empty() && !zone.contains(char::is_control))
            });
            let zone = common(zones).map(str::to_owned);
            by_ip.insert(*ip, (HostName(name), zone));
        }
        Self { by_ip }
    }

    pub(super) fn of(&self, seat: &Seat<'_>) -> HostName {
        let host = self.by_ip.get(&seat.at.ip.to_canonical());
        host.map_or_else(
            || HostName(seat.at.ip.to_string()),
            |(name, _)| name.clone(),
        )
    }

    pub(super) fn node_name(&self, seat: &Seat<'_>) -> NodeName {
        NodeName::new(format!("{}:{}", self.of(seat), seat.at.port))
    }

    /// Those hosts that somebody stands on, as the file declares them.
    pub(super) fn into_declared<'a>(
        self,
        used: impl Iterator<Item = &'a HostName>,
        access: &Access,
    ) -> BTreeMap<HostName, Host> {
        let used: BTreeSet<&HostName> = used.collect();
        let hosts = self.by_ip.into_iter();
        hosts
            .filter(|(_, (name, _))| used.contains(name))
            .map(|(ip, (name, zone))| {
                let address = HostAddress::Ip(ip);
                let access = access.clone();
                (
                    name,
                    Host {
                        address,
                        zone,
                        access,
                    },
                )
            })
            .collect()
    }
}

/// What all have, if they all have the same.
fn common<'a>(mut all: impl Iterator<Item = Option<&'a str>>) -> Option<&'a str> {
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}

/// A name of its own in a file: an address there means itself.
fn is_host_name(name: &str) -> bool {
    is_name(name) && name.len() <= 100 && name.parse::<IpAddr>().is_err()
}
