//! Slots that clients get no answer for.

use crate::base::{NodeId, SlotSet};
use crate::observed::{Cluster, Island, LiveMember, Observed};

use super::{Diff, Difference, Look};

/// What no living member serves of a cluster in which somebody serves something, whatever a file may say.
#[must_use]
pub fn outage(observed: &Observed) -> SlotSet {
    let cluster = Cluster::merge(observed);
    let islands: Vec<&Island> = cluster.main().into_iter().collect();
    nobodys(observed, &cluster, &islands)
}

/// The same of the cluster that the file is about, and what two leave to each other.
pub(super) fn unserved(look: &Look<'_>, diff: &Diff) -> SlotSet {
    let joinable = &diff.pairing.joinable;
    let islands: Vec<&Island> = match joinable.is_empty() {
        // Before anything is paired the largest stands for all.
        true => look.cluster.main().into_iter().collect(),
        false => look.cluster.islands_of(joinable).collect(),
    };
    // Each of two leaves these to the other.
    let unclaimed = diff.differences.iter().filter_map(|one| {
        let Difference::Unclaimed(unclaimed) = one else {
            return None;
        };
        Some(&unclaimed.slots)
    });
    let unclaimed: SlotSet = unclaimed.collect();
    nobodys(look.observed, look.cluster, &islands).union(&unclaimed)
}

fn nobodys(observed: &Observed, cluster: &Cluster, islands: &[&Island]) -> SlotSet {
    let owners = || islands.iter().flat_map(|island| &island.owners);
    if owners().all(|(_, slots)| slots.is_empty()) {
        return SlotSet::new();
    }
    // Who came back blank answers under another id where its peers still look for the old one.
    let replaced = |id: NodeId, member: &LiveMember| {
        let mut views = observed.views.values();
        views.any(|view| view.id != id && Some(view.dialled) == member.usual_address())
    };
    let serves = |id: NodeId| {
        let member = cluster.members.get(&id);
        member.is_some_and(|member| member.lives() && (member.answered || !replaced(id, member)))
    };
    let served = owners().filter(|(id, _)| serves(**id));
    let served: SlotSet = served.map(|(_, slots)| slots).collect();
    SlotSet::full().difference(&served)
}
