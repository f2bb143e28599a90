//! Files and live states that nobody thought of, on simulated servers.

use std::cell::Cell;
use std::future::pending;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use rcl::apply::{Stop, run as carry_out};
use rcl::base::{Address, Command, Reply};
use rcl::diff::{Allowed, Difference};
use rcl::net::{CallError, Wire};
use rcl::observe::{SETTLE_WITHIN, look_until_settled};
use rcl::observed::Observed;
use rcl::plan::{Plan, check, plan};
use tokio::sync::{Notify, watch};

use crate::support::scene::{Break, Draft, Hostility, Scene, Verdict, draft, hostility};
use crate::support::sim::Sim;

fn seed() -> u64 {
    std::env::var("RCL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1)
}

/// In how many tests each property is held, so that they run side by side, and the cases of each.
const PARTS: u64 = 4;
const CASES: u32 = 1250;

/// Runs one part of a property's cases: the same in every run; RCL_SEED tries others.
#[track_caller]
pub(crate) fn hold<S: Strategy>(
    part: u64,
    cases: u32,
    strategy: &S,
    holds: impl Fn(S::Value) -> Checked<()>,
) {
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed().wrapping_mul(PARTS).wrapping_add(part)),
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    });
    let held = runner.run(strategy, |case| holds(case).map_err(TestCaseError::fail));
    if let Err(wrong) = held {
        panic!("part {part}: {wrong}");
    }
}

pub(crate) fn run<T>(case: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(case)
}

/// A wire that breaks after so many writes.
struct Breaking<'a> {
    sim: &'a Sim,
    how: Break,
    left: Cell<usize>,
    broken: Notify,
}

impl Wire for Breaking<'_> {
    async fn call(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        let before = self.sim.writes().len();
        let replies = self.sim.call(node, commands, within).await;
        let written = self.sim.writes().len() - before;
        let left = self.left.get();
        self.left.set(left.saturating_sub(written));
        if written > 0 && left > 0 && left <= written {
            self.broken.notify_one();
            match self.how {
                Break::Killed => return pending().await,
                Break::Interrupted => {}
                Break::Unanswered => {
                    return Err(CallError::Unreachable {
                        words: "connection reset by peer".to_owned(),
                    });
                }
            }
        }
        replies
    }
}

fn everything_allowed(scene: &Scene) -> Allowed {
    Allowed {
        resync: scene.desired.nodes.keys().cloned().collect(),
        ..Allowed::default()
    }
}

pub(crate) async fn look(scene: &Scene) -> Observed {
    look_until_settled(&scene.sim, &scene.targets, SETTLE_WITHIN, |_| {}).await
}

/// What is wrong with a case, in words; `Ok` when nothing is.
pub(crate) type Checked<T> = Result<T, String>;

pub(crate) fn ensure(holds: bool, words: impl FnOnce() -> String) -> Checked<()> {
    if holds { Ok(()) } else { Err(words()) }
}

/// A plan that passes the independent check and comes out the same when made again.
pub(crate) fn sound_plan(scene: &Scene, observed: &Observed, allowed: &Allowed) -> Checked<Plan> {
    let made = plan(&scene.desired, observed, allowed);
    ensure(made == plan(&scene.desired, observed, allowed), || {
        "equal input, other plan".to_owned()
    })?;
    let violations = check(&made, observed);
    ensure(violations.is_empty(), || {
        format!(
            "the plan breaks {violations:?}: {:#?} {:#?} {:#?}\n{}",
            made.steps,
            made.diff.blocked,
            made.diff.differences,
            scene.show()
        )
    })?;
    Ok(made)
}

fn count_writes(sim: &Sim, start: &str) -> usize {
    sim.writes()
        .iter()
        .filter(|write| write.command.to_string().starts_with(start))
        .count()
}

