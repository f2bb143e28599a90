//! Whether a node's two ports are free, asked before anything is started.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::LabError;
use crate::base::{Address, BusAddress, NodeName};

pub(super) fn check(node: &NodeName, address: Address) -> Result<(), LabError> {
    let Some(bus_port) = address.port.checked_add(BusAddress::BUS_OFFSET) else {
        return Err(LabError::NoBusPort {
            node: node.clone(),
            port: address.port,
        });
    };
    for (port, bus) in [(address.port, false), (bus_port, true)] {
        let socket = SocketAddr::new(address.ip, port);
        let Err(error) = TcpListener::bind(socket) else {
            continue;
        };
        return Err(if error.kind() == io::ErrorKind::AddrInUse {
            LabError::PortTaken {
                node: node.clone(),
                socket,
                bus,
            }
        } else {
            LabError::Listen {
                node: node.clone(),
                socket,
                source: error,
            }
        });
    }
    Ok(())
}
