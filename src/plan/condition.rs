//! Conditions: what must be so on the nodes themselves before, or after, a step.
//!
//! They are worded so that they stay true under every outcome that servers are known to
//! bring about by themselves, and evaluated on fresh views only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::{Address, Arg, NodeId, Role, SlotSet, counted, named};
use crate::desired::same_value;
use crate::observed::{Libraries, NodeView, Questions, Side, Told, Unmet, unmet};

mod leadership;
mod membership;

/// What is said of a node without a view.
pub const SILENT: &str = "does not answer any more";

/// Something that is so or not, by the nodes' own views.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Always,
    /// All of these.
    All(Vec<Condition>),
    /// The node's options have these values.
    Options {
        node: NodeId,
        values: Vec<(String, Arg)>,
    },
    /// All of these nodes that list it do so under this address.
    SeenAt {
        node: NodeId,
        by: BTreeSet<NodeId>,
        address: Address,
    },
    /// Its epoch is not 0.
    HasEpoch {
        node: NodeId,
    },
    /// It knows only these, owns no slot but these, and holds no key unless it is a member
    /// already: it can meet them without merging clusters.
    Accounted {
        node: NodeId,
        peers: Arc<BTreeSet<NodeId>>,
        slots: SlotSet,
        member: bool,
    },
    /// Each of the others among these lists it, and it lists each of them, without handshake.
    Joined {
        node: NodeId,
        peers: Arc<BTreeSet<NodeId>>,
    },
    /// The node lists the peer as a primary, without handshake.
    KnowsPrimary {
        node: NodeId,
        primary: NodeId,
    },
    /// The node lists the peer, in whatever state, without handshake.
    Lists {
        node: NodeId,
        peer: NodeId,
    },
    /// The node calls the cluster ok: it would serve what it gets.
    Serves {
        node: NodeId,
    },
    /// The node's own view gives it these slots.
    Owns {
        node: NodeId,
        slots: SlotSet,
    },
    /// The node's own view gives all of these slots to the owner.
    KnowsOwner {
        node: NodeId,
        owner: NodeId,
        slots: SlotSet,
    },
    /// None of these nodes knows another owner of any of the slots than `but`, or holds a key in them.
    Free {
        slots: SlotSet,
        on: BTreeSet<NodeId>,
        but: NodeId,
    },
    /// Both ends of a move know the new owner of all the slots, and have them open no more.
    Moved {
        from: NodeId,
        to: NodeId,
        slots: SlotSet,
    },
    /// The node has these libraries, with this code.
    HasLibraries {
        node: NodeId,
        libraries: Libraries,
    },
    /// The node has none of these slots open.
    Closed {
        node: NodeId,
        slots: SlotSet,
    },
    /// The node carries out no move of any of these slots by itself.
    NoJob {
        node: NodeId,
        slots: SlotSet,
    },
    /// It owns no slot in its own view, and holds no more than these keys of its own:
    /// as a replica's copy any number.
    Replaceable {
        node: NodeId,
        keys: u64,
    },
    /// None of these nodes gives it a slot.
    OwnsNothing {
        node: NodeId,
        by: Arc<BTreeSet<NodeId>>,
    },
    /// None of these nodes knows a replica of it, or is one.
    NobodysPrimary {
        node: NodeId,
        by: Arc<BTreeSet<NodeId>>,
    },
    /// Each of these that lists it holds it for failed, or has no address for it.
    Dead {
        node: NodeId,
        by: Arc<BTreeSet<NodeId>>,
    },
    /// None of the others lists any of these.
    Absent {
        nodes: BTreeSet<NodeId>,
        from: Arc<BTreeSet<NodeId>>,
    },
    /// It replicates the primary, and the link is up.
    Replicates {
        node: NodeId,
        primary: NodeId,
    },
    /// It is a primary without slots and keys.
    Detached {
        node: NodeId,
    },
    /// It replicates the primary, and lacks so little that it can take over in a moment.
    CaughtUp {
        node: NodeId,
        primary: NodeId,
    },
    /// All of these list the node as a replica of the primary.
    SeenFollowing {
        node: NodeId,
        primary: NodeId,
        by: Arc<BTreeSet<NodeId>>,
    },
    /// It is a primary by a newer epoch than this, and all of these show it as the owner of the
    /// slots.
    Leads {
        node: NodeId,
        slots: SlotSet,
        since: u64,
        by: Arc<BTreeSet<NodeId>>,
    },
    /// All nodes agree on everything.
    Converged {
        expected: Arc<BTreeSet<NodeId>>,
        absent: BTreeSet<NodeId>,
    },
}

