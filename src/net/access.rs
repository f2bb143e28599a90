//! How each node is logged in to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::base::{Address, Login};

use super::tls::Tls;

/// How to log in to a node; nothing in it for a server that takes everybody.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub login: Option<Login>,
    pub tls: Option<Tls>,
}

impl Access {
    /// Whether nothing is said to a server but what it is asked.
    pub(super) fn is_open(&self) -> bool {
        self.login.is_none() && self.tls.is_none()
    }
}

/// The access of every node: by its address, else by that of its host, else the one for all.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    everyone: Arc<Access>,
    nodes: BTreeMap<Address, Arc<Access>>,
    hosts: BTreeMap<IpAddr, Arc<Access>>,
}

impl Keyring {
    #[must_use]
    pub fn new(everyone: Arc<Access>) -> Self {
        Self {
            everyone,
            ..Self::default()
        }
    }

    /// The same ways without a word of who rcl is.
    #[must_use]
    pub fn without_logins(&self) -> Self {
        let bare = |access: &Arc<Access>| {
            Arc::new(Access {
                login: None,
                tls: access.tls.clone(),
            })
        };
        Self {
            everyone: bare(&self.everyone),
            nodes: self
                .nodes
                .iter()
                .map(|(at, one)| (*at, bare(one)))
                .collect(),
            hosts: self
                .hosts
                .iter()
                .map(|(at, one)| (*at, bare(one)))
                .collect(),
        }
    }

    /// The first access that is given for an address stays.
    pub fn insert(&mut self, node: Address, access: &Arc<Access>) {
        let nodes = self.nodes.entry(node);
        nodes.or_insert_with(|| Arc::clone(access));
        let hosts = self.hosts.entry(node.ip);
        hosts.or_insert_with(|| Arc::clone(access));
    }

    #[must_use]
    pub fn of(&self, node: Address) -> Arc<Access> {
        let own = self.nodes.get(&node).or(self.hosts.get(&node.ip));
        Arc::clone(own.unwrap_or(&self.everyone))
    }
}
