//! Clients of a cluster, by a client library that knows nothing of rcl: data to lose, and counters that are
//! raised while slots move. What a client was told that it has, it must find again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{RedisResult, Value, cmd};

use super::judge;
use super::servers::Servers;

const COUNTERS: u64 = 400;

/// Every so many keys are of other kinds than short texts.
const KINDS: usize = 7;

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

async fn connect(nodes: Vec<String>) -> ClusterConnection {
    let client = ClusterClientBuilder::new(nodes).retries(60).build();
    let client = client.expect("a client");
    client.get_async_connection().await.expect("a cluster")
}

fn nodes(servers: &Servers) -> Vec<String> {
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

    /// Every key is there with its value, and nowhere twice.
    #[track_caller]
    pub(crate) fn assert_kept(&self, servers: &Servers, values: &BTreeMap<usize, Value>) {
        assert_eq!(values.len(), self.count);
        let urls = nodes(servers);
        wait(async {
            let mut connection = connect(urls).await;
            for (number, value) in values {
                let found = read(&mut connection, *number).await.expect("it is read");
                match (&found, value) {
                    // MIGRATE carries the time that is left, and takes a moment.
                    (Value::Int(found), Value::Int(wanted)) => {
                        assert!(found.abs_diff(*wanted) < 60_000, "key {number}: {found}");
                    }
                    (found, wanted) => assert_eq!(found, wanted, "key {number}"),
                }
            }
        });
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
    thread: JoinHandle<BTreeMap<u64, u64>>,
    urls: Vec<String>,
}

impl Traffic {
    #[track_caller]
    pub(crate) fn start(servers: &Servers) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let urls = nodes(servers);
        let (asked, at) = (Arc::clone(&stop), urls.clone());
        let thread = std::thread::spawn(move || {
            wait(async {
                let mut connection = connect(at).await;
                let mut raised: BTreeMap<u64, u64> = BTreeMap::new();
                for number in 0.. {
                    if asked.load(Ordering::Relaxed) {
                        break;
                    }
                    let counter = number % COUNTERS;
                    let answer: RedisResult<u64> = cmd("INCR")
                        .arg(format!("counter{counter}"))
                        .query_async(&mut connection)
                        .await;
                    let value = answer.expect("clients are served all the time");
                    raised.insert(counter, value);
                }
                raised
            })
        });
        Self { stop, thread, urls }
    }

    /// Every counter is where its last answer said; gives how many counters there are.
    #[track_caller]
    pub(crate) fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let raised = self.thread.join().expect("clients were served");
        assert!(!raised.is_empty(), "no client was served");
        wait(async {
            let mut connection = connect(self.urls).await;
            for (counter, value) in &raised {
                let key = format!("counter{counter}");
                let found: u64 = cmd("GET")
                    .arg(&key)
                    .query_async(&mut connection)
                    .await
                    .expect("the counter is there");
                assert_eq!(found, *value, "{key}");
            }
        });
        raised.len()
    }
}

/// A client that reads keys of equal size, one after the other, and takes the time.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Load {
    /// Writes the keys, 100 bytes each, and begins to read them.
    #[track_caller]
    pub(crate) fn start(servers: &Servers, keys: usize) -> Self {
        let urls = nodes(servers);
        let value = "x".repeat(100);
        wait(async {
            let mut connection = connect(urls.clone()).await;
            for number in 0..keys {
                let put: RedisResult<Value> = cmd("SET")
                    .arg(format!("key{number}"))
                    .arg(&value)
                    .query_async(&mut connection)
                    .await;
                put.expect("it is written");
            }
        });
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            wait(async {
                let mut connection = connect(urls).await;
                let mut times = Vec::new();
                for number in (0..).map(|number| number * 7919 % keys) {
                    if asked.load(Ordering::Relaxed) {
                        break;
                    }
                    let began = Instant::now();
                    let got: RedisResult<Value> = cmd("GET")
                        .arg(format!("key{number}"))
                        .query_async(&mut connection)
                        .await;
                    got.expect("clients are served all the time");
                    times.push(began.elapsed());
                }
                times
            })
        });
        Self { stop, thread }
    }

    /// The time within which 99 of 100 reads were answered, and the longest.
    #[track_caller]
    pub(crate) fn end(self) -> (Duration, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = self.thread.join().expect("clients were served");
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let at = |place: usize| times.get(place).copied().unwrap_or_default();
        (at(last * 99 / 100), at(last))
    }
}
