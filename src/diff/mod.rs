//! How the live cluster differs from the desired state.
//!
//! `shards` decides which live shard is which declared one; `members`, `roles`, `slots`, `replicas`,
//! `announce` and `config` compare one aspect each; `verdict` finds the states that are not
//! touched. Pure: equal input gives an equal diff.

mod announce;
mod big_keys;
mod config;
mod cut_off;
mod given_up;
mod islands;
mod leave;
mod leftovers;
mod lost;
mod members;
mod moves;
mod newcomers;
mod outage;
mod pairing;
mod pins;
mod removal;
mod replicas;
mod roles;
mod shards;
mod slots;
mod strays;
mod unclaimed;
mod unfit;
mod untold;
mod verdict;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::{Address, Arg, BusAddress, NodeId, NodeName, Role, ShardName, SlotSet};
use crate::desired::{Desired, Node, Setting};
use crate::observed::{Cluster, Failure, Libraries, NodeView, Observed, Questions};

pub use announce::wanted as wanted_address;
pub use big_keys::big_key;
pub use outage::{Unserved, outage};
pub use pairing::Pairing;
pub use slots::{Ownership, Share, ownership, shares};
pub use unfit::{has_login, logs_in_by_itself};

/// Everything that differs, what is not touched and why, and what is worth knowing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    pub pairing: Pairing,
    pub differences: Vec<Difference>,
    pub blocked: Vec<Blocked>,
    pub notes: Vec<Note>,
    pub unserved: Unserved,
}

/// One thing that is not as declared.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// A declared node does not answer.
    Down {
        node: NodeName,
        id: Option<NodeId>,
        failure: Failure,
        /// What it owns, as its peers have it, while they don't hold it for failed.
        owns: SlotSet,
    },
    /// A declared node that living members don't list, or that doesn't list them.
    NotJoined {
        node: NodeName,
        id: NodeId,
        unknown_to: BTreeSet<NodeId>,
    },
    /// Peers reach for the node under another address, or would.
    Announced {
        node: NodeName,
        id: NodeId,
        want: BusAddress,
        seen: BTreeSet<Address>,
        seen_by: BTreeSet<NodeId>,
        set: Vec<OptionChange>,
    },
    /// An option has another value.
    Option {
        node: NodeName,
        id: NodeId,
        change: OptionChange,
    },
    /// Slots that nobody owns and this shard is to serve.
    Unassigned {
        shard: ShardName,
        primary: NodeId,
        slots: SlotSet,
    },
    /// A primary that is to take its first slots, without libraries that the members have.
    LacksLibraries {
        node: NodeName,
        id: NodeId,
        libraries: Libraries,
    },
    /// Slots of an owner that is gone with all its replicas, which somebody gave leave to give up.
    GivenUp {
        /// That is to have them.
        shard: ShardName,
        primary: NodeId,
        lost: NodeId,
        slots: SlotSet,
    },
    /// Slots that nobody claims.
    Unclaimed(Unclaimed),
    /// Keys at a node that doesn't own their slots, of which the owner holds none.
    Stray(Stray),
    /// Slots that another node serves than the file says, or that are on their way already.
    Misplaced(Misplaced),
    /// The node that is to lead a shard nobody serves replicates another one.
    LeaderElsewhere(Elsewhere),
    /// The primary role of a shard is to go to another of its nodes.
    HandOver(HandOver),
    /// Marks of a move that is over, or that never began to matter.
    LeftOpen { node: NodeId, slots: SlotSet },
    /// A node that knows no owner of slots that another one serves.
    Untold(Untold),
    /// A node that is to replicate the shard's primary and doesn't.
    NotReplicating {
        node: NodeName,
        id: NodeId,
        shard: ShardName,
        primary: NodeId,
        now: Now,
    },
    /// The replica of the right primary, whose link is down.
    LinkDown {
        node: NodeName,
        id: NodeId,
        primary: NodeId,
    },
    /// A member that the file doesn't name, and that is to go.
    Undeclared {
        node: NodeId,
        role: Role,
        /// Those that it serves until then.
        slots: SlotSet,
    },
    /// A member that is gone for good, and still listed.
    Ghost { node: NodeId, noaddr: bool },
}

/// Slots that are to go from one primary to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// The target's.
    pub shard: ShardName,
    pub source: NodeId,
    pub target: NodeId,
    pub slots: SlotSet,
    /// Those whose move was begun and not finished.
    pub begun: SlotSet,
    /// Those of them that are open on one side only.
    pub torn: SlotSet,
}

/// A replica that is to be the primary of another shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    pub node: NodeName,
    pub id: NodeId,
    pub shard: ShardName,
    /// Whom it replicates.
    pub primary: NodeId,
    /// Keys of its copy, which go.
    pub keys: u64,
}

