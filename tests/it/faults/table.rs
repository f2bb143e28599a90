//! The rows as docs/reliability.md has them.

use std::fmt::Write;
use std::path::PathBuf;

use crate::support::ServerKind;

use super::fault::Fault;
use super::peer::Outcome;
use super::row::Row;
use super::story::Story;

/// Names the folder that `make soak` wants the tables in, and asks for all rows.
const SOAK: &str = "RCL_SOAK";

pub(super) fn whole() -> bool {
    std::env::var_os(SOAK).is_some()
}

/// Fewer moments than all, for who has less time.
const MOMENTS: &str = "RCL_SOAK_MOMENTS";

/// How many rows run side by side, if not as many as below.
const ABREAST: &str = "RCL_SOAK_ABREAST";

/// Each row has eight servers.
const USUALLY_ABREAST: usize = 2;

fn number(variable: &str) -> Option<usize> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

pub(super) fn moments() -> usize {
    number(MOMENTS).unwrap_or(usize::MAX)
}

pub(super) fn abreast() -> usize {
    number(ABREAST).unwrap_or(USUALLY_ABREAST)
}

pub(super) fn code(code: Option<i32>) -> String {
    code.map_or("-".to_owned(), |code| code.to_string())
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
        "| fault | exit codes | longest, s | plan then | applies until done | end | keys lost | redis-cli | again | end | keys lost |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for fault in Fault::ALL {
        let mut alike: Vec<&Row> = rows.iter().filter(|row| row.fault == fault).collect();
        if alike.is_empty() {
            continue;
        }
        alike.sort_by_key(|row| row.moment.percent());
        let longest = alike.iter().map(|row| row.took).max().unwrap_or_default();
        let applies = alike.iter().map(|row| row.mended.len()).max().unwrap_or(0);
        let mut ends: Vec<&str> = alike.iter().map(|row| row.end.as_str()).collect();
        ends.sort_unstable();
        ends.dedup();
        let each = |of: fn(&Row) -> String| {
            let mut values: Vec<String> = alike.iter().map(|row| of(row)).collect();
            if values.iter().all(|value| *value == values[0]) {
                values.truncate(1);
            }
            values.join(" ")
        };
        let wrong = alike.iter().filter(|row| !row.wrong.is_empty()).count();
        let name = match wrong {
            0 => fault.name(),
            _ => format!("**{}: {wrong} wrong**", fault.name()),
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {:.1} | {} | {applies} | {} | {} | {} |",
            each(Row::ended),
            longest.as_secs_f64(),
            each(|row| code(row.state)),
            ends.join("; "),
            each(|row| row.lost.to_string()),
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
