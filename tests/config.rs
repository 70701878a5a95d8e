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

/// Every wrong value with its line, its key, and what was expected.
#[test]
fn what_cannot_be_is_told_with_its_line_and_key() {
    let wrong = [
        (
            "[engine]\n\ninterval = \"0s\"",
            3,
            "`engine.interval`: 0s is too short; expected 1ms or more",
        ),
        ("[engine.labels]\nnode = \"n1\"\n9lives = \"x\"", 3, "`engine.labels.9lives`"),
        (
            "[process]\nmax_shards = 99999999",
            2,
            "`process.max_shards`: 99999999 is not from 0 to 16384",
        ),
        ("[process]\narena_bytes = 1", 2, "`process.arena_bytes`: 1 is not from"),
        ("[recording]\ndefault_precision = 4", 2, "`default_precision`: expected 1, 2 or 3"),
        ("[recording]\ndefault_precision = \"two\"", 2, "expected 1, 2 or 3: significant figures"),
        ("[recording.precision]\n\"raft*x\" = 1", 2, "expected a metric's name"),
        ("[recording]\nfamily_limit = 0", 2, "`recording.family_limit`: 0 is not from 1 to"),
        (
            "[recording]\nsample_every = 0",
            2,
            "`sample_every`: invalid value: integer `0`, expected a nonzero u32",
        ),
        ("[recording]\nsample_every = 2000000", 2, "is not from 1 to 1048576"),
        ("[history]\n\ntiers = []", 3, "`history.tiers`: expected at least one"),
        ("[history]\ntiers = [{ step = \"1s\" }]", 2, "missing field `span`"),
    ];
    for (text, line, expected) in wrong {
        let error = error_of(text);
        assert_eq!(error.place.map(|place| place.0), Some(line), "{text}: {error}");
        assert!(error.reason.contains(expected), "{text}: {error}");
    }
    // What a program puts together by itself is checked alike.
    let mut config = Config::default();
    config.recording.family_limit = 0;
    let error = config.check().unwrap_err();
    assert!(error.place.is_none() && error.reason.contains("`recording.family_limit`"), "{error}");
}

#[test]
fn keys_inside_of_tables_are_overridden_too() {
    let text =
        "[engine.labels]\ndata_center = \"a\"\n[targets.my-store]\ntype = \"victoria-metrics\"\n";
    let environment = [
        ("TACHOMETER_ENGINE_LABELS_DATA_CENTER", "b"),
        ("TACHOMETER_ENGINE_LABELS_NODE", "n7"),
        ("TACHOMETER_RECORDING_PRECISION", "{ \"raft_*\" = 1 }"),
        ("TACHOMETER_RECORDING_DEFAULT_PRECISION", "3"),
        ("TACHOMETER_RECORDING_SAMPLE_EVERY", "64"),
        ("TACHOMETER_LISTENER_ALLOW", "[\"10.0.0.0/8\"]"),
        ("TACHOMETER_LISTENER_REQUEST_TIME", "2s"),
        ("TACHOMETER_LISTENER_USERS_ANN", "12345"),
        ("TACHOMETER_PUSH_FLUSH_WITHIN", "3s"),
        ("TACHOMETER_TARGETS_MY_STORE_URL", "http://store:8428"),
        ("TACHOMETER_TARGETS_MY_STORE_SPOOL_BYTES", "4096"),
        ("TACHOMETER_TARGETS_EDGE_GATEWAY_TYPE", "pushgateway"),
        ("TACHOMETER_TARGETS_EDGE_GATEWAY_URL", "http://gateway:9091"),
        ("TACHOMETER_TARGETS_EDGE_GATEWAY_JOB", "nightly"),
        ("TACHOMETER_TARGETS_EDGE_GATEWAY_GROUPING_INSTANCE", "i-1"),
    ];
    let (config, names) = Config::parse_with(text, environment).unwrap();
    assert_eq!(names.len(), environment.len());
    assert_eq!(config.engine.labels["data_center"], "b");
    assert_eq!(config.engine.labels["node"], "n7");
    assert_eq!(config.recording.precision["raft_*"].0, tachometer::Precision::One);
    assert_eq!(config.recording.default_precision.0, tachometer::Precision::Three);
    assert_eq!(config.recording.sample_every.get(), 64);
    assert_eq!(config.listener.allow, ["10.0.0.0/8"]);
    assert_eq!(config.listener.request_time.0, Duration::from_secs(2));
    assert_eq!(
        config.listener.users["ann"].reveal().unwrap(),
        "12345",
        "a password of digits is a text"
    );
    assert_eq!(config.push.flush_within.0, Duration::from_secs(3));
    assert_eq!(config.targets.len(), 2);
    assert_eq!(config.targets["my-store"].url.as_ref().unwrap().to_string(), "http://store:8428");
    assert_eq!(config.targets["my-store"].spool_bytes, 4096);
    assert_eq!(config.targets["edge_gateway"].job.as_deref(), Some("nightly"));
    assert_eq!(config.targets["edge_gateway"].grouping["instance"], "i-1");
}

