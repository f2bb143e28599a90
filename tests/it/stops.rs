//! Ctrl-C in the midst of a classic move whose open slots can't come to their end soon: what stays open is named,
//! and the next apply finishes it.

use crate::support::resp::Value;
use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge};

const GIVER: &str = "host1:7000";

const KEYS: usize = 2000;

/// So many keys in one slot, which goes away key by key: for minutes.
struct Crowded {
    stage: Stage,
    slot: u16,
    keys: Vec<String>,
}

impl Crowded {
    fn new() -> Self {
        let stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
        let (tag, slot) = (0..)
            .map(|number| format!("t{number}"))
            .map(|tag| {
                let slot = crate::support::shards::slot_of(tag.as_bytes());
                (tag, slot)
            })
            .find(|(_, slot)| (5000..5462).contains(slot))
            .expect("such a tag");
        let keys: Vec<String> = (0..KEYS)
            .map(|number| format!("{{{tag}}}{number}"))
            .collect();
        let writes: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key, key]).collect();
        let writes: Vec<&[&str]> = writes.iter().map(<[&str; 3]>::as_slice).collect();
        let mut client = judge::connect(stage.servers.address(GIVER));
        client.pipeline(&writes).expect("they are written");
        let crowded = Self { stage, slot, keys };
        crowded.declare("{engine: classic, batch: 1, pause: 100ms}");
        crowded
    }

    fn shards(&self) -> Vec<Shard> {
        let mut shards = Shard::seed();
        shards[0].slots = vec![(0, self.slot - 1)];
        shards[1].slots = vec![(self.slot, 10922)];
        shards
    }

    fn declare(&self, moves: &str) {
        let yaml = Yaml::new(&self.stage.servers, &self.shards());
        self.stage
            .file(&format!("{yaml}policy: {{move: {moves}}}\n"));
    }

    /// It says so, it is so, and nothing is lost over it.
    #[track_caller]
    fn finish(mut self, said: &str) {
        let line = said.lines().find(|line| line.contains(" has slots "));
        let line = line.unwrap_or_else(|| panic!("nothing is named:\n{said}"));
        assert!(
            line.contains(GIVER) && line.ends_with(" open towards host1:7001"),
            "{line}"
        );
        let told = |line: &str| line.contains(" of ") && line.ends_with(" moved");
        let moved = said.lines().any(told);
        assert!(moved, "how far it came:\n{said}");
        let open = judge::cluster_nodes(self.stage.servers.address(GIVER));
        let open: Vec<String> = open
            .iter()
            .flat_map(|line| line.open.iter().map(|open| format!("{open:?}")))
            .collect();
        assert!(!open.is_empty(), "nothing is open: {line}");
        self.declare("{engine: classic}");
        let shards = self.shards();
        self.stage.repairs(&shards);
        let mut client = judge::connect(self.stage.servers.address("host1:7001"));
        let reads: Vec<[&str; 2]> = self.keys.iter().map(|key| ["GET", key]).collect();
        let reads: Vec<&[&str]> = reads.iter().map(<[&str; 2]>::as_slice).collect();
        let found = client.pipeline(&reads).expect("they are read");
        let wanted: Vec<Value> = self.keys.iter().cloned().map(Value::Bulk).collect();
        assert!(found == wanted, "values differ");
    }
}

#[test]
fn once_and_there_is_too_much_to_finish_on_redis() {
    let crowded = Crowded::new();
    let mut apply = crowded.stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("MIGRATE");
    apply.interrupt();
    // It ends by itself after ten seconds; key by key it would be three minutes.
    let ended = apply.end().code(1);
    let said = ended.stderr().to_owned();
    assert!(said.contains("Apply interrupted"), "{said}");
    crowded.finish(&said);
}

#[test]
fn twice_and_it_stops_where_it_stands_on_redis() {
    let crowded = Crowded::new();
    let arguments = ["apply", "--yes", "-v", "--journal", "run.jsonl"];
    let mut apply = crowded.stage.rcl.start(&arguments);
    apply.expect("MIGRATE");
    apply.interrupt();
    apply.expect("Stopping").interrupt();
    let ended = apply.end().code(1);
    let said = ended.stderr().to_owned();
    let journal = std::fs::read_to_string(crowded.stage.rcl.path("run.jsonl")).expect("a journal");
    let lines = |kind: &str| {
        let kind = format!("\"kind\":\"{kind}\"");
        journal.lines().filter(|line| line.contains(&kind)).count()
    };
    // Of what was under way too.
    assert_eq!(lines("sent"), lines("answered"));
    assert_eq!(lines("step_ended"), 1);
    crowded.finish(&said);
}

/// What keeps replicas in their places is lowered for the move. Nobody has declared it, so rcl says who puts it back.
#[test]
fn twice_and_what_was_lowered_is_named_on_redis() {
    const OPTION: [&str; 3] = ["CONFIG", "GET", "cluster-allow-replica-migration"];
    let mut crowded = Crowded::new();
    let mut shards = Shard::seed();
    shards[0].slots = Vec::new();
    shards[1].slots = vec![(0, 10922)];
    let yaml = Yaml::new(&crowded.stage.servers, &shards);
    let declare = |moves: &str| format!("{yaml}policy: {{move: {moves}}}\n");
    crowded
        .stage
        .file(&declare("{engine: classic, batch: 1, pause: 100ms}"));
    let mut apply = crowded.stage.rcl.start(&["apply", "--yes", "-v"]);
    apply.expect("MIGRATE");
    apply.interrupt();
    apply.expect("Stopping").interrupt();
    let said = apply.end().code(1).stderr().to_owned();
    let nodes = crowded.stage.servers.running();
    for node in &nodes {
        let value = crowded.stage.servers.call(node, &OPTION);
        assert!(format!("{value:?}").contains("no"), "{node}: {value:?}");
        let back = format!("{node}> CONFIG SET cluster-allow-replica-migration yes");
        assert!(said.contains(&back), "{said}");
    }
    assert!(said.contains("no later `rcl apply` does it"), "{said}");
    let plan = crowded.stage.run(&["plan"], 0);
    assert!(
        plan.contains("cluster-allow-replica-migration is off at"),
        "{plan}"
    );
    for node in &nodes {
        let back = ["CONFIG", "SET", "cluster-allow-replica-migration", "yes"];
        crowded.stage.servers.call(node, &back);
    }
    crowded.stage.file(&declare("{engine: classic}"));
    crowded.stage.repairs(&shards);
    let plan = crowded.stage.run(&["plan"], 0);
    assert!(!plan.contains("cluster-allow-replica-migration"), "{plan}");
}
