//! The lines of a journal: what was sent while a plan was carried out, and what came back.

use serde::Serialize;
use serde_json::Value;

use crate::apply::{End, Outcome};
use crate::base::{Command, NodeId, Reply};
use crate::plan::{Plan, StepId};
use crate::view::json::{FORMAT_VERSION, NodeJson, line};
use crate::view::page::clean;
use crate::view::plan::{node, summary as plan_summary};
use crate::view::wording::answer as masked;

use super::lines::{intent, kind_word};
use super::outcome::summary;

/// When, and of which run: a journal may hold many.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Stamp<'a> {
    pub at: &'a str,
    pub run: &'a str,
}

/// Who applies what.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Starter<'a> {
    /// User and host.
    pub by: &'a str,
    pub pid: u32,
    pub arguments: &'a [String],
    pub file: &'a str,
    /// The saved plan, if it was one.
    pub saved_plan: Option<&'a str>,
}

/// A command of a step, by its place in the run.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub number: u64,
    pub step: StepId,
    pub node: NodeId,
    pub command: &'a Command,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    format_version: &'static str,
    #[serde(flatten)]
    stamp: Stamp<'a>,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum What<'a> {
    JournalStart {
        rcl: &'static str,
        cluster: &'a str,
        #[serde(flatten)]
        starter: Starter<'a>,
        summary: String,
        steps: Vec<StepEntry>,
    },
    Sent {
        number: u64,
        step: StepId,
        node: NodeJson<'a>,
        command: &'a Command,
    },
    Answered {
        number: u64,
        step: StepId,
        node: NodeJson<'a>,
        took_ms: u64,
        #[serde(flatten)]
        answer: AnswerJson,
    },
    StepEnded {
        step: StepId,
        text: String,
        end: &'static str,
        trouble: Option<&'static str>,
    },
    JournalEnd {
        exit: u8,
        complete: bool,
        interrupted: bool,
        summary: String,
    },
}

#[derive(Debug, Serialize)]
struct StepEntry {
    id: StepId,
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum AnswerJson {
    Reply(Value),
    /// The server's own words.
    Refusal(String),
    /// No answer came; why, in the system's words.
    NoAnswer(String),
}

/// The first line of a run.
#[must_use]
pub fn start(stamp: Stamp<'_>, starter: Starter<'_>, plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| StepEntry {
        id: step.id,
        text: intent(plan, step.id),
    });
    entry(
        stamp,
        What::JournalStart {
            rcl: env!("CARGO_PKG_VERSION"),
            cluster: &plan.cluster,
            starter,
            summary: plan_summary(plan, starter.file),
            steps: steps.collect(),
        },
    )
}

/// Just before a command goes out.
#[must_use]
pub fn sent(stamp: Stamp<'_>, call: Call<'_>, plan: &Plan) -> String {
    let Call {
        number,
        step,
        node: to,
        command,
    } = call;
    let node = node(to, plan);
    entry(
        stamp,
        What::Sent {
            number,
            step,
            node,
            command,
        },
    )
}

/// Its reply, or the words of a failed call.
#[must_use]
pub fn answered(
    stamp: Stamp<'_>,
    call: Call<'_>,
    took: std::time::Duration,
    answer: Result<&Reply, &str>,
    plan: &Plan,
) -> String {
    let Call {
        number,
        step,
        node: to,
        command,
    } = call;
    let answer = match answer {
        Ok(Reply::Error(words)) => AnswerJson::Refusal(masked(words, command)),
        Ok(reply) => AnswerJson::Reply(value(reply, command)),
        Err(words) => AnswerJson::NoAnswer(masked(words, command)),
    };
    entry(
        stamp,
        What::Answered {
            number,
            step,
            node: node(to, plan),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            answer,
        },
    )
}

/// What a step came to.
#[must_use]
pub fn step_ended(stamp: Stamp<'_>, step: StepId, end: &End, plan: &Plan) -> String {
    let (end, trouble) = match end {
        End::Done { took: _ } => ("done", None),
        End::AlreadySo => ("already_so", None),
        End::Failed(trouble) => ("failed", Some(kind_word(trouble.kind))),
        End::Skipped(trouble) => ("skipped", Some(kind_word(trouble.kind))),
    };
    entry(
        stamp,
        What::StepEnded {
            step,
            text: intent(plan, step),
            end,
            trouble,
        },
    )
}

/// The last line of a run.
#[must_use]
pub fn end(stamp: Stamp<'_>, exit: u8, outcome: &Outcome, plan: &Plan) -> String {
    entry(
        stamp,
        What::JournalEnd {
            exit,
            complete: outcome.is_complete(plan.steps.len()),
            interrupted: outcome.interrupted,
            summary: summary(plan, outcome),
        },
    )
}

/// Before anything was sent.
#[must_use]
pub fn not_begun(path: &str, words: &str) -> String {
    clean(&format!(
        "error: the journal {path} can't be written: {words}. Nothing was done."
    ))
    .into_owned()
        + "\n"
}

/// In the midst of a run.
#[must_use]
pub fn broke_off(path: &str, words: &str, file: &str) -> String {
    clean(&format!(
        "error: the journal {path} can't be written any more: {words}. So nothing further was sent, not even what restores lowered options; run `rcl apply {file}` again."
    ))
    .into_owned()
        + "\n"
}

fn entry(stamp: Stamp<'_>, what: What<'_>) -> String {
    line(&Entry {
        format_version: FORMAT_VERSION,
        stamp,
        what,
    })
}

/// The whole reply; names of keys as text.
fn value(reply: &Reply, command: &Command) -> Value {
    match reply {
        Reply::Nil => Value::Null,
        Reply::Integer(number) => Value::from(*number),
        Reply::Text(text) | Reply::Error(text) => Value::from(masked(text, command)),
        Reply::Bytes(bytes) => Value::from(String::from_utf8_lossy(bytes).into_owned()),
        Reply::List(parts) => parts.iter().map(|part| value(part, command)).collect(),
    }
}
