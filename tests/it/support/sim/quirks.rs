//! Where the simulated servers differ from each other.

use rcl::base::{Flavor, Server, Version};

fn at_least(server: Server, redis: (u16, u16), valkey: (u16, u16)) -> bool {
    let (major, minor) = match server.flavor {
        Flavor::Redis => redis,
        Flavor::Valkey => valkey,
    };
    server.version
        >= Version {
            major,
            minor,
            patch: 0,
        }
}

/// Redis 6.2 knows neither ADDSLOTSRANGE nor CONFIG SET of several options.
pub(super) fn is_modern(server: Server) -> bool {
    at_least(server, (7, 0), (7, 2))
}

/// A second connection of the same peer closes the first, which makes the peer dial and ping
/// again at once; 6.2 keeps both.
pub(super) fn keeps_one_inbound(server: Server) -> bool {
    is_modern(server)
}

/// Valkey tells everyone at once when its role or its epoch changes; Redis waits for the next
/// ping.
pub(super) fn broadcasts(server: Server) -> bool {
    server.flavor == Flavor::Valkey
}

/// Valkey 8.1 introduces itself again to members that never dial it.
pub(super) fn meets_again(server: Server) -> bool {
    server.flavor == Flavor::Valkey && at_least(server, (0, 0), (8, 1))
}

/// REPLICATE with the present primary: Valkey does nothing, Redis syncs anew.
pub(super) fn keeps_link_to_same_primary(server: Server) -> bool {
    server.flavor == Flavor::Valkey
}

/// Elsewhere a shard that failed over less than four node timeouts ago fails over without success.
pub(super) fn swaps_again_at_once(server: Server) -> bool {
    server.flavor == Flavor::Valkey && at_least(server, (0, 0), (8, 1))
}

/// The marks of moves follow a failover.
pub(super) fn replicates_marks(server: Server) -> bool {
    server.flavor == Flavor::Valkey && at_least(server, (0, 0), (8, 0))
}

/// Who forgets a member tells the others, and lets it in again only after a minute.
pub(super) fn spreads_forgetting(server: Server) -> bool {
    at_least(server, (7, 2), (7, 2))
}

/// REPLICATE NO ONE.
pub(super) fn detaches_in_place(server: Server) -> bool {
    server.flavor == Flavor::Valkey && at_least(server, (0, 0), (9, 0))
}

/// Since 7.0 a primary waits some seconds for more replicas before it begins to copy.
pub(super) fn syncs_diskless(server: Server) -> bool {
    is_modern(server)
}
