//! Fills a cluster with keys of equal size, quickly: each primary gets its own in long pipelines.

use std::collections::BTreeMap;

use crate::support::resp::Client;
use crate::support::shards::slot_of;
use crate::support::{Servers, Shard};

/// Keys in one round trip.
const PORTION: usize = 1000;

/// 100 bytes.
pub(crate) fn value() -> String {
    "x".repeat(100)
}

/// `key0`, `key1`, … at the primaries that serve them.
pub(crate) fn fill(servers: &Servers, shards: &[Shard], keys: usize) -> Result<(), String> {
    let value = value();
    let mut waiting: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
    for shard in shards.iter().filter(|shard| !shard.slots.is_empty()) {
        let client = Client::connect(servers.address(&shard.primary));
        clients.insert(&shard.primary, client.map_err(|error| error.to_string())?);
    }
    let mut put = |primary: &str, keys: Vec<String>| {
        let commands: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key, &value]).collect();
        let commands: Vec<&[&str]> = commands.iter().map(<[&str; 3]>::as_slice).collect();
        let client = clients.get_mut(primary).ok_or("a slot without an owner")?;
        let replies = client.pipeline(&commands);
        replies.map(drop).map_err(|error| error.to_string())
    };
    for number in 0..keys {
        let key = format!("key{number}");
        let slot = slot_of(key.as_bytes());
        let owner = shards.iter().find(|shard| {
            let mut slots = shard.slots.iter();
            slots.any(|(first, last)| (first..=last).contains(&&slot))
        });
        let primary = &owner.ok_or("a slot without an owner")?.primary;
        let portion = waiting.entry(primary).or_default();
        portion.push(key);
        if portion.len() == PORTION {
            put(primary, std::mem::take(portion))?;
        }
    }
    waiting
        .into_iter()
        .try_for_each(|(primary, keys)| put(primary, keys))
}
