//! A bundle's page of documentation.

use super::alert::{Alert, Condition};
use super::panel::{PanelKind, PanelUnit};
use super::{Bundle, Label, Series};
use crate::{Kind, Unit};
use std::fmt::Write as _;
use std::time::Duration;

/// The window that expressions on the page have.
const SHOWN_WINDOW: &str = "1m";

impl Bundle {
    /// The bundle's page of documentation, in Markdown: every series with its type, unit, labels and the question that it
    /// answers, what its panel plots, and every alert with what to do. The pages of the shipped bundles are in
    /// `docs/catalogue`; a host's own bundle has one the same way.
    ///
    /// ```
    /// tachometer::bundle! {
    ///     /// What a mill records.
    ///     struct MillMetrics("mill_", "Mill") {
    ///         /// Sacks of flour.
    ///         sacks: tachometer::Counter = "sacks_total" => asks("How much is ground?");
    ///     }
    /// }
    /// let page = MillMetrics::declaration().to_markdown();
    /// assert!(page.starts_with("# Mill\n\nWhat a mill records.\n"));
    /// assert!(page.contains("| `mill_sacks_total` | counter | Sacks of flour. |  | How much is ground?"));
    /// ```
    pub fn to_markdown(&self) -> String {
        let mut page = format!("# {}\n\n{}\n\n", self.title(), escaped(self.help()));
        let _ = writeln!(
            page,
            "Handles: `{}`, whose names begin with `{}` unless registered otherwise. Made of the declaration: what is wrong \
             here is wrong there.",
            self.name(),
            self.prefix()
        );
        for (section, series) in self.sections() {
            let heading = if section.is_empty() { "Series" } else { section };
            let _ = write!(
                page,
                "\n## {heading}\n\n| series | type | what it is | labels | question, and its panel |\n|---|---|---|---|---|\n"
            );
            series.iter().for_each(|series| row(&mut page, series));
        }
        let alerts: Vec<_> =
            self.series().iter().filter(|series| !series.alerts().is_empty()).collect();
        if !alerts.is_empty() {
            page += "\n## Alerts\n";
        }
        for series in alerts {
            series.alerts().iter().for_each(|alert| warn(&mut page, series, alert));
        }
        page
    }
}

fn row(page: &mut String, series: &Series) {
    let panel = series.panel();
    let what = match series.expression() {
        Some(expression) => format!("{} Derived: {}", escaped(series.help()), code(expression)),
        None => escaped(series.help()),
    };
    let labels: Vec<_> = series.labels().iter().map(label).collect();
    let kind = match panel.kind {
        PanelKind::Lines => "lines",
        PanelKind::Heatmap => "heat map",
        PanelKind::Timeline => "timeline",
        PanelKind::Figure => "figure",
    };
    let unit = match panel.unit {
        PanelUnit::Number => "",
        PanelUnit::PerSecond => ", a second",
        PanelUnit::Seconds => ", in seconds",
        PanelUnit::Bytes => ", in bytes",
        PanelUnit::BytesPerSecond => ", in bytes a second",
        PanelUnit::Ratio => ", a ratio",
    };
    let plots: Vec<_> =
        panel.targets.iter().map(|target| code(&target.expression(SHOWN_WINDOW))).collect();
    let bounds: Vec<_> =
        panel.thresholds.iter().map(|threshold| format!("; bound `{}`", threshold.bound)).collect();
    let _ = writeln!(
        page,
        "| `{}` | {} | {what} | {} | {} *{}*: {kind}{unit}, of {}{} |",
        series.full_name(),
        kind_and_unit(series),
        labels.join("; "),
        escaped(series.question()),
        escaped(&panel.title),
        plots.join(", "),
        bounds.concat(),
    );
}

fn kind_and_unit(series: &Series) -> String {
    let kind = match series.kind() {
        // As pages have it.
        Kind::UpDownCounter => "gauge",
        kind => kind.name(),
    };
    let unit = match series.recorded_unit() {
        Unit::None => "",
        Unit::Nanoseconds | Unit::Seconds => ", seconds",
        Unit::Bytes => ", bytes",
        Unit::Ratio => ", ratio",
    };
    format!("{kind}{unit}")
}

fn label(label: &Label) -> String {
    match label.values {
        Some(values) => {
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            format!("`{}`: {}", label.name, values.join(", "))
        }
        None => format!("`{}`", label.name),
    }
}

fn warn(page: &mut String, series: &Series, alert: &Alert) {
    let expression = match &alert.condition {
        Condition::Beyond { expression, bound } => format!("({expression}) {bound}"),
        Condition::Any { expression } => expression.clone(),
    };
    let _ = write!(
        page,
        "\n### {}\n\nOf `{}`. Severity `{}`, component `{}`",
        alert.name,
        series.full_name(),
        alert.severity.as_str(),
        alert.component
    );
    for (span, what) in
        [(alert.hold, "once it has held for"), (alert.keep_firing, "and goes on for")]
    {
        if !span.is_zero() {
            let _ = write!(page, ", {what} {}", seconds(span));
        }
    }
    let _ = write!(page, ".\n\n```promql\n{expression}\n```\n\n");
    for (what, text) in
        [("", alert.summary), ("", alert.description), ("**What to do.** ", alert.action)]
    {
        if !text.is_empty() {
            let _ = write!(page, "{what}{}", text);
            page.push_str(if text.ends_with(['.', '?', '!']) { "\n\n" } else { ".\n\n" });
        }
    }
    // One empty line between sections is enough.
    page.pop();
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

/// A text within a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(expression: &str) -> String {
    format!("`{}`", escaped(expression))
}