/// What a condition comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    /// The nodes whose views say otherwise, with one sentence each.
    Fails(BTreeMap<NodeId, String>),
}

impl Condition {
    /// The node owns the slots, and has none of them open.
    #[must_use]
    pub fn taken(node: NodeId, slots: &SlotSet) -> Self {
        let owned = Self::Owns {
            node,
            slots: slots.clone(),
        };
        let closed = Self::Closed {
            node,
            slots: slots.clone(),
        };
        Self::All(vec![owned, closed])
    }

    /// Evaluates on the latest views. A node without a view is one that didn't answer.
    #[must_use]
    pub fn verdict(&self, views: &BTreeMap<NodeId, NodeView>) -> Verdict {
        self.verdict_but(views, &BTreeSet::new())
    }

    /// Like [`Self::verdict`], without the nodes that have agreed already.
    #[must_use]
    pub fn verdict_but(
        &self,
        views: &BTreeMap<NodeId, NodeView>,
        agreed: &BTreeSet<NodeId>,
    ) -> Verdict {
        let mut fails = BTreeMap::new();
        self.collect(views, agreed, &mut fails);
        if fails.is_empty() {
            Verdict::Holds
        } else {
            Verdict::Fails(fails)
        }
    }

    #[must_use]
    pub fn holds(&self, views: &BTreeMap<NodeId, NodeView>) -> bool {
        self.verdict(views) == Verdict::Holds
    }

    /// Whether a node that has agreed once need not be asked again: who belongs to the cluster
    /// is only ever learned while a plan runs, and in a cluster of hundreds asking everyone
    /// about everyone, over and over, takes the time that gossip needs.
    #[must_use]
    pub fn is_cumulative(&self) -> bool {
        matches!(self, Self::Joined { .. })
    }

    /// The nodes whose views decide.
    #[must_use]
    pub fn nodes(&self) -> BTreeSet<NodeId> {
        match self {
            Self::Always => BTreeSet::new(),
            Self::All(parts) => parts.iter().flat_map(Self::nodes).collect(),
            Self::Options { node, .. }
            | Self::HasEpoch { node }
            | Self::Accounted { node, .. }
            | Self::KnowsPrimary { node, .. }
            | Self::Serves { node }
            | Self::Owns { node, .. }
            | Self::KnowsOwner { node, .. }
            | Self::Detached { node }
            | Self::HasLibraries { node, .. }
            | Self::Lists { node, .. }
            | Self::Closed { node, .. }
            | Self::NoJob { node, .. }
            | Self::Replaceable { node, .. }
            | Self::Replicates { node, .. } => BTreeSet::from([*node]),
            Self::SeenAt { by, .. } => by.clone(),
            Self::Moved { from, to, .. } => BTreeSet::from([*from, *to]),
            Self::CaughtUp { node, primary } => BTreeSet::from([*node, *primary]),
            Self::SeenFollowing { by, .. } => (**by).clone(),
            Self::Leads { node, by, .. } => by.iter().copied().chain([*node]).collect(),
            Self::Joined { node, peers } => peers.iter().copied().chain([*node]).collect(),
            Self::Free { on, .. } => on.clone(),
            Self::OwnsNothing { by, .. }
            | Self::NobodysPrimary { by, .. }
            | Self::Dead { by, .. } => by.iter().copied().collect(),
            Self::Absent { from, .. } => from.iter().copied().collect(),
            Self::Converged { expected, .. } => expected.iter().copied().collect(),
        }
    }

