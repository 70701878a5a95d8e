//! Parameters of the query API: any of them, at any endpoint, is answered with JSON that says whether it worked; a form and a
//! query string are answered alike; and a moment is the same moment in seconds and in RFC 3339.

use crate::memory::Memory;
use arbitrary::Arbitrary;
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tachometer::query::{STALE, Settings};
use tachometer::rules::{RuleFile, RuleManager};
use tachometer::serve::Responder;
use tachometer::{Engine, History, Listener, ManualClock, Registry};

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Input {
    endpoint: u8,
    parameters: Vec<(u8, Text)>,
    /// Sent as it is, behind the parameters.
    wild: String,
    moment: Moment,
}

/// A parameter's value.
#[derive(Arbitrary, Debug)]
enum Text {
    Wild(String),
    Known(u8),
    Seconds(f64),
    Units(u16, u8, u16, u8),
}

/// A time of years 1 to 9999.
#[derive(Arbitrary, Debug)]
struct Moment {
    days: u32,
    milliseconds: u32,
    offset_minutes: i16,
}

const END: i64 = 1_700_000_600;
const PATHS: [&str; 10] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/label/x/values",
    "/api/v1/metadata",
    "/api/v1/status/buildinfo",
    "/metrics/aggregated",
    "/api/v1/rules",
    "/api/v1/alerts",
];
const NAMES: [&str; 16] = [
    "query",
    "time",
    "timeout",
    "start",
    "end",
    "step",
    "match[]",
    "limit",
    "lookback_delta",
    "metric",
    "window",
    "by",
    "type",
    "rule_name[]",
    "rule_group[]",
    "file[]",
];
const KNOWN: [&str; 14] = [
    "a",
    "{x=\"1\"}",
    "rate(a[1m])",
    "1700000000",
    "1700000600",
    "15s",
    "x",
    "0",
    "2023-11-14T22:20:00Z",
    "sum(a) by (y)",
    "alert",
    "record",
    "A",
    "rules.yml",
];
/// By the rules' names: whether they alert.
const RULES: [(&str, bool); 3] = [("A", true), ("x", false), ("0", true)];
const RULE_FILE: &str = "groups: [{name: a, rules: [{alert: A, expr: vector(1)}, {record: x, expr: vector(1)}]}, {name: x, rules: [{alert: '0', expr: vector(0) > 1}]}]";
const UNITS: [&str; 8] = ["ms", "s", "m", "h", "d", "w", "y", ""];

fn responder() -> &'static (Engine, Responder, RuleManager) {
    static RESPONDER: OnceLock<(Engine, Responder, RuleManager)> = OnceLock::new();
    RESPONDER.get_or_init(|| {
        let clock = ManualClock::at(Duration::from_secs(END as u64));
        let engine =
            Engine::builder().registry(&Registry::new()).manual(&clock).start().expect("an engine");
        let history = History::builder().start(&engine).expect("a history");
        let file = RuleFile::parse("rules.yml", RULE_FILE).expect("a rule file");
        let manager = RuleManager::builder().file(file).start(&engine, &history);
        let manager = manager.expect("rules");
        engine.refresh();
        let of = |stale: i64| -> Vec<(i64, f64)> {
            let value = |i| if i == stale { STALE } else { i as f64 / 3.0 };
            (0..40).map(|i| ((END - 600 + i * 15) * 1_000, value(i))).collect()
        };
        let memory = Memory::default()
            .with(&[("__name__", "a"), ("x", "1"), ("y", "p")], &of(7))
            .with(&[("__name__", "a"), ("x", "2 \"\\\n ü")], &of(39))
            .with(&[("__name__", "b_total"), ("x", "1")], &of(-1));
        let settings = Settings {
            time_limit: Duration::from_secs(2),
            max_samples: 200_000,
            max_points: 50_000,
            clock: Arc::new(clock),
            ..Settings::default()
        };
        let builder = Listener::builder().query(Arc::new(memory), settings).rules(&manager);
        let responder = builder.responder(&engine).expect("a responder");
        (engine, responder, manager)
    })
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn value(text: &Text) -> String {
    match text {
        Text::Wild(text) => text.clone(),
        Text::Known(which) => KNOWN[usize::from(*which) % KNOWN.len()].to_owned(),
        Text::Seconds(seconds) => seconds.to_string(),
        Text::Units(a, first, b, second) => {
            let unit = |which: &u8| UNITS[usize::from(*which) % UNITS.len()];
            format!("{a}{}{b}{}", unit(first), unit(second))
        }
    }
}

/// Status and body of an answer.
fn ask(method: &str, target: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let form = [("Content-Type", &b"application/x-www-form-urlencoded"[..])];
    let answer = responder().1.respond_with(method, target, form, body);
    (answer.status(), answer.body().to_vec())
}

