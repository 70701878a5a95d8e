//! See `tachometer_fuzz::history_pack`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::history_pack::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