    /// What must be asked of a node, whose last view may be known, beside the usual.
    pub fn ask(&self, of: NodeId, view: Option<&NodeView>, questions: &mut Questions) {
        match self {
            Self::All(parts) => parts.iter().for_each(|part| part.ask(of, view, questions)),
            Self::Options { node, values } if *node == of => {
                for (option, value) in values {
                    questions.options.insert(option.clone());
                    if let Arg::Secret(_) = value {
                        questions.secret_options.insert(option.clone());
                    }
                }
            }
            Self::HasLibraries { node, .. } if *node == of => questions.libraries = true,
            Self::NoJob { node, .. } if *node == of => questions.jobs = true,
            // A node without keys has none in these slots either, and takes none.
            Self::Free { slots, on, .. }
                if on.contains(&of) && view.is_none_or(|view| view.keys > 0) =>
            {
                questions.count_keys_in = questions.count_keys_in.union(slots);
            }
            Self::Always
            | Self::Options { .. }
            | Self::SeenAt { .. }
            | Self::HasEpoch { .. }
            | Self::Accounted { .. }
            | Self::Joined { .. }
            | Self::KnowsPrimary { .. }
            | Self::Serves { .. }
            | Self::Owns { .. }
            | Self::KnowsOwner { .. }
            | Self::Free { .. }
            | Self::Moved { .. }
            | Self::HasLibraries { .. }
            | Self::Lists { .. }
            | Self::Closed { .. }
            | Self::NoJob { .. }
            | Self::Replaceable { .. }
            | Self::OwnsNothing { .. }
            | Self::NobodysPrimary { .. }
            | Self::Dead { .. }
            | Self::Absent { .. }
            | Self::Replicates { .. }
            | Self::Detached { .. }
            | Self::CaughtUp { .. }
            | Self::SeenFollowing { .. }
            | Self::Leads { .. }
            | Self::Converged { .. } => {}
        }
    }

    fn collect(
        &self,
        views: &BTreeMap<NodeId, NodeView>,
        agreed: &BTreeSet<NodeId>,
        fails: &mut BTreeMap<NodeId, String>,
    ) {
        if let Self::All(parts) = self {
            parts
                .iter()
                .for_each(|part| part.collect(views, agreed, fails));
            return;
        }
        if let Self::Converged { expected, absent } = self {
            for reason in unmet(views, expected, absent) {
                let (node, text) = sentence(&reason);
                fails.entry(node).or_insert(text);
            }
            return;
        }
        if let Self::CaughtUp { node, primary } = self {
            if let Some((who, text)) = leadership::behind(views, *node, *primary) {
                fails.entry(who).or_insert(text);
            }
            return;
        }
        for node in self
            .nodes()
            .into_iter()
            .filter(|node| !agreed.contains(node))
        {
            let said = match views.get(&node) {
                Some(view) => self.objection(view),
                None => Some(SILENT.to_owned()),
            };
            if let Some(text) = said {
                fails.entry(node).or_insert(text);
            }
        }
    }

