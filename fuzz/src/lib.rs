//! Fuzz targets of `tachometer`. Each has an oracle: what must come out is worked out a second time, by other means.
//!
//! | target | what goes in | what must come out |
//! |---|---|---|
//! | [`operations`] | any interleaving of records, groups, families, handles, threads, cuts, registries | what a single-threaded model of maps and additions says |
//! | [`histogram`] | any values | what the `hdrhistogram` crate says, and exact sums and extremes |
//! | [`exposition`] | any definitions, labels and values | a page that an independent strict parser reads back |
//! | [`openmetrics`] | any definitions, labels, values and exemplars | an OpenMetrics page that another such parser reads back, each series once |
//! | [`otlp`] | any metrics and values, requests lost and taken | what an independent decoder and a model of a receiver have |
//! | [`protobuf`] | any definitions, labels and values, two snapshots | a protobuf page and remote write requests that an independent decoder reads back |
//! | [`family_key`] | any label values | one series for each, no two in one |
//! | [`facade_names`] | any names, labels and units, through the facades for `metrics` and OpenTelemetry | a page that the strict parser reads, each metric by itself on it with all that it recorded, or counted as refused |
//! | [`lines`] | any definitions, labels and values | Influx, Graphite, StatsD, CSV and JSON that independent readers read back |
//! | [`json`] | any bytes as a JSON page or a compressed histogram | an error, or what the `hdrhistogram` crate reads too |
//! | [`alert_config`] | any thresholds and recipes of alerts | an error that says what was expected, or rules whose YAML and TOML are read back the same |
//! | [`api_parameters`] | any parameters of the query API | JSON that says whether it worked, the same by form and by query; a calendar that counts days |
//! | [`artifact`] | any bytes as the artifact of a run, and a sound one with bytes changed | an error that says where, or what a second reader finds |
//! | [`history_log`] | any bytes as segments of a history on disk, any rows in them, a sound log that was harmed | no panic, within the bound; of the last what was recorded, and that something is amiss |
//! | [`backend_answer`] | any text as the answer of a query backend | a second reader, over a tree of JSON |
//! | [`history_pack`] | any histograms and numbers as the history packs them; any bytes, and packed ones with a byte changed | what was put in; rows in order |
//! | [`http`] | any requests, filters, `Accept`s, networks | what a second, naive reading of them asks for |
//! | [`push_answer`] | any bytes and sound answers of OTLP receivers, any bytes as a remote write request of 2.0 | what was put in |
//! | [`push_grpc`] | any bytes as a gRPC answer, and sound ones in pieces, cut or with more behind | what an independent encoder put in |
//! | [`push::response`] | any bytes, and sound responses in any framing, cut anywhere | what was put in; the same in one piece and in many |
//! | [`push::spool`] | any payloads, a file of them cut, flipped or grown anywhere | what a map says of the records before the damage |
//! | [`traceparent`] | any bytes as that header, and sound ones with a byte changed | what a second reading by its fields gives |
//! | [`query`] | any text as a PromQL query | an error, or an answer in time, the same of an instant and of a range query |
//! | [`rule_file`] | any text as a rule file, and as a template in one | an error with its line, or alerts; the same when saved and restored |
//! | [`source_page`] | any bytes as a page in each format, and as JSON with a mapping | an error, or what is the same when it is written and read again; what a walk over the tree finds |
//! | [`push::url`] | any text, and URLs made of parts | those parts; nothing that could end a line; the same when read again |
//!
//! `./smoke.sh` runs each for a moment from the inputs in `seeds/`; `cargo fuzz run <target>` (with `RUSTC_BOOTSTRAP=1` on
//! a stable toolchain) runs one for as long as you let it, and `cargo fuzz fmt <target> <input>` shows what an input says.
//! The targets are libraries' functions, so `cargo test` here runs the seeds, and any input left in `artifacts/`, without
//! libFuzzer.

pub mod alert_config;
pub mod api_parameters;
pub mod artifact;
pub mod backend_answer;
pub mod config;
pub mod exposition;
pub mod facade_names;
pub mod family_key;
pub mod histogram;
pub mod history_log;
pub mod history_pack;
pub mod http;
pub mod json;
pub mod lines;
pub mod openmetrics;
pub mod operations;
pub mod otlp;
pub mod protobuf;
pub mod push;
pub mod push_answer;
pub mod push_grpc;
pub mod query;
pub mod rule_file;
pub mod source_page;
pub mod traceparent;

#[path = "../../tests/protobuf/decoder.rs"]
mod decoder;
mod landmarks;
#[path = "../../tests/promql/memory.rs"]
mod memory;
mod metrics_page;
mod naive;
#[path = "../../tests/otlp/oracle.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod oracle;
mod page;
mod text;
