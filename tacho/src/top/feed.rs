//! Asks a process for what is looked at: health, alerts, bundles, and the panels of one tab.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tachometer::Backend;
use tachometer::backend::BackendError;
use tachometer::query::{Answer, SampleRange};

use super::state::{POINTS, Wanted};
use super::view::{Alert, Health, Line, Panel, Threshold, View};
use crate::access::{denied, in_words};

/// The most series of a panel that are kept.
const LINES: usize = 64;
/// The shortest window of a rate: some generations of the usual length.
const SHORTEST_WINDOW: Duration = Duration::from_secs(10);

/// What `/api/v1/bundles` says, as far as it is shown.
#[derive(Clone, Debug, Deserialize)]
struct Bundle {
    title: String,
    sections: Vec<Section>,
}

#[derive(Clone, Debug, Deserialize)]
struct Section {
    title: String,
    panels: Vec<Declared>,
}

#[derive(Clone, Debug, Deserialize)]
struct Declared {
    title: String,
    question: String,
    kind: String,
    unit: String,
    headline: bool,
    targets: Vec<Target>,
    thresholds: Vec<Threshold>,
    states: Vec<(f64, String)>,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    expression: String,
    legend: String,
}

#[derive(Debug, Deserialize)]
struct Reply<T> {
    data: T,
}

#[derive(Debug, Deserialize)]
struct Alerts {
    alerts: Vec<RawAlert>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAlert {
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
    state: String,
    #[serde(default)]
    active_at: Option<String>,
}

/// A process, and what it declares.
#[derive(Debug)]
pub struct Feed {
    backend: Backend,
    url: String,
    bundles: Option<Vec<Bundle>>,
    /// What was shown last.
    last: View,
}

impl Feed {
    pub fn new(backend: Backend, url: &str) -> Feed {
        let last = View { url: url.to_owned(), ..View::default() };
        Feed { backend, url: url.to_owned(), bundles: None, last }
    }

    /// What the process says now.
    ///
    /// # Errors
    /// It does not answer: in words, with what to do.
    pub fn read(&mut self, wanted: &Wanted) -> anyhow::Result<View> {
        let failed = |error: BackendError| in_words(&self.url, &error);
        let (status, health) = self.backend.get("/health", &[]).map_err(failed)?;
        let health = match serde_json::from_str::<Health>(&health) {
            Ok(health) if status != 404 => health,
            _ if matches!(status, 401 | 403) => return Err(denied(&self.url)),
            _ => Health { status: "unknown".to_owned(), ..Health::default() },
        };
        // Those of a process that was started anew may be others.
        let began_anew = health.generation < self.last.health.generation;
        if self.bundles.is_none() || began_anew || self.last.lost.is_some() {
            self.bundles = Some(self.json("/api/v1/bundles")?);
        }
        let alerts: Alerts = self.json("/api/v1/alerts").unwrap_or(Alerts { alerts: Vec::new() });
        let mut view = View {
            url: self.url.clone(),
            lost: None,
            health,
            alerts: alerts.alerts.into_iter().map(alert).collect(),
            tabs: self.tabs(),
            panels: Vec::new(),
            answer: None,
        };
        view.alerts.sort_by_key(|alert| (alert.state != "firing", alert.name.clone()));
        let chosen: Vec<Declared> = self.declared(wanted.tab).cloned().collect();
        view.panels = chosen.iter().map(|panel| self.panel(panel, wanted)).collect();
        view.answer = wanted.expression.as_ref().map(|expression| self.answer(expression, wanted));
        self.last.clone_from(&view);
        Ok(view)
    }

    /// What was said last, and that nothing newer is to be had.
    pub fn without(&mut self, error: &anyhow::Error) -> View {
        let text = error.to_string();
        self.last.lost = Some(text.lines().next().unwrap_or_default().to_owned());
        self.last.clone()
    }

    fn json<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let (status, text) =
            self.backend.get(path, &[]).map_err(|error| in_words(&self.url, &error))?;
        if status != 200 {
            return Err(anyhow!(
                "{}{path} answers with status {status}\nThe process must serve its page (feature `page`), as `tacho raft` does.",
                self.url
            ));
        }
        let reply: Reply<T> = serde_json::from_str(&text)
            .map_err(|error| anyhow!("{}{path} is not as expected: {error}", self.url))?;
        Ok(reply.data)
    }

    fn tabs(&self) -> Vec<String> {
        let bundles = self.bundles.iter().flatten();
        let sections = bundles.flat_map(|bundle| {
            bundle.sections.iter().map(|section| match &*section.title {
                "" => bundle.title.clone(),
                title => format!("{}: {title}", bundle.title),
            })
        });
        std::iter::once("Overview".to_owned()).chain(sections).collect()
    }

