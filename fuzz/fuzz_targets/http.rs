//! See `tachometer_fuzz::http`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::http::{Input, run};

fuzz_target!(|input: Input| run(&input));
