//! What happens in the middle, and how the world is mended afterwards.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::Servers;

use super::cast::Part;
use super::story::Story;

/// Far more than any round trip that rcl reckons with, and far less than a limit of its own.
const SLOW: Duration = Duration::from_millis(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    RclKilled,
    RclStopped(Signal),
    /// A node is killed, and stays dead until rcl has ended.
    Killed(Part),
    /// It stands still until rcl has ended.
    Paused(Part),
    /// It is killed and comes back at once with its files.
    Restarted(Part),
    /// It comes back at once without its files.
    Blank(Part),
    /// Nothing passes to or from it until rcl has ended.
    Cut(Part),
    /// All to and from it takes longer.
    Slow(Part),
    /// Nothing passes between giver and taker.
    Parted,
    /// The giver's replica takes over.
    FailedOver,
}

use Fault::{
    Blank, Cut, FailedOver, Killed, Parted, Paused, RclKilled, RclStopped, Restarted, Slow,
};
use Part::{Bystander, Giver, Taker};

impl Fault {
    pub(super) const ALL: [Self; 23] = [
        RclKilled,
        RclStopped(Signal::INT),
        RclStopped(Signal::TERM),
        RclStopped(Signal::HUP),
        Killed(Giver),
        Killed(Taker),
        Killed(Bystander),
        Paused(Giver),
        Paused(Taker),
        Paused(Bystander),
        Restarted(Giver),
        Restarted(Taker),
        Restarted(Bystander),
        Blank(Giver),
        Blank(Taker),
        Blank(Bystander),
        Cut(Giver),
        Cut(Taker),
        Cut(Bystander),
        Slow(Giver),
        Slow(Taker),
        Parted,
        FailedOver,
    ];

    pub(super) fn name(self) -> String {
        match self {
            RclKilled => "rcl is killed".to_owned(),
            RclStopped(Signal::INT) => "Ctrl-C".to_owned(),
            RclStopped(Signal::TERM) => "SIGTERM to rcl".to_owned(),
            RclStopped(_) => "SIGHUP to rcl".to_owned(),
            Killed(part) => format!("the {} is killed", part.name()),
            Paused(part) => format!("the {} stands still", part.name()),
            Restarted(part) => format!("the {} restarts", part.name()),
            Blank(part) => format!("the {} comes back blank", part.name()),
            Cut(part) => format!("the {} is cut off", part.name()),
            Slow(part) => format!("the network of the {} is slow", part.name()),
            Parted => "giver and taker are cut from each other".to_owned(),
            FailedOver => "the giver's replica takes over".to_owned(),
        }
    }

    /// Whether it can happen in this story.
    pub(super) fn befalls(self, story: Story) -> bool {
        match self {
            // There is no shard yet that could fail over, or this is what the story does anyway.
            FailedOver => story != Story::Form && story != Story::FailBack,
            RclKilled | RclStopped(_) | Killed(_) | Paused(_) | Restarted(_) | Blank(_)
            | Cut(_) | Slow(_) | Parted => true,
        }
    }

    /// The node in trouble, which rcl has to name when it gives up.
    pub(super) fn victim(self, story: Story) -> Option<&'static str> {
        match self {
            Killed(part) | Paused(part) | Cut(part) => Some(story.node(part)),
            // By the time that rcl ends these are well again, or another node is.
            RclKilled | RclStopped(_) | Restarted(_) | Blank(_) | Slow(_) | Parted | FailedOver => {
                None
            }
        }
    }

    /// Whether the servers by themselves may lose keys over it: nobody has a copy of what the node held, or
    /// some of them copy its emptiness.
    pub(super) fn costs_data(self) -> bool {
        matches!(self, Blank(Giver | Taker))
    }

    #[track_caller]
    pub(super) fn strike(self, story: Story, servers: &mut Servers) {
        let ip = |servers: &Servers, part| servers.address(story.node(part)).ip();
        match self {
            RclKilled | RclStopped(_) => {}
            Killed(part) => servers.kill(story.node(part)),
            Paused(part) => servers.pause(story.node(part)),
            Restarted(part) => servers.restart_without_waiting(story.node(part)),
            Blank(part) => servers.restart_blank(story.node(part)),
            Cut(part) => servers.network().cut(ip(servers, part)),
            Slow(part) => servers.network().slow(ip(servers, part), SLOW),
            Parted => {
                let network = servers.network();
                network.part(ip(servers, Giver), ip(servers, Taker));
            }
            // It may be in no state to do so: then nothing happens, as in life.
            FailedOver => {
                let _ = servers.try_call(story.heir(), &["CLUSTER", "FAILOVER"]);
            }
        }
    }

    #[track_caller]
    pub(super) fn mend(self, story: Story, servers: &mut Servers) {
        match self {
            Killed(part) => servers.restart(story.node(part)),
            Paused(part) => servers.resume(story.node(part)),
            Restarted(part) => servers.await_start(story.node(part)),
            Cut(_) | Slow(_) | Parted => servers.network().heal(),
            RclKilled | RclStopped(_) | Blank(_) | FailedOver => {}
        }
    }
}
