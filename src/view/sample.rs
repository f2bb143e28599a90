//! Clusters for the tests of this room: drawn as a few nodes, answered as servers answer, and
//! read by the real parser, so that what is printed is what real clusters give.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Address, NodeId, NodeName, Reply, ShardName, SlotSet};
use crate::desired::{
    Access, Desired, Host, HostAddress, HostName, Node, Policy, Setting, Shard, SlotShare,
};
use crate::diff::{Allowed, questions};
use crate::observed::{Answer, Cluster, Failure, FailureKind, NodeView, Observed};
use crate::plan::{Plan, check, plan};

use super::Commands;
use super::plan::PlanView;

/// A file: hosts are `host1`, `host2`, … at 10.0.0.1, 10.0.0.2, ….
pub(super) fn desired(shards: &[(&str, &[&str], &str)]) -> Desired {
    let mut desired = Desired {
        cluster: "orders".to_owned(),
        hosts: BTreeMap::new(),
        shards: Vec::new(),
        nodes: BTreeMap::new(),
        policy: Policy::default(),
        access: Access::default(),
    };
    for (name, nodes, slots) in shards {
        for node in *nodes {
            declare(&mut desired, node);
        }
        let mut names = nodes.iter().map(|node| NodeName::new(*node));
        desired.shards.push(Shard {
            name: ShardName::new(*name),
            primary: names.next().unwrap(),
            replicas: names.collect(),
            slots: match *slots {
                "auto" => SlotShare::Auto { weight: 1 },
                "none" => SlotShare::None,
                explicit => SlotShare::Explicit(explicit.parse().unwrap()),
            },
        });
    }
    desired
}

fn declare(desired: &mut Desired, node: &str) {
    let address = address(node);
    let host = HostName(node.split(':').next().unwrap().to_owned());
    desired.hosts.insert(
        host.clone(),
        Host {
            address: HostAddress::Ip(address.ip),
            zone: None,
            access: Access::default(),
        },
    );
    let name = NodeName::new(node);
    let node = Node {
        name: name.clone(),
        host,
        port: address.port,
        announce: None,
        hostname: None,
        id: None,
        config: BTreeMap::new(),
    };
    desired.nodes.insert(name, node);
}

/// The first cluster: 3 + 3 on two hosts.
pub(super) fn seed() -> Desired {
    desired(&[
        ("a", &["host1:7000", "host2:7000"], "0-5461"),
        ("b", &["host1:7001", "host2:7001"], "5462-10922"),
        ("c", &["host1:7002", "host2:7002"], "10923-16383"),
    ])
}

/// The option on every node.
pub(super) fn with_option(mut desired: Desired, option: &str, value: &str) -> Desired {
    for node in desired.nodes.values_mut() {
        let setting = Setting::Plain(value.to_owned());
        node.config.insert(option.to_owned(), setting);
    }
    desired
}

/// `host2:7001` is at 10.0.0.2:7001.
pub(super) fn address(node: &str) -> Address {
    let (host, port) = node.split_once(':').unwrap();
    let number: u32 = host.strip_prefix("host").unwrap().parse().unwrap();
    format!("10.0.{}.{}:{port}", number / 256, number % 256)
        .parse()
        .unwrap()
}

/// An id that shows the host and the port.
pub(super) fn id(node: &str) -> NodeId {
    let (host, port) = node.split_once(':').unwrap();
    let number: u32 = host.strip_prefix("host").unwrap().parse().unwrap();
    format!("{number:04}{port:0<36}").parse().unwrap()
}

/// A server as a test sets it up.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) name: String,
    /// Servers of one group know each other; 0 knows nobody.
    pub(super) group: u32,
    pub(super) replica_of: Option<String>,
    pub(super) slots: String,
    pub(super) keys: u64,
    pub(super) epoch: u64,
    pub(super) up: bool,
    pub(super) failed: bool,
    pub(super) link_up: bool,
    pub(super) syncing: bool,
    pub(super) offset: u64,
    pub(super) state_ok: bool,
    /// What it says it owns, if that is not what its peers say.
    pub(super) claims: Option<&'static str>,
    /// Where its peers have it, if not where it is.
    pub(super) seen_at: Option<&'static str>,
    pub(super) version: &'static str,
    pub(super) options: BTreeMap<String, String>,
    /// More lines of its CLUSTER NODES, and open slots in its own.
    pub(super) extra: String,
    pub(super) open: String,
}

