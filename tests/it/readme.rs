//! The README and the pages in docs/ show what rcl does: command lines parse, tables and codes are those of the
//! code, and the README's session is run on real servers.
//!
//! After a change of texts, `RCL_UPDATE_DOCS=1 cargo test --test it readme` writes the session anew.

mod pages;
mod session;
mod shown;

use std::fs;
use std::path::{Path, PathBuf};

/// The README and every page of docs/.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir("docs")
        .expect("a folder of the repository")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .collect();
    pages.push(PathBuf::from("README.md"));
    pages.sort();
    pages
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A fenced block: its info string, and its lines with their numbers from 0.
struct Block {
    info: String,
    lines: Vec<(usize, String)>,
}

impl Block {
    fn text(&self) -> String {
        self.lines
            .iter()
            .map(|(_, line)| format!("{line}\n"))
            .collect()
    }
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(Block {
                    info: info.to_owned(),
                    lines: Vec::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.lines.push((number, line.to_owned())),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}
