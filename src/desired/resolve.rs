//! What the file means as a whole: names become hosts and nodes, defaults are filled in, and
//! the rules that concern more than one value are checked.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::address::NodeHost;
use super::file::{File, NodeEntry, Options};
use super::finding::{Findings, Place, nearest, quoted};
use super::nodes::NodeRules;
use super::places::{Places, Subject};
use super::slots::check_shares;
use super::{Access, Desired, Host, HostAddress, HostName, Node, Shard, SlotShare};
use crate::base::{NodeName, ShardName};

/// How many hosts are searched for the one that was meant.
const HOSTS_SEARCHED: usize = 1000;

/// Every node holds its options, so that a small file could ask for a lot of memory.
const MAX_SETTINGS: usize = 1_000_000;

static NO_OPTIONS: Options = Options::new();

/// The desired state; it is complete only if there are no findings.
pub(super) fn resolve(file: File, findings: &mut Findings) -> (Desired, Places) {
    let mut places = Places::default();
    if file.shards.is_empty() && !file.broken_shards {
        findings.add(
            file.shards_place,
            "there are no shards",
            "write `shards:` and under it a line such as `a: {primary: host1:7000}`",
        );
    }
    if let Some(place) = file.policy_place {
        places.insert(Subject::Policy, place);
    }
    let access = match &file.access {
        Some(entry) => entry.clone().checked(findings),
        None => Access::default(),
    };
    let mut hosts = Hosts::new(&file, access, findings);
    let configs = Configs::new(&file, findings);
    let mut rules = NodeRules::default();
    let mut nodes = BTreeMap::new();
    let mut shards = Vec::new();
    for entry in &file.shards {
        let name = ShardName::new(&entry.name.value);
        places.insert(Subject::Shard(name.clone()), entry.name.place);
        let mut names = Vec::new();
        for node in entry.primary.iter().chain(&entry.replicas) {
            let Some(host) = hosts.of(node, findings) else {
                continue;
            };
            rules.check(node, &host, hosts.address(&host), &name, findings);
            let node_name = NodeName::new(&node.name.value);
            places.insert(Subject::Node(node_name.clone()), node.name.place);
            names.push(node_name.clone());
            nodes.insert(node_name, resolved(node, host, &configs));
        }
        // A shard without a primary has been reported, so that it doesn't matter which one it is.
        let mut names = names.into_iter();
        if let Some(primary) = names.next() {
            shards.push(Shard {
                name,
                primary,
                replicas: names.collect(),
                slots: entry
                    .slots
                    .as_ref()
                    .map_or(SlotShare::None, |share| share.value.clone()),
            });
        }
    }
    rules.check_ports(findings);
    check_shares(&file.shards, file.shards_place, findings);
    for host in &file.hosts {
        places.insert(Subject::Host(host.name.value.clone()), host.name.place);
    }
    if let Some(cluster) = &file.cluster {
        places.insert(Subject::Cluster, cluster.place);
    }
    let desired = Desired {
        cluster: file.cluster.map(|name| name.value).unwrap_or_default(),
        hosts: hosts.known,
        access: hosts.access,
        shards,
        nodes,
        policy: file.policy,
    };
    (desired, places)
}

fn resolved(entry: &NodeEntry, host: HostName, configs: &Configs<'_>) -> Node {
    Node {
        name: NodeName::new(&entry.name.value),
        port: entry.address.port,
        announce: entry.announce.as_ref().map(|announce| announce.value),
        hostname: entry.hostname.clone(),
        id: entry.id.as_ref().map(|id| id.value),
        config: configs.of(&host),
        host,
    }
}

/// The options of the whole file and those of single hosts.
struct Configs<'f> {
    all: &'f Options,
    by_host: BTreeMap<&'f HostName, &'f Options>,
}

impl<'f> Configs<'f> {
    fn new(file: &'f File, findings: &mut Findings) -> Self {
        let nodes: usize = file
            .shards
            .iter()
            .map(|shard| 1 + shard.replicas.len())
            .sum();
        let of_hosts = file.hosts.iter().map(|host| host.config.len()).max();
        let options = file.config.len() + of_hosts.unwrap_or_default();
        if nodes.saturating_mul(options) > MAX_SETTINGS {
            findings.add(
                file.shards_place,
                format!("{nodes} nodes with {options} options each are more than rcl can hold"),
                "write fewer options, or split the cluster",
            );
            return Self {
                all: &NO_OPTIONS,
                by_host: BTreeMap::new(),
            };
        }
        let hosts = file.hosts.iter();
        Self {
            all: &file.config,
            by_host: hosts.map(|host| (&host.name.value, &host.config)).collect(),
        }
    }

