//! Any text as a rule file, and as a template in one: an error that names its line, or rules that can be evaluated.
//!
//! The oracle is the engine itself: rules that take up a state that was saved have the same alerts as those that it is
//! of.

use crate::memory::Memory;
use std::sync::OnceLock;
use std::time::Duration;
use tachometer::query::Settings;
use tachometer::rules::{RuleFile, RuleSettings, Rules};

fn memory() -> &'static Memory {
    static MEMORY: OnceLock<Memory> = OnceLock::new();
    MEMORY.get_or_init(|| {
        let of =
            |value: fn(i64) -> f64| -> Vec<_> { (0..6).map(|t| (t * 60_000, value(t))).collect() };
        Memory::default()
            .with(
                &[("__name__", "up"), ("i", "a.b:80")],
                &of(|t| if t % 3 == 0 { 0.0 } else { 1.0 }),
            )
            .with(&[("__name__", "up"), ("i", "<&\"é\n")], &of(|t| t as f64 * 1e7))
            .with(&[("__name__", "x"), ("i", "")], &of(|t| if t == 2 { f64::NAN } else { -0.001 }))
    })
}

fn settings() -> RuleSettings {
    let query = Settings {
        time_limit: Duration::from_secs(2),
        max_samples: 20_000,
        max_points: 5_000,
        ..Settings::default()
    };
    RuleSettings { query, interval: Duration::from_secs(60), ..RuleSettings::default() }
}

/// Reads and evaluates one file.
fn file(text: &str) {
    let file = match RuleFile::parse("fuzz.yml", text) {
        Ok(file) => file,
        Err(errors) => {
            assert!(!errors.0.is_empty());
            // A carriage return ends a line of YAML, too.
            let lines = text.matches(['\n', '\r']).count() + 2;
            for error in errors.0 {
                assert!((1..=lines).contains(&error.line), "{error}");
                assert!(error.reason.len() > 5, "{error}");
            }
            return;
        }
    };
    let count: usize = file.groups().iter().map(|group| group.rules().len()).sum();
    if count > 50 {
        return;
    }
    let mut rules = Rules::new([file.clone()], settings());
    for minute in 0..6 {
        rules.evaluate(minute * 60_000, memory());
    }
    let mut after = Rules::new([file], settings());
    let restored = after.restore(rules.state(300_000), 300_000);
    assert_eq!(restored.forgotten, 0);
    let alerts = |rules: &Rules| format!("{:?}", rules.alerts().collect::<Vec<_>>());
    assert_eq!(alerts(&rules), alerts(&after));
}

/// Runs one input.
pub fn run(text: &str) {
    file(text);
    // As a template, whatever is in it: in YAML's single quotes.
    let quoted = text.replace('\'', "''").replace(['\0', '\r'], " ");
    file(&format!(
        "groups: [{{name: g, rules: [{{alert: A, expr: up, labels: {{l: '{quoted}'}}, annotations: {{a: '{quoted}'}}}}]}}]"
    ));
}
