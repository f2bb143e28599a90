//! The lab: the file's nodes as processes of this machine, when all addresses are loopback.
//!
//! `up` (`start`, `wait`), `down` (`wipe`) and `status` do what they are called; `folder` is the lab's folder with its
//! lock, `state` the record in it of who was started; `process`, `ping`, `ports` and `server` are the machine's side.

mod down;
mod error;
mod folder;
mod ping;
mod ports;
mod process;
mod server;
mod start;
mod state;
mod status;
mod up;
mod wait;
mod wipe;

use std::path::PathBuf;
use std::time::Duration;

use crate::base::Address;
use crate::conf::folder_name;
use crate::desired::{Desired, HostAddress, Node};

pub use down::{Down, Ended, down};
pub use error::LabError;
pub use process::Identity;
pub use server::{Program, find_server};
pub use status::{NodeStatus, Running, Status, status};
pub use up::{Up, UpNode, UpOutcome, up};
pub use wipe::Wiped;

/// How often a condition is looked at while it is waited for.
const POLL: Duration = Duration::from_millis(20);

/// Where a lab is and what it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The lab's folder, absolute: the servers are told their folders by it.
    pub dir: PathBuf,
    /// The server to run; without it, the first `redis-server` or `valkey-server` on PATH.
    pub server: Option<PathBuf>,
    /// The folder of the file, absolute: its certificates are named from there.
    pub beside: PathBuf,
}

/// The address of a node, which has to be one of this machine's loopback addresses.
fn local_address(desired: &Desired, node: &Node) -> Result<Address, LabError> {
    let refused = |address: String| LabError::NotLocal {
        host: node.host.clone(),
        address,
    };
    if let Some(announce) = node.announce
        && !announce.ip.is_loopback()
    {
        return Err(LabError::AnnouncedElsewhere {
            node: node.name.clone(),
            ip: announce.ip,
        });
    }
    match desired.host_of(node).map(|host| &host.address) {
        Some(HostAddress::Ip(ip)) if ip.is_loopback() => Ok(Address::new(*ip, node.port)),
        Some(address @ (HostAddress::Ip(_) | HostAddress::Dns(_))) => {
            Err(refused(address.to_string()))
        }
        None => Err(refused(node.host.to_string())),
    }
}

/// A node's folder inside the lab's.
fn node_folder(node: &Node) -> PathBuf {
    PathBuf::from(folder_name(&node.host)).join(node.port.to_string())
}
