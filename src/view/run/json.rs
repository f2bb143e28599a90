//! A run as JSON lines on standard output.

use serde::Serialize;

use crate::apply::{End, Event, Headway, Outcome, Trouble};
use crate::base::Command;
use crate::plan::{Plan, StepId};
use crate::view::json::{FORMAT_VERSION, NodeJson, line};
use crate::view::output::Output;
use crate::view::plan::{TotalsJson, node};
use crate::view::wording::{answer as masked, with_labels};

use super::Progress;
use super::lines::{intent, kind_word, reply};
use super::moving::{Speed, Sum, Whole};
use super::outcome::{Tally, summary};

/// One JSON object a line.
pub struct JsonLines<'o, 'w> {
    output: &'o mut Output<'w>,
}

impl<'o, 'w> JsonLines<'o, 'w> {
    pub fn new(output: &'o mut Output<'w>) -> Self {
        Self { output }
    }

    fn write(&mut self, line: LineJson<'_>) {
        self.output.data(&self::line(&Versioned {
            format_version: FORMAT_VERSION,
            line,
        }));
    }
}

#[derive(Debug, Serialize)]
struct Versioned<'a> {
    format_version: &'static str,
    #[serde(flatten)]
    line: LineJson<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum LineJson<'a> {
    ApplyStart {
        cluster: &'a str,
        steps: usize,
    },
    StepStarted {
        step: StepId,
        text: String,
    },
    Command {
        step: StepId,
        node: NodeJson<'a>,
        command: &'a Command,
        #[serde(flatten)]
        answer: AnswerJson,
    },
    StepEnded {
        step: StepId,
        #[serde(flatten)]
        end: EndJson<'a>,
    },
    /// It is next, and its shard has to be in peace for longer.
    StepCalming {
        step: StepId,
        left_ms: u64,
    },
    StepProgress {
        step: StepId,
        slots_moved: u16,
        keys_moved: u64,
        bytes_moved: u64,
        slots: u16,
        keys: u64,
        bytes: u64,
        took_ms: u64,
        keys_per_second: u64,
        bytes_per_second: u64,
        left_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        job: Option<JobJson<'a>>,
    },
    ApplyStopping,
    /// Comes after every run, however it went.
    ApplyEnded {
        complete: bool,
        interrupted: bool,
        summary: String,
        took_ms: u64,
        totals: TotalsJson,
        moved: MovedJson,
        /// The steps that should have put back what was set for this run, and have not.
        not_put_back: Vec<StepId>,
        done: usize,
        failed: usize,
        skipped: usize,
        not_started: usize,
    },
}

#[derive(Debug, Serialize)]
struct JobJson<'a> {
    state: &'a str,
    bytes_to_send: u64,
}

/// All moves together, those that did not come to their end too.
#[derive(Debug, Serialize)]
struct MovedJson {
    slots: u64,
    keys: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum AnswerJson {
    Reply(String),
    /// The server's own words.
    Refusal(String),
    /// No answer came; why, in the system's words.
    NoAnswer(String),
}

#[derive(Debug, Serialize)]
#[serde(tag = "end", rename_all = "snake_case")]
enum EndJson<'a> {
    Done {
        took_ms: u64,
    },
    AlreadySo,
    Failed {
        #[serde(flatten)]
        trouble: TroubleJson<'a>,
    },
    Skipped {
        #[serde(flatten)]
        trouble: TroubleJson<'a>,
    },
}

#[derive(Debug, Serialize)]
struct TroubleJson<'a> {
    trouble: &'static str,
    objections: Vec<ObjectionJson<'a>>,
    answers: Vec<ToldJson<'a>>,
}

#[derive(Debug, Serialize)]
struct ObjectionJson<'a> {
    node: NodeJson<'a>,
    text: String,
}

#[derive(Debug, Serialize)]
struct ToldJson<'a> {
    node: NodeJson<'a>,
    command: &'a Command,
    words: String,
}

impl Progress for JsonLines<'_, '_> {
    fn begin(&mut self, plan: &Plan) {
        self.write(LineJson::ApplyStart {
            cluster: &plan.cluster,
            steps: plan.steps.len(),
        });
    }

