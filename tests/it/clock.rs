//! Clocks that are set in the midst of a move: that of rcl's machine, and those of nodes. What rcl counts goes by a
//! clock that nobody sets; a node that is set ahead takes all others for silent until it has heard of them again.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::clock::Clock;
use crate::support::traffic::Data;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, ServerKind, Servers, Shard, Stage, judge, wait};

const KEYS: usize = 3000;

const GIVER: &str = "host1:7000";
const TAKER: &str = "host1:7001";

/// Runs that a cluster may need in which somebody was taken for dead: views have to settle first.
const RUNS: usize = 8;

fn shifted() -> Vec<Shard> {
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, 5161)];
    shards[1].slots = vec![(5162, 10922)];
    shards
}

/// 300 slots are to move so slowly that something can happen meanwhile.
fn declare(stage: &Stage) {
    let yaml = Yaml::new(&stage.servers, &shifted());
    stage.file(&format!(
        "{yaml}policy: {{move: {{engine: classic, batch: 1, pause: 50ms}}}}\n"
    ));
}

/// Forty days ahead, then forty behind. The journal's stamps show that rcl's clock was set.
fn of_rcl(kind: ServerKind) {
    let mut stage = Stage::seed(Servers::prepare(kind));
    let (data, values) = Data::write(&stage.servers, KEYS);
    let mut rcl = Rcl::new();
    let clock = Clock::new(rcl.folder());
    for (variable, value) in clock.variables() {
        rcl = rcl.env(variable, &value.display().to_string());
    }
    stage.rcl = rcl;
    declare(&stage);
    let arguments = ["apply", "--yes", "-v", "--journal", "journal"];
    let mut apply = stage.rcl.start(&arguments);
    apply.expect("MIGRATE ");
    clock.set("+40d");
    apply.expect("MIGRATE ").expect("MIGRATE ");
    clock.set("-40d");
    apply.expect("MIGRATE ").expect("MIGRATE ");
    apply.end().code(0);
    let journal = fs::read_to_string(stage.rcl.path("journal")).expect("a journal");
    let months: BTreeSet<String> = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter_map(|line| Some(line["at"].as_str()?.get(..7)?.to_owned()))
        .collect();
    assert!(months.len() >= 3, "{months:?}");
    stage.repairs(&shifted());
    data.assert_kept(&stage.servers, &values);
}

#[test]
fn of_rcl_on_redis() {
    of_rcl(ServerKind::Redis70);
}

/// A node's clock is set by this much in the midst of a move. However that run ends, a later one completes it.
fn of_a_node(kind: ServerKind, node: &str, jump: &str) {
    let stage = Stage::seed(Servers::prepare(kind).with_clocks());
    let (data, values) = Data::write(&stage.servers, KEYS);
    declare(&stage);
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("MIGRATE ");
    let right = seconds(&stage, node);
    stage.servers.clock(node).set(jump);
    wait::until("the clock to be set", || {
        let wrong = seconds(&stage, node);
        let set = right.abs_diff(wrong) > 3000;
        set.then_some(()).ok_or(format!("{right} and {wrong}"))
    });
    let (exit, said) = apply.end().whatever();
    if exit != Some(0) {
        let done = (0..RUNS).any(|_| stage.rcl.run(&["apply", "--yes"]).is_code(0));
        assert!(done, "{}", said.stderr());
    }
    stage.rcl.run(&["plan", "--detailed-exitcode"]).code(0);
    judge::wait_until_matches(&stage.servers, &shifted());
    let mut lost = data.lost(&stage.servers, &values);
    lost.retain(|(number, found)| !expires_by_another_clock(&values[number], found));
    assert!(lost.is_empty(), "{lost:?}");
}

/// MIGRATE sends how long a key has to live, and the target counts that from its own time.
fn expires_by_another_clock(written: &redis::Value, found: &str) -> bool {
    let redis::Value::Int(written) = written else {
        return false;
    };
    let found: String = found.chars().filter(char::is_ascii_digit).collect();
    let found = found.parse::<i64>().ok();
    found.is_some_and(|found| (3500..3700).contains(&(found.abs_diff(*written) / 1000)))
}

/// By a node's own clock.
#[track_caller]
fn seconds(stage: &Stage, node: &str) -> i64 {
    let time = stage.servers.call(node, &["TIME"]).array();
    let seconds = time[0].clone().text();
    seconds.parse().expect("a time")
}

#[test]
fn of_the_giver_an_hour_ahead() {
    of_a_node(ServerKind::Redis82, GIVER, "+1h");
}

#[test]
fn of_the_giver_an_hour_back() {
    of_a_node(ServerKind::Valkey81, GIVER, "-1h");
}

#[test]
fn of_the_taker_an_hour_ahead() {
    of_a_node(ServerKind::Valkey91, TAKER, "+1h");
}

#[test]
fn of_the_taker_an_hour_back() {
    of_a_node(ServerKind::Redis82, TAKER, "-1h");
}
