//! The topology diff: what serves what now, and by the file, as a unified diff of lines.

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices};

use crate::base::counted;
use crate::view::page::Page;
use crate::view::styles::Meaning;
use crate::view::topology::Line;
use crate::view::{Commands, SHOWS_ALL};

/// A run of more added or removed lines is folded,
const LONG_RUN: usize = 30;

/// down to about so many.
const SHORT_RUN: usize = 9;

/// A line of the diff: its sign and what it says.
type Signed<'a> = (DiffTag, &'a Line);

/// Prints what differs, and nothing else but the shard that it belongs to; nothing at all when
/// nothing differs.
pub(super) fn print(page: &mut Page, have: &[Line], want: &[Line], file: &str, commands: Commands) {
    let lines = changes(have, want);
    if lines.is_empty() {
        return;
    }
    page.put(Meaning::Removed, "--- live").end();
    page.put(Meaning::Added, format_args!("+++ {file}")).end();
    for run in lines.chunk_by(|left, right| left.0 == right.0) {
        print_run(page, run, commands);
    }
}

/// The changed lines, each below the heading that it belongs to.
fn changes<'a>(have: &'a [Line], want: &'a [Line]) -> Vec<Signed<'a>> {
    let mut lines: Vec<Signed<'a>> = Vec::new();
    let mut headed = None;
    for op in capture_diff_slices(Algorithm::Patience, have, want) {
        if let DiffOp::Equal { .. } = op {
            continue;
        }
        let (old, new) = (op.old_range(), op.new_range());
        let first = have[old.clone()].first().or(want[new.clone()].first());
        let head = want[..new.start].iter().rposition(|line| line.head);
        if let Some(head) = head
            && first.is_some_and(|line| !line.head)
            && headed != Some(head)
        {
            lines.push((DiffTag::Equal, &want[head]));
        }
        lines.extend(have[old].iter().map(|line| (DiffTag::Delete, line)));
        lines.extend(want[new.clone()].iter().map(|line| (DiffTag::Insert, line)));
        headed = want[..new.end].iter().rposition(|line| line.head);
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
            0 => counted(folded.len(), "more line"),
            heads => counted(heads, "more shard"),
        };
        page.put(meaning, sign)
            .put(Meaning::Dim, format_args!(" … and {more} ({SHOWS_ALL})"))
            .end();
    }
}
