//! Runs whatever the fuzzer left behind in artifacts/, and inputs that are kept in seeds/, without libFuzzer.

use arbitrary::{Arbitrary, Unstructured};
use std::path::Path;
use tachometer_fuzz::{
    alert_config, api_parameters, artifact, backend_answer, config, exposition, facade_names,
    family_key, histogram, history_log, http, json, lines, openmetrics, operations, otlp, protobuf,
    push, push_answer, push_grpc, query, rule_file, source_page, traceparent,
};

/// Runs each input of a target.
fn replay<P: for<'a> Arbitrary<'a>>(target: &str, run: impl Fn(&P)) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["seeds", "artifacts"].map(|folder| package.join(folder).join(target));
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    for file in files {
        let path = file.expect("a folder that can be read").path();
        let bytes = std::fs::read(&path).expect("a file");
        // As libFuzzer's glue does it.
        if let Ok(plan) = P::arbitrary_take_rest(Unstructured::new(&bytes)) {
            println!("{}", path.display());
            run(&plan);
        }
    }
}

// One test: `operations` makes settings of the process, which must come before the first record.
#[test]
fn every_input_that_was_kept_agrees_with_its_oracle() {
    replay("operations", operations::run);
    replay("histogram", histogram::run);
    replay("alert_config", alert_config::run);
    replay("api_parameters", api_parameters::run);
    replay("artifact", artifact::run);
    replay("backend_answer", |text: &String| backend_answer::run(text));
    replay("config", config::run);
    replay("exposition", exposition::run);
    replay("facade_names", facade_names::run);
    replay("family_key", family_key::run);
    replay("history_log", history_log::run);
    replay("http", http::run);
    replay("json", json::run);
    replay("lines", lines::run);
    replay("openmetrics", openmetrics::run);
    replay("otlp", otlp::run);
    replay("protobuf", protobuf::run);
    replay("push_answer", push_answer::run);
    replay("push_grpc", push_grpc::run);
    replay("push_response", push::response);
    replay("push_spool", push::spool);
    replay("push_url", push::url);
    replay("query", |text: &String| query::run(text));
    replay("rule_file", |text: &String| rule_file::run(text));
    replay("source_page", source_page::run);
    replay("traceparent", traceparent::run);
}
