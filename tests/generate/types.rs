//! Dashboards against Grafana's published types, by its TypeScript compiler.

use crate::common::debian::{missing, node_packages};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use tachometer::declare::{Panel, PanelKind, PanelUnit};
use tachometer::generate::{self, Dashboard};

const PACKAGES: [&str; 2] = ["@grafana/schema@13.2.3", "typescript@5.9.3"];

/// Where the types and their compiler are; nothing if the test is to be skipped.
fn place() -> Option<&'static Path> {
    static PLACE: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
    let made = PLACE.get_or_init(|| {
        let made = node_packages("grafana-types", &PACKAGES);
        made.map_err(|why| missing("Grafana's types", &why)).ok()
    });
    made.as_deref()
}

/// What makes a dashboard wrong.
type Change = fn(&mut Value);

/// A program that has the dashboards as constants of their types, each panel, and what depends on its type, by itself:
/// only so is a key that the type does not know an error.
fn program(dashboards: &[Value]) -> String {
    let mut program = include_str!("types.ts").to_owned();
    let mut say = |name: &str, of: &str, value: &Value| {
        writeln!(program, "export const {name}: {of} = {value};").unwrap();
    };
    for (nth, dashboard) in dashboards.iter().enumerate() {
        say(&format!("dashboard{nth}"), "Plain<Dashboard>", dashboard);
        let rows = dashboard["panels"].as_array().unwrap();
        let inner = rows.iter().filter_map(|row| row["panels"].as_array()).flatten();
        for (at, panel) in rows.iter().chain(inner).enumerate() {
            let kind = &panel["type"];
            let name = format!("dashboard{nth}panel{at}");
            if kind == "row" {
                say(&name, "Plain<RowPanel>", panel);
                continue;
            }
            say(&name, "Plain<Panel>", panel);
            say(&format!("{name}options"), &format!("Options[{kind}]"), &panel["options"]);
            let custom = &panel["fieldConfig"]["defaults"]["custom"];
            say(&format!("{name}custom"), &format!("Custom[{kind}]"), custom);
            say(&format!("{name}targets"), "Array<Plain<Query>>", &panel["targets"]);
        }
    }
    program
}

/// What the compiler has to say about `program`; nothing if it is right.
fn complaints(place: &Path, name: &str, program: &str) -> Vec<String> {
    let file = place.join(format!("{name}.ts"));
    std::fs::write(&file, program).unwrap();
    let options = [
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
    ];
    let said = Command::new("node")
        .arg(place.join("node_modules/typescript/lib/tsc.js"))
        .args(options)
        .arg(&file)
        .current_dir(place)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.status.success() || text.contains("error TS"),
        "{text}{}",
        String::from_utf8_lossy(&said.stderr)
    );
    text.lines().map(|line| line.chars().take(600).collect()).collect()
}

#[test]
fn dashboards_are_what_grafana_says_they_are() {
    let Some(place) = place() else { return };
    let mut dashboards = generate::grafana(&tachometer::catalogue::declarations());
    // One by hand, with what the shipped ones do not have.
    let figure = Panel::new("Clients", PanelKind::Figure)
        .asks("How many?")
        .plots("sum(up)", "")
        .shown_in(PanelUnit::Number);
    dashboards.push(Dashboard::new("By hand").row("A row", [figure]).closed_row("Another", []));
    let made: Vec<_> = dashboards.iter().map(Dashboard::to_json).collect();
    let complaints = complaints(place, "dashboards", &program(&made));
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// The types would notice: a key that is misspelt, a value that no enum has, a text in the place of a number.
#[test]
fn a_wrong_dashboard_is_found_out() {
    let Some(place) = place() else { return };
    let panel = Panel::new("Clients", PanelKind::Lines).plots("sum(up)", "");
    let sound = Dashboard::new("By hand").row("A row", [panel]).to_json();
    let changes: [(&str, Change); 5] = [
        ("titel", |made| made["panels"][1]["titel"] = Value::from("x")),
        ("\"dotted\"", |made| {
            made["panels"][1]["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] =
                Value::from("dotted");
        }),
        ("Type '7'", |made| made["graphTooltip"] = Value::from(7)),
        ("Type 'string' is not assignable to type 'number'", |made| {
            made["schemaVersion"] = Value::from("39")
        }),
        ("Type 'null'", |made| made["panels"][1]["targets"][0]["expr"] = Value::Null),
    ];
    let mut made = Vec::new();
    for (_, change) in &changes {
        let mut wrong = sound.clone();
        change(&mut wrong);
        made.push(wrong);
    }
    let complaints = complaints(place, "wrong", &program(&made)).concat();
    for (text, _) in &changes {
        assert!(complaints.contains(text), "{text} is not complained about: {complaints}");
    }
}
