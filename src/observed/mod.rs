//! What the live cluster says: each node's own view, and what the views add up to.
//!
//! `nodes`, `info`, `config` parse one reply each, `view` puts a node's replies together,
//! `cluster` merges the views. Pure: replies in, values out.

mod cluster;
mod config;
mod converged;
mod doubles;
mod equipment;
mod fingerprint;
mod info;
mod jobs;
mod nodes;
mod sizes;
mod tables;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::{Address, NodeId, NodeName, Presence, Role, SlotSet};

pub use cluster::{Claim, Cluster, Disagreement, Island, LiveMember, Sighting, SlotOwners};
pub use converged::{Unmet, unmet};
pub use doubles::Doubles;
pub use equipment::{Equipment, Libraries, Told};
pub use fingerprint::{Change, Fingerprint, Part};
pub use jobs::{Job, JobState, Side};
pub use nodes::{Direction, Flags, Link, Member, NodeTable, OpenSlot, ParseNodesError};
pub use sizes::{Sample, SizedKey};
pub use tables::{Group, Table, groups};
pub use view::{NodeView, Questions, Replication, ViewError};

/// Everything one look at the cluster gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// What became of each declared node's address.
    pub declared: BTreeMap<NodeName, Answer>,
    /// What else answers where a declared node is to be announced.
    #[serde(default)]
    pub usurped: BTreeMap<NodeName, Usurper>,
    /// Sizes of some keys in slots that are to move.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sampled: BTreeMap<NodeId, Sample>,
    /// Keys that both ends of a begun move hold, where that was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubles: Vec<Doubles>,
    /// Members that no declared node stands for and that did not answer at the address
    /// their peers give for them.
    pub silent_members: BTreeMap<NodeId, Failure>,
    /// Moves that run by themselves now, by the node that gives.
    #[serde(default)]
    pub jobs: BTreeMap<NodeId, Vec<Job>>,
    /// Each node that answered, as it sees itself and the cluster.
    pub views: BTreeMap<NodeId, NodeView>,
    /// Who applies right now, where that was asked.
    #[serde(default)]
    pub applying: BTreeSet<Presence>,
}

/// What a declared node's address gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// A node with this id answered; its view is in [`Observed::views`].
    Node(NodeId),
    Failed(Failure),
}

/// Something else than the declared node, at the address that the node is to announce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usurper {
    /// Where it answers.
    pub at: Address,
    /// Its id, or what it says instead.
    pub who: Result<NodeId, String>,
}

/// Why a node gave no view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The addresses that were tried, in this order; empty when the name did not resolve.
    pub tried: Vec<Address>,
    pub kind: FailureKind,
    /// The server's or the system's own words.
    pub words: String,
}

/// The kinds of failure that people act on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// Refused, no route, name unknown, connection lost.
    Unreachable,
    /// It accepted, or dropped, and said nothing in time.
    Timeout,
    /// NOAUTH: it wants a password.
    NeedsPassword,
    /// WRONGPASS, or a password sent to a server without one.
    WrongPassword,
    /// NOPERM: the user lacks a right.
    NoPermission,
    Loading,
    /// It answers, but `cluster-enabled` is off.
    NotClusterMode,
    /// It speaks another protocol, or its replies make no sense.
    Unintelligible,
    /// Another node answered where this member was expected.
    OtherNode,
    /// Nobody that `ca` names has signed its certificate.
    UnknownAuthority,
    /// Its certificate is over, or not valid yet.
    CertificateExpired,
    /// Its certificate is for another name.
    OtherName,
    /// It doesn't take rcl's certificate, or wants one.
    ClientCertificate,
    /// It speaks no TLS, and the file asks for it.
    NoTls,
    /// It speaks TLS only, and the file doesn't ask for it.
    OnlyTls,
    /// TLS with it fails for another reason.
    TlsFails,
}

/// `10.0.0.1:7000: connection refused`
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.tried.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            write!(f, "{address}")?;
        }
        if !self.tried.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.words)
    }
}

