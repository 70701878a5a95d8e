//! The five things that come of one declaration: handles, series on the page, panels, rules, a page of documentation. Each is
//! held against the declaration; what does not fit is told.

use std::collections::BTreeSet;
use tachometer::declare::{Bundle, Condition};
use tachometer::rules::RuleFile;
use tachometer::{Kind, generate};

/// The artefacts of a bundle.
#[derive(Clone)]
pub struct Artefacts {
    /// The names of the handles, without prefix.
    pub handles: Vec<String>,
    /// `/metrics`, after something was recorded in every series.
    pub page: String,
    /// The dashboards, as text.
    pub dashboards: String,
    pub rules: String,
    pub documentation: String,
}

impl Artefacts {
    pub fn of(bundle: &Bundle, handles: &[&str], page: &str, documentation: &str) -> Artefacts {
        let bundles = [bundle.clone()];
        let dashboards: Vec<_> =
            generate::grafana(&bundles).iter().map(|one| one.to_json().to_string()).collect();
        Artefacts {
            handles: handles.iter().map(|&name| name.to_owned()).collect(),
            page: page.to_owned(),
            dashboards: dashboards.join("\n"),
            rules: generate::rules(&bundles).unwrap().iter().map(RuleFile::to_yaml).collect(),
            documentation: documentation.to_owned(),
        }
    }

    /// Where they are not what `bundle` says.
    pub fn drifts(&self, bundle: &Bundle) -> Vec<String> {
        let mut drifts = Vec::new();
        let mut demand = |is_so: bool, what: String| {
            if !is_so {
                drifts.push(what);
            }
        };
        let recorded: Vec<_> =
            bundle.series().iter().filter(|series| series.expression().is_none()).collect();
        let names: Vec<_> = recorded.iter().map(|series| series.name().to_owned()).collect();
        demand(names == self.handles, format!("handles: {:?}, declared: {names:?}", self.handles));

        for series in &recorded {
            let name = series.full_name();
            let kind = match series.kind() {
                Kind::Counter => "counter",
                Kind::Histogram => "histogram",
                _ => "gauge",
            };
            for line in
                [format!("# HELP {name} {}", series.help()), format!("# TYPE {name} {kind}")]
            {
                demand(
                    self.page.lines().any(|own| own == line),
                    format!("/metrics lacks {line:?}"),
                );
            }
            let samples = self.page.lines().filter(|line| {
                let sample = line.split(['{', ' ']).next().unwrap_or_default();
                let stem = ["_bucket", "_count", "_sum"]
                    .iter()
                    .find_map(|suffix| sample.strip_suffix(suffix));
                sample == name || (kind == "histogram" && stem == Some(name))
            });
            let declared: BTreeSet<_> =
                series.labels().iter().map(|label| label.name.clone()).collect();
            let mut found = 0;
            for line in samples {
                found += 1;
                let labels = crate::page::labels(line);
                let own: BTreeSet<_> =
                    labels.keys().filter(|label| *label != "le").cloned().collect();
                demand(own == declared, format!("{line:?} has not the labels {declared:?}"));
                for label in series.labels() {
                    let is_known = |value: &String| {
                        label.values.is_none_or(|all| all.contains(&value.as_str()))
                    };
                    demand(
                        labels.get(&label.name).is_none_or(is_known),
                        format!("{line:?}: not in {label:?}"),
                    );
                }
            }
            demand(found > 0, format!("/metrics has no sample of {name}"));
        }
        let own = |name: &str| bundle.series().iter().any(|series| series.full_name() == name);
        for line in self.page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap_or_default();
            demand(
                !name.starts_with(bundle.prefix()) || own(name),
                format!("/metrics has {name}, which is not declared"),
            );
        }

        let file = RuleFile::parse("rules.yml", &self.rules).unwrap();
        let rules: Vec<_> = file.groups().iter().flat_map(|group| group.rules()).collect();
        for series in bundle.series() {
            let panel = series.panel();
            let title = serde_json::to_string(&panel.title).unwrap();
            demand(
                self.dashboards.contains(&format!("\"title\":{title}")),
                format!("no panel {title}"),
            );
            let steps = panel.thresholds.iter().filter(|threshold| {
                !self
                    .dashboards
                    .contains(&format!("\"value\":{}", serde_json::json!(threshold.bound.value())))
            });
            steps.for_each(|threshold| {
                demand(false, format!("no threshold of {}", threshold.alert))
            });
            if let Some(expression) = series.expression() {
                let is_there = rules.iter().any(|rule| {
                    !rule.is_alert()
                        && rule.name() == series.full_name()
                        && rule.query().text() == expression
                });
                demand(is_there, format!("no rule records {}", series.full_name()));
            }
            demand(
                self.documentation.contains(&format!("| `{}` ", series.full_name())),
                format!("the documentation lacks {}", series.full_name()),
            );
        }
        for alert in bundle.alerts() {
            let is_there = rules.iter().any(|rule| {
                let expression = match &alert.condition {
                    Condition::Beyond { expression, bound } => {
                        let text = rule.query().text();
                        text.contains(expression.as_str()) && text.ends_with(&bound.to_string())
                    }
                    Condition::Any { expression } => rule.query().text() == expression,
                    other => panic!("{other:?}"),
                };
                rule.is_alert()
                    && rule.name() == alert.name
                    && expression
                    && rule.hold() == alert.hold
                    && rule.keep_firing() == alert.keep_firing
                    && rule.labels().any(|label| label == ("severity", alert.severity.as_str()))
                    && rule.annotations().any(|text| text == ("action", alert.action))
            });
            demand(is_there, format!("no rule is the alert {}", alert.name));
            demand(
                self.documentation.contains(&format!("### {}\n", alert.name))
                    && self.documentation.contains(alert.action),
                format!("the documentation lacks {}", alert.name),
            );
        }
        let (alerts, derived) = (bundle.alerts().count(), bundle.series().len() - recorded.len());
        demand(
            rules.len() == alerts + derived,
            format!("{} rules, not {alerts} + {derived}", rules.len()),
        );
        drifts
    }
}
