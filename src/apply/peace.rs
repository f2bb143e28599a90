//! Since when shards have been in peace: who leads them, and by which epoch, as this run has seen it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{NodeId, Role};
use crate::plan::{Calm, Step, StepId};

use super::event::Event;
use super::machine::Views;

#[derive(Debug, Default)]
pub(super) struct Peace {
    /// The epoch of each node that is watched, none while it is no primary, and since when.
    seen: BTreeMap<NodeId, (Option<u64>, Duration)>,
    /// The seconds that were told of last.
    told: BTreeMap<StepId, u64>,
}

impl Peace {
    /// Takes in what the watched nodes say now. Silence says nothing: whoever led meanwhile did so
    /// by another epoch.
    pub(super) fn watch(
        &mut self,
        calms: impl Iterator<Item = Calm>,
        views: &Views,
        now: Duration,
    ) {
        for calm in calms {
            let Some(view) = views.get(&calm.node) else {
                continue;
            };
            let epoch = (view.role() == Role::Primary).then_some(view.my_epoch);
            let seen = self.seen.entry(calm.node).or_insert((epoch, now));
            if seen.0 != epoch {
                *seen = (epoch, now);
            }
        }
    }

    /// How long the peace still has to last.
    pub(super) fn left(&self, calm: Calm, now: Duration) -> Duration {
        let since = match self.seen.get(&calm.node) {
            Some((Some(_), since)) => *since,
            Some((None, _)) | None => now,
        };
        (since + calm.lasting).saturating_sub(now)
    }

    /// What is left, once a second.
    pub(super) fn tell(&mut self, step: &Step, now: Duration) -> Option<Event> {
        let left = self.left(step.calm?, now);
        let seconds = left.as_millis().div_ceil(1000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        let news = seconds > 0 && self.told.insert(step.id, seconds) != Some(seconds);
        let step = step.id;
        news.then_some(Event::Calming { step, left })
    }
}
