//! Moves that Valkey carries out by itself, whoever began them: waited for by everything that they are in the way
//! of, told of, and never cancelled unless they are rcl's own.

use crate::support::traffic::{Data, Traffic, keys_at_primaries};
use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge, wait};

const KEYS: usize = 1500;

const GIVER: &str = "host1:7000";
const TAKER: &str = "host1:7001";

/// The slots of the first shard from here on go to the second.
fn shifted(first: u16) -> Vec<Shard> {
    let mut shards = Shard::seed();
    shards[0].slots = vec![(0, first - 1)];
    shards[1].slots = vec![(first, 10922)];
    shards
}

fn with_engine(stage: &Stage, shards: &[Shard], engine: &str) {
    let yaml = Yaml::new(&stage.servers, shards);
    stage.file(&format!("{yaml}policy: {{move: {{engine: {engine}}}}}\n"));
}

/// A cluster with data, whose jobs take so many microseconds for each key.
fn slow(micros: u32) -> Stage {
    let stage = Stage::seed(Servers::prepare(ServerKind::Valkey91));
    pace(&stage, micros);
    stage
}

/// Of jobs that begin from now on.
fn pace(stage: &Stage, micros: u32) {
    stage.tell_everyone(&format!("CONFIG SET rdb-key-save-delay {micros}"));
}

/// A few keys outlive whatever a test does beside them.
const FOR_EVER: u32 = 5_000_000;

/// Somebody else's job, of the slots up to this one.
fn begin_job(stage: &Stage, last: u16) {
    let target = stage.servers.id(TAKER);
    let job = format!("CLUSTER MIGRATESLOTS SLOTSRANGE 0 {last} NODE {target}");
    stage.tell(GIVER, &job);
}

/// What a person does whom atomic moves keep failing: the file asks for classic ones while the job still runs.
#[test]
fn killed_beside_a_job_and_then_classic_on_valkey() {
    let stage = slow(4000);
    let (data, values) = Data::write(&stage.servers, KEYS);
    let traffic = Traffic::start(&stage.servers);
    with_engine(&stage, &shifted(3000), "atomic");
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("CLUSTER MIGRATESLOTS");
    apply.kill();
    with_engine(&stage, &shifted(3000), "classic");
    stage.rcl.run_again(&["apply", "--yes"]);
    judge::assert_matches(&stage.servers, &shifted(3000));
    stage.rcl.run(&["plan", "--detailed-exitcode"]).success();
    traffic.end();
    data.assert_kept(&stage.servers, &values);
}

/// The job comes to nothing: then the slots move by the other engine.
#[test]
fn a_job_that_fails_and_then_classic_on_valkey() {
    let mut stage = slow(FOR_EVER);
    let (data, values) = Data::write(&stage.servers, KEYS);
    begin_job(&stage, 99);
    with_engine(&stage, &shifted(3000), "classic");
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("wait while host1:7000 moves slots 0-99 to ");
    stage.tell(GIVER, "CLUSTER CANCELSLOTMIGRATIONS");
    let ended = apply.end().code(0);
    let said = ended.stderr();
    assert!(
        ended.stdout().contains(" 1 waited for "),
        "{}",
        ended.stdout()
    );
    assert!(said.contains("MIGRATE"), "{said}");
    judge::assert_matches(&stage.servers, &shifted(3000));
    stage.matches();
    data.assert_kept(&stage.servers, &values);
}

/// Nothing differs, but slots are on their way: that is no match, and apply waits until it is known what becomes of it.
#[test]
fn nothing_but_a_strangers_job_on_valkey() {
    let mut stage = slow(FOR_EVER);
    let (data, values) = Data::write(&stage.servers, KEYS);
    begin_job(&stage, 99);
    let plan = stage.run(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains("1 to wait for.\n"), "{plan}");
    assert!(!plan.contains("matches"), "{plan}");
    // It comes to nothing.
    let mut apply = stage.rcl.start(&["apply", "--yes"]);
    apply.expect("wait while host1:7000 moves slots 0-99 to ");
    stage.tell(GIVER, "CLUSTER CANCELSLOTMIGRATIONS");
    let ended = apply.end().code(0);
    let complete = "Apply complete! 1 waited for in ";
    assert!(ended.stdout().contains(complete), "{}", ended.stdout());
    stage.matches();
    // It succeeds, and then the file wants the slots back.
    pace(&stage, 300_000);
    begin_job(&stage, 99);
    let (code, said) = stage.rcl.run(&["apply", "--yes"]).whatever();
    match code {
        Some(1) => {
            let left = "The cluster is not as the file says yet:\n";
            assert!(said.stdout().contains(left), "{}", said.stdout());
        }
        // It was over before anybody looked, and the slots are back.
        code => assert_eq!(code, Some(0), "{}", said.stderr()),
    }
    pace(&stage, 0);
    stage.repairs(&Shard::seed());
    data.assert_kept(&stage.servers, &values);
}

