//! What holds of the files themselves.

use std::fs;
use std::path::{Path, PathBuf};

use super::source::Source;
use super::{none, read, rust_files};

/// Everything that is committed at the top, but for Cargo.lock, which names a registry in every line.
const TOP: [&str; 11] = [
    ".ci",
    ".gitignore",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "docs",
    "plans",
    "src",
    "tests",
    "Cargo.lock",
];

/// Files are split at this many lines.
const MOST_LINES: usize = 600;

fn committed() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let top = TOP.iter().filter(|name| **name != "Cargo.lock");
    let mut paths: Vec<PathBuf> = top.map(PathBuf::from).collect();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder of the repository");
            paths.extend(
                entries
                    .map(|entry| entry.expect("an entry").path())
                    // What `rcl lab` leaves beside a plan is not committed.
                    .filter(|path| !path.ends_with(".lab")),
            );
        } else if path.exists() {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn every_file_says_what_it_is() {
    let missing = rust_files(&["src", "tests"])
        .into_iter()
        .filter(|path| !read(path).starts_with("//! "))
        .map(|path| format!("{} doesn't begin with //!", path.display()));
    none(&missing.collect::<Vec<_>>());
}

#[test]
fn files_stay_short() {
    let long = rust_files(&["src"]).into_iter().filter_map(|path| {
        let lines = read(&path).lines().count();
        (lines > MOST_LINES).then(|| format!("{} has {lines} lines; split it", path.display()))
    });
    none(&long.collect::<Vec<_>>());
}

/// A file that no `mod` names is compiled by nobody, and its tests never run.
#[test]
fn every_file_is_part_of_a_crate() {
    let fuzz = Path::new("tests/fuzz");
    let targets = read(&fuzz.join("Cargo.toml"));
    let mut found = Vec::new();
    for path in rust_files(&["src", "tests"]) {
        let Some((parents, name)) = parents(&path) else {
            continue;
        };
        let target = path.strip_prefix(fuzz).ok();
        if target.is_some_and(|path| targets.contains(&format!("path = {path:?}\n"))) {
            continue;
        }
        let named = parents
            .iter()
            .filter(|parent| parent.exists())
            .any(|parent| {
                Source::of(&read(parent)).code.lines().any(|line| {
                    line.trim_end_matches(';')
                        .split_whitespace()
                        .rev()
                        .take(2)
                        .eq([name.as_str(), "mod"])
                })
            });
        if !named {
            found.push(format!("{} is no module of any crate", path.display()));
        }
    }
    none(&found);
}

/// The files that may hold `mod NAME;` for this one; none for the head of a crate.
fn parents(path: &Path) -> Option<(Vec<PathBuf>, String)> {
    let stem = path.file_stem()?.to_str()?;
    let folder = path.parent()?;
    let (folder, name) = match stem {
        "main" | "lib" => return None,
        "mod" => (folder.parent()?, folder.file_name()?.to_str()?),
        _ => (folder, stem),
    };
    let heads = ["main.rs", "lib.rs", "mod.rs"].map(|head| folder.join(head));
    let mut parents = heads.to_vec();
    parents.push(folder.with_extension("rs"));
    Some((parents, name.to_owned()))
}

#[test]
fn the_tree_holds_nothing_that_only_this_machine_has() {
    // Put together here, so that this file holds none of them itself.
    let notes = ["DESIGN", "FIELD", "PEERS", "STYLE"].map(|name| format!("{name}.{}", "md"));
    let hosts = [
        ("crates", "io"),
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("rubygems", "org"),
    ];
    let mut forbidden: Vec<String> = hosts
        .iter()
        .map(|(name, top)| format!("{name}.{top}"))
        .collect();
    forbidden.extend(notes);
    forbidden.extend([
        format!("/{}/", "work"),
        format!("/{}/", "root"),
        format!("../{}", "shared"),
    ]);
    let mut found = Vec::new();
    for path in committed() {
        for (line, text) in (1..).zip(read(&path).lines()) {
            let hits = forbidden.iter().filter(|word| text.contains(word.as_str()));
            found.extend(hits.map(|word| format!("{}:{line} has {word}", path.display())));
        }
    }
    none(&found);
}

/// Primary and replica, unless a server's own text is quoted.
#[test]
fn roles_have_their_modern_names() {
    let mut found = Vec::new();
    for path in committed() {
        let text = read(&path);
        let said = match path.extension().and_then(|kind| kind.to_str()) {
            Some("rs") => {
                let source = Source::of(&text);
                vec![source.code, without_code(&source.comments)]
            }
            Some("md") => vec![without_code(&without_blocks(&text))],
            // What servers say themselves, for the parsers.
            Some("dict") => Vec::new(),
            Some(_) | None if path.starts_with("tests/fuzz/corpus") => Vec::new(),
            Some(_) | None => vec![text],
        };
        for (line, text) in said.iter().flat_map(|said| (1..).zip(said.lines())) {
            let lower = text.to_lowercase();
            let old = ["master", "slave"]
                .into_iter()
                .filter(|old| lower.contains(old));
            found.extend(old.map(|old| format!("{}:{line} says {old}", path.display())));
        }
    }
    none(&found);
}

/// Without what stands between backticks.
fn without_code(text: &str) -> String {
    text.split_inclusive('\n')
        .flat_map(|line| line.split('`').step_by(2))
        .collect()
}

/// Without fenced blocks: they show what servers and other programs say.
fn without_blocks(markdown: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    for path in committed()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
    {
        let folder = path.parent().unwrap_or(Path::new(""));
        let text = without_blocks(&read(&path));
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                path.clone()
            } else {
                folder.join(file)
            };
            if !file.exists() {
                found.push(format!(
                    "{} links to {target}, which is not there",
                    path.display()
                ));
            } else if !place.is_empty() && !headings(&read(&file)).contains(&place.to_owned()) {
                found.push(format!(
                    "{} links to {target}, a heading that is not there",
                    path.display()
                ));
            }
        }
    }
    none(&found);
}

/// The anchors of a page's headings, as they are made from their texts.
fn headings(markdown: &str) -> Vec<String> {
    without_blocks(markdown)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|char| char.is_alphanumeric() || " -_".contains(*char));
            kept.map(|char| if char == ' ' { '-' } else { char })
                .collect()
        })
        .collect()
}
