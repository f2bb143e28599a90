//! From a draft to the file as rcl sees it, the servers, and where to look for them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rcl::base::{
    Address, Flavor, NodeName, SLOT_COUNT, Secret, Server, ShardName, SlotRange, SlotSet,
};
use rcl::desired::{
    Access, Announce, Apart, Desired, Host, HostAddress, HostName, Moves, Node, Policy,
    SecretSource, Setting, Shard, SlotShare,
};
use rcl::diff::questions;
use rcl::observe::Targets;

use super::draft::{Draft, Network, Servers, ShareDraft};
use crate::support::sim::rng::Rng;
use crate::support::sim::{Sim, Spec};

/// How many machines the nodes of a shard are spread over.
const MACHINES: usize = 3;

/// What a file may declare, with values as servers give them back.
pub(super) const OPTIONS: [(&str, &[&str]); 8] = [
    ("cluster-node-timeout", &["1000", "2000", "5000", "15000"]),
    ("repl-diskless-sync-delay", &["0", "1", "5"]),
    ("cluster-require-full-coverage", &["yes", "no"]),
    ("cluster-allow-replica-migration", &["yes", "no"]),
    ("maxmemory", &["0", "104857600"]),
    ("maxmemory-policy", &["noeviction", "allkeys-lru"]),
    ("cluster-migration-barrier", &["1", "2"]),
    ("masterauth", &["", "quite a secret"]),
];

const SERVERS: [Server; 5] = [
    server(Flavor::Redis, 6, 2, 14),
    server(Flavor::Redis, 7, 0, 15),
    server(Flavor::Redis, 8, 2, 3),
    server(Flavor::Valkey, 8, 1, 8),
    server(Flavor::Valkey, 9, 1, 2),
];

const fn server(flavor: Flavor, major: u16, minor: u16, patch: u16) -> Server {
    Server {
        flavor,
        version: rcl::base::Version {
            major,
            minor,
            patch,
        },
    }
}

/// A shard as the tests judge it: places of nodes in the simulation, the declared primary first.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) nodes: Vec<usize>,
    pub(crate) share: Portion,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Portion {
    /// Exactly these.
    These(SlotSet),
    /// So many of the pool, or one more.
    Some {
        floor: u16,
        whole: bool,
    },
    Nothing,
}

/// A case with everything in place.
pub(crate) struct Scene {
    pub(crate) sim: Sim,
    pub(crate) desired: Desired,
    pub(crate) targets: Targets,
    pub(crate) parts: Vec<Part>,
    /// What the `auto` shards share.
    pub(crate) pool: SlotSet,
    /// Where peers and clients are to reach each declared node.
    pub(crate) wanted: Vec<Address>,
    pub(crate) declared: usize,
    /// What the file declares for each node, by its place.
    pub(crate) options: Vec<BTreeMap<&'static str, &'static str>>,
    pub(crate) network: Network,
    pub(crate) rng: Rng,
    /// There is a cluster that the file has nothing to do with.
    pub(crate) foreigners: bool,
    /// Keys are about to be lost without anybody's doing.
    pub(crate) fading: bool,
}

impl Scene {
    pub(crate) fn build(draft: &Draft) -> Self {
        let mut rng = Rng::new(draft.seed);
        let sim = Sim::new(rng.next());
        let (shares, pool) = shares(draft, &mut rng);
        let mut scene = Self {
            sim,
            desired: Desired {
                cluster: "orders".to_owned(),
                hosts: hosts(draft.network),
                shards: Vec::new(),
                nodes: BTreeMap::new(),
                access: Access::default(),
                policy: Policy {
                    failback: draft.failback,
                    moves: Moves::default(),
                    prune: false,
                    replicas_apart: Apart::Host,
                },
            },
            targets: Targets::default(),
            parts: Vec::new(),
            pool,
            wanted: Vec::new(),
            declared: 0,
            options: Vec::new(),
            network: draft.network,
            rng,
            foreigners: false,
            fading: false,
        };
        for (index, (shard, share)) in draft.shards.iter().zip(shares).enumerate() {
            let names: Vec<NodeName> = (0..=shard.replicas)
                .map(|rank| scene.declare(draft, index, rank))
                .collect();
            scene.desired.shards.push(Shard {
                name: ShardName::new(char::from(b'a' + u8::try_from(index).unwrap()).to_string()),
                primary: names[0].clone(),
                replicas: names[1..].to_vec(),
                slots: match (&share, shard.share) {
                    (Portion::These(slots), _) => SlotShare::Explicit(slots.clone()),
                    (_, ShareDraft::Auto(weight)) => SlotShare::Auto { weight },
                    (_, _) => SlotShare::None,
                },
            });
            let first = scene.declared - names.len();
            scene.parts.push(Part {
                nodes: (first..scene.declared).collect(),
                share,
            });
        }
        scene.targets.questions = questions(&scene.desired);
        scene
    }

