//! Servers that answer nonsense, lies, too much or nothing: a clear error, bounded memory and time, no panic, and nothing
//! that a terminal obeys.

use std::sync::Mutex;

use crate::support::hostile::{Answer, Hostile, bulk, plausible};
use crate::support::yaml::Yaml;
use crate::support::{Rcl, ServerKind, Servers, Shard, judge, native};

const ID: &str = "451b000000000000000000000000000000000000";
const OTHER: &str = "9e25000000000000000000000000000000000000";

/// rcl itself takes a tenth of it.
const MOST_MEMORY: u64 = 100 << 20;

const LATE: &str = "no answer within 2s";

/// One lie, told by a node that is else like any other.
struct Case {
    what: &'static str,
    /// The commands that are lied to, by their beginning.
    to: &'static str,
    answer: fn() -> Answer,
    /// What `status` says of it.
    said: &'static str,
}

fn text(text: &str) -> Answer {
    Answer::Bytes(bulk(text))
}

/// The node's own line, with this address and these slots.
fn own_line(address: &str, slots: &str) -> String {
    format!("{ID} {address} myself,master - 0 0 1 connected {slots}\n")
}

const CASES: [Case; 27] = [
    Case {
        what: "another protocol",
        to: "",
        answer: || Answer::ThenClose(b"HTTP/1.1 400 Bad Request\r\n\x1b[2J\r\n\r\n".to_vec()),
        said: "HTTP/1.1 400 Bad Request",
    },
    Case {
        what: "half a reply, then nothing",
        to: "CLUSTER NODES",
        answer: || Answer::ThenSilence(b"$100\r\nabc".to_vec()),
        said: "no answer within 2s",
    },
    Case {
        what: "half a reply, then the end",
        to: "CLUSTER NODES",
        answer: || Answer::ThenClose(b"$100\r\nabc".to_vec()),
        said: "breaks off in the middle|no answer within 2s|Array response|unexpected|Parse",
    },
    Case {
        what: "100 MB",
        to: "CLUSTER NODES",
        answer: || Answer::Endless(format!("${}\r\n", 100 << 20).into_bytes(), b"a\n".to_vec()),
        said: "breaks off in the middle|no answer within 2s|Array response|unexpected|Parse",
    },
    Case {
        what: "an endless text",
        to: "INFO server",
        answer: || Answer::Endless(b"$9223372036854775807\r\n".to_vec(), vec![b'a'; 100]),
        said: "breaks off in the middle|no answer within 2s|Array response|unexpected|Parse",
    },
    Case {
        what: "an endless line",
        to: "CLUSTER INFO",
        answer: || Answer::Endless(b"+".to_vec(), vec![b'a'; 100]),
        said: "breaks off in the middle|no answer within 2s|Array response|unexpected|Parse",
    },
    Case {
        what: "an endless list",
        to: "CONFIG GET",
        answer: || Answer::Endless(b"*9223372036854775807\r\n".to_vec(), b":1\r\n".to_vec()),
        said: "breaks off in the middle|no answer within 2s|Array response|unexpected|Parse",
    },
    Case {
        what: "an endless map",
        to: "CONFIG GET",
        answer: || Answer::Endless(b"%4611686018427387903\r\n".to_vec(), b"*0\r\n".to_vec()),
        said: "breaks off in the middle|no answer within 2s|Array response|unexpected|Parse",
    },
    Case {
        what: "lists in lists in lists",
        to: "CLUSTER INFO",
        answer: || Answer::Endless(Vec::new(), b"*1\r\n".to_vec()),
        said: "breaks off in the middle|no answer within 2s|Array response|unexpected|Parse",
    },
    Case {
        what: "pushes without an end",
        to: "CLUSTER INFO",
        answer: || Answer::Endless(Vec::new(), b">2\r\n+message\r\n+x\r\n".to_vec()),
        said: "breaks off in the middle|no answer within 2s|Array response|unexpected|Parse",
    },
    Case {
        what: "an integer that is none",
        to: "CLUSTER INFO",
        answer: || Answer::Bytes(b":1\x1b[2J\r\n".to_vec()),
        said: "breaks off in the middle|no answer within 2s|Array response|unexpected|Parse",
    },
    Case {
        what: "no text",
        to: "CLUSTER NODES",
        answer: || Answer::Bytes(bulk(b"\xff\xfe\x00\x80")),
        said: "CLUSTER NODES has a line that makes no sense",
    },
    Case {
        what: "codes for the terminal in an error",
        to: "CLUSTER NODES",
        answer: || Answer::Bytes(b"-ERR \x1b[2J\x1b]0;x\x07\xc2\x9b31m\r\n".to_vec()),
        said: "\\u{1b}[2J",
    },
    Case {
        what: "codes for the terminal in a host name",
        to: "CLUSTER NODES",
        answer: || text(&own_line("127.0.0.1:1@2,\u{1b}[2J\u{202e}x", "0-16383")),
        said: "ok",
    },
    Case {
        what: "a line break in a host name",
        to: "CLUSTER NODES",
        answer: || text(&own_line("127.0.0.1:1@2,a\nb", "0-16383")),
        said: "CLUSTER NODES has a line that makes no sense",
    },
    Case {
        what: "numbers that lie",
        to: "CLUSTER INFO",
        answer: || {
            text(
                "cluster_state:ok\r\ncluster_slots_assigned:99999999999\r\ncluster_known_nodes:-7\r\ncluster_current_epoch:18446744073709551615\r\ncluster_my_epoch:18446744073709551615\r\n",
            )
        },
        said: "ok",
    },
    Case {
        what: "keys that lie",
        to: "INFO",
        answer: || {
            text(
                "redis_version:7.0.15\r\nrole:master\r\nmaster_repl_offset:18446744073709551615\r\nused_memory:18446744073709551615\r\nmaxmemory:18446744073709551615\r\nuptime_in_seconds:18446744073709551615\r\ndb0:keys=18446744073709551615,expires=0\r\ndb1:keys=18446744073709551615,expires=0\r\n",
            )
        },
        said: "ok",
    },
    Case {
        what: "a version that lies",
        to: "INFO",
        answer: || text("redis_version:99999.1.\u{1b}[2J\r\nrole:master\r\n"),
        said: "the reply to INFO server makes no sense",
    },
    Case {
        what: "a primary that lies",
        to: "INFO",
        answer: || {
            text(
                "redis_version:7.0.15\r\nrole:slave\r\nmaster_host:\u{1b}[2J\r\nmaster_port:7\r\nmaster_link_status:up\r\nslave_repl_offset:99\r\n",
            )
        },
        said: "ok",
    },
    Case {
        what: "slots that are none",
        to: "CLUSTER NODES",
        answer: || text(&own_line("127.0.0.1:1@2", "0-99999")),
        said: "CLUSTER NODES has a line that makes no sense",
    },
    Case {
        what: "slots backwards",
        to: "CLUSTER NODES",
        answer: || text(&own_line("127.0.0.1:1@2", "9-5")),
        said: "CLUSTER NODES has a line that makes no sense",
    },
    Case {
        what: "one id twice",
        to: "CLUSTER NODES",
        answer: || {
            let line = format!("{OTHER} 127.0.0.1:1@2 master - 0 0 2 connected\n");
            text(&format!(
                "{}{line}{line}",
                own_line("127.0.0.1:1@2", "0-16383")
            ))
        },
        said: "CLUSTER NODES has a line that makes no sense",
    },
    Case {
        what: "two that are the node itself",
        to: "CLUSTER NODES",
        answer: || {
            let line = format!("{OTHER} 127.0.0.1:1@2 myself,master - 0 0 2 connected\n");
            text(&format!("{}{line}", own_line("127.0.0.1:1@2", "0-16383")))
        },
        said: "CLUSTER NODES has a line that makes no sense",
    },
    Case {
        what: "nobody that is the node itself",
        to: "CLUSTER NODES",
        answer: || text(&format!("{OTHER} 127.0.0.1:1@2 master - 0 0 2 connected\n")),
        said: "the reply to CLUSTER NODES makes no sense",
    },
    Case {
        what: "ten thousand members",
        to: "CLUSTER NODES",
        answer: || {
            let members: Vec<String> = (0..10_000)
                .map(|number| format!("{number:040x} 127.0.0.1:9@10 master - 0 0 2 connected\n"))
                .collect();
            text(&format!(
                "{}{}",
                own_line("127.0.0.1:1@2", "0-16383"),
                members.concat()
            ))
        },
        said: "CLUSTER NODES has more than 4000 members",
    },
    Case {
        what: "replicas in a ring",
        to: "CLUSTER NODES",
        answer: || {
            text(&format!(
                "{ID} 127.0.0.1:1@2 myself,slave {OTHER} 0 0 1 connected\n{OTHER} 127.0.0.1:9@19 slave {ID} 0 0 1 connected\n"
            ))
        },
        said: "1 replication link is down",
    },
    Case {
        what: "options in odd numbers",
        to: "CONFIG GET",
        answer: || Answer::Bytes([b"*3\r\n".to_vec(), bulk("a"), bulk("b"), bulk("c")].concat()),
        said: "the reply to CONFIG GET makes no sense",
    },
];