/// Ctrl-C waits for nobody else's job, and cancels none. What goes on without rcl is told at the end.
#[test]
fn stopped_beside_a_strangers_job_on_valkey() {
    let mut stage = slow(FOR_EVER);
    Data::write(&stage.servers, KEYS);
    begin_job(&stage, 99);
    let mut apply = stage.rcl.start(&["apply", "--yes"]);
    apply.expect("wait while host1:7000 moves slots 0-99 to ");
    apply.interrupt();
    let ended = apply.end().code(1);
    let told = stage.redact(ended.stdout());
    let goes_on = "rcl.yaml: note: host1:7000 is moving slots 0-99 to host1:7001 by itself now (";
    assert!(told.contains(goes_on), "{told}");
    assert!(
        ended.stderr().contains("Apply interrupted"),
        "{}",
        ended.stderr()
    );
    assert!(stage.jobs(GIVER)[0] != "cancelled");
    stage.tell(GIVER, "CLUSTER CANCELSLOTMIGRATIONS");
}

/// Ctrl-C in the midst of our own job: it is cancelled, and over at both ends before rcl is.
#[test]
fn stopped_in_a_job_of_its_own_on_valkey() {
    let stage = slow(FOR_EVER);
    let (data, values) = Data::write(&stage.servers, KEYS);
    with_engine(&stage, &shifted(3000), "atomic");
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("CLUSTER MIGRATESLOTS");
    stage.wait_for_job(GIVER, "snapshotting");
    apply.interrupt();
    let ended = apply.end().code(1);
    let said = ended.stderr();
    assert!(said.contains("CLUSTER CANCELSLOTMIGRATIONS"), "{said}");
    assert!(!said.contains("still has a job under way"), "{said}");
    for node in [GIVER, TAKER] {
        let jobs = stage.jobs(node);
        let over = matches!(jobs.as_slice(), [one] if one == "cancelled" || one == "failed");
        assert!(over, "{node}: {jobs:?}");
    }
    judge::assert_matches(&stage.servers, &Shard::seed());
    let keys = i64::try_from(KEYS).expect("few keys");
    assert_eq!(keys_at_primaries(&stage.servers), keys);
    data.assert_kept(&stage.servers, &values);
    pace(&stage, 0);
    stage.rcl.run(&["apply", "--yes"]).code(0);
    judge::assert_matches(&stage.servers, &shifted(3000));
    data.assert_kept(&stage.servers, &values);
}

/// How often the giver was asked for its jobs.
fn asked_for_jobs(stage: &Stage) -> u64 {
    let info = stage.servers.call(GIVER, &["INFO", "commandstats"]).text();
    let calls = "cmdstat_cluster|getslotmigrations:calls=";
    let line = info.lines().find_map(|line| line.strip_prefix(calls));
    let count = line.and_then(|rest| rest.split(',').next()?.parse().ok());
    count.expect("somebody has asked")
}

/// A second Ctrl-C names what goes on. Beside somebody else's job our own can't be cancelled.
#[test]
fn stopped_twice_beside_a_job_on_valkey() {
    let mut stage = slow(FOR_EVER);
    let (data, values) = Data::write(&stage.servers, KEYS);
    begin_job(&stage, 99);
    with_engine(&stage, &shifted(3000), "atomic");
    let mut apply = stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("move ");
    stage.wait_for_job(GIVER, "snapshotting");
    // The second question is asked once the first is answered: then rcl knows of the job.
    let before = asked_for_jobs(&stage);
    wait::until("rcl to ask for jobs twice", || {
        let since = asked_for_jobs(&stage) - before;
        (since > 1).then_some(()).ok_or(since.to_string())
    });
    apply.interrupt();
    apply.expect("Stopping").interrupt();
    let ended = apply.end().code(1);
    let said = ended.stderr();
    let left = "host1:7000 still has a job under way, which goes on by itself";
    assert!(said.contains(left), "{said}");
    let told = stage.redact(ended.stdout());
    let goes_on = "rcl.yaml: note: host1:7000 is moving slots 0-99 to host1:7001 by itself now (";
    assert!(told.contains(goes_on), "{told}");
    assert!(stage.jobs(GIVER)[0] != "cancelled");
    stage.tell(GIVER, "CLUSTER CANCELSLOTMIGRATIONS");
    data.assert_kept(&stage.servers, &values);
}
