//! See `tachometer_fuzz::push`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::push::{Spool, spool};

fuzz_target!(|plan: Spool| spool(&plan));
