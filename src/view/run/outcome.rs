//! What a run came to: one line when it is complete, else what stopped it, what is still not
//! so, how far it got and what to do.

use std::collections::BTreeSet;

use crate::apply::{End, Outcome, Trouble, TroubleKind};
use crate::base::counted;
use crate::plan::{Action, Plan, Step, StepId};
use crate::view::output::Output;
use crate::view::page::Page;
use crate::view::styles::{Meaning, Styles};
use crate::view::wording::{MOST_ALIKE, answer, command, duration, list, with_labels};

use super::lines::{because, intent};
use super::moving::Sum;

/// Steps that failed and are told in full.
const TOLD: usize = 3;

/// Nodes of one step whose objections are told.
const OBJECTIONS: usize = 8;

/// Success is data, the rest is talk.
pub(super) fn print(output: &mut Output<'_>, plan: &Plan, ended: &Outcome, file: &str) {
    if ended.is_complete(plan.steps.len()) {
        output.data(&outcome(plan, ended, file, output.out.styles));
    } else {
        output.talk(&outcome(plan, ended, file, output.err.styles));
    }
}

/// What the run came to, for people.
#[must_use]
pub fn outcome(plan: &Plan, outcome: &Outcome, file: &str, styles: Styles) -> String {
    let mut page = Page::new(styles);
    if outcome.is_complete(plan.steps.len()) {
        page.put(Meaning::Good, summary(plan, outcome)).end();
        return page.into_text();
    }
    let failed: Vec<Failure<'_>> = outcome
        .ends
        .iter()
        .filter_map(|(step, end)| match end {
            End::Failed(trouble) => Some((*step, trouble)),
            End::Done { .. } | End::AlreadySo | End::Skipped(_) => None,
        })
        .collect();
    page.put(Meaning::Bad, summary(plan, outcome)).end();
    let alike = alike(&failed);
    for steps in alike.iter().take(TOLD) {
        failures(&mut page, plan, outcome, steps);
    }
    let rest: usize = alike.iter().skip(TOLD).map(Vec::len).sum();
    if rest > 0 {
        let more = counted(rest, "more step");
        page.put(Meaning::Dim, format_args!("  … and {more} failed"))
            .end();
    }
    lowered(&mut page, plan, outcome);
    page.plain(format_args!("{}.", tally(plan, outcome))).end();
    page.put(
        Meaning::Note,
        format_args!("Run `rcl plan {file}` to see what remains."),
    )
    .end();
    page.into_text()
}

/// A step that failed, and why.
type Failure<'a> = (StepId, &'a Trouble);

/// The failures, those together that are the same but for their nodes: what one server refuses
/// the others refuse too.
fn alike<'a>(failed: &[Failure<'a>]) -> Vec<Vec<Failure<'a>>> {
    let mut groups: Vec<Vec<Failure<'a>>> = Vec::new();
    for failure in failed {
        let same = |group: &&mut Vec<Failure<'a>>| {
            let first = group.first();
            first.is_some_and(|(_, first)| same_but_for_nodes(first, failure.1))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(*failure),
            None => groups.push(vec![*failure]),
        }
    }
    groups
}

