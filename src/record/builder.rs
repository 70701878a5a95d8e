//! Registering metrics at run time: `registry.metric("name", "help").unit(…).label(…).histogram()`.

use super::family::Metric;
use super::family::dynamic::{Family, Options};
use super::family::enums::{EnumFamily, EnumLabels, LabelEnum, combinations};
use super::state_set::{StateSet, states};
#[cfg(any(feature = "metrics", feature = "opentelemetry", feature = "tracing"))]
use crate::registry::Bound;
use crate::registry::layout::Source;
use crate::registry::members::Members;
use crate::registry::{Buckets, Definition, Kind, Precision, Registry, Unit};
use crate::{Counter, Error, Gauge, Histogram, UpDownCounter};
use std::sync::Arc;
use std::time::Duration;

/// A metric about to be registered. Made by [`Registry::metric`]; ended by the method that names its type.
///
/// Registering the same definition with the same labels again gives the same series.
#[derive(Clone, Debug)]
#[must_use = "nothing is registered until the type is named"]
pub struct MetricBuilder<'a> {
    registry: &'a Registry,
    name: String,
    help: String,
    labels: Vec<(String, String)>,
    keys: Vec<String>,
    options: Options,
}

impl Registry {
    /// Begins to register a metric.
    ///
    /// ```
    /// use tachometer::{Registry, Unit};
    /// let registry = Registry::new();
    /// let size = registry
    ///     .metric("snapshot_size_bytes", "Size of a snapshot.")
    ///     .unit(Unit::Bytes)
    ///     .label("group", "orders/0")
    ///     .histogram()?;
    /// size.record(4096);
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn metric(&self, name: impl Into<String>, help: impl Into<String>) -> MetricBuilder<'_> {
        MetricBuilder {
            registry: self,
            name: name.into(),
            help: help.into(),
            labels: Vec::new(),
            keys: Vec::new(),
            options: Options::DEFAULT,
        }
    }

    /// Registers a counter without unit or labels of its own.
    ///
    /// # Errors
    /// The name is invalid, registered with another definition, or there are too many series.
    pub fn counter(&self, name: &str, help: &str) -> Result<Counter, Error> {
        self.metric(name, help).counter()
    }

    /// Registers an up-down counter without unit or labels of its own.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn up_down_counter(&self, name: &str, help: &str) -> Result<UpDownCounter, Error> {
        self.metric(name, help).up_down_counter()
    }

    /// Registers a gauge without unit or labels of its own.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.metric(name, help).gauge()
    }

    /// Registers an info metric: `labels` about the program itself, with the value 1, for as long as the registry lives. The
    /// name ends in `_info`.
    ///
    /// ```
    /// use tachometer::Registry;
    /// let registry = Registry::new();
    /// registry.info("build_info", "What runs here.", [("version", "1.2.3"), ("commit", "0a1b2c")])?;
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn info<K: Into<String>, V: Into<String>>(
        &self,
        name: &str,
        help: &str,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), Error> {
        let metric = self.metric(name, help);
        labels.into_iter().fold(metric, |metric, (key, value)| metric.label(key, value)).info()
    }

    /// Registers a state set without labels of its own.
    ///
    /// # Errors
    /// As [`Registry::counter`]; and the name must do as a label's name.
    pub fn state_set<S: LabelEnum>(&self, name: &str, help: &str) -> Result<StateSet<S>, Error> {
        self.metric(name, help).state_set()
    }

    /// Registers a histogram without unit or labels of its own.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn histogram(&self, name: &str, help: &str) -> Result<Histogram, Error> {
        self.metric(name, help).histogram()
    }
}

