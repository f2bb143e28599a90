//! One apply at a time: who starts at the same moment, who comes later, and whose connection breaks off.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use std::time::Duration;

use rcl::base::{Address, Presence};
use rcl::net::{Connections, Keyring, unique};

use crate::support::least;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, Recorder, ServerKind, Servers, Shard, judge};

const STARTERS: u32 = 4;

const ROUNDS: u32 = 200;

fn pair() -> Vec<Shard> {
    vec![Shard::new("host1:7000", &["host2:7000"], "0-16383")]
}

fn blank_pair(kind: ServerKind) -> (Servers, Rcl) {
    let servers = Servers::prepare(kind)
        .grid(2, 1)
        .node_timeout_ms(1000)
        .start();
    let rcl = Rcl::new().env("USER", "bob");
    rcl.file("rcl.yaml", &Yaml::new(&servers, &pair()));
    (servers, rcl)
}

/// Everybody starts at the same moment; who gets the lock keeps it until all others have given up.
fn one_round(starter: u32, nodes: &BTreeSet<Address>, round: &Round) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    round.start.wait();
    let me = Presence::new("bob", "ops1", starter, "now", unique());
    let connections = Connections::locking(Keyring::default(), me);
    match runtime.block_on(connections.hold(nodes)) {
        Ok(holding) => {
            assert_eq!(holding.held, *nodes);
            assert_eq!(
                round.holders.fetch_add(1, Ordering::SeqCst),
                0,
                "two holders"
            );
            round.won.fetch_add(1, Ordering::SeqCst);
            while round.gave_up.load(Ordering::SeqCst) + 1 < STARTERS as usize {
                runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
            }
            round.holders.fetch_sub(1, Ordering::SeqCst);
        }
        Err(_) => {
            round.gave_up.fetch_add(1, Ordering::SeqCst);
        }
    }
    // Only now is the lock given back.
    round.end.wait();
}

struct Round {
    start: Barrier,
    end: Barrier,
    holders: AtomicUsize,
    won: AtomicUsize,
    gave_up: AtomicUsize,
}

#[test]
fn of_four_that_start_at_the_same_moment_never_two_get_it() {
    let servers = Servers::prepare(ServerKind::Redis70).grid(2, 3).start();
    let nodes: BTreeSet<Address> = servers
        .running()
        .iter()
        .map(|name| servers.address(name).to_string().parse().unwrap())
        .collect();
    let mut won = 0;
    for _ in 0..ROUNDS {
        let round = Round {
            start: Barrier::new(STARTERS as usize),
            end: Barrier::new(STARTERS as usize),
            holders: AtomicUsize::new(0),
            won: AtomicUsize::new(0),
            gave_up: AtomicUsize::new(0),
        };
        std::thread::scope(|scope| {
            for starter in 0..STARTERS {
                let (nodes, round) = (&nodes, &round);
                scope.spawn(move || one_round(starter, nodes, round));
            }
        });
        won += round.won.load(Ordering::SeqCst);
    }
    // On a busy machine all may give way to each other in one of many.
    assert!(won * 10 >= ROUNDS as usize * 9, "{won} rounds were won");
}

#[test]
fn of_two_applies_one_runs_and_the_other_says_who() {
    for kind in [ServerKind::Redis62, ServerKind::Valkey91] {
        let (servers, rcl) = blank_pair(kind);
        let ran = std::thread::scope(|scope| {
            [(); 2]
                .map(|()| scope.spawn(|| rcl.run(&["apply", "--yes"])))
                .map(|thread| thread.join().expect("it runs"))
        });
        let (done, late): (Vec<_>, Vec<_>) = ran.into_iter().partition(|ran| ran.exit() == Some(0));
        let [done, late] = [done, late].map(|ran| {
            assert_eq!(ran.len(), 1, "one of each");
            ran.into_iter().next().unwrap()
        });
        assert!(done.code(0).stdout().contains("Apply complete! "));
        let late = late.code(4);
        let said = late.stderr();
        assert!(
            said.contains("error: another apply holds cluster \"orders\": bob@"),
            "{said}"
        );
        assert!(said.contains(", seen at host"), "{said}");
        judge::assert_matches(&servers, &pair());
        assert_eq!(names_of_applies(&servers), BTreeSet::new());
    }
}

/// Who applies, by the names of the nodes' clients.
fn names_of_applies(servers: &Servers) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for node in servers.running() {
        names.extend(clients(servers, &node).into_iter().map(|(_, name)| name));
    }
    names
}