/// Servers, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct World(pub(super) BTreeMap<String, Server>);

impl World {
    /// Every declared node, blank.
    pub(super) fn blank(desired: &Desired) -> Self {
        let names = desired.nodes.keys();
        Self(
            names
                .map(|name| (name.to_string(), server(name.as_str())))
                .collect(),
        )
    }

    /// Every declared node as declared.
    pub(super) fn formed(desired: &Desired) -> Self {
        let mut world = Self::blank(desired);
        for (epoch, shard) in (1..).zip(&desired.shards) {
            for (place, name) in shard.nodes().enumerate() {
                world.set(name.as_str(), |server| {
                    server.group = 1;
                    server.epoch = epoch;
                    server.keys = 400;
                    server.state_ok = true;
                    match &shard.slots {
                        _ if place > 0 => server.replica_of = Some(shard.primary.to_string()),
                        SlotShare::Explicit(slots) => server.slots = slots.to_string(),
                        SlotShare::Auto { .. } | SlotShare::None => {}
                    }
                });
            }
        }
        world
    }

    pub(super) fn add(&mut self, name: &str) {
        self.0.insert(name.to_owned(), server(name));
    }

    pub(super) fn set(&mut self, name: &str, change: impl FnOnce(&mut Server)) {
        change(self.0.get_mut(name).unwrap());
    }

    pub(super) fn set_all(&mut self, change: impl Fn(&mut Server)) {
        self.0.values_mut().for_each(change);
    }

    /// What one look gives, asking for what the file needs.
    pub(super) fn observed(&self, desired: &Desired) -> Observed {
        let mut observed = Observed::default();
        for server in self.0.values().filter(|server| server.up) {
            observed
                .views
                .insert(id(&server.name), self.view(server, desired));
        }
        for name in desired.nodes.keys() {
            let up = self.0.get(name.as_str()).is_some_and(|server| server.up);
            let answer = match up {
                true => Answer::Node(id(name.as_str())),
                false => Answer::Failed(Failure {
                    tried: vec![address(name.as_str())],
                    kind: FailureKind::Unreachable,
                    words: "connection refused".to_owned(),
                }),
            };
            observed.declared.insert(name.clone(), answer);
        }
        let members = Cluster::merge(&observed).members;
        for (id, member) in members.iter().filter(|(_, member)| !member.answered) {
            observed.silent_members.insert(
                *id,
                Failure {
                    tried: member.usual_address().into_iter().collect(),
                    kind: FailureKind::Timeout,
                    words: "no answer in 2s".to_owned(),
                },
            );
        }
        observed
    }

    fn view(&self, server: &Server, desired: &Desired) -> NodeView {
        let questions = questions(desired);
        let own: Vec<Reply> = server
            .options
            .iter()
            .filter(|(name, _)| name.starts_with("cluster-"))
            .flat_map(|(name, value)| [name, value])
            .map(|text| Reply::Text(text.clone()))
            .collect();
        let mut replies = vec![
            Reply::Text(self.nodes(server)),
            Reply::Text(format!(
                "cluster_state:{}\ncluster_slots_assigned:{}\ncluster_current_epoch:9\ncluster_my_epoch:{}\n",
                if server.state_ok { "ok" } else { "fail" },
                if server.state_ok { 16384 } else { 0 },
                server.epoch
            )),
            Reply::Text(self.replication(server)),
            Reply::Text(match server.keys {
                0 => String::new(),
                keys => format!("db0:keys={keys},expires=0\n"),
            }),
            Reply::Text(format!(
                "{}\nuptime_in_seconds:100\nconfig_file:/etc/redis.conf\n",
                server.version
            )),
            Reply::Text("used_memory:1000000\nmaxmemory:0\n".to_owned()),
            Reply::Text("loading:0\n".to_owned()),
            Reply::List(own),
        ];
        replies.extend(questions.options.iter().map(|option| {
            let value = server.options.get(option);
            let pair = value.map(|value| [option.clone(), value.clone()].map(Reply::Text));
            Reply::List(pair.into_iter().flatten().collect())
        }));
        NodeView::parse(&questions, address(&server.name), &replies, None).unwrap()
    }

