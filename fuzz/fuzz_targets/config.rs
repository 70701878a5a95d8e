//! See `tachometer_fuzz::config`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|plan: tachometer_fuzz::config::Plan| tachometer_fuzz::config::run(&plan));