#[test]
fn who_is_to_blame_is_named_variable_or_line() {
    let text = "[targets.store]\ntype = \"victoria-metrics\"\njob = \"j\"\nurl = \"http://h\"\n";
    let error = Config::parse_with(text, NOTHING).unwrap_err();
    assert_eq!(error.place, Some((3, 1)), "{error}");
    // The variable sets the very key.
    let text = text.replace("job = \"j\"\n", "");
    let error =
        Config::parse_with(&text, [("TACHOMETER_TARGETS_STORE_INTERVAL", "1ms")]).unwrap_err();
    assert!(
        error.reason.contains("TACHOMETER_TARGETS_STORE_INTERVAL") && error.place.is_none(),
        "{error}"
    );
    assert!(error.reason.contains("`targets.store.interval`: 1ms is below 10ms"), "{error}");
    // The variables make a target that lacks something.
    let error = Config::parse_with("", [("TACHOMETER_TARGETS_EDGE_URL", "http://h")]).unwrap_err();
    assert!(error.reason.contains("TACHOMETER_TARGETS_EDGE_URL"), "{error}");
    assert!(error.reason.contains("has no `type`; expected one of \"http\""), "{error}");
}

/// Wherever a secret stands, and however wrong what stands around it is, nothing shows it.
#[test]
fn no_error_shows_a_secret() {
    let secret = "hunter2";
    let texts = [
        "[listener.users]\nann = hunter2",
        "[listener.users]\nann = \"hunter2",
        "[listener.users]\nann = [\"hunter2\"]",
        "[listener.users]\nann = { text = \"hunter2\" }",
        "[listener]\nusers = \"ann:hunter2\"",
        "[listener]\nusers = [\"ann:hunter2\"]",
        "[listener]\nbearer_tokens = \"hunter2\"",
        "[listener]\nbearer_tokens = [\"hunter2\", 7]",
        "[listener]\nbearer_tokens = [\"hunter2\"\n",
        "listener = \"hunter2\"",
        "[listener.users]\nann = \"\"\"\nx=hunter2=y\n",
        "[listener.users]\nann = \"\"\"\nx=1\nhunter2=\\q\n\"\"\"",
        "[listener.users]\n\"ann:x\" = \"hunter2\"",
        "[targets.t]\npassword = \"hunter2\"",
        "[targets.t]\ntype = \"graphite\"\naddress = \"a:1\"\nbearer_token = \"hunter2\"",
        "[targets.t]\nheaders = \"Authorization: hunter2\"",
        "[targets.t.headers]\nAuthorization = 7\nCookie = \"hunter2\"",
        "[targets.t]\ntype = \"http\"\nurl = \"http://me:hunter2@host/\"\nformat = \"text\"",
        "[targets.t]\ntype = \"http\"\nurl = \"http://h/?token=hunter2 x\"\nformat = \"text\"",
        "[targets.t]\ntype = \"http\"\nurl = \"hunter2\"\nformat = \"text\"",
        "[targets.t]\ntype = \"http\"\nurl = \"http://h\"\nformat = \"text\"\nuser = \"a\"\npassword = \"hunter2\"\n\
         bearer_token = \"hunter2\"",
        "targets = \"hunter2\"",
    ];
    for text in texts {
        let error = error_of(text);
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains(secret), "{text}: {shown}");
        }
        assert!(error.place.is_some(), "{text}: {error}");
    }
    let variables = [
        ("TACHOMETER_LISTENER_USERS", "hunter2"),
        ("TACHOMETER_LISTENER_BEARER_TOKENS", "hunter2"),
        ("TACHOMETER_LISTENER_USER_ANN", "hunter2"),
        ("TACHOMETER_TARGETS_T_HEADERS", "Bearer hunter2"),
        ("TACHOMETER_TARGETS_T_PASSWORD", "hunter2"),
        ("TACHOMETER_TARGETS_T", "hunter2"),
        ("TACHOMETER_TARGETS", "hunter2"),
        ("TACHOMETER_TARGETS_T_URL", "http://me:hunter2@h"),
    ];
    for (name, value) in variables {
        let error = Config::parse_with("", [(name, value)]).unwrap_err().to_string();
        assert!(error.contains(name) && !error.contains(secret), "{error}");
    }
}

