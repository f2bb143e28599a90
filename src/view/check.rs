//! What `rcl check` found, as text and as JSON.

use annotate_snippets::Level as Title;
use serde::Serialize;

use super::findings::{Note, Source, render};
use super::json::{FORMAT_VERSION, pretty};
use crate::base::SLOT_COUNT;
use crate::desired::{Desired, FINDINGS_SHOWN, Finding, Place, Places};
use crate::lint::{Level, Lint};

/// A checked file.
#[derive(Debug)]
pub struct Report<'a> {
    /// The file's name as people know it.
    pub name: &'a str,
    /// The file itself.
    pub text: &'a str,
    pub outcome: Outcome<'a>,
}

#[derive(Debug)]
pub enum Outcome<'a> {
    /// The file can't be understood.
    Mistakes(&'a [Finding]),
    /// The file is understood; there may be things to say about what it asks for.
    Understood {
        desired: &'a Desired,
        places: &'a Places,
        lints: &'a [Lint],
    },
}

impl Report<'_> {
    /// Whether the file can be used: warnings are allowed.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        match &self.outcome {
            Outcome::Mistakes(_) => false,
            Outcome::Understood { lints, .. } => {
                lints.iter().all(|lint| lint.level == Level::Warning)
            }
        }
    }
}

/// For people: each remark with the lines it is about, and a summary as the last line.
#[must_use]
pub fn text(report: &Report<'_>, colour: bool) -> String {
    match &report.outcome {
        Outcome::Mistakes(findings) => {
            let shown = render(findings, report.name, report.text, colour);
            format!("{shown}{}\n", summary(report))
        }
        Outcome::Understood { places, lints, .. } => {
            let source = Source::new(report.name, report.text, colour);
            let shown: String = lints
                .iter()
                .map(|lint| {
                    source.annotated(&Note {
                        level: match lint.level {
                            Level::Warning => Title::WARNING,
                            Level::Error => Title::ERROR,
                        },
                        code: Some(lint.code),
                        place: places.get(&lint.subject),
                        related: None,
                        message: &lint.message,
                        help: &lint.help,
                    })
                })
                .collect();
            format!("{shown}{}\n", summary(report))
        }
    }
}

/// `rcl.yaml: 6 nodes in 3 shards, 16384 slots assigned. 1 warning.`
fn summary(report: &Report<'_>) -> String {
    let name = report.name;
    match &report.outcome {
        Outcome::Mistakes(findings) if findings.len() > FINDINGS_SHOWN => {
            format!("{name}: more than {FINDINGS_SHOWN} errors.")
        }
        Outcome::Mistakes(findings) => format!("{name}: {}.", counted(findings.len(), "error")),
        Outcome::Understood { desired, lints, .. } => {
            let count = |level| lints.iter().filter(|lint| lint.level == level).count();
            let remarks: Vec<String> = [(Level::Error, "error"), (Level::Warning, "warning")]
                .into_iter()
                .map(|(level, word)| (count(level), word))
                .filter(|(count, _)| *count > 0)
                .map(|(count, word)| counted(count, word))
                .collect();
            let end = if remarks.is_empty() {
                String::new()
            } else {
                format!(" {}.", remarks.join(", "))
            };
            format!(
                "{name}: {} in {}, {SLOT_COUNT} slots assigned.{end}",
                counted(desired.nodes.len(), "node"),
                counted(desired.shards.len(), "shard"),
            )
        }
    }
}

fn counted(count: usize, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {word}{plural}")
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: &'static str,
    kind: &'static str,
    file: &'a str,
    /// Whether the exit code is 0.
    ok: bool,
    /// Absent if the file can't be understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Counts<'a>>,
    findings: &'a [Finding],
    lints: Vec<PlacedLint<'a>>,
}

#[derive(Serialize)]
struct Counts<'a> {
    name: &'a str,
    hosts: usize,
    shards: usize,
    nodes: usize,
    slots: u16,
}

#[derive(Serialize)]
struct PlacedLint<'a> {
    #[serde(flatten)]
    lint: &'a Lint,
    #[serde(flatten)]
    place: Option<Place>,
}

/// For programs: one JSON document.
#[must_use]
pub fn json(report: &Report<'_>) -> String {
    let (cluster, findings, lints): (_, &[Finding], _) = match &report.outcome {
        Outcome::Mistakes(findings) => (None, findings, Vec::new()),
        Outcome::Understood {
            desired,
            places,
            lints,
        } => (
            Some(Counts {
                name: &desired.cluster,
                hosts: desired.hosts.len(),
                shards: desired.shards.len(),
                nodes: desired.nodes.len(),
                slots: SLOT_COUNT,
            }),
            &[],
            lints
                .iter()
                .map(|lint| PlacedLint {
                    lint,
                    place: places.get(&lint.subject),
                })
                .collect(),
        ),
    };
    pretty(&Document {
        format_version: FORMAT_VERSION,
        kind: "check",
        file: report.name,
        ok: report.is_fine(),
        cluster,
        findings,
        lints,
    })
}
