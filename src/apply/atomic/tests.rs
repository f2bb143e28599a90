//! What an atomic move sends to two servers that tell of their jobs, when it gives up, and what a stop does.

use std::collections::VecDeque;

use super::*;
use crate::base::Address;
use crate::plan::Engine;

const SLOTS: &str = "0-9";

fn id(digit: char) -> NodeId {
    digit.to_string().repeat(40).parse().unwrap()
}

fn transfer() -> Transfer {
    let address: Address = "127.0.0.1:7001".parse().unwrap();
    Transfer {
        source: id('a'),
        target: id('b'),
        address,
        login: None,
        slots: SLOTS.parse().unwrap(),
        open: SlotSet::new(),
        torn: SlotSet::new(),
        engine: Engine::Atomic,
    }
}

/// A job, with what its ends tell of it at one look after the other; the last word stays.
struct Told {
    slots: &'static str,
    source: VecDeque<&'static str>,
    target: VecDeque<&'static str>,
}

impl Told {
    fn new(slots: &'static str, source: &[&'static str], target: &[&'static str]) -> Self {
        Self {
            slots,
            source: source.iter().copied().collect(),
            target: target.iter().copied().collect(),
        }
    }
}

/// Two servers. A job that is begun goes as `begun` says.
struct Pair {
    jobs: Vec<Told>,
    begun: fn() -> Told,
    sent: Vec<String>,
    replies: Vec<Reply>,
}

/// A field of a reply.
fn text(words: &str) -> Reply {
    Reply::Text(words.to_owned())
}

