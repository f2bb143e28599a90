//! The slot space as one line: each shard its letter, and what has no owner stands out.

use crate::base::{SLOT_COUNT, SlotSet};
use crate::view::page::Page;
use crate::view::styles::Meaning;
use crate::view::topology::LiveShard;

/// A slot, or several, without an owner.
const UNASSIGNED: char = '·';

/// Slots about whose owner the nodes disagree.
const DISPUTED: char = '?';

/// The letter of each shard: of its name, where those tell them apart, else of the alphabet.
pub(super) fn letters(shards: &[LiveShard]) -> Vec<char> {
    let by = |pick: fn(&str) -> Option<char>| -> Option<Vec<char>> {
        let names = shards.iter().map(|shard| shard.name.as_ref());
        let letters: Vec<char> = names
            .map(|name| pick(name?.as_str()).filter(char::is_ascii_alphanumeric))
            .collect::<Option<_>>()?;
        let mut distinct = letters.clone();
        distinct.sort_unstable();
        distinct.dedup();
        (distinct.len() == letters.len()).then_some(letters)
    };
    let first = || by(|name| name.chars().next());
    let last = || by(|name| name.chars().next_back());
    let alphabet = || ('A'..='Z').chain('a'..='z').chain('0'..='9').cycle();
    first()
        .or_else(last)
        .unwrap_or_else(|| alphabet().take(shards.len()).collect())
}

/// Prints the bar, as wide as the terminal allows.
pub(super) fn print(
    page: &mut Page,
    shards: &[LiveShard],
    letters: &[char],
    disputed: &SlotSet,
    width: usize,
) {
    let cells = width.saturating_sub("  0  16383".len()).clamp(16, 128);
    let mut owners: Vec<Option<usize>> = vec![None; usize::from(SLOT_COUNT)];
    for (place, shard) in shards.iter().enumerate() {
        for slot in shard.slots.iter() {
            owners[usize::from(slot)] = Some(place);
        }
    }
    let first_of = |cell: usize| cell * owners.len() / cells;
    let looks = (0..cells).map(|cell| {
        let range = first_of(cell)..first_of(cell + 1);
        let unsure = range
            .clone()
            .any(|slot| u16::try_from(slot).is_ok_and(|slot| disputed.contains(slot)));
        match most(&owners[range]) {
            _ if unsure => (DISPUTED, Meaning::Bad),
            None => (UNASSIGNED, Meaning::Bad),
            Some(place) => (
                letters.get(place).copied().unwrap_or('#'),
                Meaning::Shard(place),
            ),
        }
    });
    let looks: Vec<(char, Meaning)> = looks.collect();
    page.put(Meaning::Dim, "  0 ");
    for run in looks.chunk_by(|left, right| left == right) {
        let text: String = run.iter().map(|(letter, _)| letter).collect();
        page.put(run[0].1, text);
    }
    page.put(Meaning::Dim, " 16383").end();
}

/// The owner of most of the slots; none as soon as one has none, so that a single slot without
/// owner is seen.
fn most(owners: &[Option<usize>]) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    let mut sorted = owners.iter().copied().collect::<Option<Vec<usize>>>()?;
    sorted.sort_unstable();
    for run in sorted.chunk_by(|left, right| left == right) {
        if best.is_none_or(|(length, _)| run.len() > length) {
            best = Some((run.len(), run[0]));
        }
    }
    best.map(|(_, place)| place)
}
