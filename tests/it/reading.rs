//! Servers that can't be read, and listeners that are no servers: a clear error, in bounded time, before the first
//! write.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use insta::assert_snapshot;

use crate::support::yaml::Yaml;
use crate::support::{ServerKind, Servers, Shard, Stage, wait};

fn pair() -> [Shard; 1] {
    [Shard::new("host1:7000", &["host2:7000"], "0-16383")]
}

/// Two blank nodes, and a file that wants more of them than they have.
fn blank_pair(launch: crate::support::launch::Launch) -> Stage {
    let stage = Stage::blank(launch.grid(2, 1));
    stage.declare(&pair());
    stage
}

#[test]
fn a_password_is_wanted() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    stage.servers.add("host1:7003");
    stage.servers.add("host2:7003");
    stage.declare(&Shard::grown());
    stage.tell("host2:7001", "CONFIG SET requirepass secret");
    // The recorder has no password: it looks at the others.
    stage.servers.hide("host2:7001");
    let told = stage.refuses(1);
    assert_snapshot!(told.troubles(), @r#"
    ! host2:7001 answers, but can't be read
        host2:7001: NOAUTH Authentication required.
        → The server wants a password, or refuses strangers in protected mode: give rcl a user and password of it (`access` in the file).
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"rcl.yaml: error: host2:7001 answers, but can't be read (host2:7001: NOAUTH Authentication required.)");
    assert_snapshot!(stage.run(&["status"], 1), @r#"
    Cluster "orders": not all nodes answer, 3 shards, 8 nodes, Redis 7.0.15

      0 aaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbccccccccccccccccccccccc 16383

    a  shard a  0-5461 (5462 slots), 0 keys
    ├─ primary  host1:7000  host1:7000
    └─ replica  host2:7000  host2:7000  lag 0 B
    b  shard b  5462-10922 (5461 slots), 0 keys
    ├─ primary  host1:7001  host1:7001
    └─ replica  host2:7001  host2:7001  does not answer
    c  shard c  10923-16383 (5461 slots), 0 keys
    ├─ primary  host1:7002  host1:7002
    └─ replica  host2:7002  host2:7002  lag 0 B

    Outside the shards
      host1:7003  blank, not a member  host1:7003
      host2:7003  blank, not a member  host2:7003

    No answer
      host2:7001  host2:7001: NOAUTH Authentication required.

    ! host2:7001 answers, but can't be read
        host2:7001: NOAUTH Authentication required.
        → The server wants a password, or refuses strangers in protected mode: give rcl a user and password of it (`access` in the file).
    "#);
}

