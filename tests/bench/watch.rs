//! Watches a cluster form, from outside and lightly: tools and servers share two cores with it.
//!
//! It asks one node at a time, and stays with that node until it satisfies; only then does it go on to the
//! next. A state is reached when all nodes in a row satisfied without a pause between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::support::resp::Client;
use crate::support::views::{self, Line};
use crate::support::{Servers, judge};

/// Between two questions to a node that doesn't satisfy yet; also how exact the times are.
const PERIOD: Duration = Duration::from_millis(10);

/// Converged must still hold after this.
const CONFIRMED_AFTER: Duration = Duration::from_millis(200);

/// The commands of one visit.
pub(crate) const PER_VISIT: u64 = 3;

/// When the states were reached.
pub(crate) struct Seen {
    /// Every node says `ok`, knows all without handshake, and every replica's link is up.
    pub(crate) whole: Duration,
    /// Moreover: nobody else, no ghosts, one map of slots and epochs in all views, all slots assigned, the
    /// owners' epochs distinct, links up to the right primary; still so 200 ms later.
    pub(crate) converged: Duration,
}

pub(crate) struct Watch {
    clients: Vec<Client>,
    addresses: BTreeMap<String, String>,
    /// Converged then also means that all views agree who is whose replica. In a large cluster of Redis that
    /// takes much longer: a node tells its role only to those it happens to exchange a ping with.
    roles: bool,
    visits: u64,
}

/// What one visit showed.
struct Visit {
    whole: bool,
    /// What must be equal in all views; none when this view alone is already incomplete.
    view: Option<String>,
}

impl Watch {
    pub(crate) fn new(servers: &Servers, roles: bool) -> Result<Self, String> {
        let names = servers.names();
        let connect = |name: &String| {
            Client::connect(servers.address(name)).map_err(|error| format!("{name}: {error}"))
        };
        Ok(Self {
            clients: names.iter().map(connect).collect::<Result<_, _>>()?,
            addresses: names
                .iter()
                .map(|name| (servers.id(name), servers.address(name).to_string()))
                .collect(),
            roles,
            visits: 0,
        })
    }

    pub(crate) fn visits(&self) -> u64 {
        self.visits
    }

    /// Until the cluster has converged, `given_up` says so, or the deadline passes.
    pub(crate) fn follow(
        &mut self,
        start: Instant,
        deadline: Duration,
        mut given_up: impl FnMut() -> bool,
    ) -> Result<Seen, String> {
        let mut round = Round::new(self.clients.len());
        loop {
            let visit = self.visit(round.node)?;
            let pause = round.take(visit, start);
            if let (Some(whole), Some(converged)) = (round.whole, round.confirmed()) {
                return Ok(Seen { whole, converged });
            }
            if given_up() {
                return Err("the tool failed".to_owned());
            }
            if start.elapsed() > deadline {
                return Err(format!("not converged after {deadline:?}"));
            }
            std::thread::sleep(pause);
        }
    }

    fn visit(&mut self, node: usize) -> Result<Visit, String> {
        self.visits += 1;
        let questions: [&[&str]; 3] = [
            &["CLUSTER", "INFO"],
            &["CLUSTER", "NODES"],
            &["INFO", "replication"],
        ];
        let replies = self.clients[node]
            .pipeline(&questions)
            .map_err(|error| format!("a node gives no answer: {error}"))?;
        let texts: Vec<String> = replies.into_iter().map(|reply| reply.text()).collect();
        let [info, nodes, replication] = texts.as_slice() else {
            return Err("a node left a question out".to_owned());
        };
        if !info.contains("cluster_state:ok") {
            return Ok(Visit {
                whole: false,
                view: None,
            });
        }
        let lines = views::parse(nodes);
        let whole = self.is_whole(&lines, replication);
        Ok(Visit {
            whole,
            view: if whole {
                self.complete_view(&lines, replication)
            } else {
                None
            },
        })
    }

