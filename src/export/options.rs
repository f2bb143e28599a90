//! The options of the cluster that somebody set: those that all nodes share, and those that all
//! nodes of a host share.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::NodeId;
use crate::desired::option::{canonical, is_default, of_the_cluster};
use crate::desired::{HostName, Setting, readable_value, same_value};
use crate::observed::NodeView;

use super::Remark;
use super::hosts::Hosts;
use super::members::Seat;

/// Always in the file, whatever its value: rcl and the servers time everything by it.
const ALWAYS: &str = "cluster-node-timeout";

type Config = BTreeMap<String, Setting>;

/// The options of each node.
pub(super) fn options(
    seats: &BTreeMap<NodeId, Seat<'_>>,
    hosts: &Hosts,
    remarks: &mut Vec<Remark>,
) -> BTreeMap<NodeId, Config> {
    let mut config: BTreeMap<NodeId, Config> =
        seats.keys().map(|id| (*id, Config::new())).collect();
    for option in of_the_cluster() {
        let have: BTreeMap<NodeId, Option<&str>> = seats
            .values()
            .filter_map(|seat| Some((seat.id, value(seat.view?, option))))
            .collect();
        if let Some(shared) = shared(option, have.values().copied()) {
            if option == ALWAYS || is_default(option, shared) == Some(false) {
                for own in config.values_mut() {
                    own.insert(option.to_owned(), setting(option, shared));
                }
            }
            continue;
        }
        let noteworthy = |value: &&str| is_default(option, value) == Some(false);
        if !have.values().flatten().any(noteworthy) {
            continue;
        }
        let mut torn: BTreeSet<HostName> = BTreeSet::new();
        for seat in seats.values() {
            let host = hosts.of(seat);
            let neighbours = seats.values().filter(|other| hosts.of(other) == host);
            let values = neighbours.filter_map(|other| have.get(&other.id).copied());
            match shared(option, values.clone()) {
                Some(shared) if option == ALWAYS || noteworthy(&shared) => {
                    let own = config.entry(seat.id).or_default();
                    own.insert(option.to_owned(), setting(option, shared));
                }
                Some(_) => {}
                // Servers of a version that doesn't know the option need no word.
                None if values.flatten().next().is_some() => {
                    torn.insert(host);
                }
                None => {}
            }
        }
        for HostName(host) in torn {
            remarks.push(Remark::fine(format!(
                "{option} is left out for {host}: its nodes have different values."
            )));
        }
    }
    config
}

/// The value that all have.
fn shared<'a>(option: &str, mut all: impl Iterator<Item = Option<&'a str>>) -> Option<&'a str> {
    let first = all.next()??;
    all.all(|other| other.is_some_and(|other| same_value(option, other, first)))
        .then_some(first)
}

fn value<'a>(view: &'a NodeView, option: &str) -> Option<&'a str> {
    let mut options = view.config.iter();
    let (_, value) = options.find(|(name, _)| canonical(name) == option)?;
    Some(value.as_str()).filter(|value| !value.contains(char::is_control))
}

fn setting(option: &str, value: &str) -> Setting {
    Setting::Plain(readable_value(option, value))
}
