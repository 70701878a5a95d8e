//! Rules and scrape configurations, judged by `promtool`.

use crate::common::debian::is_here;
use crate::scenarios::{SCENARIOS, Scenario};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tachometer::declare::Bundle;
use tachometer::generate::{self, Scrape};

fn is_promtool_here() -> bool {
    is_here("promtool", "prometheus")
}

/// A new folder with the rule files of all bundles.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("generate-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for file in generate::rules(&tachometer::catalogue::declarations()).unwrap() {
        std::fs::write(folder.join(file.name()), file.to_yaml()).unwrap();
    }
    folder
}

/// Whether it succeeds, and what it says.
fn promtool(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let said = Command::new("promtool").args(arguments).current_dir(folder).output().unwrap();
    let text = [said.stdout, said.stderr].concat();
    (said.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn promtool_takes_the_files() {
    if !is_promtool_here() {
        return;
    }
    let folder = folder("check");
    let mut scrape =
        Scrape::new(["127.0.0.1:9464", "[::1]:9464", "node-1.example:80"]).job("it's a job");
    let mut names = Vec::new();
    for file in generate::rules(&tachometer::catalogue::declarations()).unwrap() {
        scrape = scrape.rule_file(file.name());
        names.push(file.name().to_owned());
    }
    let arguments: Vec<_> =
        ["check", "rules"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let (is_right, said) = promtool(&folder, &arguments);
    assert!(is_right, "{said}");
    std::fs::write(folder.join("prometheus.yml"), scrape.to_yaml().unwrap()).unwrap();
    let (is_right, said) = promtool(&folder, &["check", "config", "prometheus.yml"]);
    assert!(is_right && said.contains(&format!("{} rule files found", names.len())), "{said}");
    let _ = std::fs::remove_dir_all(folder);
}

/// Two tests for each alert of a bundle: one in which it fires at the end, one in which it does not.
fn unit_tests(bundle: &Bundle) -> String {
    let mut file = format!("rule_files: [{}.yml]\nevaluation_interval: 5s\ntests:\n", bundle.id());
    for alert in bundle.alerts() {
        let found = SCENARIOS.iter().find(|scenario| scenario.alert == alert.name);
        let Scenario { fires, silent, .. } =
            found.unwrap_or_else(|| panic!("{} is not tested", alert.name));
        for (input, expected) in [(fires, "[{labels: '{}', value: 1}]"), (silent, "[]")] {
            file += "- interval: 5s\n  input_series:\n";
            for (series, values) in *input {
                writeln!(file, "  - {{series: '{series}', values: '{values}'}}").unwrap();
            }
            let name = alert.name;
            write!(
                file,
                "  promql_expr_test:\n  - expr: count(ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}})\n    \
                 eval_time: 12m\n    exp_samples: {expected}\n"
            )
            .unwrap();
        }
    }
    file
}

#[test]
fn each_alert_fires_on_its_fault_and_else_is_silent() {
    let bundles = tachometer::catalogue::declarations();
    let alerts: Vec<_> = bundles.iter().flat_map(Bundle::alerts).map(|alert| alert.name).collect();
    for scenario in SCENARIOS {
        assert!(alerts.contains(&scenario.alert), "{} is no alert", scenario.alert);
    }
    let tests: Vec<_> = bundles.iter().map(|bundle| (bundle.id(), unit_tests(bundle))).collect();
    if !is_promtool_here() {
        return;
    }
    let folder = folder("test");
    for (name, tests) in tests {
        let file = format!("{name}.test.yml");
        std::fs::write(folder.join(&file), tests).unwrap();
        let (is_right, said) = promtool(&folder, &["test", "rules", &file]);
        assert!(is_right, "{name}: {said}");
    }
    let _ = std::fs::remove_dir_all(folder);
}
