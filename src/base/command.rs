//! Native commands: one value that is printed with its secrets masked and sent whole,
//! so that what people read and what a server gets can't drift apart.

use std::fmt;

use serde::Serialize;

use super::{BusAddress, NodeId, Secret, SlotSet};

/// One argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    Plain(String),
    Secret(Secret),
}

impl Arg {
    /// The argument for people: a secret stays masked.
    #[must_use]
    pub fn shown(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(_) => Secret::MASK,
        }
    }

    /// The argument as it goes over the wire.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
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

    #[must_use]
    pub fn args(&self) -> &[Arg] {
        &self.args
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

    #[must_use]
    pub fn config_set(options: impl IntoIterator<Item = (String, Arg)>) -> Self {
        let mut command = Self::new("CONFIG SET");
        for (name, value) in options {
            command.args.push(Arg::Plain(name));
            command.args.push(value);
        }
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
            match arg {
                Arg::Plain(text)
                    if text.is_empty()
                        || text.contains([' ', '"', '\\'])
                        || text.contains(char::is_control) =>
                {
                    write!(f, "{text:?}")?;
                }
                Arg::Plain(text) => f.write_str(text)?,
                Arg::Secret(_) => f.write_str(arg.shown())?,
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
