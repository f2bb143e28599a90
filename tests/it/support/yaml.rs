//! Writes the YAML that declares the servers of a test.

use std::fmt;

use super::servers::Servers;
use super::shards::Shard;

/// A file for rcl. Displays as YAML.
#[derive(Clone, Debug)]
pub(crate) struct Yaml {
    cluster: String,
    hosts: Vec<String>,
    config: Vec<String>,
    shards: Vec<String>,
}

impl Yaml {
    /// Declares these shards on the addresses of these servers; the shards are called a, b, c, ….
    #[track_caller]
    pub(crate) fn new(servers: &Servers, shards: &[Shard]) -> Self {
        Self {
            cluster: "orders".to_owned(),
            hosts: servers
                .hosts()
                .iter()
                .map(|(host, address)| format!("  {host}: {address}\n"))
                .collect(),
            config: Vec::new(),
            shards: (0..)
                .zip(shards)
                .map(|(number, shard)| declare(number, shard))
                .collect(),
        }
    }

    /// `seed.yaml`: three primaries on host1, their replicas on host2.
    #[track_caller]
    pub(crate) fn seed(servers: &Servers) -> Self {
        Self::new(servers, &Shard::seed())
    }

    /// `seed-grown.yaml`: 7003 on both hosts joins, without slots.
    #[track_caller]
    pub(crate) fn grown(servers: &Servers) -> Self {
        Self::new(servers, &Shard::grown())
    }

    /// The same nodes with equal shares instead of these slots.
    #[track_caller]
    pub(crate) fn shares(servers: &Servers, shards: &[Shard]) -> Self {
        let mut yaml = Self::new(servers, shards);
        for line in &mut yaml.shards {
            let place = line.find(", slots: ").expect("its slots");
            line.replace_range(place.., "}\n");
        }
        yaml
    }

    /// An option of `config:`, held on every node.
    pub(crate) fn config(mut self, option: &str, value: &str) -> Self {
        self.config.push(format!("  {option}: {value}\n"));
        self
    }
}

impl fmt::Display for Yaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cluster: {}", self.cluster)?;
        write!(f, "hosts:\n{}", self.hosts.concat())?;
        if !self.config.is_empty() {
            write!(f, "config:\n{}", self.config.concat())?;
        }
        write!(f, "shards:\n{}", self.shards.concat())
    }
}

fn declare(number: usize, shard: &Shard) -> String {
    let ranges: Vec<String> = shard
        .slots
        .iter()
        .map(|(first, last)| format!("{first}-{last}"))
        .collect();
    let slots = match ranges.as_slice() {
        [] => "none".to_owned(),
        [range] => range.clone(),
        ranges => format!("[{}]", ranges.join(", ")),
    };
    format!(
        "  {}: {{primary: {}, replicas: [{}], slots: {slots}}}\n",
        letters(number),
        shard.primary,
        shard.replicas.join(", ")
    )
}

/// a to z, then aa, ab, ….
fn letters(number: usize) -> String {
    let last = char::from(b'a' + u8::try_from(number % 26).expect("less than 26"));
    match number / 26 {
        0 => last.to_string(),
        more => letters(more - 1) + &last.to_string(),
    }
}

#[test]
fn shards_are_called_by_letters() {
    let names: Vec<String> = [0, 25, 26, 51, 52].map(letters).into();
    assert_eq!(names, ["a", "z", "aa", "az", "ba"]);
}
