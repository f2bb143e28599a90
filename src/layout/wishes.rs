//! Which wishes a layout doesn't meet, and why, in words.

use std::cmp::Reverse;

use crate::base::counted;

use super::given::Given;
use super::score::Score;
use super::{Ground, Placed};

/// A layout and what is known of it.
pub(super) struct Told<'a> {
    pub(super) given: &'a Given,
    pub(super) ground: &'a Ground,
    pub(super) placed: &'a [Placed],
    pub(super) score: &'a Score,
    /// All layouts were compared.
    pub(super) exact: bool,
}

impl Told<'_> {
    /// A sentence or two for each wish that is not met.
    pub(super) fn unmet(&self) -> Vec<String> {
        let mut unmet = Vec::new();
        unmet.extend(self.left_over());
        unmet.extend(self.few_primaries());
        unmet.extend(self.beside_host());
        unmet.extend(self.fatal_hosts());
        unmet.extend(self.beside_zone());
        unmet.extend(self.fatal_zones());
        if self.score.together_host > 0 {
            unmet.push(format!(
                "Replicas of one shard are together on a host; {}.",
                self.none()
            ));
        }
        unmet.extend(self.some_zones());
        unmet
    }

    fn none(&self) -> &'static str {
        match self.exact {
            true => "no layout of these nodes avoids that",
            false => "rcl found no layout of these nodes that avoids that",
        }
    }

    fn nodes(&self) -> usize {
        self.ground.nodes.iter().sum()
    }

    fn left_over(&self) -> Option<String> {
        let Ground {
            shards, replicas, ..
        } = self.ground;
        let over = self.nodes() - shards * (replicas + 1);
        let all = counted(self.nodes(), "node");
        let shards = counted(*shards, "shard");
        let each = counted(replicas + 1, "node");
        match over {
            0 => None,
            1 => Some(format!(
                "{all} make {shards} of {each}; the one that is left over is a further replica."
            )),
            over => Some(format!(
                "{all} make {shards} of {each}; the {over} that are left over are further replicas."
            )),
        }
    }

    fn few_primaries(&self) -> Option<String> {
        let number = match self.ground.shards {
            1 => "With one primary",
            2 => "With two primaries",
            _ => return None,
        };
        let replicas = self.ground.replicas;
        Some(format!(
            "{number} nobody can agree that one failed, so no replica takes over. Three primaries with {} each take {} nodes.",
            counted(replicas, "replica"),
            3 * (replicas + 1)
        ))
    }

    fn beside_host(&self) -> Option<String> {
        let spots = self.given.spots.iter();
        let fullest = spots.max_by_key(|spot| (spot.ports.len(), Reverse(&spot.host)))?;
        (self.score.beside_host > 0).then(|| {
            format!(
                "{} host of {} primary, and `replicas_apart` is off so that the file can be used: {}, {} has {} of the {} nodes.",
                replicas_on(self.score.beside_host, "on"),
                its(self.score.beside_host),
                self.none(),
                fullest.host,
                fullest.ports.len(),
                self.nodes()
            )
        })
    }

    fn fatal_hosts(&self) -> Vec<String> {
        let hosts = self.given.spots.len();
        let fatal = self.fatal(|host| host, hosts).into_iter();
        let told = fatal.map(|(host, count)| {
            let name = &self.given.spots[host].host;
            self.losing("host", &name.0, count, hosts)
        });
        told.collect()
    }

    fn beside_zone(&self) -> Option<String> {
        let more = self.score.beside_zone - self.score.beside_host;
        let zoned = self.given.spots.iter().any(|spot| spot.zone.is_some());
        (zoned && more > 0).then(|| {
            format!(
                "{} zone of {} primary, on other hosts; {}.",
                replicas_on(more, "in"),
                its(more),
                self.none()
            )
        })
    }

    /// A zone of one host is told of with it.
    fn fatal_zones(&self) -> Vec<String> {
        let zones = self.ground.zones;
        let fatal = self.fatal(|host| self.ground.zone[host], zones).into_iter();
        let told = fatal.filter_map(|(zone, count)| {
            let mut on = self.given.spots.iter().zip(&self.ground.zone);
            let (first, _) = on.find(|(_, own)| **own == zone)?;
            on.find(|(_, own)| **own == zone)?;
            let name = first.zone.as_deref()?;
            Some(self.losing("zone", name, count, zones))
        });
        told.collect()
    }

    fn some_zones(&self) -> Option<String> {
        let spots = &self.given.spots;
        let without = spots.iter().find(|spot| spot.zone.is_none())?;
        spots.iter().any(|spot| spot.zone.is_some()).then(|| {
            format!(
                "{} has no zone, so it counts as a zone of its own, and `replicas_apart` is not zone.",
                without.host
            )
        })
    }

    /// The places whose loss takes too many primaries, and how many.
    fn fatal(&self, place: impl Fn(usize) -> usize, places: usize) -> Vec<(usize, usize)> {
        let mut counts = vec![0; places];
        for shard in self.placed {
            counts[place(shard.primary)] += 1;
        }
        let all = self.ground.shards;
        let fatal = |count: usize| all >= 3 && all - count < all / 2 + 1;
        let counts = counts.into_iter().enumerate();
        counts.filter(|(_, count)| fatal(*count)).collect()
    }

    fn losing(&self, what: &str, name: &str, count: usize, places: usize) -> String {
        let why = match places {
            1 | 2 => format!("it takes three {what}s or more to avoid that"),
            _ => self.none().to_owned(),
        };
        format!(
            "Losing the {what} {name} takes {count} of {} primaries, and no replica can take over then; {why}.",
            self.ground.shards
        )
    }
}

fn replicas_on(count: usize, on: &str) -> String {
    match count {
        1 => format!("1 replica is {on} the"),
        count => format!("{count} replicas are {on} the"),
    }
}

fn its(count: usize) -> &'static str {
    match count {
        1 => "its",
        _ => "their",
    }
}
