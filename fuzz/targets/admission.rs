#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| privlink_fuzz::admission(data));
