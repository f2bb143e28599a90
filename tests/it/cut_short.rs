//! rcl ends in the midst of a move, at every command that it sends and at every answer: a limit on the bytes of its
//! journal, which has a line before each command and one after it, has the kernel end it at that very write. The
//! next apply finishes the move, with every value as it was.
//!
//! At every command of a story of a few keys, and at a sample of those of one with 5,000 keys in a slot: at 8, or at
//! 64 with RCL_SOAK set. Each time other slots move, and none comes back to who gave it away: Redis 7.0 may lose one
//! that does (docs/steps.md says why), with any tool.

use crate::support::resp::Value;
use crate::support::shards::slot_of;
use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, judge};

const HOME: &str = "host1:7000";
const AWAY: &str = "host1:7001";

const JOURNAL: &str = "journal.jsonl";

const APPLY: [&str; 4] = ["apply", "--yes", "--journal", JOURNAL];

/// So many slots move each time, the last that the first primary has.
const SLOTS: u16 = 62;

struct Story {
    stage: Stage,
    crowds: Vec<usize>,
    policy: String,
    /// How often slots were moved.
    moves: u16,
    /// Those in the slots that move this time.
    keys: Vec<String>,
    /// Of all times.
    count: usize,
}

impl Story {
    /// So many keys in each of so many slots, moved by these rules.
    fn new(kind: ServerKind, crowds: &[usize], policy: &str) -> Self {
        Self {
            stage: Stage::seed(Servers::prepare(kind)),
            crowds: crowds.to_vec(),
            policy: format!("policy: {{move: {policy}}}\n"),
            moves: 0,
            keys: Vec::new(),
            count: 0,
        }
    }

    /// The first of the slots that have moved so far.
    fn first(&self) -> u16 {
        5462 - SLOTS * self.moves
    }

    fn shards(&self) -> Vec<Shard> {
        let mut shards = Shard::seed();
        shards[0].slots = vec![(0, self.first() - 1)];
        shards[1].slots = vec![(self.first(), 10922)];
        shards
    }

    /// Other slots are to move, with new keys in them and an empty journal.
    fn turn(&mut self) {
        self.moves += 1;
        let slots = self.first()..self.first() + SLOTS;
        let mut tags = (0..)
            .map(|number| format!("t{number}"))
            .filter(|tag| slots.contains(&slot_of(tag.as_bytes())));
        let crowds = self.crowds.iter();
        self.keys = crowds
            .flat_map(|crowd| {
                let tag = tags.next().expect("tags never end");
                (0..*crowd).map(move |number| format!("{{{tag}}}{number}"))
            })
            .collect();
        self.count += self.keys.len();
        let writes: Vec<[&str; 3]> = self.keys.iter().map(|key| ["SET", key, key]).collect();
        let writes: Vec<&[&str]> = writes.iter().map(<[&str; 3]>::as_slice).collect();
        let mut client = judge::connect(self.stage.servers.address(HOME));
        let told = client.pipeline(&writes).expect("they are written");
        assert!(
            told.iter()
                .all(|reply| *reply == Value::Simple("OK".to_owned()))
        );
        let yaml = Yaml::new(&self.stage.servers, &self.shards());
        self.stage.file(&format!("{yaml}{}", self.policy));
        let _ = std::fs::remove_file(self.stage.rcl.path(JOURNAL));
    }

    #[track_caller]
    fn journal(&self) -> String {
        std::fs::read_to_string(self.stage.rcl.path(JOURNAL)).expect("a journal")
    }

    /// The bytes that are written before each command, and before each answer, of a run that nothing ends. Commands
    /// that go out together are written in one piece.
    #[track_caller]
    fn moments(&mut self) -> Vec<u64> {
        self.turn();
        self.stage.rcl.run(&APPLY).code(0);
        let journal = self.journal();
        let kind = |line: &str| {
            line.split("\"kind\":\"")
                .nth(1)
                .map(|rest| rest[..4].to_owned())
        };
        let (mut moments, mut bytes, mut last) = (Vec::new(), 0, None);
        for line in journal.lines() {
            let kind = kind(line);
            if kind != last {
                moments.push(bytes);
            }
            bytes += line.len() as u64 + 1;
            last = kind;
        }
        moments
    }

    #[track_caller]
    fn dies_at(&mut self, moment: u64) -> bool {
        self.turn();
        // In the midst of the first line of it: other runs have times of other lengths in their journals.
        let ended = self.stage.rcl.run_until_written(moment + 150, &APPLY);
        let killed = ended.exit().is_none();
        drop(ended);
        self.stage.rcl.run_again(&["apply", "--yes"]);
        judge::assert_matches(&self.stage.servers, &self.shards());
        self.assert_kept();
        killed
    }

    /// Each key that was to move has its value at the new owner, and nobody has one too many.
    #[track_caller]
    fn assert_kept(&self) {
        let mut client = judge::connect(self.stage.servers.address(AWAY));
        let reads: Vec<[&str; 2]> = self.keys.iter().map(|key| ["GET", key]).collect();
        let reads: Vec<&[&str]> = reads.iter().map(<[&str; 2]>::as_slice).collect();
        let found = client.pipeline(&reads).expect("they are read");
        let wanted = self.keys.iter().cloned().map(Value::Bulk);
        let lost = found
            .iter()
            .zip(wanted)
            .filter(|(found, wanted)| *found != wanted);
        assert_eq!(lost.count(), 0, "keys are lost");
        let count = i64::try_from(self.count).expect("not so many");
        assert_eq!(self.stage.keys(AWAY), count);
        assert_eq!(self.stage.keys(HOME), 0);
    }

    /// At so many of the moments, spread evenly.
    #[track_caller]
    #[expect(clippy::print_stdout, reason = "shown when the test fails")]
    fn dies_at_some(mut self, most: usize) {
        let moments = self.moments();
        let count = most.min(moments.len());
        let mut killed = 0;
        for number in 0..count {
            let moment = moments[number * moments.len() / count];
            println!("ends at byte {moment}, {number} of {count}");
            killed += usize::from(self.dies_at(moment));
        }
        // A run may write a little less than the first one did.
        assert!(killed + 3 >= count && killed > 4, "{killed} of {count}");
        self.stage.matches();
        judge::redis_cli_check(self.stage.servers.address(HOME));
    }
}

fn everywhere(kind: ServerKind, engine: &str) {
    let policy = format!("{{engine: {engine}, batch: 1}}");
    Story::new(kind, &[2, 1], &policy).dies_at_some(usize::MAX);
}

fn in_a_crowd(kind: ServerKind) {
    let moments = if std::env::var_os("RCL_SOAK").is_some() {
        64
    } else {
        8
    };
    Story::new(kind, &[5000], "{engine: classic}").dies_at_some(moments);
}

#[test]
fn everywhere_on_redis_7_0() {
    everywhere(ServerKind::Redis70, "classic");
}

#[test]
fn everywhere_on_valkey_9_1() {
    everywhere(ServerKind::Valkey91, "atomic");
}

#[test]
fn with_many_keys_in_a_slot_on_redis_7_0() {
    in_a_crowd(ServerKind::Redis70);
}

#[test]
fn with_many_keys_in_a_slot_on_valkey_8_1() {
    in_a_crowd(ServerKind::Valkey81);
}
