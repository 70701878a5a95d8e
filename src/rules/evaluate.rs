//! One evaluation of one rule.

use super::alert::{self, Alert, Changes, Delays};
use super::file::{Rule, RuleKind};
use super::settings::RuleSettings;
use super::template::{Data, Template};
use crate::limits::MAX_RULE_ALERTS;
use crate::query::{Answer, InstantSample, Labels, METRIC_NAME, Query, Sample, Source};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// The name of the series that say which alerts there are.
const ALERTS: &str = "ALERTS";
/// The name of the series that say since when.
const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";

/// What a rule is evaluated with.
pub(crate) struct Context<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) settings: &'a RuleSettings,
    pub(crate) now_ms: i64,
    /// The group's limit; 0 for none.
    pub(crate) limit: u64,
}

/// What a rule records.
pub(crate) type Samples = Vec<(Labels, Sample)>;

impl Context<'_> {
    fn ask(&self, query: &Query) -> Result<Vec<InstantSample>, String> {
        match query.instant(self.source, self.now_ms, &self.settings.query) {
            Ok(Answer::Vector(samples)) => Ok(samples),
            Ok(Answer::Scalar { time_ms, value }) => Ok(vec![InstantSample {
                labels: Labels::empty(),
                time_ms,
                value: Sample::Float(value),
            }]),
            Ok(_) => Err("rule result is not a vector or scalar".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Refuses more than the group's limit.
    fn limited(&self, count: usize, what: &str) -> Result<(), String> {
        match self.limit > 0 && count as u64 > self.limit {
            true => Err(format!("exceeded limit of {} with {count} {what}", self.limit)),
            false => Ok(()),
        }
    }

    /// What a recording rule records.
    pub(crate) fn record(&self, rule: &Rule) -> Result<Samples, String> {
        let samples = self.ask(&rule.query)?;
        let mut seen = HashSet::with_capacity(samples.len());
        let mut out = Vec::with_capacity(samples.len());
        for sample in samples {
            let mut labels = sample.labels.with(METRIC_NAME, &rule.name);
            for (name, template) in &rule.labels {
                labels = labels.with(name, template.text());
            }
            if !seen.insert(labels.clone()) {
                return Err(
                    "vector contains metrics with the same labelset after applying rule labels"
                        .to_owned(),
                );
            }
            out.push((labels, sample.value));
        }
        self.limited(out.len(), "series")?;
        Ok(out)
    }

    /// Moves an alerting rule's alerts on; gives what it records, and what changed.
    pub(crate) fn alert(
        &self,
        rule: &Rule,
        active: &mut BTreeMap<Labels, Alert>,
    ) -> Result<(Samples, Changes), String> {
        let RuleKind::Alerting { wait, keep_firing, annotations } = &rule.kind else {
            return Ok((Vec::new(), Vec::new()));
        };
        let samples = self.ask(&rule.query)?;
        let data_name = format!("__alert_{}", rule.name);
        let mut now = BTreeMap::new();
        for sample in samples {
            let value = sample.value.as_float().unwrap_or(0.0);
            let expand =
                |template: &Template| self.expand(template, &data_name, &sample.labels, value);
            let mut labels = sample.labels.without_name();
            for (name, template) in &rule.labels {
                labels = labels.with(name, &expand(template));
            }
            let labels = labels.with("alertname", &rule.name);
            let annotations =
                annotations.iter().map(|(name, template)| (name.as_str(), expand(template)));
            let annotations = Labels::new(annotations);
            if now.insert(labels, (annotations, value)).is_some() {
                return Err(
                    "vector contains metrics with the same labelset after applying alert labels"
                        .to_owned(),
                );
            }
        }
        let delays = Delays { wait_ms: millis(*wait), keep_firing_ms: millis(*keep_firing) };
        let (mut changes, count) = alert::advance(active, now, self.now_ms, &delays);
        let refused = match count > MAX_RULE_ALERTS {
            true => Err(format!(
                "exceeded the limit of {MAX_RULE_ALERTS} alerts of a rule with {count} alerts"
            )),
            false => self.limited(count, "alerts"),
        };
        if let Err(error) = refused {
            // As there: all of the rule's alerts are forgotten.
            active.clear();
            return Err(error);
        }
        changes.retain(|(from, alert)| *from != alert.state);
        let mut out = Vec::with_capacity(2 * count);
        for alert in active.values() {
            if matches!(alert.state, alert::AlertState::Pending | alert::AlertState::Firing) {
                let since = alert.active_at_ms.div_euclid(1_000) as f64;
                // As there: a label that expanded to nothing stands as its template in these series.
                let mut base = alert.labels.clone();
                for (name, template) in &rule.labels {
                    if base.get(name).is_none() {
                        base = base.with(name, template.text());
                    }
                }
                let labels = base.with(METRIC_NAME, ALERTS);
                out.push((labels.with("alertstate", alert.state.as_str()), Sample::Float(1.0)));
                out.push((base.with(METRIC_NAME, ALERTS_FOR_STATE), Sample::Float(since)));
            }
        }
        Ok((out, changes))
    }

    fn expand(&self, template: &Template, name: &str, labels: &Labels, value: f64) -> String {
        let query = |text: &str| {
            let query = Query::parse(text).map_err(|error| error.to_string())?;
            self.ask(&query)
        };
        template.expand(&Data {
            name,
            labels,
            value,
            external_labels: &self.settings.external_labels,
            external_url: &self.settings.external_url,
            query: &query,
        })
    }
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
