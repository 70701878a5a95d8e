//! Panels as Grafana has them.

use super::filter::filtered;
use crate::declare::{Bound, Panel, PanelKind, PanelUnit, Severity, Threshold};
use serde_json::{Map, Value, json};

/// The window of rates, which Grafana makes at least four times as long as scrapes are apart.
const RATE_WINDOW: &str = "$__rate_interval";
/// What the dashboard's variables let through.
const CHOSEN: &str = r#"instance=~"$instance",group=~"$group""#;

const GREEN: &str = "green";
const COLORS: [&str; 8] =
    ["#8e8e8e", "green", "yellow", "blue", "purple", "orange", "red", "super-light-blue"];

/// One panel of Grafana's. A heat map is two: it cannot draw lines over its cells.
#[derive(Debug)]
pub(super) struct Drawn<'a> {
    panel: &'a Panel,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    Lines,
    /// Of this histogram.
    Heatmap(&'a str),
    Timeline,
    Figure,
}

pub(super) fn data_source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// What a panel is drawn as.
pub(super) fn drawn(panel: &Panel) -> Vec<Drawn<'_>> {
    let one = |kind| Drawn { panel, kind };
    match (panel.kind, &panel.histogram) {
        (PanelKind::Heatmap, Some(histogram)) => {
            vec![one(Kind::Heatmap(histogram)), one(Kind::Lines)]
        }
        (PanelKind::Timeline, _) => vec![one(Kind::Timeline)],
        (PanelKind::Figure, _) => vec![one(Kind::Figure)],
        _ => vec![one(Kind::Lines)],
    }
}

impl Drawn<'_> {
    pub(super) fn to_json(&self, id: u32, position: Value) -> Value {
        let (kind, options, custom) = match self.kind {
            Kind::Lines => {
                ("timeseries", lines_options(), lines_custom(!self.panel.thresholds.is_empty()))
            }
            Kind::Heatmap(_) => ("heatmap", heatmap_options(self.panel), heatmap_custom()),
            Kind::Timeline => {
                ("state-timeline", timeline_options(), json!({"fillOpacity": 70, "lineWidth": 0}))
            }
            Kind::Figure => ("stat", figure_options(), json!({})),
        };
        json!({
            "id": id,
            "type": kind,
            "title": self.title(),
            "description": self.panel.question,
            "datasource": data_source(),
            "gridPos": position,
            "targets": self.targets(),
            "fieldConfig": {"defaults": self.field(custom), "overrides": []},
            "options": options,
        })
    }

    fn title(&self) -> String {
        match (&self.kind, self.panel.kind) {
            (Kind::Heatmap(_), _) => format!("{}, distribution", self.panel.title),
            _ => self.panel.title.clone(),
        }
    }

    fn targets(&self) -> Vec<Value> {
        let target = |(nth, (expression, legend, format)): (usize, (String, &str, &str))| {
            json!({
                "refId": reference(nth),
                "datasource": data_source(),
                "editorMode": "code",
                "expr": filtered(&expression, CHOSEN),
                "legendFormat": if legend.is_empty() { "__auto" } else { legend },
                "format": format,
                "range": true,
                "instant": false,
            })
        };
        let queries: Vec<_> = match self.kind {
            Kind::Heatmap(histogram) => {
                let cells = format!("sum by (le) (increase({histogram}_bucket[{RATE_WINDOW}]))");
                vec![(cells, "{{le}}", "heatmap")]
            }
            _ => {
                let targets = self.panel.targets.iter();
                targets
                    .map(|target| (target.expression(RATE_WINDOW), target.legend, "time_series"))
                    .collect()
            }
        };
        queries.into_iter().enumerate().map(target).collect()
    }

    fn field(&self, custom: Value) -> Value {
        let mut field = json!({
            "unit": unit(self.panel.unit),
            "custom": custom,
            "mappings": [],
            "thresholds": {"mode": "absolute", "steps": steps(&self.panel.thresholds)},
            "color": {"mode": "palette-classic"},
        });
        if matches!(self.kind, Kind::Timeline) {
            field["mappings"] = json!([{"type": "value", "options": states(&self.panel.states)}]);
        }
        if self.panel.unit == PanelUnit::Ratio && self.panel.thresholds.is_empty() {
            (field["min"], field["max"]) = (json!(0), json!(1));
        }
        field
    }
}

/// `A`, `B`, … `Z`, `AA`: as Grafana counts.
fn reference(nth: usize) -> String {
    let letter = char::from(b'A' + (nth % 26) as u8);
    match nth / 26 {
        0 => letter.to_string(),
        more => format!("{}{letter}", reference(more - 1)),
    }
}

