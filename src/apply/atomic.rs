//! An atomic move (Valkey 9.0 and later) as a state machine without I/O: the source is told once,
//! and watched until its job has ended.
//!
//! A job outlives whoever began it, and no CLUSTER NODES shows it. So running jobs of the same
//! source are always waited for first, and what is left is told by who owns the slots.

use std::time::Duration;

use crate::base::{Command, NodeId, Reply, Role, SlotSet};
use crate::observed::{Job, JobState, Side};
use crate::plan::{Load, Transfer};

use super::event::JobHeadway;
use super::mover::{Failure, Todo, number, stray, table};

/// Between two looks at a job.
const PAUSE: Duration = Duration::from_millis(30);

/// A server that fails a job has cleaned up after it, so trying again is safe.
const TRIES: u32 = 3;

/// Every so many looks the target's keys are counted: half a second.
const COUNT_EVERY: u32 = 16;

/// Looks without any change, after which a job counts as stuck: two minutes.
const PATIENCE: u32 = 4000;

#[derive(Debug)]
enum Stage {
    Watch,
    /// The target's jobs, once the source's have ended: one that failed is cleaned up there. With what
    /// the source still owns.
    Taker(SlotSet),
    /// The target's keys of the slots that are to move.
    Count(SlotSet),
    Begin,
    Cancel,
    /// The same while the job runs: how far it has come.
    Follow,
}

/// The move of one pair.
#[derive(Debug)]
pub(super) struct Atomic<'a> {
    transfer: &'a Transfer,
    load: Load,
    stage: Option<Stage>,
    /// What was asked for last.
    asked: Option<(Command, SlotSet)>,
    tries: u32,
    /// The jobs as last seen, and how often they looked the same.
    seen: Vec<Job>,
    /// One was asked for, and not looked for since.
    unseen: bool,
    still: u32,
    looks: u32,
    failed: Option<String>,
    unanswered: u32,
    stopping: bool,
    cancelled: bool,
    pub(super) moved: SlotSet,
    /// As the target counts them; in the end as the plan has counted them.
    pub(super) keys: u64,
}

impl<'a> Atomic<'a> {
    pub(super) fn new(transfer: &'a Transfer, load: Load) -> Self {
        Self {
            transfer,
            load,
            stage: None,
            asked: None,
            tries: 0,
            seen: Vec::new(),
            unseen: false,
            still: 0,
            looks: 0,
            failed: None,
            unanswered: 0,
            stopping: false,
            cancelled: false,
            moved: SlotSet::new(),
            keys: 0,
        }
    }

    /// What the server told last of the job that runs.
    pub(super) fn job(&self) -> Option<JobHeadway> {
        let job = self.seen.first()?;
        let JobState::Running(state) = &job.state else {
            return None;
        };
        Some(JobHeadway {
            state: state.clone(),
            remaining: job.remaining,
        })
    }

    /// The bytes of the keys so far, by what all of them were estimated at.
    pub(super) fn bytes(&self) -> u64 {
        let Load { keys, bytes } = self.load;
        let part = u128::from(bytes) * u128::from(self.keys.min(keys)) / u128::from(keys.max(1));
        u64::try_from(part).unwrap_or(bytes)
    }

