//! A diff in JSON, in plans, drift and status the same: a member for what each kind of difference has.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::{Address, Arg, BusAddress, NodeId, NodeName, Role, ShardName, SlotSet};
use crate::diff::{
    Blocked, Cause, Diff, Difference, Elsewhere, HandOver, Misplaced, Note, Now, OptionChange,
    Pairing, Stray, Unclaimed, Unserved, Untold,
};
use crate::observed::{Failure, Libraries};
use crate::view::difference::sentence;

use super::failure_word;

/// Whatever of a diff is written.
#[derive(Debug, Serialize)]
pub(in crate::view) struct DiffJson<'a> {
    unserved: &'a SlotSet,
    differences: Vec<DifferenceJson<'a>>,
    blocked: &'a [Blocked],
    notes: &'a [Note],
}

impl<'a> DiffJson<'a> {
    pub(in crate::view) fn new(diff: &'a Diff) -> Self {
        let Diff {
            pairing,
            differences,
            blocked,
            notes,
            unserved,
        } = diff;
        let Unserved {
            slots: unserved,
            all: _,
        } = unserved;
        Self {
            differences: differences
                .iter()
                .map(|difference| DifferenceJson {
                    text: sentence(difference, pairing),
                    what: What::new(difference, pairing),
                })
                .collect(),
            blocked,
            notes,
            unserved,
        }
    }
}

#[derive(Debug, Serialize)]
struct DifferenceJson<'a> {
    text: String,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum What<'a> {
    Down {
        node: &'a NodeName,
        id: Option<NodeId>,
        tried: &'a [Address],
        failure: &'static str,
        words: &'a str,
        owns: &'a SlotSet,
    },
    NotJoined {
        node: &'a NodeName,
        id: NodeId,
        unknown_to: &'a BTreeSet<NodeId>,
    },
    Announced {
        node: &'a NodeName,
        id: NodeId,
        want: BusAddress,
        seen: &'a BTreeSet<Address>,
        seen_by: &'a BTreeSet<NodeId>,
        set: Vec<OptionJson<'a>>,
    },
    Option {
        node: &'a NodeName,
        id: NodeId,
        #[serde(flatten)]
        change: OptionJson<'a>,
    },
    Unassigned {
        shard: &'a ShardName,
        primary: Option<&'a NodeName>,
        primary_id: NodeId,
        slots: &'a SlotSet,
    },
    LacksLibraries {
        node: &'a NodeName,
        id: NodeId,
        libraries: Vec<&'a str>,
    },
    GivenUp {
        shard: &'a ShardName,
        primary: Option<&'a NodeName>,
        primary_id: NodeId,
        lost: Option<&'a NodeName>,
        lost_id: NodeId,
        slots: &'a SlotSet,
    },
    Unclaimed {
        primary: Option<&'a NodeName>,
        primary_id: NodeId,
        other: Option<&'a NodeName>,
        other_id: NodeId,
        slots: &'a SlotSet,
    },
    Stray {
        holder: Option<&'a NodeName>,
        holder_id: NodeId,
        owner: Option<&'a NodeName>,
        owner_id: NodeId,
        slots: &'a SlotSet,
        keys: u64,
    },
    Misplaced {
        shard: &'a ShardName,
        source: Option<&'a NodeName>,
        source_id: NodeId,
        target: Option<&'a NodeName>,
        target_id: NodeId,
        slots: &'a SlotSet,
        begun: &'a SlotSet,
        torn: &'a SlotSet,
    },
    Untold {
        node: Option<&'a NodeName>,
        id: NodeId,
        owner: Option<&'a NodeName>,
        owner_id: NodeId,
        slots: &'a SlotSet,
    },
    LeftOpen {
        node: Option<&'a NodeName>,
        id: NodeId,
        slots: &'a SlotSet,
    },
    LeaderElsewhere {
        node: &'a NodeName,
        id: NodeId,
        shard: &'a ShardName,
        primary: Option<&'a NodeName>,
        primary_id: NodeId,
        keys: u64,
    },
    HandOver {
        shard: &'a ShardName,
        from: Option<&'a NodeName>,
        from_id: NodeId,
        to: Option<&'a NodeName>,
        to_id: NodeId,
        cause: Cause,
    },
    NotReplicating {
        node: &'a NodeName,
        id: NodeId,
        shard: &'a ShardName,
        primary: Option<&'a NodeName>,
        primary_id: NodeId,
        now: NowJson,
    },
    LinkDown {
        node: &'a NodeName,
        id: NodeId,
        primary: Option<&'a NodeName>,
        primary_id: NodeId,
    },
    Undeclared {
        id: NodeId,
        role: Role,
        slots: &'a SlotSet,
    },
    Ghost {
        id: NodeId,
        noaddr: bool,
    },
}

