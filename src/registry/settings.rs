//! What a registry says of metrics that leave it open: how finely histograms tell values apart, how many series a family
//! may have.
//!
//! Made before the first histogram or family asks, and final from then on: a handle that recorded with one shape must
//! never meet another. Whatever asks does so under the registry's lock, so that no answer can differ from an earlier one.

use super::definition::check_metric_name;
use super::{Kind, Precision, Registry, locks};
use crate::Error;
use crate::limits::{DEFAULT_FAMILY_LIMIT, MAX_FAMILY_LIMIT};

/// What holds in a [`Registry`] for metrics that do not say it themselves; see [`Registry::configure`].
///
/// ```
/// use tachometer::{Precision, Registry, RegistrySettings};
/// let registry = Registry::new();
/// let settings = RegistrySettings::new()
///     .precision(Precision::Three)
///     .precision_of("raft_*", Precision::One)
///     .family_limit(5_000);
/// registry.configure(settings)?;
/// registry.histogram("raft_commit_batch_entries", "Entries a commit.")?; // one figure
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "nothing is set until `Registry::configure`"]
pub struct RegistrySettings {
    precision: Precision,
    /// By pattern, in the order in which they were given.
    by_name: Vec<(String, Precision)>,
    family_limit: usize,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self::new()
    }
}

impl RegistrySettings {
    /// What holds if nothing is set: two figures, and [`DEFAULT_FAMILY_LIMIT`] series a family.
    pub const fn new() -> Self {
        RegistrySettings {
            precision: Precision::Two,
            by_name: Vec::new(),
            family_limit: DEFAULT_FAMILY_LIMIT,
        }
    }

    /// How finely histograms tell values apart that do not say it themselves.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// How finely the histograms of `pattern` tell values apart, whatever they say themselves. A pattern is a metric's full
    /// name, or the beginning of names and a `*`: `raft_*`. A name goes before a beginning, a longer beginning before a
    /// shorter one, and of two that are the same the later one holds.
    pub fn precision_of(mut self, pattern: impl Into<String>, precision: Precision) -> Self {
        let pattern = pattern.into();
        self.by_name.retain(|(other, _)| *other != pattern);
        self.by_name.push((pattern, precision));
        self
    }

    /// How many series a family with labels known at run time may have, if it does not say so itself; at most
    /// [`MAX_FAMILY_LIMIT`].
    pub fn family_limit(mut self, series: usize) -> Self {
        self.family_limit = series;
        self
    }

    /// # Errors
    /// What makes no sense.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.by_name.iter().try_for_each(|(pattern, _)| check_pattern(pattern))?;
        let most = MAX_FAMILY_LIMIT;
        if (1..=most).contains(&self.family_limit) {
            return Ok(());
        }
        let reason = format!("{} is not from 1 to {most}", self.family_limit);
        Err(Error::InvalidSetting { setting: "family_limit", reason })
    }

    fn of(&self, name: &str, given: Option<Precision>) -> Precision {
        let rank = |(pattern, precision): &(String, Precision)| match pattern.strip_suffix('*') {
            Some(beginning) if name.starts_with(beginning) => Some((beginning.len(), *precision)),
            None if pattern == name => Some((usize::MAX, *precision)),
            _ => None,
        };
        let by_name = self.by_name.iter().filter_map(rank).max_by_key(|(rank, _)| *rank);
        by_name.map(|(_, precision)| precision).or(given).unwrap_or(self.precision)
    }
}

/// Checks a pattern of [`RegistrySettings::precision_of`].
pub(crate) fn check_pattern(pattern: &str) -> Result<(), Error> {
    let beginning = pattern.strip_suffix('*');
    if beginning == Some("") || check_metric_name(beginning.unwrap_or(pattern)).is_ok() {
        return Ok(());
    }
    let reason = format!(
        "{pattern:?} is neither a metric's name nor the beginning of one and a '*', as raft_* is"
    );
    Err(Error::InvalidSetting { setting: "precision_of", reason })
}

/// The settings of a registry, and the metric that has made them final.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    made: RegistrySettings,
    asked_by: Option<String>,
}

impl Settings {
    pub(crate) fn family_limit(&mut self, name: &str) -> usize {
        self.settle(name);
        self.made.family_limit
    }

    fn settle(&mut self, name: &str) {
        self.asked_by.get_or_insert_with(|| name.to_owned());
    }
}

impl Registry {
    /// Makes settings for the whole registry, views of it included. To be called before its first histogram or family
    /// with labels known at run time is registered: those of [`Registry::global`], first thing in `main`; those of a
    /// registry that an engine serves, before the engine is started.
    ///
    /// Making the same settings again does nothing. Cost: none where anything is recorded.
    ///
    /// # Errors
    /// A histogram or family was registered before; a pattern is none; the limit of series is out of range.
    pub fn configure(&self, settings: RegistrySettings) -> Result<(), Error> {
        settings.check()?;
        let _setup = locks::setup();
        let mut state = self.inner.lock();
        if state.settings.made == settings {
            return Ok(());
        }
        if let Some(name) = &state.settings.asked_by {
            let reason = format!(
                "they come too late: {name} is registered already; configure the registry before anything is \
                 registered in it and before its engine starts"
            );
            return Err(Error::InvalidSetting { setting: "registry settings", reason });
        }
        state.settings.made = settings;
        Ok(())
    }

    /// How finely the metric `name`, which itself says `given`, tells values apart. From now on this is final.
    pub(crate) fn precision_of(
        &self,
        kind: Kind,
        name: &str,
        given: Option<Precision>,
    ) -> Precision {
        if kind != Kind::Histogram {
            return given.unwrap_or(Precision::Two);
        }
        let _setup = locks::setup();
        let mut state = self.inner.lock();
        state.settings.settle(name);
        state.settings.made.of(name, given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_pattern_holds_and_the_program_goes_before_the_default() {
        let settings = RegistrySettings::new()
            .precision(Precision::Three)
            .precision_of("raft_*", Precision::One)
            .precision_of("raft_log_*", Precision::Two)
            .precision_of("raft_log_entries", Precision::Three)
            .precision_of("raft_*", Precision::One);
        assert_eq!(settings.of("raft_commit", Some(Precision::Three)), Precision::One);
        assert_eq!(settings.of("raft_log_bytes", None), Precision::Two);
        assert_eq!(settings.of("raft_log_entries", None), Precision::Three);
        assert_eq!(settings.of("draft_log", Some(Precision::One)), Precision::One);
        assert_eq!(settings.of("other", None), Precision::Three);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for good in ["*", "raft_*", "raft", "a:b"] {
            check_pattern(good).unwrap();
        }
        for bad in ["", "raft_*_seconds", "**", "9*", "a b", "ra-ft"] {
            let error = check_pattern(bad).unwrap_err().to_string();
            assert!(error.contains("raft_*"), "{bad}: {error}");
        }
    }
}
