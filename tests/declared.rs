//! What is made of declarations and kept in the tree is what the declarations say now. With `TACHOMETER_BLESS=1` the files
//! are written instead.

#![cfg(feature = "rules")]

use std::path::Path;
use tachometer::catalogue::raft::RaftMetrics;
use tachometer::rules::RuleFile;

fn holds(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("TACHOMETER_BLESS").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "{} is not what its declaration says; TACHOMETER_BLESS=1 cargo test --all-features --test declared writes it anew",
        path.display()
    );
}

#[test]
fn the_rules_for_raft_are_those_of_the_bundle() {
    let file = RuleFile::of_bundles("raft.yml", &[RaftMetrics::declaration()]).unwrap();
    let head = "# Alerts for a Raft node that records `tachometer::catalogue::raft`, as its declaration has them: evaluated in the\n\
                # process by `tachometer::rules`, or by a Prometheus that scrapes the nodes (`RaftDataStale` needs scrapes more often\n\
                # than every 10 s, `RaftCommitsStalled` than every 15 s). Thresholds are for a cluster in one place, with elections\n\
                # within a second; adapt them.\n";
    holds("src/rules/raft.yml", &format!("{head}{}", file.to_yaml()));
}

/// Every expression of every shipped bundle can be read, and no two bundles have one alert's name or one series'.
#[test]
fn the_rules_of_all_bundles_can_be() {
    let bundles = tachometer::catalogue::declarations();
    let file = RuleFile::of_bundles("all.yml", &bundles).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(file.groups().iter().filter(|group| group.rules().is_empty()).count(), 0);
    let mut names = std::collections::HashSet::new();
    for bundle in &bundles {
        for series in bundle.series() {
            assert!(names.insert(series.full_name().to_owned()), "{} twice", series.full_name());
            assert!(!series.question().is_empty(), "{}: no question", series.full_name());
            for target in series.panel().targets {
                let text = target.expression("1m");
                tachometer::query::Query::parse(&text)
                    .unwrap_or_else(|error| panic!("{text}: {error}"));
            }
        }
        for alert in bundle.alerts() {
            assert!(names.insert(alert.name.to_owned()), "{} twice", alert.name);
            assert!(!alert.summary.is_empty() && !alert.action.is_empty(), "{}", alert.name);
            assert!(!alert.component.is_empty(), "{}", alert.name);
        }
    }
}
