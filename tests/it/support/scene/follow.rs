//! A plain executor of plans: begins whatever may begin, asks until its effect is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use rcl::base::{Command, NodeId};
use rcl::net::Wire;
use rcl::observe::ask_again;
use rcl::observed::{NodeView, Observed, Questions};
use rcl::plan::{Plan, Step, StepId};
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(100);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Runs a plan to its end.
///
/// # Errors
/// What kept a step from beginning or ending, in words.
pub(crate) async fn follow(
    wire: &impl Wire,
    plan: &Plan,
    observed: &Observed,
) -> Result<(), String> {
    let mut views = observed.views.clone();
    let mut ended: BTreeSet<StepId> = BTreeSet::new();
    let mut since: BTreeMap<StepId, Instant> = BTreeMap::new();
    let mut sent: BTreeSet<StepId> = BTreeSet::new();
    while ended.len() < plan.steps.len() {
        let active: Vec<&Step> = plan
            .steps
            .iter()
            .filter(|step| {
                !ended.contains(&step.id) && step.after.iter().all(|after| ended.contains(after))
            })
            .collect();
        look_again(wire, plan, &active, &mut views).await;
        for step in active {
            let began = *since.entry(step.id).or_insert_with(Instant::now);
            if step.done_when.holds(&views) {
                ended.insert(step.id);
                continue;
            }
            if began.elapsed() > step.deadline {
                if !step.required {
                    ended.insert(step.id);
                    continue;
                }
                let what = if sent.contains(&step.id) {
                    step.done_when.verdict(&views)
                } else {
                    step.ready_when.verdict(&views)
                };
                return Err(format!("{:?} did not end: {what:?}", step.action));
            }
            if sent.contains(&step.id) || !step.ready_when.holds(&views) {
                continue;
            }
            if !step.guard.holds(&views) {
                return Err(format!(
                    "{:?} may not begin: {:?}",
                    step.action,
                    step.guard.verdict(&views)
                ));
            }
            send(wire, plan, step).await?;
            sent.insert(step.id);
            since.insert(step.id, Instant::now());
        }
        sleep(POLL).await;
    }
    Ok(())
}

async fn look_again(
    wire: &impl Wire,
    plan: &Plan,
    steps: &[&Step],
    views: &mut BTreeMap<NodeId, NodeView>,
) {
    let conditions = || {
        steps
            .iter()
            .flat_map(|step| [&step.done_when, &step.ready_when, &step.guard])
    };
    let nodes: BTreeSet<NodeId> = conditions()
        .flat_map(|condition| condition.nodes())
        .collect();
    let known: Vec<(NodeId, NodeView)> = nodes
        .iter()
        .filter_map(|id| Some((*id, views.get(id)?.clone())))
        .collect();
    let answers = join_all(known.iter().map(|(id, earlier)| async move {
        let mut questions = Questions {
            brief: true,
            ..Questions::default()
        };
        conditions().for_each(|condition| condition.ask(earlier, &mut questions));
        let address = plan.places.get(id)?;
        ask_again(wire, *address, &questions, Some(earlier))
            .await
            .ok()
    }))
    .await;
    for view in answers.into_iter().flatten() {
        views.insert(view.id, view);
    }
}

async fn send(wire: &impl Wire, plan: &Plan, step: &Step) -> Result<(), String> {
    for send in &step.sends {
        let Some(address) = plan.places.get(&send.node) else {
            return Err(format!("nowhere to send {}", send.command));
        };
        let commands: [Command; 1] = [send.command.clone()];
        let replies = wire
            .call(*address, &commands, ANSWER_WITHIN)
            .await
            .map_err(|error| error.to_string())?;
        if let Some(words) = replies.first().and_then(|reply| reply.as_error())
            && step.required
        {
            return Err(format!("{} was refused: {words}", send.command));
        }
    }
    Ok(())
}
