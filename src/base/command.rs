//! Native commands: one value that is printed with its secrets masked and sent whole,
//! so that what people read and what a server gets can't drift apart.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{Address, BusAddress, Login, NodeId, Secret, Slot, SlotSet};

/// One argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    Plain(String),
    /// The name of a key: any bytes.
    Key(Key),
    /// A text that nobody would read in a line: people see what it is.
    Long {
        text: String,
        shown: String,
    },
    Secret(Secret),
}

/// The name of a key. Millions of them pass through a move, each in several commands: copies are cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    bytes: Arc<[u8]>,
    /// What people see of a name that is no text.
    shown: Option<Arc<str>>,
}

impl Key {
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let shown = match std::str::from_utf8(bytes) {
            Ok(_) => None,
            Err(_) => Some(String::from_utf8_lossy(bytes).into()),
        };
        Self {
            bytes: bytes.into(),
            shown,
        }
    }

    #[must_use]
    pub fn shown(&self) -> &str {
        let text = self.shown.as_deref();
        text.unwrap_or_else(|| std::str::from_utf8(&self.bytes).unwrap_or_default())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

impl Arg {
    /// The argument for people: a secret stays masked.
    #[must_use]
    pub fn shown(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Key(key) => key.shown(),
            Self::Long { shown, .. } => shown,
            Self::Secret(_) => Secret::MASK,
        }
    }

    /// The argument as it goes over the wire.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        match self {
            Self::Plain(text) => text.as_bytes(),
            Self::Key(key) => &key.bytes,
            Self::Long { text, .. } => text.as_bytes(),
            Self::Secret(secret) => secret.expose().as_bytes(),
        }
    }
}

/// A native command with all its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    args: Vec<Arg>,
}

impl Command {
    /// The command whose words are separated by single spaces in `words`.
    #[must_use]
    pub fn new(words: &str) -> Self {
        Self {
            args: words
                .split(' ')
                .map(|word| Arg::Plain(word.to_owned()))
                .collect(),
        }
    }

