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