/// Every command against every lie.
#[test]
fn whatever_a_node_answers() {
    std::thread::scope(|scope| {
        for case in &CASES {
            scope.spawn(|| against(case));
        }
    });
}

#[track_caller]
fn against(case: &'static Case) {
    let Case {
        what,
        to,
        answer,
        said,
    } = case;
    let server = Hostile::start(move |command| {
        if command.join(" ").starts_with(to) {
            return answer();
        }
        plausible(command, &own_line("127.0.0.1:1@2", "0-16383"))
    });
    let address = server.address.to_string();
    let rcl = Rcl::new();
    rcl.file(
        "rcl.yaml",
        &format!(
            "cluster: lies\nshards:\n  a: {{primary: {{at: \"{address}\", id: {ID}}}}}\npolicy: {{replicas_apart: off}}\n"
        ),
    );
    for arguments in [
        vec!["status", &address],
        vec!["plan"],
        vec!["drift", "--timeout", "5s"],
        vec!["export", &address],
        vec!["apply", "--yes"],
        vec!["status", "--json"],
    ] {
        let run = || {
            let streams = rcl.run_within(MOST_MEMORY, &arguments);
            let streams = streams.one_of(&[0, 1, 2, 3]);
            format!("{}{}", streams.stdout(), streams.stderr())
        };
        let mut all = run();
        // Beside many other tests the liar itself may be late.
        for _ in 0..2 {
            if all.contains(LATE) && !said.contains(LATE) {
                all = run();
            }
        }
        let obeyed = |letter: char| {
            (letter.is_control() && letter != '\n') || matches!(letter, '\u{202a}'..='\u{202e}')
        };
        assert!(!all.contains(obeyed), "{what}: {arguments:?} says {all:?}");
        assert!(!all.contains("panicked"), "{what}: {all}");
        if arguments == ["status", &address] {
            let known = said.split('|').any(|said| all.contains(said));
            assert!(known, "{what}: {all}");
        }
    }
}