    /// The file's options, overridden by those of the host.
    fn of(&self, host: &HostName) -> Options {
        let mut config = self.all.clone();
        if let Some(own) = self.by_host.get(host) {
            config.extend((*own).clone());
        }
        config
    }
}

/// The hosts by name, and the names by address.
struct Hosts {
    known: BTreeMap<HostName, Host>,
    by_ip: BTreeMap<IpAddr, HostName>,
    /// Nothing is said of unknown hosts if the known ones could not be read.
    broken: bool,
    /// That of a host without one of its own.
    access: Access,
}

impl Hosts {
    fn new(file: &File, access: Access, findings: &mut Findings) -> Self {
        let mut hosts = Self {
            known: BTreeMap::new(),
            by_ip: BTreeMap::new(),
            broken: file.broken_hosts,
            access,
        };
        let mut addresses: BTreeMap<HostAddress, (&HostName, Place)> = BTreeMap::new();
        for entry in &file.hosts {
            let name = &entry.name.value;
            let Some(address) = &entry.address else {
                hosts.known.insert(name.clone(), placeholder());
                continue;
            };
            let same = comparable(&address.value);
            if let Some((first, place)) = addresses.get(&same) {
                findings.add_related(
                    address.place,
                    format!(
                        "the hosts {} and {} have the same address",
                        quoted(&first.0),
                        quoted(&name.0)
                    ),
                    "write one host for each address",
                    (*place, "first written here"),
                );
            } else {
                addresses.insert(same.clone(), (name, address.place));
            }
            if let HostAddress::Ip(ip) = same {
                hosts.by_ip.entry(ip).or_insert_with(|| name.clone());
            }
            hosts.known.insert(
                name.clone(),
                Host {
                    address: address.value.clone(),
                    zone: entry.zone.clone(),
                    access: match &entry.access {
                        Some(own) => own.over(file.access.as_ref()).checked(findings),
                        None => hosts.access.clone(),
                    },
                },
            );
        }
        hosts
    }

    /// The host that a node stands on. A bare address becomes a host of its own.
    fn of(&mut self, node: &NodeEntry, findings: &mut Findings) -> Option<HostName> {
        let place = node.name.place;
        match &node.address.host {
            NodeHost::Named(name) => {
                if !self.known.contains_key(name) {
                    self.report_unknown(name, place, findings);
                    return None;
                }
                Some(name.clone())
            }
            NodeHost::Bare(ip) => {
                let canonical = ip.to_canonical();
                let own = HostName(canonical.to_string());
                if let Some(name) = self.by_ip.get(&canonical) {
                    if *name != own {
                        findings.add(
                            place,
                            format!("{ip} is the host {}", quoted(&name.0)),
                            format!("write {}:{}", name, node.address.port),
                        );
                    }
                    return Some(name.clone());
                }
                self.by_ip.insert(canonical, own.clone());
                self.known.insert(
                    own.clone(),
                    Host {
                        address: HostAddress::Ip(canonical),
                        zone: None,
                        access: self.access.clone(),
                    },
                );
                Some(own)
            }
        }
    }

    fn report_unknown(&self, name: &HostName, place: Place, findings: &mut Findings) {
        if self.broken {
            return;
        }
        let names: Vec<&str> = if findings.is_crowded() {
            Vec::new()
        } else {
            let known = self.known.keys().map(|name| name.0.as_str());
            known.take(HOSTS_SEARCHED).collect()
        };
        let help = match nearest(&name.0, &names) {
            Some(known) => format!("write {known}, or add the host under `hosts`"),
            None => {
                format!("add it under `hosts` with its address, such as `{name}: 192.168.81.100`")
            }
        };
        findings.add(
            place,
            format!("the host {} is not declared", quoted(&name.0)),
            help,
        );
    }

    fn address(&self, name: &HostName) -> Option<&HostAddress> {
        self.known.get(name).map(|host| &host.address)
    }
}

/// Stands for a host whose address could not be read, so that its nodes aren't reported as well.
fn placeholder() -> Host {
    Host {
        address: HostAddress::Dns(String::new()),
        zone: None,
        access: Access::default(),
    }
}

/// Equal for two spellings of one address.
fn comparable(address: &HostAddress) -> HostAddress {
    match address {
        HostAddress::Ip(ip) => HostAddress::Ip(ip.to_canonical()),
        HostAddress::Dns(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            HostAddress::Dns(name.to_ascii_lowercase())
        }
    }
}
