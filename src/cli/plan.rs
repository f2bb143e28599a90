//! `rcl plan`: what would be done.

use std::path::PathBuf;

use clap::Args;

use crate::desired::Desired;
use crate::diff::Allowed;
use crate::net::{Connections, Keyring, ReadOnly, holders};
use crate::observe::{SETTLE_WITHIN, Targets, count_keys, look_until_settled, sample_sizes};
use crate::observed::Observed;
use crate::plan::{Plan, check, plan};
use crate::view::Output;
use crate::view::plan::{PlanView, human, json};

use super::exit::Exit;
use super::load::{Loaded, targets};
use super::saved::{self, Opened};
use super::{Allow, Json, Shared, allowed};

/// Show what would be done
///
/// Reads the live cluster, compares it with FILE, and prints the steps that make it so: each with its reason, its
/// native commands, and the node that gets them. Nothing is written. The exit code is 0 whether or not there is
/// something to do, and 3 when something is blocked or a node is down.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub shared: Shared,
    /// Exit with 2 when there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Save the plan, so that rcl apply carries out exactly this one, or nothing
    #[arg(long, value_name = "PLAN")]
    pub out: Option<PathBuf>,
}

/// Prints the plan and returns the exit code.
pub async fn run(args: &PlanArgs, output: &mut Output<'_>) -> Exit {
    let shown = show(args, output).await;
    shown.unwrap_or_else(|exit| exit)
}

async fn show(args: &PlanArgs, output: &mut Output<'_>) -> Result<Exit, Exit> {
    let asked = args.shared.json.then_some(Json::Document);
    let opened = saved::open(&args.shared, asked, output)?;
    let Opened { loaded, allow, .. } = &opened;
    let made = make(loaded, allow, output).await?;
    opened.verify(&made, asked, output)?;
    let view = view(loaded, &made, &args.shared);
    output.data(&match args.shared.json {
        true => json(&view),
        false => human(&view, output.out.styles),
    });
    if let Some(path) = &args.out {
        saved::save(path, loaded, &made, allow, output)?;
    }
    Ok(exit(&made.plan, args.detailed_exitcode))
}

/// A plan with what it was made from.
pub(super) struct Made {
    pub(super) observed: Observed,
    pub(super) plan: Plan,
    pub(super) targets: Targets,
    pub(super) keyring: Keyring,
}

/// Looks at the cluster, and plans.
pub(super) async fn make(
    loaded: &Loaded,
    allow: &[Allow],
    output: &mut Output<'_>,
) -> Result<Made, Exit> {
    let targets = targets(&loaded.desired).await;
    let connections = Connections::new(loaded.keyring(&targets));
    make_over(&connections, targets, loaded, allow, output).await
}

/// Looks at the cluster over a wire that lets no write pass, asks who applies unless it's whoever asks, and plans.
pub(super) async fn make_over(
    connections: &Connections,
    targets: Targets,
    loaded: &Loaded,
    allow: &[Allow],
    output: &mut Output<'_>,
) -> Result<Made, Exit> {
    let allowed = allowed(allow, &loaded.desired).map_err(|words| {
        output.complain(&words);
        Exit::Usage
    })?;
    let wire = ReadOnly(connections);
    let mut observed = look_until_settled(&wire, &targets, SETTLE_WITHIN, |_| {
        output.talk("Waiting for the nodes to agree …\n");
    })
    .await;
    if !connections.are_locking() {
        observed.applying = holders(&wire, &observed.places()).await;
    }
    let mut plan = planned(&loaded.desired, &observed, &allowed, output)?;
    let moves = plan.slots_moved();
    if !moves.is_empty() {
        count_keys(&wire, &mut observed, moves).await;
        plan = planned(&loaded.desired, &observed, &allowed, output)?;
        let by_key = plan.slots_moved_by_key();
        if !by_key.is_empty() {
            sample_sizes(&wire, &mut observed, by_key).await;
            plan = planned(&loaded.desired, &observed, &allowed, output)?;
        }
    }
    Ok(Made {
        observed,
        plan,
        keyring: loaded.keyring(&targets),
        targets,
    })
}

/// Plans, and checks the plan by other means before anybody sees it.
pub(super) fn planned(
    desired: &Desired,
    observed: &Observed,
    allowed: &Allowed,
    output: &mut Output<'_>,
) -> Result<Plan, Exit> {
    let plan = plan(desired, observed, allowed);
    let violations = check(&plan, observed);
    if violations.is_empty() {
        return Ok(plan);
    }
    let reasons: String = violations
        .iter()
        .map(|violation| format!("  {violation}\n"))
        .collect();
    output.complain(&format!(
        "the plan that rcl made breaks its own rules, so nothing is done. Please report this:\n{reasons}"
    ));
    Err(Exit::Error)
}

/// A plan as it is shown.
pub(super) fn view<'a>(loaded: &'a Loaded, made: &'a Made, shared: &Shared) -> PlanView<'a> {
    PlanView {
        plan: &made.plan,
        desired: &loaded.desired,
        observed: &made.observed,
        file: &loaded.name,
        commands: shared.commands.into(),
    }
}

/// Pending changes are what a plan is for, so they count only when asked for.
fn exit(plan: &Plan, detailed: bool) -> Exit {
    match Exit::of_diff(&plan.diff) {
        Exit::Pending if !detailed => Exit::Fine,
        // A move that the servers carry out by themselves is no difference, and not as the file says.
        Exit::Fine if detailed && !plan.is_empty() => Exit::Pending,
        exit @ (Exit::Fine
        | Exit::Error
        | Exit::Pending
        | Exit::Blocked
        | Exit::Held
        | Exit::Usage) => exit,
    }
}
