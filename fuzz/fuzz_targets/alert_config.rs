//! See `tachometer_fuzz::alert_config`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|plan: tachometer_fuzz::alert_config::Plan| tachometer_fuzz::alert_config::run(&plan));
