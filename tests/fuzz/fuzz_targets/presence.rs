//! Names of channels.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rcl_fuzz::presence(input));
