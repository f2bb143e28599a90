//! Helpers of the tests.

pub(crate) mod by_hand;
