//! A step: what it is for, what it sends, and how one knows that it may begin and has ended.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Arg, BusAddress, Command, NodeId, NodeName, ShardName, SlotSet};
use crate::diff::OptionChange;

use super::{Condition, Transfer};

/// A step's number in its plan, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub id: StepId,
    pub action: Action,
    /// The differences that this step removes, by their place in the diff.
    pub because: Vec<usize>,
    /// Steps that must have ended before this one begins.
    pub after: Vec<StepId>,
    /// Exactly what is sent, in this order for each node.
    pub sends: Vec<Send>,
    /// Waited for before the step begins: what the servers tell each other in the meantime.
    pub ready_when: Condition,
    /// Must hold when the step begins; else somebody else has changed the cluster.
    pub guard: Condition,
    /// Waited for as well: that a shard has been left in peace for long enough.
    pub calm: Option<Calm>,
    /// The effect, looked for on the nodes themselves; a reply of OK is never taken for it.
    pub done_when: Condition,
    /// For how long the effect must be seen without a break.
    pub holds_for: Duration,
    /// How long to wait for the readiness, and again for the effect.
    pub deadline: Duration,
    pub risk: Risk,
    /// Whether the plan stops when this step does not succeed.
    pub required: bool,
    /// Run at the end even when another step has failed or the run was interrupted.
    pub always: bool,
}

impl Step {
    /// The nodes that it sends to or brings together: each of them must answer under its id
    /// when the step begins. Commands are meant for a node, never for whoever has its address.
    #[must_use]
    pub fn parties(&self) -> BTreeSet<NodeId> {
        let mut parties: BTreeSet<NodeId> = self.recipients().collect();
        // Nobody is asked of one that is gone.
        let gone = matches!(self.action, Action::Forget { .. });
        if !parties.is_empty() && !gone {
            parties.extend(self.action.node());
        }
        if let Action::Join { introducers, .. } = &self.action {
            parties.extend(introducers);
        }
        parties
    }
}

/// For how long a node must have been a primary with one epoch, as far as the run itself has seen:
/// nothing that a server tells says when a shard failed over last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calm {
    pub node: NodeId,
    pub lasting: Duration,
}

/// A command and the node it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    pub node: NodeId,
    pub command: Command,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Gives options their declared values.
    Configure {
        node: NodeId,
        name: NodeName,
        changes: Vec<OptionChange>,
        rewrite: bool,
    },
    /// Makes peers know the node under the right address.
    Announce {
        node: NodeId,
        name: NodeName,
        want: BusAddress,
        changes: Vec<OptionChange>,
        rewrite: bool,
    },
    /// Lowers declared waiting times while every node is still blank, so that gossip is quick.
    Hasten {
        node: NodeId,
        name: NodeName,
        options: Vec<(String, Arg)>,
    },
    /// Gives a blank node of a new cluster an epoch of its own.
    SetEpoch {
        node: NodeId,
        name: NodeName,
        epoch: u64,
    },
    /// Gives slots without owner to a primary.
    Assign {
        node: NodeId,
        shard: ShardName,
        slots: SlotSet,
    },
    /// Introduces a node to the cluster.
    Join {
        node: NodeId,
        name: NodeName,
        introducers: BTreeSet<NodeId>,
    },
    /// Makes a node replicate a shard's primary.
    Attach {
        node: NodeId,
        name: NodeName,
        shard: ShardName,
        primary: NodeId,
        from: Option<NodeId>,
    },
    /// Makes an empty primary of a replica.
    Detach {
        node: NodeId,
        name: NodeName,
        shard: ShardName,
        from: NodeId,
    },
    /// Gives a newcomer the function libraries that the members have.
    CopyLibraries {
        node: NodeId,
        name: NodeName,
        libraries: Vec<String>,
    },
    /// Lets a move end that servers carry out by themselves.
    Await {
        node: NodeId,
        targets: BTreeSet<NodeId>,
        slots: SlotSet,
    },
    /// Gives slots of an owner that is gone for good to a living primary.
    GiveUp {
        shard: ShardName,
        transfer: Transfer,
    },
    /// Makes a primary the owner of slots that nobody claims.
    Claim {
        node: NodeId,
        other: NodeId,
        slots: SlotSet,
    },
    /// Takes away the marks of moves that are over.
    Close { node: NodeId, slots: SlotSet },
    /// Tells a node who owns slots that it knows no owner of.
    Tell {
        node: NodeId,
        owner: NodeId,
        slots: SlotSet,
    },
    /// Brings keys of slots that their holder doesn't own to the owner.
    BringHome { transfer: Transfer, load: Load },
    /// Moves slots with their keys to another primary.
    Move {
        shard: ShardName,
        transfer: Transfer,
        load: Load,
    },
    /// Makes a replica take its primary's place.
    FailOver {
        node: NodeId,
        name: NodeName,
        shard: ShardName,
        from: NodeId,
    },
    /// Keeps replicas where they are while slots move.
    Pin {
        node: NodeId,
        options: Vec<(String, Arg)>,
    },
    /// Gives these options back the values that they had.
    Unpin {
        node: NodeId,
        options: Vec<(String, Arg)>,
        /// Whether the file says so too: then a later run would mend what this one leaves.
        declared: bool,
    },
    /// Takes a living member out of the cluster.
    Remove { node: NodeId },
    /// Takes a member that is gone out of the tables of all others.
    Forget { node: NodeId },
    /// Waits until all nodes agree on everything.
    Settle,
    /// Gives the lowered options their declared values back.
    Restore {
        node: NodeId,
        name: NodeName,
        options: Vec<(String, Arg)>,
    },
    /// Looks for a while whether what was removed stays away.
    Watch { nodes: BTreeSet<NodeId> },
}

