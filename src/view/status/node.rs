//! What there is to tell of one node, for people and for JSON.

use crate::base::{Address, NodeId, NodeName, Role, Server};
use crate::observed::{Cluster, NodeView, Replication};

use super::StatusView;

/// A node's facts. What only its own answer tells is absent when it gave none.
#[derive(Clone, Debug)]
pub(super) struct NodeFacts<'a> {
    pub(super) id: NodeId,
    pub(super) name: Option<&'a NodeName>,
    pub(super) address: Option<Address>,
    pub(super) zone: Option<&'a str>,
    pub(super) server: Option<Server>,
    pub(super) role: Role,
    pub(super) answers: bool,
    /// Most of its peers hold it for failed.
    pub(super) failed: bool,
    pub(super) noaddr: bool,
    pub(super) keys: Option<u64>,
    pub(super) used_memory: Option<u64>,
    pub(super) link: Option<LinkFacts>,
}

/// A replica's link to its primary.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkFacts {
    /// Up, and to the right node.
    pub(super) up: bool,
    pub(super) syncing: bool,
    /// Bytes of the primary's stream that it has not got yet.
    pub(super) lag: Option<u64>,
}

impl<'a> NodeFacts<'a> {
    pub(super) fn new(view: &StatusView<'a>, cluster: &Cluster, id: NodeId) -> Self {
        let own = view.observed.views.get(&id);
        let member = cluster.members.get(&id);
        let name = view.file.and_then(|file| file.diff.pairing.names.get(&id));
        let zone = view.file.zip(name).and_then(|(file, name)| {
            let node = file.desired.nodes.get(name)?;
            file.desired.host_of(node)?.zone.as_deref()
        });
        Self {
            id,
            name,
            address: own
                .map(|own| own.dialled)
                .or_else(|| member.and_then(|member| member.usual_address())),
            zone,
            server: own.map(|own| own.server),
            role: member.map_or(Role::Primary, |member| member.role),
            answers: own.is_some(),
            failed: member.is_some_and(|member| member.failed),
            noaddr: member.is_some_and(|member| member.noaddr),
            keys: own.map(|own| own.keys),
            used_memory: own.map(|own| own.used_memory),
            link: own.and_then(|own| link(view, own)),
        }
    }

    /// Its declared name, else its address, else its id.
    pub(super) fn title(&self) -> String {
        match (self.name, self.address) {
            (Some(name), _) => name.to_string(),
            (None, Some(address)) => address.to_string(),
            (None, None) => self.id.short().to_owned(),
        }
    }

    /// What is not as it should be, or how its link is.
    pub(super) fn state(&self) -> (bool, String) {
        if !self.answers {
            let held = if self.failed {
                "does not answer, failed"
            } else if self.noaddr {
                "does not answer, has no address"
            } else {
                "does not answer"
            };
            return (false, held.to_owned());
        }
        if self.failed {
            return (false, "held for failed".to_owned());
        }
        match self.link {
            None => (true, String::new()),
            Some(LinkFacts { syncing: true, .. }) => (false, "copying its data".to_owned()),
            Some(LinkFacts { up: false, .. }) => (false, "link down".to_owned()),
            Some(LinkFacts { lag: None, .. }) => (true, "link up".to_owned()),
            Some(LinkFacts { lag: Some(lag), .. }) => {
                (true, format!("lag {}", indicatif::HumanBytes(lag)))
            }
        }
    }
}

fn link(view: &StatusView<'_>, own: &NodeView) -> Option<LinkFacts> {
    let Replication::Replica {
        host: _,
        port: _,
        link_up: _,
        syncing,
        offset,
    } = &own.replication
    else {
        return None;
    };
    let primary = own.primary();
    let ahead = primary
        .and_then(|primary| view.observed.views.get(&primary))
        .map(|primary| match primary.replication {
            Replication::Primary { offset } | Replication::Replica { offset, .. } => offset,
        });
    Some(LinkFacts {
        up: primary.is_some_and(|primary| own.replicates(primary)),
        syncing: *syncing,
        lag: ahead.map(|ahead| ahead.saturating_sub(*offset)),
    })
}
