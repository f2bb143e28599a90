//! Quick formation of a new cluster: while every node is blank, declared waiting times are
//! lowered, and restored at the end.
//!
//! Nodes ping each other at half the node timeout and wait as long before they call the
//! cluster ok; a primary waits for more replicas before it begins to copy. Only options that
//! the file declares are lowered, so that a run that dies in between leaves a drift that the
//! next one mends first, and they are never rewritten to disk while low.

use crate::base::Arg;
use crate::desired::{Setting, same_value, wire_value};

use super::config::set_options;
use super::order::Terms;
use super::{Action, Condition, Step};

/// What is lowered, and to which value. A node timeout under a second makes busy nodes hold
/// each other for failed.
const LOWERED: [(&str, u64); 2] = [
    ("cluster-node-timeout", 1000),
    ("repl-diskless-sync-delay", 0),
];

/// The steps that lower, and those that restore.
pub(super) fn steps(terms: &Terms<'_>) -> (Vec<Step>, Vec<Step>) {
    let (mut hasten, mut restore) = (Vec::new(), Vec::new());
    if !terms.diff.pairing.forming {
        return (hasten, restore);
    }
    for (name, node) in terms.in_order() {
        let (Some(view), Some(declared)) = (terms.views.get(&node), terms.desired.nodes.get(&name))
        else {
            continue;
        };
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for (option, floor) in LOWERED {
            let Some(Setting::Plain(want)) = declared.config.get(option) else {
                continue;
            };
            let want = wire_value(option, want);
            let higher = want.parse::<u64>().is_ok_and(|want| want > floor);
            if higher
                && view.config.contains_key(option)
                && !same_value(option, &want, &floor.to_string())
            {
                low.push((option.to_owned(), Arg::Plain(floor.to_string())));
                high.push((option.to_owned(), Arg::Plain(want)));
            }
        }
        if low.is_empty() {
            continue;
        }
        hasten.push(Step {
            sends: set_options(node, view.server, low.clone(), false),
            done_when: Condition::Options {
                node,
                values: low.clone(),
            },
            ..terms.step(Action::Hasten {
                node,
                name: name.clone(),
                options: low,
            })
        });
        restore.push(Step {
            sends: set_options(node, view.server, high.clone(), false),
            done_when: Condition::Options {
                node,
                values: high.clone(),
            },
            always: true,
            ..terms.step(Action::Restore {
                node,
                name,
                options: high,
            })
        });
    }
    (hasten, restore)
}
