//! Outside judges of a live cluster: redis-cli, and every node's own view.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;

use super::resp::Client;
use super::servers::Servers;
use super::shards::{Ranges, Shard};
use super::views::{self, Line};
use super::wait;

/// The judges' connections carry this name, so that the recorder can leave them out.
pub(crate) const CLIENT_NAME: &str = "judge";

/// What one node says of the cluster and of itself.
pub(crate) struct Testimony {
    pub(crate) lines: Vec<Line>,
    pub(crate) info: BTreeMap<String, String>,
    pub(crate) replication: BTreeMap<String, String>,
}

#[track_caller]
pub(crate) fn connect(address: SocketAddr) -> Client {
    let mut client = Client::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
    client
        .call(&["CLIENT", "SETNAME", CLIENT_NAME])
        .unwrap_or_else(|error| panic!("{address}: {error}"));
    client
}

/// CLUSTER NODES as this node gives it.
#[track_caller]
pub(crate) fn cluster_nodes(address: SocketAddr) -> Vec<Line> {
    ask(address).lines
}

/// All that the judges ask a node, in one round trip.
#[track_caller]
pub(crate) fn ask(address: SocketAddr) -> Testimony {
    let questions: [&[&str]; 3] = [
        &["CLUSTER", "NODES"],
        &["CLUSTER", "INFO"],
        &["INFO", "replication"],
    ];
    let replies = connect(address)
        .pipeline(&questions)
        .unwrap_or_else(|error| panic!("{address}: {error}"));
    let [nodes, info, replication] = replies.try_into().expect("as many replies as questions");
    Testimony {
        lines: views::parse(&nodes.text()),
        info: fields(&info.text()),
        replication: fields(&replication.text()),
    }
}

/// `name:value` lines, as INFO writes them.
pub(crate) fn fields(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// `redis-cli --cluster check` must find nothing wrong.
#[track_caller]
pub(crate) fn redis_cli_check(address: SocketAddr) {
    // It wants IPv6 without brackets.
    let address = format!("{}:{}", address.ip(), address.port());
    let output = Command::new("redis-cli")
        .args(["--cluster", "check", &address])
        .output()
        .expect("redis-cli is on PATH: run `make test`, which installs it");
    let text = String::from_utf8_lossy(&output.stdout);
    let sentences = [
        "[OK] All nodes agree about slots configuration.",
        "[OK] All 16384 slots covered.",
    ];
    assert!(
        output.status.success() && sentences.iter().all(|sentence| text.contains(sentence)),
        "redis-cli --cluster check {address}: {}\n{text}",
        output.status
    );
}

/// Every node's own view is exactly these shards, now.
#[track_caller]
pub(crate) fn assert_matches(servers: &Servers, shards: &[Shard]) {
    let differences = differences(servers, shards);
    assert!(
        differences.is_empty(),
        "the cluster is not as declared:\n{}",
        differences.join("\n")
    );
}

/// The same, once gossip has had its time. For clusters that were changed by native commands.
#[track_caller]
pub(crate) fn wait_until_matches(servers: &Servers, shards: &[Shard]) {
    wait::until("every view to be as declared", || {
        let differences = differences(servers, shards);
        if differences.is_empty() {
            Ok(())
        } else {
            Err(differences.join("\n"))
        }
    });
}

/// What differs from these shards, a line each; empty when nothing does.
#[track_caller]
pub(crate) fn differences(servers: &Servers, shards: &[Shard]) -> Vec<String> {
    let declared = Declared::new(servers, shards);
    let mut found = Vec::new();
    for (name, id) in &declared.ids {
        let testimony = ask(servers.address(name));
        let before = found.len();
        declared.compare_lines(&testimony, id, &mut found);
        declared.compare_state(&testimony, name, &mut found);
        for difference in &mut found[before..] {
            difference.insert_str(0, &format!("as {name} sees it: "));
        }
    }
    found
}

/// The declared shards with the ids that their nodes have now.
struct Declared<'a> {
    servers: &'a Servers,
    ids: BTreeMap<String, String>,
    /// By node name: the primary of a replica.
    parents: BTreeMap<String, String>,
    /// By node name: the slots of a primary.
    slots: BTreeMap<String, Ranges>,
}

