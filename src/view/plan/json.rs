//! A plan as JSON: the values of the plan for people, with full ids and deadlines.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Arg, BusAddress, Command, NodeId, ShardName, SlotSet};
use crate::diff::OptionChange;
use crate::plan::{Action, Load, Plan, Risk, Send, Step, StepId, Totals, Transfer};
use crate::view::json::{
    ApplyingJson, DiffJson, FORMAT_VERSION, NodeJson, OptionJson, line, pretty,
};
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
    applying: Vec<ApplyingJson<'a>>,
}

/// The numbers of the summary line.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::view) struct TotalsJson {
    joins: usize,
    slots_assigned: usize,
    slots_moved: usize,
    slots_given_up: usize,
    slots_closed: usize,
    slots_brought_home: usize,
    replicas_attached: usize,
    detached: usize,
    failed_over: usize,
    /// Those forgotten too.
    removed: usize,
    forgotten: usize,
    announced: usize,
    configured: usize,
}

impl TotalsJson {
    pub(in crate::view) fn new(totals: Totals) -> Self {
        let Totals {
            joins,
            slots,
            moves,
            given_up,
            closed,
            brought_home,
            attached,
            detached,
            failed_over,
            removed,
            forgotten,
            announced,
            configured,
        } = totals;
        Self {
            joins,
            slots_assigned: slots,
            slots_moved: moves,
            slots_given_up: given_up,
            slots_closed: closed,
            slots_brought_home: brought_home,
            replicas_attached: attached,
            detached,
            failed_over,
            removed: removed + forgotten,
            forgotten,
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
    /// For how long its shard must have been in peace before it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    calm_ms: Option<u64>,
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
    Removal,
    LoseData { slots: u16 },
}

#[derive(Debug, Serialize)]
struct ActionJson<'a> {
    kind: &'static str,
    /// The node that the step is about; `null` for what concerns all.
    node: Option<NodeJson<'a>>,
    #[serde(flatten)]
    details: DetailsJson<'a>,
}

/// What each kind of action has beside its node.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum DetailsJson<'a> {
    Configure {
        changes: Vec<OptionJson<'a>>,
        rewrite: bool,
    },
    Announce {
        want: BusAddress,
        changes: Vec<OptionJson<'a>>,
        rewrite: bool,
    },
    Options {
        options: Vec<ValueJson<'a>>,
    },
    SetEpoch {
        epoch: u64,
    },
    Assign {
        shard: &'a ShardName,
        slots: &'a SlotSet,
    },
    Join {
        introducers: Vec<NodeJson<'a>>,
    },
    Attach {
        shard: &'a ShardName,
        primary: NodeJson<'a>,
        from: Option<NodeJson<'a>>,
    },
    /// Of a detach and a failover: whom the node leaves, or whose place it takes.
    Lead {
        shard: &'a ShardName,
        from: NodeJson<'a>,
    },
    GiveUp {
        shard: &'a ShardName,
        lost: NodeJson<'a>,
        slots: &'a SlotSet,
        templates: Vec<TemplateJson<'a>>,
    },
    CopyLibraries {
        libraries: &'a [String],
    },
    Await {
        slots: &'a SlotSet,
        targets: Vec<NodeJson<'a>>,
    },
    Claim {
        other: NodeJson<'a>,
        slots: &'a SlotSet,
    },
    Close {
        slots: &'a SlotSet,
    },
    Tell {
        owner: NodeJson<'a>,
        slots: &'a SlotSet,
    },
    BringHome {
        source: NodeJson<'a>,
        slots: &'a SlotSet,
        keys: u64,
        bytes: u64,
        templates: Vec<TemplateJson<'a>>,
    },
    Move {
        shard: &'a ShardName,
        source: NodeJson<'a>,
        slots: &'a SlotSet,
        begun: SlotSet,
        engine: &'static str,
        keys: u64,
        bytes: u64,
        /// What will be sent: a word in angle brackets is only known while it runs.
        templates: Vec<TemplateJson<'a>>,
    },
    Watch {
        nodes: Vec<NodeJson<'a>>,
    },
    None {},
}

#[derive(Debug, Serialize)]
struct TemplateJson<'a> {
    node: NodeJson<'a>,
    command: String,
}

#[derive(Debug, Serialize)]
struct ValueJson<'a> {
    option: &'a str,
    value: &'a str,
}

/// The plan as one JSON document.
#[must_use]
pub fn json(view: &PlanView<'_>) -> String {
    pretty(&plan_json(view))
}

/// The same on one line, the first of the lines that an apply prints.
#[must_use]
pub fn json_line(view: &PlanView<'_>) -> String {
    line(&plan_json(view))
}