/// What a move carries: counted, and then estimated, when the plan was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    pub keys: u64,
    /// Bytes in the source's memory, roughly.
    pub bytes: u64,
}

/// The order in which plans list and run their steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Configure,
    Announce,
    Hasten,
    Epochs,
    Assign,
    Join,
    CopyLibraries,
    Await,
    GiveUp,
    Claim,
    Close,
    Tell,
    BringHome,
    Attach,
    Detach,
    Pin,
    Move,
    FailOver,
    Unpin,
    Remove,
    Settle,
    Restore,
    Watch,
}

/// What a step may cost beside its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    None,
    /// A replica's copy is dropped and made anew from another primary.
    Resync {
        keys: u64,
    },
    /// A member goes, with what it holds.
    Removal,
    /// What a shard held is given up.
    LoseData {
        slots: u16,
    },
}

impl Step {
    /// The nodes that get commands.
    pub fn recipients(&self) -> impl Iterator<Item = NodeId> {
        let transfer = self.action.transfer();
        let sends = self.sends.iter().map(|send| send.node);
        transfer.into_iter().flat_map(Transfer::ends).chain(sends)
    }
}

/// What an action does to slots and members, for those who ask nothing else.
enum Effect<'a> {
    Carries(&'a Transfer, Load),
    TakesOut(NodeId),
    Other,
}

