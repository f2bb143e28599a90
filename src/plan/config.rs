//! Steps that give options their declared values, and that announce the right address.

use std::collections::BTreeMap;

use crate::base::{Arg, Command, NodeId, NodeName, Server};
use crate::diff::{Difference, OptionChange};

use super::order::Terms;
use super::{Action, Condition, Risk, Send, Step};

/// From how many of the nodes that have a wrong address a MEET is sent; the others learn it by gossip.
const MEETINGS: usize = 4;

/// One step a node, whatever number of options differ.
pub(super) fn configure(terms: &Terms<'_>) -> Vec<Step> {
    type Changes = (Vec<usize>, Vec<OptionChange>);
    let mut by_node: BTreeMap<(&NodeName, NodeId), Changes> = BTreeMap::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        if let Difference::Option { node, id, change } = difference {
            let entry = by_node.entry((node, *id)).or_default();
            entry.0.push(index);
            entry.1.push(change.clone());
        }
    }
    let steps = by_node
        .into_iter()
        .filter_map(|((name, node), (because, changes))| {
            let view = terms.views.get(&node)?;
            let rewrite = view.has_config_file;
            Some(Step {
                because,
                sends: set_options(node, view.server, values(&changes), rewrite),
                done_when: Condition::Options {
                    node,
                    values: values(&changes),
                },
                ..terms.step(Action::Configure {
                    node,
                    name: name.clone(),
                    changes,
                    rewrite,
                })
            })
        });
    steps.collect()
}

/// The address is set on the node, so that its packets carry it, and some of those that had
/// another are sent there: a MEET to a known node only mends its address.
pub(super) fn announce(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::Announced {
            node: name,
            id,
            want,
            seen_by,
            set,
            ..
        } = difference
        else {
            continue;
        };
        let Some(view) = terms.views.get(id) else {
            continue;
        };
        let rewrite = view.has_config_file && !set.is_empty();
        let mut sends = set_options(*id, view.server, values(set), rewrite);
        let meeting = seen_by
            .iter()
            .filter(|viewer| terms.views.contains_key(viewer))
            .take(MEETINGS);
        sends.extend(meeting.map(|viewer| Send {
            node: *viewer,
            command: Command::meet(*want),
        }));
        steps.push(Step {
            because: vec![index],
            sends,
            done_when: Condition::All(vec![
                Condition::Options {
                    node: *id,
                    values: values(set),
                },
                Condition::SeenAt {
                    node: *id,
                    // Whoever still has it right may be about to hear the wrong one.
                    by: terms
                        .main
                        .union(seen_by)
                        .filter(|viewer| *viewer != id)
                        .copied()
                        .collect(),
                    address: want.client,
                },
            ]),
            risk: Risk::None,
            ..terms.step(Action::Announce {
                node: *id,
                name: name.clone(),
                want: *want,
                changes: set.clone(),
                rewrite,
            })
        });
    }
    steps
}

fn values(changes: &[OptionChange]) -> Vec<(String, Arg)> {
    changes
        .iter()
        .map(|change| (change.option.clone(), change.want.clone()))
        .collect()
}

/// CONFIG SET, in one command where the server takes several options at once, and REWRITE.
pub(super) fn set_options(
    node: NodeId,
    server: Server,
    values: Vec<(String, Arg)>,
    rewrite: bool,
) -> Vec<Send> {
    let mut commands = Vec::new();
    if server.supports_config_set_many() && !values.is_empty() {
        commands.push(Command::config_set(values));
    } else {
        commands.extend(values.into_iter().map(|value| Command::config_set([value])));
    }
    if rewrite {
        commands.push(Command::config_rewrite());
    }
    commands
        .into_iter()
        .map(|command| Send { node, command })
        .collect()
}