/// A node that plays along until it is written to.
#[test]
fn lies_about_writes() {
    for answer in [
        || Answer::Bytes(b"-ERR \x1b[2J\x9b no\r\n".to_vec()),
        || Answer::Bytes(b"+OK \x1b[2J\r\n".to_vec()),
        || Answer::Bytes(b"*1\r\n*1\r\n$-1\r\n".to_vec()),
        || Answer::ThenClose(b"+O".to_vec()),
        || Answer::Endless(b"$99999999999\r\n".to_vec(), vec![b'x'; 50]),
    ] {
        let server = Hostile::start(
            move |command| match command.join(" ").to_ascii_uppercase() {
                words if words.starts_with("CLUSTER ADDSLOTS") || words.contains(" SET") => {
                    answer()
                }
                _ => plausible(command, &own_line("127.0.0.1:1@2", "")),
            },
        );
        let rcl = Rcl::new();
        let address = server.address;
        rcl.file(
            "rcl.yaml",
            &format!("cluster: lies\nshards:\n  a: {{primary: \"{address}\"}}\n"),
        );
        let ran = rcl.run_within(MOST_MEMORY, &["apply", "--yes", "-v"]);
        let streams = ran.one_of(&[1, 3]);
        let all = format!("{}{}", streams.stdout(), streams.stderr());
        assert!(
            !all.contains(|letter: char| letter.is_control() && letter != '\n'),
            "{all:?}"
        );
    }
}