impl Action {
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Configure { .. } => Phase::Configure,
            Self::Announce { .. } => Phase::Announce,
            Self::Hasten { .. } => Phase::Hasten,
            Self::SetEpoch { .. } => Phase::Epochs,
            Self::Assign { .. } => Phase::Assign,
            Self::Join { .. } => Phase::Join,
            Self::Attach { .. } => Phase::Attach,
            Self::Detach { .. } => Phase::Detach,
            Self::CopyLibraries { .. } => Phase::CopyLibraries,
            Self::Await { .. } => Phase::Await,
            Self::GiveUp { .. } => Phase::GiveUp,
            Self::Claim { .. } => Phase::Claim,
            Self::Close { .. } => Phase::Close,
            Self::Tell { .. } => Phase::Tell,
            Self::BringHome { .. } => Phase::BringHome,
            Self::Move { .. } => Phase::Move,
            Self::FailOver { .. } => Phase::FailOver,
            Self::Pin { .. } => Phase::Pin,
            Self::Unpin { .. } => Phase::Unpin,
            Self::Remove { .. } | Self::Forget { .. } => Phase::Remove,
            Self::Settle => Phase::Settle,
            Self::Restore { .. } => Phase::Restore,
            Self::Watch { .. } => Phase::Watch,
        }
    }

    /// The node that the step is about; none for what concerns all.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::Configure { node, .. }
            | Self::Announce { node, .. }
            | Self::Hasten { node, .. }
            | Self::SetEpoch { node, .. }
            | Self::Assign { node, .. }
            | Self::Join { node, .. }
            | Self::Attach { node, .. }
            | Self::Detach { node, .. }
            | Self::CopyLibraries { node, .. }
            | Self::Await { node, .. }
            | Self::Claim { node, .. }
            | Self::Close { node, .. }
            | Self::Tell { node, .. }
            | Self::FailOver { node, .. }
            | Self::Pin { node, .. }
            | Self::Unpin { node, .. }
            | Self::Remove { node }
            | Self::Forget { node }
            | Self::Restore { node, .. } => Some(*node),
            Self::Move { transfer, .. }
            | Self::GiveUp { transfer, .. }
            | Self::BringHome { transfer, .. } => Some(transfer.target),
            Self::Settle | Self::Watch { .. } => None,
        }
    }

    fn effect(&self) -> Effect<'_> {
        match self {
            Self::Move { transfer, load, .. } | Self::BringHome { transfer, load } => {
                Effect::Carries(transfer, *load)
            }
            Self::GiveUp { transfer, .. } => Effect::Carries(transfer, Load::default()),
            Self::Remove { node } | Self::Forget { node } => Effect::TakesOut(*node),
            Self::Configure { .. }
            | Self::Announce { .. }
            | Self::Hasten { .. }
            | Self::SetEpoch { .. }
            | Self::Assign { .. }
            | Self::Join { .. }
            | Self::Attach { .. }
            | Self::Detach { .. }
            | Self::CopyLibraries { .. }
            | Self::Await { .. }
            | Self::FailOver { .. }
            | Self::Claim { .. }
            | Self::Close { .. }
            | Self::Tell { .. }
            | Self::Pin { .. }
            | Self::Unpin { .. }
            | Self::Settle
            | Self::Restore { .. }
            | Self::Watch { .. } => Effect::Other,
        }
    }

    /// What it moves, if it moves slots or keys.
    #[must_use]
    pub fn transfer(&self) -> Option<&Transfer> {
        match self.effect() {
            Effect::Carries(transfer, _) => Some(transfer),
            Effect::TakesOut(_) | Effect::Other => None,
        }
    }

    /// How much that is.
    #[must_use]
    pub fn load(&self) -> Option<Load> {
        match self.effect() {
            Effect::Carries(_, load) => Some(load),
            Effect::TakesOut(_) | Effect::Other => None,
        }
    }

    /// The member that it takes out of the cluster, if it does.
    #[must_use]
    pub fn gone(&self) -> Option<NodeId> {
        match self.effect() {
            Effect::TakesOut(node) => Some(node),
            Effect::Carries(..) | Effect::Other => None,
        }
    }

    /// Where it sets which options for a while only.
    #[must_use]
    pub fn sets_for_a_while(&self) -> Option<(NodeId, BTreeSet<&str>)> {
        if let Self::Hasten { node, options, .. } | Self::Pin { node, options } = self {
            Some((*node, names(options)))
        } else {
            None
        }
    }

    /// Where it puts back which options that were set for a while only.
    #[must_use]
    pub fn puts_back(&self) -> Option<(NodeId, BTreeSet<&str>)> {
        if let Self::Restore { node, options, .. } | Self::Unpin { node, options, .. } = self {
            Some((*node, names(options)))
        } else {
            None
        }
    }

    /// The action without the amounts that change with every write of a client.
    #[must_use]
    pub fn without_load(&self) -> Self {
        let mut action = self.clone();
        if let Self::Move { load, .. } | Self::BringHome { load, .. } = &mut action {
            *load = Load::default();
        }
        action
    }
}

fn names(options: &[(String, Arg)]) -> BTreeSet<&str> {
    options.iter().map(|(name, _)| name.as_str()).collect()
}
