//! Which slots each shard is to serve, for states and files that nobody thought of: every slot somebody's, the fewest
//! changing hands, and in few pieces.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rcl::base::{ShardName, SlotSet};
use rcl::desired::{Desired, parse};
use rcl::diff::{Share, shares};

const SLOTS: u16 = 16384;

/// What a shard of the file is to serve.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Auto(u32),
    None,
    /// So many slots, beginning where those of the shard before end.
    Range(u16),
}

/// Who has a run of slots.
#[derive(Clone, Copy, Debug)]
enum Holder {
    Shard(usize),
    /// A member that the file doesn't name.
    Other,
    Nobody,
}

#[derive(Clone, Debug)]
struct Case {
    wishes: Vec<Wish>,
    /// How long each run is, compared to the others, and whose.
    runs: Vec<(u16, Holder)>,
}

fn case() -> impl Strategy<Value = Case> {
    let wish = prop_oneof![
        4 => (1_u32..5).prop_map(Wish::Auto),
        1 => Just(Wish::None),
        1 => (1_u16..1500).prop_map(Wish::Range),
    ];
    let wishes = prop::collection::vec(wish, 0..8);
    let holder = prop_oneof![
        8 => (0_usize..9).prop_map(Holder::Shard),
        1 => Just(Holder::Other),
        1 => Just(Holder::Nobody),
    ];
    let runs = prop::collection::vec((1_u16..1000, holder), 1..40);
    (wishes, runs, 1_u32..5).prop_map(|(mut wishes, runs, weight)| {
        // What is left by the ranges has to go to somebody.
        wishes.push(Wish::Auto(weight));
        Case { wishes, runs }
    })
}

impl Case {
    fn desired(&self) -> Desired {
        let mut yaml = "cluster: orders\nshards:\n".to_owned();
        let mut first = 0;
        for (number, wish) in self.wishes.iter().enumerate() {
            let slots = match *wish {
                Wish::Auto(weight) => format!("slots: auto, weight: {weight}"),
                Wish::None => "slots: none".to_owned(),
                Wish::Range(count) => {
                    first += count;
                    format!("slots: {}-{}", first - count, first - 1)
                }
            };
            let at = format!("127.0.0.1:{}", 7000 + number);
            yaml.push_str(&format!("  s{number}: {{primary: \"{at}\", {slots}}}\n"));
        }
        parse(&yaml).unwrap_or_else(|findings| panic!("{findings:?}\n{yaml}"))
    }

    /// Whose each slot is.
    fn owners(&self) -> Vec<Holder> {
        let all: u64 = self.runs.iter().map(|(length, _)| u64::from(*length)).sum();
        let mut owners = Vec::new();
        let mut until = 0;
        for (length, holder) in &self.runs {
            until += u64::from(*length);
            let end = usize::try_from(until * u64::from(SLOTS) / all).unwrap();
            let holder = match *holder {
                Holder::Shard(number) => Holder::Shard(number % self.wishes.len()),
                Holder::Other => Holder::Other,
                Holder::Nobody => Holder::Nobody,
            };
            owners.resize(end.max(owners.len()), holder);
        }
        owners
    }
}

fn slots(owners: &[Holder], belongs: impl Fn(Holder) -> bool) -> SlotSet {
    let numbers = (0..SLOTS).zip(owners);
    let numbers = numbers.filter(|(_, holder)| belongs(**holder));
    numbers.map(|(number, _)| number).collect()
}

