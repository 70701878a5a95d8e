//! What is made of declarations and kept in the tree is what the declarations say now. With `TACHOMETER_BLESS=1` the files
//! are written instead.

#![cfg(feature = "rules")]

use std::path::Path;
use tachometer::catalogue::raft::RaftMetrics;
use tachometer::declare::Bundle;
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

#[test]
fn each_bundle_has_its_page() {
    let bundles = tachometer::catalogue::declarations();
    let mut index = "# The catalogue\n\nWhat the bundles of `tachometer::catalogue` record, derive and warn of. Each page is made of the \
                     bundle's declaration, as its handles, panels and rules are; `tacho generate` writes dashboards and rule files \
                     of it.\n\n| bundle | about | series | alerts |\n|---|---|---|---|\n".to_owned();
    let mut kept = vec!["README.md".to_owned()];
    for bundle in &bundles {
        let file = format!("{}.md", bundle.id());
        holds(&format!("docs/catalogue/{file}"), &bundle.to_markdown());
        let (series, alerts) = (bundle.series().len(), bundle.alerts().count());
        index += &format!(
            "| [{}]({file}) | {} | {series} | {alerts} |\n",
            bundle.title(),
            bundle.help()
        );
        kept.push(file);
    }
    holds("docs/catalogue/README.md", &index);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/catalogue");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(kept.contains(&name), "docs/catalogue/{name} is the page of no bundle");
    }
}

/// What a reader looks for on a page, for each line of a declaration.
#[test]
fn a_page_has_every_series_question_and_alert() {
    let check = |bundle: &Bundle| {
        let page = bundle.to_markdown();
        for series in bundle.series() {
            let row =
                page.lines().find(|line| line.starts_with(&format!("| `{}`", series.full_name())));
            let row = row.unwrap_or_else(|| panic!("{} is not on its page", series.full_name()));
            assert!(
                row.contains(series.question()) && row.contains(&series.panel().title),
                "{row}"
            );
        }
        for alert in bundle.alerts() {
            assert!(
                page.contains(&format!("### {}", alert.name)) && page.contains(alert.action),
                "{}",
                alert.name
            );
        }
    };
    tachometer::catalogue::declarations().iter().for_each(check);
}
