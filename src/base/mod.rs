//! The words of the domain. Imports no other room, does no I/O.

mod address;
mod command;
mod count;
mod node;
mod presence;
mod reply;
mod rights;
mod secret;
mod server;
mod slot;

pub use address::{Address, BusAddress};
pub use command::{Arg, Command, Key};
pub use count::{counted, named};
pub use node::{NodeId, NodeName, ParseNodeIdError, Role, ShardName};
pub use presence::Presence;
pub use reply::Reply;
pub use rights::{APPLYING, LOOKING, Right, SAMPLING, rules_for_applying, rules_for_looking};
pub use secret::{Login, Secret};
pub use server::{Flavor, Server, Version};
pub use slot::{ParseSlotsError, SLOT_COUNT, Slot, SlotRange, SlotSet};
