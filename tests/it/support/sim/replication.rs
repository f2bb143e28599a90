//! Copies: a replica dials an address, waits for its primary to begin, and takes everything over.

use rcl::base::NodeId;

use super::keys::Keys;
use super::node::{Health, Phase, Upstream};
use super::quirks;
use super::world::World;

/// How often a replica tries to connect.
const RETRY: u64 = 1000;

impl World {
    /// Starts to copy from a member, by the address it is known by.
    pub(super) fn follow(&mut self, me: usize, primary: NodeId) {
        let at = self.now + self.rng.below(RETRY);
        let node = &mut self.nodes[me];
        let from = node
            .table
            .get(&primary)
            .and_then(super::node::Member::address);
        node.upstream = Some(Upstream {
            from,
            phase: Phase::Connect { at },
        });
    }

    /// One look at the connection to the primary.
    pub(super) fn replicate(&mut self, me: usize) {
        let Some(Upstream { from, phase }) = self.nodes[me].upstream.clone() else {
            return;
        };
        let now = self.now;
        let next = match phase {
            Phase::Connect { at } if now < at => return,
            Phase::Connect { .. } => {
                let machine = self.nodes[me].machine;
                let source =
                    from.and_then(|from| self.reached_from(machine, from.ip, from.port, false));
                match source.filter(|source| self.gives_copies(me, *source)) {
                    Some(source) => Phase::Wait {
                        until: self.batch(source),
                        source,
                        incarnation: self.nodes[source].incarnation,
                    },
                    None => Phase::Connect { at: now + RETRY },
                }
            }
            Phase::Wait {
                until,
                source,
                incarnation,
            } => {
                if self.nodes[source].incarnation != incarnation {
                    Phase::Connect { at: now + RETRY }
                } else if now < until || self.nodes[source].health == Health::Frozen {
                    return;
                } else {
                    let copy = self.nodes[source].keys.clone();
                    self.nodes[me].doomed = false;
                    self.set_keys(me, copy);
                    Phase::Up {
                        source,
                        incarnation,
                    }
                }
            }
            Phase::Up {
                source,
                incarnation,
            } if self.nodes[source].incarnation == incarnation => return,
            Phase::Up { .. } => Phase::Connect { at: now + RETRY },
        };
        self.nodes[me].upstream = Some(Upstream { from, phase: next });
    }

    /// A replica without its own data, or the node itself, has none to give.
    fn gives_copies(&self, me: usize, source: usize) -> bool {
        let source_node = &self.nodes[source];
        source != me
            && source_node.health == Health::Up
            && (source_node.upstream.is_none() || source_node.link_up())
    }

    /// When the next copy begins: replicas that ask within the delay are served together.
    fn batch(&mut self, source: usize) -> u64 {
        let now = self.now;
        let jitter = self.rng.below(500);
        let node = &mut self.nodes[source];
        if !quirks::syncs_diskless(node.server) {
            return now + jitter;
        }
        if node.batch_until <= now {
            node.batch_until =
                now + node.options.number("repl-diskless-sync-delay") * 1000 + jitter;
        }
        node.batch_until
    }

    /// Changes what a node holds, and with it what its replicas hold.
    pub(super) fn set_keys(&mut self, me: usize, keys: Keys) {
        if self.nodes[me].keys == keys {
            return;
        }
        self.nodes[me].keys = keys.clone();
        let (incarnation, count) = (self.nodes[me].incarnation, self.nodes.len());
        let copies: Vec<usize> = (0..count)
            .filter(|other| {
                let upstream = self.nodes[*other].upstream.as_ref();
                upstream.is_some_and(|up| {
                    up.phase
                        == Phase::Up {
                            source: me,
                            incarnation,
                        }
                })
            })
            .collect();
        for copy in copies {
            self.set_keys(copy, keys.clone());
        }
    }

    /// The replicas of a node that went down look for it again.
    pub(super) fn drop_copies_from(&mut self, gone: usize) {
        let at = self.now + RETRY;
        for node in &mut self.nodes {
            if let Some(upstream) = &mut node.upstream
                && matches!(upstream.phase, Phase::Wait { source, .. } | Phase::Up { source, .. } if source == gone)
            {
                upstream.phase = Phase::Connect { at };
            }
        }
    }
}
