//! A part of all rows, drawn by a seed.

pub(super) fn seed() -> u64 {
    let given = std::env::var("RCL_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// So many of them, no two alike.
pub(super) fn draw<T: Copy>(seed: u64, all: &[T], count: usize) -> Vec<T> {
    let mut left = all.to_vec();
    let mut state = seed;
    let mut drawn = Vec::new();
    while drawn.len() < count && !left.is_empty() {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let place = usize::try_from(mixed % left.len() as u64).expect("smaller than a length");
        drawn.push(left.swap_remove(place));
    }
    drawn
}
