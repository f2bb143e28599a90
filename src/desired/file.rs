//! The file as it is written: the tree read into structs that mirror it, every value with its
//! place. What the values mean together is `resolve`'s business.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::access::{self, AccessEntry};
use super::address::{self, NodeAddress, is_name};
use super::finding::{Findings, Place, Placed, quoted};
use super::option;
use super::policy;
use super::read::{Field, Wanted, check_name, entries, fields, text};
use super::shards::{ShardEntry, shards};
use super::yaml::{Tree, Value};
use super::{Announce, HostAddress, HostName, Policy, SecretSource, Setting};
use crate::base::NodeId;

/// A whole file. What could not be read is left out and reported.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) cluster: Option<Placed<String>>,
    pub(super) hosts: Vec<HostEntry>,
    pub(super) config: Options,
    pub(super) shards: Vec<ShardEntry>,
    /// The key `shards`, for what concerns all of them.
    pub(super) shards_place: Place,
    pub(super) policy: Policy,
    pub(super) policy_place: Option<Place>,
    pub(super) access: Option<AccessEntry>,
    /// Sections that could not be read as a whole, so that nothing is said to be missing in them.
    pub(super) broken_hosts: bool,
    pub(super) broken_shards: bool,
}

#[derive(Debug)]
pub(super) struct HostEntry {
    pub(super) name: Placed<HostName>,
    pub(super) address: Option<Placed<HostAddress>>,
    pub(super) zone: Option<String>,
    pub(super) config: Options,
    pub(super) access: Option<AccessEntry>,
}

/// By the spelling that rcl keeps.
pub(super) type Options = BTreeMap<String, Setting>;

#[derive(Debug)]
pub(super) struct NodeEntry {
    /// As written.
    pub(super) name: Placed<String>,
    pub(super) address: NodeAddress,
    pub(super) announce: Option<Placed<Announce>>,
    pub(super) hostname: Option<String>,
    pub(super) id: Option<Placed<NodeId>>,
}

const FILE: Wanted<'_> = Wanted {
    what: "the file",
    example: "`cluster: NAME` on the first line, then `hosts:` and `shards:`",
};
const HOSTS: Wanted<'_> = Wanted {
    what: "`hosts`",
    example: "a line for each host, such as `host1: 192.168.81.100`",
};
const CONFIG: Wanted<'_> = Wanted {
    what: "`config`",
    example: "a line for each option, such as `maxmemory: 8gb`",
};

pub(super) fn file(tree: &Tree, findings: &mut Findings) -> File {
    let mut file = File {
        shards_place: tree.place,
        ..File::default()
    };
    let known = ["cluster", "hosts", "config", "shards", "policy", "access"];
    if let Value::Nothing = tree.value {
        findings.add(
            tree.place,
            "the file is empty",
            format!("write {}", FILE.example),
        );
        file.broken_shards = true;
        return file;
    }
    let Some([cluster, hosts, config, shard_map, policy, access]) =
        fields(tree, FILE, known, findings)
    else {
        file.broken_shards = true;
        return file;
    };
    file.cluster = cluster_name(cluster, tree.place, findings);
    if let Some(field) = hosts {
        match host_entries(field.value, findings) {
            Some(hosts) => file.hosts = hosts,
            None => file.broken_hosts = true,
        }
    }
    if let Some(field) = config {
        file.config = options(field.value, findings);
    }
    if let Some(field) = shard_map {
        file.shards_place = field.key;
        match shards(field.value, findings) {
            Some(shards) => file.shards = shards,
            None => file.broken_shards = true,
        }
    }
    if let Some(field) = policy {
        file.policy_place = Some(field.key);
        file.policy = policy::read(field.value, findings);
    }
    file.access = access.map(|field| access::read(field, findings));
    file
}

fn cluster_name(
    field: Option<Field<'_>>,
    top: Place,
    findings: &mut Findings,
) -> Option<Placed<String>> {
    let example = "a name, such as `cluster: orders`";
    let Some(field) = field else {
        findings.add(top, "`cluster` is missing", format!("write {example}"));
        return None;
    };
    let wanted = Wanted {
        what: "`cluster`",
        example,
    };
    let name = text(field.value, wanted, findings)?;
    check_name(&name.value, name.place, "a cluster", findings).then_some(name)
}

fn host_entries(tree: &Tree, findings: &mut Findings) -> Option<Vec<HostEntry>> {
    let mut hosts = Vec::new();
    for (name, value) in entries(tree, HOSTS, findings)? {
        let mut host = HostEntry {
            name: Placed::new(HostName(name.value.to_owned()), name.place),
            address: None,
            zone: None,
            config: Options::new(),
            access: None,
        };
        if address::host_address(name.value).is_ok_and(|it| matches!(it, HostAddress::Ip(_))) {
            findings.add(
                name.place,
                format!("the address {} stands where the name of a host belongs", quoted(name.value)),
                "write a name before the address, such as host1; a bare address needs no entry here",
            );
        } else {
            check_name(name.value, name.place, "a host", findings);
        }
        read_host(value, &mut host, findings);
        hosts.push(host);
    }
    Some(hosts)
}