    /// What one of the deciding nodes has to say against it.
    fn objection(&self, view: &NodeView) -> Option<String> {
        match self {
            Self::Always | Self::All(_) | Self::CaughtUp { .. } | Self::Converged { .. } => None,
            Self::Options { values, .. } => values
                .iter()
                .find_map(|(option, want)| option_differs(view, option, want)),
            Self::SeenAt { node, address, .. } => {
                let seen = view.table.get(node)?.address()?;
                (seen != *address).then(|| format!("still has it at {seen}"))
            }
            Self::HasEpoch { .. } => {
                (view.my_epoch == 0).then(|| "has no epoch of its own yet".to_owned())
            }
            Self::Accounted {
                peers,
                slots,
                member,
                ..
            } => unaccounted(view, peers, slots, *member),
            Self::Joined { node, peers } => not_joined(view, *node, peers),
            Self::KnowsPrimary { primary, .. } => match view.table.get(primary) {
                Some(member) if member.flags.handshake => {
                    Some("is still shaking hands with it".to_owned())
                }
                Some(member) if member.role == Role::Replica => {
                    Some("takes it for a replica".to_owned())
                }
                Some(member) if member.flags.fail => Some("holds it for failed".to_owned()),
                Some(_) => None,
                None => Some("has not heard of it".to_owned()),
            },
            Self::Serves { .. } => (!view.state_ok).then(|| "says cluster_state:fail".to_owned()),
            Self::Owns { slots, .. } => {
                let missing = slots.difference(view.own_slots());
                (!missing.is_empty()).then(|| format!("does not own slots {missing}"))
            }
            Self::KnowsOwner { owner, slots, .. } => {
                let member = view.table.get(owner);
                let missing = member.map_or(slots.clone(), |one| slots.difference(&one.slots));
                (!missing.is_empty()).then(|| format!("knows no owner of slots {missing}"))
            }
            Self::Free { slots, but, .. } => not_free(view, slots, *but),
            Self::Moved { to, slots, .. } => not_moved(view, *to, slots),
            Self::Lists { peer, .. } => match view.table.get(peer) {
                Some(member) if !member.flags.handshake => None,
                Some(_) | None => Some("has not heard of it".to_owned()),
            },
            Self::HasLibraries { libraries, .. } => lacks_library(view, libraries),
            Self::Closed { slots, .. } => still_open(view, slots),
            Self::NoJob { slots, .. } => has_job(view, slots),
            Self::Replaceable { keys, .. } => not_replaceable(view, *keys),
            Self::Detached { .. } => leadership::attached(view),
            Self::SeenFollowing { node, primary, .. } => {
                leadership::not_following(view, *node, *primary)
            }
            Self::Leads {
                node, slots, since, ..
            } => leadership::not_leading(view, *node, slots, *since),
            Self::OwnsNothing { node, .. } => membership::owns(view, *node),
            Self::NobodysPrimary { node, .. } => membership::leads(view, *node),
            Self::Dead { node, .. } => membership::lives(view, *node),
            Self::Absent { nodes, .. } => membership::lists(view, nodes),
            Self::Replicates { primary, .. } => {
                (!view.replicates(*primary)).then(|| match view.primary() == Some(*primary) {
                    true => "replicates it, but the link is not up yet".to_owned(),
                    false => "does not replicate it".to_owned(),
                })
            }
        }
    }
}

fn option_differs(view: &NodeView, option: &str, want: &Arg) -> Option<String> {
    let same = match want {
        Arg::Plain(_) | Arg::Key(_) | Arg::Long { .. } => view
            .config
            .get(option)
            .is_some_and(|have| same_value(option, have, want.shown())),
        Arg::Secret(want) => view.secrets.get(option) == Some(want),
    };
    (!same).then(|| format!("has another value of {option}"))
}

fn unaccounted(
    view: &NodeView,
    peers: &BTreeSet<NodeId>,
    slots: &SlotSet,
    member: bool,
) -> Option<String> {
    let strangers = view.peers().filter(|(id, _)| !peers.contains(id)).count();
    let extra = view.own_slots().difference(slots);
    if strangers > 0 {
        Some(format!(
            "knows {} that the plan did not reckon with",
            counted(strangers, "node")
        ))
    } else if !extra.is_empty() {
        Some(format!(
            "owns slots {extra} that the plan did not reckon with"
        ))
    } else if view.keys > 0 && !member {
        Some(format!(
            "holds {} that the plan did not reckon with",
            counted(view.keys, "key")
        ))
    } else {
        None
    }
}

fn not_joined(view: &NodeView, node: NodeId, peers: &BTreeSet<NodeId>) -> Option<String> {
    let lists = |id: &NodeId| {
        view.table
            .get(id)
            .is_some_and(|member| !member.flags.handshake && !member.flags.noaddr)
    };
    if view.id == node {
        let missing = peers
            .iter()
            .filter(|peer| **peer != node && !lists(peer))
            .count();
        (missing > 0).then(|| format!("does not list {missing} of the others"))
    } else {
        (!lists(&node)).then(|| "does not list it".to_owned())
    }
}