    fn is_whole(&self, lines: &[Line], replication: &str) -> bool {
        lines.len() == self.addresses.len()
            && !lines.iter().any(|line| line.has("handshake"))
            && lines.iter().filter(|line| line.is_myself()).all(|line| {
                // Every node is meant to own slots or to be a replica in sync.
                !line.slots.is_empty() || replication.contains("master_link_status:up")
            })
    }

    fn complete_view(&self, lines: &[Line], replication: &str) -> Option<String> {
        let replication = judge::fields(replication);
        let mut slots = 0;
        let mut epochs = BTreeSet::new();
        let mut members = BTreeMap::new();
        for line in lines {
            if line.trouble().is_some()
                || !line.open.is_empty()
                || !self.addresses.contains_key(&line.id)
            {
                return None;
            }
            let owns = !line.slots.is_empty();
            if owns && !epochs.insert(line.epoch) {
                return None;
            }
            slots += line
                .slots
                .iter()
                .map(|(first, last)| u32::from(last - first) + 1)
                .sum::<u32>();
            if line.is_myself()
                && let Some(parent) = &line.parent
            {
                let linked = format!(
                    "{}:{}",
                    replication.get("master_host")?,
                    replication.get("master_port")?
                );
                if self.addresses.get(parent) != Some(&linked) {
                    return None;
                }
            }
            let epoch = owns.then_some(line.epoch);
            let role = self.roles.then(|| (line.is_replica(), &line.parent));
            members.insert(&line.id, (epoch, &line.slots, role));
        }
        (slots == 16384).then(|| format!("{members:?}"))
    }
}

/// The way from node to node.
struct Round {
    count: usize,
    /// To be visited next.
    node: usize,
    whole_in_a_row: usize,
    whole: Option<Duration>,
    /// The view that the last nodes in a row shared, and how many they were.
    view: Option<String>,
    alike_in_a_row: usize,
    converged: Option<Duration>,
}

impl Round {
    fn new(count: usize) -> Self {
        Self {
            count,
            node: 0,
            whole_in_a_row: 0,
            whole: None,
            view: None,
            alike_in_a_row: 0,
            converged: None,
        }
    }

    /// Takes in a visit; the pause that is due before the next one.
    fn take(&mut self, visit: Visit, start: Instant) -> Duration {
        let (whole, complete) = (visit.whole, visit.view.is_some());
        self.whole_in_a_row = if whole { self.whole_in_a_row + 1 } else { 0 };
        if self.whole_in_a_row == self.count && self.whole.is_none() {
            self.whole = Some(start.elapsed());
        }
        let differs = complete && self.view.is_some() && self.view != visit.view;
        if !complete || differs {
            self.alike_in_a_row = 0;
            self.converged = None;
        }
        self.alike_in_a_row += usize::from(complete);
        self.view = visit.view;
        if self.alike_in_a_row == self.count {
            self.converged = Some(start.elapsed());
        }
        self.advance(whole, complete, differs)
    }

    fn advance(&mut self, whole: bool, complete: bool, differs: bool) -> Duration {
        let next = (self.node + 1) % self.count;
        if self.whole.is_none() && whole {
            self.node = next;
            return Duration::ZERO;
        }
        if self.whole.is_none() || !complete {
            return PERIOD;
        }
        if differs {
            // This node or the last one is behind: between the two, until they agree.
            self.node = (self.node + self.count - 1) % self.count;
            self.view = None;
            self.alike_in_a_row = 0;
            return PERIOD;
        }
        self.node = next;
        if self.alike_in_a_row == self.count {
            CONFIRMED_AFTER
        } else {
            Duration::ZERO
        }
    }

    /// When all views were alike for the first time, once they were so twice.
    fn confirmed(&self) -> Option<Duration> {
        self.converged
            .filter(|_| self.alike_in_a_row >= 2 * self.count)
    }
}