fn plan_json<'a>(view: &PlanView<'a>) -> PlanJson<'a> {
    let PlanView {
        plan,
        desired: _,
        observed,
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
    PlanJson {
        format_version: FORMAT_VERSION,
        kind: "plan",
        cluster,
        file,
        summary: summary(plan, file),
        totals: TotalsJson::new(plan.totals(|_| true)),
        diff: DiffJson::new(diff),
        steps: steps.iter().map(|step| step_json(step, plan)).collect(),
        absent,
        applying: ApplyingJson::all(&observed.applying),
    }
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
        calm,
        done_when: _,
        holds_for: _,
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
        deadline_ms: millis(*deadline),
        calm_ms: calm.map(|calm| millis(calm.lasting)),
        risk: match *risk {
            Risk::None => RiskJson::None,
            Risk::Resync { keys } => RiskJson::Resync { keys },
            Risk::Removal => RiskJson::Removal,
            Risk::LoseData { slots } => RiskJson::LoseData { slots },
        },
        required: *required,
        always: *always,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn action_json<'a>(action: &'a Action, plan: &'a Plan) -> ActionJson<'a> {
    ActionJson {
        kind: action_word(action),
        node: action.node().map(|id| node(id, plan)),
        details: details(action, plan),
    }
}

/// A stable word for each kind of action.
fn action_word(action: &Action) -> &'static str {
    match action {
        Action::Configure { .. } => "configure",
        Action::Announce { .. } => "announce",
        Action::Hasten { .. } => "hasten",
        Action::SetEpoch { .. } => "set_epoch",
        Action::Assign { .. } => "assign",
        Action::Join { .. } => "join",
        Action::Attach { .. } => "attach",
        Action::Detach { .. } => "detach",
        Action::FailOver { .. } => "fail_over",
        Action::CopyLibraries { .. } => "copy_libraries",
        Action::Await { .. } => "await",
        Action::GiveUp { .. } => "give_up",
        Action::Claim { .. } => "claim",
        Action::Close { .. } => "close",
        Action::Tell { .. } => "tell",
        Action::BringHome { .. } => "bring_home",
        Action::Move { .. } => "move",
        Action::Pin { .. } => "pin",
        Action::Unpin { .. } => "unpin",
        Action::Remove { .. } => "remove",
        Action::Forget { .. } => "forget",
        Action::Settle => "settle",
        Action::Restore { .. } => "restore",
        Action::Watch { .. } => "watch",
    }
}

fn give_up_details<'a>(
    shard: &'a ShardName,
    transfer: &'a Transfer,
    plan: &'a Plan,
) -> DetailsJson<'a> {
    DetailsJson::GiveUp {
        shard,
        lost: node(transfer.source, plan),
        slots: &transfer.slots,
        templates: templates(transfer, plan),
    }
}

fn details<'a>(action: &'a Action, plan: &'a Plan) -> DetailsJson<'a> {
    let changed = |changes: &'a [OptionChange]| changes.iter().map(OptionJson::new).collect();
    match action {
        Action::Configure {
            changes, rewrite, ..
        } => DetailsJson::Configure {
            changes: changed(changes),
            rewrite: *rewrite,
        },
        Action::Announce {
            want,
            changes,
            rewrite,
            ..
        } => DetailsJson::Announce {
            want: *want,
            changes: changed(changes),
            rewrite: *rewrite,
        },
        Action::Hasten { options, .. }
        | Action::Restore { options, .. }
        | Action::Pin { options, .. }
        | Action::Unpin { options, .. } => DetailsJson::Options {
            options: values(options),
        },
        Action::SetEpoch { epoch, .. } => DetailsJson::SetEpoch { epoch: *epoch },
        Action::Assign { shard, slots, .. } => DetailsJson::Assign { shard, slots },
        Action::Join { introducers, .. } => DetailsJson::Join {
            introducers: introducers.iter().map(|id| node(*id, plan)).collect(),
        },
        Action::Attach {
            shard,
            primary,
            from,
            ..
        } => DetailsJson::Attach {
            shard,
            primary: node(*primary, plan),
            from: from.map(|id| node(id, plan)),
        },
        Action::Detach { shard, from, .. } | Action::FailOver { shard, from, .. } => {
            DetailsJson::Lead {
                shard,
                from: node(*from, plan),
            }
        }
        Action::CopyLibraries { libraries, .. } => DetailsJson::CopyLibraries { libraries },
        Action::GiveUp { shard, transfer } => give_up_details(shard, transfer, plan),
        Action::Await { slots, targets, .. } => DetailsJson::Await {
            slots,
            targets: targets.iter().map(|id| node(*id, plan)).collect(),
        },
        Action::Claim { other, slots, .. } => DetailsJson::Claim {
            other: node(*other, plan),
            slots,
        },
        Action::Close { slots, .. } => DetailsJson::Close { slots },
        Action::Tell { owner, slots, .. } => tell_details(*owner, slots, plan),
        Action::BringHome { transfer, load } => bring_home_details(transfer, *load, plan),
        Action::Move {
            shard,
            transfer,
            load,
        } => move_details(shard, transfer, *load, plan),
        Action::Remove { node: _ } | Action::Forget { node: _ } | Action::Settle => {
            DetailsJson::None {}
        }
        Action::Watch { nodes } => DetailsJson::Watch {
            nodes: nodes.iter().map(|id| node(*id, plan)).collect(),
        },
    }
}

fn move_details<'a>(
    shard: &'a ShardName,
    transfer: &'a Transfer,
    load: Load,
    plan: &'a Plan,
) -> DetailsJson<'a> {
    DetailsJson::Move {
        shard,
        source: node(transfer.source, plan),
        slots: &transfer.slots,
        begun: transfer.begun(),
        engine: step::engine(&transfer.engine),
        keys: load.keys,
        bytes: load.bytes,
        templates: templates(transfer, plan),
    }
}

fn tell_details<'a>(owner: NodeId, slots: &'a SlotSet, plan: &'a Plan) -> DetailsJson<'a> {
    DetailsJson::Tell {
        owner: node(owner, plan),
        slots,
    }
}

fn bring_home_details<'a>(transfer: &'a Transfer, load: Load, plan: &'a Plan) -> DetailsJson<'a> {
    DetailsJson::BringHome {
        source: node(transfer.source, plan),
        slots: &transfer.slots,
        keys: load.keys,
        bytes: load.bytes,
        templates: templates(transfer, plan),
    }
}

fn templates<'a>(transfer: &Transfer, plan: &'a Plan) -> Vec<TemplateJson<'a>> {
    transfer
        .templates()
        .into_iter()
        .map(|(id, command)| TemplateJson {
            node: node(id, plan),
            command,
        })
        .collect()
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