    /// Our own job is cancelled; the servers then clean up.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    pub(super) fn next(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        let source = self.transfer.source;
        match self.stage.take() {
            None => Ok(self.watch()),
            Some(Stage::Watch) => self.watched(replies),
            Some(Stage::Taker(left)) => self.ended(left, replies),
            Some(Stage::Count(slots)) => self.counted(slots, replies),
            Some(Stage::Follow) => {
                // Only for people to see: whatever it answers, the job goes on.
                let counts = replies.iter().filter_map(Reply::as_integer);
                self.keys = counts.filter_map(|count| u64::try_from(count).ok()).sum();
                Ok(Todo::Wait(PAUSE))
            }
            Some(Stage::Begin | Stage::Cancel) => {
                self.unanswered = 0;
                let refused = replies.first().and_then(Reply::as_error);
                match (refused, &self.asked) {
                    (Some(words), Some((command, _))) if !self.cancelled => {
                        self.unseen = false;
                        Err(Failure::refused(source, command.clone(), words))
                    }
                    _ => Ok(Todo::Wait(PAUSE)),
                }
            }
        }
    }

    /// Whether a job was under way when it was last looked, or may be since.
    pub(super) fn goes_on(&self) -> bool {
        self.unseen || !self.seen.is_empty()
    }

    /// What was asked may have begun: the next look tells.
    pub(super) fn unanswered(
        &mut self,
        words: &str,
        node: NodeId,
        commands: &[Command],
    ) -> Result<Todo, Failure> {
        if let Some(Stage::Follow) = self.stage.take() {
            return Ok(Todo::Wait(PAUSE));
        }
        self.unanswered += 1;
        if self.unanswered > TRIES {
            return Err(Failure::unanswered(node, commands, words));
        }
        Ok(Todo::Wait(PAUSE * 10))
    }

    fn watch(&mut self) -> Todo {
        self.stage = Some(Stage::Watch);
        Todo::Call {
            node: self.transfer.source,
            commands: vec![
                Command::new("CLUSTER GETSLOTMIGRATIONS"),
                Command::new("CLUSTER NODES"),
            ],
        }
    }

    fn watched(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        let source = self.transfer.source;
        self.unanswered = 0;
        let [jobs, nodes] = replies else {
            return Err(Failure::state(source, "answers with too little".to_owned()));
        };
        if let Some(words) = jobs.as_error() {
            let command = Command::new("CLUSTER GETSLOTMIGRATIONS");
            return Err(Failure::refused(source, command, words));
        }
        let jobs = Job::parse_all(jobs).ok_or_else(|| {
            Failure::state(source, "tells of its jobs in unknown words".to_owned())
        })?;
        self.unseen = false;
        let running: Vec<Job> = jobs
            .iter()
            .filter(|job| job.is_running() && job.side == Side::Export)
            .cloned()
            .collect();
        if !running.is_empty() {
            return self.wait(running);
        }
        self.seen.clear();
        let table = table(source, Some(nodes))?;
        let own = table.members.get(&source);
        if own.is_some_and(|own| own.role == Role::Replica) {
            return Err(Failure::state(source, "is no primary any more".to_owned()));
        }
        let left = own.map_or_else(SlotSet::new, |own| {
            own.slots.intersection(&self.transfer.slots)
        });
        self.moved = self.transfer.slots.difference(&left);
        if left.is_empty() {
            self.keys = self.load.keys;
        }
        if let Some(words) = self.own_failure(&jobs) {
            self.failed = Some(words);
        }
        self.stage = Some(Stage::Taker(left));
        Ok(Todo::Call {
            node: self.transfer.target,
            commands: vec![Command::new("CLUSTER GETSLOTMIGRATIONS")],
        })
    }

    /// Over only when it is so at both ends: until then the target still has keys of a job that failed.
    /// One that doesn't tell of its jobs is judged by its keys.
    fn ended(&mut self, left: SlotSet, replies: &[Reply]) -> Result<Todo, Failure> {
        let Transfer { source, target, .. } = *self.transfer;
        self.unanswered = 0;
        let jobs = replies.first().and_then(Job::parse_all).unwrap_or_default();
        let ours = |job: &Job| {
            job.is_running()
                && job.side == Side::Import
                && job.source.is_none_or(|from| from == source)
                && !job.slots.intersection(&self.transfer.slots).is_empty()
        };
        if jobs.iter().any(ours) {
            self.still += 1;
            return match self.still > PATIENCE {
                true => Err(Failure::state(
                    target,
                    "does not end a job that has ended at its source: plan again later".to_owned(),
                )),
                false => Ok(Todo::Wait(PAUSE)),
            };
        }
        if left.is_empty() || self.stopping {
            return Ok(Todo::Done);
        }
        let commands = left.iter().map(Command::count_keys).collect();
        self.stage = Some(Stage::Count(left));
        Ok(Todo::Call {
            node: self.transfer.target,
            commands,
        })
    }

    /// Valkey 9.1 ends itself when it is given a slot of which it holds a key already.
    fn counted(&mut self, slots: SlotSet, replies: &[Reply]) -> Result<Todo, Failure> {
        let target = self.transfer.target;
        for (slot, reply) in slots.iter().zip(replies) {
            let count = number(reply, target, &Command::count_keys(slot))?;
            if count > 0 {
                return Err(stray(self.transfer, slot, count));
            }
        }
        if replies.len() < usize::from(slots.count()) {
            return Err(Failure::state(target, "answers with too little".to_owned()));
        }
        self.begin(slots)
    }

    fn begin(&mut self, left: SlotSet) -> Result<Todo, Failure> {
        let source = self.transfer.source;
        let command = Command::migrate_slots(&left, self.transfer.target);
        if self.tries >= TRIES {
            let words = self.failed.as_deref();
            let words = words.unwrap_or("the job ended and the slots are where they were");
            return Err(Failure::refused(source, command, words));
        }
        self.tries += 1;
        self.still = 0;
        self.asked = Some((command.clone(), left));
        self.stage = Some(Stage::Begin);
        self.unseen = true;
        Ok(Todo::Call {
            node: source,
            commands: vec![command],
        })
    }

    /// The server's words about the last job that we asked for.
    fn own_failure(&self, jobs: &[Job]) -> Option<String> {
        let (_, slots) = self.asked.as_ref()?;
        let job = jobs.iter().find(|job| self.is_ours(job, slots))?;
        match &job.state {
            JobState::Failed => Some(job.message.clone()),
            JobState::Cancelled => Some("the job was cancelled".to_owned()),
            JobState::Done | JobState::Running(_) => None,
        }
    }

    fn is_ours(&self, job: &Job, slots: &SlotSet) -> bool {
        job.side == Side::Export && job.target == Some(self.transfer.target) && job.slots == *slots
    }

    fn wait(&mut self, running: Vec<Job>) -> Result<Todo, Failure> {
        if self.stopping && !self.cancelled {
            // The command has no argument: it ends all exports of the source, so it is sent only
            // where they are ours.
            let ours = self
                .asked
                .as_ref()
                .is_some_and(|(_, slots)| running.iter().all(|job| self.is_ours(job, slots)));
            self.cancelled = true;
            if ours {
                self.stage = Some(Stage::Cancel);
                return Ok(Todo::Call {
                    node: self.transfer.source,
                    commands: vec![Command::new("CLUSTER CANCELSLOTMIGRATIONS")],
                });
            }
        }
        self.still = match self.seen == running {
            true => self.still + 1,
            false => 0,
        };
        if self.still > PATIENCE {
            let words = running
                .first()
                .map_or(String::new(), |job| format!("{:?}", job.state));
            return Err(Failure::state(
                self.transfer.source,
                format!(
                    "has a job that makes no progress ({words}): it goes on by itself, plan again later"
                ),
            ));
        }
        self.looks += 1;
        let counts = running
            .first()
            .filter(|_| self.looks.is_multiple_of(COUNT_EVERY))
            .map(|job| job.slots.intersection(&self.transfer.slots));
        self.seen = running;
        match counts {
            Some(slots) if !slots.is_empty() => {
                self.stage = Some(Stage::Follow);
                Ok(Todo::Call {
                    node: self.transfer.target,
                    commands: slots.iter().map(Command::count_keys).collect(),
                })
            }
            Some(_) | None => Ok(Todo::Wait(PAUSE)),
        }
    }
}

#[cfg(test)]
mod tests;
