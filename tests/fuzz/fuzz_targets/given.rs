//! Nodes for a new file.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rcl_fuzz::given(input));
