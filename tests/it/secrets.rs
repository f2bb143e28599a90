//! Planted secrets stand in nothing that rcl prints, is started with, hands on, or leaves behind.

use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rcl::base::{Command, Login, Secret};
use rcl::net::{Access, Keyring};

use crate::support::by_hand::Block;
use crate::support::certs::{Certs, SERVER_NAME};
use crate::support::kind::on_path;
use crate::support::least::server;
use crate::support::rcl::{PROGRAM, Streams};
use crate::support::yaml::Yaml;
use crate::support::{Rcl, ServerKind, Servers, Shard};

const PASSWORD: &str = "canary-password-1c9e";
const OTHER_PASSWORD: &str = "canary-password-77d0";
const AUTH: &str = "canary-auth-0b52";
const NEW_AUTH: &str = "canary-auth-f3a1";
const CANARIES: [&str; 4] = [PASSWORD, OTHER_PASSWORD, AUTH, NEW_AUTH];

#[track_caller]
fn assert_clean(text: &str, what: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{what} tells {canary}:\n{text}");
    }
}

#[track_caller]
fn clean(ran: Streams, what: &str) {
    assert_clean(&format!("{}{}", ran.stdout(), ran.stderr()), what);
}

/// Whatever rcl has written into its folder beside what the test put there.
#[track_caller]
fn assert_clean_folder(folder: &Path, own: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && !own.contains(&name.as_str()) {
            let bytes = fs::read(&path).unwrap();
            assert_clean(&String::from_utf8_lossy(&bytes), &name);
        }
    }
}

#[test]
fn in_nothing_that_is_printed_on_redis_7_0() {
    in_nothing_that_is_printed(ServerKind::Redis70);
}

#[test]
fn in_nothing_that_is_printed_on_valkey_9_1() {
    in_nothing_that_is_printed(ServerKind::Valkey91);
}

/// Forms, moves keys with a login, changes a secret option, and fails in several ways.
fn in_nothing_that_is_printed(kind: ServerKind) {
    let mut scene = Scene::new(kind);
    scene.file("PASSWORD", "{env: AUTH}");
    scene.all(2);
    scene.run(&["apply", "--yes", "--verbose"], 0);
    scene.all(0);
    scene.moves();
    scene.all(0);
    scene.without_a_file();
    scene.fails();
    scene.logs_are_clean();
}

struct Scene {
    servers: Servers,
    rcl: Rcl,
    shards: Vec<Shard>,
}

