//! Which live node is which declared one, and which live shard which declared one.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, NodeName, ShardName};
use crate::desired::{Desired, Node};
use crate::observed::{Answer, Cluster, Failure, Observed, Usurper};

use super::{Blocked, Diff, Difference, Scope, Severity};

/// Names on one side, ids on the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairing {
    pub ids: BTreeMap<NodeName, NodeId>,
    pub names: BTreeMap<NodeId, NodeName>,
    /// The primary that serves a declared shard now; for a shard without a live node, the
    /// declared primary, once it answers.
    pub primaries: BTreeMap<ShardName, NodeId>,
    /// Those of them that are replicas of others still, and are detached first.
    pub detached: BTreeSet<NodeId>,
    /// Who is to take its place, where it hands over.
    pub successors: BTreeMap<ShardName, NodeId>,
    /// The nodes of islands that may grow together into the cluster: all that answered and
    /// that the file accounts for.
    pub joinable: BTreeSet<NodeId>,
    /// Members that answer and that their peers hold for failed: nobody waits for them.
    pub cut_off: BTreeSet<NodeId>,
    /// Owners of slots that are gone for good: somebody gave leave to give up what they held.
    pub given_up: BTreeSet<NodeId>,
    /// Every declared node is blank: there is no cluster yet.
    pub forming: bool,
    /// What to call a node: its declared name, else its address and short id.
    pub labels: BTreeMap<NodeId, String>,
}

impl Pairing {
    /// The one that a primary hands over to.
    #[must_use]
    pub fn successor_of(&self, primary: NodeId) -> Option<NodeId> {
        let mut successors = self.successors.iter();
        let found = successors.find(|(shard, _)| self.primaries.get(shard) == Some(&primary));
        found.map(|(_, to)| *to)
    }

    /// Who leads a shard once all that hand over have done so.
    #[must_use]
    pub fn leader_to_be(&self, shard: &ShardName) -> Option<NodeId> {
        let found = self.successors.get(shard);
        found.or_else(|| self.primaries.get(shard)).copied()
    }

    #[must_use]
    pub fn label(&self, id: NodeId) -> String {
        self.labels
            .get(&id)
            .cloned()
            .unwrap_or_else(|| id.short().to_owned())
    }

    /// Labels of several nodes, at most five by name.
    pub fn label_all<'a>(&self, ids: impl IntoIterator<Item = &'a NodeId>) -> String {
        let mut labels: Vec<String> = ids.into_iter().map(|id| self.label(*id)).collect();
        labels.sort();
        match labels.len() {
            0 => "nobody".to_owned(),
            1..=5 => labels.join(", "),
            count => format!("{} and {} more", labels[..4].join(", "), count - 4),
        }
    }
}

/// Finds each declared node's id, and stops everything where the file and the nodes can't
/// mean the same thing.
pub(super) fn identify(desired: &Desired, observed: &Observed, cluster: &Cluster, diff: &mut Diff) {
    for node in desired.nodes.values() {
        match observed.declared.get(&node.name) {
            Some(Answer::Node(id)) => {
                answered(node, *id, diff);
                diff.blocked
                    .extend(announced_elsewhere(node, *id, observed));
            }
            Some(Answer::Failed(failure)) => failed(node, failure, cluster, diff),
            None => {}
        }
    }
    diff.pairing.labels = labels(&diff.pairing, observed, cluster);
    if observed.views.is_empty() && !diff.everything_blocked() {
        diff.blocked.push(nobody_answers(desired, observed));
    }
}

fn answered(node: &Node, id: NodeId, diff: &mut Diff) {
    if let Some(pinned) = node.id
        && pinned != id
    {
        diff.blocked.push(Blocked {
            code: "wrong-id",
            severity: Severity::Blocked,
            subject: node.name.to_string(),
            why: format!("{} is pinned to another node id than the one that answers", node.name),
            evidence: vec![format!("pinned: {pinned}"), format!("answers: {id}")],
            way_out: format!(
                "If the node was replaced on purpose, change or remove `id` of {} in the file; else find out what runs at its address.",
                node.name
            ),
            scope: Scope::Everything,
        });
    }
    if let Some(other) = diff.pairing.names.get(&id) {
        diff.blocked.push(Blocked {
            code: "one-node-two-names",
            severity: Severity::Error,
            subject: format!("{other} and {}", node.name),
            why: format!("{other} and {} answer as the same node", node.name),
            evidence: vec![format!("both have id {id}")],
            way_out: "Name each node once: look for a host with two addresses, or a forwarded port. Two servers with one id run with a copied nodes.conf: empty the copy's."
                .to_owned(),
            scope: Scope::Everything,
        });
        return;
    }
    diff.pairing.ids.insert(node.name.clone(), id);
    diff.pairing.names.insert(id, node.name.clone());
}

