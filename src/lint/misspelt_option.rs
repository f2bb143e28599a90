//! An option that rcl doesn't know and whose name is nearly one that it knows.

use std::collections::BTreeMap;

use super::{Level, Remark, Rule};
use crate::base::NodeName;
use crate::desired::{Desired, Subject, near_option};

pub(super) const RULE: Rule = Rule {
    code: "misspelt-option",
    summary: "an option has nearly the name of a known one",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    let mut where_to: BTreeMap<&str, &NodeName> = BTreeMap::new();
    for node in desired.nodes.values() {
        for option in node.config.keys() {
            where_to.entry(option).or_insert(&node.name);
        }
    }
    let misspelt = where_to
        .into_iter()
        .filter_map(|(option, node)| Some((option, near_option(option)?, node)));
    misspelt
        .map(|(option, near, node)| Remark {
            level: Level::Warning,
            message: format!(
                "rcl knows no option {option}, which is declared for {node}, but {near}; one that a server doesn't have either is found by `rcl plan`"
            ),
            help: format!("write {near}, if that is meant"),
            subject: Subject::Cluster,
        })
        .collect()
}
