//! Plans for states that took a second apply once, or that rcl's own check refused, on simulated servers.

use std::collections::BTreeSet;
use std::time::Duration;

use rcl::base::{NodeName, ShardName, SlotRange, SlotSet};
use rcl::desired::{Shard, SlotShare};
use rcl::diff::{Allowed, Difference, questions};
use rcl::plan::{Action, Plan, Violation, check, plan};

use crate::sim_properties::{apply, look, run, sound_plan};
use crate::support::scene::{Draft, Formed, Network, Scene, Servers, ShardDraft, ShareDraft};
use crate::support::sim::Keys;

const REDIS_7_0: u8 = 1;
const VALKEY_9_1: u8 = 4;

/// A cluster as the file wants it: shards with so many replicas, and blank nodes beside it.
fn cluster(kind: u8, replicas: &[usize], blanks: usize) -> Scene {
    let shard = |replicas: &usize| ShardDraft {
        replicas: *replicas,
        share: ShareDraft::Auto(1),
    };
    let draft = Draft {
        seed: 7,
        shards: replicas.iter().map(shard).collect(),
        servers: Servers::One(kind),
        network: Network::Hosts,
        node_timeout: 1000,
        has_file: true,
        declared: Vec::new(),
        on_host: None,
        named: false,
        pinned: false,
        failback: false,
        formed: Formed {
            shards: replicas.len(),
            percent: 100,
            slots_first: true,
            star: false,
            epochs: true,
            failed_over: 0,
            crossed: 0,
            keys: 20,
        },
        mishaps: Vec::new(),
        pause_ms: 20_000,
        broken: None,
    };
    let mut scene = Scene::build_beside(&draft, blanks);
    scene.play(&draft);
    scene.sim.elapse(Duration::from_secs(20));
    scene
}

/// Writes the file anew: for each shard the places of its nodes, the primary first.
fn declare(scene: &mut Scene, shards: &[(&str, &[usize], SlotShare)]) {
    let named: Vec<Shard> = shards
        .iter()
        .map(|(name, nodes, slots)| {
            let nodes: Vec<NodeName> = nodes
                .iter()
                .map(|node| NodeName::new(scene.name(*node)))
                .collect();
            Shard {
                name: ShardName::new((*name).to_owned()),
                primary: nodes[0].clone(),
                replicas: nodes[1..].to_vec(),
                slots: slots.clone(),
            }
        })
        .collect();
    let names: BTreeSet<NodeName> = named.iter().flat_map(|s| s.nodes().cloned()).collect();
    scene.desired.shards = named;
    scene.desired.nodes.retain(|name, _| names.contains(name));
    scene.targets.nodes.retain(|name, _| names.contains(name));
    scene.targets.questions = questions(&scene.desired);
}

fn even() -> SlotShare {
    SlotShare::Auto { weight: 1 }
}

fn everything(scene: &Scene) -> Allowed {
    let world = scene.sim.world();
    let ids: BTreeSet<String> = world.nodes.iter().map(|n| n.id.to_string()).collect();
    Allowed {
        resync: scene.desired.nodes.keys().cloned().collect(),
        remove: ids.clone(),
        forget: ids,
        lose_data: BTreeSet::new(),
    }
}

/// One apply, and then nothing is left to do. Gives the plan.
#[track_caller]
fn one_apply_does(scene: &Scene) -> Plan {
    let allowed = everything(scene);
    scene.sim.guard_keys();
    let done = run(async {
        let observed = look(scene).await;
        let made = sound_plan(scene, &observed, &allowed)?;
        if !made.diff.blocked.is_empty() {
            return Err(format!("blocked: {:#?}", made.diff.blocked));
        }
        apply(scene, &made, &observed).await?;
        scene.sim.elapse(Duration::from_secs(20));
        let observed = look(scene).await;
        let rest = sound_plan(scene, &observed, &allowed)?;
        match rest.diff.is_empty() {
            true => Ok(made),
            false => Err(format!(
                "left: {:#?} {:#?}",
                rest.diff.differences, rest.diff.blocked
            )),
        }
    });
    scene.sim.assert_keys_kept();
    done.unwrap_or_else(|words| panic!("{words}\n{}", scene.show()))
}

