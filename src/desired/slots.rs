//! The slots of the file: how a share is written, and whether the shares fit together.

use std::collections::BTreeMap;

use super::SlotShare;
use super::finding::{Findings, Place, Placed, quoted};
use super::read::{Wanted, mismatch, text};
use super::shards::ShardEntry;
use super::yaml::{Tree, Value};
use crate::base::{ParseSlotsError, SLOT_COUNT, Slot, SlotRange, SlotSet};

/// A greater weight could not make a difference: there are no more slots.
pub(super) const MAX_WEIGHT: u32 = 16384;

/// How many ranges a message lists before it only counts.
const LISTED_RANGES: usize = 5;

const SLOTS: Wanted<'_> = Wanted {
    what: "`slots`",
    example: "a range such as 0-5461, a list of ranges, auto or none",
};

/// A range, a list of ranges, `auto` or `none`.
pub(super) fn share(tree: &Tree, findings: &mut Findings) -> Option<SlotShare> {
    match &tree.value {
        Value::Text(text) => match text.as_str() {
            "auto" => Some(SlotShare::Auto { weight: 1 }),
            "none" => Some(SlotShare::None),
            range => {
                let range = slot_range(range, tree.place, findings)?;
                Some(SlotShare::Explicit(SlotSet::from_iter([range])))
            }
        },
        Value::List(items) => slot_list(tree, items, findings).map(SlotShare::Explicit),
        Value::Nothing | Value::Map(_) => {
            mismatch(tree, SLOTS, findings);
            None
        }
    }
}

fn slot_range(text: &str, place: Place, findings: &mut Findings) -> Option<SlotRange> {
    let error = match text.parse() {
        Ok(range) => return Some(range),
        Err(error) => error,
    };
    let lower = text.to_ascii_lowercase();
    let (message, help) = match error {
        _ if lower == "auto" || lower == "none" => (
            format!("{} is not written in lower case", quoted(text)),
            format!("write {lower}"),
        ),
        _ if text.contains(',') => (
            format!("{} is more than one range", quoted(text)),
            "write a list, such as [0-5461, 16383]".to_owned(),
        ),
        ParseSlotsError::Malformed { .. } => (
            format!("{} is not a slot or a range of slots", quoted(text)),
            format!("write {}", SLOTS.example),
        ),
        ParseSlotsError::OutOfRange { slot } => (
            format!("there is no slot {}", quoted(&slot)),
            format!("write slots from 0 to {}", SLOT_COUNT - 1),
        ),
        ParseSlotsError::Backwards { first, last } => (
            format!("the range {first}-{last} ends before it starts"),
            format!("write {last}-{first}"),
        ),
    };
    findings.add(place, message, help);
    None
}

fn slot_list(tree: &Tree, items: &[Tree], findings: &mut Findings) -> Option<SlotSet> {
    if items.is_empty() {
        findings.add(
            tree.place,
            "the list of slots is empty",
            "write `slots: none`",
        );
        return None;
    }
    let wanted = Wanted {
        what: "a part of `slots`",
        example: "a slot or a range such as 0-5461",
    };
    let mut set = SlotSet::new();
    let mut complete = true;
    for item in items {
        let range = text(item, wanted, findings)
            .and_then(|text| slot_range(&text.value, text.place, findings));
        let Some(range) = range else {
            complete = false;
            continue;
        };
        let range_set = SlotSet::from_iter([range]);
        let twice = set.intersection(&range_set);
        if !twice.is_empty() {
            findings.add(
                item.place,
                format!("this list has {} twice", listed(&twice)),
                "write each slot once",
            );
            complete = false;
        }
        set = set.union(&range_set);
    }
    complete.then_some(set)
}

