//! Very many keys of all kinds, written and read in long pipelines at the primaries that serve them. What a key
//! holds follows from its number, so that it is known without having been read before.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::judge;
use super::resp::{Client, Value};
use super::servers::Servers;
use super::shards::slot_of;

/// Commands in one round trip.
const PORTION: usize = 1000;

const KINDS: usize = 8;

/// The big key takes so many pieces of a megabyte each.
const PIECES: u8 = 50;

const BIG: &str = "big";

const DAY: Duration = Duration::from_hours(24);

/// MIGRATE carries the time that is left, and takes a moment.
const LATE: u64 = 20_000;

/// So many keys, and a big one.
pub(crate) struct Bulk {
    count: usize,
    /// In milliseconds of the epoch: when the first of those expires that do.
    expires: u64,
    /// The hash of the big key, by its server.
    big: String,
}

fn millis() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.expect("it is later").as_millis()).expect("for a long time yet")
}

fn name(number: usize) -> String {
    format!("key{number}")
}

/// What the parts of a key are called.
fn parts(number: usize, count: usize) -> Vec<String> {
    (0..count).map(|part| format!("{part}-{number}")).collect()
}

impl Bulk {
    /// When it expires, if it does.
    fn expiry(&self, number: usize) -> Option<u64> {
        matches!(number % KINDS, 6 | 7).then(|| self.expires + number as u64)
    }

    /// What writes it.
    fn writes(&self, number: usize) -> Vec<Vec<String>> {
        let key = name(number);
        let command = |words: &[&str], rest: Vec<String>| -> Vec<String> {
            words.iter().map(ToString::to_string).chain(rest).collect()
        };
        let pairs = |count| -> Vec<String> {
            let fields = parts(number, count);
            fields
                .into_iter()
                .flat_map(|field| [field.clone(), format!("v{field}")])
                .collect()
        };
        let mut writes = match number % KINDS {
            1 => vec![command(&["RPUSH", &key], parts(number, 10))],
            2 | 7 => vec![command(&["HSET", &key], pairs(5))],
            3 => vec![command(&["SADD", &key], parts(number, 8))],
            4 => {
                let scored = parts(number, 5).into_iter().enumerate();
                let scored = scored.flat_map(|(score, part)| [score.to_string(), part]);
                vec![command(&["ZADD", &key], scored.collect())]
            }
            5 => (1..=3)
                .map(|id| {
                    let id = format!("{id}-1");
                    command(&["XADD", &key, &id], pairs(1))
                })
                .collect(),
            _ => vec![command(&["SET", &key], vec![format!("value{number}")])],
        };
        if let Some(expiry) = self.expiry(number) {
            writes.push(command(&["PEXPIREAT", &key], vec![expiry.to_string()]));
        }
        writes
    }

    /// What reads it, and what that says, flat and in order.
    fn reads(&self, number: usize) -> (Vec<String>, Vec<String>) {
        let key = name(number);
        let (words, mut wanted): (&[&str], Vec<String>) = match number % KINDS {
            1 => (&["LRANGE", &key, "0", "-1"], parts(number, 10)),
            2 | 7 => {
                let fields = parts(number, 5).into_iter();
                let pairs = fields.flat_map(|field| [format!("v{field}"), field]);
                (&["HGETALL", &key], pairs.collect())
            }
            3 => (&["SMEMBERS", &key], parts(number, 8)),
            4 => {
                let scored = parts(number, 5).into_iter().enumerate();
                let scored = scored.flat_map(|(score, part)| [part, score.to_string()]);
                (&["ZRANGE", &key, "0", "-1", "WITHSCORES"], scored.collect())
            }
            5 => {
                let field = &parts(number, 1)[0];
                let entries =
                    (1..=3).flat_map(|id| [format!("{id}-1"), field.clone(), format!("v{field}")]);
                (&["XRANGE", &key, "-", "+"], entries.collect())
            }
            _ => (&["GET", &key], vec![format!("value{number}")]),
        };
        if has_no_order(number) {
            wanted.sort_unstable();
        }
        (words.iter().map(ToString::to_string).collect(), wanted)
    }

    #[track_caller]
    pub(crate) fn write(servers: &Servers, count: usize) -> Self {
        let mut bulk = Self {
            count,
            expires: millis() + u64::try_from(DAY.as_millis()).expect("a day"),
            big: String::new(),
        };
        for (address, numbers) in bulk.by_owner(servers) {
            let mut client = judge::connect(address);
            for portion in numbers.chunks(PORTION) {
                let commands: Vec<Vec<String>> = portion
                    .iter()
                    .flat_map(|number| bulk.writes(*number))
                    .collect();
                for reply in call(&mut client, &commands) {
                    assert!(!matches!(reply, Value::Error(_)), "{reply:?}");
                }
            }
        }
        for piece in 0..PIECES {
            let piece = char::from(b'0' + piece).to_string().repeat(1 << 20);
            at_big(servers, &["APPEND", BIG, &piece]);
        }
        bulk.big = digest(servers);
        bulk
    }