#[track_caller]
fn planned(scene: &Scene, allowed: &Allowed) -> Plan {
    let made = run(async {
        let observed = look(scene).await;
        sound_plan(scene, &observed, allowed)
    });
    made.unwrap_or_else(|words| panic!("{words}"))
}

fn has(plan: &Plan, wanted: impl Fn(&Action) -> bool) -> bool {
    plan.steps.iter().any(|step| wanted(&step.action))
}

/// The replica looks for its primary at a wrong address, and is to take over from it.
#[test]
fn a_role_comes_back_although_the_primary_has_to_be_announced() {
    let mut scene = cluster(REDIS_7_0, &[1, 1, 1], 0);
    scene.desired.policy.failback = true;
    let swapped = scene.sim.command(1, "CLUSTER FAILOVER");
    assert_eq!(swapped, rcl::base::Reply::ok());
    scene.sim.elapse(Duration::from_secs(10));
    assert!(scene.sim.world().nodes[1].is_primary());
    scene.sim.ok(1, "CONFIG SET cluster-announce-ip 10.99.0.2");
    scene.sim.elapse(Duration::from_secs(3));
    assert!(!scene.sim.world().nodes[0].link_up());
    let plan = one_apply_does(&scene);
    let announce = |action: &Action| matches!(action, Action::Announce { .. });
    let fail_over = |action: &Action| matches!(action, Action::FailOver { .. });
    assert!(has(&plan, announce) && has(&plan, fail_over));
}

/// The node that is to take over from a primary that leaves copies another one, which is emptied.
#[test]
fn a_replica_of_an_emptied_primary_takes_over_elsewhere() {
    // 0 with 1 and 2, 3 with 4, 5 alone.
    let mut scene = cluster(REDIS_7_0, &[2, 1, 0], 0);
    let all: SlotSet = SlotRange::new(0, 16383).into_iter().collect();
    let kept = scene.sim.world().nodes[3].myself().slots.clone();
    let rest = SlotShare::Explicit(all.difference(&kept));
    let kept = SlotShare::Explicit(kept);
    scene.desired.policy.prune = true;
    // The primary of b goes to a; the replica of a, which is emptied into c, leads b.
    declare(
        &mut scene,
        &[("b", &[1, 4], kept), ("c", &[5, 0, 2, 3], rest)],
    );
    one_apply_does(&scene);
}

/// A shard whose primary and first replica are named no more, while another replica stays.
#[test]
fn a_leaving_replica_follows_who_takes_over_from_its_primary() {
    let mut scene = cluster(VALKEY_9_1, &[2, 1, 1], 0);
    scene.desired.policy.prune = true;
    declare(
        &mut scene,
        &[
            ("a", &[2], even()),
            ("b", &[3, 4], even()),
            ("c", &[5, 6], even()),
        ],
    );
    let plan = one_apply_does(&scene);
    assert!(!has(&plan, |action| matches!(action, Action::Move { .. })));
}

#[test]
fn nobody_hands_over_while_nothing_may_be_removed() {
    let mut scene = cluster(REDIS_7_0, &[1, 1, 1], 0);
    scene.desired.policy.prune = true;
    declare(
        &mut scene,
        &[
            ("a", &[1], even()),
            ("b", &[2, 3], even()),
            ("c", &[4, 5], even()),
        ],
    );
    // Who knows whether the node that is silent isn't the one that seems to be too many?
    scene.sim.kill(5);
    scene.sim.elapse(Duration::from_secs(10));
    let plan = planned(&scene, &everything(&scene));
    let codes: Vec<&str> = plan.diff.blocked.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["undeclared-primary"]);
    assert!(!has(&plan, |action| matches!(
        action,
        Action::FailOver { .. }
    )));
}