impl<'a> What<'a> {
    fn new(difference: &'a Difference, pairing: &'a Pairing) -> Self {
        let name = |id: &NodeId| pairing.names.get(id);
        match difference {
            Difference::Down {
                node,
                id,
                failure,
                owns,
            } => Self::down(node, *id, failure, owns),
            Difference::NotJoined {
                node,
                id,
                unknown_to,
            } => Self::NotJoined {
                node,
                id: *id,
                unknown_to,
            },
            Difference::Announced {
                node,
                id,
                want,
                seen,
                seen_by,
                set,
            } => Self::announced((node, *id), *want, (seen, seen_by), set),
            Difference::Option { node, id, change } => Self::Option {
                node,
                id: *id,
                change: OptionJson::new(change),
            },
            Difference::Unassigned {
                shard,
                primary,
                slots,
            } => Self::unassigned(shard, *primary, slots, pairing),
            Difference::LacksLibraries {
                node,
                id,
                libraries,
            } => Self::lacks_libraries(node, *id, libraries),
            Difference::GivenUp {
                shard,
                primary,
                lost,
                slots,
            } => Self::given_up(shard, (*primary, *lost), slots, pairing),
            Difference::Unclaimed(unclaimed) => Self::unclaimed(unclaimed, pairing),
            Difference::Stray(stray) => Self::stray(stray, pairing),
            Difference::Misplaced(misplaced) => Self::misplaced(misplaced, pairing),
            Difference::Untold(untold) => Self::untold(untold, pairing),
            Difference::LeftOpen { node, slots } => Self::LeftOpen {
                node: name(node),
                id: *node,
                slots,
            },
            Difference::LeaderElsewhere(elsewhere) => Self::elsewhere(elsewhere, pairing),
            Difference::HandOver(hand_over) => Self::hand_over(hand_over, pairing),
            Difference::NotReplicating {
                node,
                id,
                shard,
                primary,
                now,
            } => Self::not_replicating((node, *id), shard, (name(primary), *primary), now),
            Difference::LinkDown { node, id, primary } => {
                Self::link_down(node, *id, *primary, pairing)
            }
            Difference::Undeclared { node, role, slots } => Self::undeclared(*node, *role, slots),
            Difference::Ghost { node, noaddr } => Self::ghost(*node, *noaddr),
        }
    }
}

impl<'a> What<'a> {
    fn link_down(node: &'a NodeName, id: NodeId, primary: NodeId, pairing: &'a Pairing) -> Self {
        Self::LinkDown {
            node,
            id,
            primary: pairing.names.get(&primary),
            primary_id: primary,
        }
    }

    fn unassigned(
        shard: &'a ShardName,
        primary: NodeId,
        slots: &'a SlotSet,
        pairing: &'a Pairing,
    ) -> Self {
        Self::Unassigned {
            shard,
            primary: pairing.names.get(&primary),
            primary_id: primary,
            slots,
        }
    }

    fn untold(untold: &'a Untold, pairing: &'a Pairing) -> Self {
        let Untold { node, owner, slots } = untold;
        Self::Untold {
            node: pairing.names.get(node),
            id: *node,
            owner: pairing.names.get(owner),
            owner_id: *owner,
            slots,
        }
    }

    fn elsewhere(elsewhere: &'a Elsewhere, pairing: &'a Pairing) -> Self {
        let Elsewhere {
            node,
            id,
            shard,
            primary,
            keys,
        } = elsewhere;
        Self::LeaderElsewhere {
            node,
            id: *id,
            shard,
            primary: pairing.names.get(primary),
            primary_id: *primary,
            keys: *keys,
        }
    }

    fn hand_over(hand_over: &'a HandOver, pairing: &'a Pairing) -> Self {
        let HandOver {
            shard,
            from,
            to,
            cause,
        } = hand_over;
        Self::HandOver {
            shard,
            from: pairing.names.get(from),
            from_id: *from,
            to: pairing.names.get(to),
            to_id: *to,
            cause: *cause,
        }
    }

