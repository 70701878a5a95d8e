//! See `tachometer_fuzz::backend_answer`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| tachometer_fuzz::backend_answer::run(text));
