//! Under which address nodes are known, where it is not the one that rcl dials.

use crate::base::{BusAddress, NodeName};
use crate::desired::Announce;
use crate::observed::NodeView;

use super::Remark;
use super::members::Seat;

/// The announced address, if the file has to give one.
pub(super) fn announce(
    seat: &Seat<'_>,
    node: &NodeName,
    remarks: &mut Vec<Remark>,
) -> Option<Announce> {
    let at = seat.at;
    let ip = seat.view.and_then(|view| told(view, "ip")?.parse().ok());
    let number = |option| {
        let number: Option<u16> = seat.view.and_then(|view| told(view, option)?.parse().ok());
        number.filter(|number| *number != 0)
    };
    let client = ip.or(seat.seen.map(|seen| seen.ip)).unwrap_or(at.ip);
    let port = number("port").or(seat.seen.map(|seen| seen.port));
    let port = port.filter(|port| *port != at.port && *port != 0);
    let default = BusAddress::with_default_bus(at).bus_port;
    let bus_port = number("bus-port").filter(|bus| *bus != default);
    // A file must say where the bus is that can't be where it usually is.
    let unusual = at.port.checked_add(BusAddress::BUS_OFFSET).is_none();
    let own_bus = seat.view.and_then(NodeView::bus_port);
    let bus_port = bus_port.or(own_bus.filter(|_| unusual));
    let elsewhere = client.to_canonical() != at.ip.to_canonical() || port.is_some();
    if !elsewhere && bus_port.is_none() {
        return None;
    }
    if seat.view.is_some() && ip.is_none() {
        let seen = seat.seen.unwrap_or(at);
        let told = if elsewhere {
            format!("{node} is known to its peers as {seen}, but was never told to announce that")
        } else {
            format!("{node} announces a bus port, but no address")
        };
        remarks.push(Remark::fine(format!(
            "{told}: an apply of this file would tell it to (cluster-announce-ip)."
        )));
    }
    Some(Announce {
        ip: client,
        port,
        bus_port,
    })
}

fn told<'a>(view: &'a NodeView, what: &str) -> Option<&'a str> {
    let value = view.config.get(&format!("cluster-announce-{what}"))?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}
