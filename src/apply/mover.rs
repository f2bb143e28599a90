//! Asks the state machine of a move what comes next, and has that done, call by call.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::base::{Command, NodeId, Reply, Slot, SlotSet, counted};
use crate::observed::NodeTable;
use crate::plan::{Engine, Load, Transfer};

use super::atomic::Atomic;
use super::classic::Classic;
use super::driver::Stop;
use super::event::{Headway, Trouble, TroubleKind};
use super::heir::Heir;
use super::homeward::Homeward;

/// A node that stands still is asked once more, not as often as one that refuses: each time costs
/// the whole time limit.
const SILENT_FOR: Duration = Duration::from_secs(15);

/// After a stop, open slots get this long to come to their end.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// What a move wants done next.
#[derive(Debug, PartialEq)]
pub(super) enum Todo {
    Call {
        node: NodeId,
        commands: Vec<Command>,
    },
    /// Wait, then go on.
    Wait(Duration),
    /// Wait, then send this.
    Repeat {
        after: Duration,
        node: NodeId,
        commands: Vec<Command>,
    },
    Done,
}

/// Why a move can't go on.
#[derive(Debug)]
pub(super) struct Failure {
    kind: TroubleKind,
    node: NodeId,
    command: Option<Command>,
    words: String,
}

impl Failure {
    pub(super) fn refused(node: NodeId, command: Command, words: &str) -> Self {
        Self {
            kind: TroubleKind::Refused,
            node,
            command: Some(command),
            words: words.to_owned(),
        }
    }

    /// The first of the commands stands for all of them.
    pub(super) fn unanswered(node: NodeId, commands: &[Command], words: &str) -> Self {
        Self {
            kind: TroubleKind::NoAnswer,
            node,
            command: commands.first().cloned(),
            words: words.to_owned(),
        }
    }

    /// A node is not as the move needs it to be: one sentence that begins after the node's name.
    pub(super) fn state(node: NodeId, words: String) -> Self {
        Self {
            kind: TroubleKind::GuardBroken,
            node,
            command: None,
            words,
        }
    }

    /// Keys of a node stand in the way: one sentence that begins after the node's name.
    pub(super) fn keys(node: NodeId, words: String) -> Self {
        Self {
            kind: TroubleKind::Keys,
            ..Self::state(node, words)
        }
    }

    fn trouble(self) -> Trouble {
        let Self {
            kind,
            node,
            command,
            words,
        } = self;
        let mut trouble = Trouble {
            kind,
            objections: BTreeMap::new(),
            answers: Vec::new(),
        };
        match command {
            Some(command) => trouble.answers.push((node, command, words)),
            None => {
                trouble.objections.insert(node, words);
            }
        }
        trouble
    }
}

/// Keys at a node that takes no part in the move yet are nobody's: they would come back to life with
/// the slot, or stand in the way of its keys.
pub(super) fn stray(transfer: &Transfer, slot: Slot, count: u64) -> Failure {
    Failure::keys(
        transfer.target,
        format!(
            "holds {} of slot {slot}, which {} owns. Perhaps another run moves slots right now: wait for it. Else save or remove these keys, and run again",
            counted(count, "key"),
            transfer.source.short()
        ),
    )
}

/// The reply to a question for a number.
pub(super) fn number(reply: &Reply, node: NodeId, command: &Command) -> Result<u64, Failure> {
    if let Some(words) = reply.as_error() {
        return Err(Failure::refused(node, command.clone(), words));
    }
    reply.as_count().ok_or_else(|| {
        Failure::state(
            node,
            format!("answers {command} with something else than a number of keys"),
        )
    })
}

/// The table of a node that must still be the same one.
pub(super) fn table(node: NodeId, reply: Option<&Reply>) -> Result<NodeTable, Failure> {
    let command = Command::new("CLUSTER NODES");
    if let Some(words) = reply.and_then(Reply::as_error) {
        return Err(Failure::refused(node, command, words));
    }
    let table = reply
        .and_then(Reply::as_text)
        .and_then(|text| NodeTable::parse(text).ok())
        .ok_or_else(|| {
            Failure::state(node, "answers CLUSTER NODES with something else".to_owned())
        })?;
    match table.myself == Some(node) {
        true => Ok(table),
        false => Err(Failure::state(node, "is another node by now".to_owned())),
    }
}

