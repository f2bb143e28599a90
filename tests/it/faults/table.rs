//! The rows as docs/reliability.md has them.

use std::fmt::Write;
use std::path::PathBuf;

use crate::support::ServerKind;

use super::peer::Outcome;
use super::row::Row;
use super::story::Story;

/// Names the folder that `make soak` wants the tables in, and asks for all rows.
const SOAK: &str = "RCL_SOAK";

pub(super) fn whole() -> bool {
    std::env::var_os(SOAK).is_some()
}

pub(super) fn told(rows: &[&Row]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// Writes a table of its own for each story and kind.
#[track_caller]
pub(super) fn keep(story: Story, kind: ServerKind, rows: &[Row]) {
    let Some(folder) = std::env::var_os(SOAK).map(PathBuf::from) else {
        return;
    };
    std::fs::create_dir_all(&folder).expect("a folder for the tables");
    let file = folder.join(format!("{}-{}.md", story.name(), kind.name()));
    std::fs::write(file, text(rows)).expect("the table is written");
}

/// A line a fault: what came of it at each moment.
fn text(rows: &[Row]) -> String {
    let mut text = String::from(
        "| fault | exit codes | longest, s | applies until done | end | keys lost | redis-cli | again | end | keys lost |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut names: Vec<String> = rows.iter().map(|row| row.fault.name()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let mut alike: Vec<&Row> = rows.iter().filter(|row| row.fault.name() == name).collect();
        alike.sort_by_key(|row| row.moment.percent());
        let codes: Vec<String> = alike
            .iter()
            .map(|row| {
                row.code
                    .map_or("killed".to_owned(), |code| code.to_string())
            })
            .collect();
        let longest = alike
            .iter()
            .map(|row| row.took.as_secs_f64())
            .fold(0.0, f64::max);
        let applies = alike.iter().map(|row| row.mended.len()).max().unwrap_or(0);
        let mut ends: Vec<&str> = alike.iter().map(|row| row.end.as_str()).collect();
        ends.sort_unstable();
        ends.dedup();
        let lost: Vec<String> = alike.iter().map(|row| row.lost.to_string()).collect();
        let _ = writeln!(
            text,
            "| {name} | {} | {longest:.1} | {applies} | {} | {} | {} |",
            codes.join(" "),
            ends.join("; "),
            lost.join(" "),
            peers(&alike)
        );
    }
    text
}

fn peers(rows: &[&Row]) -> String {
    let peers = || rows.iter().filter_map(|row| row.peer.as_ref());
    let column = |of: fn(&Outcome) -> String| peers().map(of).collect::<Vec<_>>().join(" ");
    [
        column(|peer| peer.first.clone()),
        column(|peer| peer.again.clone()),
        peers().map(|peer| peer.end).collect::<Vec<_>>().join(", "),
        column(|peer| peer.lost.to_string()),
    ]
    .join(" | ")
}