    #[must_use]
    pub fn arg(mut self, text: impl fmt::Display) -> Self {
        self.args.push(Arg::Plain(text.to_string()));
        self
    }

    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.args.push(Arg::Secret(secret));
        self
    }

    /// Arguments that are names of keys.
    #[must_use]
    pub fn keys<'a>(mut self, keys: impl IntoIterator<Item = &'a Key>) -> Self {
        self.args.extend(keys.into_iter().cloned().map(Arg::Key));
        self
    }

    /// This command with another as its last arguments.
    #[must_use]
    pub fn followed_by(mut self, other: &Self) -> Self {
        self.args.extend(other.args.iter().cloned());
        self
    }

    /// The same command with a word in the place of each secret.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let args = self.args.iter().map(|arg| match arg {
            Arg::Plain(_) | Arg::Key(_) | Arg::Long { .. } => arg.clone(),
            Arg::Secret(_) => Arg::Plain("secret".to_owned()),
        });
        Self {
            args: args.collect(),
        }
    }

    /// Its first word, and the second where that says what it does: `CLUSTER MEET`, `MIGRATE`.
    #[must_use]
    pub fn kind(&self) -> String {
        let words = match self.args.first().map(Arg::shown) {
            Some("ACL" | "CLIENT" | "CLUSTER" | "CONFIG" | "FUNCTION" | "MEMORY" | "PUBSUB") => 2,
            Some(_) | None => 1,
        };
        let words: Vec<&str> = self.args.iter().take(words).map(Arg::shown).collect();
        words.join(" ")
    }

    #[must_use]
    pub fn args(&self) -> &[Arg] {
        &self.args
    }

    /// `AUTH [user] password`
    #[must_use]
    pub fn auth(login: &Login) -> Self {
        let command = Self::new("AUTH");
        match &login.user {
            Some(user) => command.arg(user),
            None => command,
        }
        .secret(login.password.clone())
    }

    /// `CLUSTER MEET ip port [bus-port]`, introducing `peer` to the node it is sent to.
    #[must_use]
    pub fn meet(peer: BusAddress) -> Self {
        let command = Self::new("CLUSTER MEET")
            .arg(peer.client.ip)
            .arg(peer.client.port);
        if peer.has_default_bus() {
            command
        } else {
            command.arg(peer.bus_port)
        }
    }

    #[must_use]
    pub fn set_config_epoch(epoch: u64) -> Self {
        Self::new("CLUSTER SET-CONFIG-EPOCH").arg(epoch)
    }

    /// `CLUSTER ADDSLOTSRANGE first last …`, Redis 7.0 and later, Valkey.
    #[must_use]
    pub fn add_slots_range(slots: &SlotSet) -> Self {
        slots
            .ranges()
            .iter()
            .fold(Self::new("CLUSTER ADDSLOTSRANGE"), |command, range| {
                command.arg(range.first).arg(range.last)
            })
    }

    /// `CLUSTER ADDSLOTS slot …`, every version.
    #[must_use]
    pub fn add_slots(slots: &SlotSet) -> Self {
        slots.iter().fold(Self::new("CLUSTER ADDSLOTS"), Self::arg)
    }

    #[must_use]
    pub fn replicate(primary: NodeId) -> Self {
        Self::new("CLUSTER REPLICATE").arg(primary)
    }

    /// `CLUSTER FAILOVER`, to a replica: its primary waits until it has everything, and they change
    /// places. Never FORCE, never TAKEOVER.
    #[must_use]
    pub fn fail_over() -> Self {
        Self::new("CLUSTER FAILOVER")
    }

    /// `CLUSTER REPLICATE NO ONE`, Valkey 9.0 and later: a replica becomes an empty primary.
    #[must_use]
    pub fn replicate_no_one() -> Self {
        Self::new("CLUSTER REPLICATE NO ONE")
    }

    /// `CLUSTER RESET SOFT`: a replica forgets everybody and drops its copy; its id stays.
    #[must_use]
    pub fn reset_soft() -> Self {
        Self::new("CLUSTER RESET SOFT")
    }

    /// `CLUSTER SETSLOT slot IMPORTING source`, to the node that takes the slot.
    #[must_use]
    pub fn importing(slot: Slot, source: NodeId) -> Self {
        Self::new("CLUSTER SETSLOT")
            .arg(slot)
            .arg("IMPORTING")
            .arg(source)
    }

    /// `CLUSTER SETSLOT slot MIGRATING target`, to the slot's owner.
    #[must_use]
    pub fn migrating(slot: Slot, target: NodeId) -> Self {
        Self::new("CLUSTER SETSLOT")
            .arg(slot)
            .arg("MIGRATING")
            .arg(target)
    }

    /// `CLUSTER SETSLOT slot NODE owner`.
    #[must_use]
    pub fn set_owner(slot: Slot, owner: NodeId) -> Self {
        Self::new("CLUSTER SETSLOT")
            .arg(slot)
            .arg("NODE")
            .arg(owner)
    }

    /// `CLUSTER SETSLOT slot STABLE`: takes an open slot's mark away.
    #[must_use]
    pub fn stable(slot: Slot) -> Self {
        Self::new("CLUSTER SETSLOT").arg(slot).arg("STABLE")
    }

    #[must_use]
    pub fn count_keys(slot: Slot) -> Self {
        Self::new("CLUSTER COUNTKEYSINSLOT").arg(slot)
    }

    #[must_use]
    pub fn list_keys(slot: Slot, most: u32) -> Self {
        Self::new("CLUSTER GETKEYSINSLOT").arg(slot).arg(most)
    }

    /// What a key and its value take, in bytes; of a collection a few of its parts are looked at.
    #[must_use]
    pub fn memory_usage(key: &Key) -> Self {
        Self::new("MEMORY USAGE").keys([key])
    }

    /// `MIGRATE … KEYS …` of database 0, the only one that holds slots. `replace` overwrites what
    /// an attempt that broke off has left at the target; `login` is what the source says to the target.
    #[must_use]
    pub fn migrate<'a>(
        target: Address,
        login: Option<&Login>,
        within: std::time::Duration,
        replace: bool,
        keys: impl IntoIterator<Item = &'a Key>,
    ) -> Self {
        let command = Self::new("MIGRATE")
            .arg(target.ip)
            .arg(target.port)
            .arg("")
            .arg(0)
            .arg(within.as_millis());
        let command = match replace {
            true => command.arg("REPLACE"),
            false => command,
        };
        let command = match login {
            None => command,
            Some(Login { user, password }) => match user {
                Some(user) => command.arg("AUTH2").arg(user),
                None => command.arg("AUTH"),
            }
            .secret(password.clone()),
        };
        command.arg("KEYS").keys(keys)
    }

    /// `CLUSTER MIGRATESLOTS SLOTSRANGE first last … NODE target`, Valkey 9.0 and later, to the owner.
    #[must_use]
    pub fn migrate_slots(slots: &SlotSet, target: NodeId) -> Self {
        slots
            .ranges()
            .iter()
            .fold(
                Self::new("CLUSTER MIGRATESLOTS SLOTSRANGE"),
                |command, range| command.arg(range.first).arg(range.last),
            )
            .arg("NODE")
            .arg(target)
    }

    /// `CLUSTER RESET HARD`: the node forgets everybody, and takes a new id.
    #[must_use]
    pub fn reset_hard() -> Self {
        Self::new("CLUSTER RESET HARD")
    }

    #[must_use]
    pub fn forget(id: NodeId) -> Self {
        Self::new("CLUSTER FORGET").arg(id)
    }

    /// Whether it is sent last in its step, and only where all else was taken. CONFIG REWRITE writes
    /// every option to disk, whatever became of the one that was to be set; a node that has not been
    /// reset comes back after a FORGET.
    #[must_use]
    pub fn comes_second(&self) -> bool {
        *self == Self::config_rewrite() || self.forgets()
    }

    /// Whether it is a CLUSTER FORGET.
    #[must_use]
    pub fn forgets(&self) -> bool {
        self.args
            .get(1)
            .is_some_and(|word| word.shown() == "FORGET")
    }

    /// Whether what the server refuses is so already: whoever doesn't know a node has forgotten it.
    #[must_use]
    pub fn is_moot(&self, words: &str) -> bool {
        self.forgets() && words.starts_with("ERR Unknown node")
    }

    /// Whether it is a CLUSTER SETSLOT, of which those for different slots don't depend on each other.
    #[must_use]
    pub fn sets_slot(&self) -> bool {
        self.args
            .get(1)
            .is_some_and(|word| word.shown() == "SETSLOT")
    }

    /// Whether it makes a node the owner of a slot.
    #[must_use]
    pub fn gives_owner(&self) -> bool {
        let words: Vec<&str> = self.args.iter().map(Arg::shown).collect();
        matches!(words.as_slice(), ["CLUSTER", "SETSLOT", _, "NODE", _])
    }

    /// Whether it is one of the commands that move slots, and no question about them.
    #[must_use]
    pub fn moves(&self) -> bool {
        let words: Vec<&str> = self.args.iter().take(2).map(Arg::shown).collect();
        matches!(
            words.as_slice(),
            ["MIGRATE", ..]
                | [
                    "CLUSTER",
                    "SETSLOT" | "MIGRATESLOTS" | "CANCELSLOTMIGRATIONS"
                ]
        )
    }

    #[must_use]
    pub fn config_set(options: impl IntoIterator<Item = (String, Arg)>) -> Self {
        let mut command = Self::new("CONFIG SET");
        for (name, value) in options {
            command.args.push(Arg::Plain(name));
            command.args.push(value);
        }
        command
    }

    /// `FUNCTION LOAD code`, which refuses to overwrite a library.
    #[must_use]
    pub fn load_functions(library: &str, code: &str) -> Self {
        let mut command = Self::new("FUNCTION LOAD");
        command.args.push(Arg::Long {
            text: code.to_owned(),
            shown: format!("<code of {library}, {} bytes>", code.len()),
        });
        command
    }

    #[must_use]
    pub fn config_rewrite() -> Self {
        Self::new("CONFIG REWRITE")
    }
}