/// What else may be asked of the nodes of a move meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Shared,
    Alone,
    /// All but the taking over of other slots.
    Takes,
}

pub(super) enum Mover<'a> {
    Classic(Classic<'a>),
    Atomic(Atomic<'a>),
    Homeward(Homeward<'a>),
    Heir(Heir<'a>),
}

impl<'a> Mover<'a> {
    /// `lanes`: how many there are that share the slots of the pair.
    pub(super) fn new(transfer: &'a Transfer, load: Load, lanes: u32) -> Self {
        match transfer.engine {
            Engine::Atomic => Self::Atomic(Atomic::new(transfer, load)),
            Engine::Classic(bounds) => Self::Classic(Classic::new(transfer, bounds, lanes)),
            Engine::Homeward(bounds) => Self::Homeward(Homeward::new(transfer, bounds)),
            Engine::Orphaned { .. } => Self::Heir(Heir::new(transfer)),
        }
    }

    fn next(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        match self {
            Self::Classic(classic) => classic.next(replies),
            Self::Atomic(atomic) => atomic.next(replies),
            Self::Homeward(homeward) => homeward.next(replies),
            Self::Heir(heir) => heir.next(replies),
        }
    }

    fn unanswered(
        &mut self,
        words: &str,
        node: NodeId,
        commands: &[Command],
    ) -> Result<Todo, Failure> {
        match self {
            Self::Classic(classic) => classic.unanswered(words, node, commands),
            Self::Atomic(atomic) => atomic.unanswered(words, node, commands),
            Self::Homeward(homeward) => homeward.unanswered(words, node, commands),
            Self::Heir(heir) => heir.unanswered(words, node, commands),
        }
    }

    fn stop(&mut self) {
        match self {
            Self::Classic(classic) => classic.stop(),
            Self::Atomic(atomic) => atomic.stop(),
            Self::Homeward(homeward) => homeward.stop(),
            Self::Heir(heir) => heir.stop(),
        }
    }

    fn turn(&self) -> Turn {
        match self {
            Self::Classic(classic) => classic.turn(),
            Self::Atomic(_) | Self::Homeward(_) | Self::Heir(_) => Turn::Shared,
        }
    }

    fn moved(&self) -> &SlotSet {
        match self {
            Self::Classic(classic) => &classic.moved,
            Self::Atomic(atomic) => &atomic.moved,
            Self::Homeward(homeward) => &homeward.moved,
            Self::Heir(heir) => &heir.moved,
        }
    }

    pub(super) fn headway(&self, took: Duration) -> Headway {
        let (keys, bytes, job) = match self {
            Self::Classic(classic) => (classic.keys, classic.bytes, None),
            Self::Atomic(atomic) => (atomic.keys, atomic.bytes(), atomic.job()),
            Self::Homeward(homeward) => (homeward.keys, 0, None),
            Self::Heir(_) => (0, 0, None),
        };
        Headway {
            slots: self.moved().count(),
            keys,
            bytes,
            took,
            job,
        }
    }

    /// What a stop leaves half-way.
    pub(super) fn left(&self) -> Left {
        match self {
            Self::Classic(classic) => Left::Open(classic.left_open()),
            Self::Heir(heir) => Left::Open(heir.open()),
            Self::Homeward(homeward) => Left::Open(homeward.open()),
            Self::Atomic(atomic) if atomic.goes_on() => Left::Job,
            Self::Atomic(_) => Left::default(),
        }
    }

    fn left_open(&self, transfer: &Transfer) -> Option<String> {
        self.left().words(transfer)
    }
}

/// What is half-way at the source of a move.
#[derive(Clone, Debug)]
pub(super) enum Left {
    Open(SlotSet),
    Job,
}

impl Default for Left {
    fn default() -> Self {
        Self::Open(SlotSet::new())
    }
}

impl Left {
    /// In a sentence that begins after a node's name.
    pub(super) fn words(&self, transfer: &Transfer) -> Option<String> {
        match self {
            Self::Open(slots) if slots.is_empty() => None,
            Self::Open(slots) => Some(match transfer.engine {
                Engine::Classic(_) => {
                    let target = transfer.target.short();
                    format!("has slots {slots} open towards {target}")
                }
                Engine::Atomic | Engine::Homeward(_) | Engine::Orphaned { .. } => {
                    format!("has slots {slots} open")
                }
            }),
            Self::Job => Some("still has a job under way, which goes on by itself".to_owned()),
        }
    }

    /// Of two lanes of one move.
    pub(super) fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Open(one), Self::Open(other)) => Self::Open(one.union(other)),
            (Self::Job, _) | (_, Self::Job) => Self::Job,
        }
    }
}

