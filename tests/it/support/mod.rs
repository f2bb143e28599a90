//! Helpers of the tests.

pub(crate) mod scene;
pub(crate) mod sim;