#[test]
fn a_right_is_missing() {
    let mut stage = blank_pair(Servers::prepare(ServerKind::Valkey91));
    stage.tell("host2:7000", "ACL SETUSER default -config|get");
    assert_snapshot!(stage.refuses(1).troubles(), @r#"
    ! host2:7000 answers, but can't be read
        host2:7000: NOPERM User default has no permissions to run the 'config|get' command
        → Give the user the right that the server names.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

#[test]
fn not_in_cluster_mode() {
    let mut stage = blank_pair(Servers::prepare(ServerKind::Redis70));
    let config = stage.servers.folder("host2:7000").join("redis.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    let plain = text.replace("cluster-enabled yes", "cluster-enabled no");
    std::fs::write(&config, plain).unwrap();
    stage.servers.restart("host2:7000");
    let told = stage.refuses(1);
    assert_snapshot!(told.troubles(), @r#"
    ! host2:7000 answers, but can't be read
        host2:7000: ERR This instance has cluster support disabled
        → Set `cluster-enabled yes` in its redis.conf and restart it.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"rcl.yaml: error: host2:7000 answers, but can't be read (host2:7000: ERR This instance has cluster support disabled)");
}

/// Loading takes a microsecond a key here, and a look at the network after every kilobyte.
#[test]
fn still_loading_on_redis() {
    let launch = Servers::prepare(ServerKind::Redis70)
        .set("enable-debug-command", "yes")
        .set("loading-process-events-interval-bytes", "1024");
    let mut stage = blank_pair(launch);
    stage.tell("host2:7000", "DEBUG POPULATE 20000");
    stage.tell("host2:7000", "SAVE");
    let config = stage.servers.folder("host2:7000").join("redis.conf");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str("key-load-delay 1000\n");
    std::fs::write(&config, text).unwrap();
    stage.servers.restart_without_waiting("host2:7000");
    wait::until("the node to load", || {
        let reply = stage.servers.try_call("host2:7000", &["DBSIZE"]);
        let loading = reply
            .as_ref()
            .is_ok_and(|reply| format!("{reply:?}").contains("LOADING"));
        loading.then_some(()).ok_or(format!("{reply:?}"))
    });
    stage.servers.hide("host2:7000");
    assert_snapshot!(stage.refuses(1).troubles(), @r#"
    ! host2:7000 answers, but can't be read
        host2:7000: LOADING Redis is loading the dataset in memory
        → Wait until the node has loaded its data, then run again.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

/// What a stranger does with a connection.
type Manner = fn(TcpStream);

/// A listener where host3:7000 should be, which treats every caller in this manner until the test ends.
fn listen(stage: &Stage, manner: Manner) -> std::net::SocketAddr {
    let address = std::net::SocketAddr::new(stage.servers.host("host3"), 7000);
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || manner(stream));
        }
    });
    address
}

fn with_stranger(manner: Manner) -> Stage {
    let stage = blank_pair(Servers::prepare(ServerKind::Redis70));
    let address = listen(&stage, manner);
    let file = Yaml::new(&stage.servers, &pair()).to_string();
    let file = file
        .replace(
            "shards:\n",
            &format!("  host3: {}\nshards:\n", address.ip()),
        )
        .replace("[host2:7000]", "[host2:7000, host3:7000]");
    stage.file(&file);
    stage
}

/// The stranger's own address, which no server of the test has.
fn troubles(stage: &Stage, told: &str) -> String {
    told.replace(&stage.servers.host("host3").to_string(), "host3")
}

#[test]
fn a_web_server() {
    let mut stage = with_stranger(|mut stream| {
        let mut request = [0; 100];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    let told = stage.refuses(1).troubles();
    assert_snapshot!(troubles(&stage, &told), @r#"
    ! host3:7000 answers, but can't be read
        host3:7000: it answers "HTTP/1.1 400 Bad Request", as no Redis or Valkey server does
        → Check that the address is a Redis or Valkey server's client port.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

#[test]
fn one_that_speaks_first() {
    let mut stage = with_stranger(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        let _ = stream.read(&mut [0; 100]);
    });
    let told = stage.refuses(1).troubles();
    assert_snapshot!(troubles(&stage, &told), @r#"
    ! host3:7000 answers, but can't be read
        host3:7000: it answers "SSH-2.0-OpenSSH_9.2", as no Redis or Valkey server does
        → Check that the address is a Redis or Valkey server's client port.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

/// As a server does in protected mode: it says why, and closes.
#[test]
fn one_that_refuses_strangers() {
    let mut stage = with_stranger(|mut stream| {
        let _ = stream.write_all(b"-DENIED Redis is running in protected mode\r\n");
    });
    let told = stage.refuses(1).troubles();
    assert_snapshot!(troubles(&stage, &told), @r#"
    ! host3:7000 answers, but can't be read
        host3:7000: DENIED Redis is running in protected mode
        → The server wants a password, or refuses strangers in protected mode: give rcl a user and password of it (`access` in the file).
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

#[test]
fn one_that_says_yes_to_everything() {
    let mut stage = with_stranger(|mut stream| {
        while stream.read(&mut [0; 10_000]).is_ok_and(|length| length > 0) {
            let _ = stream.write_all("+OK\r\n".repeat(20).as_bytes());
        }
    });
    let told = stage.refuses(1).troubles();
    assert_snapshot!(troubles(&stage, &told), @r#"
    ! host3:7000 answers, but can't be read
        host3:7000: CLUSTER NODES has a line that makes no sense: "OK"
        → Check that the address is a Redis or Valkey server's client port.
    Nothing to do, but 1 blocked. Cluster "orders" does not match rcl.yaml.
    "#);
}

/// As good as down: a proxy before a dead node does the same.
#[test]
fn one_that_hangs_up() {
    let mut stage = with_stranger(drop);
    let told = stage.refuses(3).troubles();
    assert_snapshot!(troubles(&stage, &told), @r#"
    ! a new cluster is formed only when every declared node answers: one that doesn't may be a member of the cluster that the others have lost
        host3:7000: host3:7000: it closes the connection without a word, as a proxy does before a server that is down
        → Start these nodes, or take them out of the file.
    Nothing to do, but 1 blocked; host3:7000 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
}

/// It may be a server that hangs: as good as down.
#[test]
fn one_that_says_nothing() {
    let mut stage = with_stranger(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let told = stage.refuses(3).troubles();
    assert_snapshot!(troubles(&stage, &told), @r#"
    ! a new cluster is formed only when every declared node answers: one that doesn't may be a member of the cluster that the others have lost
        host3:7000: host3:7000: no answer within 2s
        → Start these nodes, or take them out of the file.
    Nothing to do, but 1 blocked; host3:7000 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
}

/// A byte now and then is no answer either: the time limit is for the whole of it.
#[test]
fn one_that_never_comes_to_the_point() {
    let mut stage = with_stranger(|mut stream| {
        while stream.write_all(b"+").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let told = stage.refuses(3).troubles();
    assert_snapshot!(troubles(&stage, &told), @r#"
    ! a new cluster is formed only when every declared node answers: one that doesn't may be a member of the cluster that the others have lost
        host3:7000: host3:7000: no answer within 2s
        → Start these nodes, or take them out of the file.
    Nothing to do, but 1 blocked; host3:7000 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
}

#[test]
fn nobody_answers() {
    let mut stage = blank_pair(Servers::prepare(ServerKind::Redis70));
    stage.servers.kill("host1:7000");
    stage.servers.kill("host2:7000");
    let told = stage.refuses(1);
    assert_snapshot!(told.troubles(), @r#"
    ! no declared node answers
        host1:7000: host1:7000: Connection refused (os error 111)
        host2:7000: host2:7000: Connection refused (os error 111)
        → Start the nodes, or mend the addresses in the file.
    Nothing to do, but 1 blocked; host1:7000, host2:7000 do not answer. Cluster "orders" does not match rcl.yaml.
    "#);
    assert_snapshot!(told.drift, @"
    rcl.yaml: error: no declared node answers
    rcl.yaml: host1:7000 does not answer (host1:7000: Connection refused (os error 111))
    rcl.yaml: host2:7000 does not answer (host2:7000: Connection refused (os error 111))
    ");
    assert_snapshot!(stage.run(&["status"], 1), @r#"
    Cluster "orders": nobody answers, 0 shards, 0 nodes

    No answer
      host1:7000  host1:7000: Connection refused (os error 111)
      host2:7000  host2:7000: Connection refused (os error 111)

    ! no declared node answers
        host1:7000: host1:7000: Connection refused (os error 111)
        host2:7000: host2:7000: Connection refused (os error 111)
        → Start the nodes, or mend the addresses in the file.
    "#);
}

/// A cluster is not formed without the nodes that may be members of the one that was lost.
#[test]
fn some_do_not_answer_before_there_is_a_cluster() {
    let mut stage = blank_pair(Servers::prepare(ServerKind::Redis70));
    stage.servers.kill("host2:7000");
    assert_snapshot!(stage.refuses(3).troubles(), @r#"
    ! a new cluster is formed only when every declared node answers: one that doesn't may be a member of the cluster that the others have lost
        host2:7000: host2:7000: Connection refused (os error 111)
        → Start these nodes, or take them out of the file.
    Nothing to do, but 1 blocked; host2:7000 does not answer. Cluster "orders" does not match rcl.yaml.
    "#);
}

/// One frozen node hides nothing of the others.
#[test]
fn one_node_is_frozen() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let id = stage.servers.id("host2:7001");
    stage.servers.pause("host2:7001");
    stage.wait_for_all(&id, "failed", |line| line.has("fail"));
    stage.tell("host1:7002", "CONFIG SET maxmemory-samples 9");
    stage.file(&Yaml::seed(&stage.servers).config("maxmemory-samples", "5"));
    assert_snapshot!(stage.run(&["drift"], 3), @"
    rcl.yaml: host2:7001 does not answer (host2:7001: no answer within 2s)
    rcl.yaml: maxmemory-samples of host1:7002 is 9, the file says 5
    ");
    let plan = stage.run(&["plan"], 3);
    assert!(
        plan.contains("host1:7002> CONFIG SET maxmemory-samples 5"),
        "{plan}"
    );
    stage.servers.resume("host2:7001");
    stage.wait_for_all(&id, "well", |line| line.trouble().is_none());
    stage.wait_for_link("host2:7001");
    stage.repairs(&Shard::seed());
}

/// A member that says nothing is asked once a look, though both the file and its peers name it.
#[test]
fn a_silent_member_is_asked_once() {
    let mut stage = Stage::seed(Servers::prepare(ServerKind::Redis70));
    let address = stage.servers.address("host2:7001");
    stage.servers.kill("host2:7001");
    let listener = TcpListener::bind(address).unwrap();
    let (sender, callers) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut first = [0; 4];
            // The bus of the other nodes has another port: only rcl calls here, and the links of replicas.
            let _ = stream.read_exact(&mut first);
            let _ = sender.send(stream);
        }
    });
    stage.run(&["drift"], 3);
    assert_eq!(callers.try_iter().count(), 1);
}
