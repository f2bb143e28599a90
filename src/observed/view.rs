//! One node's view: which questions it is asked, and what its replies say together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::base::{Address, Command, NodeId, Reply, Role, Secret, Server, Slot, SlotSet};

use super::info::Fields;
use super::nodes::{Direction, Member, NodeTable, OpenSlot, ParseNodesError};
use super::{Equipment, FailureKind, Job, Table, Told, config};

/// What to ask a node, beyond what is always asked.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// Options to read besides those that are always read.
    pub options: BTreeSet<String>,
    /// Those whose values are secrets.
    pub secret_options: BTreeSet<String>,
    /// Slots whose keys to count, owner or not.
    pub count_keys_in: SlotSet,
    /// Whether to ask for the libraries of functions.
    pub libraries: bool,
    /// Whether to ask for moves that it carries out by itself.
    pub jobs: bool,
    /// Ask only for what changes while steps run; the rest is taken from an earlier view.
    pub brief: bool,
}

/// The questions about what changes while steps run.
const BRIEF: [&str; 4] = [
    "CLUSTER NODES",
    "CLUSTER INFO",
    "INFO replication",
    "INFO keyspace",
];

/// The questions about what stays. INFO is asked by section because 6.2 takes one section a
/// call and the whole of it is several times as long.
const LASTING: [&str; 3] = ["INFO server", "INFO memory", "INFO persistence"];

/// Options that are always read: which port of a node with TLS is which depends on three of them.
const ALWAYS: [&str; 3] = [
    "CONFIG GET cluster-*",
    "CONFIG GET *port",
    "CONFIG GET tls-cluster",
];

impl Questions {
    /// The read-only commands, to be sent in one go; [`NodeView::parse`] reads the replies
    /// in this order.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = self.texts().map(Command::new).collect();
        if !self.brief {
            commands.extend(ALWAYS.map(Command::new));
        }
        commands.extend(
            self.options
                .iter()
                .map(|name| Command::new("CONFIG GET").arg(name)),
        );
        commands.extend(
            self.count_keys_in
                .iter()
                .map(|slot| Command::new("CLUSTER COUNTKEYSINSLOT").arg(slot)),
        );
        if self.libraries {
            commands.push(Command::new("FUNCTION LIST WITHCODE"));
        }
        if self.jobs {
            commands.push(Command::new("CLUSTER GETSLOTMIGRATIONS"));
        }
        commands
    }

    fn texts(&self) -> impl Iterator<Item = &'static str> {
        BRIEF
            .into_iter()
            .chain(LASTING.into_iter().filter(|_| !self.brief))
    }
}

/// A node as it sees itself and the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    pub id: NodeId,
    /// The address under which rcl reached it.
    pub dialled: Address,
    pub server: Server,
    pub state_ok: bool,
    pub slots_assigned: u16,
    pub current_epoch: u64,
    /// A replica answers with its primary's.
    pub my_epoch: u64,
    pub replication: Replication,
    pub table: Table,
    pub open: Vec<OpenSlot>,
    /// Keys in all databases.
    pub keys: u64,
    /// Those of them in databases other than 0, which no question about slots tells of.
    #[serde(default)]
    pub keys_elsewhere: u64,
    /// Keys in the slots that were asked for, where there are any.
    pub keys_in_slot: BTreeMap<Slot, u64>,
    /// Those slots.
    #[serde(default)]
    pub counted: SlotSet,
    /// What was asked for of it, lately.
    #[serde(default)]
    pub equipment: Equipment,
    /// The moves that it carries out by itself now, giving or taking.
    #[serde(default)]
    pub jobs: Told<Vec<Job>>,
    /// Bytes.
    pub used_memory: u64,
    /// Bytes of `used_memory` that keys and values take.
    pub data_memory: u64,
    /// Bytes; 0 is without limit.
    pub max_memory: u64,
    /// Seconds.
    pub uptime: u64,
    /// Whether CONFIG REWRITE has a file to write to.
    pub has_config_file: bool,
    pub config: BTreeMap<String, String>,
    #[serde(skip)]
    pub secrets: BTreeMap<String, Secret>,
}

/// The node's side of replication, from INFO, which knows more than gossip: gossip says
/// connected while the replication link is down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replication {
    Primary {
        offset: u64,
    },
    Replica {
        /// Where it replicates from; text, since it may be a host name.
        host: String,
        port: u16,
        link_up: bool,
        syncing: bool,
        offset: u64,
    },
}

