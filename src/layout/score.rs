//! What one layout has over another. The first difference decides.

use std::collections::BTreeMap;

use super::{Ground, Placed};

/// How far a layout is from every wish; less is better, and earlier members count more.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    /// Replicas on the host of their primary.
    pub(super) beside_host: usize,
    /// Hosts whose loss leaves too few primaries to agree on anything.
    pub(super) quorum_hosts: usize,
    /// Replicas in the zone of their primary.
    pub(super) beside_zone: usize,
    pub(super) quorum_zones: usize,
    /// Pairs of replicas of one shard on one host.
    pub(super) together_host: usize,
    pub(super) together_zone: usize,
    /// Sums of squares: primaries are spread evenly.
    pub(super) uneven_hosts: usize,
    pub(super) uneven_zones: usize,
}

impl Score {
    pub(super) fn of(ground: &Ground, placed: &[Placed]) -> Self {
        let mut primaries = vec![0; ground.nodes.len()];
        for shard in placed {
            primaries[shard.primary] += 1;
        }
        let mut score = Self::of_primaries(ground, &primaries);
        for shard in placed {
            let zone = |host: &usize| ground.zone[*host];
            let same = |host: &&usize| **host == shard.primary;
            let near = |host: &&usize| zone(host) == ground.zone[shard.primary];
            score.beside_host += shard.replicas.iter().filter(same).count();
            score.beside_zone += shard.replicas.iter().filter(near).count();
            score.together_host += pairs(shard.replicas.iter().copied());
            score.together_zone += pairs(shard.replicas.iter().map(zone));
        }
        score
    }

    /// The best that any layout with these numbers of primaries can have.
    pub(super) fn of_primaries(ground: &Ground, primaries: &[usize]) -> Self {
        let mut zones = vec![0; ground.zones];
        for (host, count) in primaries.iter().enumerate() {
            zones[ground.zone[host]] += count;
        }
        let all = ground.shards;
        // With fewer than three no majority is ever left, whoever fails.
        let fatal = |count: &&usize| all >= 3 && all - **count < all / 2 + 1;
        let squares = |counts: &[usize]| counts.iter().map(|count| count * count).sum();
        Self {
            quorum_hosts: primaries.iter().filter(fatal).count(),
            quorum_zones: zones.iter().filter(fatal).count(),
            uneven_hosts: squares(primaries),
            uneven_zones: squares(&zones),
            ..Self::default()
        }
    }
}

/// Pairs of equals.
fn pairs(all: impl Iterator<Item = usize>) -> usize {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    all.for_each(|one| *counts.entry(one).or_default() += 1);
    counts.values().map(|count| count * (count - 1) / 2).sum()
}