    /// Declares the node, starts it, and tells rcl where it is.
    pub(super) fn declare(&mut self, draft: &Draft, shard: usize, rank: usize) -> NodeName {
        let machine = (shard + rank) % MACHINES;
        let port = 7000 + u16::try_from(shard).unwrap();
        let place = self.start(draft, machine, port);
        let host = HostName(format!("host{machine}"));
        let name = NodeName::new(format!("{host}:{port}"));
        let announce = (self.network == Network::Announced).then(|| Announce {
            ip: public_address(machine),
            port: None,
            bus_port: None,
        });
        let at = self.sim.world().nodes[place].at();
        self.wanted.push(Address::new(
            announce.map_or(at.ip, |announce| announce.ip),
            port,
        ));
        let options = declared_options(draft, machine);
        let config = options
            .iter()
            .map(|(option, value)| ((*option).to_owned(), setting(option, value)));
        let node = Node {
            name: name.clone(),
            host,
            port,
            announce,
            hostname: draft.named.then(|| hostname(place)),
            id: draft.pinned.then(|| self.sim.world().nodes[place].id),
            config: config.collect(),
        };
        self.options.push(options);
        self.desired.nodes.insert(name.clone(), node);
        self.targets.nodes.insert(name.clone(), Ok(vec![at]));
        if announce.is_some() {
            let public = self.wanted[place];
            self.targets.announced.insert(name.clone(), (public, None));
        }
        self.declared += 1;
        name
    }

    /// Starts a node on one of the machines.
    pub(super) fn start(&mut self, draft: &Draft, machine: usize, port: u16) -> usize {
        let listens = match self.network {
            Network::Hosts => vec![private_address(machine), IpAddr::from([127, 0, 0, 1])],
            Network::Announced => vec![private_address(machine), public_address(machine)],
            Network::Loopback => vec![loopback_address(machine)],
        };
        let server = match draft.servers {
            Servers::One(kind) => SERVERS[usize::from(kind) % SERVERS.len()],
            Servers::Mixed => SERVERS[self.rng.place(SERVERS.len())],
        };
        let machine = match self.network {
            Network::Hosts | Network::Announced => u32::try_from(machine).unwrap(),
            Network::Loopback => 0,
        };
        let place = self.sim.add(Spec {
            server,
            machine,
            listens,
            port,
            has_file: draft.has_file,
        });
        let options = &mut self.sim.world_mut().nodes[place].options;
        options.preset("cluster-node-timeout", &draft.node_timeout.to_string());
        place
    }

    pub(crate) fn name(&self, place: usize) -> String {
        let at = self.sim.world().nodes[place].at();
        let found = self
            .targets
            .nodes
            .iter()
            .find(|(_, addresses)| addresses.as_ref().is_ok_and(|a| a.contains(&at)));
        found.map_or_else(|| format!("stranger {at}"), |(name, _)| name.to_string())
    }

    /// What every node says, for the text of a failure.
    pub(crate) fn show(&self) -> String {
        let count = self.sim.world().nodes.len();
        let shards: Vec<String> = self
            .desired
            .shards
            .iter()
            .map(|shard| format!("{shard:?}"))
            .collect();
        let nodes = (0..count).map(|place| {
            let table = self.sim.command(place, "CLUSTER NODES");
            let short = table
                .as_text()
                .unwrap_or_default()
                .lines()
                .map(shorten)
                .collect::<Vec<_>>()
                .join("\n");
            let node = &self.sim.world().nodes[place];
            format!(
                "{} {} {:?} {:?}\n{short}",
                self.name(place),
                node.server,
                node.keys,
                node.upstream
            )
        });
        format!(
            "{}\n{}",
            shards.join("\n"),
            nodes.collect::<Vec<_>>().join("\n")
        )
    }

    /// The shard that declares the node.
    pub(crate) fn part_of(&self, place: usize) -> Option<&Part> {
        self.parts.iter().find(|part| part.nodes.contains(&place))
    }
}