/// Why replies add up to no view.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ViewError {
    #[error("{words}")]
    Refused { command: String, words: String },
    #[error("cluster-enabled is off")]
    NotClusterMode,
    #[error("still loading its data")]
    Loading,
    #[error(transparent)]
    Nodes(#[from] ParseNodesError),
    #[error("the reply to {command} makes no sense")]
    Senseless { command: String },
}

impl ViewError {
    /// What kind of failure this is, by the code that the server's words start with.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NotClusterMode => FailureKind::NotClusterMode,
            Self::Loading => FailureKind::Loading,
            Self::Nodes(_) | Self::Senseless { .. } => FailureKind::Unintelligible,
            Self::Refused { words, .. } => match words.split(' ').next().unwrap_or_default() {
                "NOAUTH" => FailureKind::NeedsPassword,
                "WRONGPASS" => FailureKind::WrongPassword,
                "NOPERM" => FailureKind::NoPermission,
                "LOADING" => FailureKind::Loading,
                _ if words.contains("cluster support disabled") => FailureKind::NotClusterMode,
                // What a server without a password says to one.
                "ERR" if words.contains("without any password configured") => {
                    FailureKind::WrongPassword
                }
                // A server without a password in protected mode refuses with words of its own.
                "DENIED" => FailureKind::NeedsPassword,
                _ => FailureKind::Unintelligible,
            },
        }
    }
}

impl NodeView {
    /// Puts a node's replies to [`Questions::commands`] together. Brief replies are completed
    /// from `earlier`.
    ///
    /// # Errors
    /// When the server refused a question, or its replies make no sense.
    pub fn parse(
        questions: &Questions,
        dialled: Address,
        replies: &[Reply],
        earlier: Option<&Self>,
    ) -> Result<Self, ViewError> {
        let senseless = |command: &str| ViewError::Senseless {
            command: command.to_owned(),
        };
        let mut texts = Vec::new();
        for (command, reply) in questions.texts().zip(replies) {
            texts.push(reply_text(command, reply)?);
        }
        let [nodes, cluster, info_texts @ ..] = texts.as_slice() else {
            return Err(senseless("CLUSTER NODES"));
        };
        let table = NodeTable::parse(nodes)?;
        let cluster = Fields::parse(cluster);
        let mut info = Fields::default();
        info_texts.iter().for_each(|text| info.extend(text));
        if info.text("loading") == Some("1") {
            return Err(ViewError::Loading);
        }
        let id = table.myself.ok_or_else(|| senseless("CLUSTER NODES"))?;
        let earlier = earlier.filter(|view| view.id == id);
        let server = info
            .server()
            .or(earlier.map(|view| view.server))
            .ok_or_else(|| senseless("INFO server"))?;
        let mut rest = replies.get(texts.len()..).unwrap_or_default();
        let always = if questions.brief { 0 } else { ALWAYS.len() };
        let options = questions.options.len() + always;
        let (mut config, mut secrets) = earlier.map_or_else(Default::default, |view| {
            (view.config.clone(), view.secrets.clone())
        });
        for reply in rest
            .split_off(..options.min(rest.len()))
            .unwrap_or_default()
        {
            read_options(reply, questions, &mut config, &mut secrets)?;
        }
        let lasting =
            |name: &str, of: fn(&Self) -> u64| info.number(name).or(earlier.map(of)).unwrap_or(0);
        Ok(Self {
            id,
            dialled,
            server,
            state_ok: cluster.text("cluster_state") == Some("ok"),
            slots_assigned: cluster
                .number("cluster_slots_assigned")
                .and_then(|n| n.try_into().ok())
                .unwrap_or(0),
            current_epoch: cluster.number("cluster_current_epoch").unwrap_or(0),
            my_epoch: cluster.number("cluster_my_epoch").unwrap_or(0),
            replication: replication(&info).ok_or_else(|| senseless("INFO replication"))?,
            table: Table::new(table.members),
            open: table.open,
            keys: info.keys(),
            keys_elsewhere: info.keys_elsewhere(),
            keys_in_slot: keys_in_slots(questions, rest)?,
            counted: questions.count_keys_in.clone(),
            equipment: equipment(questions, rest, earlier),
            jobs: jobs(questions, rest),
            used_memory: lasting("used_memory", |view| view.used_memory),
            data_memory: lasting("used_memory_dataset", |view| view.data_memory),
            max_memory: lasting("maxmemory", |view| view.max_memory),
            uptime: lasting("uptime_in_seconds", |view| view.uptime),
            has_config_file: match info.text("config_file") {
                Some(file) => !file.is_empty(),
                None => earlier.is_some_and(|view| view.has_config_file),
            },
            config,
            secrets,
        })
    }

    /// The node's own line in its table.
    #[must_use]
    pub fn myself(&self) -> Option<&Member> {
        self.table.get(&self.id)
    }

