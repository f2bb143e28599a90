//! Clients of a cluster, by a client library that knows nothing of rcl: data to lose, and counters that are
//! raised while slots move. What a client was told that it has, it must find again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{RedisResult, Value, cmd};

use super::judge;
use super::servers::Servers;
use super::shards::slot_of;

const COUNTERS: u64 = 400;

/// Every so many keys are of other kinds than short texts.
const KINDS: usize = 10;

/// Keys of all kinds, names that are no text among them.
pub(crate) struct Data {
    count: usize,
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

/// Enough for an election.
const PATIENT: u32 = 60;

/// A client that is sent on once or twice is served; one that a cluster keeps waiting is told so.
const IMPATIENT: u32 = 3;

async fn connect(nodes: Vec<String>) -> ClusterConnection {
    // A tenth of a second between them at most: by default that grows until it can't be computed any more.
    let client = ClusterClientBuilder::new(nodes)
        .retries(5 * PATIENT)
        .retry_wait_formula(100, 1)
        .build();
    let client = client.expect("a client");
    client.get_async_connection().await.expect("a cluster")
}

async fn connect_trying(nodes: Vec<String>, retries: u32) -> ClusterConnection {
    let client = ClusterClientBuilder::new(nodes).retries(retries).build();
    let client = client.expect("a client");
    client.get_async_connection().await.expect("a cluster")
}

/// Where a client begins: all nodes that run.
pub(crate) fn nodes(servers: &Servers) -> Vec<String> {
    let running = servers.running();
    let urls = running
        .iter()
        .map(|name| format!("redis://{}", servers.address(name)));
    urls.collect()
}

fn name(number: usize) -> Vec<u8> {
    match number % KINDS {
        1 => [b"\xff\x00 \"bin\r\n".as_slice(), &number.to_be_bytes()].concat(),
        _ => format!("key{number}").into_bytes(),
    }
}

/// Writes the key, and says how it is read back.
fn write(number: usize) -> [redis::Cmd; 2] {
    let key = name(number);
    let (mut put, mut get) = match number % KINDS {
        2 => (cmd("RPUSH"), cmd("LRANGE")),
        3 => (cmd("HSET"), cmd("HGETALL")),
        4 => (cmd("SET"), cmd("PEXPIRETIME")),
        6 => (cmd("SADD"), cmd("SORT")),
        8 => (cmd("ZADD"), cmd("ZRANGE")),
        9 => (cmd("XADD"), cmd("XRANGE")),
        _ => (cmd("SET"), cmd("GET")),
    };
    put.arg(&key);
    get.arg(&key);
    match number % KINDS {
        2 => {
            put.arg((0..20).collect::<Vec<i32>>());
            get.arg(0).arg(-1);
        }
        3 => {
            put.arg("field").arg(number);
        }
        4 => {
            put.arg("value").arg("PX").arg(86_400_000);
        }
        5 => {
            put.arg("x".repeat(20_000));
        }
        6 => {
            put.arg((0..20).collect::<Vec<i32>>());
            get.arg("ALPHA");
        }
        8 => {
            put.arg(1.5).arg("low").arg(number).arg("high");
            get.arg(0).arg(-1).arg("WITHSCORES");
        }
        9 => {
            put.arg("1-1").arg("field").arg(number);
            get.arg("-").arg("+");
        }
        _ => {
            put.arg(format!("value{number}"));
        }
    }
    [put, get]
}

/// When a key expires is only known by asking; not all servers tell, then its text counts.
async fn read(connection: &mut ClusterConnection, number: usize) -> RedisResult<Value> {
    let [_, get] = write(number);
    match get.query_async(connection).await {
        Ok(value) => Ok(value),
        Err(_) if number % KINDS == 4 => cmd("GET").arg(name(number)).query_async(connection).await,
        Err(error) => Err(error),
    }
}

impl Data {
    #[track_caller]
    pub(crate) fn write(servers: &Servers, count: usize) -> (Self, BTreeMap<usize, Value>) {
        let urls = nodes(servers);
        let values = wait(async {
            let mut connection = connect(urls).await;
            let mut values = BTreeMap::new();
            for number in 0..count {
                let [put, _] = write(number);
                let put: RedisResult<Value> = put.query_async(&mut connection).await;
                put.expect("it is written");
                let value = read(&mut connection, number).await.expect("it is read");
                values.insert(number, value);
            }
            values
        });
        (Self { count }, values)
    }

