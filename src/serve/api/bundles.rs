//! `/api/v1/bundles`: what the bundles in use say of themselves, for whoever draws their panels.
//!
//! ```json
//! [{"id":"raft","name":"RaftMetrics","title":"Raft","prefix":"raft_","help":"…",
//!   "sections":[{"title":"Commits","panels":[{
//!     "metric":"raft_commit_latency_seconds","type":"histogram","help":"…","labels":[{"name":"peer","values":null}],
//!     "title":"Commit latency","question":"…","kind":"heatmap","unit":"seconds","headline":true,"derived":null,
//!     "targets":[{"expression":"histogram_quantile(0.5, sum(rate(raft_commit_latency_seconds[$window])))","legend":"p50"}],
//!     "thresholds":[{"operator":">","value":0.25,"severity":"warning","alert":"RaftCommitLatencyHigh"}],
//!     "states":[[1,"leader"]],"histogram":"raft_commit_latency_seconds"}]}],
//!   "alerts":[{"name":"RaftNoLeader","expression":"…","bound":null,"hold":5,"keep_firing":0,"severity":"critical",
//!              "component":"consensus","summary":"…","description":"…","action":"…"}]}]
//! ```
//!
//! In a target's expression `$window` stands for the window of a rate, which whoever draws it chooses.

use super::{Data, Failure};
use crate::Kind;
use crate::declare::{Alert, Bundle, Panel, PanelKind, PanelUnit, Series, WINDOW};
use serde_json::{Value, json};
use std::sync::Arc;

/// The `data` of the call.
pub(super) fn data(bundles: &[Arc<Bundle>]) -> Data {
    let all: Vec<Value> = bundles.iter().map(|bundle| of(bundle)).collect();
    let text = serde_json::to_string(&all);
    // Texts and numbers, and maps whose keys are texts: nothing that JSON could refuse.
    let text = text.map_err(|why| Failure { kind: "internal", why: why.to_string() })?;
    Ok((text, false))
}

fn of(bundle: &Bundle) -> Value {
    let section = |(title, series): (&str, Vec<&Series>)| {
        let panels: Vec<Value> = series.into_iter().map(panel).collect();
        json!({ "title": title, "panels": panels })
    };
    json!({
        "id": bundle.id(),
        "name": bundle.name(),
        "title": bundle.title(),
        "prefix": bundle.prefix(),
        "help": bundle.help(),
        "sections": bundle.sections().into_iter().map(section).collect::<Vec<_>>(),
        "alerts": bundle.alerts().map(alert).collect::<Vec<_>>(),
    })
}

fn panel(series: &Series) -> Value {
    let Panel { title, question, kind, unit, targets, thresholds, states, histogram } =
        series.panel();
    let labels = series.labels().iter();
    let labels: Vec<Value> =
        labels.map(|label| json!({ "name": label.name, "values": label.values })).collect();
    let targets = targets.iter();
    let targets: Vec<Value> = targets
        .map(|target| json!({ "expression": target.expression(WINDOW), "legend": target.legend }))
        .collect();
    let thresholds = thresholds.iter().map(|threshold| {
        json!({
            "operator": threshold.bound.operator(),
            "value": threshold.bound.value(),
            "severity": threshold.severity.as_str(),
            "alert": threshold.alert,
        })
    });
    json!({
        "metric": series.full_name(),
        "type": word(series.kind()),
        "help": series.help(),
        "labels": labels,
        "title": title,
        "question": question,
        "kind": drawn(kind),
        "unit": measured(unit),
        "headline": series.is_headline(),
        "derived": series.expression(),
        "targets": targets,
        "thresholds": thresholds.collect::<Vec<_>>(),
        "states": states,
        "histogram": histogram,
    })
}

fn alert(alert: &Alert) -> Value {
    let bound = alert.bound();
    json!({
        "name": alert.name,
        "expression": alert.expression(),
        "bound": bound.map(|bound| json!({ "operator": bound.operator(), "value": bound.value() })),
        "hold": alert.hold.as_secs_f64(),
        "keep_firing": alert.keep_firing.as_secs_f64(),
        "severity": alert.severity.as_str(),
        "component": alert.component,
        "summary": alert.summary,
        "description": alert.description,
        "action": alert.action,
    })
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::UpDownCounter => "gauge",
        Kind::Histogram => "histogram",
        Kind::StateSet => "stateset",
        Kind::Info => "info",
    }
}

fn drawn(kind: PanelKind) -> &'static str {
    match kind {
        PanelKind::Lines => "lines",
        PanelKind::Heatmap => "heatmap",
        PanelKind::Timeline => "timeline",
        PanelKind::Figure => "figure",
    }
}

fn measured(unit: PanelUnit) -> &'static str {
    match unit {
        PanelUnit::Number => "number",
        PanelUnit::PerSecond => "per_second",
        PanelUnit::Seconds => "seconds",
        PanelUnit::Bytes => "bytes",
        PanelUnit::BytesPerSecond => "bytes_per_second",
        PanelUnit::Ratio => "ratio",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_told_whole_and_escaped() {
        crate::bundle! {
            /// A "quoted" help.
            struct Odd("odd_", "Odd \"one\"\u{7}") {
                "A\\B":
                /// Slow ones.
                slow: crate::Histogram = "slow_seconds", unit(crate::Unit::Nanoseconds)
                    => asks("How \"slow\"?"), titled("</script>"), headline(),
                       alert(Alert::when_beyond("OddSlow", "odd_slow_seconds:p99", crate::declare::Bound::Above(0.5))
                           .severity(crate::declare::Severity::Page));
            }
        }
        let (text, cut) = data(&[Arc::new(Odd::declaration())]).unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        let panel = &all[0]["sections"][0]["panels"][0];
        assert!(!cut);
        assert_eq!(
            (&all[0]["title"], &all[0]["help"]),
            (&json!("Odd \"one\"\u{7}"), &json!("A \"quoted\" help."))
        );
        assert_eq!(
            (&panel["title"], &panel["question"]),
            (&json!("</script>"), &json!("How \"slow\"?"))
        );
        assert_eq!((&panel["kind"], &panel["unit"]), (&json!("heatmap"), &json!("seconds")));
        assert_eq!(panel["targets"][0]["expression"], json!("odd_slow_seconds:p99"));
        assert!(panel["targets"][1]["expression"].as_str().unwrap().contains(WINDOW));
        let threshold =
            json!({ "operator": ">", "value": 0.5, "severity": "page", "alert": "OddSlow" });
        assert_eq!(panel["thresholds"], json!([threshold]));
        assert_eq!(all[0]["alerts"][0]["name"], json!("OddSlow"));
    }
}
