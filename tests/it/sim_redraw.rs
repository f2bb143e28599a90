//! Files that are written anew, on simulated servers: what no plan for them may break, and what must
//! come of it.

use std::collections::BTreeMap;
use std::time::Duration;

use rcl::base::NodeId;
use rcl::diff::Allowed;
use rcl::plan::{Action, Plan, Step};

use crate::sim_properties::{Checked, apply, ensure, hold, look, run, sound_plan, stop_half_way};
use crate::support::scene::{Draft, Redraw, Scene, redraw};

const CASES: u32 = 150;

/// How many plans in a row may be needed, each with something that only the one before makes possible.
const APPLIES: usize = 4;

async fn a_redrawn_cluster(draft: &Draft, redraw: &Redraw) -> Checked<()> {
    let mut scene = Scene::build_beside(draft, redraw.blanks);
    scene.play(draft);
    scene.sim.elapse(Duration::from_secs(40));
    let observed = look(&scene).await;
    let made = sound_plan(&scene, &observed, &Allowed::default())?;
    if !made.is_empty() || !made.diff.is_empty() {
        let applied = apply(&scene, &made, &observed).await;
        // What it takes to form a cluster is held elsewhere.
        if applied.is_err() {
            return Ok(());
        }
        scene.sim.elapse(Duration::from_secs(20));
    }
    scene.sim.forget_writes();
    let allowed = scene.redraw(redraw);
    scene.sim.guard_keys();
    scene.sim.guard_slots();
    if let Some((how, percent)) = redraw.broken {
        let broken = stop_half_way(&scene, &allowed, how, percent).await;
        broken.map_err(|words| format!("before the run was broken: {words}"))?;
        scene.sim.elapse(Duration::from_secs(3));
    }
    bring_about(&scene, &allowed).await
}

fn steps(plan: &Plan) -> Vec<String> {
    let step = |step: &Step| format!("{} after {:?}: {:?}", step.id.0, step.after, step.action);
    plan.steps.iter().map(step).collect()
}

/// Whose primary every replica follows.
fn followed(scene: &Scene) -> BTreeMap<NodeId, NodeId> {
    let world = scene.sim.world();
    let nodes = world.nodes.iter();
    nodes
        .filter_map(|node| Some((node.id, node.myself().primary?)))
        .collect()
}

async fn bring_about(scene: &Scene, allowed: &Allowed) -> Checked<()> {
    let mut last = Vec::new();
    for _ in 0..=APPLIES {
        let observed = look(scene).await;
        let made = sound_plan(scene, &observed, allowed)?;
        if !made.diff.blocked.is_empty() {
            let applied = apply(scene, &made, &observed).await;
            applied.map_err(|words| format!("{words}\n{:#?}\n{}", steps(&made), scene.show()))?;
            scene.sim.elapse(Duration::from_secs(20));
            scene.sim.assert_keys_kept();
            return Ok(());
        }
        if made.is_empty() {
            // A copy that a killed run has begun is nobody's step.
            scene.sim.elapse(Duration::from_secs(20));
            let wrong = scene.judge_redrawn();
            ensure(made.diff.is_empty() && wrong.is_empty(), || {
                format!("{wrong:#?} {:#?}\n{}", made.diff.differences, scene.show())
            })?;
            scene.sim.assert_keys_kept();
            return Ok(());
        }
        scene.sim.guard_replicas(to_stay(scene, &made));
        let applied = apply(scene, &made, &observed).await;
        applied.map_err(|words| format!("{words}\n{:#?}\n{}", steps(&made), scene.show()))?;
        scene.sim.elapse(Duration::from_secs(20));
        scene.sim.assert_keys_kept();
        scene.sim.guard_replicas(BTreeMap::new());
        last = steps(&made);
    }
    Err(format!(
        "there is no end to it: {last:#?}\n{}",
        scene.show()
    ))
}

/// Replicas that no step is about, each with the primaries of the same shard.
fn to_stay(scene: &Scene, made: &Plan) -> BTreeMap<NodeId, Vec<NodeId>> {
    let meant = |replica: NodeId| {
        let mut steps = made.steps.iter();
        steps.any(|step| step.action.node() == Some(replica))
    };
    let mut replicas = followed(scene);
    replicas.retain(|replica, _| !meant(*replica));
    let fine = replicas.into_iter().map(|(replica, primary)| {
        let heirs = made.steps.iter().filter_map(|step| {
            let Action::FailOver { node, from, .. } = &step.action else {
                return None;
            };
            (*from == primary).then_some(*node)
        });
        (replica, heirs.chain([primary]).collect())
    });
    fine.collect()
}

fn a_file_written_anew_is_brought_about(part: u64) {
    hold(part, CASES, &redraw(), |(draft, redraw)| {
        run(a_redrawn_cluster(&draft, &redraw))
    });
}

#[test]
fn a_file_written_anew_is_brought_about_1() {
    a_file_written_anew_is_brought_about(0);
}

#[test]
fn a_file_written_anew_is_brought_about_2() {
    a_file_written_anew_is_brought_about(1);
}