/// Whatever stands in a file is data: nothing is run, and nothing reaches the terminal.
#[test]
fn whatever_a_file_says() {
    let deep = "[".repeat(100_000);
    let bomb = (0..30).fold("a0: &a0 [x,x,x,x]\n".to_owned(), |text, level| {
        let (next, list) = (level + 1, vec![format!("*a{level}"); 10].join(","));
        format!("{text}a{next}: &a{next} [{list}]\n")
    });
    let wide = format!(
        "cluster: x\nshards:\n{}",
        "  a: {primary: 10.0.0.1:7000}\n".repeat(5_000)
    );
    for (what, text) in [
        ("nothing", String::new()),
        ("zeroes", "\0".repeat(1000)),
        (
            "codes",
            "cluster: \"\u{1b}[2J\u{9b}31m\u{202e}\"\nshards: \u{1b}]0;x\u{7}\n".to_owned(),
        ),
        ("depth", deep),
        ("aliases", bomb),
        ("width", wide),
        (
            "tags",
            "cluster: !!python/object/apply:os.system [\"touch ran\"]\nshards: {}\n".to_owned(),
        ),
        (
            "commands",
            "cluster: $(touch ran)\nshards: {a: {primary: \"`touch ran`:7000\"}}\n".to_owned(),
        ),
        (
            "a long line",
            "cluster: ".to_owned() + &"x".repeat(4_000_000),
        ),
    ] {
        let rcl = Rcl::new();
        rcl.file("rcl.yaml", &text);
        for arguments in [vec!["check"], vec!["drift"]] {
            let streams = rcl.run_within(2 * MOST_MEMORY, &arguments).code(1);
            let all = format!("{}{}", streams.stdout(), streams.stderr());
            let obeyed = |letter: char| letter.is_control() && letter != '\n';
            assert!(!all.contains(obeyed), "{what}: {arguments:?} says {all:?}");
            assert!(all.len() < 200_000, "{what}: {}", all.len());
        }
        assert!(!rcl.path("ran").exists(), "{what}");
    }
}

/// Members that name members that name members: no end, if they were all asked.
#[test]
fn members_without_an_end() {
    let ports: Vec<u16> = (0..40).map(|_| 0).collect();
    let mut servers: Vec<Hostile> = Vec::new();
    // The last one first, so that each can name the next.
    let mut next: Option<(String, u16)> = None;
    for (number, _) in ports.iter().enumerate() {
        let id = format!("{number:040x}");
        let named = next.clone();
        let own = id.clone();
        let server = Hostile::start(move |command| {
            let mut lines = format!("{own} 127.0.0.1:1@2 myself,master - 0 0 1 connected\n");
            if let Some((id, port)) = &named {
                lines.push_str(&format!(
                    "{id} 127.0.0.1:{port}@9 master - 0 0 1 connected\n"
                ));
            }
            plausible(command, &lines)
        });
        next = Some((id, server.address.port()));
        servers.push(server);
    }
    let first = servers
        .last()
        .map(|server| server.address.to_string())
        .unwrap();
    let streams = Rcl::new().run(&["status", &first]).code(3);
    assert!(
        streams.stdout().contains("it was not asked"),
        "{}",
        streams.stdout()
    );
}

type Lie = fn() -> Answer;

