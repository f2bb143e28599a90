//! What a run tells while it goes on, and what it comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::{Command, NodeId, Reply};
use crate::plan::{Plan, Step, StepId};

/// Something that has just happened, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A step begins; its commands follow.
    Started {
        step: StepId,
    },
    /// A command was answered.
    Answered {
        step: StepId,
        node: NodeId,
        command: Command,
        reply: Reply,
    },
    /// A command got no answer: it may or may not have run.
    Unanswered {
        step: StepId,
        node: NodeId,
        command: Command,
        words: String,
    },
    /// A step is next, and its shard has not been left in peace for long enough: so much is left.
    Calming {
        step: StepId,
        left: Duration,
    },
    /// How far a move has come: twice a second, and when it ends.
    Moved {
        step: StepId,
        headway: Headway,
    },
    Ended {
        step: StepId,
        end: End,
    },
    /// The run was asked to stop: nothing new begins.
    Stopping,
}

/// How far a move has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headway {
    pub slots: u16,
    pub keys: u64,
    /// In the source's memory, roughly.
    pub bytes: u64,
    /// Since it began.
    pub took: Duration,
    /// Where the servers' own job stands.
    pub job: Option<JobHeadway>,
}

/// What a server tells of a job of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobHeadway {
    /// In its own word.
    pub state: String,
    /// Bytes of changes that still wait to be sent.
    pub remaining: u64,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Its effect was seen on the nodes.
    Done {
        took: Duration,
    },
    /// Its effect was there before anything was sent.
    AlreadySo,
    Failed(Trouble),
    /// It did not succeed, and need not.
    Skipped(Trouble),
}

/// Why a step did not succeed.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    pub kind: TroubleKind,
    /// What each node that stands in the way says, in one sentence.
    pub objections: BTreeMap<NodeId, String>,
    /// What servers answered, in their own words, each with the command.
    pub answers: Vec<(NodeId, Command, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// The guard did not hold: the cluster changed since the plan was made.
    GuardBroken,
    /// Keys where none should be, and nothing tells which are the right ones.
    Keys,
    /// A server refused a command.
    Refused,
    /// A command got no answer, and its effect was not seen.
    NoAnswer,
    /// The effect, or what the step needs, was not seen in time.
    Deadline { after: Duration },
    /// The run was stopped while the step waited for its effect.
    Interrupted,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The steps that began; the others were not reached.
    pub ends: BTreeMap<StepId, End>,
    /// How far each move came.
    pub moved: BTreeMap<StepId, Headway>,
    pub interrupted: bool,
    pub took: Duration,
}

impl Outcome {
    /// Whether every step of `count` ended well.
    #[must_use]
    pub fn is_complete(&self, count: usize) -> bool {
        self.ends.len() == count && !self.interrupted && self.first_trouble().is_none()
    }

    /// The first step that failed.
    #[must_use]
    pub fn first_trouble(&self) -> Option<(StepId, &Trouble)> {
        self.ends.iter().find_map(|(step, end)| match end {
            End::Failed(trouble) => Some((*step, trouble)),
            End::Done { .. } | End::AlreadySo | End::Skipped(_) => None,
        })
    }

    /// The steps of a plan that should have put back what this run set for a while, and have not.
    pub fn not_put_back<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = &'a Step> {
        let sent = plan
            .steps
            .iter()
            .filter(|step| match self.ends.get(&step.id) {
                Some(End::Done { .. } | End::Failed(_)) => true,
                Some(End::AlreadySo | End::Skipped(_)) | None => false,
            });
        let set: BTreeSet<_> = sent
            .filter_map(|step| step.action.sets_for_a_while())
            .collect();
        plan.steps.iter().filter(move |step| {
            let back = match self.ends.get(&step.id) {
                Some(End::Done { .. } | End::AlreadySo) => true,
                Some(End::Failed(_) | End::Skipped(_)) | None => false,
            };
            let puts_back = step.action.puts_back();
            !back && puts_back.is_some_and(|options| set.contains(&options))
        })
    }

    /// Whether a step had its effect in this run.
    #[must_use]
    pub fn did(&self, step: StepId) -> bool {
        matches!(self.ends.get(&step), Some(End::Done { .. }))
    }
}
