//! Files that are right, and any text at all.

use std::net::IpAddr;
use std::path::PathBuf;

use proptest::prelude::*;

use rcl::base::{NodeId, NodeName, Secret, ShardName};
use rcl::desired::{
    Announce, Apart, Desired, HostAddress, HostName, MAX_FILE_BYTES, SecretSource, Setting,
    SlotShare, Subject, concealed, parse, parse_with_places,
};
use rcl::view::findings::render;

const WHOLE: &str = r#"
cluster: orders
hosts:
  host1: {address: 192.168.81.100, zone: rack-a, config: {maxmemory: 8gb, slave-priority: 7}}
  host2: 192.168.81.101
  host3: redis3.example.net
  host4: {address: "fd00::4"}
config:
  cluster-node-timeout: 15s
  cluster-require-full-coverage: no
  maxmemory: 4gb
  save: ""
  primaryauth: {env: RCL_MASTERAUTH}
  tls-key-file-pass: {file: secrets/key}
shards:
  a: {primary: host1:7000, replicas: [host2:7000], slots: 0-5461}
  b:
    primary: host2:7001
    replicas:
      - host3:7001
      - "[fd00::9]:7001"
    slots: [5462-8000, 8001, 8002-10000]
  c:
    primary:
      at: host4:7002
      announce: "203.0.113.7:7002@17002"
      hostname: c1.example.net
      id: 1234567890123456789012345678901234567890
    replicas: [10.0.0.9:7002, {at: host1:60000, announce: "[2001:db8::7]@6000"}]
    weight: 2
  d: {primary: host1:7003, slots: auto}
  e: {primary: host1:7004, slots: none, replicas: []}
policy: {replicas_apart: zone, failback: false, prune: no}
"#;

fn desired(text: &str) -> Desired {
    match parse(text) {
        Ok(desired) => desired,
        Err(findings) => panic!("{}", render(&findings, "rcl.yaml", text, false)),
    }
}

fn node(name: &str) -> NodeName {
    NodeName::new(name)
}

