//! All replies of some nodes, and all that is made of them.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rcl_fuzz::views(input));
