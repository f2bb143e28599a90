//! The desired state as a file that reads back as the same desired state.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::base::{NodeName, SlotSet};
use crate::desired::{
    Access, Announce, Apart, Desired, Engine, Host, HostAddress, HostName, Moves, Node, Policy,
    SecretSource, Setting, Shard, SlotShare,
};

use super::page::{Page, clean};
use super::styles::{Meaning, Styles};

/// Lines are broken before this column where they can be.
const WIDTH: usize = 100;

/// The file, beginning with the comments, a paragraph each.
#[must_use]
pub fn file(desired: &Desired, comments: &[String]) -> String {
    let mut text = String::new();
    for comment in comments {
        push_comment(&mut text, comment);
    }
    let Desired {
        cluster,
        hosts,
        shards,
        nodes,
        policy,
        access,
    } = desired;
    text.push_str(&format!("cluster: {}\n", scalar(cluster)));
    let config = Config::of(desired);
    if let Some(line) = login(access) {
        text.push_str(&format!("access: {line}\n"));
    }
    push_hosts(&mut text, hosts, access, &config);
    if !config.everywhere.is_empty() {
        text.push_str("config:\n");
        for (option, setting) in &config.everywhere {
            text.push_str(&format!("  {}: {}\n", scalar(option), value(setting)));
        }
    }
    text.push_str("shards:\n");
    for shard in shards {
        push_shard(&mut text, shard, nodes);
    }
    push_policy(&mut text, policy);
    text
}

/// For people, beside the file.
#[must_use]
pub fn remarks(remarks: &[String], styles: Styles) -> String {
    let mut page = Page::new(styles);
    for remark in remarks {
        page.put(Meaning::Note, "Note: ").plain(remark).end();
    }
    page.into_text()
}

/// Words of servers may stand in a comment, so it is cleaned, and broken into lines.
fn push_comment(text: &mut String, comment: &str) {
    for paragraph in comment.lines() {
        let mut line = "#".to_owned();
        let indent = &paragraph[..paragraph.len() - paragraph.trim_start().len()];
        line.push_str(indent);
        for word in paragraph.split_whitespace() {
            let word = clean(word);
            if line.len() > 1 + indent.len() && line.len() + 1 + word.len() > WIDTH {
                text.push_str(&line);
                line = format!("\n#{indent}");
            }
            line.push(' ');
            line.push_str(&word);
        }
        text.push_str(&line);
        text.push('\n');
    }
}

/// Options by how far they reach.
struct Config<'a> {
    everywhere: BTreeMap<&'a str, &'a Setting>,
    by_host: BTreeMap<&'a HostName, BTreeMap<&'a str, &'a Setting>>,
}

impl<'a> Config<'a> {
    fn of(desired: &'a Desired) -> Self {
        // Options of a bare address have nowhere else to stand; hosts with other values override.
        let is_bare = |node: &&Node| {
            let host = desired.hosts.get(&node.host);
            host.is_some_and(|host| is_bare(&node.host, host))
        };
        let all = || desired.nodes.values();
        let models: Vec<&Node> = all().filter(is_bare).collect();
        let models = match models.is_empty() {
            true => all().collect(),
            false => models,
        };
        let first = models.first().into_iter().flat_map(|node| &node.config);
        let everywhere: BTreeMap<&str, &Setting> = first
            .filter(|(option, value)| {
                let shared = |node: &&Node| node.config.get(*option) == Some(value);
                models.iter().all(shared) && all().all(|node| node.config.contains_key(*option))
            })
            .map(|(option, value)| (option.as_str(), value))
            .collect();
        let mut by_host: BTreeMap<&HostName, BTreeMap<&str, &Setting>> = BTreeMap::new();
        for node in desired.nodes.values() {
            let own = by_host.entry(&node.host).or_default();
            let rest = node
                .config
                .iter()
                .map(|(option, value)| (option.as_str(), value));
            own.extend(rest.filter(|(option, value)| everywhere.get(option) != Some(value)));
        }
        Self {
            everywhere,
            by_host,
        }
    }
}

