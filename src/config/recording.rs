//! What is recorded, and how finely.

use super::error::Problem;
use crate::limits::{DEFAULT_FAMILY_LIMIT, DEFAULT_SAMPLE_EVERY, MAX_SAMPLE_EVERY};
use crate::registry::settings::check_pattern;
use crate::{Error, Precision, Registry, RegistrySettings, Sampler};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// What is recorded, and how finely: see [`RegistrySettings`] and [`Sampler`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct RecordingConfig {
    /// Significant figures of histograms whose program does not say it.
    pub default_precision: Figures,
    /// Significant figures by name, or by the beginning of names and a `*`, whatever the program says.
    pub precision: BTreeMap<String, Figures>,
    /// Series of a family whose program does not say it.
    pub family_limit: usize,
    /// Of events that are too many to measure each, one in this many is.
    pub sample_every: NonZeroU32,
}

/// Significant figures of a histogram: 1, 2 or 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures(pub Precision);

impl Default for RecordingConfig {
    fn default() -> Self {
        RecordingConfig {
            default_precision: Figures(Precision::Two),
            precision: BTreeMap::new(),
            family_limit: DEFAULT_FAMILY_LIMIT,
            sample_every: DEFAULT_SAMPLE_EVERY,
        }
    }
}

impl RecordingConfig {
    /// Makes the settings in `registry`: before anything is registered there, and before its engine is started.
    ///
    /// # Errors
    /// Those of [`Registry::configure`].
    pub fn apply(&self, registry: &Registry) -> Result<(), Error> {
        registry.configure(self.settings())
    }

    /// The settings of a registry.
    pub fn settings(&self) -> RegistrySettings {
        let settings = RegistrySettings::new()
            .precision(self.default_precision.0)
            .family_limit(self.family_limit);
        let by_name = self.precision.iter();
        by_name.fold(settings, |settings, (name, figures)| settings.precision_of(name, figures.0))
    }

    /// A sampler that draws one event in [`sample_every`](RecordingConfig::sample_every).
    pub fn sampler(&self) -> Sampler {
        Sampler::one_in(self.sample_every)
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        for name in self.precision.keys() {
            check_pattern(name).map_err(|_| {
                let reason =
                    "expected a metric's name, or the beginning of one and a *, as \"raft_*\"";
                Problem::at(&["recording", "precision", name], reason)
            })?;
        }
        if self.sample_every.get() > MAX_SAMPLE_EVERY {
            let reason = format!("{} is not from 1 to {MAX_SAMPLE_EVERY}", self.sample_every);
            return Err(Problem::at(&["recording", "sample_every"], reason));
        }
        let out_of_range = |error: Error| match error {
            Error::InvalidSetting { reason, .. } => {
                Problem::at(&["recording", "family_limit"], reason)
            }
            other => Problem::at(&["recording"], other.to_string()),
        };
        self.settings().check().map_err(out_of_range)
    }
}

impl<'de> Deserialize<'de> for Figures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer) {
            Ok(figures @ 1..=3) => Ok(Figures(Precision::of(figures))),
            // Without the value: where any key may stand, a secret may have been written by mistake.
            Ok(_) | Err(_) => Err(D::Error::custom("expected 1, 2 or 3: significant figures")),
        }
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0.figures())
    }
}