/// Runs one input.
pub fn run(input: &Input) {
    let path = PATHS[usize::from(input.endpoint) % PATHS.len()];
    let pair = |(name, text): &(u8, Text)| {
        format!("{}={}", encoded(NAMES[usize::from(*name) % NAMES.len()]), encoded(&value(text)))
    };
    let mut form = input.parameters.iter().map(pair).collect::<Vec<_>>().join("&");
    if !input.wild.is_empty() && !input.wild.contains(['#', '?', ' ']) {
        form = format!("{form}&{}", input.wild);
    }
    let (status, body) = ask("GET", &format!("{path}?{form}"), Vec::new());
    if path.starts_with("/api") || status != 200 {
        let json: Value = serde_json::from_slice(&body).expect("JSON");
        match status {
            200 => assert!(json["status"] == "success" && json["data"] != Value::Null, "{json}"),
            400 => assert_eq!(json["errorType"], "bad_data", "{json}"),
            422 => assert_eq!(json["errorType"], "execution", "{json}"),
            503 => assert_eq!(json["errorType"], "timeout", "{json}"),
            _ => panic!("{status}: {json}"),
        }
    }
    if path.ends_with("/rules") && input.wild.is_empty() {
        only_those_asked_for(input, status, &body);
    }
    if ["query", "range", "series", "labels"].iter().any(|end| path.ends_with(end)) {
        let posted = ask("POST", path, form.into_bytes());
        // How long something takes is not the same twice.
        let is_same = (posted.0, &posted.1) == (status, &body);
        assert!(is_same || [status, posted.0].contains(&503), "{posted:?}");
    }
    same_moment(&input.moment);
}

/// Which rules are shown, by a second reading of what was asked for.
fn only_those_asked_for(input: &Input, status: u16, body: &[u8]) {
    let all = |name: &str| -> Vec<String> {
        let named = |(at, _): &&(u8, Text)| NAMES[usize::from(*at) % NAMES.len()] == name;
        input.parameters.iter().filter(named).map(|(_, text)| value(text)).collect()
    };
    let kind = all("type").first().map(|kind| kind.to_ascii_lowercase()).unwrap_or_default();
    let is_known = ["", "alert", "record"].contains(&kind.as_str());
    // Too many parameters are refused as well.
    assert!(is_known || status == 400);
    if status != 200 {
        return;
    }
    let answer: Value = serde_json::from_slice(body).expect("JSON");
    let groups = answer["data"]["groups"].as_array().expect("groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().expect("rules").clone());
    let shown: Vec<_> =
        rules.map(|rule| rule["name"].as_str().expect("a name").to_owned()).collect();
    let among = |asked: Vec<String>, one: &str| asked.is_empty() || asked.iter().any(|a| a == one);
    let wanted = RULES.iter().filter(|(name, is_alert)| {
        let group = if *name == "0" { "x" } else { "a" };
        (kind.is_empty() || (kind == "alert") == *is_alert)
            && among(all("rule_name[]"), name)
            && among(all("rule_group[]"), group)
            && among(all("file[]"), "rules.yml")
    });
    assert_eq!(shown, wanted.map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
}

/// Asks what time it is, of a time written in two ways.
fn same_moment(moment: &Moment) {
    // From 0002-01-01 on, so that no offset leads before the year 1.
    let days = i64::from(moment.days % 3_650_000) - 718_797;
    let milliseconds = i64::from(moment.milliseconds % 86_400_000);
    let offset = i64::from(moment.offset_minutes) % (24 * 60);
    let time = days * 86_400_000 + milliseconds;
    // A day at a time, as a calendar on the wall.
    let local = time + offset * 60_000;
    let (mut day, rest) = (local.div_euclid(86_400_000) + 719_162, local.rem_euclid(86_400_000));
    let mut year = 1 + day / 146_097 * 400;
    day %= 146_097;
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let clock = format!(
        "{:02}:{:02}:{:02}.{:03}",
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1_000 % 60,
        rest % 1_000
    );
    let sign = if offset < 0 { '-' } else { '+' };
    let zone = format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
    let written = format!("{year:04}-{:02}-{:02}T{clock}{zone}", month + 1, day + 1);
    let at = |time: &str| {
        ask("GET", &format!("/api/v1/query?query=time()&time={}", encoded(time)), Vec::new())
    };
    let sign = if time < 0 { "-" } else { "" };
    let seconds = format!("{sign}{}.{:03}", time.abs() / 1_000, time.abs() % 1_000);
    let (of_seconds, of_written) = (at(&seconds), at(&written));
    assert!(of_seconds.0 == 200 && of_seconds == of_written, "{seconds}, {written}");
}