    /// Those whose names are not among these, which were read as text.
    pub(crate) fn missing(&self, names: &BTreeSet<String>) -> BTreeSet<usize> {
        let named = |number: &usize| names.contains(&*String::from_utf8_lossy(&name(*number)));
        (0..self.count).filter(|number| !named(number)).collect()
    }

    /// Those of these slots.
    pub(crate) fn of_slots(&self, slots: &BTreeSet<u16>) -> BTreeSet<usize> {
        let is_in = |number: &usize| slots.contains(&slot_of(&name(*number)));
        (0..self.count).filter(is_in).collect()
    }

    /// The whole names of those that are among these.
    pub(crate) fn names(&self, read: &BTreeSet<String>) -> Vec<Vec<u8>> {
        let names = (0..self.count).map(name);
        names
            .filter(|name| read.contains(&*String::from_utf8_lossy(name)))
            .collect()
    }

    /// Every key is there with its value.
    #[track_caller]
    pub(crate) fn assert_kept(&self, servers: &Servers, values: &BTreeMap<usize, Value>) {
        let lost = self.lost(servers, values);
        assert!(
            lost.is_empty(),
            "{} keys: {:?}",
            lost.len(),
            &lost[..lost.len().min(5)]
        );
    }

    /// The keys that are gone or have another value, each with what is found in its place.
    #[track_caller]
    pub(crate) fn lost(
        &self,
        servers: &Servers,
        values: &BTreeMap<usize, Value>,
    ) -> Vec<(usize, String)> {
        assert_eq!(values.len(), self.count);
        let urls = nodes(servers);
        wait(async {
            let mut connection = connect(urls).await;
            let mut lost = Vec::new();
            for (number, value) in values {
                let found = read(&mut connection, *number).await;
                let kept = match (&found, value) {
                    // MIGRATE carries the time that is left, and takes a moment.
                    (Ok(Value::Int(found)), Value::Int(wanted)) => found.abs_diff(*wanted) < 60_000,
                    (Ok(found), wanted) => found == wanted,
                    (Err(_), _) => false,
                };
                if !kept {
                    lost.push((*number, format!("{found:?}")));
                }
            }
            lost
        })
    }
}

/// Keys at all primaries together.
#[track_caller]
pub(crate) fn keys_at_primaries(servers: &Servers) -> i64 {
    let running = servers.running();
    let primaries = running.iter().filter(|name| {
        let said = judge::ask(servers.address(name)).replication;
        said.get("role").map(String::as_str) == Some("master")
    });
    primaries
        .map(|name| servers.call(name, &["DBSIZE"]).integer())
        .sum()
}

/// Raises counters until it is stopped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Raised>,
    urls: Vec<String>,
}

/// What a client was told.
#[derive(Default)]
struct Raised {
    /// The last answer for each counter.
    last: BTreeMap<u64, u64>,
    /// How often each got no answer since: it may have been raised or not.
    unsure: BTreeMap<u64, u64>,
    errors: Vec<String>,
    times: Vec<Duration>,
}

/// What the clients of a run were served.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) counters: usize,
    pub(crate) errors: Vec<String>,
    pub(crate) waits: Waits,
}

/// How long a client waited for its answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    /// The time within which 99 of 100 commands were answered.
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Waits {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let at = |place: usize| times.get(place).copied().unwrap_or_default();
        Self {
            count: times.len(),
            p50: at(last / 2),
            p99: at(last * 99 / 100),
            longest: at(last),
        }
    }
}

