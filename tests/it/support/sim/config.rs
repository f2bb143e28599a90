//! CONFIG GET, SET and REWRITE, with the options that each server has.

use std::collections::BTreeMap;

use rcl::base::{Flavor, Reply, Server};

use super::quirks;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Bytes,
    YesNo,
    Text,
    /// Only a restart changes it.
    Fixed,
}

/// Option, kind, default.
type Row = (&'static str, Kind, &'static str);

const EVERYWHERE: [Row; 19] = [
    ("appendonly", Kind::YesNo, "no"),
    ("cluster-allow-reads-when-down", Kind::YesNo, "no"),
    ("cluster-allow-replica-migration", Kind::YesNo, "yes"),
    ("cluster-announce-bus-port", Kind::Number, "0"),
    ("cluster-announce-ip", Kind::Text, ""),
    ("cluster-announce-port", Kind::Number, "0"),
    ("cluster-announce-tls-port", Kind::Number, "0"),
    ("cluster-enabled", Kind::Fixed, "yes"),
    ("cluster-migration-barrier", Kind::Number, "1"),
    ("cluster-node-timeout", Kind::Number, "15000"),
    ("cluster-replica-no-failover", Kind::YesNo, "no"),
    ("cluster-replica-validity-factor", Kind::Number, "10"),
    ("cluster-require-full-coverage", Kind::YesNo, "yes"),
    ("masterauth", Kind::Text, ""),
    ("maxmemory", Kind::Bytes, "0"),
    ("maxmemory-policy", Kind::Text, "noeviction"),
    ("repl-diskless-sync-delay", Kind::Number, "5"),
    ("requirepass", Kind::Text, ""),
    ("timeout", Kind::Number, "0"),
];

const MODERN: [Row; 7] = [
    ("bind-source-addr", Kind::Text, ""),
    ("cluster-allow-pubsubshard-when-down", Kind::YesNo, "yes"),
    ("cluster-announce-hostname", Kind::Text, ""),
    ("cluster-config-file", Kind::Fixed, "nodes.conf"),
    ("cluster-link-sendbuf-limit", Kind::Bytes, "0"),
    ("cluster-port", Kind::Fixed, "0"),
    ("cluster-preferred-endpoint-type", Kind::Text, "ip"),
];

const VALKEY: [Row; 2] = [
    ("cluster-blacklist-ttl", Kind::Number, "60"),
    ("cluster-manual-failover-timeout", Kind::Number, "5000"),
];

/// A server's options, and those of its config file if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    values: BTreeMap<&'static str, String>,
    kinds: BTreeMap<&'static str, Kind>,
    pub(crate) file: Option<BTreeMap<&'static str, String>>,
    modern: bool,
}

impl Options {
    pub(super) fn of(server: Server, has_file: bool) -> Self {
        let modern = quirks::is_modern(server);
        let mut rows: Vec<Row> = EVERYWHERE.to_vec();
        if modern {
            rows.extend(MODERN);
        }
        if server.flavor == Flavor::Valkey {
            rows.extend(VALKEY);
        }
        let values: BTreeMap<&'static str, String> = rows
            .iter()
            .map(|(name, _, value)| (*name, (*value).to_owned()))
            .collect();
        Self {
            file: has_file.then(|| values.clone()),
            values,
            kinds: rows.iter().map(|(name, kind, _)| (*name, *kind)).collect(),
            modern,
        }
    }

