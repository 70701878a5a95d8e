//! See `tachometer_fuzz::rule_file`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| tachometer_fuzz::rule_file::run(text));