/// Does what the mover wants, call by call, and says before each how far it is.
///
/// `given_up`: whether another one that works on the same move has failed.
pub(super) async fn drive(
    mover: &mut Mover<'_>,
    transfer: &Transfer,
    mut stop: watch::Receiver<Stop>,
    given_up: impl Fn() -> bool,
    call: impl AsyncFn(NodeId, &[Command], Turn) -> Result<Vec<Reply>, String>,
    mut stands: impl FnMut(&Mover<'_>),
) -> Result<(), Trouble> {
    let mut stopped_at: Option<Instant> = None;
    let mut silent_since: Option<Instant> = None;
    let mut todo = mover.next(&[]);
    loop {
        // Before it goes on: what is sent next may be done before its answer comes.
        stands(mover);
        let stopping = *stop.borrow_and_update() >= Stop::Finish || given_up();
        if stopping && stopped_at.is_none() {
            stopped_at = Some(Instant::now());
            mover.stop();
        }
        if stopped_at.is_some_and(|at| at.elapsed() > FINISH_WITHIN) {
            return Err(interrupted(transfer, mover));
        }
        let (node, commands) = match todo {
            Err(failure) => {
                let mut trouble = failure.trouble();
                if let Some(words) = mover.left_open(transfer) {
                    trouble.objections.entry(transfer.source).or_insert(words);
                }
                return Err(trouble);
            }
            Ok(Todo::Done) if stopped_at.is_some() && *mover.moved() != transfer.slots => {
                return Err(interrupted(transfer, mover));
            }
            Ok(Todo::Done) => return Ok(()),
            Ok(wanted) => match sendable(wanted).await {
                Some(call) => call,
                None => {
                    todo = mover.next(&[]);
                    continue;
                }
            },
        };
        let asked = Instant::now();
        let answer = call(node, &commands, mover.turn()).await;
        todo = match &answer {
            Ok(replies) => {
                silent_since = None;
                mover.next(replies)
            }
            Err(words) if silent_since.get_or_insert(asked).elapsed() > SILENT_FOR => {
                Err(Failure::unanswered(node, &commands, words))
            }
            Err(words) => mover.unanswered(words, node, &commands),
        };
    }
}

/// Waits as long as the move wants to; then gives what to send, or nothing where it only waited.
async fn sendable(todo: Todo) -> Option<(NodeId, Vec<Command>)> {
    match todo {
        Todo::Done => None,
        Todo::Call { node, commands } => Some((node, commands)),
        Todo::Wait(pause) => {
            sleep(pause).await;
            None
        }
        Todo::Repeat {
            after,
            node,
            commands,
        } => {
            sleep(after).await;
            Some((node, commands))
        }
    }
}

fn interrupted(transfer: &Transfer, mover: &Mover<'_>) -> Trouble {
    let source = transfer.source;
    let words = mover.left_open(transfer);
    Trouble {
        kind: TroubleKind::Interrupted,
        objections: words.into_iter().map(|words| (source, words)).collect(),
        answers: Vec::new(),
    }
}
