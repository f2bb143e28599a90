//! Libraries, users and sizes of keys.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rcl_fuzz::equipment(input));
