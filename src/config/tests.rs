//! Keys, their example, and what an error knows of them.

use super::keys::{Node, schema};
use super::{Config, EXAMPLE};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// The example with what it only shows, too.
fn shown() -> String {
    let is_key = |key: &str| !key.is_empty() && !key.contains(' ');
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(bare) if bare.split_once(" = ").is_some_and(|(key, _)| is_key(key)) => bare.to_owned(),
        Some(bare) if bare.starts_with('[') && bare.ends_with(']') => bare.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(|text| line(text) + "\n").collect()
}

fn collect(node: &Node, table: &Table, path: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let (key, inner) = match node {
            Node::Table(keys) => {
                (key.as_str(), keys.iter().find(|(k, _)| k == key).map(|(_, n)| n))
            }
            Node::Map(inner) => ("*", Some(&**inner)),
            _ => (key.as_str(), None),
        };
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        found.insert(path.clone());
        if let (Some(inner), Value::Table(table)) = (inner, value) {
            collect(inner, table, &path, found);
        }
    }
}

#[test]
fn the_example_has_every_key_and_no_other() {
    let text = shown();
    let table: Table = toml::from_str(&text).unwrap();
    let mut found = BTreeSet::new();
    collect(schema(), &table, "", &mut found);
    // A secret's own keys are not keys of the configuration.
    let found: Vec<_> = found
        .into_iter()
        .filter(|path| !path.ends_with(".file") && !path.ends_with(".env"))
        .collect();
    let mut all = schema().paths();
    all.sort();
    assert_eq!(found, all);
    #[cfg(any(
        not(feature = "push"),
        all(feature = "grpc", feature = "remote-write", feature = "tls")
    ))]
    Config::parse(&text).unwrap();
}

#[test]
fn the_example_has_every_default() {
    assert_eq!(Config::parse(EXAMPLE).unwrap(), Config::default());
    assert_eq!(Config::parse("").unwrap(), Config::default());
    // What it sets and what it only shows are defaults too, where there are any.
    let text = shown();
    let shown = Config::typed(&text).unwrap();
    let written = |config: &Config| toml::Table::try_from(config).unwrap();
    let (mut shown_recording, recording) = (shown.recording.clone(), Config::default().recording);
    shown_recording.precision.clear();
    assert_eq!(shown_recording, recording);
    assert_eq!(shown.process.max_shards, Some(crate::limits::MAX_SHARDS));
    assert_eq!(shown.process.arena_bytes, Some(crate::limits::ARENA_BYTES));
    let target = toml::Table::try_from(super::TargetConfig::default()).unwrap();
    for (name, with) in written(&shown)["targets"].as_table().unwrap() {
        for key in [
            "interval",
            "time_limit",
            "retry_first",
            "retry_longest",
            "spool_entries",
            "spool_bytes",
        ] {
            assert_eq!(with[key], target[key], "{key} of {name}");
        }
    }
}

#[test]
fn the_structures_say_where_secrets_stand() {
    let at = |path: &str| {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        schema().at(&path).map(Node::holds_secrets)
    };
    for path in ["listener.users.ann", "listener.users", "listener.bearer_tokens", "listener"] {
        assert_eq!(at(path), Some(true), "{path}");
    }
    for path in ["targets.x.password", "targets.x.headers.Cookie", "targets"] {
        assert_eq!(at(path), Some(true), "{path}");
    }
    for path in ["engine.interval", "engine", "listener.address", "targets.x.job"] {
        assert_eq!(at(path), Some(false), "{path}");
    }
    assert_eq!(at("listener.adress"), None);
    assert!(schema().names_secrets("password") && schema().names_secrets("headers"));
    assert!(!schema().names_secrets("job") && !schema().names_secrets("raft_*"));
    assert!(schema().has("bearer_token") && !schema().has("hunter2"));
}

#[test]
fn a_secret_under_the_wrong_table_is_not_shown() {
    for (text, key) in [
        ("[recording.precision]\npassword = \"hunter2\"", "`password`"),
        ("[recording.precision]\ntoken = [\"hunter2\"]", "`token`"),
        ("[recording]\nprecision = { headers = { x = \"hunter2\" } }", "`headers`"),
        ("[recording.precision]\nurl = \"http://me:hunter2@h\"", "`url`"),
        ("[engine]\nlabels = { password = 1234567 }", "`password`"),
        ("[engine]\npassword = \"hunter2\"", "`password`"),
        ("password = \"hunter2\"", "`password`"),
    ] {
        let error = Config::parse(text).unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        assert!(!error.reason.contains("1234567"), "{error}");
    }
}
