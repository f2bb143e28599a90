//! Servers that answer nonsense, lies, too much or nothing: a clear error, bounded memory and time, no panic, and nothing
//! that a terminal obeys.

use crate::support::Rcl;
use crate::support::hostile::{Answer, Hostile, bulk, plausible};

const ID: &str = "451b000000000000000000000000000000000000";
const OTHER: &str = "9e25000000000000000000000000000000000000";

/// rcl itself takes a tenth of it.
const MOST_MEMORY: u64 = 100 << 20;

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
        let streams = rcl.run_within(MOST_MEMORY, &arguments);
        let streams = streams.one_of(&[0, 1, 2, 3]);
        let all = format!("{}{}", streams.stdout(), streams.stderr());
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