/// No way to the shares that the file allows moves fewer slots: whoever has one that is somebody else's by range, or
/// has any and is to have none, gives it; and of the rest an `auto` shard can't keep more than its ceiling, nor all of
/// them together more than there is room for beside the floors of the others.
fn fewest(case: &Case, owners: &[Holder]) -> u64 {
    let ranges: Vec<u16> = (case.wishes.iter())
        .filter_map(|wish| match wish {
            Wish::Range(count) => Some(*count),
            Wish::Auto(_) | Wish::None => None,
        })
        .collect();
    let in_ranges: u16 = ranges.iter().sum();
    let pool = u64::from(SLOTS - in_ranges);
    let weights = case.wishes.iter().map(|wish| match wish {
        Wish::Auto(weight) => u64::from(*weight),
        Wish::None | Wish::Range(_) => 0,
    });
    let total: u64 = weights.clone().sum();
    // Within the ranges: whoever is not the one that the range is for.
    let mut first = 0;
    let mut moves = 0;
    for (number, wish) in case.wishes.iter().enumerate() {
        if let Wish::Range(count) = wish {
            let (from, to) = (usize::from(first), usize::from(first + count));
            let strangers = owners[from..to].iter().filter(|holder| match holder {
                Holder::Shard(other) => *other != number,
                Holder::Other => true,
                Holder::Nobody => false,
            });
            moves += strangers.count() as u64;
            first += count;
        }
    }
    let pooled = &owners[usize::from(in_ranges)..];
    let mut room = 0;
    for (number, weight) in weights.enumerate() {
        let held = pooled.iter();
        let held = held.filter(|holder| matches!(holder, Holder::Shard(it) if *it == number));
        let held = held.count() as u64;
        let floor = pool * weight / total;
        let ceiling = (pool * weight).div_ceil(total);
        let kept = held.clamp(floor, ceiling);
        moves += held.saturating_sub(kept);
        room += kept;
    }
    moves += pooled
        .iter()
        .filter(|it| matches!(it, Holder::Other))
        .count() as u64;
    moves + room.saturating_sub(pool)
}

fn moved(owners: &[Holder], shares: &[Share]) -> u64 {
    let given = shares.iter().enumerate().map(|(number, share)| {
        let strange = slots(owners, |holder| match holder {
            Holder::Shard(other) => other != number,
            Holder::Other => true,
            Holder::Nobody => false,
        });
        u64::from(share.target.intersection(&strange).count())
    });
    given.sum()
}

fn pieces<'a>(sets: impl Iterator<Item = &'a SlotSet>) -> usize {
    sets.map(|set| set.ranges().len()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fewest_slots_move(case in case()) {
        let desired = case.desired();
        let owners = case.owners();
        let held: BTreeMap<ShardName, SlotSet> = (desired.shards.iter().enumerate())
            .map(|(number, shard)| {
                let own = slots(&owners, |it| matches!(it, Holder::Shard(its) if its == number));
                (shard.name.clone(), own)
            })
            .collect();
        let unassigned = slots(&owners, |holder| matches!(holder, Holder::Nobody));
        let shares = shares(&desired, &held, &unassigned);

        let targets: SlotSet = shares.iter().map(|share| &share.target).collect();
        let sum: u32 = shares.iter().map(|share| u32::from(share.target.count())).sum();
        prop_assert_eq!(targets, SlotSet::full());
        prop_assert_eq!(sum, u32::from(SLOTS), "a slot is somebody's twice");
        prop_assert_eq!(moved(&owners, &shares), fewest(&case, &owners));

        // Each share is cut out of what there was: a few cuts a shard, however often the state was cut before.
        let others = slots(&owners, |holder| matches!(holder, Holder::Other));
        let before = pieces(held.values().chain([&unassigned, &others]));
        let after = pieces(shares.iter().map(|share| &share.target));
        prop_assert!(after <= before + 3 * shares.len(), "{before} pieces become {after}");

        // And what has come about so is left alone.
        let again: BTreeMap<ShardName, SlotSet> = (shares.iter())
            .map(|share| (share.shard.clone(), share.target.clone()))
            .collect();
        let rest = rcl::diff::shares(&desired, &again, &SlotSet::new());
        for share in rest {
            prop_assert_eq!(&share.target, &again[&share.shard]);
        }
    }
}