/// Reports shares that overlap, leave slots to nobody, or leave nothing to share.
pub(super) fn check_shares(shards: &[ShardEntry], shards_place: Place, findings: &mut Findings) {
    if shards.is_empty() {
        return;
    }
    check_overlaps(shards, findings);
    let shares: Option<Vec<(&ShardEntry, &Placed<SlotShare>)>> = shards
        .iter()
        .map(|shard| Some((shard, shard.slots.as_ref()?)))
        .collect();
    // Where a share could not be read, nothing can be said to be missing.
    let Some(shares) = shares else {
        return;
    };
    let given = shares
        .iter()
        .fold(SlotSet::new(), |given, (_, share)| match &share.value {
            SlotShare::Explicit(set) => given.union(set),
            SlotShare::Auto { .. } | SlotShare::None => given,
        });
    let rest = SlotSet::full().difference(&given);
    let autos: Vec<&Placed<SlotShare>> = shares
        .iter()
        .map(|(_, share)| *share)
        .filter(|share| matches!(share.value, SlotShare::Auto { .. }))
        .collect();
    if autos.is_empty() {
        if given.is_empty() {
            findings.add(
                shards_place,
                "no shard serves any slots",
                "leave `slots` out where a shard is to have its share",
            );
        } else if !rest.is_empty() {
            findings.add(
                shards_place,
                format!("no shard has {}", listed(&rest)),
                "write them into the `slots` of a shard, or write `slots: auto` for one",
            );
        }
    } else if usize::from(rest.count()) < autos.len() {
        report_nothing_left(&autos, &rest, findings);
    }
}

fn report_nothing_left(autos: &[&Placed<SlotShare>], rest: &SlotSet, findings: &mut Findings) {
    let help = "write `slots: none`, or shorten the ranges of the others";
    for share in autos {
        let message = if rest.is_empty() {
            "`slots` is `auto`, but the other shards have all slots".to_owned()
        } else {
            format!(
                "`slots` is `auto` for {} shards, but the others leave only {}",
                autos.len(),
                rest.count()
            )
        };
        findings.add(share.place, message, help);
    }
}

/// Each slot belongs to the first shard that names it; every later one is told about the first.
fn check_overlaps(shards: &[ShardEntry], findings: &mut Findings) {
    let mut taken = SlotSet::new();
    let mut owners: Vec<Option<usize>> = vec![None; usize::from(SLOT_COUNT)];
    for (index, shard) in shards.iter().enumerate() {
        let Some((set, place)) = explicit(shard) else {
            continue;
        };
        let mut common = taken.intersection(set);
        if findings.is_crowded() {
            // Only counted from here on.
            common = common.take_lowest(1);
        }
        let mut shared: BTreeMap<usize, Vec<Slot>> = BTreeMap::new();
        for slot in common.iter() {
            if let Some(owner) = owners[usize::from(slot)] {
                shared.entry(owner).or_default().push(slot);
            }
        }
        for (owner, slots) in shared {
            let slots = slots.into_iter().collect();
            report_overlap(&shards[owner], &slots, place, findings);
        }
        for slot in set.difference(&taken).iter() {
            owners[usize::from(slot)] = Some(index);
        }
        taken = taken.union(set);
    }
}

fn report_overlap(first: &ShardEntry, slots: &SlotSet, place: Place, findings: &mut Findings) {
    let first_place = explicit(first).map_or(first.name.place, |(_, place)| place);
    findings.add_related(
        place,
        format!(
            "the shard {} has {}, too",
            quoted(&first.name.value),
            listed(slots)
        ),
        "write each slot in one shard only",
        (first_place, "first written here"),
    );
}

fn explicit(shard: &ShardEntry) -> Option<(&SlotSet, Place)> {
    let share = shard.slots.as_ref()?;
    match &share.value {
        SlotShare::Explicit(set) => Some((set, share.place)),
        SlotShare::Auto { .. } | SlotShare::None => None,
    }
}

/// "slot 5", "slots 0-5,7", with a long list cut short.
fn listed(set: &SlotSet) -> String {
    if set.count() == 1 {
        return format!("slot {set}");
    }
    let ranges: Vec<String> = set
        .ranges()
        .iter()
        .take(LISTED_RANGES)
        .map(ToString::to_string)
        .collect();
    let ranges = ranges.join(",");
    if set.ranges().len() > LISTED_RANGES {
        format!("slots {ranges} and others, {} in all", set.count())
    } else {
        format!("slots {ranges}")
    }
}
