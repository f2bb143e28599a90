//! What the simulated cluster claims about servers, held against what was measured on real
//! ones: bounds are those of the measurements, over several seeds.

use std::net::IpAddr;
use std::time::Duration;

use rcl::base::{Flavor, NodeId, Reply, Role, SLOT_COUNT, Server};

use crate::support::sim::{Sim, Spec};

const REDIS_6_2: Server = server(Flavor::Redis, 6, 2, 14);
const REDIS_7_0: Server = server(Flavor::Redis, 7, 0, 15);
const VALKEY_9_1: Server = server(Flavor::Valkey, 9, 1, 2);
const SEEDS: u64 = 20;

const fn server(flavor: Flavor, major: u16, minor: u16, patch: u16) -> Server {
    Server {
        flavor,
        version: rcl::base::Version {
            major,
            minor,
            patch,
        },
    }
}

/// `count` blank nodes, each on a machine of its own.
fn blanks(seed: u64, server: Server, count: u8, node_timeout: u64) -> Sim {
    let sim = Sim::new(seed);
    for place in 0..count {
        let node = sim.add(Spec {
            server,
            machine: u32::from(place),
            listens: vec![host(place)],
            port: 7000,
            has_file: true,
        });
        let mut world = sim.world_mut();
        world.nodes[node]
            .options
            .preset("cluster-node-timeout", &node_timeout.to_string());
    }
    sim.elapse(Duration::from_secs(5));
    sim
}

fn host(place: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, place + 1])
}

fn meet(sim: &Sim, from: usize, to: usize) {
    let at = sim.world().nodes[to].at();
    sim.ok(from, &format!("CLUSTER MEET {} {}", at.ip, at.port));
}

#[derive(Clone, Copy, Debug)]
enum Pattern {
    Star,
    AllToAll,
    Chain,
}

fn introduce(sim: &Sim, pattern: Pattern) {
    let count = sim.world().nodes.len();
    for from in 0..count {
        for to in 0..count {
            let wanted = match pattern {
                Pattern::Star => from == 0 && to != 0,
                Pattern::AllToAll => from != to,
                Pattern::Chain => to == from + 1,
            };
            if wanted {
                meet(sim, from, to);
            }
        }
    }
}

fn equal_shares(sim: &Sim) {
    let count = u16::try_from(sim.world().nodes.len()).unwrap();
    let mut first = 0;
    for node in 0..count {
        let last = if node + 1 == count {
            SLOT_COUNT - 1
        } else {
            (node + 1) * (SLOT_COUNT / count) - 1
        };
        let server = sim.world().nodes[usize::from(node)].server;
        if server.supports_addslotsrange() {
            sim.ok(
                usize::from(node),
                &format!("CLUSTER ADDSLOTSRANGE {first} {last}"),
            );
        } else {
            let slots: Vec<String> = (first..=last).map(|slot| slot.to_string()).collect();
            sim.ok(
                usize::from(node),
                &format!("CLUSTER ADDSLOTS {}", slots.join(" ")),
            );
        }
        first = last + 1;
    }
}

/// Whether everyone lists everyone, without handshake.
fn all_known(sim: &Sim) -> bool {
    let world = sim.world();
    let count = world.nodes.len();
    world.nodes.iter().all(|node| {
        node.table.len() == count
            && node
                .table
                .values()
                .all(|member| !member.handshake && !member.noaddr)
    })
}

/// Whether all show the same roles, parents and slots.
fn all_agree(sim: &Sim) -> bool {
    let world = sim.world();
    let view = |place: usize| -> Vec<(NodeId, Role, Option<NodeId>, rcl::base::SlotSet)> {
        let table = &world.nodes[place].table;
        table
            .iter()
            .map(|(id, m)| (*id, m.role, m.primary, m.slots.clone()))
            .collect()
    };
    (1..world.nodes.len()).all(|place| view(place) == view(0))
}

