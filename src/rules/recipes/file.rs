//! From recipes to rules, and from rules to a file.

use super::draft::{AlertDraft, Draft};
use super::error::{Wrong, wrong};
use super::{Kind, Recipe, RecipeError, Severity, parts, simple};
use crate::query::duration;
use crate::query::{METRIC_NAME, Query};
use crate::rules::file::{Group, Rule, RuleFile, RuleKind, is_label_name};
use crate::rules::template::Template;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

impl Recipe {
    /// Its rules: what it records, then its alerts.
    ///
    /// # Errors
    /// The first of its settings that cannot be, and what was expected.
    pub fn rules(&self) -> Result<Vec<Rule>, RecipeError> {
        self.read().map_err(|wrong| RecipeError::of(&self.name, wrong))
    }

    fn read(&self) -> Result<Vec<Rule>, Wrong> {
        parts::name(&self.name)?;
        for (setting, span) in [("hold", self.hold), ("keep_firing", self.keep_firing)] {
            duration::format(span).map_err(|reason| (setting.to_owned(), reason))?;
        }
        if let Some(interval) = self.interval {
            parts::window("interval", interval)?;
        }
        let draft = self.draft()?;
        let mut rules = Vec::with_capacity(draft.records.len() + draft.alerts.len());
        for (name, expr) in draft.records {
            let query = query(&expr)?;
            rules.push(Rule::new(name, query, Vec::new(), RuleKind::Recording));
        }
        for alert in draft.alerts {
            rules.push(self.alert(alert)?);
        }
        Ok(rules)
    }

    fn draft(&self) -> Result<Draft, Wrong> {
        match &self.kind {
            Kind::Threshold { expression, bound } => simple::threshold(expression, *bound),
            Kind::Condition { expression } => simple::condition(expression),
            Kind::RateOfChange { series, window, bound, is_counter } => {
                simple::rate_of_change(series, *window, *bound, *is_counter)
            }
            Kind::Anomaly(anomaly) => anomaly.draft(),
            Kind::Absence { series, window } => simple::absence(series, *window),
            Kind::Vanished { series, window } => simple::vanished(series, *window),
            Kind::DeadMansSwitch => Ok(simple::dead_mans_switch()),
            Kind::BurnRate(burn_rate) => burn_rate.draft(&self.name),
            Kind::StaleData { series, age } => simple::stale_data(series, *age),
        }
    }

    fn alert(&self, draft: AlertDraft) -> Result<Rule, Wrong> {
        let severity: Severity = self.severity.unwrap_or(draft.severity);
        let own = draft.labels.into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut labels: BTreeMap<String, String> = own.collect();
        labels.insert("severity".to_owned(), severity.as_str().to_owned());
        labels.extend(self.labels.clone());
        if let Some(name) =
            ["alertname", METRIC_NAME].iter().find(|name| labels.contains_key(**name))
        {
            return wrong("label", format!("{name:?} is the rules' own: give it another name"));
        }
        let texts = [("summary", draft.summary), ("description", draft.description)];
        let mut annotations: BTreeMap<String, String> =
            texts.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        annotations.extend(self.annotations.clone());
        let kind = RuleKind::Alerting {
            wait: self.hold,
            keep_firing: self.keep_firing,
            annotations: templates("annotation", annotations)?,
        };
        let labels = templates("label", labels)?;
        Ok(Rule::new(self.name.clone(), query(&draft.expr)?, labels, kind))
    }
}

/// The expression as a whole: its parts were read before, but they may be too much together.
fn query(expr: &str) -> Result<Query, Wrong> {
    Query::parse(expr).map_err(|error| ("expression".to_owned(), format!("{expr:?}: {error}")))
}

fn templates(
    what: &str,
    texts: BTreeMap<String, String>,
) -> Result<Vec<(String, Template)>, Wrong> {
    let read = texts.into_iter().map(|(name, text)| {
        if !is_label_name(&name) {
            let reason = format!(
                "{name:?} is no name of {what}s: letters, digits and _ were expected, no digit first"
            );
            return wrong(what, reason);
        }
        match Template::parse(&text) {
            Ok(template) => Ok((name, template)),
            Err(reason) => wrong(what, format!("{name:?}: {reason}")),
        }
    });
    read.collect()
}

impl RuleFile {
    /// A rule file of recipes; `name` is what errors and the rules' status call it. Recipes that are evaluated as often
    /// as rules are by default make up the group `group`; those with an interval of their own, `group-15s`.
    ///
    /// ```
    /// use tachometer::rules::recipes::{BurnRate, Recipe};
    /// use tachometer::rules::RuleFile;
    /// let errors = BurnRate::of("errors_total", "requests_total", 0.99);
    /// let recipes = [Recipe::dead_mans_switch("AlertsArrive"), Recipe::burn_rate("Errors", errors)];
    /// let file = RuleFile::of_recipes("slo.yml", "slo", &recipes)?;
    /// let groups: Vec<_> = file.groups().iter().map(|group| group.name()).collect();
    /// assert_eq!(groups, ["slo", "slo-15s"]);
    /// assert_eq!(RuleFile::parse("slo.yml", &file.to_yaml()).unwrap().to_yaml(), file.to_yaml());
    /// # Ok::<(), tachometer::rules::recipes::RecipeError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Recipe::rules`]; or two recipes have one name.
    pub fn of_recipes(
        name: &str,
        group: &str,
        recipes: &[Recipe],
    ) -> Result<RuleFile, RecipeError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut names = HashSet::new();
        for recipe in recipes {
            if !names.insert(recipe.name.as_str()) {
                let reason = "there is a recipe of this name already".to_owned();
                return Err(RecipeError::of(&recipe.name, ("name".to_owned(), reason)));
            }
            let rules = recipe.rules()?;
            let interval: Option<Duration> = recipe.interval;
            match groups.iter_mut().find(|group| group.interval == interval) {
                Some(group) => group.rules.extend(rules),
                None => {
                    let span = interval.and_then(|interval| duration::format(interval).ok());
                    let name = span.map_or(group.to_owned(), |span| format!("{group}-{span}"));
                    groups.push(Group { name, interval, limit: 0, rules });
                }
            }
        }
        match group.is_empty() && !groups.is_empty() {
            true => Err(RecipeError {
                recipe: String::new(),
                setting: "group".to_owned(),
                reason: "a group needs a name".to_owned(),
            }),
            false => Ok(RuleFile { name: name.to_owned(), groups }),
        }
    }
}
