//! The examples of the documentation, and the lists in it that have to keep up with the code.

use std::fs;
use std::path::PathBuf;

use rcl::cli::check::{CheckArgs, run};
use rcl::desired::{MAX_FILE_BYTES, parse};
use rcl::lint::RULES;
use rcl::view::findings::render;

/// A fenced block: its info string, its text, and the line it starts on.
struct Block {
    info: String,
    text: String,
    line: usize,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in markdown.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            open = !open;
            if open {
                blocks.push(Block {
                    info: info.to_owned(),
                    text: String::new(),
                    line: index + 1,
                });
            }
        } else if let (true, Some(block)) = (open, blocks.last_mut()) {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    assert!(!open, "a block is not closed");
    blocks
}

/// A whole file around an example that shows one section.
fn completed(example: &str) -> String {
    let has = |key: &str| example.lines().any(|line| line.starts_with(key));
    let mut text = example.to_owned();
    if !has("cluster:") {
        text.push_str("cluster: example\n");
    }
    if !has("shards:") {
        let nodes = if has("hosts:") {
            ["host1:7000", "host2:7000"]
        } else {
            ["10.0.0.1:7000", "10.0.0.2:7000"]
        };
        text.push_str(&format!(
            "shards: {{a: {{primary: {}, replicas: [{}]}}}}\n",
            nodes[0], nodes[1]
        ));
    }
    text
}

fn file_reference() -> String {
    fs::read_to_string("docs/file.md").unwrap()
}

#[test]
fn every_yaml_example_is_what_it_claims_to_be() {
    let blocks = blocks(&file_reference());
    let mut examples = 0;
    for (index, block) in blocks.iter().enumerate() {
        let line = block.line;
        match block.info.as_str() {
            "yaml" => {
                let text = completed(&block.text);
                if let Err(findings) = parse(&text) {
                    panic!(
                        "line {line}: {}",
                        render(&findings, "example", &text, false)
                    );
                }
            }
            "yaml wrong" => {
                assert_eq!(blocks[index + 1].info, "text", "line {line}");
                assert_eq!(checked(&block.text), blocks[index + 1].text, "line {line}");
            }
            "text" => continue,
            other => panic!("line {line}: what is {other}?"),
        }
        examples += 1;
    }
    assert!(examples >= 8);
}

/// What `rcl check` prints about a file called `rcl.yaml`.
fn checked(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("rcl.yaml");
    fs::write(&file, text).unwrap();
    let mut said = Vec::new();
    run(&CheckArgs { file, json: false }, &mut said, false);
    let folder = format!("{}/", folder.path().display());
    String::from_utf8(said).unwrap().replace(&folder, "")
}

#[test]
fn every_rule_is_in_the_reference() {
    let reference = file_reference();
    for rule in RULES {
        let row = reference
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", rule.code)));
        assert!(
            row.is_some_and(|row| row.contains(rule.summary)),
            "docs/file.md doesn't list {} with \"{}\"",
            rule.code,
            rule.summary
        );
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    assert_eq!(MAX_FILE_BYTES, 4 << 20);
    assert!(file_reference().contains("at most 4 MiB"));
}
