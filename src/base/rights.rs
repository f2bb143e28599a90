//! What rcl sends at all: the commands that only look, and those of an apply. The guard of reading
//! commands, and the least rights that a server's user needs, come from these lists.

use super::{Command, Flavor, Presence, Server};

/// A command, by its first words, and the servers that know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    pub words: &'static [&'static str],
    pub on: Servers,
}

/// Which servers know a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    All,
    /// Redis 7.0 and later, every Valkey.
    NotRedis6,
    /// Valkey 9.0 and later.
    Valkey9,
}

const fn right(words: &'static [&'static str]) -> Right {
    Right {
        words,
        on: Servers::All,
    }
}

/// What may be sent while looking.
pub const LOOKING: [Right; 11] = [
    right(&["PING"]),
    right(&["INFO"]),
    right(&["CLUSTER", "NODES"]),
    right(&["CLUSTER", "INFO"]),
    right(&["CLUSTER", "COUNTKEYSINSLOT"]),
    Right {
        words: &["CLUSTER", "GETSLOTMIGRATIONS"],
        on: Servers::Valkey9,
    },
    right(&["CONFIG", "GET"]),
    Right {
        words: &["ACL", "DRYRUN"],
        on: Servers::NotRedis6,
    },
    right(&["PUBSUB", "CHANNELS"]),
    right(&["ACL", "USERS"]),
    Right {
        words: &["FUNCTION", "LIST"],
        on: Servers::NotRedis6,
    },
];

/// What is asked besides of those that are to give keys away, a few sizes, and of the ends of a move that was begun,
/// which keys both hold. A user who may only look is refused, and then neither is known.
pub const SAMPLING: [Right; 2] = [
    right(&["CLUSTER", "GETKEYSINSLOT"]),
    right(&["MEMORY", "USAGE"]),
];

/// What an apply sends besides, and what its MIGRATE sends to the other node in its name.
pub const APPLYING: [Right; 22] = [
    right(&["CLUSTER", "MEET"]),
    right(&["CLUSTER", "ADDSLOTS"]),
    Right {
        words: &["CLUSTER", "ADDSLOTSRANGE"],
        on: Servers::NotRedis6,
    },
    right(&["CLUSTER", "SET-CONFIG-EPOCH"]),
    right(&["CLUSTER", "REPLICATE"]),
    right(&["CLUSTER", "FAILOVER"]),
    right(&["CLUSTER", "RESET"]),
    right(&["CLUSTER", "FORGET"]),
    right(&["CLUSTER", "SETSLOT"]),
    right(&["CLUSTER", "GETKEYSINSLOT"]),
    Right {
        words: &["CLUSTER", "MIGRATESLOTS"],
        on: Servers::Valkey9,
    },
    Right {
        words: &["CLUSTER", "CANCELSLOTMIGRATIONS"],
        on: Servers::Valkey9,
    },
    Right {
        words: &["FUNCTION", "LOAD"],
        on: Servers::NotRedis6,
    },
    right(&["CONFIG", "SET"]),
    right(&["CONFIG", "REWRITE"]),
    right(&["MIGRATE"]),
    right(&["MEMORY", "USAGE"]),
    right(&["SELECT"]),
    right(&["RESTORE-ASKING"]),
    right(&["CLIENT", "SETNAME"]),
    right(&["SUBSCRIBE"]),
    right(&["UNSUBSCRIBE"]),
];

impl Servers {
    fn has(self, server: Server) -> bool {
        match (self, server.flavor) {
            (Self::All, _) | (Self::NotRedis6, Flavor::Valkey) => true,
            (Self::NotRedis6, Flavor::Redis) => server.version.major >= 7,
            (Self::Valkey9, Flavor::Valkey) => server.version.major >= 9,
            (Self::Valkey9, Flavor::Redis) => false,
        }
    }
}

impl Right {
    /// Whether a command is of this kind.
    #[must_use]
    pub fn covers(&self, command: &Command) -> bool {
        let args = command.args();
        args.len() >= self.words.len()
            && self
                .words
                .iter()
                .zip(args)
                .all(|(word, arg)| arg.expose().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// As a rule of an ACL: `+cluster|nodes`.
    #[must_use]
    pub fn rule(&self) -> String {
        format!("+{}", self.words.join("|").to_ascii_lowercase())
    }
}

/// The rules of a user who may look and nothing else, for ACL SETUSER or an ACL file.
#[must_use]
pub fn rules_for_looking(server: Server) -> Vec<String> {
    let start = ["resetkeys", "resetchannels", "-@all"].map(str::to_owned);
    let rights = LOOKING.iter().filter(|right| right.on.has(server));
    start.into_iter().chain(rights.map(Right::rule)).collect()
}

/// The rules of a user who may apply, and hold the lock meanwhile. Moving keys needs the right to all of them, though none is ever read by rcl.
#[must_use]
pub fn rules_for_applying(server: Server) -> Vec<String> {
    let rights = APPLYING.iter().filter(|right| right.on.has(server));
    let mut rules = rules_for_looking(server);
    rules.extend(rights.map(Right::rule));
    rules.push("~*".to_owned());
    rules.push(format!("&{}", Presence::PATTERN));
    rules
}
