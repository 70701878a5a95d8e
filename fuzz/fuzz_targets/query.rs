//! See `tachometer_fuzz::query`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| tachometer_fuzz::query::run(text));
