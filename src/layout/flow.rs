//! Where the replicas go, when it is settled how many primaries each host has: a flow of least
//! cost from the shards over zones to hosts, which is the best of all ways at once.

use super::{Ground, Placed};

/// Shards with their primaries placed, and the best places for all other nodes as their replicas.
pub(super) fn place_replicas(ground: &Ground, primaries: &[usize]) -> Vec<Placed> {
    let shards = in_turns(primaries);
    let hosts = ground.nodes.len();
    let rest: Vec<usize> = (0..hosts)
        .map(|host| ground.nodes[host] - primaries[host])
        .collect();
    let replicas: usize = rest.iter().sum();
    let prices = Prices::new(replicas, hosts);
    let over = replicas - ground.replicas * ground.shards;
    let most = ground.replicas + over.div_ceil(ground.shards);

    // Vertices: the source, the shards, the zones of each shard, the hosts, the sink.
    let zone_of = |shard: usize, zone: usize| 1 + shards.len() + shard * ground.zones + zone;
    let host_of = |host: usize| 1 + shards.len() * (1 + ground.zones) + host;
    let sink = host_of(hosts);
    let mut graph = Graph::new(sink + 1);
    for (shard, (primary, turn)) in shards.iter().enumerate() {
        // Every shard gets its own before anybody gets more.
        graph.join(0, 1 + shard, ground.replicas, -prices.missing);
        graph.join(0, 1 + shard, most - ground.replicas, 0);
        for zone in 0..ground.zones {
            let beside = match ground.zone[*primary] == zone {
                true => prices.beside_zone,
                false => 0,
            };
            for nth in 0..most {
                let price = beside + prices.together_zone * count(nth);
                graph.join(1 + shard, zone_of(shard, zone), 1, price);
            }
        }
        for (host, free) in rest.iter().enumerate() {
            let beside = match host == *primary {
                true => prices.beside_host,
                false => 0,
            };
            // Of equally good hosts the next one, so that what fails over spreads.
            let distance = (host + 2 * hosts - primary - 1 - turn % hosts) % hosts;
            for nth in 0..most.min(*free) {
                let price = beside + prices.together_host * count(nth) + count(distance);
                graph.join(zone_of(shard, ground.zone[host]), host_of(host), 1, price);
            }
        }
    }
    for (host, free) in rest.iter().enumerate() {
        graph.join(host_of(host), sink, *free, 0);
    }
    graph.flow(0, sink);
    let placed = shards.iter().enumerate().map(|(shard, (primary, _))| {
        let used = (0..hosts).flat_map(|host| {
            let used = graph.used(zone_of(shard, ground.zone[host]), host_of(host));
            std::iter::repeat_n(host, used)
        });
        Placed {
            primary: *primary,
            replicas: used.collect(),
        }
    });
    placed.collect()
}

fn count(number: usize) -> i128 {
    i128::try_from(number).unwrap_or(i128::MAX)
}

/// The host of each primary, and how many the host had before: the first of each host, then the
/// second of each.
fn in_turns(primaries: &[usize]) -> Vec<(usize, usize)> {
    let mut shards: Vec<(usize, usize)> = primaries
        .iter()
        .enumerate()
        .flat_map(|(host, count)| (0..*count).map(move |turn| (host, turn)))
        .collect();
    shards.sort_by_key(|(host, turn)| (*turn, *host));
    shards
}

/// What each breach of a wish costs: more than all breaches of lesser ones together.
struct Prices {
    missing: i128,
    beside_host: i128,
    beside_zone: i128,
    together_host: i128,
    together_zone: i128,
}

impl Prices {
    fn new(replicas: usize, hosts: usize) -> Self {
        let (replicas, hosts) = (count(replicas), count(hosts));
        let pairs = replicas * replicas + 1;
        let together_zone = replicas * hosts + 1;
        let together_host = together_zone * pairs;
        let beside_zone = together_host * pairs;
        let beside_host = beside_zone * (replicas + 1);
        Self {
            missing: beside_host * (replicas + 1),
            beside_host,
            beside_zone,
            together_host,
            together_zone,
        }
    }
}

/// Edges in pairs: each with its way back behind it.
struct Graph {
    edges: Vec<Edge>,
    out: Vec<Vec<usize>>,
}

struct Edge {
    to: usize,
    free: usize,
    used: usize,
    price: i128,
}

impl Graph {
    fn new(vertices: usize) -> Self {
        Self {
            edges: Vec::new(),
            out: vec![Vec::new(); vertices],
        }
    }

    fn join(&mut self, from: usize, to: usize, free: usize, price: i128) {
        for (from, to, free, price) in [(from, to, free, price), (to, from, 0, -price)] {
            self.out[from].push(self.edges.len());
            self.edges.push(Edge {
                to,
                free,
                used: 0,
                price,
            });
        }
    }

    /// How much goes from one vertex to the other.
    fn used(&self, from: usize, to: usize) -> usize {
        let there = self.out[from].iter().map(|edge| &self.edges[*edge]);
        there
            .filter(|edge| edge.to == to)
            .map(|edge| edge.used)
            .sum()
    }

    /// As much as can flow, along the cheapest way each time.
    fn flow(&mut self, source: usize, sink: usize) {
        while let Some(way) = self.cheapest(source, sink) {
            for edge in way {
                self.edges[edge].free -= 1;
                self.edges[edge ^ 1].free += 1;
                // Whichever of the pair is the way forth counts.
                if edge % 2 == 0 {
                    self.edges[edge].used += 1;
                } else {
                    self.edges[edge ^ 1].used -= 1;
                }
            }
        }
    }

    /// Bellman and Ford's way, by a queue: prices may be below nothing, rings of such never are.
    fn cheapest(&self, source: usize, sink: usize) -> Option<Vec<usize>> {
        let mut price: Vec<Option<i128>> = vec![None; self.out.len()];
        let mut by: Vec<Option<usize>> = vec![None; self.out.len()];
        let mut waits = vec![false; self.out.len()];
        let mut queue = std::collections::VecDeque::from([source]);
        price[source] = Some(0);
        while let Some(at) = queue.pop_front() {
            waits[at] = false;
            let Some(so_far) = price[at] else { continue };
            for number in &self.out[at] {
                let edge = &self.edges[*number];
                let there = so_far + edge.price;
                if edge.free == 0 || price[edge.to].is_some_and(|known| known <= there) {
                    continue;
                }
                price[edge.to] = Some(there);
                by[edge.to] = Some(*number);
                if !waits[edge.to] {
                    waits[edge.to] = true;
                    queue.push_back(edge.to);
                }
            }
        }
        let mut way = Vec::new();
        let mut at = sink;
        while at != source {
            let edge = by[at]?;
            way.push(edge);
            at = self.edges[edge ^ 1].to;
        }
        Some(way)
    }
}