#[test]
fn reads_every_shape() {
    let desired = desired(WHOLE);
    assert_eq!(desired.cluster, "orders");
    assert_eq!(desired.policy.replicas_apart, Apart::Zone);
    let names: Vec<&str> = desired
        .shards
        .iter()
        .map(|shard| shard.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    let shares: Vec<SlotShare> = desired
        .shards
        .iter()
        .map(|shard| shard.slots.clone())
        .collect();
    assert_eq!(
        shares,
        [
            SlotShare::Explicit("0-5461".parse().unwrap()),
            SlotShare::Explicit("5462-10000".parse().unwrap()),
            SlotShare::Auto { weight: 2 },
            SlotShare::Auto { weight: 1 },
            SlotShare::None,
        ]
    );
}

#[test]
fn reads_hosts_and_nodes_in_short_and_long_form() {
    let desired = desired(WHOLE);
    assert_eq!(
        desired.shards[1].replicas,
        [node("host3:7001"), node("[fd00::9]:7001")]
    );
    assert_eq!(desired.nodes.len(), 10);
    let host = |name: &str| &desired.hosts[&HostName(name.to_owned())];
    assert_eq!(host("host1").zone.as_deref(), Some("rack-a"));
    assert_eq!(
        host("host3").address,
        HostAddress::Dns("redis3.example.net".to_owned())
    );
    for (name, ip) in [
        ("host2", "192.168.81.101"),
        ("host4", "fd00::4"),
        ("fd00::9", "fd00::9"),
        ("10.0.0.9", "10.0.0.9"),
    ] {
        assert_eq!(
            host(name).address,
            HostAddress::Ip(ip.parse::<IpAddr>().unwrap())
        );
    }
    assert_eq!(
        desired.nodes[&node("10.0.0.9:7002")].host,
        HostName("10.0.0.9".to_owned())
    );
    let long = &desired.nodes[&node("host4:7002")];
    assert_eq!(
        long.announce,
        Some(Announce {
            ip: "203.0.113.7".parse().unwrap(),
            port: Some(7002),
            bus_port: Some(17002)
        })
    );
    assert_eq!(long.hostname.as_deref(), Some("c1.example.net"));
    assert_eq!(
        long.id,
        Some(
            "1234567890123456789012345678901234567890"
                .parse::<NodeId>()
                .unwrap()
        )
    );
    assert_eq!(
        desired.nodes[&node("host1:60000")].announce,
        Some(Announce {
            ip: "2001:db8::7".parse().unwrap(),
            port: None,
            bus_port: Some(6000)
        })
    );
}

#[test]
fn holds_options_as_written_and_hosts_override_them() {
    let desired = desired(WHOLE);
    let plain = |text: &str| Setting::Plain(text.to_owned());
    let config = &desired.nodes[&node("host1:7000")].config;
    assert_eq!(config["cluster-node-timeout"], plain("15s"));
    assert_eq!(config["cluster-require-full-coverage"], plain("no"));
    assert_eq!(config["save"], plain(""));
    assert_eq!(config["maxmemory"], plain("8gb"));
    assert_eq!(config["replica-priority"], plain("7"));
    assert_eq!(
        config["masterauth"],
        Setting::Secret {
            source: SecretSource::Env("RCL_MASTERAUTH".to_owned()),
            value: None
        }
    );
    assert_eq!(
        config["tls-key-file-pass"],
        Setting::Secret {
            source: SecretSource::File(PathBuf::from("secrets/key")),
            value: None
        }
    );
    let config = &desired.nodes[&node("host2:7000")].config;
    assert_eq!(config["maxmemory"], plain("4gb"));
    assert_eq!(config.get("replica-priority"), None);
}

#[test]
fn fills_in_secrets_once_and_never_shows_them() {
    let mut desired = desired(WHOLE);
    let mut asked = Vec::new();
    let failures = desired.resolve_secrets(|source| {
        asked.push(source.clone());
        match source {
            SecretSource::Env(name) => Ok(Secret::new(format!("hunter2 of {name}"))),
            SecretSource::File(path) => Err(format!("no {}", path.display())),
            SecretSource::Prompt => Err("nobody types here".to_owned()),
        }
    });
    assert_eq!(failures, Err(vec!["no secrets/key".to_owned()]));
    assert_eq!(asked.len(), 2);
    assert!(!format!("{desired:?}").contains("hunter2"));
    for node in desired.nodes.values() {
        match &node.config["masterauth"] {
            Setting::Secret { value, .. } => {
                assert_eq!(
                    value.as_ref().unwrap().expose(),
                    "hunter2 of RCL_MASTERAUTH"
                );
            }
            Setting::Plain(_) => panic!("a secret became plain"),
        }
    }
}

#[test]
fn knows_where_everything_stands() {
    let text = WHOLE;
    let (_, places) = parse_with_places(text).unwrap();
    for (subject, written) in [
        (Subject::Cluster, "orders"),
        (Subject::Policy, "policy"),
        (Subject::Host(HostName("host3".to_owned())), "host3"),
        (Subject::Shard(ShardName::new("c")), "c"),
        (Subject::Node(node("host4:7002")), "host4:7002"),
        (Subject::Node(node("[fd00::9]:7001")), "\"[fd00::9]:7001\""),
    ] {
        let place = places.get(&subject).unwrap();
        assert_eq!(&text[place.bytes()], written);
        let line = text.lines().nth(place.line - 1).unwrap();
        let from: String = line.chars().skip(place.column - 1).collect();
        assert!(from.starts_with(written), "{from}");
    }
    assert_eq!(
        places.get(&Subject::Host(HostName("fd00::9".to_owned()))),
        None
    );
}

#[test]
fn aliases_and_merges_are_plain_yaml() {
    let desired = desired(
        r#"
cluster: orders
hosts:
  host1: &host {address: 10.0.0.1, zone: a, config: &config {maxmemory: 1gb}}
  host2: {<<: *host, address: 10.0.0.2}
config: *config
shards:
  a: {primary: host1:7000, replicas: [host2:7000]}
"#,
    );
    let host = &desired.hosts[&HostName("host2".to_owned())];
    assert_eq!(host.zone.as_deref(), Some("a"));
    assert_eq!(host.address.to_string(), "10.0.0.2");
}

#[test]
fn reads_windows_line_ends_and_a_byte_order_mark() {
    let text = format!("\u{feff}{}", WHOLE.trim_start().replace('\n', "\r\n"));
    assert_eq!(desired(&text), desired(WHOLE));
}

#[test]
fn refuses_what_would_take_too_long_or_too_much() {
    let message = |text: &str| parse(text).unwrap_err()[0].message.clone();
    assert_eq!(
        message(&"#".repeat(MAX_FILE_BYTES + 1)),
        "the file has more than 4 MiB"
    );
    assert_eq!(
        message(&format!("a: {}", "[".repeat(10_000))),
        "values are nested more than 16 levels deep"
    );
    let nodes: String = (0..9_000)
        .map(|index| {
            format!(
                "  s{index}: {{primary: 10.{}.{}.1:7000}}\n",
                index / 250,
                index % 250
            )
        })
        .collect();
    let options: String = (0..200)
        .map(|index| format!("  option{index}: x\n"))
        .collect();
    assert_eq!(
        message(&format!("cluster: x\nconfig:\n{options}shards:\n{nodes}")),
        "9000 nodes with 200 options each are more than rcl can hold"
    );
}

#[test]
fn a_file_full_of_mistakes_shows_a_hundred() {
    let shards: String = (0..2_000)
        .map(|index| format!("  s{index}: {{primary: hots{index}:7000, slots: 0-16383}}\n"))
        .collect();
    let text = format!("cluster: x\nhosts: {{host1: 10.0.0.1}}\nshards:\n{shards}");
    let findings = parse(&text).unwrap_err();
    assert_eq!(findings.len(), 101);
    assert_eq!(findings[100].message, "3899 more mistakes are not shown");
    assert!(findings[..100].is_sorted_by_key(|finding| finding.place));
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        // The signs that mean something to YAML, so that more than the first line is reached.
        "[a-c0-9:,\\-\\[\\]{}'\"#&*!|>%@~ \t\n\u{85}\r]{0,200}",
    ]
}