/// The connections of applies at a node: their ids and names.
fn clients(servers: &Servers, node: &str) -> Vec<(String, String)> {
    let list = servers.call(node, &["CLIENT", "LIST"]).text();
    let field = |line: &str, name: &str| {
        let mut words = line.split(' ');
        let word = words.find_map(|word| word.strip_prefix(name));
        word.unwrap_or_default().to_owned()
    };
    list.lines()
        .map(|line| (field(line, "id="), field(line, "name=")))
        .filter(|(_, name)| name.starts_with("rcl-apply/"))
        .collect()
}

#[test]
fn while_one_runs_the_others_say_so() {
    let (servers, rcl) = blank_pair(ServerKind::Redis70);
    let mut apply = rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("epoch 2 …");
    let names = names_of_applies(&servers);
    let name = names.first().expect("its connections have a name");
    assert!(
        name.starts_with("rcl-apply/bob@") && names.len() == 1,
        "{names:?}"
    );
    let pid = apply.pid();
    let recorder = Recorder::start(&servers);
    let under_way = "an apply is under way: bob@";
    let process = format!(" (process {pid}) since ");
    let address = servers.address("host1:7000").to_string();
    for (arguments, code) in [
        (["plan"].as_slice(), 0),
        (&["status"], 2),
        (&["drift"], 2),
        (&["status", &address], 0),
    ] {
        let ran = rcl.run(arguments).code(code);
        let said = ran.stdout();
        assert!(
            said.contains(under_way) && said.contains(&process),
            "{said}"
        );
    }
    let drift = rcl.run(&["drift", "--json"]).code(2);
    let drift: serde_json::Value = serde_json::from_str(drift.stdout()).unwrap();
    assert_eq!(drift["applying"][0]["pid"], pid);
    let late = rcl.run(&["apply", "--yes"]).code(4);
    assert!(late.stderr().contains(&process), "{}", late.stderr());
    recorder.assert_no_writes(&servers);
    apply.end().code(0);
    judge::assert_matches(&servers, &pair());
    let quiet = rcl.run(&["plan"]).success();
    assert!(!quiet.stdout().contains(under_way), "{}", quiet.stdout());
}

#[test]
fn what_a_killed_one_held_is_free_at_once() {
    let (servers, rcl) = blank_pair(ServerKind::Redis70);
    let mut apply = rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("epoch 2 …");
    apply.kill();
    rcl.run_again(&["apply", "--yes"]);
    judge::assert_matches(&servers, &pair());
}

/// Also one that rcl sends nothing on at that moment.
#[test]
fn a_connection_that_breaks_off_stops_the_run() {
    let (servers, rcl) = blank_pair(ServerKind::Redis70);
    let yaml = Yaml::new(&servers, &pair()).config("cluster-node-timeout", "5s");
    rcl.file("rcl.yaml", &yaml);
    let mut apply = rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("epoch 2 …");
    let clients = clients(&servers, "host2:7000");
    assert_eq!(clients.len(), 1);
    servers.call("host2:7000", &["CLIENT", "KILL", "ID", &clients[0].0]);
    let ran = apply.end().code(1);
    for text in [
        "\nStopping: nothing new begins, what is under way gets a moment to finish.\n",
        "error: the connection to host2:7000 broke off, and with its lock the certainty that nobody else applies. So the run has stopped; run `rcl apply rcl.yaml` again.\n",
    ] {
        assert!(ran.stderr().contains(text), "{}", ran.stderr());
    }
    rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&servers, &pair());
}

/// Whoever only tries is waited for; a lock that is refused is an error.
#[test]
fn others_that_try_and_servers_that_refuse() {
    let (servers, rcl) = blank_pair(ServerKind::Redis70);
    let mut stranger = judge::connect(servers.address("host2:7000"));
    stranger.call(&["SUBSCRIBE", "rcl.lock.someone"]).unwrap();
    let late = rcl.run(&["apply", "--yes"]).code(4);
    let said = late.stderr();
    let expected = "error: another apply tries for cluster \"orders\": someone, seen at host2:7000. Nothing was done; run it again when that one has ended.\n";
    assert!(said.contains(expected), "{said}");
    drop(stranger);
    let user = least::user_name();
    servers.ok("host2:7000", &["ACL", "SETUSER", user, "-subscribe"]);
    let refused = rcl.run(&["apply", "--yes"]).code(1);
    let said = refused.stderr();
    let expected =
        "can't be had on every node that it takes. Nothing was done.\n  host2:7000: NOPERM";
    assert!(said.contains(expected), "{said}");
    servers.ok("host2:7000", &["ACL", "SETUSER", user, "+subscribe"]);
    rcl.run(&["apply", "--yes"]).code(0);
    rcl.run(&["apply", "--yes"]).success();
}
