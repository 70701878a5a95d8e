//! Dashboards: rows of panels, and the variables that choose what they show.

use super::panel;
use crate::declare::{Bundle, Panel, Series};
use serde_json::{Value, json};

/// Grafana's version of the format, which later ones read.
const SCHEMA_VERSION: u32 = 39;
/// A dashboard is so many units wide.
const WIDTH: u32 = 24;
const PANEL: (u32, u32) = (12, 8);

/// A dashboard for Grafana.
///
/// Every panel's selectors are filtered by the variables `instance` and `group`, which let all through unless somebody
/// chooses. Its data source is a variable too, so that the file can be imported anywhere.
///
/// ```
/// use tachometer::declare::{Panel, PanelKind};
/// use tachometer::generate::Dashboard;
/// let scrapes = Panel::new("Scrapes", PanelKind::Lines).asks("Who is scraped?").plots("sum by (job) (up)", "{{job}}");
/// let dashboard = Dashboard::new("Mill").row("Overview", [scrapes]);
/// let json = dashboard.to_json();
/// assert_eq!(json["panels"][1]["targets"][0]["expr"], r#"sum by (job) (up{instance=~"$instance",group=~"$group"})"#);
/// assert_eq!(dashboard.file_name(), "mill.json");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dashboard {
    title: String,
    /// What the variables take their values from.
    subject: String,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    title: String,
    panels: Vec<Panel>,
    is_open: bool,
}

impl Dashboard {
    /// A dashboard without panels.
    pub fn new(title: impl Into<String>) -> Dashboard {
        Dashboard { title: title.into(), subject: "up".to_owned(), rows: Vec::new() }
    }

    /// All of a bundle: first its headlines, then a row for each section.
    pub fn of_bundle(bundle: &Bundle) -> Dashboard {
        Dashboard::of_parts(bundle.title(), &[(bundle, None)])
    }

    /// The chosen sections of some bundles, or all of them.
    pub(super) fn of_parts(title: &str, parts: &[(&Bundle, Option<&[&str]>)]) -> Dashboard {
        let mut dashboard = Dashboard::new(title);
        let mut headlines = Vec::new();
        let mut rows = Vec::new();
        for (bundle, chosen) in parts {
            for (section, series) in bundle.sections() {
                if chosen.is_some_and(|chosen| !chosen.contains(&section)) {
                    continue;
                }
                let (first, later): (Vec<&Series>, Vec<&Series>) =
                    series.into_iter().partition(|series| series.is_headline());
                headlines.extend(first.iter().map(|series| series.panel()));
                if !later.is_empty() {
                    let title = match section {
                        "" => bundle.title().to_owned(),
                        section => format!("{}: {section}", bundle.title()),
                    };
                    rows.push((
                        title,
                        later.iter().map(|series| series.panel()).collect::<Vec<_>>(),
                    ));
                }
            }
        }
        if let Some(series) = parts
            .first()
            .and_then(|(bundle, _)| bundle.series().iter().find(|s| s.expression().is_none()))
        {
            let suffix = if series.kind() == crate::Kind::Histogram { "_count" } else { "" };
            dashboard.subject = format!("{}{suffix}", series.full_name());
        }
        let is_all = headlines.is_empty();
        if !is_all {
            dashboard = dashboard.row("Overview", headlines);
        }
        for (at, (title, panels)) in rows.into_iter().enumerate() {
            let is_open = is_all && at == 0;
            dashboard.rows.push(Row { title, panels, is_open });
        }
        dashboard
    }

    /// Adds a row of panels, open when the dashboard is.
    pub fn row(
        mut self,
        title: impl Into<String>,
        panels: impl IntoIterator<Item = Panel>,
    ) -> Self {
        let panels = panels.into_iter().collect();
        self.rows.push(Row { title: title.into(), panels, is_open: true });
        self
    }

    /// Adds a row of panels that is closed until somebody opens it: its queries are not asked before.
    pub fn closed_row(
        mut self,
        title: impl Into<String>,
        panels: impl IntoIterator<Item = Panel>,
    ) -> Self {
        let panels = panels.into_iter().collect();
        self.rows.push(Row { title: title.into(), panels, is_open: false });
        self
    }

    /// Sets the metric whose labels `instance` and `group` the variables offer; `up` by default.
    pub fn subject(mut self, metric: impl Into<String>) -> Self {
        self.subject = metric.into();
        self
    }

    /// What stands over it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// A name for its file: the title in small letters, anything but letters and digits as `_`.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.id())
    }

    fn id(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        self.title.chars().map(plain).collect()
    }

    /// Its panels, row by row.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    /// As Grafana imports and provisions it.
    pub fn to_json(&self) -> Value {
        let mut place = Place::default();
        let mut panels = Vec::new();
        for row in &self.rows {
            let id = place.id();
            let position = place.row();
            let mut inner: Vec<Value> = Vec::new();
            for one in row.panels.iter().flat_map(panel::drawn) {
                let id = place.id();
                inner.push(one.to_json(id, place.panel()));
            }
            place.end_row();
            let (own, after) = if row.is_open { (Vec::new(), inner) } else { (inner, Vec::new()) };
            panels.push(json!({
                "id": id, "type": "row", "title": row.title, "collapsed": !row.is_open, "gridPos": position, "panels": own,
            }));
            panels.extend(after);
        }
        json!({
            "uid": format!("tachometer-{}", self.id().replace('_', "-")),
            "title": format!("Tachometer / {}", self.title),
            "tags": ["tachometer"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "5s",
            "time": {"from": "now-15m", "to": "now"},
            "timepicker": {"refresh_intervals": ["1s", "5s", "15s", "1m", "5m"]},
            "annotations": {"list": []},
            "templating": {"list": self.variables()},
            "panels": panels,
        })
    }

    fn variables(&self) -> Value {
        let of = |label: &str| {
            json!({
                "type": "query", "name": label, "label": label, "datasource": panel::data_source(),
                "query": {"query": format!("label_values({}, {label})", self.subject), "refId": label},
                // Without the label, too.
                "multi": true, "includeAll": true, "allValue": ".*", "refresh": 2, "sort": 7,
                "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
            })
        };
        json!([
            {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "refresh": 1},
            of("instance"),
            of("group"),
        ])
    }
}

/// Where the next panel stands.
#[derive(Debug, Default)]
struct Place {
    id: u32,
    x: u32,
    y: u32,
}

impl Place {
    fn id(&mut self) -> u32 {
        self.id += 1;
        self.id
    }

    fn row(&mut self) -> Value {
        let position = json!({"x": 0, "y": self.y, "w": WIDTH, "h": 1});
        self.y += 1;
        position
    }

    fn panel(&mut self) -> Value {
        let (width, height) = PANEL;
        if self.x + width > WIDTH {
            (self.x, self.y) = (0, self.y + height);
        }
        let position = json!({"x": self.x, "y": self.y, "w": width, "h": height});
        self.x += width;
        position
    }

    fn end_row(&mut self) {
        if self.x > 0 {
            (self.x, self.y) = (0, self.y + PANEL.1);
        }
    }
}