/// The command as a person would type it: arguments that a shell-like reader would
/// split are quoted, secrets are masked.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, arg) in self.args.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            let text = arg.shown();
            let typed = !matches!(arg, Arg::Long { .. });
            let awkward = text.is_empty()
                || text.contains([' ', '"', '\\'])
                || text.contains(char::is_control);
            match awkward && typed {
                true => write!(f, "{text:?}")?,
                false => f.write_str(text)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Masked: a saved command can be read, not sent.
impl Serialize for Command {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Address;

    #[test]
    fn prints_as_typed_and_masks_secrets() {
        let bus = |text: &str, bus_port| BusAddress {
            client: text.parse::<Address>().unwrap(),
            bus_port,
        };
        let plain = |text: &str| Arg::Plain(text.to_owned());
        for (command, printed) in [
            (
                Command::meet(bus("10.0.0.1:7000", 17000)),
                "CLUSTER MEET 10.0.0.1 7000",
            ),
            (
                Command::meet(bus("[::1]:7000", 9000)),
                "CLUSTER MEET ::1 7000 9000",
            ),
            (
                Command::add_slots_range(&"0-9,12".parse().unwrap()),
                "CLUSTER ADDSLOTSRANGE 0 9 12 12",
            ),
            (
                Command::add_slots(&"0-2,9".parse().unwrap()),
                "CLUSTER ADDSLOTS 0 1 2 9",
            ),
            (Command::set_config_epoch(3), "CLUSTER SET-CONFIG-EPOCH 3"),
            (
                Command::config_set([
                    ("save".to_owned(), plain("")),
                    (
                        "masterauth".to_owned(),
                        Arg::Secret(Secret::new("hunter2".to_owned())),
                    ),
                ]),
                "CONFIG SET save \"\" masterauth ********",
            ),
            (
                Command::config_set([("save".to_owned(), plain("60 1"))]),
                "CONFIG SET save \"60 1\"",
            ),
        ] {
            assert_eq!(command.to_string(), printed);
            assert!(!format!("{command:?}").contains("hunter2"));
        }
    }
}
