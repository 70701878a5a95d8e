//! The configuration: every key, its default, and what is said of wrong ones.
#![cfg(feature = "config")]

use std::time::Duration;
use tachometer::config::{Config, ConfigError};

const NOTHING: [(&str, &str); 0] = [];

fn error_of(text: &str) -> ConfigError {
    Config::parse(text).expect_err(text)
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_what_there_is() {
    let error = error_of("[engine]\ninterval = \"1s\"\nintervall = \"2s\"\n");
    assert_eq!(error.place, Some((3, 1)));
    let text = error.to_string();
    assert!(text.contains("line 3, column 1"), "{text}");
    assert!(text.contains("unknown field `intervall`"), "{text}");
    assert!(text.contains("`interval`, `cut_timeout`, `own_metrics`, `labels`"), "{text}");
    let text = error_of("[motor]\n").to_string();
    assert!(
        text.contains("line 1") && text.contains("`motor`") && text.contains("`engine`"),
        "{text}"
    );
}

#[test]
fn a_wrong_value_is_named_with_its_key_and_what_was_expected() {
    let wrong = [
        ("interval = 5", "`interval`: 5 has no unit; expected a length of time"),
        ("interval = \"soon\"", "`interval`: \"soon\" is none; expected a length of time"),
        ("interval = true", "`interval`: invalid type: boolean `true`, expected a length of time"),
        (
            "own_metrics = \"yes\"",
            "`own_metrics`: invalid type: string \"yes\", expected a boolean",
        ),
        ("labels = 3", "`labels`: invalid type: integer `3`, expected a map"),
        ("labels = { node = 3 }", "expected a string"),
    ];
    for (line, expected) in wrong {
        let error = error_of(&format!("[engine]\n\n{line}\n"));
        assert_eq!(error.place.map(|place| place.0), Some(3), "{line}");
        assert!(error.reason.contains(expected), "{line}: {error}");
    }
    let text = error_of("[process]\nbarrier = \"none\"").to_string();
    assert!(text.contains("expected `membarrier` or `fence`"), "{text}");
    let error = error_of("[engine]\ninterval = \n");
    assert_eq!(error.place.map(|place| place.0), Some(2), "{error}");
}

#[test]
fn the_environment_overrides_single_keys() {
    let environment = [
        ("TACHOMETER_ENGINE_INTERVAL", "250ms"),
        ("TACHOMETER_ENGINE_OWN_METRICS", "false"),
        ("TACHOMETER_ENGINE_LABELS", "{ node = \"n2\" }"),
        ("TACHOMETER_LISTENER_ADDRESS", "[::1]:0"),
        ("TACHOMETER_PROCESS_MAX_SHARDS", "7"),
        ("HOME", "/root"),
    ];
    let text = "[engine]\ninterval = \"3s\"\ncut_timeout = \"5ms\"\n";
    let (config, names) = Config::parse_with(text, environment).unwrap();
    assert_eq!(config.engine.interval.0, Duration::from_millis(250));
    assert_eq!(config.engine.cut_timeout.0, Duration::from_millis(5), "kept");
    assert!(!config.engine.own_metrics);
    assert_eq!(config.engine.labels["node"], "n2");
    assert_eq!(config.listener.address, "[::1]:0");
    assert_eq!(config.process.max_shards, Some(7));
    assert_eq!(names.len(), 5);
    assert_eq!(Config::parse_with(text, NOTHING).unwrap().0, Config::parse(text).unwrap());
}

#[test]
fn a_wrong_variable_is_named() {
    let wrong = [
        ("TACHOMETER_ENGINE_INTERVALL", "1s", "unknown field `intervall`"),
        ("TACHOMETER_ENGINE_INTERVAL", "5", "5 has no unit"),
        ("TACHOMETER_ENGINE_OWN_METRICS", "perhaps", "expected a boolean"),
        ("TACHOMETER_MOTOR_SPEED", "1", "unknown field `motor`"),
        ("TACHOMETER_SPEED", "1", "names no key"),
    ];
    for (name, value, expected) in wrong {
        let error = Config::parse_with("", [(name, value)]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
}

#[test]
fn a_file_is_named_in_the_error() {
    let folder = std::env::temp_dir().join(format!("tachometer-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("engine.toml");
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("engine.toml") && error.contains("cannot be opened"), "{error}");
    std::fs::write(&path, "[engine]\nintervall = 1").unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("engine.toml, line 2, column 1: "), "{error}");
    std::fs::write(&path, "# ".repeat(1 << 20)).unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("longer than 1048576 bytes"), "{error}");
    std::fs::write(&path, "[engine]\ninterval = \"2s\"").unwrap();
    assert_eq!(Config::load(&path).unwrap().engine.interval.0, Duration::from_secs(2));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn settings_reach_the_engine() {
    let config = Config::parse("[engine]\ninterval = \"7s\"\nown_metrics = false").unwrap();
    let registry = tachometer::Registry::new();
    registry.counter("count_total", "Counted.").unwrap().inc();
    let engine = config.engine.builder().registry(&registry).label("zone", "z").start().unwrap();
    assert_eq!(engine.interval(), Duration::from_secs(7));
    assert_eq!(engine.refresh().len(), 1, "no metrics of its own");
    config.process.apply().expect("nothing is set");
}