/// Others meet a node where it is announced, and would be introduced to whoever lives there.
fn announced_elsewhere(node: &Node, id: NodeId, observed: &Observed) -> Option<Blocked> {
    let usurper = observed.usurped.get(&node.name)?;
    let announced = node.announced()?;
    let Usurper { at, who } = usurper;
    let who = match who {
        Ok(other) => format!("{at} answers with id {other}"),
        Err(words) => format!("{at} answers: {words}"),
    };
    Some(Blocked {
        code: "announced-elsewhere",
        severity: Severity::Blocked,
        subject: node.name.to_string(),
        why: format!(
            "{} is to be announced at {announced}, but another server answers there; meeting that one could merge two clusters",
            node.name
        ),
        evidence: vec![format!("{} answers with id {id}", node.name), who],
        way_out: format!(
            "Mend `announce` of {} in the file. If it is right, run rcl where {announced} leads to {}.",
            node.name, node.name
        ),
        scope: Scope::Everything,
    })
}

fn failed(node: &Node, failure: &Failure, cluster: &Cluster, diff: &mut Diff) {
    let id = node.id.or_else(|| listed_at(node, failure, cluster));
    if let Some(id) = id.filter(|id| !diff.pairing.names.contains_key(id)) {
        diff.pairing.ids.insert(node.name.clone(), id);
        diff.pairing.names.insert(id, node.name.clone());
    }
    if !failure.kind.is_down() {
        diff.blocked.push(Blocked {
            code: "unreadable",
            severity: Severity::Error,
            subject: node.name.to_string(),
            why: format!("{} answers, but can't be read", node.name),
            evidence: vec![failure.to_string()],
            way_out: failure.kind.way_out().to_owned(),
            scope: Scope::Everything,
        });
        return;
    }
    diff.differences.push(Difference::Down {
        node: node.name.clone(),
        id,
        failure: failure.clone(),
        owns: id
            .and_then(|id| cluster.members.get(&id))
            .filter(|member| !member.failed && !member.noaddr)
            .map(|member| member.slots.clone())
            .unwrap_or_default(),
    });
}

/// The silent member that its peers have at the declared node's address: at the one that was tried,
/// before it announced another, or at the one that it is to announce.
fn listed_at(node: &Node, failure: &Failure, cluster: &Cluster) -> Option<NodeId> {
    let announced = node.announced();
    let mut found = cluster.members.iter().filter(|(_, member)| {
        !member.answered
            && member
                .usual_address()
                .is_some_and(|at| failure.tried.contains(&at) || announced == Some(at))
    });
    match (found.next(), found.next()) {
        (Some((id, _)), None) => Some(*id),
        (Some(_) | None, _) => None,
    }
}

fn labels(pairing: &Pairing, observed: &Observed, cluster: &Cluster) -> BTreeMap<NodeId, String> {
    let label = |id: &NodeId| -> String {
        if let Some(name) = pairing.names.get(id) {
            return name.to_string();
        }
        let dialled = observed.views.get(id).map(|view| view.dialled);
        let address = dialled.or_else(|| {
            cluster
                .members
                .get(id)
                .and_then(|member| member.usual_address())
        });
        match address {
            Some(address) => format!("{address} ({})", id.short()),
            None => id.short().to_owned(),
        }
    };
    cluster
        .members
        .keys()
        .chain(pairing.names.keys())
        .map(|id| (*id, label(id)))
        .collect()
}

fn nobody_answers(desired: &Desired, observed: &Observed) -> Blocked {
    let evidence = observed
        .declared
        .iter()
        .filter_map(|(name, answer)| match answer {
            Answer::Failed(failure) => Some(format!("{name}: {failure}")),
            Answer::Node(_) => None,
        })
        .collect();
    Blocked {
        code: "nobody-answers",
        severity: Severity::Error,
        subject: format!("cluster {}", desired.cluster),
        why: "no declared node answers".to_owned(),
        evidence,
        way_out: "Start the nodes, or mend the addresses in the file.".to_owned(),
        scope: Scope::Everything,
    }
}
