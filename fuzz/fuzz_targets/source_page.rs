//! See `tachometer_fuzz::source_page`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|plan: tachometer_fuzz::source_page::Plan| tachometer_fuzz::source_page::run(&plan));