    fn declared(&self, tab: usize) -> Box<dyn Iterator<Item = &Declared> + '_> {
        let sections = || self.bundles.iter().flatten().flat_map(|bundle| &bundle.sections);
        match tab.checked_sub(1) {
            None => Box::new(
                sections().flat_map(|section| &section.panels).filter(|panel| panel.headline),
            ),
            Some(nth) => Box::new(sections().skip(nth).take(1).flat_map(|section| &section.panels)),
        }
    }

    fn panel(&self, declared: &Declared, wanted: &Wanted) -> Panel {
        let mut panel = Panel {
            title: declared.title.clone(),
            question: declared.question.clone(),
            unit: declared.unit.clone(),
            kind: declared.kind.clone(),
            thresholds: declared.thresholds.clone(),
            states: declared.states.clone(),
            lines: Vec::new(),
            error: None,
        };
        for (nth, target) in declared.targets.iter().enumerate() {
            let window = humantime::format_duration(window(wanted.range)).to_string();
            let expression = target.expression.replace("$window", &window.replace(' ', ""));
            match self.lines(&expression, &target.legend, wanted.range) {
                Ok(mut lines) => {
                    lines.iter_mut().for_each(|line| line.is_first = nth == 0);
                    panel.lines.append(&mut lines);
                }
                Err(error) => panel.error = Some(error),
            }
        }
        panel
    }

    /// What a person's own expression comes to.
    fn answer(&self, expression: &str, wanted: &Wanted) -> Result<Panel, String> {
        let lines = self.lines(expression, "", wanted.range)?;
        let title = expression.to_owned();
        let unit = "number".to_owned();
        Ok(Panel { title, unit, kind: "lines".to_owned(), lines, ..Panel::default() })
    }

    fn lines(&self, expression: &str, legend: &str, range: Duration) -> Result<Vec<Line>, String> {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let step = (ms(range) / POINTS).max(1);
        let (start, end) = (ms(now) - step * (POINTS - 1), ms(now));
        let answer = self.backend.range(expression, (start, end), step);
        let series = match answer.map_err(|error| error.to_string())? {
            Answer::Matrix(series) => series,
            _ => Vec::new(),
        };
        let differing = differing(&series);
        let mut lines: Vec<Line> = series
            .iter()
            .take(LINES)
            .map(|one| {
                let mut points = vec![None; POINTS as usize];
                for (time, value) in &one.floats {
                    let nth = usize::try_from((time - start) / step).unwrap_or(usize::MAX);
                    if let Some(point) = points.get_mut(nth) {
                        *point = Some(*value);
                    }
                }
                Line { name: named(one, legend, &differing), points, is_first: true }
            })
            .collect();
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(lines)
    }
}

/// A sixtieth of the range, but some generations.
fn window(range: Duration) -> Duration {
    Duration::from_secs((range / 30).max(SHORTEST_WINDOW).as_secs())
}

/// The labels in which the series differ.
fn differing(series: &[SampleRange]) -> BTreeSet<String> {
    let mut values = std::collections::BTreeMap::<&str, BTreeSet<&str>>::new();
    for one in series {
        for (name, value) in one.labels.iter() {
            values.entry(name).or_default().insert(value);
        }
    }
    let is_everywhere = |name: &str| series.iter().all(|one| one.labels.get(name).is_some());
    let differs =
        |(name, values): &(&str, BTreeSet<&str>)| values.len() > 1 || !is_everywhere(name);
    values.into_iter().filter(differs).map(|(name, _)| name.to_owned()).collect()
}

fn named(series: &SampleRange, legend: &str, differing: &BTreeSet<String>) -> String {
    let labels = series.labels.iter().filter(|(name, _)| differing.contains(*name));
    let labels: Vec<String> = labels
        .map(
            |(name, value)| {
                if name == "__name__" { value.to_owned() } else { format!("{name}={value}") }
            },
        )
        .collect();
    match (legend, labels.is_empty()) {
        ("", true) => "value".to_owned(),
        ("", false) => labels.join(" "),
        (legend, true) => legend.to_owned(),
        (legend, false) => format!("{legend} {}", labels.join(" ")),
    }
}

fn alert(raw: RawAlert) -> Alert {
    let label = |name: &str| raw.labels.get(name).cloned().unwrap_or_default();
    let others = raw
        .labels
        .iter()
        .filter(|(name, _)| !["alertname", "severity", "component"].contains(&&***name));
    let others: Vec<String> = others.map(|(name, value)| format!("{name}={value}")).collect();
    let since = raw.active_at.as_deref().and_then(|at| humantime::parse_rfc3339_weak(at).ok());
    Alert {
        name: label("alertname"),
        severity: label("severity"),
        labels: others.join(" "),
        summary: raw.annotations.get("summary").cloned().unwrap_or_default(),
        state: raw.state,
        age: since.and_then(|since| since.elapsed().ok()).map(|age| age.as_secs_f64()),
    }
}