fn declared_options(draft: &Draft, machine: usize) -> BTreeMap<&'static str, &'static str> {
    let mut options = BTreeMap::new();
    let host = draft
        .on_host
        .iter()
        .filter(|(host, ..)| usize::from(*host) % MACHINES == machine);
    for (option, value) in draft
        .declared
        .iter()
        .copied()
        .chain(host.map(|(_, option, value)| (*option, *value)))
    {
        let (name, values) = OPTIONS[usize::from(option) % OPTIONS.len()];
        options.insert(name, values[usize::from(value) % values.len()]);
    }
    options
}

pub(super) fn hostname(place: usize) -> String {
    format!("node{place}.example.net")
}

fn setting(option: &str, value: &str) -> Setting {
    if option == "masterauth" {
        return Setting::Secret {
            source: SecretSource::Env("RCL_MASTERAUTH".to_owned()),
            value: Some(Secret::new(value.to_owned())),
        };
    }
    Setting::Plain(value.to_owned())
}

fn hosts(network: Network) -> BTreeMap<HostName, Host> {
    let host = |machine: usize| {
        let ip = match network {
            Network::Hosts | Network::Announced => private_address(machine),
            Network::Loopback => loopback_address(machine),
        };
        (
            HostName(format!("host{machine}")),
            Host {
                address: HostAddress::Ip(ip),
                zone: None,
                access: Access::default(),
            },
        )
    };
    (0..MACHINES).map(host).collect()
}

fn private_address(machine: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, u8::try_from(machine).unwrap() + 1])
}

fn public_address(machine: usize) -> IpAddr {
    IpAddr::from([203, 0, 113, u8::try_from(machine).unwrap() + 1])
}

fn loopback_address(machine: usize) -> IpAddr {
    IpAddr::from([127, 0, 81, u8::try_from(machine).unwrap() + 100])
}

/// Cuts the slots into explicit shares and the pool of the `auto` shards.
fn shares(draft: &Draft, rng: &mut Rng) -> (Vec<Portion>, SlotSet) {
    let explicit = draft
        .shards
        .iter()
        .filter(|shard| shard.share == ShareDraft::Explicit)
        .count();
    let total: u64 = draft.shards.iter().map(|shard| weight(shard.share)).sum();
    let pieces = explicit + usize::from(total > 0);
    let mut cuts = std::collections::BTreeSet::from([0, SLOT_COUNT]);
    while cuts.len() < pieces + 1 {
        // Not too close, so that the pool has something for everyone.
        cuts.insert(u16::try_from(rng.below(128) * 128 + rng.below(7)).unwrap());
    }
    let cuts: Vec<u16> = cuts.into_iter().collect();
    let mut pieces: Vec<SlotSet> = cuts
        .windows(2)
        .map(|ends| SlotRange::new(ends[0], ends[1] - 1).into_iter().collect())
        .collect();
    let pool = if total > 0 {
        pieces.remove(rng.place(pieces.len()))
    } else {
        SlotSet::new()
    };
    // Some shards have their slots in two ranges.
    if pieces.len() > 1 && rng.below(3) == 0 {
        let mut rest = pieces[1].clone();
        let half = rest.take_lowest(rest.count() / 2);
        let mut first = pieces[0].clone();
        let given = first.take_lowest(first.count() / 2);
        pieces[0] = first.union(&half);
        pieces[1] = rest.union(&given);
    }
    let slots = u64::from(pool.count());
    let portions = draft.shards.iter().map(|shard| match shard.share {
        ShareDraft::Explicit => Portion::These(pieces.remove(0)),
        ShareDraft::Auto(weight) => Portion::Some {
            floor: u16::try_from(slots * u64::from(weight) / total).unwrap(),
            whole: (slots * u64::from(weight)).is_multiple_of(total),
        },
        ShareDraft::None => Portion::Nothing,
    });
    (portions.collect(), pool)
}

fn weight(share: ShareDraft) -> u64 {
    match share {
        ShareDraft::Auto(weight) => u64::from(weight),
        ShareDraft::Explicit | ShareDraft::None => 0,
    }
}

/// A line of CLUSTER NODES with ids of eight digits and without times.
fn shorten(line: &str) -> String {
    let mut words: Vec<String> = line
        .split(' ')
        .map(|word| {
            if word.len() == 40 {
                word[..8].to_owned()
            } else {
                word.to_owned()
            }
        })
        .collect();
    words.drain(4..6);
    format!("    {}", words.join(" "))
}
