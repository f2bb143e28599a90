//! The nodes that a person has, one a word or a line.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::desired::{HostAddress, HostName, dialled_node, is_name};

/// More than any cluster has.
const MOST_NODES: usize = 1000;

/// Hosts in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    pub spots: Vec<Spot>,
}

/// A host and the ports of its nodes, in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub host: HostName,
    pub address: HostAddress,
    pub zone: Option<String>,
    pub ports: Vec<u16>,
}

/// Why the nodes can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GivenError {
    #[error("{message}: {help}")]
    Node { message: String, help: String },
    #[error("{node} is given twice")]
    Twice { node: String },
    #[error("{host} is in the zones {first:?} and {second:?}")]
    TwoZones {
        host: String,
        first: String,
        second: String,
    },
    #[error("line {line}: {why}")]
    Line { line: usize, why: String },
    #[error("no node is given")]
    Empty,
    #[error("more than {MOST_NODES} nodes are given")]
    TooMany,
}

impl Given {
    /// `10.0.0.1:7000,redis2:7000,[fd00::3]:7000`
    ///
    /// # Errors
    /// When a word is no node, or one is there twice.
    pub fn from_list(text: &str) -> Result<Self, GivenError> {
        let words = text.split(',').map(str::trim);
        let mut given = Reader::default();
        for word in words.filter(|word| !word.is_empty()) {
            given.add(word, None)?;
        }
        given.finish()
    }

    /// A node a line, with its zone behind it; `#` begins a comment.
    ///
    /// # Errors
    /// When a line is no node, one is there twice, or a host is in two zones.
    pub fn from_lines(text: &str) -> Result<Self, GivenError> {
        let mut given = Reader::default();
        for (line, number) in text.lines().zip(1..) {
            let at = |why: String| GivenError::Line { line: number, why };
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let added = match words.as_slice() {
                [] => Ok(()),
                [node] => given.add(node, None),
                [node, zone] => given.add(node, Some(zone)),
                [_, _, third, ..] => Err(at(format!(
                    "{third:?} is too much: write the node and its zone"
                ))),
            };
            added.map_err(|error| match error {
                GivenError::Line { .. } | GivenError::TooMany => error,
                GivenError::Node { .. }
                | GivenError::Twice { .. }
                | GivenError::TwoZones { .. }
                | GivenError::Empty => at(error.to_string()),
            })?;
        }
        given.finish()
    }
}

#[derive(Default)]
struct Reader {
    /// Address, zone and ports, in the order in which they came.
    found: Vec<(HostAddress, Option<String>, Vec<u16>)>,
    places: BTreeMap<HostAddress, usize>,
    nodes: usize,
}

impl Reader {
    fn add(&mut self, node: &str, zone: Option<&str>) -> Result<(), GivenError> {
        let (address, port) =
            dialled_node(node).map_err(|(message, help)| GivenError::Node { message, help })?;
        let zone = zone.filter(|zone| !zone.contains(char::is_control));
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(GivenError::TooMany);
        }
        let place = *self.places.entry(address.clone()).or_insert_with(|| {
            self.found.push((address, None, Vec::new()));
            self.found.len() - 1
        });
        let (address, known, ports) = &mut self.found[place];
        if ports.contains(&port) {
            return Err(GivenError::Twice {
                node: node.to_owned(),
            });
        }
        match (&known, zone) {
            (Some(first), Some(second)) if first != second => {
                return Err(GivenError::TwoZones {
                    host: address.to_string(),
                    first: first.clone(),
                    second: second.to_owned(),
                });
            }
            (None, Some(zone)) => *known = Some(zone.to_owned()),
            (Some(_), _) | (None, None) => {}
        }
        ports.push(port);
        Ok(())
    }

    /// DNS names are names of hosts; addresses are called host1, host2, … in their order.
    fn finish(self) -> Result<Given, GivenError> {
        if self.found.is_empty() {
            return Err(GivenError::Empty);
        }
        let own = |address: &HostAddress| match address {
            HostAddress::Dns(name) if is_name(name) && name.len() <= 100 => Some(name.clone()),
            HostAddress::Dns(_) | HostAddress::Ip(_) => None,
        };
        let mut taken: BTreeSet<String> = self
            .found
            .iter()
            .filter_map(|(address, ..)| own(address))
            .collect();
        let mut numbers = 1_usize..;
        let mut spots = Vec::new();
        for (address, zone, mut ports) in self.found {
            ports.sort_unstable();
            let name = own(&address).unwrap_or_else(|| {
                let mut free = numbers.by_ref().map(|number| format!("host{number}"));
                let name = free.find(|name| !taken.contains(name)).unwrap_or_default();
                taken.insert(name.clone());
                name
            });
            spots.push(Spot {
                host: HostName(name),
                address,
                zone,
                ports,
            });
        }
        Ok(Given { spots })
    }
}