    /// The keys of each primary that serves some.
    #[track_caller]
    fn by_owner(&self, servers: &Servers) -> BTreeMap<std::net::SocketAddr, Vec<usize>> {
        let owners = owners(servers);
        let mut numbers: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for number in 0..self.count {
            let owner = owner(&owners, slot_of(name(number).as_bytes()));
            numbers.entry(owner).or_default().push(number);
        }
        numbers
    }

    /// Every key is where clients look for it, with its kind, its value and its time, and there are no others.
    #[track_caller]
    pub(crate) fn assert_kept(&self, servers: &Servers) {
        let mut lost = Vec::new();
        let mut all = 0;
        for (address, numbers) in self.by_owner(servers) {
            let mut client = judge::connect(address);
            all += client.call(&["DBSIZE"]).expect("its size").integer();
            for portion in numbers.chunks(PORTION) {
                let commands: Vec<Vec<String>> = portion
                    .iter()
                    .flat_map(|number| {
                        [
                            self.reads(*number).0,
                            vec!["PTTL".to_owned(), name(*number)],
                        ]
                    })
                    .collect();
                let replies = call(&mut client, &commands);
                let found = portion.iter().zip(replies.chunks(2));
                lost.extend(found.filter_map(|(number, found)| self.objection(*number, found)));
            }
        }
        assert!(
            lost.is_empty(),
            "{} keys: {:?}",
            lost.len(),
            &lost[..lost.len().min(5)]
        );
        let big = at_big(servers, &["STRLEN", BIG]).integer();
        assert_eq!(big, i64::from(PIECES) << 20);
        assert_eq!(digest(servers), self.big);
        assert_eq!(all, i64::try_from(self.count + 1).expect("not so many"));
    }

    fn objection(&self, number: usize, found: &[Value]) -> Option<String> {
        let (_, wanted) = self.reads(number);
        let mut flat = Vec::new();
        flatten(&found[0], &mut flat);
        if has_no_order(number) {
            flat.sort_unstable();
        }
        if flat != wanted {
            return Some(format!("{}: {:?}", name(number), found[0]));
        }
        let left = &found[1];
        let kept = match (self.expiry(number), left) {
            (None, Value::Integer(-1)) => true,
            (Some(expiry), Value::Integer(left)) => {
                u64::try_from(*left).is_ok_and(|left| expiry.abs_diff(millis() + left) < LATE)
            }
            _ => false,
        };
        (!kept).then(|| format!("{} expires in {left:?}", name(number)))
    }
}

/// Hashes and sets come back in any order.
fn has_no_order(number: usize) -> bool {
    matches!(number % KINDS, 2 | 3 | 7)
}

fn flatten(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(parts) => parts.iter().for_each(|part| flatten(part, into)),
        Value::Simple(text) | Value::Bulk(text) => into.push(text.clone()),
        Value::Error(_) | Value::Integer(_) | Value::Nil => into.push(format!("{value:?}")),
    }
}

#[track_caller]
fn call(client: &mut Client, commands: &[Vec<String>]) -> Vec<Value> {
    let words: Vec<Vec<&str>> = commands
        .iter()
        .map(|command| command.iter().map(String::as_str).collect())
        .collect();
    let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
    client.pipeline(&words).expect("as many replies")
}

type Owners = Vec<((u16, u16), std::net::SocketAddr)>;

/// Who serves which slots, each by its own word.
#[track_caller]
fn owners(servers: &Servers) -> Owners {
    let mut owners = Vec::new();
    for node in servers.running() {
        let address = servers.address(&node);
        let lines = judge::cluster_nodes(address);
        let own = lines.iter().find(|line| line.is_myself());
        let own = own.filter(|line| !line.is_replica());
        let slots = own.map(|line| line.slots.clone()).unwrap_or_default();
        owners.extend(slots.into_iter().map(|range| (range, address)));
    }
    owners
}

#[track_caller]
fn owner(owners: &Owners, slot: u16) -> std::net::SocketAddr {
    let mut owners = owners.iter();
    let owner = owners.find(|((first, last), _)| (*first..=*last).contains(&slot));
    owner.unwrap_or_else(|| panic!("nobody serves {slot}")).1
}

#[track_caller]
fn at_big(servers: &Servers, words: &[&str]) -> Value {
    let address = owner(&owners(servers), slot_of(BIG.as_bytes()));
    let reply = judge::connect(address).call(words).expect("an answer");
    assert!(!matches!(reply, Value::Error(_)), "{reply:?}");
    reply
}

#[track_caller]
fn digest(servers: &Servers) -> String {
    let script = "return redis.sha1hex(redis.call('GET', KEYS[1]))";
    at_big(servers, &["EVAL", script, "1", BIG]).text()
}
