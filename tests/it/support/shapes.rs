//! What rcl's JSON may consist of. Anything else in it fails the test: a field that is new belongs in here, and
//! in the second number of `format_version`.

use std::collections::BTreeMap;

use serde::Deserialize;

pub(crate) const FORMAT_VERSION: &str = "1.4";

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanDocument {
    pub(crate) format_version: String,
    pub(crate) kind: String,
    pub(crate) cluster: String,
    pub(crate) file: String,
    pub(crate) summary: String,
    pub(crate) totals: Totals,
    pub(crate) unserved: String,
    pub(crate) differences: Vec<Difference>,
    pub(crate) blocked: Vec<Blocked>,
    pub(crate) notes: Vec<Note>,
    pub(crate) steps: Vec<Step>,
    pub(crate) absent: Vec<String>,
    pub(crate) applying: Vec<Applying>,
}

/// An apply that is under way.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Applying {
    pub(crate) who: String,
    pub(crate) pid: Option<u32>,
    pub(crate) since: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct DriftDocument {
    pub(crate) format_version: String,
    pub(crate) kind: String,
    pub(crate) cluster: String,
    pub(crate) file: String,
    pub(crate) matches: bool,
    pub(crate) unserved: String,
    pub(crate) differences: Vec<Difference>,
    pub(crate) blocked: Vec<Blocked>,
    pub(crate) notes: Vec<Note>,
    pub(crate) applying: Vec<Applying>,
}