impl Scene {
    fn new(kind: ServerKind) -> Self {
        let servers = Servers::start(kind, 4);
        let rules = rcl::base::rules_for_applying(server(kind)).join(" ");
        for name in servers.names() {
            let user = format!("ACL SETUSER rcl on >{PASSWORD} {rules}");
            servers.ok(&name, &user.split(' ').collect::<Vec<_>>());
        }
        let rcl = Rcl::new()
            .env("PASSWORD", PASSWORD)
            .env("RCL_PASSWORD", PASSWORD)
            .env("OTHER", OTHER_PASSWORD)
            .env("AUTH", AUTH);
        rcl.file("secret", &NEW_AUTH);
        fs::set_permissions(rcl.path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        let shards = vec![
            Shard::new("host1:7000", &["host2:7000"], "0-8191"),
            Shard::new("host1:7001", &["host2:7001"], "8192-16383"),
        ];
        Self {
            servers,
            rcl,
            shards,
        }
    }

    fn file(&self, password: &str, auth: &str) {
        let yaml = Yaml::new(&self.servers, &self.shards)
            .config("masterauth", auth)
            .config("masteruser", "default");
        let access = format!("access: {{username: rcl, password: {{env: {password}}}}}\n");
        let yaml = format!("{yaml}{access}policy: {{move: {{engine: classic}}}}\n");
        self.rcl.file("rcl.yaml", &yaml);
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) {
        clean(self.rcl.run(arguments).code(code), &arguments.join(" "));
    }

    /// All that only looks.
    #[track_caller]
    fn all(&self, code: i32) {
        let of_plan = if code == 2 { 0 } else { code };
        self.run(&["plan"], of_plan);
        self.run(&["plan", "--json", "--commands", "all"], of_plan);
        self.run(&["drift", "--verbose"], code);
        self.run(&["drift", "--json"], code);
        self.run(&["status"], code);
        self.run(&["status", "--json"], code);
        clean(self.rcl.run(&["check", "--json"]).any(), "check");
    }

    fn moves(&mut self) {
        for key in 0..100 {
            for name in ["host1:7000", "host1:7001"] {
                let _ = self
                    .servers
                    .call(name, &["SET", &format!("key:{key}"), "value"]);
            }
        }
        self.shards[0].slots = vec![(0, 8000)];
        self.shards[1].slots = vec![(8001, 16383)];
        self.file("PASSWORD", "{file: secret}");
        self.all(2);
        let shown = self.rcl.run(&["plan"]).success();
        assert!(
            shown.stdout().contains("AUTH2 rcl ********"),
            "{}",
            shown.stdout()
        );
        self.run(&["plan", "--out", "saved.json"], 0);
        assert!(self.rcl.path("saved.json").is_file());
        self.run(&["apply", "saved.json"], 3);
        // While it asks, its arguments are there for everybody to read.
        let mut terminal = self.rcl.terminal(&["apply"]);
        terminal.expect("Only 'yes' will be accepted");
        assert_clean(&arguments_of_all(), "the arguments of processes");
        terminal.type_line("no");
        terminal.code(1);
        assert_clean(&terminal.plain(), "apply on a terminal");
        // Moves with `MIGRATE … AUTH2` in each way of telling of them, and in the journal.
        let journal = ["--journal", "journal.jsonl"];
        self.run(&[&["apply", "--yes", "--json"], &journal[..]].concat(), 0);
        self.shards[0].slots = vec![(0, 8191)];
        self.shards[1].slots = vec![(8192, 16383)];
        self.file("PASSWORD", "{file: secret}");
        self.run(&[&["apply", "--yes", "-vvv"], &journal[..]].concat(), 0);
        let journal = fs::read_to_string(self.rcl.path("journal.jsonl")).unwrap();
        assert!(journal.contains("AUTH2 rcl ********"), "{journal}");
        assert_clean(&journal, "the journal");
    }

    /// Without a file, the password from the environment.
    fn without_a_file(&self) {
        let address = self.servers.address("host1:7000").to_string();
        self.run(&["status", &address, "--user", "rcl"], 0);
        self.run(&["status", &address, "--user", "rcl", "--json"], 0);
        self.run(&["export", &address, "--user", "rcl", "--pin-ids"], 0);
        let nodes = "host1:7000,host2:7000,host3:7000,host1:7001,host2:7001,host3:7001";
        self.run(&["init", "--nodes", nodes, "--out", "new.yaml"], 0);
        self.run(&["drift", "-vvv"], 0);
    }

    /// Another password, a node that is gone, a secret in the file.
    fn fails(&mut self) {
        self.file("OTHER", "{file: secret}");
        self.all(1);
        self.run(&["apply", "--yes", "--verbose"], 1);
        self.file("PASSWORD", "{env: OTHER}");
        self.servers.kill("host2:7001");
        self.all(3);
        self.run(&["apply", "--yes", "--verbose"], 3);
        assert_clean_folder(self.rcl.folder(), &["rcl.yaml", "secret"]);
        let mistaken = format!("access: {{password: {OTHER_PASSWORD}}}\ncluster: x\n");
        self.rcl.file("rcl.yaml", &mistaken);
        self.all(1);
    }

    /// The servers' logs of commands have only what the test itself has sent.
    fn logs_are_clean(&self) {
        for name in self.servers.running() {
            let log = format!(
                "{:?}",
                self.servers.call(&name, &["SLOWLOG", "GET", "10000"])
            );
            let others = log.replace(&format!(">{PASSWORD}"), "");
            assert_clean(&others, &name);
        }
    }
}

/// The command lines of all processes that can be seen.
fn arguments_of_all() -> String {
    let processes = fs::read_dir("/proc").unwrap();
    let lines = processes.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n")
        .collect()
}

/// Nor in what a panic or a log line would show of values.
#[test]
fn in_no_debug_text() {
    let password = || Secret::new(PASSWORD.to_owned());
    let login = Login {
        user: Some("rcl".to_owned()),
        password: password(),
    };
    let access = Arc::new(Access {
        login: Some(login.clone()),
        tls: None,
    });
    let mut keyring = Keyring::new(Arc::clone(&access));
    keyring.insert("127.0.0.1:7000".parse().unwrap(), &access);
    let command = Command::new("CONFIG SET masterauth").secret(password());
    let values: [(&str, &dyn Debug); 6] = [
        ("a secret", &password()),
        ("a login", &login),
        ("an access", &access),
        ("a keyring", &keyring),
        ("a command", &command),
        ("a login's command", &Command::auth(&login)),
    ];
    for (what, value) in values {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            assert_clean(&text, what);
            assert!(text.contains(Secret::MASK), "{what}: {text}");
        }
    }
}

