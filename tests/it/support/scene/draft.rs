//! What proptest makes up: a file, servers, and what was done to them before rcl came.

use proptest::prelude::*;

/// One case. Numbers that point at something are taken modulo its count, so that every draft
/// makes sense and shrinks.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) seed: u64,
    pub(crate) shards: Vec<ShardDraft>,
    pub(crate) servers: Servers,
    pub(crate) network: Network,
    pub(crate) node_timeout: u64,
    pub(crate) has_file: bool,
    /// Options that the file declares everywhere, by their place in the list of known ones.
    pub(crate) declared: Vec<(u8, u8)>,
    /// The same for one host only.
    pub(crate) on_host: Option<(u8, u8, u8)>,
    /// Nodes have host names to announce, and ids in the file.
    pub(crate) named: bool,
    pub(crate) pinned: bool,
    pub(crate) failback: bool,
    pub(crate) formed: Formed,
    pub(crate) mishaps: Vec<Mishap>,
    /// How long the nodes are left alone before rcl looks.
    pub(crate) pause_ms: u64,
    /// How a first run ended too early, and after which part of its commands, in percent.
    pub(crate) broken: Option<(Break, u8)>,
}

/// How a run ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// The process is gone at once.
    Killed,
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// A connection broke after the command was run and before its reply came.
    Unanswered,
}

#[derive(Clone, Debug)]
pub(crate) struct ShardDraft {
    pub(crate) replicas: usize,
    pub(crate) share: ShareDraft,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShareDraft {
    Explicit,
    Auto(u32),
    None,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Servers {
    /// All of one kind.
    One(u8),
    Mixed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Hosts with an address each, where nodes also listen at 127.0.0.1.
    Hosts,
    /// One machine that plays several hosts by its loopback addresses.
    Loopback,
    /// Hosts that peers and clients reach at another address than rcl, as the file says.
    Announced,
}

/// How far somebody formed the cluster by hand: the first shards, the first commands of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formed {
    pub(crate) shards: usize,
    pub(crate) percent: u8,
    /// Slots before or after the first MEET.
    pub(crate) slots_first: bool,
    pub(crate) star: bool,
    pub(crate) epochs: bool,
    /// A node of the shard that took over from the declared primary.
    pub(crate) failed_over: u8,
    /// Replicas follow the primary so many shards farther on.
    pub(crate) crossed: u8,
    pub(crate) keys: u8,
}

/// What people do to a cluster. Each is left out where it would make a state that rcl is to
/// leave alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mishap {
    Meet {
        from: u8,
        to: u8,
    },
    /// By 127.0.0.1, where both are on one machine.
    MeetByLoopback {
        from: u8,
        to: u8,
    },
    MeetNowhere {
        from: u8,
    },
    Epoch {
        node: u8,
        epoch: u8,
    },
    Slots {
        node: u8,
        from: u16,
        count: u16,
    },
    Replicate {
        node: u8,
        primary: u8,
    },
    Option {
        node: u8,
        option: u8,
        value: u8,
    },
    AnnounceWrong {
        node: u8,
    },
    Restart {
        node: u8,
    },
    /// A member that the file doesn't name.
    Stranger {
        met_by: u8,
    },
    Keys {
        node: u8,
        count: u8,
    },
    Wait {
        ms: u16,
    },
}

