//! A cluster that something happened to, its file, and rcl: what rcl says of it, that it sends nothing where it
//! must not, and that it mends what it may.

use super::judge;
use super::launch::Launch;
use super::native;
use super::rcl::{Rcl, Streams};
use super::recorder::Recorder;
use super::redact::Redactions;
use super::resp::Value;
use super::servers::Servers;
use super::shards::Shard;
use super::views::Line;
use super::wait;
use super::yaml::Yaml;

/// Short, so that what a timeout brings about comes soon.
pub(crate) const NODE_TIMEOUT_MS: u32 = 1000;

pub(crate) struct Stage {
    pub(crate) servers: Servers,
    pub(crate) rcl: Rcl,
    redactions: Redactions,
}

/// What rcl said of a state that it left alone; ids and addresses are named.
pub(crate) struct Told {
    pub(crate) plan: String,
    pub(crate) drift: String,
}

impl Stage {
    /// Servers that are blank, without a file yet.
    #[track_caller]
    pub(crate) fn blank(launch: Launch) -> Self {
        Self::on(launch.node_timeout_ms(NODE_TIMEOUT_MS).start())
    }

    /// These servers, whatever they are.
    pub(crate) fn on(servers: Servers) -> Self {
        Self {
            redactions: Redactions::new(&servers),
            servers,
            rcl: Rcl::new(),
        }
    }

    /// The seed cluster, whole, with its file.
    #[track_caller]
    pub(crate) fn seed(launch: Launch) -> Self {
        let stage = Self::blank(launch);
        native::form(&stage.servers, &Shard::seed());
        stage.declare(&Shard::seed());
        stage
    }

    #[track_caller]
    pub(crate) fn declare(&self, shards: &[Shard]) {
        self.file(&Yaml::new(&self.servers, shards));
    }

    #[track_caller]
    pub(crate) fn file(&self, content: &impl ToString) {
        self.rcl.file("rcl.yaml", content);
    }

    /// A key of this shard's: `a`, `b` or `c` of the seed.
    #[track_caller]
    pub(crate) fn write_keys(&self, node: &str, count: usize) {
        let taken = (0..)
            .map(|number| format!("key{number}"))
            .filter(|key| {
                self.servers.call(node, &["SET", key, "value"]) == Value::Simple("OK".to_owned())
            })
            .take(count);
        assert_eq!(taken.count(), count);
    }

    #[track_caller]
    pub(crate) fn keys(&self, node: &str) -> i64 {
        self.servers.call(node, &["DBSIZE"]).integer()
    }

    /// Sends all nodes that run the same words.
    #[track_caller]
    pub(crate) fn tell_everyone(&self, words: &str) {
        for name in self.servers.running() {
            self.tell(&name, words);
        }
    }

    #[track_caller]
    pub(crate) fn tell(&self, node: &str, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        self.servers.ok(node, &words);
    }