/// A core file would hold them, so none is ever written: also where the shell allows it.
#[test]
fn in_no_core_file() {
    let servers = Servers::start(ServerKind::Redis70, 2);
    let shards = [Shard::new("host1:7000", &["host2:7000"], "0-16383")];
    let folder = Rcl::new();
    folder.file("rcl.yaml", &Yaml::new(&servers, &shards));
    let shell = Rcl::with_program(on_path("sh").unwrap());
    let script = format!(
        "cd {}; ulimit -S -c $(ulimit -H -c); exec {PROGRAM} apply --yes -v",
        folder.folder().display()
    );
    let mut apply = shell.start(&["-c", &script]);
    apply.expect("epoch 2");
    let limits = fs::read_to_string(format!("/proc/{}/limits", apply.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let soft = core.and_then(|line| line.split_whitespace().nth(4));
    assert_eq!(soft, Some("0"), "{limits}");
    apply.end().code(0);
}

/// A lab whose servers ask for a user and speak TLS: all from one file.
#[test]
fn a_lab_with_users_and_tls() {
    let block = Block::claim();
    let rcl = Rcl::new().env("PASSWORD", PASSWORD);
    let certs = Certs::new();
    let (one, two) = (block.host(1).to_string(), block.host(2).to_string());
    certs.issue(rcl.folder(), "lab", &[SERVER_NAME, &one, &two]);
    fs::copy(certs.path("ca.pem"), rcl.path("ca.pem")).unwrap();
    rcl.file(
        "rcl.yaml",
        &format!(
            "cluster: lab\naccess:\n  username: rcl\n  password: {{env: PASSWORD}}\n  \
             tls: {{ca: ca.pem, cert: lab.pem, key: lab.key}}\nhosts: {{host1: {one}, host2: {two}}}\n\
             config: {{cluster-node-timeout: 2s, repl-diskless-sync-delay: 0}}\nshards:\n  \
             a: {{primary: host1:7000, replicas: [host2:7000]}}\n  b: {{primary: host1:7001, replicas: [host2:7001]}}\n"
        ),
    );
    let up = ["lab", "up", "--server", "redis-server"];
    clean(rcl.run(&up).code(0), "lab up");
    let down = Down(&rcl);
    clean(rcl.run(&["apply", "--yes"]).code(0), "apply");
    rcl.run(&["drift"]).success();
    clean(rcl.run(&["lab", "status"]).code(0), "lab status");
    let state = fs::read_to_string(rcl.path(".lab/lab/state.json")).unwrap();
    assert_clean(&state, "the lab's record");
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    for node in state["nodes"].as_object().unwrap().values() {
        let pid = &node["process"]["pid"];
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert_clean(&String::from_utf8_lossy(&bytes), file);
        }
    }
    for folder in ["host1/7000", "host2/7001"] {
        let folder = rcl.path(".lab/lab").join(folder);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    drop(down);
}

#[test]
fn a_lab_with_a_password() {
    let block = Block::claim();
    let rcl = Rcl::new().env("PASSWORD", PASSWORD);
    let (one, two) = (block.host(1), block.host(2));
    rcl.file(
        "rcl.yaml",
        &format!(
            "cluster: lab\naccess: {{password: {{env: PASSWORD}}}}\nhosts: {{host1: {one}, host2: {two}}}\n\
             config: {{cluster-node-timeout: 2s, repl-diskless-sync-delay: 0}}\nshards:\n  \
             a: {{primary: host1:7000, replicas: [host2:7000]}}\n"
        ),
    );
    clean(rcl.run(&["lab", "up"]).code(0), "lab up");
    let down = Down(&rcl);
    rcl.run(&["apply", "--yes"]).code(0);
    rcl.run(&["drift"]).success();
    let conf = rcl.path(".lab/lab/host1/7000/redis.conf");
    assert_clean(&fs::read_to_string(&conf).unwrap(), "redis.conf");
    assert_eq!(
        fs::metadata(conf).unwrap().permissions().mode() & 0o777,
        0o600
    );
    drop(down);
}

/// Ends a lab, also where a test fails.
struct Down<'a>(&'a Rcl);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(&["lab", "down", "--wipe"]).any();
    }
}