/// As Grafana names it.
fn unit(unit: PanelUnit) -> &'static str {
    match unit {
        PanelUnit::Number => "short",
        PanelUnit::PerSecond => "cps",
        PanelUnit::Seconds => "s",
        PanelUnit::Bytes => "bytes",
        PanelUnit::BytesPerSecond => "binBps",
        PanelUnit::Ratio => "percentunit",
    }
}

fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::None => "blue",
        Severity::Warning => "orange",
        Severity::Critical | Severity::Page => "red",
    }
}

/// From each step's value on, its color: below the lowest of lower bounds, between, and above upper ones.
fn steps(thresholds: &[Threshold]) -> Vec<Value> {
    let is_lower = |bound| matches!(bound, Bound::Below(_) | Bound::AtMost(_));
    let mut sorted: Vec<_> = thresholds.iter().collect();
    sorted.sort_by(|a, b| a.bound.value().total_cmp(&b.bound.value()));
    let (lower, upper): (Vec<&Threshold>, Vec<&Threshold>) =
        sorted.into_iter().partition(|threshold| is_lower(threshold.bound));
    // Below a lower bound is what is wrong, so its color begins where the one before ends.
    let below = lower.iter().map(|threshold| color(threshold.severity)).chain([GREEN]);
    let from =
        [None].into_iter().chain(lower.iter().map(|threshold| Some(threshold.bound.value())));
    let above =
        upper.iter().map(|threshold| (Some(threshold.bound.value()), color(threshold.severity)));
    from.zip(below)
        .chain(above)
        .map(|(value, color)| json!({"color": color, "value": value}))
        .collect()
}

fn states(states: &[(f64, &'static str)]) -> Map<String, Value> {
    let mapping = |(nth, (value, text)): (usize, &(f64, &'static str))| {
        let color = COLORS[nth % COLORS.len()];
        (value.to_string(), json!({"text": text, "index": nth, "color": color}))
    };
    states.iter().enumerate().map(mapping).collect()
}

fn lines_options() -> Value {
    json!({
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    })
}

fn lines_custom(has_bounds: bool) -> Value {
    json!({
        "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never",
        "spanNulls": false, "thresholdsStyle": {"mode": if has_bounds { "dashed" } else { "off" }},
    })
}

fn heatmap_options(panel: &Panel) -> Value {
    json!({
        "calculate": false,
        "cellGap": 1,
        "color": {
            "mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "scale": "exponential", "exponent": 0.5,
            "steps": 64, "reverse": false,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": true},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": true, "showColorScale": false},
        "yAxis": {"axisPlacement": "left", "reverse": false, "unit": unit(panel.unit)},
    })
}

fn heatmap_custom() -> Value {
    json!({"hideFrom": {"legend": false, "tooltip": false, "viz": false}, "scaleDistribution": {"type": "linear"}})
}

fn timeline_options() -> Value {
    json!({
        "alignValue": "left", "mergeValues": true, "rowHeight": 0.9, "showValue": "auto",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": false, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    })
}

fn figure_options() -> Value {
    json!({
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
        "orientation": "auto", "textMode": "auto", "colorMode": "value", "graphMode": "area", "justifyMode": "auto",
        "percentChangeColorMode": "standard", "showPercentChange": false, "wideLayout": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_wrong_beyond_their_bounds_and_green_between() {
        let threshold = |bound, severity| Threshold { bound, severity, alert: "A" };
        let made = steps(&[
            threshold(Bound::Above(9.0), Severity::Critical),
            threshold(Bound::Below(2.0), Severity::Warning),
            threshold(Bound::AtLeast(8.0), Severity::Warning),
            threshold(Bound::AtMost(1.0), Severity::Page),
        ]);
        let made: Vec<_> = made
            .iter()
            .map(|step| (step["value"].as_f64(), step["color"].as_str().unwrap()))
            .collect();
        let wanted = [
            (None, "red"),
            (Some(1.0), "orange"),
            (Some(2.0), "green"),
            (Some(8.0), "orange"),
            (Some(9.0), "red"),
        ];
        assert_eq!(made, wanted);
        assert_eq!(steps(&[]), [json!({"color": "green", "value": null})]);
    }

    #[test]
    fn targets_are_counted_as_grafana_does() {
        assert_eq!([0, 25, 26, 52].map(reference), ["A", "Z", "AA", "BA"]);
    }
}