impl Raised {
    fn take(&mut self, counter: u64, answer: RedisResult<u64>) {
        match answer {
            Ok(value) => {
                self.last.insert(counter, value);
                self.unsure.remove(&counter);
            }
            Err(error) => {
                *self.unsure.entry(counter).or_default() += 1;
                self.errors.push(error.to_string());
            }
        }
    }
}

impl Traffic {
    #[track_caller]
    pub(crate) fn start(servers: &Servers) -> Self {
        Self::start_trying(servers, PATIENT)
    }

    /// By a client that gives a command up after a few attempts, so that errors and times are what a common one
    /// would see.
    #[track_caller]
    pub(crate) fn start_impatient(servers: &Servers) -> Self {
        Self::start_trying(servers, IMPATIENT)
    }

    #[track_caller]
    fn start_trying(servers: &Servers, retries: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let urls = nodes(servers);
        let (asked, at) = (Arc::clone(&stop), urls.clone());
        let thread = std::thread::spawn(move || {
            wait(async {
                let mut connection = connect_trying(at, retries).await;
                let mut raised = Raised::default();
                for number in 0.. {
                    if asked.load(Ordering::Relaxed) {
                        break;
                    }
                    let counter = number % COUNTERS;
                    let began = Instant::now();
                    let answer: RedisResult<u64> = cmd("INCR")
                        .arg(format!("counter{counter}"))
                        .query_async(&mut connection)
                        .await;
                    raised.times.push(began.elapsed());
                    raised.take(counter, answer);
                }
                raised
            })
        });
        Self { stop, thread, urls }
    }

    /// Every counter is where its last answer said, and all were answered; gives how many counters there are.
    #[track_caller]
    pub(crate) fn end(self) -> usize {
        let served = self.end_with_errors();
        assert_eq!(served.errors, [""; 0], "clients are served all the time");
        served.counters
    }

    /// The same where servers die: what was answered counts, and what was not may have been done.
    #[track_caller]
    pub(crate) fn end_with_errors(self) -> Served {
        self.stop.store(true, Ordering::Relaxed);
        let raised = self.thread.join().expect("clients were served");
        assert!(!raised.last.is_empty(), "no client was served");
        wait(async {
            let mut connection = connect(self.urls).await;
            for (counter, value) in &raised.last {
                let key = format!("counter{counter}");
                let found: u64 = cmd("GET")
                    .arg(&key)
                    .query_async(&mut connection)
                    .await
                    .expect("the counter is there");
                let unsure = raised.unsure.get(counter).copied().unwrap_or(0);
                assert!(
                    (*value..=value + unsure).contains(&found),
                    "{key} is {found}, and was {value}"
                );
            }
        });
        Served {
            counters: raised.last.len(),
            errors: raised.errors,
            waits: Waits::of(raised.times),
        }
    }
}

/// A client that reads and writes keys of equal size in turn, one after the other, and takes the time.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Load {
    /// `key0` and so on, as many as there are.
    #[track_caller]
    pub(crate) fn start(urls: Vec<String>, keys: usize, value: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            wait(async {
                let mut connection = connect(urls).await;
                let mut times = Vec::new();
                for number in 0_usize.. {
                    if asked.load(Ordering::Relaxed) {
                        break;
                    }
                    let key = format!("key{}", number * 7919 % keys);
                    let mut command = match number % 2 {
                        0 => cmd("GET"),
                        _ => cmd("SET"),
                    };
                    command.arg(key);
                    if number % 2 == 1 {
                        command.arg(&value);
                    }
                    let began = Instant::now();
                    let got: RedisResult<Value> = command.query_async(&mut connection).await;
                    got.expect("clients are served all the time");
                    times.push(began.elapsed());
                }
                times
            })
        });
        Self { stop, thread }
    }

    #[track_caller]
    pub(crate) fn end(self) -> Waits {
        self.stop.store(true, Ordering::Relaxed);
        Waits::of(self.thread.join().expect("clients were served"))
    }
}