fn same_but_for_nodes(left: &Trouble, right: &Trouble) -> bool {
    let answers = |trouble: &Trouble| -> Vec<(String, String)> {
        let answers = trouble.answers.iter();
        answers
            .map(|(_, command, words)| (command.to_string(), words.clone()))
            .collect()
    };
    let says = |trouble: &Trouble| {
        trouble
            .objections
            .values()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    left.kind == right.kind
        && !left.answers.is_empty()
        && answers(left) == answers(right)
        && says(left) == says(right)
}

/// What failed, in full, and for which nodes else.
fn failures(page: &mut Page, plan: &Plan, outcome: &Outcome, steps: &[Failure<'_>]) {
    let Some(((step, trouble), others)) = steps.split_first() else {
        return;
    };
    page.put(Meaning::Bad, "! ")
        .plain(format_args!(
            "{}: {}",
            intent(plan, *step),
            because(trouble.kind)
        ))
        .end();
    details(page, plan, trouble);
    if let Some(moved) = carried(plan, outcome, *step, trouble) {
        page.plain(format_args!("    {moved}")).end();
    }
    let nodes = others.iter().filter_map(|(step, _)| {
        let node = plan.step(*step)?.action.node()?;
        Some(plan.diff.pairing.label(node))
    });
    let nodes: Vec<String> = nodes.collect();
    if !nodes.is_empty() {
        let nodes = list(&nodes, MOST_ALIKE);
        page.plain(format_args!("    the same on {nodes}")).end();
    }
}

/// What this run has set for a while and could not put back, as after a second Ctrl-C, and who mends it.
fn lowered(page: &mut Page, plan: &Plan, outcome: &Outcome) {
    let steps: Vec<&Step> = outcome.not_put_back(plan).collect();
    if steps.is_empty() {
        return;
    }
    page.put(Meaning::Bad, "! ")
        .plain("options that were set for this run were not seen to be put back; this does it:")
        .end();
    let sends = || steps.iter().flat_map(|step| &step.sends);
    for send in sends().take(OBJECTIONS) {
        let label = plan.diff.pairing.label(send.node);
        page.put(Meaning::Dim, format_args!("    {label}> "))
            .put(Meaning::Command, command(&send.command))
            .end();
    }
    let more = sends().count().saturating_sub(OBJECTIONS);
    if more > 0 {
        let more = counted(more, "more node");
        page.put(Meaning::Dim, format_args!("    … and {more}"))
            .end();
    }
    let undeclared = |step: &&Step| {
        matches!(
            step.action,
            Action::Unpin {
                declared: false,
                ..
            }
        )
    };
    let who = match steps.iter().any(undeclared) {
        true => "Where the file doesn't declare them, no later `rcl apply` does it.",
        false => "The file declares them, so the next `rcl apply` does it too.",
    };
    page.plain(format_args!("    {who}")).end();
}

/// How far a move came that was stopped or has failed.
fn carried(plan: &Plan, outcome: &Outcome, step: StepId, trouble: &Trouble) -> Option<String> {
    let transfer = plan.step(step)?.action.transfer()?;
    let moved = outcome.moved.get(&step)?.slots;
    let all = counted(transfer.slots.count(), "slot");
    let clean = trouble.kind == TroubleKind::Interrupted && trouble.objections.is_empty();
    let left = if clean {
        ", and none is left half-way"
    } else {
        ""
    };
    Some(format!("{moved} of {all} moved{left}"))
}

/// The first line: `Apply complete! …`, `Apply stopped …`.
#[must_use]
pub fn summary(plan: &Plan, outcome: &Outcome) -> String {
    let steps = plan.steps.len();
    if outcome.is_complete(steps) {
        return complete(plan, outcome);
    }
    let took = duration(outcome.took);
    match outcome.first_trouble() {
        _ if outcome.interrupted => format!("Apply interrupted after {took}."),
        Some((step, _)) => format!("Apply stopped at step {} of {steps} after {took}.", step.0),
        None => format!("Apply ended early after {took}."),
    }
}

fn complete(plan: &Plan, outcome: &Outcome) -> String {
    let totals = plan.totals(|step| outcome.did(step.id));
    let awaited = plan.awaited().filter(|step| outcome.did(step.id)).count();
    let parts = [
        (totals.joins, format!("{} joined", totals.joins)),
        (
            totals.slots,
            format!("{} assigned", counted(totals.slots, "slot")),
        ),
        (
            totals.moves,
            format!(
                "{} moved{}",
                counted(totals.moves, "slot"),
                Sum::of(outcome).words()
            ),
        ),
        (
            totals.given_up,
            format!("{} given up empty", counted(totals.given_up, "slot")),
        ),
        (
            totals.closed,
            format!("{} closed", counted(totals.closed, "slot")),
        ),
        (
            totals.brought_home,
            format!(
                "keys of {} brought home",
                counted(totals.brought_home, "slot")
            ),
        ),
        (
            totals.attached,
            format!("{} attached", counted(totals.attached, "replica")),
        ),
        (totals.detached, format!("{} detached", totals.detached)),
        (awaited, format!("{awaited} waited for")),
        (
            totals.failed_over,
            format!("{} failed over", totals.failed_over),
        ),
        (totals.removed, format!("{} removed", totals.removed)),
        (totals.forgotten, format!("{} forgotten", totals.forgotten)),
        (totals.announced, format!("{} announced", totals.announced)),
        (
            totals.configured,
            format!("{} configured", totals.configured),
        ),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(_, text)| text)
        .collect();
    if parts.is_empty() {
        "Apply complete! Nothing was left to do.".to_owned()
    } else {
        format!(
            "Apply complete! {} in {}.",
            parts.join(", "),
            duration(outcome.took)
        )
    }
}

/// What was answered, and who says that it is not so.
fn details(page: &mut Page, plan: &Plan, trouble: &Trouble) {
    let Trouble {
        kind: _,
        objections,
        answers,
    } = trouble;
    let label = |id| plan.diff.pairing.label(id);
    for (node, sent, words) in answers {
        page.put(Meaning::Dim, format_args!("    {}> ", label(*node)))
            .put(Meaning::Command, command(sent))
            .end();
        page.plain("      ")
            .put(Meaning::Bad, answer(words, sent))
            .end();
    }
    for (node, objection) in objections.iter().take(OBJECTIONS) {
        let objection = with_labels(objection, &plan.diff.pairing);
        page.plain(format_args!("    {} {objection}", label(*node)))
            .end();
    }
    if objections.len() > OBJECTIONS {
        let more = objections.len() - OBJECTIONS;
        let more = counted(more, "more node");
        page.put(Meaning::Dim, format_args!("    … and {more}"))
            .end();
    }
}

/// `6 steps done, 1 failed, 5 not started`.
pub(super) fn tally(plan: &Plan, outcome: &Outcome) -> String {
    let Tally {
        done,
        failed,
        skipped,
        not_started,
    } = Tally::new(plan, outcome);
    let mut parts = vec![format!("{} done", counted(done, "step"))];
    let rest = [
        (
            failed,
            if outcome.interrupted {
                "not finished"
            } else {
                "failed"
            },
        ),
        (skipped, "skipped"),
        (not_started, "not started"),
    ];
    let rest = rest.into_iter().filter(|(number, _)| *number > 0);
    parts.extend(rest.map(|(number, what)| format!("{number} {what}")));
    parts.join(", ")
}

/// How many steps ended in which way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
    pub(super) not_started: usize,
}

impl Tally {
    pub(super) fn new(plan: &Plan, outcome: &Outcome) -> Self {
        let mut tally = Self {
            not_started: plan.steps.len().saturating_sub(outcome.ends.len()),
            ..Self::default()
        };
        for end in outcome.ends.values() {
            match end {
                End::Done { took: _ } | End::AlreadySo => tally.done += 1,
                End::Failed(_) => tally.failed += 1,
                End::Skipped(_) => tally.skipped += 1,
            }
        }
        tally
    }
}
