//! Slots that clients get no answer for.

use std::collections::BTreeSet;

use crate::base::{NodeId, SlotSet};
use crate::observed::{Cluster, Island, LiveMember, Observed};

use super::{Diff, Difference, Look};

/// What clients get errors for. Of a cluster that is still to come nobody expects an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unserved {
    /// Slots that nobody serves while others are served.
    pub slots: SlotSet,
    /// Whether servers refuse all others as well then, by `cluster-require-full-coverage`; none where they don't agree.
    pub all: Option<bool>,
}

/// What no living member serves of a cluster in which somebody serves something, whatever a file may say.
#[must_use]
pub fn outage(observed: &Observed) -> Unserved {
    let cluster = Cluster::merge(observed);
    let islands: Vec<&Island> = cluster.main().into_iter().collect();
    unserved_of(observed, nobodys(observed, &cluster, &islands))
}

/// The same of the cluster that the file is about, and what two leave to each other.
pub(super) fn unserved(look: &Look<'_>, diff: &Diff) -> Unserved {
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
    let slots = nobodys(look.observed, look.cluster, &islands).union(&unclaimed);
    unserved_of(look.observed, slots)
}

fn unserved_of(observed: &Observed, slots: SlotSet) -> Unserved {
    const OPTION: &str = "cluster-require-full-coverage";
    let values: BTreeSet<Option<bool>> = observed
        .views
        .values()
        .map(|view| Some(view.config.get(OPTION)? == "yes"))
        .collect();
    let all = match values.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => *one,
        _ => None,
    };
    Unserved { slots, all }
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