/// A primary and the replica that is to take its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    pub shard: ShardName,
    pub from: NodeId,
    pub to: NodeId,
    pub cause: Cause,
}

/// Why a primary hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The file places the role elsewhere, and wants it back there.
    Failback,
    /// The file declares the primary in another shard.
    Crossed,
    /// The file doesn't name the primary, which is to be removed.
    Leaving,
}

/// Slots that each of two primaries leaves to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclaimed {
    /// That is to have them.
    pub taker: NodeId,
    pub other: NodeId,
    pub slots: SlotSet,
}

/// Keys that are to go where clients look for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    pub holder: NodeId,
    pub owner: NodeId,
    pub slots: SlotSet,
    pub keys: u64,
}

/// Slots whose owner a node can't learn by itself: Redis takes in no new owner of a slot that it imports. As long as it
/// misses one it calls the cluster down, and refuses commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    pub node: NodeId,
    pub owner: NodeId,
    pub slots: SlotSet,
}

/// What a node that is to become a replica is at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub role: Role,
    pub primary: Option<NodeId>,
    /// It serves slots, and gives them all away by this very plan.
    pub serves: bool,
    /// Keys that replicating another primary wipes.
    pub keys: u64,
}

/// An option's value, and the one it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionChange {
    pub option: String,
    /// Masked where the option is a secret.
    pub have: Option<Arg>,
    pub want: Arg,
}

/// A state that rcl does not touch, with the evidence and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// A stable word for scripts.
    pub code: &'static str,
    pub severity: Severity,
    /// What is blocked: `shard b`, `host2:7000`, `slots 5-9`.
    pub subject: String,
    /// One sentence.
    pub why: String,
    pub evidence: Vec<String>,
    /// One or two sentences.
    pub way_out: String,
    pub scope: Scope,
}

/// Whether a person must mend something first, or rcl refuses to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file or a server has to be mended before anything can be told.
    Error,
    Blocked,
}

/// How far a blocked state reaches: what else is left alone because of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Everything,
    Shard(ShardName),
    Node(NodeName),
    /// Only itself.
    Alone,
}

/// Worth knowing, and no drift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// A stable word for scripts.
    pub code: &'static str,
    pub subject: String,
    /// One or two sentences.
    pub text: String,
}

/// What the person at the terminal gave leave for, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Nodes that may be wiped and synced anew.
    pub resync: BTreeSet<NodeName>,
    /// Undeclared members that may be removed, as a person calls them: by address or id.
    pub remove: BTreeSet<String>,
    /// Members without a living node that may be forgotten, called likewise.
    pub forget: BTreeSet<String>,
    /// Shards that are gone, by their names in the file, else their primaries' ids.
    pub lose_data: BTreeSet<String>,
}

/// Compares the desired state with what was observed.
#[must_use]
pub fn diff(desired: &Desired, observed: &Observed, allowed: &Allowed) -> Diff {
    diff_of(desired, observed, &Cluster::merge(observed), allowed)
}

/// Like [`diff`], when the views are merged already.
#[must_use]
pub fn diff_of(
    desired: &Desired,
    observed: &Observed,
    cluster: &Cluster,
    allowed: &Allowed,
) -> Diff {
    let mut diff = Diff::default();
    let look = Look {
        desired,
        observed,
        cluster,
        allowed,
    };
    pairing::identify(desired, observed, cluster, &mut diff);
    if !diff.everything_blocked() {
        islands::sort(&look, &mut diff);
        verdict::disagreements(&look, &mut diff);
    }
    let claims = diff.claims();
    if diff.everything_blocked() || claims {
        // Nothing is compared, but who serves which shard is worth showing.
        diff.pairing.primaries = shards::likely(&look, &diff);
        diff.notes.extend(claims.then(unclaimed::first));
        diff.unserved = outage::unserved(&look, &diff);
        return diff;
    }
    shards::pair(&look, &mut diff);
    verdict::shards(&look, &mut diff);
    if !diff.everything_blocked() {
        members::joins(&look, &mut diff);
        announce::compare(&look, &mut diff);
        config::compare(&look, &mut diff);
        roles::compare(&look, &mut diff);
        let removals = removal::Removals::decide(&look, &mut diff);
        slots::compare(&look, &mut diff, &removals);
        replicas::compare(&look, &mut diff);
        leftovers::find(&look, &mut diff, &removals);
        removals.settle(&look, &mut diff);
        leave::compare(&look, &mut diff);
        pins::note(&look, &mut diff);
    }
    diff.unserved = outage::unserved(&look, &diff);
    diff
}

