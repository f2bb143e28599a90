//! Files and live states that nobody thought of, on simulated servers.

use std::cell::Cell;
use std::future::pending;
use std::time::Duration;

use proptest::prelude::*;
use rcl::base::{Address, Command, Reply};
use rcl::diff::Allowed;
use rcl::net::{CallError, Wire};
use rcl::observe::look_until_settled;
use rcl::observed::Observed;
use rcl::plan::{Plan, check, plan};

use crate::support::scene::{Draft, Scene, draft, follow};
use crate::support::sim::Sim;

/// How long nodes that disagree are waited for before a plan is made.
const SETTLE: Duration = Duration::from_secs(30);

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    }
}

fn run<T>(case: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(case)
}

/// A wire that goes dead after so many writes: the process behind it was killed.
struct Killed<'a> {
    sim: &'a Sim,
    left: Cell<usize>,
}

impl Wire for Killed<'_> {
    async fn call(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        let before = self.sim.writes().len();
        if self.left.get() == 0 {
            return pending().await;
        }
        let replies = self.sim.call(node, commands, within).await;
        self.left.set(
            self.left
                .get()
                .saturating_sub(self.sim.writes().len() - before),
        );
        replies
    }
}

fn everything_allowed(scene: &Scene) -> Allowed {
    Allowed {
        resync: scene.desired.nodes.keys().cloned().collect(),
    }
}

async fn look(scene: &Scene) -> Observed {
    look_until_settled(&scene.sim, &scene.targets, SETTLE, |_| {}).await
}

/// What is wrong with a case, in words; `Ok` when nothing is.
type Checked<T> = Result<T, String>;

fn ensure(holds: bool, words: impl FnOnce() -> String) -> Checked<()> {
    if holds { Ok(()) } else { Err(words()) }
}

/// A plan that passes the independent check and comes out the same when made again.
fn sound_plan(scene: &Scene, observed: &Observed) -> Checked<Plan> {
    let allowed = everything_allowed(scene);
    let made = plan(&scene.desired, observed, &allowed);
    ensure(made == plan(&scene.desired, observed, &allowed), || {
        "equal input, other plan".to_owned()
    })?;
    let violations = check(&made, observed);
    ensure(violations.is_empty(), || {
        format!("the plan breaks {violations:#?}")
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
    let made = sound_plan(scene, &observed)?;
    ensure(made.diff.blocked.is_empty(), || {
        format!("blocked: {:#?}", made.diff.blocked)
    })?;
    let followed = follow(sim, &made, &observed).await;
    let after = || format!("after {:#?}\n{}", sim.writes(), scene.show());
    followed.map_err(|words| format!("{words}\n{}", after()))?;
    sim.assert_keys_kept();
    // Links that were being made already are nobody's step.
    sim.elapse(Duration::from_secs(20));
    let wrong = scene.judge(&before);
    ensure(wrong.is_empty(), || format!("{wrong:#?}\n{}", after()))?;
    let slots = count_writes(sim, "CLUSTER ADDSLOTS");
    let fewest = before.fewest_slot_commands;
    ensure(slots == fewest, || {
        format!("{slots} slot commands, {fewest} would do\n{}", after())
    })?;
    for write in sim.writes() {
        let again = write.command.to_string().starts_with("CLUSTER REPLICATE")
            && before.attached.contains(&write.id);
        ensure(!again, || format!("{write:?} although it is so"))?;
    }
    let written = sim.writes().len();
    let observed = look(scene).await;
    let rest = sound_plan(scene, &observed)?;
    ensure(rest.is_empty() && rest.diff.is_empty(), || {
        format!(
            "left over: {:#?} {:#?}\n{}",
            rest.diff.differences,
            rest.diff.blocked,
            after()
        )
    })?;
    follow(sim, &rest, &observed).await?;
    ensure(sim.writes().len() == written, || {
        format!("a second apply writes\n{}", after())
    })
}

async fn a_mistreated_cluster(draft: &Draft) -> Checked<()> {
    let mut scene = Scene::build(draft);
    scene.play(draft);
    if let Some(percent) = draft.killed_at {
        kill_half_way(&scene, percent)
            .await
            .map_err(|words| format!("before it was killed: {words}"))?;
        scene.sim.elapse(Duration::from_millis(draft.pause_ms));
    }
    repair(&scene).await
}

async fn kill_half_way(scene: &Scene, percent: u8) -> Checked<()> {
    scene.sim.guard_keys();
    let observed = look(scene).await;
    let made = sound_plan(scene, &observed)?;
    let count: usize = made.steps.iter().map(|step| step.sends.len()).sum();
    let wire = Killed {
        sim: &scene.sim,
        left: Cell::new(count * usize::from(percent) / 100),
    };
    let gone = async {
        while wire.left.get() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = gone => {}
        ended = follow(&wire, &made, &observed) => ended?,
    }
    scene.sim.forget_writes();
    Ok(())
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn any_mistreated_cluster_becomes_what_the_file_says(draft in draft()) {
        run(a_mistreated_cluster(&draft)).map_err(TestCaseError::fail)?;
    }
}
