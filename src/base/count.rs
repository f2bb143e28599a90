//! Counted things in words.

use std::fmt::Display;

/// `1 slot`, `2 slots`: for things whose plural ends in `s`.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(0_u16, "slot"), "0 slots");
        assert_eq!(counted(1_usize, "open slot"), "1 open slot");
        assert_eq!(counted(2_u64, "key"), "2 keys");
    }
}
