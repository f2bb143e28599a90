//! The reply of CLUSTER GETSLOTMIGRATIONS (Valkey 9.0 and later): moves that a node carries out
//! by itself. No CLUSTER NODES shows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{NodeId, Reply, SlotSet};

/// One move, as one of its two ends tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub side: Side,
    pub slots: SlotSet,
    /// Replicas don't tell.
    pub source: Option<NodeId>,
    pub target: Option<NodeId>,
    pub state: JobState,
    /// The server's words where it failed.
    pub message: String,
    /// Seconds.
    pub created: u64,
    /// Grows while the other end is heard of.
    pub heard: u64,
    /// Bytes of changes that wait to be sent to the other end.
    #[serde(default)]
    pub remaining: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    Export,
    Import,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobState {
    /// With the server's own word for where it stands.
    Running(String),
    Done,
    Failed,
    Cancelled,
}

impl Job {
    /// The jobs of a reply, newest first as servers give them; nothing for a reply that is none.
    #[must_use]
    pub fn parse_all(reply: &Reply) -> Option<Vec<Self>> {
        reply.as_list()?.iter().map(Self::parse).collect()
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state, JobState::Running(_))
    }

    fn parse(reply: &Reply) -> Option<Self> {
        let fields: BTreeMap<&str, &Reply> = reply
            .as_list()?
            .chunks_exact(2)
            .filter_map(|pair| Some((pair[0].as_text()?, &pair[1])))
            .collect();
        let text = |name: &str| fields.get(name).and_then(|reply| reply.as_text());
        let number = |name: &str| {
            let value = fields.get(name).and_then(|reply| reply.as_integer());
            value
                .and_then(|number| u64::try_from(number).ok())
                .unwrap_or(0)
        };
        Some(Self {
            side: match text("operation")? {
                "EXPORT" => Side::Export,
                "IMPORT" => Side::Import,
                _ => return None,
            },
            slots: text("slot_ranges")?.replace(' ', ",").parse().ok()?,
            source: text("source_node").and_then(|id| id.parse().ok()),
            target: text("target_node").and_then(|id| id.parse().ok()),
            state: match text("state")? {
                "success" => JobState::Done,
                "failed" => JobState::Failed,
                "cancelled" => JobState::Cancelled,
                word => JobState::Running(word.to_owned()),
            },
            message: text("message").unwrap_or_default().to_owned(),
            created: number("create_time"),
            heard: number("last_ack_time").max(number("last_update_time")),
            remaining: number("remaining_repl_size"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_server_tells() {
        let text = |words: &str| Reply::Text(words.to_owned());
        let (source, target) = ("a".repeat(40), "b".repeat(40));
        let job = |state: &str| {
            Reply::List(vec![
                text("name"),
                text("f00"),
                text("operation"),
                text("EXPORT"),
                text("slot_ranges"),
                text("0-9 20-29"),
                text("target_node"),
                text(&target),
                text("source_node"),
                text(&source),
                text("create_time"),
                Reply::Integer(1_795_356_934),
                text("last_update_time"),
                Reply::Integer(1_795_356_935),
                text("last_ack_time"),
                Reply::Integer(1_795_356_936),
                text("state"),
                text(state),
                text("message"),
                text(""),
                text("remaining_repl_size"),
                Reply::Integer(4096),
            ])
        };
        let reply = Reply::List(vec![job("snapshotting"), job("success"), job("failed")]);
        let jobs = Job::parse_all(&reply).unwrap();
        let states: Vec<&JobState> = jobs.iter().map(|job| &job.state).collect();
        assert_eq!(
            states,
            [
                &JobState::Running("snapshotting".to_owned()),
                &JobState::Done,
                &JobState::Failed
            ]
        );
        assert_eq!(jobs[0].slots, "0-9,20-29".parse().unwrap());
        assert_eq!(jobs[0].target, Some(target.parse().unwrap()));
        assert_eq!(jobs[0].heard, 1_795_356_936);
        assert_eq!(jobs[0].remaining, 4096);
        assert_eq!(Job::parse_all(&text("OK")), None);
    }
}
