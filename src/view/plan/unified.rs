//! The topology diff: what serves what now, and by the file, as a unified diff of lines.

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use crate::view::page::Page;
use crate::view::styles::Meaning;
use crate::view::topology::Line;
use crate::view::wording::count;

use crate::view::{Commands, SHOWS_ALL};

/// Unchanged lines around a change; the shard that they belong to is always named.
const CONTEXT: usize = 1;

/// A run of more added or removed lines is folded,
const LONG_RUN: usize = 30;

/// down to about so many.
const SHORT_RUN: usize = 9;

/// A line of the diff: its sign and what it says.
type Signed<'a> = (DiffTag, &'a Line);

/// Prints what differs; nothing when nothing does.
pub(super) fn print(page: &mut Page, have: &[Line], want: &[Line], file: &str, commands: Commands) {
    let groups = group_diff_ops(
        capture_diff_slices(Algorithm::Patience, have, want),
        CONTEXT,
    );
    if groups.is_empty() {
        return;
    }
    page.put(Meaning::Removed, "--- live").end();
    page.put(Meaning::Added, format_args!("+++ {file}")).end();
    for (place, group) in groups.iter().enumerate() {
        if place > 0 {
            page.put(Meaning::Dim, "  …").end();
        }
        let lines = hunk(group, have, want);
        for run in lines.chunk_by(|left, right| left.0 == right.0) {
            print_run(page, run, commands);
        }
    }
}

/// The lines of one part of the diff, the heading they belong to first.
fn hunk<'a>(group: &[DiffOp], have: &'a [Line], want: &'a [Line]) -> Vec<Signed<'a>> {
    let mut lines: Vec<Signed<'a>> = Vec::new();
    for op in group {
        let (old, new) = (op.old_range(), op.new_range());
        match op.tag() {
            DiffTag::Equal => lines.extend(want[new].iter().map(|line| (DiffTag::Equal, line))),
            DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
                lines.extend(have[old].iter().map(|line| (DiffTag::Delete, line)));
                lines.extend(want[new].iter().map(|line| (DiffTag::Insert, line)));
            }
        }
    }
    let begins = group.first().map_or(0, |op| op.new_range().start);
    let headless = lines.first().is_some_and(|(_, line)| !line.head);
    let head = want[..begins].iter().rfind(|line| line.head);
    if let Some(head) = head.filter(|_| headless) {
        lines.insert(0, (DiffTag::Equal, head));
    }
    lines
}

fn print_run(page: &mut Page, run: &[Signed<'_>], commands: Commands) {
    let Some((tag, _)) = run.first() else {
        return;
    };
    let (sign, meaning) = match tag {
        DiffTag::Equal => (" ", Meaning::Plain),
        DiffTag::Delete => ("-", Meaning::Removed),
        DiffTag::Insert | DiffTag::Replace => ("+", Meaning::Added),
    };
    let shown = match commands {
        Commands::Folded if run.len() > LONG_RUN => run
            .iter()
            .skip(SHORT_RUN)
            .position(|(_, line)| line.head)
            .map_or(SHORT_RUN, |place| SHORT_RUN + place),
        Commands::Folded | Commands::All => run.len(),
    };
    for (_, line) in &run[..shown] {
        page.put(meaning, format_args!("{sign} {}", line.text()))
            .end();
    }
    let folded = &run[shown..];
    if !folded.is_empty() {
        let heads = folded.iter().filter(|(_, line)| line.head).count();
        let more = match heads {
            0 => count(folded.len(), "more line", "more lines"),
            heads => count(heads, "more shard", "more shards"),
        };
        page.put(meaning, sign)
            .put(Meaning::Dim, format_args!(" … and {more} ({SHOWS_ALL})"))
            .end();
    }
}
