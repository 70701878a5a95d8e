//! Texts and variables as a configuration: an error that says where, or a configuration that means the same when it is
//! written out and read again; and never a secret in either. Random text seldom is TOML, so keys are mostly those that
//! there are, with values that mostly are none.

use arbitrary::Arbitrary;
use tachometer::config::Config;

/// Part of every secret, and of nothing else.
const SECRET: &str = "hunter2";

/// Lines of a configuration, and variables.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    lines: Vec<Line>,
    variables: Vec<Variable>,
}

#[derive(Arbitrary, Debug)]
enum Line {
    /// A table's head.
    Table(u8),
    /// A key and a value.
    Key(u8, Value),
    /// A key that has secrets, and one.
    Secret(u8, Wrapping),
    /// Anything.
    Raw(String),
}

#[derive(Arbitrary, Debug)]
enum Value {
    Number(i32),
    Bool(bool),
    Text(String),
    Choice(u8),
    Time(u16, u8),
    List(Vec<String>),
    Raw(String),
}

/// How a secret is written: rightly, or not.
#[derive(Arbitrary, Debug)]
enum Wrapping {
    Text,
    List,
    Unquoted,
    Open,
    InTable,
    UrlQuery,
    UrlUser,
    Escape,
}

#[derive(Arbitrary, Debug)]
enum Variable {
    Plain(u8, String),
    Secret(u8),
    Raw(String, String),
}

const TABLES: &[&str] = &[
    "process",
    "engine",
    "engine.labels",
    "recording",
    "recording.precision",
    "listener",
    "listener.users",
    "listener.tls",
    "push",
    "targets.a",
    "targets.a.headers",
    "targets.a.grouping",
    "targets.b",
    "targets.b.resource",
];

const KEYS: &[&str] = &[
    "max_shards",
    "arena_bytes",
    "barrier",
    "interval",
    "cut_timeout",
    "own_metrics",
    "node",
    "default_precision",
    "family_limit",
    "sample_every",
    "\"raft_*\"",
    "enabled",
    "address",
    "socket_mode",
    "prefix",
    "allow",
    "protect_health",
    "connections",
    "header_bytes",
    "request_time",
    "concurrent_renders",
    "page",
    "certificate",
    "key",
    "flush_within",
    "type",
    "time_limit",
    "retry_first",
    "retry_longest",
    "spool_entries",
    "spool_bytes",
    "spool_file",
    "user",
    "format",
    "job",
    "database",
    "org",
    "bucket",
    "temporality",
    "version",
    "gzip",
    "plain",
    "datagram_bytes",
    "ca_file",
    "client_certificate",
    "client_key",
    "classic_histograms",
    "end_series",
];

/// Keys at which, in the tables where they belong or in none, a secret is not out of place.
const SECRETS: &[&str] =
    &["password", "bearer_token", "token", "bearer_tokens", "headers", "users", "url"];

const CHOICES: &[&str] = &[
    "http",
    "pushgateway",
    "victoria-metrics",
    "otlp",
    "otlp-json",
    "remote-write",
    "influx",
    "influx2",
    "graphite",
    "statsd",
    "text",
    "openmetrics",
    "csv",
    "delta",
    "1.0",
    "2.0",
    "fence",
    "http://h:1/p",
    "127.0.0.1:0",
    "10.0.0.0/8",
];

fn of<'a>(all: &[&'a str], index: u8) -> &'a str {
    all[usize::from(index) % all.len()]
}

/// Text without a secret by accident, and without quotes that swallow the lines that follow.
fn tame(text: &str) -> String {
    text.replace(SECRET, "").replace("\"\"\"", "").replace("'''", "")
}

impl Value {
    fn written(&self) -> String {
        match self {
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Text(text) => format!("{:?}", tame(text)),
            Value::Choice(choice) => format!("{:?}", of(CHOICES, *choice)),
            Value::Time(number, unit) => {
                format!("\"{number}{}\"", of(&["ns", "us", "ms", "s", "m", "h", "d", ""], *unit))
            }
            Value::List(texts) => {
                format!("{:?}", texts.iter().map(|text| tame(text)).collect::<Vec<_>>())
            }
            Value::Raw(text) => tame(text).replace('\n', " "),
        }
    }
}