    /// Its port of the cluster bus, as it tells it.
    #[must_use]
    pub fn bus_port(&self) -> Option<u16> {
        let port = self.myself()?.link_address.bus_port;
        Some(port).filter(|port| *port != 0)
    }

    #[must_use]
    pub fn role(&self) -> Role {
        self.myself().map_or(Role::Primary, |member| member.role)
    }

    /// The primary it replicates, by id.
    #[must_use]
    pub fn primary(&self) -> Option<NodeId> {
        self.myself().and_then(|member| member.primary)
    }

    /// The slots it says it owns.
    #[must_use]
    pub fn own_slots(&self) -> &SlotSet {
        static NONE: SlotSet = SlotSet::new();
        self.myself().map_or(&NONE, |member| &member.slots)
    }

    /// Those of these slots that nobody owns, by its own table.
    #[must_use]
    pub fn knows_no_owner_of(&self, slots: &SlotSet) -> SlotSet {
        let owned: SlotSet = self.table.values().map(|member| &member.slots).collect();
        slots.difference(&owned)
    }

    /// What was counted in these slots, where there are keys.
    pub fn keys_in<'a>(&'a self, slots: &'a SlotSet) -> impl Iterator<Item = (Slot, u64)> + 'a {
        let counted = self.keys_in_slot.iter();
        counted
            .filter(|(slot, _)| slots.contains(**slot))
            .map(|(slot, keys)| (*slot, *keys))
    }

    /// How many keys it holds of these slots, of what was counted.
    #[must_use]
    pub fn count_in(&self, slots: &SlotSet) -> u64 {
        self.keys_in(slots).map(|(_, keys)| keys).sum()
    }

    /// Those of these slots of which it holds keys, of what was counted.
    #[must_use]
    pub fn filled_in(&self, slots: &SlotSet) -> SlotSet {
        self.keys_in(slots).map(|(slot, _)| slot).collect()
    }

    /// How many keys it holds of a slot, where it has told.
    #[must_use]
    pub fn keys_of(&self, slot: Slot) -> Option<u64> {
        let told = self.keys == 0 || self.counted.contains(slot);
        told.then(|| self.keys_in_slot.get(&slot).copied().unwrap_or(0))
    }

    /// Whether it has told how many keys it holds of each of these slots.
    #[must_use]
    pub fn has_counted(&self, slots: &SlotSet) -> bool {
        self.keys == 0 || slots.difference(&self.counted).is_empty()
    }

    /// The slots that it has open as importing. What Redis says of their owners may be what was: it learns no new one.
    #[must_use]
    pub fn importing(&self) -> SlotSet {
        let open = self.open.iter();
        let importing = open.filter(|open| open.direction == Direction::Importing);
        importing.map(|open| open.slot).collect()
    }

    /// Whether it has all these slots open as importing.
    #[must_use]
    pub fn imports(&self, slots: &SlotSet) -> bool {
        slots.difference(&self.importing()).is_empty()
    }

    /// The other members it lists, handshakes left out: those have random ids and may never
    /// become members.
    pub fn peers(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.table
            .iter()
            .filter(|(id, member)| **id != self.id && !member.flags.handshake)
            .map(|(id, m)| (*id, m))
    }

    /// Whether it knows nobody, owns no slot and holds no key. A pending handshake doesn't
    /// make it a member of anything.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.peers().next().is_none()
            && self.own_slots().is_empty()
            && self.keys == 0
            && self.role() == Role::Primary
    }

    /// Whether it is copying its primary's data, which may take minutes.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        matches!(self.replication, Replication::Replica { syncing: true, .. })
    }

    /// Whether its replication link is up, and to `primary`: the id must be the one in its
    /// table, and the address it replicates from that member's. Host names are taken on trust.
    #[must_use]
    pub fn replicates(&self, primary: NodeId) -> bool {
        let Replication::Replica {
            host,
            port,
            link_up,
            ..
        } = &self.replication
        else {
            return false;
        };
        if self.primary() != Some(primary) || !link_up {
            return false;
        }
        let Some(member) = self.table.get(&primary) else {
            return false;
        };
        match (host.parse::<IpAddr>(), member.link_address.ip) {
            (Ok(from), Some(ip)) => {
                from == ip && (*port == member.link_address.port || self.has_two_ports())
            }
            (Ok(_) | Err(_), _) => true,
        }
    }

    /// Where it is told to be instead of at its port for TLS, which nodes that speak without TLS among each other don't
    /// pass on.
    #[must_use]
    pub fn told_beside_tls(&self) -> Option<Address> {
        let option = |name: &str| self.config.get(name).map_or("", String::as_str);
        let dialled_tls = option("tls-port") == self.dialled.port.to_string();
        let port = option("port").parse().ok().filter(|port| *port != 0)?;
        (dialled_tls && option("tls-cluster") == "no").then(|| Address::new(self.dialled.ip, port))
    }

    /// Whether it has a port for TLS. Then the port of replication may be another than those that it shows.
    fn has_two_ports(&self) -> bool {
        let port = self.config.get("tls-port");
        port.is_some_and(|port| port != "0")
    }

    /// Whether it has all the link it needs: as a primary none, as a replica one that is up or
    /// that brings the first copy.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        match &self.replication {
            Replication::Primary { .. } | Replication::Replica { syncing: true, .. } => true,
            Replication::Replica { .. } => self
                .primary()
                .is_some_and(|primary| self.replicates(primary)),
        }
    }
}