impl<'a> Declared<'a> {
    #[track_caller]
    fn new(servers: &'a Servers, shards: &[Shard]) -> Self {
        let mut declared = Self {
            servers,
            ids: BTreeMap::new(),
            parents: BTreeMap::new(),
            slots: BTreeMap::new(),
        };
        for shard in shards {
            for name in shard.replicas.iter().chain([&shard.primary]) {
                declared.ids.insert(name.clone(), servers.id(name));
            }
            for replica in &shard.replicas {
                let parent = shard.primary.clone();
                declared.parents.insert(replica.clone(), parent);
            }
            let slots = shard.slots.clone();
            declared.slots.insert(shard.primary.clone(), slots);
        }
        declared
    }

    fn compare_lines(&self, testimony: &Testimony, own_id: &str, found: &mut Vec<String>) {
        let seen: BTreeMap<&str, &Line> = testimony
            .lines
            .iter()
            .map(|line| (line.id.as_str(), line))
            .collect();
        let known: BTreeSet<&str> = self.ids.values().map(String::as_str).collect();
        for (id, line) in &seen {
            if !known.contains(id) {
                found.push(format!("nobody declared {id} at {}", line.address));
            }
        }
        for (name, id) in &self.ids {
            match seen.get(id.as_str()) {
                None => found.push(format!("{name} is missing")),
                Some(line) => self.compare_line(name, line, own_id, found),
            }
        }
        let epochs: Vec<u64> = self
            .slots
            .iter()
            .filter(|(_, slots)| !slots.is_empty())
            .filter_map(|(name, _)| seen.get(self.ids[name].as_str()))
            .map(|line| line.epoch)
            .collect();
        let distinct: BTreeSet<&u64> = epochs.iter().collect();
        if distinct.len() < epochs.len() {
            found.push(format!("slot owners share an epoch: {epochs:?}"));
        }
    }

    fn compare_line(&self, name: &str, line: &Line, own_id: &str, found: &mut Vec<String>) {
        let mut expect = |what: &str, want: String, have: String| {
            if want != have {
                found.push(format!("{name}: {what} is {have}, not {want}"));
            }
        };
        let parent = self.parents.get(name);
        let want_role = if parent.is_some() {
            "replica"
        } else {
            "primary"
        };
        let have_role = if line.is_replica() {
            "replica"
        } else {
            "primary"
        };
        expect("role", want_role.to_owned(), have_role.to_owned());
        let want_parent = parent.and_then(|parent| self.ids.get(parent));
        expect(
            "parent",
            format!("{want_parent:?}"),
            format!("{:?}", line.parent.as_ref()),
        );
        let want_slots = self.slots.get(name).cloned().unwrap_or_default();
        expect(
            "slots",
            format!("{want_slots:?}"),
            format!("{:?}", line.slots),
        );
        expect("open slots", "[]".to_owned(), format!("{:?}", line.open));
        expect(
            "trouble",
            "None".to_owned(),
            format!("{:?}", line.trouble()),
        );
        expect("link", "true".to_owned(), line.connected.to_string());
        let address = self.servers.address(name);
        let address = format!("{}:{}", address.ip(), address.port());
        expect("address", address, line.address.clone());
        expect(
            "myself",
            (line.id == own_id).to_string(),
            line.is_myself().to_string(),
        );
    }

    fn compare_state(&self, testimony: &Testimony, name: &str, found: &mut Vec<String>) {
        let assigned: u32 = self
            .slots
            .values()
            .flatten()
            .map(|(first, last)| u32::from(last - first) + 1)
            .sum();
        let mut wanted = vec![
            (
                &testimony.info,
                "cluster_slots_assigned",
                assigned.to_string(),
            ),
            (
                &testimony.info,
                "cluster_known_nodes",
                self.ids.len().to_string(),
            ),
        ];
        // With a slot unassigned the state depends on cluster-require-full-coverage.
        if assigned == 16384 {
            wanted.push((&testimony.info, "cluster_state", "ok".to_owned()));
        }
        if let Some(parent) = self.parents.get(name) {
            let address = self.servers.address(parent);
            wanted.push((
                &testimony.replication,
                "master_host",
                address.ip().to_string(),
            ));
            wanted.push((
                &testimony.replication,
                "master_port",
                self.servers.replication_port(parent).to_string(),
            ));
            wanted.push((
                &testimony.replication,
                "master_link_status",
                "up".to_owned(),
            ));
        }
        for (answers, field, want) in wanted {
            let have = answers.get(field).map_or("absent", String::as_str);
            if have != want {
                found.push(format!("{field} is {have}, not {want}"));
            }
        }
    }
}