/// The whole file with some stretches replaced, repeated or left out.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (0..WHOLE.len(), 0..40usize, any_text(), 0..3u8);
    prop::collection::vec(edit, 1..4).prop_map(|edits| {
        let mut text = WHOLE.to_owned();
        for (at, length, other, kind) in edits {
            let floor = |index: usize| {
                let mut index = index.min(text.len());
                while !text.is_char_boundary(index) {
                    index -= 1;
                }
                index
            };
            let range = floor(at)..floor(at + length);
            let old = text[range.clone()].to_owned();
            match kind {
                0 => text.replace_range(range, ""),
                1 => text.insert_str(range.start, &old),
                _ => text.replace_range(range, &other.chars().take(20).collect::<String>()),
            }
        }
        text
    })
}

/// What holds for any text: no panic, findings in order, each at a place that exists.
fn check_any(text: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(concealed(text).len(), text.len());
    let Err(findings) = parse(text) else {
        return Ok(());
    };
    prop_assert!(!findings.is_empty());
    for finding in &findings {
        prop_assert!(text.get(finding.place.bytes()).is_some(), "{finding:?}");
        prop_assert!(!finding.message.is_empty() && !finding.help.is_empty());
        prop_assert!(!finding.message.contains(char::is_control), "{finding:?}");
    }
    for colour in [false, true] {
        let shown = render(&findings, "rcl.yaml", text, colour);
        prop_assert!(shown.matches("help").count() >= findings.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_text_gives_a_state_or_findings(text in any_text()) {
        check_any(&text)?;
    }

    #[test]
    fn any_change_gives_a_state_or_findings(text in mutated()) {
        check_any(&text)?;
    }
}
