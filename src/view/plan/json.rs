//! A plan as JSON: the values of the plan for people, with full ids and deadlines.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::{Arg, BusAddress, Command, NodeId, NodeName, ShardName, SlotSet};
use crate::plan::{Action, Plan, Risk, Send, Step, StepId, Totals};
use crate::view::json::{DiffJson, FORMAT_VERSION, NodeJson, OptionJson, pretty};
use crate::view::step;

use super::{PlanView, summary};

#[derive(Debug, Serialize)]
struct PlanJson<'a> {
    format_version: &'static str,
    kind: &'static str,
    cluster: &'a str,
    file: &'a str,
    summary: String,
    totals: TotalsJson,
    #[serde(flatten)]
    diff: DiffJson<'a>,
    steps: Vec<StepJson<'a>>,
    /// Members that were down and are not waited for.
    absent: &'a BTreeSet<NodeId>,
}

/// The numbers of the summary line.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::view) struct TotalsJson {
    joins: usize,
    slots_assigned: usize,
    slots_moved: usize,
    replicas_attached: usize,
    removed: usize,
    announced: usize,
    configured: usize,
}

impl TotalsJson {
    pub(in crate::view) fn new(totals: Totals) -> Self {
        let Totals {
            joins,
            slots,
            moves,
            attached,
            removed,
            announced,
            configured,
        } = totals;
        Self {
            joins,
            slots_assigned: slots,
            slots_moved: moves,
            replicas_attached: attached,
            removed,
            announced,
            configured,
        }
    }
}

#[derive(Debug, Serialize)]
struct StepJson<'a> {
    id: StepId,
    text: String,
    reason: String,
    action: ActionJson<'a>,
    /// Places in `differences`.
    because: &'a [usize],
    after: &'a [StepId],
    sends: Vec<SendJson<'a>>,
    deadline_ms: u64,
    risk: RiskJson,
    required: bool,
    always: bool,
}

#[derive(Debug, Serialize)]
struct SendJson<'a> {
    node: NodeJson<'a>,
    /// As a person would type it, secrets masked.
    command: &'a Command,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum RiskJson {
    None,
    Resync { keys: u64 },
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ActionJson<'a> {
    Configure {
        node: NodeJson<'a>,
        changes: Vec<OptionJson<'a>>,
        rewrite: bool,
    },
    Announce {
        node: NodeJson<'a>,
        want: BusAddress,
        changes: Vec<OptionJson<'a>>,
        rewrite: bool,
    },
    Hasten {
        node: NodeJson<'a>,
        options: Vec<ValueJson<'a>>,
    },
    SetEpoch {
        node: NodeJson<'a>,
        epoch: u64,
    },
    Assign {
        node: NodeJson<'a>,
        shard: &'a ShardName,
        slots: &'a SlotSet,
    },
    Join {
        node: NodeJson<'a>,
        introducers: Vec<NodeJson<'a>>,
    },
    Attach {
        node: NodeJson<'a>,
        shard: &'a ShardName,
        primary: NodeJson<'a>,
        from: Option<NodeJson<'a>>,
    },
    Settle,
    Restore {
        node: NodeJson<'a>,
        options: Vec<ValueJson<'a>>,
    },
}

#[derive(Debug, Serialize)]
struct ValueJson<'a> {
    option: &'a str,
    value: &'a str,
}

/// The plan as one JSON document.
#[must_use]
pub fn json(view: &PlanView<'_>) -> String {
    let PlanView {
        plan,
        desired: _,
        observed: _,
        file,
        commands: _,
    } = *view;
    let Plan {
        cluster,
        diff,
        steps,
        places: _,
        absent,
    } = plan;
    pretty(&PlanJson {
        format_version: FORMAT_VERSION,
        kind: "plan",
        cluster,
        file,
        summary: summary(plan, file),
        totals: TotalsJson::new(plan.totals(|_| true)),
        diff: DiffJson::new(diff),
        steps: steps.iter().map(|step| step_json(step, plan)).collect(),
        absent,
    })
}

/// A node of a plan.
pub(in crate::view) fn node(id: NodeId, plan: &Plan) -> NodeJson<'_> {
    NodeJson {
        id,
        name: plan.diff.pairing.names.get(&id),
        address: plan.places.get(&id).copied(),
    }
}

fn step_json<'a>(step: &'a Step, plan: &'a Plan) -> StepJson<'a> {
    let Step {
        id,
        action,
        because,
        after,
        sends,
        ready_when: _,
        guard: _,
        done_when: _,
        deadline,
        risk,
        required,
        always,
    } = step;
    StepJson {
        id: *id,
        text: step::intent(action, &plan.diff.pairing),
        reason: step::reason(step, &plan.diff),
        action: action_json(action, plan),
        because,
        after,
        sends: sends
            .iter()
            .map(|send| {
                let Send {
                    node: recipient,
                    command,
                } = send;
                SendJson {
                    node: node(*recipient, plan),
                    command,
                }
            })
            .collect(),
        deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        risk: match *risk {
            Risk::None => RiskJson::None,
            Risk::Resync { keys } => RiskJson::Resync { keys },
        },
        required: *required,
        always: *always,
    }
}

#[expect(clippy::too_many_lines, reason = "one arm a kind of step")]
fn action_json<'a>(action: &'a Action, plan: &'a Plan) -> ActionJson<'a> {
    let known = |id: &NodeId, name: &'a NodeName| NodeJson {
        name: Some(name),
        ..node(*id, plan)
    };
    match action {
        Action::Configure {
            node,
            name,
            changes,
            rewrite,
        } => ActionJson::Configure {
            node: known(node, name),
            changes: changes.iter().map(OptionJson::new).collect(),
            rewrite: *rewrite,
        },
        Action::Announce {
            node,
            name,
            want,
            changes,
            rewrite,
        } => ActionJson::Announce {
            node: known(node, name),
            want: *want,
            changes: changes.iter().map(OptionJson::new).collect(),
            rewrite: *rewrite,
        },
        Action::Hasten {
            node,
            name,
            options,
        } => ActionJson::Hasten {
            node: known(node, name),
            options: values(options),
        },
        Action::SetEpoch { node, name, epoch } => ActionJson::SetEpoch {
            node: known(node, name),
            epoch: *epoch,
        },
        Action::Assign {
            node: primary,
            shard,
            slots,
        } => ActionJson::Assign {
            node: node(*primary, plan),
            shard,
            slots,
        },
        Action::Join {
            node: newcomer,
            name,
            introducers,
        } => ActionJson::Join {
            node: known(newcomer, name),
            introducers: introducers.iter().map(|id| node(*id, plan)).collect(),
        },
        Action::Attach {
            node: replica,
            name,
            shard,
            primary,
            from,
        } => ActionJson::Attach {
            node: known(replica, name),
            shard,
            primary: node(*primary, plan),
            from: from.map(|id| node(id, plan)),
        },
        Action::Settle => ActionJson::Settle,
        Action::Restore {
            node,
            name,
            options,
        } => ActionJson::Restore {
            node: known(node, name),
            options: values(options),
        },
    }
}

fn values(options: &[(String, Arg)]) -> Vec<ValueJson<'_>> {
    options
        .iter()
        .map(|(option, value)| ValueJson {
            option,
            value: value.shown(),
        })
        .collect()
}
