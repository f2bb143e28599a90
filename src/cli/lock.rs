//! One apply at a time: takes the lock that a plan needs, or says who has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Address, NodeId, Presence};
use crate::net::{CallError, Connections, Holding};
use crate::observed::{Cluster, Observed};
use crate::plan::{Plan, Step};
use crate::view::{self, Output};

use super::exit::Exit;
use super::plan::Made;

/// Connections that hold the lock on every node that answered when the plan was made.
pub(super) async fn take(
    me: Presence,
    made: &Made,
    output: &mut Output<'_>,
) -> Result<Connections, Exit> {
    let Made {
        observed,
        plan,
        targets: _,
        keyring,
    } = made;
    let connections = Connections::locking(keyring.clone(), me);
    let label = |address: &Address| {
        let mut views = observed.views.values();
        let view = views.find(|view| view.dialled == *address);
        view.map_or(address.to_string(), |view| plan.diff.pairing.label(view.id))
    };
    match connections.hold(&observed.places()).await {
        Err(contended) => {
            let at = label(&contended.at);
            output.talk(&view::lock::held(&plan.cluster, &contended.by, &at));
            Err(Exit::Held)
        }
        Ok(Holding { held, failed }) => {
            let missing = missing(observed, plan, &held);
            if missing.is_empty() {
                return Ok(connections);
            }
            let words = missing.iter().map(|id| {
                let failure = failure(observed, *id, &failed);
                (plan.diff.pairing.label(*id), failure)
            });
            let words: Vec<(String, String)> = words.collect();
            output.talk(&view::lock::not_to_be_had(&words));
            Err(Exit::Error)
        }
    }
}

/// The nodes that the lock lacks: those that are to be written to, and where not most of the owners of slots
/// are held, the others of those.
fn missing(observed: &Observed, plan: &Plan, held: &BTreeSet<Address>) -> BTreeSet<NodeId> {
    let is_held = |id: &NodeId| {
        let view = observed.views.get(id);
        view.is_some_and(|view| held.contains(&view.dialled))
    };
    let cluster = Cluster::merge(observed);
    let owners: BTreeSet<NodeId> = cluster
        .main()
        .map(|main| main.owners.keys().copied().collect())
        .unwrap_or_default();
    let not_held: BTreeSet<NodeId> = owners.iter().filter(|id| !is_held(id)).copied().collect();
    let mut missing: BTreeSet<NodeId> = plan
        .steps
        .iter()
        .flat_map(Step::parties)
        .filter(|id| !is_held(id))
        .collect();
    if !owners.is_empty() && not_held.len() * 2 >= owners.len() {
        missing.extend(not_held);
    }
    missing
}

fn failure(observed: &Observed, id: NodeId, failed: &BTreeMap<Address, CallError>) -> String {
    let view = observed.views.get(&id);
    let error = view.and_then(|view| failed.get(&view.dialled));
    error.map_or_else(
        || "it doesn't answer, and owns slots".to_owned(),
        ToString::to_string,
    )
}

/// The names of the nodes whose lock was held and is lost.
pub(super) fn lost(connections: &Connections, made: &Made) -> Vec<String> {
    let lost = connections.lost();
    let views = made.observed.views.values();
    views
        .filter(|view| lost.contains(&view.dialled))
        .map(|view| made.plan.diff.pairing.label(view.id))
        .collect()
}