fn next_word(words: &mut VecDeque<&'static str>) -> &'static str {
    match words.len() {
        1 => words[0],
        _ => words.pop_front().unwrap(),
    }
}

impl Pair {
    fn new(begun: fn() -> Told) -> Self {
        Self {
            jobs: Vec::new(),
            begun,
            sent: Vec::new(),
            replies: Vec::new(),
        }
    }

    fn serve(&mut self, node: NodeId, command: &Command) -> Reply {
        let command = command.to_string();
        let taker = node == id('b');
        match command.split(' ').nth(1).unwrap() {
            "GETSLOTMIGRATIONS" => Reply::List(self.told(taker)),
            "NODES" => {
                let moved = self.jobs.iter().any(|job| job.source == ["success"]);
                let owned = |owns: bool| {
                    if owns {
                        format!(" {SLOTS}")
                    } else {
                        String::new()
                    }
                };
                let (a, b) = (owned(!moved), owned(moved));
                let (source, target) = (transfer().source, transfer().target);
                text(&format!(
                    "{source} 127.0.0.1:7000@17000 myself,master - 0 0 1 connected{a}\n{target} 127.0.0.1:7001@17001 master - 0 0 2 connected{b}\n"
                ))
            }
            "COUNTKEYSINSLOT" => {
                let busy = self.jobs.iter().any(|job| job.target[0] == "cleaning-up");
                Reply::Integer(i64::from(busy))
            }
            "MIGRATESLOTS" => {
                self.sent.push(command);
                self.jobs.insert(0, (self.begun)());
                Reply::ok()
            }
            "CANCELSLOTMIGRATIONS" => {
                self.sent.push(command);
                for job in &mut self.jobs {
                    job.source = VecDeque::from(["cancelled"]);
                    job.target = VecDeque::from(["cleaning-up", "cleaning-up", "cancelled"]);
                }
                Reply::ok()
            }
            other => panic!("{other}"),
        }
    }

    fn told(&mut self, taker: bool) -> Vec<Reply> {
        let side = if taker { "IMPORT" } else { "EXPORT" };
        let jobs = self.jobs.iter_mut().map(|job| {
            let words = if taker {
                &mut job.target
            } else {
                &mut job.source
            };
            let state = next_word(words);
            let message = match state {
                "failed" => "Connection lost to target",
                _ => "",
            };
            let fields = [
                ("operation", side),
                ("slot_ranges", job.slots),
                ("source_node", &id('a').to_string()),
                ("target_node", &id('b').to_string()),
                ("state", state),
                ("message", message),
            ];
            Reply::List(
                fields
                    .into_iter()
                    .flat_map(|(name, value)| [text(name), text(value)])
                    .collect(),
            )
        });
        jobs.collect()
    }

    /// So many rounds; whether it has come to its end by then.
    fn run(&mut self, atomic: &mut Atomic<'_>, rounds: usize) -> Result<bool, Failure> {
        for _ in 0..rounds {
            let replies = std::mem::take(&mut self.replies);
            match atomic.next(&replies)? {
                Todo::Call { node, commands } => {
                    self.replies = commands
                        .iter()
                        .map(|command| self.serve(node, command))
                        .collect();
                }
                Todo::Wait(_) => {}
                Todo::Done => return Ok(true),
                other @ Todo::Repeat { .. } => panic!("{other:?}"),
            }
        }
        Ok(false)
    }

    fn begins(&self) -> usize {
        let sent = self.sent.iter();
        sent.filter(|command| command.contains("MIGRATESLOTS"))
            .count()
    }

    fn cancels(&self) -> usize {
        let sent = self.sent.iter();
        sent.filter(|command| command.contains("CANCEL")).count()
    }
}

const ENOUGH: usize = 200;

fn running() -> Told {
    Told::new(SLOTS, &["snapshotting"], &["receiving-snapshot"])
}

#[test]
fn a_job_that_ends_well_is_begun_once() {
    let transfer = transfer();
    let mut atomic = Atomic::new(
        &transfer,
        Load {
            keys: 7,
            bytes: 700,
        },
    );
    let mut pair = Pair::new(|| {
        Told::new(
            SLOTS,
            &["snapshotting", "failover-granted", "success"],
            &["failover-granted", "success"],
        )
    });
    assert!(pair.run(&mut atomic, ENOUGH).unwrap());
    let ranges = format!("CLUSTER MIGRATESLOTS SLOTSRANGE 0 9 NODE {}", id('b'));
    assert_eq!(pair.sent, [ranges]);
    assert_eq!((&atomic.moved, atomic.keys), (&transfer.slots, 7));
    assert!(!atomic.goes_on());
}

#[test]
fn what_fails_three_times_is_told_in_the_servers_words() {
    let transfer = transfer();
    let mut atomic = Atomic::new(&transfer, Load::default());
    let mut pair = Pair::new(|| Told::new(SLOTS, &["snapshotting", "failed"], &["failed"]));
    let failure = pair.run(&mut atomic, ENOUGH).unwrap_err();
    assert_eq!(pair.begins(), 3);
    let words = format!("{failure:?}");
    assert!(words.contains("Connection lost to target"), "{words}");
    assert!(words.contains("Refused"), "{words}");
    assert_eq!(pair.cancels(), 0);
}

/// The target drops what it took before the next attempt: these keys are nobody's stray ones.
#[test]
fn what_a_failed_job_leaves_is_waited_for() {
    let transfer = transfer();
    let mut atomic = Atomic::new(&transfer, Load::default());
    let mut pair = Pair::new(|| {
        let cleaning = ["cleaning-up", "cleaning-up", "cleaning-up", "failed"];
        Told::new(SLOTS, &["failed"], &cleaning)
    });
    let failure = pair.run(&mut atomic, ENOUGH).unwrap_err();
    assert_eq!(pair.begins(), 3, "{failure:?}");
}

/// From when it is sent: nobody who is cut off then has looked yet.
#[test]
fn what_was_asked_for_may_be_under_way() {
    let transfer = transfer();
    let mut atomic = Atomic::new(&transfer, Load::default());
    let mut pair = Pair::new(running);
    while pair.begins() == 0 {
        assert!(!atomic.goes_on());
        pair.run(&mut atomic, 1).unwrap();
    }
    assert!(atomic.goes_on());
}

/// A stop cancels the job that this run has begun, and waits until both ends are done with it.
#[test]
fn a_stop_cancels_our_own_job() {
    let transfer = transfer();
    let mut atomic = Atomic::new(&transfer, Load::default());
    let mut pair = Pair::new(running);
    assert!(!pair.run(&mut atomic, ENOUGH).unwrap());
    atomic.stop();
    assert!(pair.run(&mut atomic, ENOUGH).unwrap());
    assert_eq!((pair.begins(), pair.cancels()), (1, 1));
    assert_eq!(
        pair.jobs[0].target,
        ["cancelled"],
        "it has looked at the target"
    );
    assert!(atomic.moved.is_empty() && !atomic.goes_on());
}

/// The command ends all jobs of the source: beside another one it is not sent.
#[test]
fn a_stop_cancels_nothing_beside_a_strangers_job() {
    let transfer = transfer();
    let mut atomic = Atomic::new(&transfer, Load::default());
    let mut pair = Pair::new(running);
    assert!(!pair.run(&mut atomic, ENOUGH).unwrap());
    pair.jobs.insert(
        0,
        Told::new("20-29", &["snapshotting"], &["receiving-snapshot"]),
    );
    atomic.stop();
    assert!(!pair.run(&mut atomic, ENOUGH).unwrap());
    assert_eq!(pair.cancels(), 0);
    assert!(atomic.goes_on());
}

/// Nor is one that was found, even if it moves what this run wants moved.
#[test]
fn a_stop_cancels_no_job_that_was_found() {
    let transfer = transfer();
    let mut atomic = Atomic::new(&transfer, Load::default());
    let mut pair = Pair::new(running);
    pair.jobs.push(running());
    assert!(!pair.run(&mut atomic, ENOUGH).unwrap());
    atomic.stop();
    assert!(!pair.run(&mut atomic, ENOUGH).unwrap());
    assert_eq!(pair.sent, [""; 0]);
    // It ends by itself, and nothing is begun after it.
    pair.jobs[0].source = VecDeque::from(["failed"]);
    pair.jobs[0].target = VecDeque::from(["failed"]);
    assert!(pair.run(&mut atomic, ENOUGH).unwrap());
    assert_eq!(pair.sent, [""; 0]);
}