impl Line {
    fn written(&self) -> String {
        match self {
            Line::Table(table) => format!("[{}]", of(TABLES, *table)),
            Line::Key(key, value) => format!("{} = {}", of(KEYS, *key), value.written()),
            Line::Secret(key, wrapping) => {
                format!("{} = {}", of(SECRETS, *key), wrapping.written())
            }
            Line::Raw(text) => tame(text),
        }
    }
}

impl Wrapping {
    fn written(&self) -> String {
        match self {
            Wrapping::Text => format!("\"{SECRET}\""),
            Wrapping::List => format!("[\"{SECRET}\"]"),
            Wrapping::Unquoted => SECRET.to_owned(),
            Wrapping::Open => format!("\"{SECRET}"),
            Wrapping::InTable => format!("{{ a = \"{SECRET}\" }}"),
            Wrapping::UrlQuery => format!("\"http://h/p?t={SECRET}\""),
            Wrapping::UrlUser => format!("\"http://me:{SECRET}@h/p\""),
            Wrapping::Escape => format!("\"{SECRET}\\q\""),
        }
    }
}

impl Variable {
    fn written(&self) -> (String, String) {
        match self {
            Variable::Plain(key, value) => {
                let table = of(TABLES, *key).replace('.', "_");
                (
                    format!("TACHOMETER_{}_{}", table, of(KEYS, key.rotate_left(4))).to_uppercase(),
                    tame(value),
                )
            }
            Variable::Secret(key) => {
                let name = of(
                    &[
                        "TARGETS_A_PASSWORD",
                        "TARGETS_A_HEADERS",
                        "TARGETS_A_HEADERS_X",
                        "LISTENER_USERS",
                        "TARGETS_B_URL",
                        "LISTENER_USERS_ANN",
                        "LISTENER_BEARER_TOKENS",
                        "LISTENER_USER",
                        "TARGETS_B_TOKEN",
                        "TARGETS_B",
                    ],
                    *key,
                );
                (format!("TACHOMETER_{name}"), SECRET.to_owned())
            }
            Variable::Raw(name, value) => (format!("TACHOMETER_{}", tame(name)), tame(value)),
        }
    }
}

/// Asserts that no secret is in what is shown.
fn hides(shown: &str) {
    assert!(!shown.contains(SECRET), "{shown}");
}

/// Whether what was meant for a secret became the value of a label.
fn labelled(config: &Config) -> bool {
    let targets = config.targets.values();
    let of_targets = targets.flat_map(|target| target.grouping.iter().chain(&target.resource));
    config.engine.labels.iter().chain(of_targets).any(|(_, value)| value.contains(SECRET))
}

/// Runs one input.
pub fn run(plan: &Plan) {
    let text: String = plan.lines.iter().map(|line| line.written() + "\n").collect();
    match Config::parse(&text) {
        // Labels are shown, whatever their names are.
        Ok(config) if labelled(&config) => return,
        Ok(config) => {
            let written = toml::to_string(&config).expect("what was read can be written");
            for shown in [&written, &config.description(), &format!("{config:?}")] {
                hides(shown);
            }
            let again = Config::parse(&written).expect(&written);
            assert_eq!(toml::to_string(&again).expect("as before"), written);
            // Secrets are left out, and neither is shown; of URLs, what follows a question mark or stands before an @.
            if !text.contains('?') && !text.contains('@') {
                assert_eq!(format!("{again:?}"), format!("{config:?}"), "nothing was left out");
            }
        }
        Err(error) => {
            let lines = text.split('\n').count();
            assert!(error.place.is_none_or(|(line, _)| (1..=lines).contains(&line)), "{error}");
            assert!(!error.reason.is_empty());
            hides(&format!("{error} {error:?}"));
        }
    }
    let variables =
        plan.variables.iter().map(Variable::written).filter(|(name, _)| !name.contains('\0'));
    match Config::parse_with(&text, variables) {
        Ok((config, _)) => hides(&format!("{config:?}")),
        Err(error) => {
            assert!(error.place.is_some() || error.reason.contains("TACHOMETER_"), "{error}");
            hides(&format!("{error} {error:?}"));
        }
    }
}