/// What the comparisons need to know of each node.
#[must_use]
pub fn questions(desired: &Desired) -> Questions {
    let mut questions = Questions::default();
    questions.options.insert(announce::SOURCE.to_owned());
    if desired
        .nodes
        .values()
        .any(|node| desired.access_of(node).password.is_some())
    {
        for option in [unfit::LOGIN_OPTION, unfit::PASSWORD_OPTION] {
            questions.options.insert(option.to_owned());
            questions.secret_options.insert(option.to_owned());
        }
    }
    for (option, setting) in desired.nodes.values().flat_map(|node| &node.config) {
        questions.options.insert(option.clone());
        if let Setting::Secret { .. } = setting {
            questions.secret_options.insert(option.clone());
        }
    }
    questions
}

/// What every comparison reads.
struct Look<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    cluster: &'a Cluster,
    allowed: &'a Allowed,
}

impl<'a> Look<'a> {
    /// The declared nodes that answered, belong here and are not blocked.
    fn comparable(&self, diff: &Diff) -> Vec<(&'a Node, &'a NodeView)> {
        let nodes = self.desired.nodes.values();
        nodes
            .filter(|node| !diff.is_node_blocked(&node.name))
            .filter_map(|node| Some((node, diff.pairing.ids.get(&node.name)?)))
            .filter(|(_, id)| diff.pairing.joinable.contains(id))
            .filter_map(|(node, id)| Some((node, self.observed.views.get(id)?)))
            .collect()
    }
}

impl Difference {
    /// What is to move, if it is about that.
    #[must_use]
    pub fn misplaced(&self) -> Option<&Misplaced> {
        match self {
            Self::Misplaced(misplaced) => Some(misplaced),
            Self::Down { .. }
            | Self::NotJoined { .. }
            | Self::Announced { .. }
            | Self::Option { .. }
            | Self::Unassigned { .. }
            | Self::LacksLibraries { .. }
            | Self::GivenUp { .. }
            | Self::Unclaimed { .. }
            | Self::Stray(_)
            | Self::LeaderElsewhere(_)
            | Self::HandOver(_)
            | Self::LeftOpen { .. }
            | Self::Untold(_)
            | Self::NotReplicating { .. }
            | Self::LinkDown { .. }
            | Self::Undeclared { .. }
            | Self::Ghost { .. } => None,
        }
    }

    /// Whether no apply mends it: a person has to bring the node or its link back.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Down { .. } | Self::LinkDown { .. } => true,
            Self::NotJoined { .. }
            | Self::Announced { .. }
            | Self::Option { .. }
            | Self::Unassigned { .. }
            | Self::LacksLibraries { .. }
            | Self::GivenUp { .. }
            | Self::Unclaimed { .. }
            | Self::Stray(_)
            | Self::Misplaced { .. }
            | Self::LeaderElsewhere(_)
            | Self::HandOver(_)
            | Self::LeftOpen { .. }
            | Self::Untold(_)
            | Self::NotReplicating { .. }
            | Self::Undeclared { .. }
            | Self::Ghost { .. } => false,
        }
    }
}

/// Whether a move that is under way looks for a moment like the state with this code: nodes are not all asked at once.
#[must_use]
pub fn passes(code: &str) -> bool {
    const PASSING: [&str; 4] = [
        "views-disagree",
        "open-slots",
        "stray-keys",
        "key-on-both-sides",
    ];
    PASSING.contains(&code)
}

impl Diff {
    /// Whether the cluster is as declared: nothing differs and nothing is in the way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty() && self.blocked.is_empty()
    }

    /// Whether a declared node with this id does not answer.
    #[must_use]
    pub fn is_down(&self, node: NodeId) -> bool {
        let mut differences = self.differences.iter();
        differences.any(|one| matches!(one, Difference::Down { id: Some(id), .. } if *id == node))
    }

    /// Whether slots have to be claimed before anything else can be told.
    fn claims(&self) -> bool {
        let mut differences = self.differences.iter();
        differences.any(|one| matches!(one, Difference::Unclaimed(_)))
    }

    #[must_use]
    pub fn everything_blocked(&self) -> bool {
        self.blocked
            .iter()
            .any(|blocked| blocked.scope == Scope::Everything)
    }

    #[must_use]
    pub fn is_shard_blocked(&self, shard: &ShardName) -> bool {
        self.everything_blocked()
            || self
                .blocked
                .iter()
                .any(|blocked| matches!(&blocked.scope, Scope::Shard(name) if name == shard))
    }

    #[must_use]
    pub fn is_node_blocked(&self, node: &NodeName) -> bool {
        self.everything_blocked()
            || self
                .blocked
                .iter()
                .any(|blocked| matches!(&blocked.scope, Scope::Node(name) if name == node))
    }
}
