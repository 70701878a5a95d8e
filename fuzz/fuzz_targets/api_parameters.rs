//! See `tachometer_fuzz::api_parameters`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::api_parameters::{Input, run};

fuzz_target!(|input: Input| run(&input));