impl FailureKind {
    /// What a person does about it.
    #[must_use]
    pub fn way_out(self) -> &'static str {
        match self {
            Self::Unreachable | Self::Timeout => "Start the node, or mend its address in the file.",
            Self::OtherNode => "Find out which node runs at that address.",
            Self::NeedsPassword => {
                "The server wants a password, or refuses strangers in protected mode: give rcl a user and password of it (`access` in the file)."
            }
            Self::WrongPassword => {
                "Check the user and the password under `access`; a server without a password wants none."
            }
            Self::NoPermission => "Give the user the right that the server names.",
            Self::Loading => "Wait until the node has loaded its data, then run again.",
            Self::NotClusterMode => "Set `cluster-enabled yes` in its redis.conf and restart it.",
            Self::UnknownAuthority => {
                "Give the certificate of the authority that signed the server's as `ca` under `access`, or give the server one of that authority."
            }
            Self::CertificateExpired => "Renew the server's certificate, or set the clock.",
            Self::OtherName => {
                "Write a name that stands in the certificate as `server_name` under `access`, or give the server a certificate for its address."
            }
            Self::ClientCertificate => {
                "Give rcl a certificate that the server takes: `cert` and `key` under `access`, signed by an authority that the server trusts and valid today."
            }
            Self::NoTls => "Write the node's port for TLS, or take `tls` out of `access`.",
            Self::OnlyTls => "Declare `tls` under `access`, or write the node's port without TLS.",
            Self::TlsFails => "See what the server's log says about it.",
            Self::Unintelligible => {
                "Check that the address is a Redis or Valkey server's client port."
            }
        }
    }

    /// Whether the node may just be down; the other kinds are mistakes that have to be mended by
    /// a person before anything is sent.
    #[must_use]
    pub fn is_down(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout | Self::OtherNode => true,
            Self::NeedsPassword
            | Self::WrongPassword
            | Self::NoPermission
            | Self::Loading
            | Self::NotClusterMode
            | Self::UnknownAuthority
            | Self::CertificateExpired
            | Self::OtherName
            | Self::ClientCertificate
            | Self::NoTls
            | Self::OnlyTls
            | Self::TlsFails
            | Self::Unintelligible => false,
        }
    }
}

impl Observed {
    /// Takes the view of the node at an address for failed after all.
    pub fn lose(&mut self, address: Address, (kind, words): (FailureKind, String)) {
        let Some(id) = self
            .views
            .values()
            .find(|view| view.dialled == address)
            .map(|view| view.id)
        else {
            return;
        };
        let failure = Failure {
            tried: vec![address],
            kind,
            words,
        };
        self.views.remove(&id);
        let declared = self
            .declared
            .values_mut()
            .find(|answer| **answer == Answer::Node(id));
        match declared {
            Some(answer) => *answer = Answer::Failed(failure),
            None => {
                self.silent_members.insert(id, failure);
            }
        }
    }

    /// Where each node that answered was reached.
    #[must_use]
    pub fn places(&self) -> BTreeSet<Address> {
        self.views.values().map(|view| view.dialled).collect()
    }

    /// Open slots of which another primary than the owner holds keys, with the owner first.
    #[must_use]
    pub fn half_moved(&self) -> BTreeMap<(NodeId, NodeId), SlotSet> {
        let views = self.views.values();
        let primaries: Vec<&NodeView> = views.filter(|it| it.role() == Role::Primary).collect();
        let open = self.views.values().flat_map(|view| &view.open);
        let open: SlotSet = open.map(|open| open.slot).collect();
        let mut moved: BTreeMap<(NodeId, NodeId), SlotSet> = BTreeMap::new();
        for slot in open.iter() {
            let mut owners = primaries.iter();
            let Some(owner) = owners.find(|view| view.own_slots().contains(slot)) else {
                continue;
            };
            let others = primaries.iter().filter(|view| view.id != owner.id);
            for other in others.filter(|view| view.keys_of(slot).is_some_and(|keys| keys > 0)) {
                let slots = moved.entry((owner.id, other.id)).or_default();
                *slots = slots.union(&[slot].into_iter().collect());
            }
        }
        moved
    }

    /// The view of the node that answered at a declared address.
    #[must_use]
    pub fn view_of(&self, node: &NodeName) -> Option<&NodeView> {
        match self.declared.get(node)? {
            Answer::Node(id) => self.views.get(id),
            Answer::Failed(_) => None,
        }
    }
}