fn reply_text<'a>(command: &str, reply: &'a Reply) -> Result<&'a str, ViewError> {
    match reply {
        Reply::Text(text) => Ok(text),
        Reply::Error(words) => Err(ViewError::Refused {
            command: command.to_owned(),
            words: words.clone(),
        }),
        Reply::Nil | Reply::Integer(_) | Reply::Bytes(_) | Reply::List(_) => {
            Err(ViewError::Senseless {
                command: command.to_owned(),
            })
        }
    }
}

fn read_options(
    reply: &Reply,
    questions: &Questions,
    plain: &mut BTreeMap<String, String>,
    secrets: &mut BTreeMap<String, Secret>,
) -> Result<(), ViewError> {
    if let Reply::Error(words) = reply {
        return Err(ViewError::Refused {
            command: "CONFIG GET".to_owned(),
            words: words.clone(),
        });
    }
    let pairs = config::parse(reply).ok_or_else(|| ViewError::Senseless {
        command: "CONFIG GET".to_owned(),
    })?;
    for (name, value) in pairs {
        if questions.secret_options.contains(&name) {
            secrets.insert(name, Secret::new(value));
        } else {
            plain.insert(name, value);
        }
    }
    Ok(())
}

fn keys_in_slots(
    questions: &Questions,
    replies: &[Reply],
) -> Result<BTreeMap<Slot, u64>, ViewError> {
    let command = || "CLUSTER COUNTKEYSINSLOT".to_owned();
    let mut keys = BTreeMap::new();
    for (slot, reply) in questions.count_keys_in.iter().zip(replies) {
        match reply {
            Reply::Integer(0) => {}
            Reply::Integer(_) => match reply.as_count() {
                Some(count) => _ = keys.insert(slot, count),
                None => return Err(ViewError::Senseless { command: command() }),
            },
            Reply::Error(words) => {
                return Err(ViewError::Refused {
                    command: command(),
                    words: words.clone(),
                });
            }
            Reply::Nil | Reply::Text(_) | Reply::Bytes(_) | Reply::List(_) => {
                return Err(ViewError::Senseless { command: command() });
            }
        }
    }
    Ok(keys)
}

/// What comes after the counts; what was not asked for now is taken from an earlier view.
fn equipment(questions: &Questions, replies: &[Reply], earlier: Option<&NodeView>) -> Equipment {
    let mut equipment = earlier
        .map(|view| view.equipment.clone())
        .unwrap_or_default();
    let mut rest = replies
        .iter()
        .skip(usize::from(questions.count_keys_in.count()));
    if let Some(reply) = questions.libraries.then(|| rest.next()).flatten() {
        equipment.libraries = Told::libraries(reply);
    }
    equipment
}

/// The last of the replies. Jobs come and go, so those of an earlier view count for nothing.
fn jobs(questions: &Questions, replies: &[Reply]) -> Told<Vec<Job>> {
    match replies.last().filter(|_| questions.jobs) {
        Some(reply) => Told::jobs(reply),
        None => Told::NotAsked,
    }
}

/// INFO still says `master_*` and `slave_*` on every server.
fn replication(info: &Fields<'_>) -> Option<Replication> {
    match info.text("role")? {
        "master" => Some(Replication::Primary {
            offset: info.number("master_repl_offset").unwrap_or(0),
        }),
        "slave" => Some(Replication::Replica {
            host: info.text("master_host")?.to_owned(),
            port: info.number("master_port")?.try_into().ok()?,
            link_up: info.text("master_link_status") == Some("up"),
            syncing: info.text("master_sync_in_progress") == Some("1"),
            offset: info.number("slave_repl_offset").unwrap_or(0),
        }),
        _ => None,
    }
}