/// Plan and apply until all is as declared; then once more, which must send nothing.
async fn repair(scene: &Scene) -> Checked<()> {
    let sim = &scene.sim;
    sim.guard_keys();
    let observed = look(scene).await;
    let before = scene.before();
    let made = sound_plan(scene, &observed, &everything_allowed(scene))?;
    ensure(made.diff.blocked.is_empty(), || {
        format!("blocked: {:#?}", made.diff.blocked)
    })?;
    let applied = apply(scene, &made, &observed).await;
    let after = || format!("after {:#?}\n{}", sim.writes(), scene.show());
    applied.map_err(|words| format!("{words}\n{}", after()))?;
    sim.assert_keys_kept();
    // Links that were being made already are nobody's step.
    sim.elapse(Duration::from_secs(20));
    for write in sim.writes().iter() {
        let again = write.command.to_string().starts_with("CLUSTER REPLICATE")
            && before.attached.contains(&write.id);
        ensure(!again, || format!("{write:?} although it is so"))?;
    }
    let mut wrong = scene.judge(&before);
    if !wrong.is_empty() && wrong.iter().all(|words| words.contains("does not follow")) {
        if !follow_again(scene).await? {
            return Ok(());
        }
        wrong = scene.judge(&before);
    }
    ensure(wrong.is_empty(), || format!("{wrong:#?}\n{}", after()))?;
    let slots = count_writes(sim, "CLUSTER ADDSLOTS");
    let fewest = before.fewest_slot_commands;
    ensure(slots == fewest, || {
        format!("{slots} slot commands, {fewest} would do\n{}", after())
    })?;
    let written = sim.writes().len();
    let observed = look(scene).await;
    let rest = sound_plan(scene, &observed, &everything_allowed(scene))?;
    ensure(rest.is_empty() && rest.diff.is_empty(), || {
        format!(
            "left over: {:#?} {:#?}\n{}",
            rest.diff.differences,
            rest.diff.blocked,
            after()
        )
    })?;
    apply(scene, &rest, &observed).await?;
    ensure(sim.writes().len() == written, || {
        format!("a second apply writes\n{}", after())
    })
}

/// A replica that learned its primary's new address from gossip goes on dialling the old one.
/// Redis is told again; what Valkey can't be told is shown. True when all was mended.
async fn follow_again(scene: &Scene) -> Checked<bool> {
    let observed = look(scene).await;
    let made = sound_plan(scene, &observed, &everything_allowed(scene))?;
    ensure(made.diff.blocked.is_empty(), || {
        format!("blocked: {:#?}", made.diff.blocked)
    })?;
    let lost = |difference: &Difference| matches!(difference, Difference::LinkDown { .. });
    apply(scene, &made, &observed).await?;
    scene.sim.elapse(Duration::from_secs(20));
    Ok(!made.diff.differences.iter().any(lost))
}

async fn a_mistreated_cluster(draft: &Draft) -> Checked<()> {
    let mut scene = Scene::build(draft);
    scene.play(draft);
    if let Some((how, percent)) = draft.broken {
        let broken = stop_half_way(&scene, &everything_allowed(&scene), how, percent).await;
        broken.map_err(|words| format!("before the run was broken: {words}"))?;
        scene.sim.elapse(Duration::from_millis(draft.pause_ms));
    }
    repair(&scene).await
}

