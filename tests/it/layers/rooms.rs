//! The rooms of src/ and what each may import.

use std::path::{Path, PathBuf};

use super::source::{Source, paths};
use super::{none, read, rust_files};

/// A room, and the rooms that it may import.
const ROOMS: [(&str, &[&str]); 15] = [
    ("base", &[]),
    ("desired", &["base"]),
    ("observed", &["base"]),
    ("diff", &["base", "desired", "observed"]),
    ("export", &["base", "desired", "observed"]),
    ("plan", &["base", "desired", "observed", "diff"]),
    ("lint", &["base", "desired", "observed", "diff", "plan"]),
    ("layout", &["base", "desired"]),
    ("conf", &["base", "desired"]),
    ("net", &["base"]),
    ("observe", &["base", "observed", "net"]),
    (
        "apply",
        &[
            "base", "desired", "observed", "diff", "plan", "net", "observe",
        ],
    ),
    ("lab", &["base", "desired", "conf"]),
    (
        "view",
        &[
            "base", "desired", "observed", "diff", "export", "plan", "lint", "apply",
        ],
    ),
    (
        "cli",
        &[
            "base", "desired", "observed", "diff", "export", "plan", "lint", "layout", "conf",
            "net", "observe", "apply", "lab", "view",
        ],
    ),
];

/// Crates that only these rooms or files import. Others are free, but none of them does I/O.
const CRATES: [(&str, &[&str]); 16] = [
    ("redis", &["net"]),
    ("rustls", &["net/tls"]),
    ("tokio_rustls", &["net/tls", "net/open"]),
    (
        "tokio",
        &[
            "net",
            "observe",
            "apply/driver",
            "apply/lanes",
            "apply/mover",
            "cli",
        ],
    ),
    (
        "futures_util",
        &["net", "observe", "apply/driver", "apply/lanes", "cli"],
    ),
    ("serde_saphyr", &["desired/yaml"]),
    ("serde_json", &["plan/file", "view", "lab"]),
    ("sha2", &["plan/file"]),
    ("console", &["view"]),
    ("similar", &["view"]),
    ("indicatif", &["view"]),
    ("annotate_snippets", &["view"]),
    ("rustix", &["lab", "cli/no_core", "cli/prompt", "cli/who"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
];

/// Rooms and files that compute and do nothing else: equal input gives equal bytes.
const PURE: [&str; 13] = [
    "base",
    "desired",
    "observed",
    "diff",
    "export",
    "plan",
    "lint",
    "layout",
    "conf",
    "apply/machine",
    "apply/classic",
    "apply/atomic",
    "apply/event",
];

/// What pure code doesn't name. Types of addresses (`IpAddr`) and durations are fine.
const IMPURE: [&str; 19] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::io",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::hash::RandomState",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "tokio",
    "redis",
    "futures_util",
    "rand",
];

const PRINTING: [&str; 5] = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];

/// `src/plan/order.rs` as `plan/order`; `src/plan/mod.rs` as `plan`.
fn module(path: &Path) -> String {
    let path = path.strip_prefix("src").expect("a file of src");
    let text = path.with_extension("").display().to_string();
    text.strip_suffix("/mod").unwrap_or(&text).to_owned()
}

fn within(module: &str, place: &str) -> bool {
    module
        .strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn room(module: &str) -> &str {
    module.split('/').next().unwrap_or(module)
}

/// The files of the rooms, each with its module and its code.
fn modules() -> Vec<(String, Source)> {
    let root = [PathBuf::from("src/lib.rs"), PathBuf::from("src/main.rs")];
    rust_files(&["src"])
        .into_iter()
        .filter(|path| !root.contains(path))
        .map(|path| (module(&path), Source::of(&read(&path))))
        .collect()
}

/// The room that a path leads to, by `crate::` or by as many `super::` as lead to the top.
fn target<'a>(module: &str, path: &'a [String]) -> Option<&'a str> {
    let ups = path.iter().take_while(|word| *word == "super").count();
    let name = match path[0].as_str() {
        "crate" => path.get(1)?,
        "super" if ups > module.matches('/').count() => path.get(ups)?,
        _ => return None,
    };
    ROOMS.iter().any(|(room, _)| room == name).then_some(name)
}

#[test]
fn every_room_is_in_the_table() {
    let library = Source::of(&read(Path::new("src/lib.rs"))).code;
    let mut declared: Vec<&str> = library
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let mut table: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    declared.sort_unstable();
    table.sort_unstable();
    assert_eq!(declared, table);
}