fn all_ok(sim: &Sim) -> bool {
    sim.world().nodes.iter().all(|node| node.state_ok)
}

/// How many milliseconds pass until it is so; the test fails after a minute.
#[track_caller]
fn time_until(sim: &Sim, so: impl Fn(&Sim) -> bool) -> u64 {
    let mut passed = 0;
    while !so(sim) {
        sim.elapse(Duration::from_millis(10));
        passed += 10;
        assert!(passed < 60_000, "not so after a minute");
    }
    passed
}

/// The times of several runs, sorted.
fn times(run: impl Fn(u64) -> u64) -> Vec<u64> {
    let mut times: Vec<u64> = (0..SEEDS).map(run).collect();
    times.sort_unstable();
    times
}

fn middle(times: &[u64]) -> u64 {
    times[times.len() / 2]
}

#[tokio::test(start_paused = true)]
async fn everyone_meeting_everyone_joins_fastest() {
    let joined = |pattern: Pattern| {
        times(|seed| {
            let sim = blanks(seed, REDIS_7_0, 6, 2000);
            introduce(&sim, pattern);
            time_until(&sim, all_known)
        })
    };
    let (all, star, chain) = (
        joined(Pattern::AllToAll),
        joined(Pattern::Star),
        joined(Pattern::Chain),
    );
    println!("all {all:?}\nstar {star:?}\nchain {chain:?}");
    assert!(all[all.len() - 1] <= 300, "{all:?}");
    assert!((500..=2500).contains(&middle(&star)), "{star:?}");
    assert!(star[star.len() - 1] <= 7000, "{star:?}");
    assert!((700..=4000).contains(&middle(&chain)), "{chain:?}");
}