    /// CLUSTER NODES as this server tells it.
    fn nodes(&self, viewer: &Server) -> String {
        let known = |other: &&Server| {
            other.name == viewer.name || (viewer.group > 0 && other.group == viewer.group)
        };
        let lines = self.0.values().filter(known).map(|server| {
            let myself = server.name == viewer.name;
            let at = match (myself, server.seen_at) {
                (false, Some(elsewhere)) => elsewhere.to_owned(),
                (true, _) | (_, None) => address(&server.name).to_string(),
            };
            let bus = at.rsplit_once(':').unwrap().1.parse::<u32>().unwrap() + 10000;
            let mut flags = vec![];
            flags.extend(myself.then_some("myself"));
            flags.push(if server.replica_of.is_some() {
                "slave"
            } else {
                "master"
            });
            flags.extend((server.failed && !myself).then_some("fail"));
            let slots = believed(viewer, server);
            let slots = match (slots.as_str(), myself) {
                ("none", false) => String::new(),
                ("none", true) => format!(" {}", server.open),
                (slots, true) => format!(" {} {}", slots.replace(',', " "), server.open),
                (slots, false) => format!(" {}", slots.replace(',', " ")),
            };
            let line = format!(
                "{} {at}@{bus} {} {} 0 1 {} connected{slots}",
                id(&server.name),
                flags.join(","),
                server
                    .replica_of
                    .as_ref()
                    .map_or("-".to_owned(), |primary| id(primary).to_string()),
                server.epoch,
            );
            line.trim_end().to_owned() + "\n"
        });
        lines.collect::<String>() + &viewer.extra
    }

    fn replication(&self, server: &Server) -> String {
        match &server.replica_of {
            None => format!("role:master\nmaster_repl_offset:{}\n", server.offset),
            Some(primary) => {
                let seen_at = self.0.get(primary).and_then(|primary| primary.seen_at);
                let at = seen_at.map_or_else(|| address(primary), |at| at.parse().unwrap());
                format!(
                    "role:slave\nmaster_host:{}\nmaster_port:{}\nmaster_link_status:{}\nmaster_sync_in_progress:{}\nslave_repl_offset:{}\n",
                    at.ip,
                    at.port,
                    if server.link_up { "up" } else { "down" },
                    u8::from(server.syncing),
                    server.offset
                )
            }
        }
    }
}

/// The slots that the viewer gives a server: in one table each slot has one owner.
fn believed(viewer: &Server, server: &Server) -> String {
    let own = viewer.claims.unwrap_or("none");
    if server.name == viewer.name {
        return server.claims.unwrap_or(&server.slots).to_owned();
    }
    let (slots, own): (SlotSet, SlotSet) = (server.slots.parse().unwrap(), own.parse().unwrap());
    slots.difference(&own).to_string()
}

fn server(name: &str) -> Server {
    Server {
        name: name.to_owned(),
        group: 0,
        replica_of: None,
        slots: "none".to_owned(),
        keys: 0,
        epoch: 0,
        up: true,
        failed: false,
        link_up: true,
        syncing: false,
        offset: 1000,
        state_ok: false,
        claims: None,
        seen_at: None,
        version: "redis_version:7.0.15",
        options: [
            ("cluster-node-timeout", "15000"),
            ("cluster-require-full-coverage", "yes"),
            ("cluster-announce-ip", ""),
            ("bind-source-addr", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        extra: String::new(),
        open: String::new(),
    }
}

/// A plan with what it was made from.
pub(super) struct Planned {
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) plan: Plan,
}

/// The real plan, which the independent check must find nothing wrong with.
pub(super) fn planned(desired: &Desired, world: &World) -> Planned {
    planned_with(desired, world, &[])
}

pub(super) fn planned_with(desired: &Desired, world: &World, resync: &[&str]) -> Planned {
    let observed = world.observed(desired);
    let resync: BTreeSet<NodeName> = resync.iter().map(|name| NodeName::new(*name)).collect();
    let plan = plan(
        desired,
        &observed,
        &Allowed {
            resync,
            ..Allowed::default()
        },
    );
    assert_eq!(check(&plan, &observed), []);
    Planned {
        desired: desired.clone(),
        observed,
        plan,
    }
}

impl Planned {
    pub(super) fn view(&self, commands: Commands) -> PlanView<'_> {
        PlanView {
            plan: &self.plan,
            desired: &self.desired,
            observed: &self.observed,
            file: "rcl.yaml",
            commands,
        }
    }
}