#[test]
fn rooms_import_only_what_they_may() {
    let mut found = Vec::new();
    for (module, source) in modules() {
        let Some((room, allowed)) = ROOMS.iter().find(|(name, _)| *name == room(&module)) else {
            found.push(format!("src/{module} belongs to no room"));
            continue;
        };
        for path in paths(&source.code) {
            let Some(name) = target(&module, &path).filter(|name| name != room) else {
                continue;
            };
            if !allowed.contains(&name) {
                found.push(format!("{module} imports {}", path.join("::")));
            }
        }
    }
    none(&found);
}

/// A module of the room's own may be called like a crate.
fn is_own_module(source: &Source, name: &str) -> bool {
    source.code.contains(&format!("mod {name};"))
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut found = Vec::new();
    for (module, source) in modules() {
        for path in paths(&source.code) {
            let Some((name, places)) = CRATES.iter().find(|(name, _)| *name == path[0]) else {
                continue;
            };
            let allowed = places.iter().any(|place| within(&module, place));
            if !allowed && !is_own_module(&source, name) {
                found.push(format!("{module} imports {}", path.join("::")));
            }
        }
    }
    none(&found);
}

#[test]
fn pure_rooms_compute_and_nothing_else() {
    let mut found = Vec::new();
    let is_pure = |module: &str| PURE.iter().any(|place| within(module, place));
    for (module, source) in modules().into_iter().filter(|(module, _)| is_pure(module)) {
        for path in paths(&source.code) {
            let whole = path.join("::");
            let impure = IMPURE
                .iter()
                .any(|name| whole == *name || whole.starts_with(&format!("{name}::")));
            if impure && !is_own_module(&source, &path[0]) {
                found.push(format!("{module} is to be pure and names {whole}"));
            }
        }
        let words = |char: char| !(char.is_alphanumeric() || "_!".contains(char));
        let printing = source
            .code
            .split(words)
            .filter(|word| PRINTING.contains(word));
        found.extend(printing.map(|name| format!("{module} is to be pure and calls {name}")));
    }
    none(&found);
}

/// What a clock that can be set says stands in stamps and nowhere else: no wait and no limit hangs on it.
#[test]
fn only_stamps_ask_what_time_it_is() {
    let stamps = ["cli/journal", "cli/saved", "cli/who"];
    let asking = ["SystemTime", "UNIX_EPOCH", "clock_gettime"];
    let mut found = Vec::new();
    for (module, source) in modules() {
        let asks = asking.iter().any(|name| source.code.contains(name));
        if asks != stamps.contains(&module.as_str()) {
            found.push(format!("{module} asks what time it is: {asks}"));
        }
    }
    none(&found);
}

#[test]
fn the_program_is_a_thin_line() {
    let main = Source::of(&read(Path::new("src/main.rs"))).code;
    let used: Vec<String> = paths(&main)
        .into_iter()
        .filter(|path| path[0] == "rcl")
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(used, ["rcl::cli::run"]);
    assert!(main.lines().count() <= 40);
}

#[test]
fn the_design_page_shows_the_same_table() {
    let page = read(Path::new("docs/design.md"));
    let mut found = Vec::new();
    for (room, allowed) in ROOMS {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{room}` |")));
        let Some(shown) = row.and_then(|row| row.trim_end_matches(['|', ' ']).rsplit('|').next())
        else {
            found.push(format!("docs/design.md has no row for {room}"));
            continue;
        };
        let mut shown: Vec<&str> = shown.split(',').map(str::trim).collect();
        let mut allowed: Vec<&str> = match room {
            "cli" => vec!["everything"],
            _ if allowed.is_empty() => vec!["nothing"],
            _ => allowed.to_vec(),
        };
        shown.sort_unstable();
        allowed.sort_unstable();
        if shown != allowed {
            found.push(format!(
                "docs/design.md lets {room} import {shown:?}, not {allowed:?}"
            ));
        }
    }
    none(&found);
}

#[test]
fn tells_where_paths_lead() {
    let words = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    for (module, path, leads_to) in [
        ("plan/order", "crate::net::Wire", Some("net")),
        ("plan/order", "super::net::Wire", None),
        ("plan/order", "super::super::net::Wire", Some("net")),
        ("plan", "super::net::Wire", Some("net")),
        ("observe", "super::view", Some("view")),
        ("plan", "std::net::IpAddr", None),
        ("plan", "super::slots::assign", None),
    ] {
        assert_eq!(target(module, &words(path)), leads_to, "{module}: {path}");
    }
}
