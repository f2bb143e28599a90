//! `--journal`: a line on disk before each command of the run, and one after it.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use crate::apply::{End, Outcome};
use crate::base::{Address, Command, NodeId, Presence, Reply};
use crate::net::{CallError, Wire, unique};
use crate::plan::{Plan, StepId};
use crate::view::run::journal::{self as lines, Call, Stamp, Starter};

use super::exit::Exit;
use super::saved::Opened;

/// The file of a run's journal.
pub(super) struct Journal {
    path: String,
    file: RefCell<File>,
    run: String,
    /// Commands so far.
    count: Cell<u64>,
    /// Why nothing more can be written.
    failure: watch::Sender<Option<String>>,
}

impl Journal {
    /// Appends to a file, or begins one that only its owner reads.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // A slip of the hand must not spoil the file of the cluster, or anything else.
        let mut first = [0];
        let is_file = path.metadata().is_ok_and(|there| there.is_file());
        let there = File::open(path).and_then(|mut file| file.read(&mut first));
        if is_file && there.is_ok_and(|length| length > 0) && first != *b"{" {
            return Err(io::Error::other("there is a file that is no journal"));
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            path: path.display().to_string(),
            file: RefCell::new(file),
            run: format!("{:016x}", unique()),
            count: Cell::new(0),
            failure: watch::Sender::new(None),
        })
    }

    pub(super) fn start(&self, me: &Presence, opened: &Opened, plan: &Plan) -> Result<(), String> {
        let arguments = std::env::args_os().skip(1);
        let arguments: Vec<String> = arguments
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let starter = Starter {
            by: me.who(),
            pid: std::process::id(),
            arguments: &arguments,
            file: &opened.loaded.name,
            saved_plan: opened.saved.as_ref().map(|(_, path)| path.as_str()),
        };
        self.write(|stamp| lines::start(stamp, starter, plan))
    }

    pub(super) fn step_ended(&self, step: StepId, end: &End, plan: &Plan) {
        // What can't be written stops the run, wherever it is noticed.
        let _ = self.write(|stamp| lines::step_ended(stamp, step, end, plan));
    }

    /// The last line of the run; also tells whether all of them could be written.
    pub(super) fn end(&self, exit: Exit, outcome: &Outcome, plan: &Plan) -> Result<(), String> {
        self.write(|stamp| lines::end(stamp, exit.code(), outcome, plan))
    }

    /// Waits until something can't be written.
    pub(super) async fn until_failed(&self) {
        let mut failure = self.failure.subscribe();
        if failure.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Adds lines in one piece, unless some were lost before.
    fn write(&self, lines: impl FnOnce(Stamp<'_>) -> String) -> Result<(), String> {
        if let Some(words) = &*self.failure.borrow() {
            return Err(words.clone());
        }
        let at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let text = lines(Stamp {
            at: &at,
            run: &self.run,
        });
        let written = self.file.borrow_mut().write_all(text.as_bytes());
        written.map_err(|error| {
            let words = error.to_string();
            self.failure.send_replace(Some(words.clone()));
            words
        })
    }
}

/// Carries commands to nodes, and nothing that is not written down first.
pub(super) struct Journaled<'a, W> {
    pub(super) wire: &'a W,
    pub(super) plan: &'a Plan,
    pub(super) journal: Option<&'a Journal>,
}

impl<W> Journaled<'_, W> {
    fn node_at(&self, address: Address) -> Option<NodeId> {
        let mut places = self.plan.places.iter();
        places.find_map(|(id, at)| (*at == address).then_some(*id))
    }
}

/// Calls that are under way. A run that is stopped at once drops them before their answers have come.
struct Unanswered<'a> {
    journal: &'a Journal,
    calls: &'a [Call<'a>],
    plan: &'a Plan,
    began: Instant,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let calls = self.calls.iter();
        let words = "stopped before it came";
        // There is nobody left to tell that it can't be written; the last line will tell.
        let _ = self.journal.write(|stamp| {
            calls
                .map(|call| lines::answered(stamp, *call, took, Err(words), self.plan))
                .collect()
        });
    }
}

impl<W: Wire> Wire for Journaled<'_, W> {
    async fn call(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        self.wire.call(node, commands, within).await
    }

    async fn call_abreast(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        self.wire.call_abreast(node, commands, within).await
    }

    async fn call_for(
        &self,
        steps: &[u32],
        abreast: bool,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        let inner = self.wire.call_for(steps, abreast, node, commands, within);
        let Some(journal) = self.journal else {
            return inner.await;
        };
        // Every node that a step sends to has its place in the plan; what can't be written down is not sent.
        let Some(id) = self.node_at(node) else {
            return Err(CallError::Unreachable {
                words: format!(
                    "not sent: no node of the plan is at {node}, so {} can't tell of it",
                    journal.path
                ),
            });
        };
        let first = journal.count.get();
        let numbered = (first + 1..).zip(steps).zip(commands);
        let calls: Vec<Call<'_>> = numbered
            .map(|((number, step), command)| Call {
                number,
                step: StepId(*step),
                node: id,
                command,
            })
            .collect();
        journal
            .count
            .set(first + u64::try_from(calls.len()).unwrap_or(0));
        let plan = self.plan;
        let sent = |stamp: Stamp<'_>| {
            let sent = calls.iter().map(|call| lines::sent(stamp, *call, plan));
            sent.collect()
        };
        journal
            .write(sent)
            .map_err(|words| CallError::Unreachable {
                words: format!("not sent: {} can't be written ({words})", journal.path),
            })?;
        let began = Instant::now();
        let unanswered = Unanswered {
            journal,
            calls: &calls,
            plan,
            began,
        };
        let answer = inner.await;
        // From here on it is answered, with whatever.
        std::mem::forget(unanswered);
        let took = began.elapsed();
        let words = answer.as_ref().err().map(ToString::to_string);
        let of = |place: usize| -> Result<&Reply, &str> {
            match &answer {
                Ok(replies) => replies.get(place).ok_or("no reply came"),
                Err(_) => Err(words.as_deref().unwrap_or_default()),
            }
        };
        // The answer counts all the same; what could not be written stops the run.
        let _ = journal.write(|stamp| {
            let answers = calls.iter().enumerate();
            answers
                .map(|(place, call)| lines::answered(stamp, *call, took, of(place), plan))
                .collect()
        });
        answer
    }
}