#[tokio::test(start_paused = true)]
async fn slots_given_before_the_meeting_travel_with_it() {
    for (server, node_timeout, within) in [
        (REDIS_7_0, 2000, 200..=600),
        (REDIS_7_0, 15_000, 200..=900),
        (VALKEY_9_1, 15_000, 100..=1200),
        (REDIS_6_2, 2000, 600..=2500),
        (REDIS_6_2, 15_000, 1500..=8000),
    ] {
        let agreed = times(|seed| {
            let sim = blanks(seed, server, 6, node_timeout);
            equal_shares(&sim);
            introduce(&sim, Pattern::AllToAll);
            time_until(&sim, |sim| all_known(sim) && all_agree(sim))
        });
        println!("{server} {node_timeout} {agreed:?}");
        assert!(
            within.contains(&middle(&agreed)),
            "{server} at {node_timeout}: {agreed:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn slots_given_after_joining_take_their_time() {
    for (node_timeout, within) in [(2000, 800..=1600), (15_000, 1500..=8500)] {
        let agreed = times(|seed| {
            let sim = blanks(seed, REDIS_7_0, 6, node_timeout);
            introduce(&sim, Pattern::AllToAll);
            time_until(&sim, all_known);
            sim.elapse(Duration::from_secs(3));
            equal_shares(&sim);
            time_until(&sim, all_agree)
        });
        println!("{node_timeout} {agreed:?}");
        assert!(
            within.contains(&middle(&agreed)),
            "at {node_timeout}: {agreed:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ok_comes_a_fixed_time_after_the_first_slot() {
    for (node_timeout, pattern, within) in [
        (2000, Pattern::AllToAll, 1900..=2400),
        (15_000, Pattern::AllToAll, 4900..=5900),
        (15_000, Pattern::Star, 4900..=9500),
        (100, Pattern::AllToAll, 400..=900),
    ] {
        let ok = times(|seed| {
            let sim = blanks(seed, REDIS_7_0, 6, node_timeout);
            equal_shares(&sim);
            introduce(&sim, pattern);
            time_until(&sim, all_ok)
        });
        println!("{node_timeout} {pattern:?} {ok:?}");
        assert!(
            within.contains(&middle(&ok)),
            "{pattern:?} at {node_timeout}: {ok:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn equal_epochs_sort_themselves_out() {
    for (server, longest) in [(REDIS_7_0, 3000), (VALKEY_9_1, 1500), (REDIS_6_2, 5000)] {
        let unique = times(|seed| {
            let sim = blanks(seed, server, 6, 2000);
            equal_shares(&sim);
            introduce(&sim, Pattern::AllToAll);
            time_until(&sim, |sim| {
                let world = sim.world();
                let epochs: std::collections::BTreeSet<u64> =
                    world.nodes.iter().map(|node| node.myself().epoch).collect();
                epochs.len() == world.nodes.len()
            })
        });
        println!("{server} {unique:?}");
        assert!(middle(&unique) <= longest, "{server}: {unique:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn both_adders_of_a_slot_hear_ok_and_the_greater_epoch_keeps_it() {
    for seed in 0..SEEDS {
        let sim = blanks(seed, REDIS_7_0, 3, 2000);
        for (node, epoch) in [(0, 1), (1, 7), (2, 3)] {
            sim.ok(node, &format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
        }
        introduce(&sim, Pattern::AllToAll);
        time_until(&sim, all_known);
        sim.elapse(Duration::from_secs(3));
        sim.ok(0, "CLUSTER ADDSLOTS 5 6");
        sim.ok(1, "CLUSTER ADDSLOTS 5");
        let took = time_until(&sim, |sim| {
            sim.world().nodes.iter().all(|node| {
                let owner = |slot| {
                    node.table
                        .iter()
                        .find(|(_, m)| m.slots.contains(slot))
                        .map(|(id, _)| *id)
                };
                owner(5) == Some(sim.world().nodes[1].id)
                    && owner(6) == Some(sim.world().nodes[0].id)
            })
        });
        assert!(took <= 6000, "{took}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_at_the_met_address_leaves_a_handshake_for_the_node_timeout() {
    for (node_timeout, lives) in [(2000, 2000), (500, 1000)] {
        let sim = blanks(1, REDIS_7_0, 2, node_timeout);
        sim.ok(0, "CLUSTER MEET 10.9.9.9 7000");
        sim.ok(0, "CLUSTER MEET 10.9.9.9 7000");
        let shown = |sim: &Sim| {
            sim.command(0, "CLUSTER NODES")
                .as_text()
                .unwrap()
                .matches("handshake")
                .count()
        };
        assert_eq!(shown(&sim), 1);
        assert!(
            sim.command(0, "CLUSTER INFO")
                .as_text()
                .unwrap()
                .contains("cluster_known_nodes:2\r\n")
        );
        let refused = sim.command(0, "CLUSTER SET-CONFIG-EPOCH 1");
        assert!(
            refused
                .as_error()
                .unwrap()
                .contains("does not know any other node")
        );
        let gone = time_until(&sim, |sim| shown(sim) == 0);
        assert!((lives..=lives + 200).contains(&gone), "{gone}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_in_the_servers_own_words() {
    let sim = blanks(1, REDIS_7_0, 2, 2000);
    meet(&sim, 0, 1);
    sim.elapse(Duration::from_secs(2));
    let (own, other) = (sim.world().nodes[0].id, sim.world().nodes[1].id);
    sim.ok(0, "CLUSTER ADDSLOTSRANGE 0 9");
    for (command, words) in [
        ("CLUSTER ADDSLOTS 7".to_owned(), "ERR Slot 7 is already busy".to_owned()),
        ("CLUSTER ADDSLOTS 20 20".to_owned(), "ERR Slot 20 specified multiple times".to_owned()),
        ("CLUSTER ADDSLOTS 16384".to_owned(), "ERR Invalid or out of range slot".to_owned()),
        (
            "CLUSTER ADDSLOTSRANGE 9 3".to_owned(),
            "ERR start slot number 9 is greater than end slot number 3".to_owned(),
        ),
        (format!("CLUSTER REPLICATE {own}"), "ERR Can't replicate myself".to_owned()),
        ("CLUSTER REPLICATE abc".to_owned(), "ERR Unknown node abc".to_owned()),
        (
            format!("CLUSTER REPLICATE {other}"),
            "ERR To set a master the node must be empty and without assigned slots.".to_owned(),
        ),
        (
            "CLUSTER SET-CONFIG-EPOCH 5".to_owned(),
            "ERR The user can assign a config epoch only when the node does not know any other node.".to_owned(),
        ),
        (
            "CLUSTER MEET localhost 7000".to_owned(),
            "ERR Invalid node address specified: localhost:7000".to_owned(),
        ),
    ] {
        assert_eq!(sim.command(0, &command), Reply::Error(words), "{command}");
    }
    sim.ok(1, &format!("CLUSTER REPLICATE {own}"));
    let third = blanks(2, REDIS_6_2, 1, 2000);
    assert_eq!(
        third.command(0, "CLUSTER ADDSLOTSRANGE 0 1"),
        Reply::Error(
            "ERR Unknown subcommand or wrong number of arguments for 'addslotsrange'. Try CLUSTER HELP.".to_owned()
        )
    );
    assert_eq!(
        third.command(0, "CONFIG SET maxmemory 1gb appendonly no"),
        Reply::Error(
            "ERR Unknown subcommand or wrong number of arguments for 'set'. Try CONFIG HELP."
                .to_owned()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn two_clusters_that_meet_become_one_and_the_lower_epochs_lose_their_keys() {
    let sim = blanks(3, REDIS_7_0, 4, 2000);
    for (first, second, epoch) in [(0, 1, 1), (2, 3, 5)] {
        sim.ok(first, &format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
        sim.ok(second, &format!("CLUSTER SET-CONFIG-EPOCH {}", epoch + 1));
        sim.ok(first, "CLUSTER ADDSLOTSRANGE 0 8191");
        sim.ok(second, "CLUSTER ADDSLOTSRANGE 8192 16383");
        meet(&sim, first, second);
    }
    sim.elapse(Duration::from_secs(10));
    for (node, slot, keys) in [(0, 5, 1), (1, 9000, 2), (2, 5, 4), (3, 9000, 8)] {
        sim.world_mut().nodes[node].keys.put(slot, keys);
    }
    meet(&sim, 0, 2);
    sim.elapse(Duration::from_secs(10));
    let world = sim.world();
    assert_eq!(world.nodes[0].myself().primary, Some(world.nodes[2].id));
    assert_eq!(world.nodes[1].myself().primary, Some(world.nodes[3].id));
    assert_eq!(world.all_keys().count(), 2, "{:?}", world.all_keys());
}

#[tokio::test(start_paused = true)]
async fn nodes_on_other_loopback_addresses_are_looked_for_at_127_0_0_1() {
    let sim = Sim::new(5);
    for place in 0..2 {
        sim.add(Spec {
            server: REDIS_7_0,
            machine: 0,
            listens: vec![IpAddr::from([127, 0, 81, 100 + place])],
            port: 7000,
            has_file: true,
        });
    }
    meet(&sim, 0, 1);
    sim.elapse(Duration::from_secs(60));
    let known = |sim: &Sim, node: usize| sim.world().nodes[node].peers().count();
    assert_eq!(
        (known(&sim, 0), known(&sim, 1)),
        (1, 0),
        "one knows, the other is only known"
    );
    for node in 0..2 {
        let ip = sim.world().nodes[node].listens[0];
        sim.ok(node, &format!("CONFIG SET cluster-announce-ip {ip}"));
    }
    meet(&sim, 0, 1);
    assert!(time_until(&sim, all_known) < 500);
}

#[tokio::test(start_paused = true)]
async fn members_met_through_127_0_0_1_stay_there_for_their_machine() {
    let sim = Sim::new(6);
    let own = IpAddr::from([127, 0, 0, 1]);
    for (machine, port) in [(0, 7000), (0, 7001), (1, 7000), (1, 7001)] {
        let at = IpAddr::from([10, 0, 0, u8::try_from(machine).unwrap() + 1]);
        sim.add(Spec {
            server: REDIS_7_0,
            machine,
            listens: vec![at, own],
            port,
            has_file: true,
        });
    }
    sim.ok(0, "CLUSTER MEET 127.0.0.1 7001");
    sim.ok(0, "CLUSTER MEET 10.0.0.2 7000");
    sim.elapse(Duration::from_secs(30));
    let world = sim.world();
    let seen = |by: usize, node: usize| world.nodes[by].table.get(&world.nodes[node].id).cloned();
    assert_eq!(seen(0, 1).unwrap().ip, Some(own));
    assert_eq!(seen(1, 0).unwrap().ip, Some(own));
    // From its packets the other machine learns where node 1 really is.
    assert_eq!(seen(2, 1).unwrap().ip, Some(IpAddr::from([10, 0, 0, 1])));
}

#[tokio::test(start_paused = true)]
async fn an_announced_address_reaches_all_within_about_a_second() {
    for seed in 0..SEEDS {
        let sim = blanks(seed, REDIS_7_0, 4, 2000);
        introduce(&sim, Pattern::AllToAll);
        sim.elapse(Duration::from_secs(5));
        sim.world_mut().nodes[1]
            .listens
            .push(IpAddr::from([10, 9, 9, 9]));
        sim.ok(1, "CONFIG SET cluster-announce-ip 10.9.9.9");
        let id = sim.world().nodes[1].id;
        let took = time_until(&sim, |sim| {
            sim.world()
                .nodes
                .iter()
                .all(|node| node.table[&id].ip == Some(IpAddr::from([10, 9, 9, 9])))
        });
        assert!(took <= 1600, "{took}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_member_is_suspected_then_failed_then_well_again() {
    for seed in 0..SEEDS {
        let sim = blanks(seed, REDIS_7_0, 3, 1500);
        equal_shares(&sim);
        introduce(&sim, Pattern::AllToAll);
        time_until(&sim, all_ok);
        sim.freeze(2);
        let id = sim.world().nodes[2].id;
        let suspected = time_until(&sim, |sim| {
            sim.world().nodes[..2]
                .iter()
                .any(|n| n.table[&id].maybe_fail)
        });
        let failed = suspected
            + time_until(&sim, |sim| {
                sim.world().nodes[..2]
                    .iter()
                    .all(|n| n.table[&id].failed.is_some())
            });
        assert!((1500..=2400).contains(&suspected), "{suspected}");
        assert!((1500..=3200).contains(&failed), "{failed}");
        sim.elapse(Duration::from_secs(4));
        sim.thaw(2);
        let well = time_until(&sim, |sim| {
            sim.world().nodes[..2]
                .iter()
                .all(|n| n.table[&id].failed.is_none())
        });
        assert!(well <= 200, "{well}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_comes_back_blank_empties_its_replica() {
    let sim = blanks(7, REDIS_7_0, 4, 2000);
    sim.ok(0, "CLUSTER ADDSLOTSRANGE 0 8191");
    sim.ok(1, "CLUSTER ADDSLOTSRANGE 8192 16383");
    introduce(&sim, Pattern::AllToAll);
    sim.elapse(Duration::from_secs(10));
    let primary = sim.world().nodes[0].id;
    sim.world_mut().nodes[0].keys.put(5, 0xff);
    sim.ok(3, &format!("CLUSTER REPLICATE {primary}"));
    sim.elapse(Duration::from_secs(10));
    assert_eq!(sim.world().nodes[3].keys.count(), 8);
    sim.restart_blank(0);
    sim.elapse(Duration::from_secs(10));
    let world = sim.world();
    for peer in [1, 2, 3] {
        let ghost = &world.nodes[peer].table[&primary];
        assert!(
            ghost.noaddr && ghost.failed.is_none() && ghost.ip.is_none(),
            "at {peer}"
        );
        assert_eq!(ghost.slots.count(), 8192);
        assert!(world.nodes[peer].state_ok, "nobody notices");
    }
    assert!(world.nodes[3].link_up(), "the replica is content");
    assert_eq!(world.nodes[3].keys.count(), 0, "with nothing");
    assert_eq!(world.nodes[0].peers().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn replicas_show_elsewhere_at_the_next_ping_or_at_once() {
    for (server, node_timeout, within) in
        [(REDIS_7_0, 5000, 500..=5000), (VALKEY_9_1, 5000, 0..=20)]
    {
        let seen = times(|seed| {
            let sim = blanks(seed, server, 3, node_timeout);
            introduce(&sim, Pattern::AllToAll);
            sim.elapse(Duration::from_secs(8));
            let (primary, replica) = (sim.world().nodes[0].id, sim.world().nodes[1].id);
            sim.ok(1, &format!("CLUSTER REPLICATE {primary}"));
            time_until(&sim, |sim| {
                sim.world()
                    .nodes
                    .iter()
                    .all(|n| n.table[&replica].primary == Some(primary))
            })
        });
        println!("{server} {seen:?}");
        assert!(within.contains(&middle(&seen)), "{server}: {seen:?}");
    }
}

/// On Redis the second failover of a shard within four node timeouts is answered with OK, and nothing happens.
#[tokio::test(start_paused = true)]
async fn a_shard_fails_over_again_at_once_on_valkey_only() {
    for (server, again) in [(REDIS_7_0, false), (VALKEY_9_1, true)] {
        let sim = blanks(1, server, 4, 2000);
        for (node, epoch) in (0..4).zip(1..) {
            sim.ok(node, &format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
        }
        introduce(&sim, Pattern::AllToAll);
        time_until(&sim, all_known);
        for (node, range) in [(0, "0 5000"), (1, "5001 10000"), (2, "10001 16383")] {
            sim.ok(node, &format!("CLUSTER ADDSLOTSRANGE {range}"));
        }
        time_until(&sim, all_agree);
        let primary = sim.world().nodes[0].id;
        sim.ok(3, &format!("CLUSTER REPLICATE {primary}"));
        time_until(&sim, |sim| sim.world().nodes[3].link_up() && all_agree(sim));
        let leads = |sim: &Sim, node: usize| sim.world().nodes[node].is_primary() && all_agree(sim);
        sim.ok(3, "CLUSTER FAILOVER");
        assert!(time_until(&sim, |sim| leads(sim, 3)) <= 2500);
        time_until(&sim, |sim| sim.world().nodes[0].link_up());
        sim.ok(0, "CLUSTER FAILOVER");
        sim.elapse(Duration::from_secs(1));
        assert_eq!(leads(&sim, 0), again, "{server}");
        sim.elapse(Duration::from_secs(8));
        if !again {
            sim.ok(0, "CLUSTER FAILOVER");
            time_until(&sim, |sim| leads(sim, 0));
        }
    }
}

/// What is forgotten by a reset keeps its id, and finds back by one introduction.
#[tokio::test(start_paused = true)]
async fn a_soft_reset_keeps_the_id() {
    let sim = blanks(1, REDIS_7_0, 3, 2000);
    introduce(&sim, Pattern::AllToAll);
    time_until(&sim, all_known);
    let id = sim.world().nodes[2].id;
    sim.ok(2, "CLUSTER RESET SOFT");
    assert_eq!(sim.world().nodes[2].table.len(), 1);
    sim.elapse(Duration::from_secs(10));
    assert_eq!(sim.world().nodes[2].table.len(), 1);
    meet(&sim, 2, 0);
    time_until(&sim, all_known);
    assert_eq!(sim.world().nodes[2].id, id);
}