fn push_hosts(
    text: &mut String,
    hosts: &BTreeMap<HostName, Host>,
    everyone: &Access,
    config: &Config<'_>,
) {
    let mut named: Vec<(&HostName, &Host)> = hosts
        .iter()
        .filter(|(name, host)| !is_bare(name, host))
        .collect();
    if named.is_empty() {
        return;
    }
    named.sort_by_key(|(name, _)| counting(&name.0));
    text.push_str("hosts:\n");
    for (name, host) in named {
        let Host {
            address,
            zone,
            access,
        } = host;
        let access = login(access).filter(|_| access != everyone);
        let own = config.by_host.get(name).filter(|own| !own.is_empty());
        let address = scalar(&address.to_string());
        let name = scalar(&name.0);
        let line = match (zone, own, access) {
            (None, None, None) => format!("{name}: {address}"),
            (zone, own, access) => {
                let mut fields = vec![format!("address: {address}")];
                fields.extend(zone.as_ref().map(|zone| format!("zone: {}", scalar(zone))));
                fields.extend(own.map(|own| {
                    let own: Vec<String> = own
                        .iter()
                        .map(|(option, setting)| format!("{}: {}", scalar(option), value(setting)))
                        .collect();
                    format!("config: {{{}}}", own.join(", "))
                }));
                fields.extend(access.map(|access| format!("access: {access}")));
                format!("{name}: {{{}}}", fields.join(", "))
            }
        };
        text.push_str(&format!("  {line}\n"));
    }
}

/// How rcl logs in, where that is said.
fn login(access: &Access) -> Option<String> {
    let Access {
        username,
        password,
        tls,
    } = access;
    let mut fields = Vec::new();
    fields.extend(
        username
            .as_ref()
            .map(|user| format!("username: {}", scalar(user))),
    );
    fields.extend(
        password
            .as_ref()
            .map(|password| format!("password: {}", source(&password.source))),
    );
    fields.extend(tls.as_ref().map(|tls| {
        let path = |path: &Path| scalar(&path.to_string_lossy());
        let mut own = vec![format!("ca: {}", path(&tls.ca))];
        if let Some((cert, key)) = &tls.identity {
            own.push(format!("cert: {}", path(cert)));
            own.push(format!("key: {}", path(key)));
        }
        own.extend(
            tls.server_name
                .as_ref()
                .map(|name| format!("server_name: {}", scalar(name))),
        );
        format!("tls: {{{}}}", own.join(", "))
    }));
    (!fields.is_empty()).then(|| format!("{{{}}}", fields.join(", ")))
}

/// A bare address is a host that needs no entry.
fn is_bare(name: &HostName, host: &Host) -> bool {
    matches!(host.address, HostAddress::Ip(ip) if name.0 == ip.to_string())
}

/// host2 before host10.
fn counting(name: &str) -> (&str, u64, &str) {
    let word = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = name[word.len()..].parse().unwrap_or(u64::MAX);
    (word, number, name)
}

fn push_shard(text: &mut String, shard: &Shard, nodes: &BTreeMap<NodeName, Node>) {
    let Shard {
        name,
        primary,
        replicas,
        slots,
    } = shard;
    let written = |name: &NodeName| node(name, nodes.get(name));
    let name = scalar(name.as_str());
    let primary = written(primary);
    let replicas: Vec<String> = replicas.iter().map(written).collect();
    let mut fields = vec![format!("primary: {primary}")];
    if !replicas.is_empty() {
        fields.push(format!("replicas: [{}]", replicas.join(", ")));
    }
    let share = share(slots);
    fields.extend(share.iter().map(|(key, value)| format!("{key}: {value}")));
    let line = format!("  {name}: {{{}}}", fields.join(", "));
    if line.len() <= WIDTH {
        text.push_str(&line);
        text.push('\n');
        return;
    }
    text.push_str(&format!("  {name}:\n    primary: {primary}\n"));
    if !replicas.is_empty() {
        text.push_str("    replicas:\n");
    }
    for replica in replicas {
        text.push_str(&format!("      - {replica}\n"));
    }
    for (key, value) in share {
        text.push_str(&broken(&format!("    {key}: {value}")));
    }
}

/// A list may go on in the next line.
fn broken(line: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for part in line.split_inclusive(", ") {
        if width + part.trim_end().len() > WIDTH {
            text.truncate(text.trim_end().len());
            text.push_str("\n      ");
            width = 6;
        }
        text.push_str(part);
        width += part.len();
    }
    text + "\n"
}