#[test]
fn nothing_moves_while_a_dead_replica_may_not_be_forgotten() {
    let mut scene = cluster(REDIS_7_0, &[1, 1, 1, 1], 0);
    scene.desired.policy.prune = true;
    declare(
        &mut scene,
        &[
            ("a", &[0, 1], even()),
            ("b", &[2, 3], even()),
            ("c", &[4, 5], even()),
        ],
    );
    scene.sim.kill(7);
    scene.sim.elapse(Duration::from_secs(10));
    let mut allowed = everything(&scene);
    let forget = std::mem::take(&mut allowed.forget);
    let plan = planned(&scene, &allowed);
    assert!(plan.is_empty(), "{:#?}", plan.steps);
    let needs: Vec<&str> = plan
        .diff
        .blocked
        .iter()
        .filter(|one| one.code == "needs-leave")
        .map(|one| one.way_out.as_str())
        .collect();
    assert!(
        needs
            .iter()
            .all(|way_out| way_out.contains("--allow forget=")),
        "{needs:?}"
    );
    allowed.forget = forget;
    let plan = planned(&scene, &allowed);
    assert!(has(&plan, |action| matches!(action, Action::Move { .. })));
}

#[test]
fn a_blank_node_takes_over_and_the_old_one_goes() {
    let mut scene = cluster(REDIS_7_0, &[1, 1, 1], 1);
    scene.desired.policy.prune = true;
    // Not the replica: the newcomer is the declared primary.
    declare(
        &mut scene,
        &[
            ("a", &[6, 1], even()),
            ("b", &[2, 3], even()),
            ("c", &[4, 5], even()),
        ],
    );
    let plan = one_apply_does(&scene);
    assert!(has(&plan, |action| matches!(action, Action::Remove { .. })));
}

#[test]
fn a_primary_goes_once_its_stray_keys_are_home() {
    let mut scene = cluster(REDIS_7_0, &[1, 1, 1], 1);
    let at = scene.sim.world().nodes[0].at();
    scene
        .sim
        .ok(6, &format!("CLUSTER MEET {} {}", at.ip, at.port));
    scene.sim.elapse(Duration::from_secs(5));
    scene.desired.policy.prune = true;
    declare(
        &mut scene,
        &[
            ("a", &[0, 1], even()),
            ("b", &[2, 3], even()),
            ("c", &[4, 5], even()),
        ],
    );
    let mut keys = Keys::default();
    keys.put(empty_slot(&scene, 2), 1 << 3);
    scene.sim.add_keys(6, &keys);
    let plan = one_apply_does(&scene);
    assert!(has(&plan, |action| matches!(
        action,
        Action::BringHome { .. }
    )));
    assert!(has(&plan, |action| matches!(action, Action::Remove { .. })));
}

/// A slot of the node in which it holds no key.
fn empty_slot(scene: &Scene, node: usize) -> u16 {
    let world = scene.sim.world();
    let node = &world.nodes[node];
    let mut slots = node.myself().slots.iter();
    slots.find(|slot| node.keys.count_in(*slot) == 0).unwrap()
}

/// A primary that serves others holds a key of a slot that isn't its own.
#[test]
fn stray_keys_of_a_serving_primary_go_home() {
    let scene = cluster(REDIS_7_0, &[1, 1, 1], 0);
    let mut keys = Keys::default();
    let slot = empty_slot(&scene, 2);
    keys.put(slot, 1 << 3);
    scene.sim.add_keys(0, &keys);
    one_apply_does(&scene);
    let world = scene.sim.world();
    assert_eq!(
        (
            world.nodes[0].keys.count_in(slot),
            world.nodes[2].keys.count_in(slot)
        ),
        (0, 1)
    );
}

#[test]
fn stray_keys_that_may_be_old_are_left_to_a_person() {
    let scene = cluster(REDIS_7_0, &[1, 1, 1], 0);
    let slot = empty_slot(&scene, 2);
    let mut keys = Keys::default();
    keys.put(slot, 1 << 3);
    scene.sim.add_keys(0, &keys);
    let mut newer = Keys::default();
    newer.put(slot, 1 << 4);
    scene.sim.add_keys(2, &newer);
    let plan = planned(&scene, &everything(&scene));
    let codes: Vec<&str> = plan.diff.blocked.iter().map(|one| one.code).collect();
    assert_eq!((codes, plan.is_empty()), (vec!["stray-keys"], true));
}

