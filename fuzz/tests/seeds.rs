//! Runs every committed seed, and whatever the fuzzer left behind, without libFuzzer.

use arbitrary::{Arbitrary, Unstructured};
use std::path::Path;
use tachometer_fuzz::{exposition, family_key, histogram, operations, otlp};
use tachometer_fuzz::{exposition, family_key, histogram, json, lines, operations};
use tachometer_fuzz::{exposition, family_key, histogram, operations, push};

/// Runs each input of a target; returns how many there are.
fn replay<P: for<'a> Arbitrary<'a>>(target: &str, run: impl Fn(&P)) -> usize {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["seeds", "artifacts"].map(|folder| package.join(folder).join(target));
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let mut inputs = 0;
    for file in files {
        let path = file.expect("a folder that can be read").path();
        let bytes = std::fs::read(&path).expect("a file");
        // As libFuzzer's glue does it.
        if let Ok(plan) = P::arbitrary_take_rest(Unstructured::new(&bytes)) {
            println!("{}", path.display());
            run(&plan);
            inputs += 1;
        }
    }
    inputs
}

// One test: `operations` makes settings of the process, which must come before the first record.
#[test]
fn every_seed_agrees_with_its_oracle() {
    assert!(replay("operations", operations::run) > 0);
    assert!(replay("histogram", histogram::run) > 0);
    assert!(replay("exposition", exposition::run) > 0);
    assert!(replay("family_key", family_key::run) > 0);
    // No seeds yet: what the fuzzer left behind.
    replay("otlp", otlp::run);
    // Seeds of these are not committed; what the fuzzer left behind is run.
    replay("lines", lines::run);
    replay("json", json::run);
    // These have no seeds: what they need to begin with is in their plans.
    replay("push_response", push::response);
    replay("push_spool", push::spool);
    replay("push_url", push::url);
}
