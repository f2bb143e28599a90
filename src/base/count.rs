//! Counted things in words.

use std::fmt::Display;

use super::SlotSet;

/// From how many ranges on the middle is left out.
const LONG: usize = 12;

/// `1 slot`, `2 slots`: for things whose plural ends in `s`.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// `slot 7`, `slots 0-5461`; of many ranges the first few and the last, and how many slots.
#[must_use]
pub fn named(slots: &SlotSet) -> String {
    let ranges = slots.ranges();
    match (slots.count(), ranges) {
        (1, _) => format!("slot {slots}"),
        (count, [first, second, third, .., last]) if ranges.len() > LONG => {
            format!("slots {first},{second},{third},…,{last} ({count} in all)")
        }
        (_, _) => format!("slots {slots}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_named_up_to_a_dozen_ranges() {
        let scattered: SlotSet = (0..100_u16).map(|slot| slot * 2).collect();
        for (slots, name) in [
            ("7".parse().unwrap(), "slot 7"),
            ("0-5461,9".parse().unwrap(), "slots 0-5461"),
            ("0-4,9".parse().unwrap(), "slots 0-4,9"),
            (scattered, "slots 0,2,4,…,198 (100 in all)"),
        ] {
            assert_eq!(named(&slots), name);
        }
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(0_u16, "slot"), "0 slots");
        assert_eq!(counted(1_usize, "open slot"), "1 open slot");
        assert_eq!(counted(2_u64, "key"), "2 keys");
    }
}
