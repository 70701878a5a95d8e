//! The rules of bundles: what they derive, and their alerts.

use super::error::Wrong;
use super::{Recipe, RecipeError};
use crate::declare::{Alert, Bundle, Condition};
use crate::query::Query;
use crate::rules::file::{Group, Rule, RuleFile, RuleKind};
use std::collections::HashSet;

impl From<&Alert> for Recipe {
    fn from(alert: &Alert) -> Recipe {
        let recipe = match &alert.condition {
            Condition::Beyond { expression, bound } => {
                Recipe::threshold(alert.name, expression, *bound)
            }
            Condition::Any { expression } => Recipe::condition(alert.name, expression),
        };
        let recipe =
            recipe.hold(alert.hold).keep_firing(alert.keep_firing).severity(alert.severity);
        let recipe = match alert.component {
            "" => recipe,
            component => recipe.component(component),
        };
        // What the declaration does not say, the recipe does.
        let texts = [
            ("summary", alert.summary),
            ("description", alert.description),
            ("action", alert.action),
        ];
        texts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .fold(recipe, |recipe, (name, text)| recipe.annotation(name, text))
    }
}

impl RuleFile {
    /// What `bundles` derive and warn of, as a rule file: a group for each bundle that has either. `name` is what errors and
    /// the rules' status call the file.
    ///
    /// ```
    /// use tachometer::catalogue::raft::RaftMetrics;
    /// use tachometer::rules::RuleFile;
    /// let file = RuleFile::of_bundles("raft.yml", &[RaftMetrics::declaration()])?;
    /// let rules = file.groups()[0].rules();
    /// assert!(rules.iter().any(|rule| rule.name() == "RaftNoLeader"));
    /// # Ok::<(), tachometer::rules::recipes::RecipeError>(())
    /// ```
    ///
    /// # Errors
    /// An expression or a template of a declaration is none, and where; or two alerts of a bundle have one name.
    pub fn of_bundles<'a>(
        name: &str,
        bundles: impl IntoIterator<Item = &'a Bundle>,
    ) -> Result<RuleFile, RecipeError> {
        let mut groups: Vec<Group> = Vec::new();
        for bundle in bundles {
            let mut rules = Vec::new();
            for series in bundle.series() {
                if let Some(expression) = series.expression() {
                    let of = |wrong| RecipeError::of(series.full_name(), wrong);
                    let query = parsed(expression).map_err(of)?;
                    let name = series.full_name().to_owned();
                    rules.push(Rule::new(name, query, Vec::new(), RuleKind::Recording));
                }
            }
            let mut names = HashSet::new();
            for alert in bundle.alerts() {
                if !names.insert(alert.name) {
                    let reason = "there is an alert of this name already".to_owned();
                    return Err(RecipeError::of(alert.name, ("name".to_owned(), reason)));
                }
                rules.extend(Recipe::from(alert).rules()?);
            }
            if !rules.is_empty() {
                let name = free_name(bundle, &groups);
                groups.push(Group { name, interval: None, limit: 0, rules });
            }
        }
        Ok(RuleFile { name: name.to_owned(), groups })
    }
}

/// The bundle's name, with its prefix where another group has that name already.
fn free_name(bundle: &Bundle, groups: &[Group]) -> String {
    let is_free = |name: &str| groups.iter().all(|group| group.name != name);
    let candidates = [bundle.id(), format!("{}-{}", bundle.id(), bundle.prefix())];
    let numbered = (2..).map(|nth| format!("{}-{nth}", bundle.id()));
    candidates.into_iter().chain(numbered).find(|name| is_free(name)).unwrap_or_default()
}

fn parsed(expression: &str) -> Result<Query, Wrong> {
    Query::parse(expression)
        .map_err(|error| ("expression".to_owned(), format!("{expression:?}: {error}")))
}