/// Why there is no other document.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorDocument {
    pub(crate) format_version: String,
    pub(crate) kind: String,
    pub(crate) file: String,
    pub(crate) error: String,
    pub(crate) findings: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusDocument {
    pub(crate) format_version: String,
    pub(crate) kind: String,
    pub(crate) cluster: Option<String>,
    pub(crate) asked: String,
    pub(crate) state: String,
    pub(crate) nodes_ok: usize,
    pub(crate) nodes_answering: usize,
    pub(crate) servers: Vec<String>,
    pub(crate) unassigned: String,
    pub(crate) shards: Vec<LiveShard>,
    pub(crate) loose: Vec<LiveNode>,
    pub(crate) apart: Vec<LiveNode>,
    pub(crate) silent: Vec<Silent>,
    pub(crate) wrong: Vec<Wrong>,
    pub(crate) applying: Vec<Applying>,
    pub(crate) matches: Option<bool>,
    /// These four only with a file.
    pub(crate) unserved: Option<String>,
    pub(crate) differences: Option<Vec<Difference>>,
    pub(crate) blocked: Option<Vec<Blocked>>,
    pub(crate) notes: Option<Vec<Note>>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveShard {
    pub(crate) name: Option<String>,
    pub(crate) slots: String,
    pub(crate) slot_count: u16,
    pub(crate) keys: Option<u64>,
    pub(crate) primary: Option<LiveNode>,
    pub(crate) replicas: Vec<LiveNode>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveNode {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) role: String,
    pub(crate) answers: bool,
    pub(crate) failed: bool,
    pub(crate) noaddr: bool,
    pub(crate) keys: Option<u64>,
    pub(crate) used_memory: Option<u64>,
    pub(crate) link: Option<Link>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    pub(crate) up: bool,
    pub(crate) syncing: bool,
    pub(crate) lag_bytes: Option<u64>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Silent {
    pub(crate) title: String,
    pub(crate) id: Option<String>,
    pub(crate) tried: Vec<String>,
    pub(crate) failure: String,
    pub(crate) words: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wrong {
    pub(crate) code: String,
    pub(crate) what: String,
    pub(crate) evidence: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Totals {
    pub(crate) joins: usize,
    pub(crate) slots_assigned: usize,
    pub(crate) slots_moved: usize,
    pub(crate) slots_given_up: usize,
    pub(crate) slots_closed: usize,
    pub(crate) slots_brought_home: usize,
    pub(crate) replicas_attached: usize,
    pub(crate) detached: usize,
    pub(crate) failed_over: usize,
    pub(crate) removed: usize,
    pub(crate) forgotten: usize,
    pub(crate) announced: usize,
    pub(crate) configured: usize,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) address: Option<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionChange {
    pub(crate) option: String,
    pub(crate) have: Option<String>,
    pub(crate) want: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionValue {
    pub(crate) option: String,
    pub(crate) value: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct BusAddress {
    pub(crate) client: String,
    pub(crate) bus_port: u16,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Difference {
    Down {
        text: String,
        node: String,
        id: Option<String>,
        tried: Vec<String>,
        failure: String,
        words: String,
        owns: String,
    },
    NotJoined {
        text: String,
        node: String,
        id: String,
        unknown_to: Vec<String>,
    },
    Announced {
        text: String,
        node: String,
        id: String,
        want: BusAddress,
        seen: Vec<String>,
        seen_by: Vec<String>,
        set: Vec<OptionChange>,
    },
    Option {
        text: String,
        node: String,
        id: String,
        option: String,
        have: Option<String>,
        want: String,
    },
    Unassigned {
        text: String,
        shard: String,
        primary: Option<String>,
        primary_id: String,
        slots: String,
    },
    LeaderElsewhere {
        text: String,
        node: String,
        id: String,
        shard: String,
        primary: Option<String>,
        primary_id: String,
        keys: u64,
    },
    HandOver {
        text: String,
        shard: String,
        from: Option<String>,
        from_id: String,
        to: Option<String>,
        to_id: String,
        cause: String,
    },
    NotReplicating {
        text: String,
        node: String,
        id: String,
        shard: String,
        primary: Option<String>,
        primary_id: String,
        now: Now,
    },
    LinkDown {
        text: String,
        node: String,
        id: String,
        primary: Option<String>,
        primary_id: String,
    },
    Undeclared {
        text: String,
        id: String,
        role: String,
        slots: String,
    },
    Ghost {
        text: String,
        id: String,
        noaddr: bool,
    },
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Now {
    pub(crate) role: String,
    pub(crate) primary_id: Option<String>,
    #[serde(default)]
    pub(crate) serves: bool,
    pub(crate) keys: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Blocked {
    pub(crate) code: String,
    pub(crate) severity: String,
    pub(crate) subject: String,
    pub(crate) why: String,
    pub(crate) evidence: Vec<String>,
    pub(crate) way_out: String,
    pub(crate) scope: Scope,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    Everything,
    Shard(String),
    Node(String),
    Alone,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    pub(crate) code: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) id: u32,
    pub(crate) text: String,
    pub(crate) reason: String,
    pub(crate) action: Action,
    pub(crate) because: Vec<usize>,
    pub(crate) after: Vec<u32>,
    pub(crate) sends: Vec<Send>,
    pub(crate) deadline_ms: u64,
    pub(crate) calm_ms: Option<u64>,
    pub(crate) risk: Risk,
    pub(crate) required: bool,
    pub(crate) always: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Send {
    pub(crate) node: Node,
    pub(crate) command: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Risk {
    None,
    Resync { keys: u64 },
    Removal,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Action {
    Configure {
        node: Node,
        changes: Vec<OptionChange>,
        rewrite: bool,
    },
    Announce {
        node: Node,
        want: BusAddress,
        changes: Vec<OptionChange>,
        rewrite: bool,
    },
    Hasten {
        node: Node,
        options: Vec<OptionValue>,
    },
    SetEpoch {
        node: Node,
        epoch: u64,
    },
    Assign {
        node: Node,
        shard: String,
        slots: String,
    },
    Join {
        node: Node,
        introducers: Vec<Node>,
    },
    Attach {
        node: Node,
        shard: String,
        primary: Node,
        from: Option<Node>,
    },
    Detach {
        node: Node,
        shard: String,
        from: Node,
    },
    FailOver {
        node: Node,
        shard: String,
        from: Node,
    },
    Pin {
        node: Node,
        options: Vec<OptionValue>,
    },
    Unpin {
        node: Node,
        options: Vec<OptionValue>,
    },
    Remove {
        node: Node,
    },
    Forget {
        node: Node,
    },
    Watch {
        node: (),
        nodes: Vec<Node>,
    },
    Settle {
        node: (),
    },
    Restore {
        node: Node,
        options: Vec<OptionValue>,
    },
}

/// One line of a run.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    ApplyStart {
        format_version: String,
        cluster: String,
        steps: usize,
    },
    StepStarted {
        format_version: String,
        step: u32,
        text: String,
    },
    Command {
        format_version: String,
        step: u32,
        node: Node,
        command: String,
        reply: Option<String>,
        refusal: Option<String>,
        no_answer: Option<String>,
    },
    StepCalming {
        format_version: String,
        step: u32,
        left_ms: u64,
    },
    StepEnded {
        format_version: String,
        step: u32,
        end: String,
        took_ms: Option<u64>,
        trouble: Option<String>,
        objections: Option<Vec<BTreeMap<String, serde_json::Value>>>,
        answers: Option<Vec<BTreeMap<String, serde_json::Value>>>,
    },
    ApplyStopping {
        format_version: String,
    },
    ApplyEnded {
        format_version: String,
        complete: bool,
        interrupted: bool,
        summary: String,
        took_ms: u64,
        totals: Totals,
        moved: BTreeMap<String, u64>,
        done: usize,
        failed: usize,
        skipped: usize,
        not_put_back: Vec<u32>,
        not_started: usize,
    },
}

/// The output of an apply: its plan, its lines, and what is left.
#[derive(Debug)]
pub(crate) struct Apply {
    pub(crate) plan: PlanDocument,
    pub(crate) lines: Vec<Line>,
    pub(crate) left: Option<DriftDocument>,
}

impl Apply {
    #[track_caller]
    pub(crate) fn parse(output: &str) -> Self {
        let mut documents = output.lines();
        let plan = parse(documents.next().expect("a plan comes first"));
        let (mut lines, mut left) = (Vec::new(), None);
        for line in documents {
            assert!(left.is_none(), "what is left comes last, not {line}");
            match serde_json::from_str::<BTreeMap<String, serde_json::Value>>(line) {
                Ok(fields) if fields["kind"] == "drift" => left = Some(parse(line)),
                Ok(_) => lines.push(parse(line)),
                Err(error) => panic!("{error}: {line}"),
            }
        }
        Self { plan, lines, left }
    }
}

#[track_caller]
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}