fn not_free(view: &NodeView, slots: &SlotSet, but: NodeId) -> Option<String> {
    let taken = view
        .table
        .iter()
        .filter(|(id, _)| **id != but)
        .map(|(_, member)| member.slots.intersection(slots));
    if let Some(taken) = taken.into_iter().find(|taken| !taken.is_empty()) {
        return Some(format!("knows an owner of slots {taken}"));
    }
    let keys = view.count_in(slots);
    (keys > 0).then(|| format!("holds {} in them", counted(keys, "key")))
}

fn not_moved(view: &NodeView, to: NodeId, slots: &SlotSet) -> Option<String> {
    static NONE: SlotSet = SlotSet::new();
    let owned = view.table.get(&to).map_or(&NONE, |member| &member.slots);
    let missing = slots.difference(owned);
    if !missing.is_empty() {
        let count = counted(missing.count(), "slot");
        return Some(format!(
            "does not know the new owner of {count} ({missing})"
        ));
    }
    still_open(view, slots)
}

fn still_open(view: &NodeView, slots: &SlotSet) -> Option<String> {
    let open = view.open.iter().map(|open| open.slot);
    let open: SlotSet = open.filter(|slot| slots.contains(*slot)).collect();
    (!open.is_empty()).then(|| format!("still has slots {open} open"))
}

/// A user who may not ask is told of no job when the plan is made either.
fn has_job(view: &NodeView, slots: &SlotSet) -> Option<String> {
    let jobs = match &view.jobs {
        Told::Is(jobs) => jobs,
        Told::NotAsked => return Some("has not told yet what it moves by itself".to_owned()),
        Told::Refused(_) => return None,
    };
    let mut jobs = jobs.iter();
    let job = jobs.find(|job| !job.slots.intersection(slots).is_empty())?;
    Some(match job.side {
        Side::Export => format!("still gives {} away by itself", named(&job.slots)),
        Side::Import => format!("still takes {} by itself", named(&job.slots)),
    })
}

fn lacks_library(view: &NodeView, libraries: &Libraries) -> Option<String> {
    let have = match &view.equipment.libraries {
        Told::Is(have) => have,
        Told::NotAsked => return Some("has not told its libraries yet".to_owned()),
        Told::Refused(words) => return Some(format!("does not tell its libraries: {words}")),
    };
    libraries
        .iter()
        .find_map(|(name, code)| match have.get(name) {
            Some(other) if other == code => None,
            Some(_) => Some(format!("has another library {name}")),
            None => Some(format!("has no library {name}")),
        })
}

fn not_replaceable(view: &NodeView, keys: u64) -> Option<String> {
    if !view.own_slots().is_empty() {
        Some(format!("owns slots {}", view.own_slots()))
    } else if view.role() == Role::Primary && view.keys > keys {
        Some(format!("holds {} of its own", counted(view.keys, "key")))
    } else {
        None
    }
}

fn sentence(reason: &Unmet) -> (NodeId, String) {
    match reason {
        Unmet::NoAnswer { node } => (*node, "does not answer".to_owned()),
        Unmet::NotListed { node, peer } => (*node, format!("does not list {}", peer.short())),
        Unmet::Handshake { node } => (*node, "is still shaking hands with somebody".to_owned()),
        Unmet::Unwell { node, peer } => (
            *node,
            format!("holds {} for failed or has no address for it", peer.short()),
        ),
        Unmet::NotOk { node } => (*node, "says cluster_state:fail".to_owned()),
        Unmet::Unassigned { node, assigned } => (
            *node,
            format!("knows the owners of {assigned} of 16384 slots"),
        ),
        Unmet::Disagrees { node } => (
            *node,
            "shows other roles, links, slots or epochs than the rest".to_owned(),
        ),
        Unmet::SameEpoch {
            node,
            others,
            epoch,
        } => (
            *node,
            format!(
                "shares epoch {epoch} with {} of slots",
                counted(*others, "other owner")
            ),
        ),
        Unmet::LinkDown { replica } => (*replica, "has no link to its primary".to_owned()),
    }
}
