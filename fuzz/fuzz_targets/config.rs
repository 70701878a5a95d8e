//! Any text as a configuration: an error that says where, or a configuration that means the same when it is written out and
//! read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer::config::Config;

fuzz_target!(|input: (&str, Vec<(&str, &str)>)| {
    let (text, variables) = input;
    match Config::parse(text) {
        Ok(config) => {
            let written = toml::to_string(&config).expect("what was read can be written");
            assert_eq!(Config::parse(&written).expect(&written), config);
            let environment = variables.iter().map(|(k, v)| (format!("TACHOMETER_{k}"), *v));
            if let Err(error) = Config::parse_with(text, environment) {
                assert!(error.reason.contains("TACHOMETER_"), "{error}");
            }
        }
        Err(error) => {
            let lines = text.split('\n').count();
            assert!(error.place.is_none_or(|(line, _)| (1..=lines).contains(&line)), "{error}");
            assert!(!error.reason.is_empty());
        }
    }
});