fn node(name: &NodeName, node: Option<&Node>) -> String {
    let at = scalar(name.as_str());
    let mut fields = Vec::new();
    if let Some(node) = node {
        let announced = node.announce.as_ref().map(announce);
        fields.extend(announced.map(|address| format!("announce: {}", scalar(&address))));
        let hostname = node.hostname.as_ref();
        fields.extend(hostname.map(|name| format!("hostname: {}", scalar(name))));
        fields.extend(node.id.map(|id| format!("id: {}", scalar(id.as_str()))));
    }
    match fields.is_empty() {
        true => at,
        false => format!("{{at: {at}, {}}}", fields.join(", ")),
    }
}

fn announce(announce: &Announce) -> String {
    let Announce { ip, port, bus_port } = announce;
    let mut text = match ip.is_ipv6() {
        true => format!("[{ip}]"),
        false => ip.to_string(),
    };
    if let Some(port) = port {
        text.push_str(&format!(":{port}"));
    }
    if let Some(bus_port) = bus_port {
        text.push_str(&format!("@{bus_port}"));
    }
    text
}

fn share(slots: &SlotShare) -> Vec<(&'static str, String)> {
    match slots {
        SlotShare::Explicit(slots) => vec![("slots", ranges(slots))],
        SlotShare::Auto { weight: 1 } => Vec::new(),
        SlotShare::Auto { weight } => vec![("weight", weight.to_string())],
        SlotShare::None => vec![("slots", "none".to_owned())],
    }
}

fn ranges(slots: &SlotSet) -> String {
    let ranges: Vec<String> = slots.ranges().iter().map(ToString::to_string).collect();
    match ranges.as_slice() {
        [one] => one.clone(),
        ranges => format!("[{}]", ranges.join(", ")),
    }
}

fn value(setting: &Setting) -> String {
    match setting {
        Setting::Plain(text) => scalar(text),
        Setting::Secret { source: kept, .. } => source(kept),
    }
}

fn source(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("{{env: {}}}", scalar(name)),
        SecretSource::File(path) => format!("{{file: {}}}", scalar(&path.to_string_lossy())),
        SecretSource::Prompt => "prompt".to_owned(),
    }
}

fn push_policy(text: &mut String, policy: &Policy) {
    let Policy {
        replicas_apart,
        failback,
        prune,
        moves,
    } = policy;
    let default = Policy::default();
    let mut lines = Vec::new();
    if *replicas_apart != default.replicas_apart {
        let apart = match replicas_apart {
            Apart::Host => "host",
            Apart::Zone => "zone",
            Apart::Off => "off",
        };
        lines.push(format!("  replicas_apart: {apart}\n"));
    }
    if *failback != default.failback {
        lines.push(format!("  failback: {failback}\n"));
    }
    if *prune != default.prune {
        lines.push(format!("  prune: {prune}\n"));
    }
    if *moves != default.moves {
        let Moves {
            engine,
            batch,
            pause,
        } = moves;
        let engine = match engine {
            Engine::Auto => "auto",
            Engine::Atomic => "atomic",
            Engine::Classic => "classic",
        };
        let pause = pause.as_millis();
        lines.push(format!(
            "  move: {{engine: {engine}, batch: {batch}, pause: {pause}ms}}\n"
        ));
    }
    if !lines.is_empty() {
        text.push_str("policy:\n");
        text.extend(lines);
    }
}