fn read_host(tree: &Tree, host: &mut HostEntry, findings: &mut Findings) {
    let wanted = Wanted {
        what: "a host",
        example: "its address, or {address: 192.168.81.100, zone: rack-a}",
    };
    if let Value::Text(_) = tree.value {
        host.address = host_address(tree, findings);
        return;
    }
    let known = ["address", "zone", "config", "access"];
    let Some([address, zone, config, access]) = fields(tree, wanted, known, findings) else {
        return;
    };
    match address {
        Some(field) => host.address = host_address(field.value, findings),
        None => findings.add(
            host.name.place,
            format!("the host {} has no address", quoted(&host.name.value.0)),
            "write {address: 192.168.81.100} with its address",
        ),
    }
    host.zone = zone.and_then(|field| {
        let wanted = Wanted {
            what: "`zone`",
            example: "the name of a zone, such as `zone: rack-a`",
        };
        Some(text(field.value, wanted, findings)?.value)
    });
    if let Some(field) = config {
        host.config = options(field.value, findings);
    }
    host.access = access.map(|field| access::read(field, findings));
}

fn host_address(tree: &Tree, findings: &mut Findings) -> Option<Placed<HostAddress>> {
    let wanted = Wanted {
        what: "`address`",
        example: "an IP address or a DNS name",
    };
    let text = text(tree, wanted, findings)?;
    match address::host_address(&text.value) {
        Ok(address) => Some(Placed::new(address, text.place)),
        Err((message, help)) => {
            findings.add(text.place, message, help);
            None
        }
    }
}

fn options(tree: &Tree, findings: &mut Findings) -> Options {
    let mut options: BTreeMap<String, (Setting, Place)> = BTreeMap::new();
    for (name, value) in entries(tree, CONFIG, findings).unwrap_or_default() {
        if !check_name(name.value, name.place, "an option", findings) {
            continue;
        }
        if let Some(refusal) = option::refusal(name.value) {
            findings.add(
                name.place,
                format!("`{}` {}", name.value, refusal.why),
                refusal.help,
            );
            continue;
        }
        let canonical = option::canonical(name.value);
        if let Some((_, first)) = options.get(&canonical) {
            findings.add_related(
                name.place,
                format!("`{}` and `{canonical}` are the same option", name.value),
                "leave one of the two out",
                (*first, "first written here"),
            );
            continue;
        }
        if let Some(setting) = setting(name.value, value, findings) {
            options.insert(canonical, (setting, name.place));
        }
    }
    options
        .into_iter()
        .map(|(name, (setting, _))| (name, setting))
        .collect()
}

fn setting(option: &str, tree: &Tree, findings: &mut Findings) -> Option<Setting> {
    let value = match &tree.value {
        Value::Map(_) => return secret_setting(option, tree, findings),
        // The value is never repeated in a message: it may be the secret itself.
        Value::Text(_) | Value::List(_) | Value::Nothing if option::is_secret(option) => {
            findings.add(
                tree.place,
                format!("the secret `{option}` must not stand in the file"),
                format!("write {option}: {{env: NAME}} or {option}: {{file: PATH}}"),
            );
            return None;
        }
        Value::Text(value) => value,
        Value::Nothing => {
            findings.add(
                tree.place,
                format!("`{option}` has no value"),
                "write \"\" for the empty value, or leave the option out",
            );
            return None;
        }
        Value::List(_) => {
            findings.add(
                tree.place,
                format!("`{option}` has to be a text, but this is a list"),
                "write the values as one text in quotes, such as \"3600 1 300 100\"",
            );
            return None;
        }
    };
    if value.contains(char::is_control) {
        findings.add(
            tree.place,
            format!("`{option}` holds a control character"),
            "write the value on one line and without control characters",
        );
        return None;
    }
    if let Err(mistake) = option::check_value(option, value) {
        findings.add(tree.place, mistake.message, mistake.help);
        return None;
    }
    Some(Setting::Plain(value.clone()))
}

fn secret_setting(option: &str, tree: &Tree, findings: &mut Findings) -> Option<Setting> {
    if option::since(option).is_some() && !option::is_secret(option) {
        findings.add(
            tree.place,
            format!("`{option}` is not a secret"),
            "write its value as a text",
        );
        return None;
    }
    Some(Setting::Secret {
        source: secret_source(option, tree, findings)?,
        value: None,
    })
}

/// `{env: NAME}` or `{file: PATH}`.
pub(super) fn secret_source(
    option: &str,
    tree: &Tree,
    findings: &mut Findings,
) -> Option<SecretSource> {
    let wanted = Wanted {
        what: "a secret",
        example: "{env: NAME} or {file: PATH}",
    };
    match fields(tree, wanted, ["env", "file"], findings)? {
        [Some(env), None] => {
            let name = text(env.value, wanted, findings)?;
            let valid = is_name(&name.value) && !name.value.contains(['.', '-']);
            if !valid {
                findings.add(
                    name.place,
                    "this can't be the name of an environment variable",
                    "write letters, digits and _ only, such as {env: RCL_MASTERAUTH}",
                );
                return None;
            }
            Some(SecretSource::Env(name.value))
        }
        [None, Some(file)] => Some(SecretSource::File(PathBuf::from(
            text(file.value, wanted, findings)?.value,
        ))),
        [Some(_), Some(_)] => {
            findings.add(
                tree.place,
                format!("the secret `{option}` has two sources"),
                "write {env: NAME} or {file: PATH}, not both",
            );
            None
        }
        [None, None] => {
            findings.add(
                tree.place,
                format!("the secret `{option}` has no source"),
                "write {env: NAME} or {file: PATH}",
            );
            None
        }
    }
}
