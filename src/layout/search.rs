//! How many primaries each host gets. All possible numbers are compared where they are few; among
//! many, those near even ones are.

use super::flow::place_replicas;
use super::score::Score;
use super::{Ground, Placed};

/// So many possibilities are listed and compared.
const LISTED: usize = 20_000;

/// So much work goes into places of replicas, in steps of [`place_replicas`]; a second or two.
const EFFORT: usize = 50_000_000;

/// The best layout, and whether all were compared.
pub(super) fn best(ground: &Ground) -> (Vec<Placed>, bool) {
    let mut search = Search {
        ground,
        best: None,
        effort: EFFORT,
    };
    if let Some(mut all) = all_numbers(ground) {
        // Those that promise most come first, so that most of the others need no look.
        all.sort_by_cached_key(|primaries| Score::of_primaries(ground, primaries));
        let whole = all.iter().all(|primaries| search.look(primaries));
        return (search.placed(), whole);
    }
    search.climb();
    (search.placed(), false)
}

struct Search<'a> {
    ground: &'a Ground,
    best: Option<(Score, Vec<usize>, Vec<Placed>)>,
    effort: usize,
}

impl Search<'_> {
    fn placed(self) -> Vec<Placed> {
        self.best.map(|(_, _, placed)| placed).unwrap_or_default()
    }

    /// Compares these numbers with the best, if they promise more. Says no when too much was
    /// looked at already.
    fn look(&mut self, primaries: &[usize]) -> bool {
        let promised = Score::of_primaries(self.ground, primaries);
        if self
            .best
            .as_ref()
            .is_some_and(|(best, ..)| *best <= promised)
        {
            return true;
        }
        let work = work(self.ground);
        if self.best.is_some() && self.effort < work {
            return false;
        }
        self.effort = self.effort.saturating_sub(work);
        let placed = place_replicas(self.ground, primaries);
        let score = Score::of(self.ground, &placed);
        if self.best.as_ref().is_none_or(|(best, ..)| score < *best) {
            self.best = Some((score, primaries.to_vec(), placed));
        }
        true
    }

    /// From even numbers, one primary after the other to another host, as long as that is better.
    fn climb(&mut self) {
        self.look(&even(self.ground));
        loop {
            let Some((before, primaries, _)) = self.best.clone() else {
                return;
            };
            for from in 0..primaries.len() {
                for to in 0..primaries.len() {
                    if from == to || primaries[from] == 0 || primaries[to] >= self.ground.nodes[to]
                    {
                        continue;
                    }
                    let mut moved = primaries.clone();
                    moved[from] -= 1;
                    moved[to] += 1;
                    if !self.look(&moved) {
                        return;
                    }
                }
            }
            if self
                .best
                .as_ref()
                .is_some_and(|(score, ..)| *score == before)
            {
                return;
            }
        }
    }
}

/// About how many steps the places of replicas take.
fn work(ground: &Ground) -> usize {
    let replicas: usize = ground.nodes.iter().sum::<usize>() - ground.shards;
    let edges = ground.shards * ground.nodes.len() * (ground.replicas + 1);
    (replicas + 1).saturating_mul(edges + 1).saturating_mul(4)
}

/// One after the other where the fewest are, of hosts and of zones.
fn even(ground: &Ground) -> Vec<usize> {
    let mut primaries = vec![0; ground.nodes.len()];
    let mut zones = vec![0; ground.zones];
    for _ in 0..ground.shards {
        let free = (0..primaries.len()).filter(|host| primaries[*host] < ground.nodes[*host]);
        let next = free.min_by_key(|host| (primaries[*host], zones[ground.zone[*host]], *host));
        if let Some(host) = next {
            primaries[host] += 1;
            zones[ground.zone[host]] += 1;
        }
    }
    primaries
}

/// Every way to share the primaries out among the hosts; nothing when there are too many. Of hosts
/// that are alike the first has most.
fn all_numbers(ground: &Ground) -> Option<Vec<Vec<usize>>> {
    let mut found = vec![Vec::new()];
    for host in 0..ground.nodes.len() {
        let alike = (0..host).rev().find(|other| alike(ground, *other, host));
        let later: usize = ground.nodes[host + 1..].iter().sum();
        let mut longer = Vec::new();
        for numbers in found {
            let left = ground.shards - numbers.iter().sum::<usize>();
            let most = ground.nodes[host].min(left);
            let most = alike.map_or(most, |other| most.min(numbers[other]));
            for own in (left.saturating_sub(later)..=most).rev() {
                let mut numbers = numbers.clone();
                numbers.push(own);
                longer.push(numbers);
            }
            if longer.len() > LISTED {
                return None;
            }
        }
        found = longer;
    }
    Some(found)
}

/// Whether two hosts could change places: as many nodes, in one zone or each in one of its own.
fn alike(ground: &Ground, one: usize, other: usize) -> bool {
    let alone = |host: usize| {
        let zone = ground.zone[host];
        ground.zone.iter().filter(|own| **own == zone).count() == 1
    };
    ground.nodes[one] == ground.nodes[other]
        && (ground.zone[one] == ground.zone[other] || alone(one) && alone(other))
}
