//! Layouts against all layouts: what no other can do better.

use std::collections::BTreeMap;

use super::score::Score;
use super::{Given, Ground, Placed, ground, lay_out, search};

/// Hosts as `zone:nodes`, such as `a:2 a:1 b:3`; `-` is no zone.
fn given(hosts: &str) -> Given {
    let mut lines = String::new();
    for (number, host) in hosts.split(' ').enumerate() {
        let (zone, nodes) = host.split_once(':').unwrap();
        for port in 0..nodes.parse().unwrap() {
            let zone = zone.trim_start_matches('-');
            lines.push_str(&format!("10.0.0.{}:{} {zone}\n", number + 1, 7000 + port));
        }
    }
    Given::from_lines(&lines).unwrap()
}

/// Every layout there is, told by its score alone, and scored by counting nodes one by one.
fn best_of_all(ground: &Ground) -> [usize; 8] {
    let mut nodes = Vec::new();
    for (host, count) in ground.nodes.iter().enumerate() {
        nodes.extend(std::iter::repeat_n(host, *count));
    }
    let mut best = None;
    let mut shards = vec![Vec::new(); ground.shards];
    try_all(ground, &nodes, &mut shards, &mut best);
    best.unwrap()
}

/// Gives the next node to each shard in turn. The first node of a shard is not its primary yet.
fn try_all(
    ground: &Ground,
    nodes: &[usize],
    shards: &mut Vec<Vec<usize>>,
    best: &mut Option<[usize; 8]>,
) {
    let Some((node, rest)) = nodes.split_first() else {
        if shards.iter().all(|shard| shard.len() > ground.replicas) {
            choose_primaries(ground, shards, &mut Vec::new(), best);
        }
        return;
    };
    let over = ground.nodes.iter().sum::<usize>() - ground.shards * (ground.replicas + 1);
    let most = ground.replicas + 1 + over.div_ceil(ground.shards);
    for shard in 0..shards.len() {
        if shards[shard].len() < most {
            shards[shard].push(*node);
            try_all(ground, rest, shards, best);
            shards[shard].pop();
            // Empty shards are alike.
            if shards[shard].is_empty() {
                break;
            }
        }
    }
}

fn choose_primaries(
    ground: &Ground,
    shards: &[Vec<usize>],
    primaries: &mut Vec<usize>,
    best: &mut Option<[usize; 8]>,
) {
    let Some(shard) = shards.get(primaries.len()) else {
        let score = count(ground, shards, primaries);
        if best.as_ref().is_none_or(|best| score < *best) {
            *best = Some(score);
        }
        return;
    };
    let mut tried = Vec::new();
    for host in shard {
        if !tried.contains(host) {
            tried.push(*host);
            primaries.push(*host);
            choose_primaries(ground, shards, primaries, best);
            primaries.pop();
        }
    }
}

fn count(ground: &Ground, shards: &[Vec<usize>], primaries: &[usize]) -> [usize; 8] {
    let mut score = [0; 8];
    let zone = |host: usize| ground.zone[host];
    let mut on_host: BTreeMap<usize, usize> = BTreeMap::new();
    let mut in_zone: BTreeMap<usize, usize> = BTreeMap::new();
    for (shard, primary) in shards.iter().zip(primaries) {
        *on_host.entry(*primary).or_default() += 1;
        *in_zone.entry(zone(*primary)).or_default() += 1;
        let mut replicas = shard.clone();
        replicas.remove(shard.iter().position(|host| host == primary).unwrap());
        for (number, replica) in replicas.iter().enumerate() {
            score[0] += usize::from(replica == primary);
            score[2] += usize::from(zone(*replica) == zone(*primary));
            for other in &replicas[..number] {
                score[4] += usize::from(replica == other);
                score[5] += usize::from(zone(*replica) == zone(*other));
            }
        }
    }
    let loses_quorum = |lost: &&usize| 2 * (primaries.len() - **lost) <= primaries.len();
    if primaries.len() > 2 {
        score[1] = on_host.values().filter(loses_quorum).count();
        score[3] = in_zone.values().filter(loses_quorum).count();
    }
    score[6] = on_host.values().map(|count| count * count).sum();
    score[7] = in_zone.values().map(|count| count * count).sum();
    score
}

fn members(score: &Score) -> [usize; 8] {
    [
        score.beside_host,
        score.quorum_hosts,
        score.beside_zone,
        score.quorum_zones,
        score.together_host,
        score.together_zone,
        score.uneven_hosts,
        score.uneven_zones,
    ]
}

/// Everybody is placed once, and every shard has its number.
fn check(ground: &Ground, placed: &[Placed]) {
    let mut left = ground.nodes.clone();
    assert_eq!(placed.len(), ground.shards);
    for shard in placed {
        assert!(shard.replicas.len() >= ground.replicas);
        left[shard.primary] -= 1;
        shard.replicas.iter().for_each(|host| left[*host] -= 1);
    }
    assert!(left.iter().all(|count| *count == 0));
}

/// If any layout meets a wish, so does this one: every small number of hosts, zones and nodes.
#[test]
fn no_other_layout_is_better() {
    let mut seen = 0;
    for hosts in 1..=4_usize {
        for numbers in 0..3_usize.pow(u32::try_from(hosts).unwrap()) {
            let counts: Vec<usize> = (0..hosts)
                .map(|host| 1 + numbers / 3_usize.pow(u32::try_from(host).unwrap()) % 3)
                .collect();
            let all: usize = counts.iter().sum();
            if !counts.is_sorted() || all > 9 {
                continue;
            }
            for zones in ["----", "abcd", "aabb", "aaab", "abab", "aabc"] {
                let words: Vec<String> = counts
                    .iter()
                    .zip(zones.chars())
                    .map(|(count, zone)| format!("{zone}:{count}"))
                    .collect();
                let given = given(&words.join(" "));
                for replicas in 0..=2 {
                    let Ok(ground) = ground(&given, replicas) else {
                        continue;
                    };
                    let (placed, exact) = search::best(&ground);
                    check(&ground, &placed);
                    let found = members(&Score::of(&ground, &placed));
                    let best = best_of_all(&ground);
                    assert!(exact);
                    assert_eq!(found, best, "{words:?} with {replicas}: {placed:?}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 250, "{seen}");
}

/// Many hosts are not compared with all others, and yet meet every wish that can be met.
#[test]
fn large_clusters_meet_all_wishes() {
    for (hosts, replicas) in [
        (vec!["-:2"; 40], 1),
        (
            vec!["a:3"; 10]
                .into_iter()
                .chain(vec!["b:3"; 10])
                .chain(vec!["c:3"; 10])
                .collect(),
            2,
        ),
        (vec!["-:1"; 100], 1),
        (
            vec!["a:5", "a:4", "b:3", "b:6", "c:7", "c:2", "d:4", "d:5"],
            1,
        ),
    ] {
        let given = given(&hosts.join(" "));
        let laid_out = lay_out(&given, "large", replicas).unwrap();
        assert_eq!(laid_out.unmet, [""; 0]);
        let again = lay_out(&given, "large", replicas).unwrap();
        assert_eq!(laid_out, again);
    }
}
