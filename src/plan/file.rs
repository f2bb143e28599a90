//! A saved plan. It holds no steps to be run: it binds the file, the leave that was given and what was seen
//! to the steps that were shown, so that the plan can be made again and must come out the same.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::base::NodeId;
use crate::observed::Fingerprint;

use super::{Plan, Send, Step};

/// The form of the file. It changes with every change of it: a plan is not kept for long.
const SAVED_FORMAT: &str = "1.0";

const KIND: &str = "saved_plan";

/// The largest file that is read: many times a plan for a thousand nodes.
pub const MAX_SAVED_BYTES: usize = 16 * 1024 * 1024;

/// How much of a file tells whether it is one.
const HEAD: usize = 200;

/// A plan as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    format_version: String,
    kind: String,
    /// The version of rcl that made it, and that alone makes the same one again.
    rcl: String,
    pub saved_at: String,
    pub saved_by: String,
    pub cluster: String,
    /// The YAML file as people named it,
    pub file: String,
    /// from this folder,
    pub folder: String,
    /// with this content.
    pub sha256: String,
    /// What leave was given for: `resync=host2:7000`.
    pub allow: Vec<String>,
    /// The last line of the plan.
    pub summary: String,
    steps: Vec<SavedStep>,
    /// The code and the subject of each.
    blocked: Vec<(String, String)>,
    pub fingerprint: Fingerprint,
}

/// A step in words: enough to tell it from any other, and to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedStep {
    id: u32,
    after: Vec<u32>,
    action: String,
    sends: Vec<SavedSend>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSend {
    node: NodeId,
    /// Secrets are stars; which ones they are stands in the YAML file.
    command: String,
}

/// What a plan is saved with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub saved_at: String,
    pub saved_by: String,
    pub file: String,
    pub folder: String,
    pub sha256: String,
    pub allow: Vec<String>,
    pub summary: String,
    pub fingerprint: Fingerprint,
}

/// Why a file is no saved plan that can be carried out.
#[derive(Debug, Error)]
pub enum SavedPlanError {
    #[error(
        "it is what `rcl plan --json` prints, which can't be applied; `rcl plan --out` saves a plan"
    )]
    Printed,
    #[error(
        "it has format version {0:?}, and this rcl reads {SAVED_FORMAT:?}; make the plan again"
    )]
    OtherFormat(String),
    #[error("it was made by rcl {0}, and this is rcl {version}; make the plan again", version = env!("CARGO_PKG_VERSION"))]
    OtherVersion(String),
    #[error("it ends too early; make the plan again")]
    Cut,
    #[error("it is damaged ({0}); make the plan again")]
    Damaged(String),
}

/// What every version of the form has.
#[derive(Debug, Deserialize)]
struct Header {
    format_version: String,
    rcl: String,
}

impl SavedPlan {
    #[must_use]
    pub fn new(plan: &Plan, origin: Origin) -> Self {
        let Origin {
            saved_at,
            saved_by,
            file,
            folder,
            sha256,
            allow,
            summary,
            fingerprint,
        } = origin;
        Self {
            format_version: SAVED_FORMAT.to_owned(),
            kind: KIND.to_owned(),
            rcl: env!("CARGO_PKG_VERSION").to_owned(),
            saved_at,
            saved_by,
            cluster: plan.cluster.clone(),
            file,
            folder,
            sha256,
            allow,
            summary,
            steps: steps(plan),
            blocked: blocked(plan),
            fingerprint,
        }
    }

    /// Whether a text begins as a saved plan does, or as what is easily taken for one: a YAML file never does.
    #[must_use]
    pub fn is_one(text: &[u8]) -> bool {
        let head = String::from_utf8_lossy(text.get(..HEAD).unwrap_or(text));
        let head: String = head.split_whitespace().collect();
        head.starts_with("{\"format_version\":")
    }

    /// The text of the file.
    #[must_use]
    pub fn encode(&self) -> String {
        // Only maps with keys that are no strings, and failing writers, can't be written.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is none, is cut off or damaged, or was made by another rcl.
    pub fn decode(text: &str) -> Result<Self, SavedPlanError> {
        let broken = |error: serde_json::Error| match error.is_eof() {
            true => SavedPlanError::Cut,
            false => SavedPlanError::Damaged(error.to_string()),
        };
        let value: serde_json::Value = serde_json::from_str(text).map_err(broken)?;
        if value.get("kind").and_then(serde_json::Value::as_str) == Some("plan") {
            return Err(SavedPlanError::Printed);
        }
        let header: Header = serde_json::from_value(value).map_err(broken)?;
        if header.format_version != SAVED_FORMAT {
            return Err(SavedPlanError::OtherFormat(header.format_version));
        }
        if header.rcl != env!("CARGO_PKG_VERSION") {
            return Err(SavedPlanError::OtherVersion(header.rcl));
        }
        let saved: Self = serde_json::from_str(text).map_err(broken)?;
        match saved.kind == KIND {
            true => Ok(saved),
            false => Err(SavedPlanError::Damaged(format!(
                "its kind is {:?}",
                saved.kind
            ))),
        }
    }

    /// Whether a plan that was made again does what was shown.
    #[must_use]
    pub fn is_the_plan(&self, plan: &Plan) -> bool {
        self.cluster == plan.cluster && self.steps == steps(plan) && self.blocked == blocked(plan)
    }
}

/// The content of a file in 64 hex digits, those of sha256sum.
#[must_use]
pub fn content_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn steps(plan: &Plan) -> Vec<SavedStep> {
    plan.steps.iter().map(saved_step).collect()
}

fn saved_step(step: &Step) -> SavedStep {
    let template = |(node, command)| SavedSend { node, command };
    let transfer = step.action.transfer();
    let templates = transfer.map(|transfer| transfer.templates());
    let sends = step.sends.iter().map(|Send { node, command }| SavedSend {
        node: *node,
        command: command.to_string(),
    });
    SavedStep {
        id: step.id.0,
        after: step.after.iter().map(|id| id.0).collect(),
        action: format!("{:?}", step.action.without_load()),
        sends: sends
            .chain(templates.into_iter().flatten().map(template))
            .collect(),
    }
}

fn blocked(plan: &Plan) -> Vec<(String, String)> {
    let blocked = plan.diff.blocked.iter();
    blocked
        .map(|blocked| (blocked.code.to_owned(), blocked.subject.clone()))
        .collect()
}
