//! What the pages say that can be looked up in the code.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{CommandFactory, Parser};
use rcl::cli::Cli;

use super::{blocks, pages, read};

/// Command lines of rcl on a page: in its blocks, and between backticks in its text.
fn command_lines(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in markdown.lines() {
        if let Some(info) = line.strip_prefix("```") {
            // Blocks that show output are no command lines.
            inside = !inside && info != "text";
            continue;
        }
        if inside {
            let line = line.split(" #").next().unwrap_or(line);
            let line = line.split(" > ").next().unwrap_or(line);
            let start = line.strip_prefix("$ ").unwrap_or(line);
            let command = start
                .split_once("/rcl ")
                .filter(|(before, _)| before.ends_with("bin"))
                .map(|(_, rest)| format!("rcl {rest}"))
                .or_else(|| start.starts_with("rcl ").then(|| start.to_owned()));
            found.extend(command);
        } else {
            let quoted = line.split('`').skip(1).step_by(2);
            found.extend(
                quoted
                    .filter(|text| text.starts_with("rcl "))
                    .map(str::to_owned),
            );
        }
    }
    found
}

/// `rcl lab`: a command is named, not shown.
fn is_a_name(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    matches!(words.as_slice(), [_, name] if Cli::command().find_subcommand(name).is_some())
}

#[test]
fn every_command_line_parses() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for line in command_lines(&read(&page)) {
            seen += 1;
            // `…` says that more of the same may follow; capitals stand for a value.
            let words = line.replace('…', "").replace("SHELL", "bash");
            if let Err(error) = Cli::try_parse_from(words.split_whitespace())
                && !is_a_name(&line)
            {
                wrong.push(format!("{}: `{line}`\n{error}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 30, "only {seen} command lines were found");
}

/// The exit codes of the help text, each with what it means on one line.
fn codes_of_the_help() -> Vec<(String, String)> {
    let help = Cli::command().render_help().to_string();
    let (_, codes) = help
        .split_once("Exit codes:\n")
        .expect("the help lists the exit codes");
    let mut found: Vec<(String, String)> = Vec::new();
    for line in codes.lines() {
        let (code, meaning) = line.trim().split_once(' ').unwrap_or_default();
        if code.parse::<u8>().is_ok() {
            found.push((code.to_owned(), meaning.trim().to_owned()));
        } else if let Some((_, whole)) = found.last_mut() {
            whole.push(' ');
            whole.push_str(line.trim());
        }
    }
    found
}

#[test]
fn the_readme_and_the_help_list_the_same_exit_codes() {
    let readme = read("README.md");
    let rows: Vec<(String, String)> = readme
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let code = cells.next()?;
            code.parse::<u8>().ok()?;
            Some((code.to_owned(), cells.next()?.to_owned()))
        })
        .collect();
    assert_eq!(rows, codes_of_the_help());
}

#[test]
fn the_readme_shows_the_seed_cluster() {
    let seed = read("plans/seed.yaml");
    let without_header: Vec<&str> = seed
        .lines()
        .skip_while(|line| line.starts_with('#'))
        .collect();
    let readme = read("README.md");
    let shown = blocks(&readme)
        .into_iter()
        .find(|block| block.info == "yaml");
    let shown = shown.expect("the README shows a file").text();
    assert_eq!(shown.lines().collect::<Vec<_>>(), without_header);
}

#[test]
fn the_readme_names_every_command_and_the_toolchain() {
    let readme = read("README.md");
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(
            readme.contains(&format!("`rcl {name}")),
            "the README doesn't tell of rcl {name}"
        );
    }
    let manifest = read("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let version = version.expect("Cargo.toml names a version of Rust");
    assert!(
        readme.contains(&format!("Rust {version}")),
        "the README doesn't name Rust {version}"
    );
}

/// The codes of blocked states and notes in the code: `code: "move-slots"`, and literals passed for one.
fn codes_of_the_code() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let folder = std::fs::read_dir("src/diff").expect("a folder of the repository");
    let files = folder.map(|entry| entry.expect("an entry").path());
    for path in files.chain(["src/cli/rights.rs".into()]) {
        let text = read(path);
        // Only the code that ships.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for line in &lines {
            let literal = line
                .strip_prefix("code: ")
                .unwrap_or(line)
                .trim_end_matches(',');
            let code = literal
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            let is_code = |text: &&str| {
                text.contains('-')
                    || line.starts_with("code: ")
                    || ["ghost", "undeclared"].contains(text)
            };
            let plain = |text: &&str| {
                text.chars()
                    .all(|char| char.is_ascii_lowercase() || char == '-')
            };
            codes.extend(code.filter(plain).filter(is_code).map(str::to_owned));
        }
    }
    codes
}

#[test]
fn the_page_of_states_lists_every_code() {
    let page = read("docs/steps.md");
    let listed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    let codes = codes_of_the_code();
    assert!(codes.len() >= 25, "{codes:?}");
    assert_eq!(listed, codes);
}

#[test]
fn the_page_of_steps_tells_of_every_command_that_plans_send() {
    let check = read("src/plan/check.rs");
    let list = |name: &str| {
        let (_, list) = check.split_once(name).expect("a list of commands");
        list.split_once("];").expect("its end").0
    };
    let page = read("docs/steps.md");
    let mut seen = 0;
    let lists = ["const KNOWN", "const EXACTLY"].map(list);
    let commands = lists
        .iter()
        .flat_map(|list| list.split('"').skip(1).step_by(2));
    for command in commands {
        seen += 1;
        let command = command.trim();
        assert!(
            page.contains(&format!("`{command}")),
            "docs/steps.md doesn't tell of {command}"
        );
    }
    assert_eq!(seen, 13);
}

#[test]
fn the_crontab_names_the_files_of_its_mail() {
    let page = read(Path::new("docs/cron.md"));
    let mail = blocks(&page).into_iter().find(|block| block.info == "text");
    let crontab = blocks(&page)
        .into_iter()
        .find(|block| block.info == "crontab");
    let (mail, crontab) = (
        mail.expect("a mail").text(),
        crontab.expect("a crontab").text(),
    );
    let (_, command) = crontab
        .split_once("nobody  ")
        .expect("a user and a command");
    assert!(mail.contains(command.trim()), "{command}");
}