    fn announced(
        (node, id): (&'a NodeName, NodeId),
        want: BusAddress,
        (seen, seen_by): (&'a BTreeSet<Address>, &'a BTreeSet<NodeId>),
        set: &'a [OptionChange],
    ) -> Self {
        Self::Announced {
            node,
            id,
            want,
            seen,
            seen_by,
            set: set.iter().map(OptionJson::new).collect(),
        }
    }

    fn not_replicating(
        (node, id): (&'a NodeName, NodeId),
        shard: &'a ShardName,
        (primary, primary_id): (Option<&'a NodeName>, NodeId),
        now: &'a Now,
    ) -> Self {
        Self::NotReplicating {
            node,
            id,
            shard,
            primary,
            primary_id,
            now: NowJson::new(now),
        }
    }

    fn lacks_libraries(node: &'a NodeName, id: NodeId, libraries: &'a Libraries) -> Self {
        Self::LacksLibraries {
            node,
            id,
            libraries: libraries.keys().map(String::as_str).collect(),
        }
    }

    fn given_up(
        shard: &'a ShardName,
        (primary, lost): (NodeId, NodeId),
        slots: &'a SlotSet,
        pairing: &'a Pairing,
    ) -> Self {
        Self::GivenUp {
            shard,
            primary: pairing.names.get(&primary),
            primary_id: primary,
            lost: pairing.names.get(&lost),
            lost_id: lost,
            slots,
        }
    }

    fn unclaimed(unclaimed: &'a Unclaimed, pairing: &'a Pairing) -> Self {
        let Unclaimed {
            taker,
            other,
            slots,
        } = unclaimed;
        Self::Unclaimed {
            primary: pairing.names.get(taker),
            primary_id: *taker,
            other: pairing.names.get(other),
            other_id: *other,
            slots,
        }
    }

    fn stray(stray: &'a Stray, pairing: &'a Pairing) -> Self {
        let Stray {
            holder,
            owner,
            slots,
            keys,
        } = stray;
        Self::Stray {
            holder: pairing.names.get(holder),
            holder_id: *holder,
            owner: pairing.names.get(owner),
            owner_id: *owner,
            slots,
            keys: *keys,
        }
    }

    fn misplaced(misplaced: &'a Misplaced, pairing: &'a Pairing) -> Self {
        let Misplaced {
            shard,
            source,
            target,
            slots,
            begun,
            torn,
        } = misplaced;
        Self::Misplaced {
            shard,
            source: pairing.names.get(source),
            source_id: *source,
            target: pairing.names.get(target),
            target_id: *target,
            slots,
            begun,
            torn,
        }
    }

    fn undeclared(id: NodeId, role: Role, slots: &'a SlotSet) -> Self {
        Self::Undeclared { id, role, slots }
    }

    fn ghost(id: NodeId, noaddr: bool) -> Self {
        Self::Ghost { id, noaddr }
    }

    fn down(
        node: &'a NodeName,
        id: Option<NodeId>,
        failure: &'a Failure,
        owns: &'a SlotSet,
    ) -> Self {
        let Failure { tried, kind, words } = failure;
        Self::Down {
            node,
            id,
            tried,
            failure: failure_word(*kind),
            words,
            owns,
        }
    }
}

/// An option that differs. Secrets are masked on both sides.
#[derive(Debug, Serialize)]
pub(in crate::view) struct OptionJson<'a> {
    option: &'a str,
    have: Option<&'a str>,
    want: &'a str,
}

impl<'a> OptionJson<'a> {
    pub(in crate::view) fn new(change: &'a OptionChange) -> Self {
        let OptionChange { option, have, want } = change;
        Self {
            option,
            have: have.as_ref().map(Arg::shown),
            want: want.shown(),
        }
    }
}

#[derive(Debug, Serialize)]
struct NowJson {
    role: Role,
    primary_id: Option<NodeId>,
    /// It serves slots, and gives them all away first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    serves: bool,
    keys: u64,
}

impl NowJson {
    fn new(now: &Now) -> Self {
        let Now {
            role,
            primary,
            serves,
            keys,
        } = now;
        Self {
            role: *role,
            primary_id: *primary,
            serves: *serves,
            keys: *keys,
        }
    }
}