pub(crate) fn draft() -> impl Strategy<Value = Draft> {
    let any8 = any::<u8>;
    // The node timeout, which matters most, is the first of the options.
    let option = prop_oneof![1 => Just(0u8), 3 => any8()];
    let file = (
        shards(),
        prop::collection::vec((option, any8()), 0..4),
        prop::option::weighted(0.2, (any8(), any8(), any8())),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        // Roles that come back are drawn with files written anew: a replica without a link, be it only for the
        // moment, doesn't take over by the first apply.
        Just(false),
    );
    let nodes = (
        prop_oneof![5 => (0u8..5).prop_map(Servers::One), 1 => Just(Servers::Mixed)],
        prop_oneof![
            4 => Just(Network::Hosts),
            2 => Just(Network::Loopback),
            1 => Just(Network::Announced)
        ],
        prop_oneof![3 => Just(1000u64), 3 => Just(2000), 1 => Just(5000), 1 => Just(15_000)],
        any::<bool>(),
    );
    let how = prop_oneof![2 => Just(Break::Killed), 1 => Just(Break::Interrupted), 1 => Just(Break::Unanswered)];
    let past = (
        formed(),
        prop::collection::vec(mishap(), 0..8),
        prop_oneof![1 => Just(0u64), 2 => 0u64..3000, 1 => 0u64..20_000],
        prop_oneof![2 => Just(None), 1 => (how, 0u8..100).prop_map(Some)],
    );
    (any::<u64>(), file, nodes, past).prop_map(|(seed, file, nodes, past)| {
        let (shards, declared, on_host, named, pinned, failback) = file;
        let (servers, network, node_timeout, has_file) = nodes;
        let (formed, mishaps, pause_ms, broken) = past;
        Draft {
            seed,
            shards,
            servers,
            network,
            node_timeout,
            has_file,
            declared,
            on_host,
            named,
            pinned,
            failback,
            formed,
            mishaps,
            pause_ms,
            broken,
        }
    })
}

fn shards() -> impl Strategy<Value = Vec<ShardDraft>> {
    let share = prop_oneof![
        3 => Just(ShareDraft::Explicit),
        3 => (1u32..4).prop_map(ShareDraft::Auto),
        1 => Just(ShareDraft::None)
    ];
    let shard = (
        prop_oneof![2 => Just(0usize), 3 => Just(1), 1 => Just(2)],
        share,
    )
        .prop_map(|(replicas, share)| ShardDraft { replicas, share });
    prop::collection::vec(shard, 1..=4).prop_map(|mut shards| {
        // A file in which nobody is to serve anything is refused.
        if shards.iter().all(|shard| shard.share == ShareDraft::None) {
            shards[0].share = ShareDraft::Auto(1);
        }
        shards
    })
}

fn formed() -> impl Strategy<Value = Formed> {
    let percent = prop_oneof![2 => Just(0u8), 3 => 0u8..=100, 4 => Just(100)];
    let way = (any::<bool>(), any::<bool>(), any::<bool>());
    let failed_over = prop_oneof![6 => Just(0u8), 1 => any::<u8>()];
    let crossed = prop_oneof![4 => Just(0u8), 1 => 1u8..4];
    let keys = prop_oneof![1 => Just(0u8), 1 => 1u8..30];
    (1usize..=4, percent, way, failed_over, crossed, keys).prop_map(
        |(shards, percent, (slots_first, star, epochs), failed_over, crossed, keys)| Formed {
            shards,
            percent,
            slots_first,
            star,
            epochs,
            failed_over,
            crossed,
            keys,
        },
    )
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let any8 = any::<u8>;
    prop_oneof![
        4 => (any8(), any8()).prop_map(|(from, to)| Mishap::Meet { from, to }),
        1 => (any8(), any8()).prop_map(|(from, to)| Mishap::MeetByLoopback { from, to }),
        1 => any8().prop_map(|from| Mishap::MeetNowhere { from }),
        1 => (any8(), 0u8..6).prop_map(|(node, epoch)| Mishap::Epoch { node, epoch }),
        3 => (any8(), any::<u16>(), any::<u16>()).prop_map(|(node, from, count)| Mishap::Slots { node, from, count }),
        3 => (any8(), any8()).prop_map(|(node, primary)| Mishap::Replicate { node, primary }),
        1 => (any8(), any8(), any8()).prop_map(|(node, option, value)| Mishap::Option { node, option, value }),
        1 => any8().prop_map(|node| Mishap::AnnounceWrong { node }),
        1 => any8().prop_map(|node| Mishap::Restart { node }),
        1 => any8().prop_map(|met_by| Mishap::Stranger { met_by }),
        2 => (any8(), 1u8..20).prop_map(|(node, count)| Mishap::Keys { node, count }),
        3 => (0u16..4000).prop_map(|ms| Mishap::Wait { ms }),
    ]
}
