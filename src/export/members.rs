//! The members of the cluster, and where each of them can be reached.

use std::collections::BTreeMap;

use crate::base::{Address, NodeId, Role};
use crate::desired::is_announced_hostname;
use crate::observed::{Cluster, FailureKind, Island, LiveMember, NodeView, Observed};

use super::Remark;

/// A member that can stand in a file.
#[derive(Clone, Debug)]
pub(super) struct Seat<'a> {
    pub(super) id: NodeId,
    /// Where rcl reached it, or where its peers look for it.
    pub(super) at: Address,
    /// Where its peers look for it.
    pub(super) seen: Option<Address>,
    pub(super) member: &'a LiveMember,
    /// What it told, if it answered.
    pub(super) view: Option<&'a NodeView>,
    pub(super) hostname: Option<String>,
}

/// Everybody in the cluster who has an address; the others are told of.
pub(super) fn seats<'a>(
    observed: &'a Observed,
    cluster: &'a Cluster,
    main: &Island,
    remarks: &mut Vec<Remark>,
) -> BTreeMap<NodeId, Seat<'a>> {
    let mut seats: BTreeMap<NodeId, Seat<'a>> = BTreeMap::new();
    // Those who answer come first: a ghost may be listed at the address of a living one.
    for id in main.answered.iter().chain(&main.silent) {
        let Some(member) = cluster.members.get(id) else {
            continue;
        };
        let view = observed.views.get(id);
        let seen = member.usual_address();
        let at = view.map(|view| view.dialled).or(seen);
        let title = match at {
            Some(at) => format!("{at} ({})", id.short()),
            None => id.short().to_owned(),
        };
        if let Some(why) = no_seat(observed, *id, member, view.is_some(), &seats) {
            remarks.push(Remark::ill(format!("{title} is left out: {why}.")));
            continue;
        }
        let Some(at) = at else { continue };
        let seat = Seat {
            id: *id,
            at,
            seen,
            member,
            view,
            hostname: hostname(observed, *id, view, &title, remarks),
        };
        seats.insert(*id, seat);
    }
    handshakes(observed, remarks);
    seats
}

/// Why a member can't stand in a file.
fn no_seat(
    observed: &Observed,
    id: NodeId,
    member: &LiveMember,
    answers: bool,
    seats: &BTreeMap<NodeId, Seat<'_>>,
) -> Option<String> {
    if answers {
        return None;
    }
    let Some(at) = member.usual_address() else {
        return Some("its peers have no address for it, so it is a ghost of a node that was reset, or came back as another".to_owned());
    };
    let failure = observed.silent_members.get(&id);
    let other = failure.is_some_and(|failure| failure.kind == FailureKind::OtherNode);
    if other || seats.values().any(|seat| seat.at == at) {
        return Some("another node answers at its address".to_owned());
    }
    // A failed primary that was replaced comes back as a replica, nobody can tell whose.
    (member.role == Role::Primary && member.slots.is_empty()).then(|| {
        "it does not answer and owns no slot, so nothing tells which shard it belongs to".to_owned()
    })
}

/// The name that it announces, by its own word or by that of a peer.
fn hostname(
    observed: &Observed,
    id: NodeId,
    view: Option<&NodeView>,
    title: &str,
    remarks: &mut Vec<Remark>,
) -> Option<String> {
    let told = |view: &NodeView| {
        let name = view.config.get("cluster-announce-hostname")?;
        Some(name.clone()).filter(|name| !name.is_empty())
    };
    let seen = || {
        let mut tables = observed.views.values().map(|view| &view.table);
        tables.find_map(|table| table.get(&id)?.link_address.hostname.clone())
    };
    let name = match view {
        Some(view) => told(view),
        None => seen(),
    }?;
    if is_announced_hostname(&name) {
        return Some(name);
    }
    remarks.push(Remark::fine(format!(
        "{title} announces the host name {name:?}, which is none that servers take."
    )));
    None
}

fn handshakes(observed: &Observed, remarks: &mut Vec<Remark>) {
    let mut found: Vec<Address> = Vec::new();
    for view in observed.views.values() {
        let shaking = view.table.values().filter(|member| member.flags.handshake);
        found.extend(shaking.filter_map(|member| member.address()));
    }
    found.sort_unstable();
    found.dedup();
    for at in found {
        remarks.push(Remark::ill(format!(
            "{at} is left out: it is being met and no member yet."
        )));
    }
}
