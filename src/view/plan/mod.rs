//! A plan for people: the topology diff, the steps with their exact commands, what is left
//! alone and why, and one summary line. What needs a person stands last, next to the prompt.

mod json;
mod summary;
mod unified;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::base::counted;
use crate::desired::Desired;
use crate::observed::{Cluster, Observed};
use crate::plan::{Phase, Plan, Step, Transfer};

use super::page::Page;
use super::styles::{Meaning, Styles};
use super::{Commands, SHOWS_ALL, attention, lock, step, topology, wording};

pub(super) use json::{TotalsJson, node};
pub use json::{json, json_line};
pub use summary::summary;

/// A plan and what it was made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanView<'a> {
    pub plan: &'a Plan,
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    /// The file as people named it.
    pub file: &'a str,
    pub commands: Commands,
}

/// The plan for people.
#[must_use]
pub fn human(view: &PlanView<'_>, styles: Styles) -> String {
    let PlanView {
        plan,
        desired,
        observed,
        file,
        commands,
    } = *view;
    let cluster = Cluster::merge(observed);
    let mut page = Page::new(styles);
    if !plan.diff.is_empty() {
        page.put(Meaning::Heading, header(view, &cluster)).end();
    }
    attention::outage(&mut page, &plan.diff.unserved);
    // Before the nodes are paired with the file there is nothing to compare by.
    if !plan.diff.everything_blocked() {
        let declared = topology::Declared {
            desired,
            pairing: &plan.diff.pairing,
        };
        let going = plan.steps.iter().filter_map(|step| step.action.gone());
        let (have, want) = topology::sides(&cluster, declared, &going.collect());
        page.gap();
        unified::print(&mut page, &have, &want, file, commands);
    }
    steps(&mut page, plan, commands);
    attention::left(&mut page, &plan.diff, &because(plan), commands);
    attention::notes(&mut page, &plan.diff.notes, commands);
    lock::applying(&mut page, &observed.applying);
    attention::blocked(&mut page, &plan.diff.blocked, commands);
    page.gap();
    page.put(Meaning::Heading, summary(plan, file)).end();
    page.into_text()
}

/// What is asked before anything is sent.
#[must_use]
pub fn question(plan: &Plan) -> String {
    let nodes: BTreeSet<_> = plan.steps.iter().flat_map(Step::recipients).collect();
    format!(
        "Apply these changes to cluster \"{}\" (commands to {})? Only 'yes' will be accepted: ",
        super::page::clean(&plan.cluster),
        counted(nodes.len(), "node")
    )
}

fn header(view: &PlanView<'_>, cluster: &Cluster) -> String {
    let PlanView { plan, observed, .. } = view;
    let declared = view.desired.nodes.len();
    let answering = view
        .desired
        .nodes
        .keys()
        .filter(|name| observed.view_of(name).is_some())
        .count();
    let servers: BTreeSet<_> = observed.views.values().map(|view| view.server).collect();
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let mut parts = vec![format!("{answering} of {declared} declared nodes answer")];
    if plan.diff.pairing.forming {
        parts.push("no cluster yet".to_owned());
    } else if let Some(main) = cluster.main() {
        let members = main.answered.len() + main.silent.len();
        parts.push(counted(members, "member"));
    }
    if !servers.is_empty() {
        parts.push(wording::list(&servers, 3));
    }
    format!(
        "Plan for cluster \"{}\" from {}: {}",
        plan.cluster,
        view.file,
        parts.join(", ")
    )
}

/// Steps in their order, a gap between the kinds.
fn steps(page: &mut Page, plan: &Plan, commands: Commands) {
    let kinds = plan
        .steps
        .chunk_by(|left, right| left.action.phase() == right.action.phase());
    for kind in kinds {
        page.gap();
        let alike = |left: &Step, right: &Step| {
            step::shape(left).is_some() && step::shape(left) == step::shape(right)
        };
        let runs: Vec<(&[Step], usize)> = kind
            .chunk_by(alike)
            .map(|run| (run, shown(run, commands)))
            .collect();
        let titles = runs.iter().flat_map(|(run, shown)| &run[..*shown]);
        let titles = titles.map(|step| console::measure_text_width(&title(step, plan)));
        let width = titles.max().unwrap_or(0).min(60);
        for (run, shown) in runs {
            for one in &run[..shown] {
                print_step(page, one, plan, width);
            }
            folded(page, plan, &run[shown..]);
        }
    }
}

/// Nodes whose folded steps are named.
const NAMED: usize = 6;

fn folded(page: &mut Page, plan: &Plan, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    let nodes = steps.iter().filter_map(|step| step.action.node());
    let nodes: Vec<String> = nodes.map(|id| plan.diff.pairing.label(id)).collect();
    let named = match nodes.len() {
        0..=NAMED => format!(", for {}", nodes.join(", ")),
        _ => String::new(),
    };
    let more = steps.len();
    page.put(
        Meaning::Dim,
        format_args!("  … and {more} more alike{named} ({SHOWS_ALL})"),
    )
    .end();
}

/// How many steps of a run are printed. Options and epochs are alike everywhere: one step tells
/// it all.
fn shown(run: &[Step], commands: Commands) -> usize {
    let (most, few) = match run.first().map(|step| step.action.phase()) {
        Some(
            Phase::Configure
            | Phase::Hasten
            | Phase::Epochs
            | Phase::Pin
            | Phase::Unpin
            | Phase::Restore,
        ) => (2, 1),
        Some(
            Phase::Announce
            | Phase::Assign
            | Phase::Join
            | Phase::CopyLibraries
            | Phase::Await
            | Phase::GiveUp
            | Phase::Claim
            | Phase::Close
            | Phase::Tell
            | Phase::BringHome
            | Phase::Attach
            | Phase::Detach
            | Phase::Move
            | Phase::FailOver
            | Phase::Remove
            | Phase::Settle
            | Phase::Watch,
        )
        | None => (12, 3),
    };
    match commands {
        Commands::Folded if run.len() > most => few,
        Commands::Folded | Commands::All => run.len(),
    }
}

fn title(step: &Step, plan: &Plan) -> String {
    super::page::clean(&step::intent(&step.action, &plan.diff.pairing)).into_owned()
}

fn print_step(page: &mut Page, step: &Step, plan: &Plan, width: usize) {
    let sign = step::Sign::of(&step.action);
    let title = title(step, plan);
    page.put(sign.meaning(), format_args!("{} {title}", sign.text()));
    let reason = step::reason(step, &plan.diff);
    if !reason.is_empty() {
        let missing = width.saturating_sub(console::measure_text_width(&title)) + 2;
        page.plain(" ".repeat(missing))
            .put(Meaning::Dim, format_args!("# {reason}"));
    }
    page.end();
    let transfer = step.action.transfer();
    let each = transfer.map(Transfer::templates).unwrap_or_default();
    for (node, command) in &each {
        let node = plan.diff.pairing.label(*node);
        page.put(Meaning::Dim, format_args!("    {node}> "))
            .put(Meaning::Command, command)
            .end();
    }
    for send in &step.sends {
        let node = plan.diff.pairing.label(send.node);
        page.put(Meaning::Dim, format_args!("    {node}> "))
            .put(Meaning::Command, wording::command(&send.command))
            .end();
    }
}

/// The differences that the plan's steps remove, by their place in the diff.
fn because(plan: &Plan) -> BTreeSet<usize> {
    let steps = plan.steps.iter();
    steps
        .flat_map(|step| step.because.iter().copied())
        .collect()
}