/// A text as YAML: plain where every reader of YAML takes it for a text or for a number that is
/// written the same, else in double quotes.
fn scalar(text: &str) -> String {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "._/@:-".contains(letter);
    let begins = text.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    let words = BTreeSet::from(["null", "true", "false"]);
    if begins
        && text.chars().all(safe)
        && !text.ends_with(':')
        && !words.contains(&*text.to_ascii_lowercase())
    {
        return text.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            // Nothing that a terminal obeys, in whatever way the file is looked at.
            letter if super::page::is_obeyed(letter) => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::parse;

    /// Written, and read again: the same.
    #[track_caller]
    fn comes_back(yaml: &str) -> String {
        let desired = parse(yaml).unwrap();
        let text = file(&desired, &["a comment".to_owned()]);
        match parse(&text) {
            Ok(read) => assert_eq!(read, desired, "{text}"),
            Err(findings) => panic!("{findings:?}\n{text}"),
        }
        text
    }

    #[test]
    fn everything_that_a_file_can_say_comes_back() {
        let text = comes_back(
            r#"
cluster: orders
hosts:
  host10: {address: 10.0.0.10, zone: "rack: a, b", config: {maxmemory: 8gb}}
  host2: redis2.example.net
  host1: {address: "fd00::1", zone: é, config: {maxmemory: 4gb, save: ""}}
config:
  cluster-node-timeout: 15s
  cluster-require-full-coverage: no
  masterauth: {env: RCL_MASTERAUTH}
  tls-key-file-pass: {file: "a b/pass word"}
  save: "3600 1 300 100"
  proc-title-template: "{title} \\ \"x\" #y"
shards:
  a: {primary: host10:7000, replicas: [host2:7000, 10.0.0.3:7000], slots: 0-5461}
  no: {primary: "[fd00::7]:7001", slots: [5462-8000, 8002]}
  c:
    primary: {at: host1:7002, announce: "[fd00::9]:7002@17003", id: 6fc7a1b0c2d3e4f5061728394a5b6c7d8e9f0a1b}
    replicas: [{at: host2:60000, announce: "203.0.113.7@17002", hostname: c1.example.net}]
    weight: 3
  d: {primary: host2:7009, slots: none}
  e: {primary: host2:7008}
policy: {replicas_apart: off, move: {engine: classic, batch: 7, pause: 20ms}}
"#,
        );
        insta::assert_snapshot!(text, @r#"
        # a comment
        cluster: orders
        hosts:
          host1: {address: fd00::1, zone: "é", config: {maxmemory: 4gb, save: ""}}
          host2: redis2.example.net
          host10: {address: 10.0.0.10, zone: "rack: a, b", config: {maxmemory: 8gb}}
        config:
          cluster-node-timeout: 15s
          cluster-require-full-coverage: no
          masterauth: {env: RCL_MASTERAUTH}
          proc-title-template: "{title} \\ \"x\" #y"
          save: "3600 1 300 100"
          tls-key-file-pass: {file: "a b/pass word"}
        shards:
          a: {primary: host10:7000, replicas: [host2:7000, 10.0.0.3:7000], slots: 0-5461}
          no: {primary: "[fd00::7]:7001", slots: [5462-8000, 8002]}
          c:
            primary: {at: host1:7002, announce: "[fd00::9]:7002@17003", id: 6fc7a1b0c2d3e4f5061728394a5b6c7d8e9f0a1b}
            replicas:
              - {at: host2:60000, announce: 203.0.113.7@17002, hostname: c1.example.net}
            weight: 3
          d: {primary: host2:7009, slots: none}
          e: {primary: host2:7008}
        policy:
          replicas_apart: off
          move: {engine: classic, batch: 7, pause: 20ms}
        "#);
    }

    #[test]
    fn long_lists_are_broken() {
        let slots: SlotSet = (0..16_384_u16)
            .filter(|slot| slot % 7 == 0)
            .take(40)
            .collect();
        let list = ranges(&slots);
        let rest = ranges(&SlotSet::full().difference(&slots));
        let text = comes_back(&format!(
            "cluster: x\nshards:\n  a: {{primary: 10.0.0.1:1, slots: {list}}}\n  b: {{primary: 10.0.0.2:1, slots: {rest}}}\n"
        ));
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }

    #[test]
    fn texts_are_quoted_where_they_could_be_something_else() {
        for (text, written) in [
            ("host1:7000", "host1:7000"),
            ("a", "a"),
            ("", "\"\""),
            ("null", "\"null\""),
            ("True", "\"True\""),
            ("::1", "\"::1\""),
            ("[::1]:7000", "\"[::1]:7000\""),
            ("a: b", "\"a: b\""),
            ("a:", "\"a:\""),
            ("- a", "\"- a\""),
            ("a#b", "\"a#b\""),
            ("'\"\\", "\"'\\\"\\\\\""),
            ("\u{1b}[2J", "\"\\U0000001b[2J\""),
            ("\u{202e}", "\"\\U0000202e\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }

    #[test]
    fn nothing_leaves_a_comment() {
        let mut text = String::new();
        push_comment(&mut text, "one\r\ncluster: x\u{1b}[31m\u{2028}two");
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{2028}'));
        text.clear();
        push_comment(&mut text, &"word ".repeat(60));
        assert!(
            text.lines()
                .all(|line| line.starts_with("# ") && line.len() <= WIDTH)
        );
    }
}
