//! What one node says of the cluster: a parser of CLUSTER NODES that shares nothing with rcl's own.

use std::collections::BTreeSet;

use super::shards::{Ranges, parse_range};

/// One line of a node's CLUSTER NODES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: String,
    /// `127.1.2.1:7000`; the ip is empty on the own line of a node that nobody has met.
    pub(crate) address: String,
    pub(crate) bus_port: u16,
    pub(crate) flags: BTreeSet<String>,
    pub(crate) parent: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) connected: bool,
    pub(crate) slots: Ranges,
    /// As written: `[50->-ID]`, `[50-<-ID]`. Only a node's own line has any.
    pub(crate) open: Vec<String>,
}

impl Line {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    pub(crate) fn is_myself(&self) -> bool {
        self.has("myself")
    }

    pub(crate) fn is_replica(&self) -> bool {
        self.has("slave")
    }

    /// Flags that no member of a healthy cluster carries in anyone's view.
    pub(crate) fn trouble(&self) -> Option<&str> {
        ["handshake", "fail", "fail?", "noaddr"]
            .into_iter()
            .find(|flag| self.has(flag))
    }
}

#[track_caller]
pub(crate) fn parse(text: &str) -> Vec<Line> {
    text.lines()
        .map(|line| parse_line(line).unwrap_or_else(|| panic!("not a line of NODES: {line:?}")))
        .collect()
}

fn parse_line(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let id = words.next()?.to_owned();
    let address = words.next()?;
    let flags = words.next()?.split(',').map(str::to_owned).collect();
    let parent = words
        .next()
        .map(|parent| (parent != "-").then(|| parent.to_owned()))?;
    let epoch = words.nth(2)?.parse().ok()?;
    let connected = words.next()? == "connected";
    // A hostname may follow the bus port after a comma.
    let (client, bus) = address.split(',').next()?.rsplit_once('@')?;
    let (open, slots): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('['));
    Some(Line {
        id,
        address: client.to_owned(),
        bus_port: bus.parse().ok()?,
        flags,
        parent,
        epoch,
        connected,
        slots: slots.into_iter().map(parse_range).collect::<Option<_>>()?,
        open: open.into_iter().map(str::to_owned).collect(),
    })
}