    fn event(&mut self, plan: &Plan, event: &Event) {
        self.write(match event {
            Event::Started { step } => LineJson::StepStarted {
                step: *step,
                text: intent(plan, *step),
            },
            Event::Answered {
                step,
                node: from,
                command,
                reply: answer,
            } => LineJson::Command {
                step: *step,
                node: node(*from, plan),
                command,
                answer: match answer.as_error() {
                    Some(words) => AnswerJson::Refusal(masked(words, command)),
                    None => AnswerJson::Reply(masked(&reply(answer), command)),
                },
            },
            Event::Unanswered {
                step,
                node: from,
                command,
                words,
            } => LineJson::Command {
                step: *step,
                node: node(*from, plan),
                command,
                answer: AnswerJson::NoAnswer(masked(words, command)),
            },
            Event::Calming { step, left } => LineJson::StepCalming {
                step: *step,
                left_ms: millis(*left),
            },
            Event::Moved { step, headway } => {
                progress(*step, headway, Whole::of(plan, *step).unwrap_or_default())
            }
            Event::Ended { step, end } => LineJson::StepEnded {
                step: *step,
                end: end_json(end, plan),
            },
            Event::Stopping => LineJson::ApplyStopping,
        });
    }

    fn end(&mut self, plan: &Plan, outcome: &Outcome, _: &str) {
        let Tally {
            done,
            failed,
            skipped,
            not_started,
        } = Tally::new(plan, outcome);
        let Sum { slots, keys, bytes } = Sum::of(outcome);
        self.write(LineJson::ApplyEnded {
            complete: outcome.is_complete(plan.steps.len()),
            interrupted: outcome.interrupted,
            summary: summary(plan, outcome),
            took_ms: millis(outcome.took),
            totals: TotalsJson::new(plan.totals(|step| outcome.did(step.id))),
            moved: MovedJson { slots, keys, bytes },
            not_put_back: outcome.not_put_back(plan).map(|step| step.id).collect(),
            done,
            failed,
            skipped,
            not_started,
        });
    }
}

fn progress(step: StepId, headway: &Headway, whole: Whole) -> LineJson<'_> {
    let Headway {
        slots,
        keys,
        bytes,
        took,
        job,
    } = headway;
    let speed = Speed::of(headway, whole);
    LineJson::StepProgress {
        step,
        slots_moved: *slots,
        keys_moved: *keys,
        bytes_moved: *bytes,
        slots: whole.slots,
        keys: whole.load.keys,
        bytes: whole.load.bytes,
        took_ms: millis(*took),
        keys_per_second: speed.keys,
        bytes_per_second: speed.bytes,
        left_ms: speed.left.map(millis),
        job: job.as_ref().map(|job| JobJson {
            state: &job.state,
            bytes_to_send: job.remaining,
        }),
    }
}

fn end_json<'a>(end: &'a End, plan: &'a Plan) -> EndJson<'a> {
    match end {
        End::Done { took } => EndJson::Done {
            took_ms: millis(*took),
        },
        End::AlreadySo => EndJson::AlreadySo,
        End::Failed(trouble) => EndJson::Failed {
            trouble: trouble_json(trouble, plan),
        },
        End::Skipped(trouble) => EndJson::Skipped {
            trouble: trouble_json(trouble, plan),
        },
    }
}

fn trouble_json<'a>(trouble: &'a Trouble, plan: &'a Plan) -> TroubleJson<'a> {
    let Trouble {
        kind,
        objections,
        answers,
    } = trouble;
    TroubleJson {
        trouble: kind_word(*kind),
        objections: objections
            .iter()
            .map(|(id, text)| ObjectionJson {
                node: node(*id, plan),
                text: with_labels(text, &plan.diff.pairing),
            })
            .collect(),
        answers: answers
            .iter()
            .map(|(id, command, words)| ToldJson {
                node: node(*id, plan),
                command,
                words: masked(words, command),
            })
            .collect(),
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