    /// The value of an option; empty where the server has none of that name.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.text(name) == "yes"
    }

    /// Sets an option as a config file or a person would before the scene begins.
    pub(crate) fn preset(&mut self, name: &str, value: &str) {
        let reply = self.set(&[name, value]);
        assert_eq!(reply, Reply::ok(), "CONFIG SET {name} {value}");
        if let Some(file) = &mut self.file {
            file.clone_from(&self.values);
        }
    }

    /// What a restart does with each line of the config file.
    pub(super) fn put_back(&mut self, name: &'static str, value: String) {
        self.values.insert(name, value);
    }

    pub(super) fn command(&mut self, args: &[&str]) -> Reply {
        match args {
            [verb, pattern] if verb.eq_ignore_ascii_case("get") => self.get(pattern),
            [verb, pairs @ ..] if verb.eq_ignore_ascii_case("set") => self.set(pairs),
            [verb] if verb.eq_ignore_ascii_case("rewrite") => match &mut self.file {
                Some(file) => {
                    *file = self.values.clone();
                    Reply::ok()
                }
                None => Reply::Error("ERR The server is running without a config file".to_owned()),
            },
            _ => panic!("the simulation doesn't know CONFIG {args:?}"),
        }
    }

    fn get(&self, pattern: &str) -> Reply {
        let pattern = pattern.to_ascii_lowercase();
        let matches = |name: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        let found = self.values.iter().filter(|(name, _)| matches(name));
        let texts = found.flat_map(|(name, value)| [(*name).to_owned(), value.clone()]);
        Reply::List(texts.map(Reply::Text).collect())
    }

    /// All or nothing; 6.2 takes one option a call.
    fn set(&mut self, pairs: &[&str]) -> Reply {
        let error = |words: String| Reply::Error(format!("ERR {words}"));
        if !self.modern && pairs.len() != 2 {
            return error(
                "Unknown subcommand or wrong number of arguments for 'set'. Try CONFIG HELP."
                    .to_owned(),
            );
        }
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return error("wrong number of arguments for 'config|set' command".to_owned());
        }
        let mut new = Vec::new();
        for pair in pairs.chunks(2) {
            let name = pair[0].to_ascii_lowercase();
            let known = self
                .kinds
                .get_key_value(name.as_str())
                .map(|(name, kind)| (*name, *kind));
            let (name, kind) = match (known, self.modern) {
                (Some((_, Kind::Fixed)) | None, false) => {
                    return error(format!("Unsupported CONFIG parameter: {name}"));
                }
                (None, true) => {
                    return error(format!(
                        "Unknown option or number of arguments for CONFIG SET - '{name}'"
                    ));
                }
                (Some((name, Kind::Fixed)), true) => {
                    return error(format!(
                        "CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config"
                    ));
                }
                (Some(known), _) => known,
            };
            match normal(kind, pair[1]) {
                Ok(value) => new.push((name, value)),
                Err(words) if self.modern => {
                    return error(format!(
                        "CONFIG SET failed (possibly related to argument '{name}') - {words}"
                    ));
                }
                Err(words) => {
                    return error(format!(
                        "Invalid argument '{}' for CONFIG SET '{name}' - {words}",
                        pair[1]
                    ));
                }
            }
        }
        self.values.extend(new);
        Reply::ok()
    }
}

/// The value as the server gives it back.
fn normal(kind: Kind, value: &str) -> Result<String, &'static str> {
    match kind {
        Kind::Number => match value.parse::<u64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => Err("argument couldn't be parsed into an integer"),
        },
        Kind::Bytes => bytes(value).map(|number| number.to_string()),
        Kind::YesNo => match value.to_ascii_lowercase().as_str() {
            "yes" | "no" => Ok(value.to_ascii_lowercase()),
            _ => Err("argument must be 'yes' or 'no'"),
        },
        Kind::Text => Ok(value.to_owned()),
        Kind::Fixed => unreachable!("refused before"),
    }
}

fn bytes(value: &str) -> Result<u64, &'static str> {
    const UNITS: [(&str, u64); 7] = [
        ("kb", 1 << 10),
        ("mb", 1 << 20),
        ("gb", 1 << 30),
        ("k", 1000),
        ("m", 1_000_000),
        ("g", 1_000_000_000),
        ("b", 1),
    ];
    let text = value.to_ascii_lowercase();
    let unit = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (digits, factor) = unit.unwrap_or((text.as_str(), 1));
    let number: u64 = digits
        .parse()
        .map_err(|_| "argument must be a memory value")?;
    Ok(number * factor)
}