/// What a real server's answer to one command is replaced by.
fn lies() -> [(&'static str, Lie); 4] {
    [
        ("another type", || {
            Answer::Bytes(b"*1\r\n*1\r\n+\x1b[2J\r\n".to_vec())
        }),
        ("codes in an error", || {
            Answer::Bytes(b"-ERR \x1b[2J\xc2\x9b31m no\r\n".to_vec())
        }),
        ("a huge count", || {
            Answer::Bytes(b":9223372036854775807\r\n".to_vec())
        }),
        ("half a reply", || {
            Answer::ThenClose(b"$100\r\nabc".to_vec())
        }),
    ]
}

/// The commands of a move to a newcomer, and the server that is asked them.
const ASKED: [(ServerKind, &str); 11] = [
    (ServerKind::Redis70, "PUBSUB CHANNELS"),
    (ServerKind::Redis70, "ACL DRYRUN"),
    (ServerKind::Redis70, "ACL USERS"),
    (ServerKind::Redis70, "FUNCTION LIST"),
    (ServerKind::Redis70, "CLUSTER COUNTKEYSINSLOT"),
    (ServerKind::Redis70, "CLUSTER GETKEYSINSLOT"),
    (ServerKind::Redis70, "MEMORY USAGE"),
    (ServerKind::Redis70, "MIGRATE"),
    (ServerKind::Redis70, "CLUSTER SETSLOT"),
    (ServerKind::Valkey91, "CLUSTER GETSLOTMIGRATIONS"),
    (ServerKind::Valkey91, "CLUSTER MIGRATESLOTS"),
];

/// Real servers, one of which lies about one command while slots move off it: whatever comes of it, an apply that is
/// told the truth completes it, and no key is lost.
#[test]
fn lies_while_slots_move() {
    let cases: Vec<_> = ASKED
        .iter()
        .flat_map(|(kind, to)| lies().map(|(what, lie)| (*kind, *to, what, lie)))
        .collect();
    let left = Mutex::new(cases.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no case panics with it").next();
                    let Some((kind, to, what, lie)) = next else {
                        break;
                    };
                    a_lie_while_slots_move(kind, to, what, lie);
                }
            });
        }
    });
}

/// Cases that run side by side.
const ABREAST: usize = 4;

/// Some of them are in the slots that move.
const KEYS: i64 = 400;

#[track_caller]
fn a_lie_while_slots_move(kind: ServerKind, to: &'static str, what: &str, lie: Lie) {
    let servers = Servers::prepare(kind)
        .grid(2, 1)
        .node_timeout_ms(1000)
        .start();
    let whole = [Shard::new("host1:7000", &[], "0-16383")];
    native::form(&servers, &whole);
    for key in 0..KEYS {
        servers.ok("host1:7000", &["SET", &format!("key{key}"), "value"]);
    }
    let parts = [
        Shard::new("host1:7000", &[], "0-16199"),
        Shard::new("host2:7000", &[], "16200-16383"),
    ];
    let rcl = Rcl::new();
    let truth = Yaml::new(&servers, &parts).to_string();
    let real = servers.address("host1:7000");
    let liar = Hostile::before(real, move |command| {
        let command = command.join(" ").to_ascii_uppercase();
        command.starts_with(to).then(lie)
    });
    let at = format!("{{at: \"{}\", announce: \"{real}\"}}", liar.address);
    rcl.file(
        "rcl.yaml",
        &truth.replace("primary: host1:7000", &format!("primary: {at}")),
    );
    let (code, streams) = rcl.run(&["apply", "--yes", "-v"]).whatever();
    let all = format!("{}{}", streams.stdout(), streams.stderr());
    let case = format!("{what} to {to} on {}", kind.name());
    assert!(matches!(code, Some(0 | 1 | 3)), "{case}: {code:?}\n{all}");
    let obeyed = |letter: char| letter.is_control() && letter != '\n';
    assert!(!all.contains(obeyed), "{case}: {all:?}");
    assert!(!all.contains("panicked"), "{case}: {all}");
    rcl.file("rcl.yaml", &truth);
    rcl.run(&["apply", "--yes"]).code(0);
    judge::wait_until_matches(&servers, &parts);
    let keys = ["host1:7000", "host2:7000"].map(|node| servers.call(node, &["DBSIZE"]).integer());
    assert_eq!(keys.iter().sum::<i64>(), KEYS, "{case}: {all}");
}