    /// Waits until this is so of what the node says of the other, by id.
    #[track_caller]
    pub(crate) fn wait_for_line(
        &self,
        node: &str,
        id: &str,
        what: &str,
        holds: impl Fn(&Line) -> bool,
    ) {
        wait::until(&format!("{node} to say of {id}: {what}"), || {
            let lines = judge::cluster_nodes(self.servers.address(node));
            let line = lines.iter().find(|line| line.id == id);
            match line {
                Some(line) if holds(line) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// Waits until this is so of what all nodes that run, but the node itself, say of it.
    #[track_caller]
    pub(crate) fn wait_for_all(&self, id: &str, what: &str, holds: impl Fn(&Line) -> bool) {
        for name in self.servers.running() {
            if self.servers.id(&name) != id {
                self.wait_for_line(&name, id, what, &holds);
            }
        }
    }

    /// Met by host1:7000, or by this one, and known to all.
    #[track_caller]
    pub(crate) fn join(&self, newcomer: &str, introducer: &str) {
        let address = self.servers.address(newcomer);
        let (ip, port) = (address.ip().to_string(), address.port());
        self.tell(introducer, &format!("CLUSTER MEET {ip} {port}"));
        let id = self.servers.id(newcomer);
        self.wait_for_all(&id, "known", |line| !line.has("handshake"));
        for name in self.servers.running() {
            let other = self.servers.id(&name);
            self.wait_for_line(newcomer, &other, "known", |line| !line.has("handshake"));
        }
    }

    /// Makes it a replica, in all views and with its link up.
    #[track_caller]
    pub(crate) fn replicate(&self, replica: &str, primary: &str) {
        let parent = self.servers.id(primary);
        self.tell(replica, &format!("CLUSTER REPLICATE {parent}"));
        let id = self.servers.id(replica);
        self.wait_for_all(&id, "a replica", |line| {
            line.parent.as_ref() == Some(&parent)
        });
        self.wait_for_link(replica);
    }

    #[track_caller]
    pub(crate) fn wait_for_link(&self, replica: &str) {
        wait::until(&format!("the link of {replica}"), || {
            let said = judge::ask(self.servers.address(replica)).replication;
            match said.get("master_link_status").map(String::as_str) {
                Some("up") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// Waits until it serves slots in all views, as after an election.
    #[track_caller]
    pub(crate) fn wait_for_promotion(&self, node: &str) {
        self.wait_for_promotion_but_for(node, &[]);
    }

    /// The same in all views but those of the others.
    #[track_caller]
    pub(crate) fn wait_for_promotion_but_for(&self, node: &str, others: &[&str]) {
        let id = self.servers.id(node);
        let names = || {
            let running = self.servers.running().into_iter();
            running.filter(|name| !others.contains(&name.as_str()))
        };
        for name in names() {
            self.wait_for_line(&name, &id, "an owner", |line| {
                !line.is_replica() && !line.slots.is_empty()
            });
        }
        for name in names() {
            wait::until(&format!("{name} to be ok"), || {
                let info = judge::ask(self.servers.address(&name)).info;
                match info.get("cluster_state").map(String::as_str) {
                    Some("ok") => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            });
        }
    }

    /// The states of the moves that a node carries out by itself, newest first.
    #[track_caller]
    pub(crate) fn jobs(&self, node: &str) -> Vec<String> {
        let jobs = self.servers.call(node, &["CLUSTER", "GETSLOTMIGRATIONS"]);
        let state = |job: Value| {
            let mut fields = job.array().into_iter();
            let name = Value::Bulk("state".to_owned());
            fields.find(|field| *field == name).expect("a state");
            fields.next().expect("its word").text()
        };
        jobs.array().into_iter().map(state).collect()
    }

    /// Waits until the newest of them is in this state.
    #[track_caller]
    pub(crate) fn wait_for_job(&self, node: &str, state: &str) {
        wait::until(&format!("the job of {node} to be {state}"), || {
            let newest = self.jobs(node).into_iter().next().unwrap_or_default();
            if newest == state { Ok(()) } else { Err(newest) }
        });
    }

    /// Plan, drift and an apply without asking all end with this code and say the same, and not one
    /// write is sent.
    #[track_caller]
    pub(crate) fn refuses(&mut self, code: i32) -> Told {
        let (told, applied) = self.asked(code);
        assert_eq!(told.plan, applied, "apply says something else");
        told
    }

    /// The same where views change by the second, so that each of them may say it with other words.
    #[track_caller]
    pub(crate) fn refuses_whatever_it_says(&mut self, code: i32) -> Told {
        self.asked(code).0
    }

    #[track_caller]
    fn asked(&mut self, code: i32) -> (Told, String) {
        let recorder = Recorder::start(&self.servers);
        let rcl = &self.rcl;
        // Side by side: where nodes disagree each of them waits ten seconds.
        let [plan, applied, drift] = std::thread::scope(|scope| {
            [
                ["plan"].as_slice(),
                &["apply", "--yes"],
                &["drift", "--timeout", "60s"],
            ]
            .map(|arguments| scope.spawn(move || rcl.run(arguments).code(code)))
            .map(|thread| thread.join().expect("the exit code"))
        });
        recorder.assert_no_writes(&self.servers);
        let told = Told {
            plan: self.redact(plan.stdout()),
            drift: self.redact(drift.stdout()),
        };
        (told, self.redact(applied.stdout()))
    }

    /// The rest of the plan is carried out, what is blocked or missing stays: exit code 3. Then nothing is left
    /// but that.
    #[track_caller]
    pub(crate) fn does_the_rest(&mut self) -> Told {
        self.run(&["apply", "--yes"], 3);
        let told = self.refuses(3);
        assert!(told.plan.contains("Nothing to do, but "), "{}", told.plan);
        told
    }

    /// Applies without asking: all becomes as declared, and there is nothing left to do.
    #[track_caller]
    pub(crate) fn repairs(&mut self, shards: &[Shard]) {
        self.repairs_but_for(shards, &[]);
        judge::redis_cli_check(self.servers.address("host1:7001"));
    }

    /// The same beside members that nobody declares: these ids.
    #[track_caller]
    pub(crate) fn repairs_but_for(&mut self, shards: &[Shard], others: &[&str]) {
        self.rcl.run(&["apply", "--yes"]).code(0);
        let mut differences = judge::differences(&self.servers, shards);
        differences.retain(|difference| {
            let other = others.iter().any(|id| difference.contains(id));
            let counted = !others.is_empty() && difference.contains("cluster_known_nodes");
            !other && !counted
        });
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        self.matches();
    }

    /// Nothing to do for plan, apply and drift; gives the plan's notes.
    #[track_caller]
    pub(crate) fn matches(&mut self) -> String {
        let recorder = Recorder::start(&self.servers);
        let plan = self.rcl.run(&["plan", "--detailed-exitcode"]).code(0);
        let nothing = "No changes. Cluster \"orders\" matches rcl.yaml.\n";
        let notes = plan.stdout().strip_suffix(nothing);
        let notes = notes.unwrap_or_else(|| panic!("{}", plan.stdout()));
        self.rcl.run(&["apply", "--yes"]).code(0);
        assert_eq!(self.rcl.run(&["drift"]).success().stdout(), "");
        recorder.assert_no_writes(&self.servers);
        self.redact(notes)
    }

    /// What rcl printed on standard output.
    #[track_caller]
    pub(crate) fn run(&mut self, arguments: &[&str], code: i32) -> String {
        let ran: Streams = self.rcl.run(arguments).code(code);
        self.redact(ran.stdout())
    }

    pub(crate) fn redact(&mut self, text: &str) -> String {
        self.redactions.apply(text)
    }
}

impl Told {
    /// What is blocked or missing, and the summary: without the topology and the steps, whose order hangs on ids.
    pub(crate) fn troubles(&self) -> String {
        let mut found = Vec::new();
        let mut inside = false;
        for line in self.plan.lines() {
            inside = line.starts_with("! ") || (inside && line.starts_with("    "));
            if inside || line.starts_with("Note: ") {
                found.push(line);
            }
        }
        found.extend(self.plan.lines().last());
        found.join("\n")
    }
}