pub(crate) async fn stop_half_way(
    scene: &Scene,
    allowed: &Allowed,
    how: Break,
    percent: u8,
) -> Checked<()> {
    scene.sim.guard_keys();
    let observed = look(scene).await;
    let made = sound_plan(scene, &observed, allowed)?;
    let count: usize = made.steps.iter().map(|step| step.sends.len()).sum();
    let left = Cell::new(count * usize::from(percent) / 100 + 1);
    let wire = Breaking {
        sim: &scene.sim,
        how,
        left,
        broken: Notify::new(),
    };
    let (ask, asked) = watch::channel(Stop::No);
    let stopped = async {
        wire.broken.notified().await;
        if how != Break::Killed {
            let stop = if how == Break::Interrupted {
                Stop::Finish
            } else {
                Stop::No
            };
            ask.send_replace(stop);
            pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        () = stopped => {}
        _ = carry_out(&wire, &made, &observed, asked, usize::MAX, |_| {}) => {}
    }
    scene.sim.forget_writes();
    Ok(())
}

/// Runs a plan to its end.
pub(crate) async fn apply(scene: &Scene, made: &Plan, observed: &Observed) -> Checked<()> {
    let (_ask, asked) = watch::channel(Stop::No);
    let outcome = carry_out(&scene.sim, made, observed, asked, usize::MAX, |_| {}).await;
    let trouble = outcome
        .first_trouble()
        .and_then(|(step, trouble)| Some((&made.step(step)?.action, trouble)));
    ensure(outcome.is_complete(made.steps.len()), || {
        format!("the run failed: {trouble:#?}")
    })
}

/// A cluster in a state that rcl leaves alone, or that comes about between plan and apply. It
/// may send what helps elsewhere; no key may be lost or stop being served by it.
async fn a_hostile_cluster(draft: &Draft, hostilities: &[Hostility], late: bool) -> Checked<()> {
    let mut scene = Scene::build(draft);
    scene.play(draft);
    let mut observed = Observed::default();
    if late {
        observed = look(&scene).await;
    }
    let verdicts: Vec<Verdict> = hostilities
        .iter()
        .map(|hostility| scene.harm(draft, *hostility))
        .collect();
    scene.sim.elapse(Duration::from_millis(draft.pause_ms));
    if !scene.fading {
        scene.sim.guard_keys();
    }
    if !late {
        observed = look(&scene).await;
    }
    let made = sound_plan(&scene, &observed, &everything_allowed(&scene))?;
    let show = || format!("{:#?}\n{}", made.diff.blocked, scene.show());
    if let ([verdict], false) = (verdicts.as_slice(), late) {
        ensure(verdict.is_given(&made.diff), || {
            format!("{verdict:?} is due, not {}", show())
        })?;
    }
    if made.diff.everything_blocked() {
        ensure(made.is_empty(), || {
            format!("steps although everything is blocked: {}", show())
        })?;
    }
    let (_ask, asked) = watch::channel(Stop::No);
    let applied = carry_out(&scene.sim, &made, &observed, asked, usize::MAX, |_| {});
    let ended = tokio::time::timeout(Duration::from_secs(1200), applied).await;
    ensure(ended.is_ok(), || format!("the run never ends: {}", show()))?;
    for write in scene.sim.writes().iter() {
        let meant = made.steps.iter().flat_map(|step| &step.sends);
        let meant = meant
            .filter(|send| send.node == write.id)
            .any(|send| send.command == write.command);
        let moved = write.command.moves()
            && made.steps.iter().any(|step| {
                step.action.transfer().is_some() && step.recipients().any(|node| node == write.id)
            });
        let meant = meant || moved;
        ensure(meant, || {
            format!("{write:?} was meant for another node: {}", show())
        })?;
    }
    for _ in 0..30 {
        scene.sim.elapse(Duration::from_secs(1));
        scene.sim.assert_keys_kept();
    }
    ensure(!scene.foreigners || !scene.merged(), || {
        format!("clusters merged after {:#?}", scene.sim.writes())
    })
}

fn no_hostile_state_costs_a_key(part: u64) {
    let hostilities = prop::collection::vec(hostility(), 1..3);
    let case = (draft(), hostilities, prop::bool::weighted(0.3));
    hold(part, CASES, &case, |(draft, hostilities, late)| {
        run(a_hostile_cluster(&draft, &hostilities, late))
    });
}

fn any_mistreated_cluster_becomes_what_the_file_says(part: u64) {
    hold(part, CASES, &draft(), |draft| {
        run(a_mistreated_cluster(&draft))
    });
}

macro_rules! parts {
    ($($name:ident: $property:ident($part:literal);)*) => {
        $(#[test]
        fn $name() {
            $property($part);
        })*
    };
}

parts! {
    no_hostile_state_costs_a_key_1: no_hostile_state_costs_a_key(0);
    no_hostile_state_costs_a_key_2: no_hostile_state_costs_a_key(1);
    no_hostile_state_costs_a_key_3: no_hostile_state_costs_a_key(2);
    no_hostile_state_costs_a_key_4: no_hostile_state_costs_a_key(3);
    any_mistreated_cluster_becomes_what_the_file_says_1: any_mistreated_cluster_becomes_what_the_file_says(0);
    any_mistreated_cluster_becomes_what_the_file_says_2: any_mistreated_cluster_becomes_what_the_file_says(1);
    any_mistreated_cluster_becomes_what_the_file_says_3: any_mistreated_cluster_becomes_what_the_file_says(2);
    any_mistreated_cluster_becomes_what_the_file_says_4: any_mistreated_cluster_becomes_what_the_file_says(3);
}
