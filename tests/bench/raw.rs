//! The commands that move slots, sent by hand and without a look at what the servers are like: nothing is faster.

use std::time::Duration;

use crate::support::resp::{Client, Value};
use crate::support::{Servers, Shard};

/// Between two looks at the jobs.
const PERIOD: Duration = Duration::from_millis(5);

/// The servers' own command, to all sources at once.
pub(crate) fn migrate_slots(
    servers: &Servers,
    parts: &[(&str, u16, u16)],
    target: &str,
) -> Result<(), String> {
    let target = servers.id(target);
    for (source, first, last) in parts {
        let (first, last) = (first.to_string(), last.to_string());
        let words = [
            "CLUSTER",
            "MIGRATESLOTS",
            "SLOTSRANGE",
            &first,
            &last,
            "NODE",
            &target,
        ];
        servers.ok(source, &words);
    }
    for (source, ..) in parts {
        let mut client =
            Client::connect(servers.address(source)).map_err(|error| error.to_string())?;
        loop {
            let jobs = client.call(&["CLUSTER", "GETSLOTMIGRATIONS"]);
            let jobs = format!("{:?}", jobs.map_err(|error| error.to_string())?);
            if jobs.contains("\"success\"") {
                break;
            }
            if jobs.contains("\"failed\"") {
                return Err(jobs);
            }
            std::thread::sleep(PERIOD);
        }
    }
    Ok(())
}

/// Slots without keys: SETSLOT alone, from all primaries that serve some at once, in one pipeline a stage.
pub(crate) fn set_slots(
    servers: &Servers,
    shards: &[Shard],
    target: &str,
    slots: u16,
) -> Result<(), String> {
    let givers: Vec<&Shard> = shards.iter().filter(|one| !one.slots.is_empty()).collect();
    let count = u16::try_from(givers.len()).map_err(|error| error.to_string())?;
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..)
            .zip(&givers)
            .map(|(place, giver)| {
                let share = slots / count + u16::from(place < slots % count);
                scope.spawn(move || set_some(servers, giver, target, share))
            })
            .collect();
        parts
            .into_iter()
            .try_for_each(|part| part.join().map_err(|_| "a thread panicked".to_owned())?)
    })
}

fn set_some(servers: &Servers, giver: &Shard, target: &str, count: u16) -> Result<(), String> {
    let (first, _) = giver.slots[0];
    let slots: Vec<String> = (first..first + count)
        .map(|slot| slot.to_string())
        .collect();
    let [old, new] = [giver.primary.as_str(), target].map(|node| servers.id(node));
    let connect = |node: &str| Client::connect(servers.address(node));
    let mut source = connect(&giver.primary).map_err(|error| error.to_string())?;
    let mut taker = connect(target).map_err(|error| error.to_string())?;
    for (client, word, id) in [
        (&mut taker, "IMPORTING", &old),
        (&mut source, "MIGRATING", &new),
    ] {
        set(client, &slots, word, id)?;
    }
    set(&mut taker, &slots, "NODE", &new)?;
    set(&mut source, &slots, "NODE", &new)
}

fn set(client: &mut Client, slots: &[String], word: &str, id: &str) -> Result<(), String> {
    let commands: Vec<[&str; 5]> = slots
        .iter()
        .map(|slot| ["CLUSTER", "SETSLOT", slot, word, id])
        .collect();
    let commands: Vec<&[&str]> = commands.iter().map(|command| command.as_slice()).collect();
    let replies = client.pipeline(&commands);
    let replies = replies.map_err(|error| error.to_string())?;
    let refused = replies.into_iter().find_map(|reply| match reply {
        Value::Error(words) => Some(format!("SETSLOT {word}: {words}")),
        Value::Simple(_) | Value::Integer(_) | Value::Bulk(_) | Value::Nil | Value::Array(_) => {
            None
        }
    });
    refused.map_or(Ok(()), Err)
}