/// Two shards that give to each other by the servers' own engine.
#[test]
fn atomic_moves_both_ways_come_one_after_the_other() {
    let mut scene = cluster(VALKEY_9_1, &[1, 1], 0);
    let own = |node: usize| scene.sim.world().nodes[node].myself().slots.clone();
    let (first, second) = (own(0), own(2));
    let halves = |slots: &SlotSet| {
        let mut rest = slots.clone();
        (rest.take_lowest(slots.count() / 3), rest)
    };
    let ((given, kept), (taken, left)) = (halves(&first), halves(&second));
    declare(
        &mut scene,
        &[
            ("a", &[0, 1], SlotShare::Explicit(kept.union(&taken))),
            ("b", &[2, 3], SlotShare::Explicit(left.union(&given))),
        ],
    );
    let plan = one_apply_does(&scene);
    let moves = plan
        .steps
        .iter()
        .filter(|step| step.action.transfer().is_some());
    let moves: Vec<_> = moves.collect();
    assert_eq!(moves.len(), 2);
    assert!(moves[1].after.contains(&moves[0].id));
}

/// A primary that gives all it has and gets others instead: who leaves it loses a copy of those, which
/// takes leave.
#[test]
fn a_primary_that_gets_other_slots_is_not_emptied() {
    let mut scene = cluster(REDIS_7_0, &[0, 1, 1], 0);
    let own = |node: usize| scene.sim.world().nodes[node].myself().slots.clone();
    let (first, second, mut third) = (own(0), own(1), own(3));
    let given = third.take_lowest(third.count() / 2);
    declare(
        &mut scene,
        &[
            ("a", &[0], SlotShare::Explicit(first.union(&second))),
            ("b", &[1, 4], SlotShare::Explicit(given)),
            ("c", &[3, 2], SlotShare::Explicit(third)),
        ],
    );
    let plan = planned(&scene, &Allowed::default());
    let codes: Vec<&str> = plan.diff.blocked.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["needs-leave", "needs-leave"]);
    assert!(has(&plan, |action| matches!(action, Action::Pin { .. })));
    assert!(!has(&plan, |action| matches!(
        action,
        Action::Attach { .. }
    )));
    one_apply_does(&scene);
}

/// A new shard without a replica, beside one with two: servers would send it one of them.
#[test]
fn replicas_are_kept_while_a_shard_without_any_gets_its_first_slots() {
    let pins = |replicas: &[usize]| {
        let mut scene = cluster(REDIS_7_0, replicas, 1);
        let nodes = replicas.iter().map(|replicas| replicas + 1);
        let nodes: usize = nodes.sum();
        let split = nodes - replicas.last().unwrap() - 1;
        let first: Vec<usize> = (0..split).collect();
        let second: Vec<usize> = (split..nodes).collect();
        declare(
            &mut scene,
            &[
                ("a", &first, even()),
                ("b", &second, even()),
                ("new", &[nodes], even()),
            ],
        );
        let plan = planned(&scene, &everything(&scene));
        assert!(has(&plan, |action| matches!(action, Action::Move { .. })));
        has(&plan, |action| matches!(action, Action::Pin { .. }))
    };
    assert!(pins(&[2, 1]));
    assert!(!pins(&[1, 1]));
}

/// MIGRATE leaves what other databases hold behind, and it goes with the slot.
#[test]
fn no_plan_moves_key_by_key_where_other_databases_hold_keys() {
    let mut scene = cluster(REDIS_7_0, &[0, 0], 1);
    declare(
        &mut scene,
        &[
            ("a", &[0], even()),
            ("b", &[1], even()),
            ("new", &[2], even()),
        ],
    );
    let mut observed = run(look(&scene));
    let made = plan(&scene.desired, &observed, &Allowed::default());
    assert!(has(&made, |action| matches!(action, Action::Move { .. })));
    assert_eq!(check(&made, &observed), []);
    let holder = scene.id(0);
    observed.views.get_mut(&holder).unwrap().keys_elsewhere = 3;
    let found = check(&made, &observed);
    let told =
        |one: &Violation| matches!(one, Violation::OtherDatabases { node, .. } if *node == holder);
    assert!(!found.is_empty() && found.iter().all(told), "{found:?}");
    let made = plan(&scene.desired, &observed, &Allowed::default());
    assert_eq!(check(&made, &observed), []);
    let moved = |one: &Difference| one.misplaced().is_some_and(|one| one.source == holder);
    assert!(!made.diff.differences.iter().any(moved));
}
