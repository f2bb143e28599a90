//! A loopback address in a cluster of several machines: the others would reach themselves by it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Level, Remark, Rule};
use crate::desired::{Desired, HostAddress, HostName, Node, Subject};

pub(super) const RULE: Rule = Rule {
    code: "loopback",
    summary: "a host has a loopback address, but another host doesn't",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    let mut local: BTreeMap<&HostName, &Node> = BTreeMap::new();
    let mut others = false;
    for node in desired.nodes.values() {
        let announced = node.announce.map(|announce| announce.ip);
        let is_local = match (announced, desired.host_of(node).map(|host| &host.address)) {
            (Some(ip), _) | (None, Some(&HostAddress::Ip(ip))) => is_loopback(ip),
            (None, Some(HostAddress::Dns(name))) => name.eq_ignore_ascii_case("localhost"),
            (None, None) => continue,
        };
        if is_local {
            local.entry(&node.host).or_insert(node);
        } else {
            others = true;
        }
    }
    if !others {
        return Vec::new();
    }
    local
        .into_iter()
        .map(|(host, node)| Remark {
            level: Level::Warning,
            message: format!(
                "the host {host} has a loopback address, by which the nodes and clients on other hosts can't reach {}",
                node.name
            ),
            help: "write the address under which the others reach it, or `announce` it for each node"
                .to_owned(),
            subject: Subject::Host(host.clone()),
        })
        .collect()
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