#[test]
fn a_secret_is_in_nothing_that_is_shown_of_a_configuration() {
    let text = r#"
        [listener]
        bearer_tokens = ["hunter2", { env = "TOKEN" }]
        users = { ann = "hunter2" }
        [targets.t]
        type = "http"
        url = "http://h/p?token=hunter2"
        format = "text"
        user = "me"
        password = "hunter2"
        headers = { Cookie = "hunter2" }
    "#;
    let config = Config::parse(text).unwrap();
    let written = toml::to_string(&config).unwrap();
    for shown in
        [format!("{config:?}"), format!("{config:#?}"), config.description(), written.clone()]
    {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("TOKEN") && shown.contains("http://h/p"),
            "where it is may be shown: {shown}"
        );
    }
    // What was written is a configuration, whose secrets are to be filled in.
    let again = Config::parse(&written).unwrap();
    assert_eq!(toml::to_string(&again).unwrap(), written);
}

#[cfg(feature = "history")]
#[test]
fn a_history_is_configured() {
    let wrong = [
        ("max_bytes = 1", "`history.max_bytes`: 1 is below 65536"),
        ("disk_bytes = 1", "`history.disk_bytes`: 1 is below"),
        (
            "tiers = [{ step = \"1s\", span = \"10s\" }, { step = \"6s\", span = \"1h\" }]",
            "too short",
        ),
        (
            "tiers = [{ step = \"0s\", span = \"10s\" }]",
            "`history.tiers`: a step of 0ns is below 1ms",
        ),
    ];
    for (line, expected) in wrong {
        let error = error_of(&format!("[history]\n{line}"));
        assert!(error.reason.contains(expected), "{line}: {error}");
        assert_eq!(error.place.map(|place| place.0), Some(2), "{line}: {error}");
    }
    let folder = std::env::temp_dir().join(format!("tachometer-configured-{}", std::process::id()));
    let text = "[history]\ntiers = [{ step = \"1s\", span = \"10m\" }]";
    let variables = [
        ("TACHOMETER_HISTORY_DIRECTORY", folder.to_str().unwrap()),
        ("TACHOMETER_HISTORY_MAX_BYTES", "1000000"),
    ];
    let (config, _) = Config::parse_with(text, variables).unwrap();
    let description = config.description();
    assert!(
        description.contains("history: every 1s for 10m, 1000000 bytes at most; in "),
        "{description}"
    );
    let registry = tachometer::Registry::new();
    let clock = tachometer::ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = config.engine.builder().registry(&registry).manual(&clock).start().unwrap();
    let history = config.history.start(&engine).unwrap().expect("it is on");
    assert!(history.persistence().is_some() && folder.is_dir());
    drop(history);
    std::fs::remove_dir_all(&folder).unwrap();
    let off = Config::parse("[history]\nenabled = false").unwrap();
    assert!(off.history.start(&engine).unwrap().is_none());
    assert!(off.description().contains("history: none"));
}