impl MetricBuilder<'_> {
    /// Sets the unit; see [`Unit`] for the suffix that the name must have.
    pub fn unit(mut self, unit: Unit) -> Self {
        self.options.unit = unit;
        self
    }

    /// Adds a constant label, beside those of the registry's [`scope`](Registry::scope).
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Names the labels of a family whose values are only known at run time, for [`MetricBuilder::keyed_family`].
    pub fn keys<const N: usize>(mut self, keys: [&str; N]) -> Self {
        self.keys = keys.map(str::to_owned).into();
        self
    }

    /// Sets how finely a histogram's values are told apart; else the [registry's default](crate::RegistrySettings) holds.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.options.precision = Some(precision);
        self
    }

    /// Sets the bounds that a histogram's page shows.
    pub fn buckets(mut self, buckets: Buckets) -> Self {
        self.options.buckets = buckets;
        self
    }

    /// Sets how many series a family with dynamic labels may have; else the [registry's
    /// default](crate::RegistrySettings) holds.
    pub fn limit(mut self, series: usize) -> Self {
        self.options.limit = Some(series);
        self
    }

    /// Lets series of a family with dynamic labels go when they have been idle for this long.
    pub fn expire_after(mut self, idle: Duration) -> Self {
        self.options.expire_after = Some(idle);
        self
    }

    fn definition(&self, kind: Kind) -> Definition {
        let Options { unit, precision, buckets, .. } = self.options;
        let precision = self.registry.precision_of(kind, &self.name, precision);
        Definition {
            name: self.name.clone(),
            help: self.help.clone(),
            kind,
            unit,
            precision,
            buckets,
        }
    }

    /// Registers a counter.
    ///
    /// # Errors
    /// A name is invalid, the metric is registered with another definition, or there are too many series.
    pub fn counter(self) -> Result<Counter, Error> {
        let definition = self.definition(Kind::Counter);
        Ok(Counter::from_bound(self.registry.bind(&definition, &[self.labels])?))
    }

    /// Registers an up-down counter.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`].
    pub fn up_down_counter(self) -> Result<UpDownCounter, Error> {
        let definition = self.definition(Kind::UpDownCounter);
        Ok(UpDownCounter::from_bound(self.registry.bind(&definition, &[self.labels])?))
    }

    /// Registers a gauge.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`].
    pub fn gauge(self) -> Result<Gauge, Error> {
        let definition = self.definition(Kind::Gauge);
        Ok(Gauge::from_bound(self.registry.bind(&definition, &[self.labels])?))
    }

    /// Registers a gauge that is read by calling `read` after each cut, on the thread that makes the snapshot.
    ///
    /// A panic in it is caught: the gauge shows NaN, and `tachometer_callback_panics_total` counts it.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`]; and a series has one callback only.
    pub fn gauge_from(self, read: impl Fn() -> f64 + Send + Sync + 'static) -> Result<(), Error> {
        let definition = self.definition(Kind::Gauge);
        self.registry.bind_callback(&definition, self.labels, Arc::new(read))
    }

    /// Registers an info metric: the metric's labels, with the value 1.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`]; and the name must end in `_info`.
    pub fn info(self) -> Result<(), Error> {
        let definition = self.definition(Kind::Info);
        self.registry.bind_without_slot(&definition, self.labels, Source::One)
    }

    /// Registers a state set: a series for each of the states, labelled with the metric's name.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`]; and the name must do as a label's name.
    pub fn state_set<S: LabelEnum>(self) -> Result<StateSet<S>, Error> {
        let definition = self.definition(Kind::StateSet);
        let with_own = |state: Vec<(String, String)>| [&self.labels[..], &state[..]].concat();
        let states: Vec<_> = states::<S>(&self.name).into_iter().map(with_own).collect();
        Ok(StateSet::from_bound(self.registry.bind(&definition, &states)?))
    }

    /// Registers a histogram.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`]; and its buckets must be finite and ascending.
    pub fn histogram(self) -> Result<Histogram, Error> {
        let definition = self.definition(Kind::Histogram);
        let bound = self.registry.bind(&definition, &[self.labels])?;
        Ok(Histogram::from_bound(bound, definition.precision))
    }

    /// Registers one series of a kind, and gives its place.
    #[cfg(any(feature = "metrics", feature = "opentelemetry", feature = "tracing"))]
    pub(crate) fn bound(self, kind: Kind) -> Result<Bound, Error> {
        self.registry.bind(&self.definition(kind), &[self.labels])
    }

    /// Registers a family whose labels are Rust enums, every combination a series.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`].
    pub fn enum_family<M: Metric, L: EnumLabels>(self) -> Result<EnumFamily<M, L>, Error> {
        let definition = self.definition(M::KIND);
        let with_own = |pairs: Vec<(String, String)>| [&self.labels[..], &pairs[..]].concat();
        let combinations: Vec<_> = combinations::<L>().into_iter().map(with_own).collect();
        let bound = self.registry.bind(&definition, &combinations)?;
        Ok(EnumFamily::from_bound(bound, definition.precision))
    }

    /// Registers a family with labels whose values are only known at run time.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`].
    pub fn family<M: Metric, const N: usize>(self, keys: [&str; N]) -> Result<Family<M, N>, Error> {
        self.keys(keys).keyed_family()
    }

    /// As [`MetricBuilder::family`], with the labels that [`MetricBuilder::keys`] named.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`]; and there must be `N` of them.
    pub fn keyed_family<M: Metric, const N: usize>(self) -> Result<Family<M, N>, Error> {
        let keys: [&str; N] =
            self.keys.iter().map(String::as_str).collect::<Vec<_>>().try_into().map_err(
                |given: Vec<&str>| Error::InvalidSetting {
                    setting: "keys",
                    reason: format!("{} has {N} labels, not {}", self.name, given.len()),
                },
            )?;
        let definition = self.definition(M::KIND);
        let registry = self.registry.scope(self.labels)?;
        let members = Members::register(&registry, &definition, &keys, self.options)?;
        Ok(Family::from_members(members, Some(registry)))
    }
}
