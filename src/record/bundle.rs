//! Typed bundles: one declaration gives a struct of handles with names, units, help and labels.

use super::builder::MetricBuilder;
use super::family::enums::{EnumLabels, LabelEnum};
use super::family::{Metric, dynamic::Family, enums::EnumFamily};
use super::state_set::StateSet;
use crate::declare::Label;
use crate::{Counter, Error, Gauge, Histogram, Kind, UpDownCounter};

/// A type that can be a field of a [`bundle!`](crate::bundle): any handle or family.
pub trait BundleField: Sized {
    /// The type of its series.
    const KIND: Kind;

    /// The labels of its series, where `keys` are the names of those whose values only the run time knows.
    fn labels(keys: &[String]) -> Vec<Label>;

    /// Registers the metric as this type.
    ///
    /// # Errors
    /// As [`MetricBuilder::counter`].
    fn register(metric: MetricBuilder<'_>) -> Result<Self, Error>;

    /// As [`Family::forget`], where the label's values are known at run time only.
    fn forget(&self, _label: &str, _value: &str) {}
}

macro_rules! scalar_field {
    ($handle:ident, $method:ident) => {
        impl BundleField for $handle {
            const KIND: Kind = <$handle as Metric>::KIND;
            fn labels(_: &[String]) -> Vec<Label> {
                Vec::new()
            }
            fn register(metric: MetricBuilder<'_>) -> Result<Self, Error> {
                metric.$method()
            }
        }
    };
}
scalar_field!(Counter, counter);
scalar_field!(UpDownCounter, up_down_counter);
scalar_field!(Gauge, gauge);
scalar_field!(Histogram, histogram);

impl<S: LabelEnum> BundleField for StateSet<S> {
    const KIND: Kind = Kind::StateSet;
    /// Labelled with the metric's own name, which the declaration fills in.
    fn labels(_: &[String]) -> Vec<Label> {
        vec![Label { name: String::new(), values: Some(S::VALUES) }]
    }
    fn register(metric: MetricBuilder<'_>) -> Result<Self, Error> {
        metric.state_set()
    }
}

impl<M: Metric, L: EnumLabels> BundleField for EnumFamily<M, L> {
    const KIND: Kind = M::KIND;
    fn labels(_: &[String]) -> Vec<Label> {
        L::labels()
    }
    fn register(metric: MetricBuilder<'_>) -> Result<Self, Error> {
        metric.enum_family()
    }
}

impl<M: Metric, const N: usize> BundleField for Family<M, N> {
    const KIND: Kind = M::KIND;
    fn labels(keys: &[String]) -> Vec<Label> {
        keys.iter().map(|key| Label { name: key.clone(), values: None }).collect()
    }
    fn register(metric: MetricBuilder<'_>) -> Result<Self, Error> {
        metric.keyed_family()
    }
    fn forget(&self, label: &str, value: &str) {
        Family::forget(self, label, value);
    }
}

/// Declares a struct of handles: one field a metric, its doc comment the help, its type the type.
///
/// After the name follow settings, each a method of [`MetricBuilder`](crate::MetricBuilder); after `=>`, what people want to
/// know of the metric (the question that it answers, its panel, its alerts), each a method of
/// [`declare::Series`](crate::declare::Series). A text and a colon before a field begin a section. Behind the fields, `derived`
/// declares series that recording rules make of others. The prefix stands behind the struct's name and can be changed when
/// the bundle is registered; a second text is what people call the bundle. Behind `; beside` stand bundles that are
/// registered under the same prefix, whose series its expressions may name. Besides the struct itself there are
///
/// - `register(&registry)`: registers every metric, or finds it registered alike. A
///   [scope](crate::Registry::scope) gives the whole bundle constant labels, so one bundle can be registered once for
///   each group, shard or tenant.
/// - `register_as(&registry, prefix, adjust)`: the same under another prefix, each metric passed through `adjust`, which
///   may set another precision, say.
/// - `NAMES`: the names without prefix, in the order of the declaration.
/// - `forget(label, value)`: lets the series of a member go; see [`Family::forget`](crate::Family::forget).
/// - `declaration()`, `declaration_as(prefix)`: all of it as data; see [`declare`](crate::declare), also for an example.
///
/// ```
/// use tachometer::{Counter, EnumFamily, Family, Histogram, Registry, Unit};
/// tachometer::labels! { pub enum Outcome("outcome") { Ok = "ok", Failed = "failed" } }
/// tachometer::bundle! {
///     /// What a store records.
///     pub struct StoreMetrics("store_") {
///         /// Reads by outcome.
///         pub reads: EnumFamily<Counter, Outcome> = "reads_total";
///         /// How long a write took.
///         pub write: Histogram = "write_duration_seconds", unit(Unit::Nanoseconds);
///         /// Bytes written by table.
///         pub bytes: Family<Counter, 1> = "bytes_total", unit(Unit::Bytes), keys(["table"]);
///     }
/// }
/// let registry = Registry::new();
/// let store = StoreMetrics::register(&registry.scope([("shard", "7")])?)?;
/// store.reads.at(Outcome::Ok).inc();
/// store.bytes.at(["orders"]).add(512);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[macro_export]
macro_rules! bundle {
    ($(#[doc = $about:literal])* $vis:vis struct $bundle:ident($prefix:literal $(, $title:literal)? $(; beside $($sibling:ty),+)?) {
        $($($section:literal:)?
          $(#[doc = $help:literal])+
          $field_vis:vis $field:ident: $type:ty = $name:literal $(, $set:ident($($value:expr),*))*
          $(=> $($say:ident($($said:expr),* $(,)?)),+)?;)+
    }
    $(derived {
        $($($derived_section:literal:)?
          $(#[doc = $derived_help:literal])+
          $derived_name:literal = $expression:expr $(, $derived_set:ident($($derived_value:expr),*))*
          $(=> $($derived_say:ident($($derived_said:expr),* $(,)?)),+)?;)+
    })?) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        $vis struct $bundle {
            $($(#[doc = $help])+ $field_vis $field: $type,)+
        }

        impl $bundle {
            /// The prefix of every name, unless another is given.
            #[allow(dead_code)]
            pub const PREFIX: &'static str = $prefix;
            /// The names of all metrics, without prefix, in the order of the declaration.
            #[allow(dead_code)]
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// Registers every metric of the bundle, or finds it registered alike.
            ///
            /// # Errors
            /// A metric is registered with another definition, or there are too many series.
            #[allow(dead_code)]
            pub fn register(registry: &$crate::Registry) -> Result<Self, $crate::Error> {
                Self::register_as(registry, Self::PREFIX, |metric| metric)
            }

            /// Registers every metric under `prefix`, each passed through `adjust`.
            ///
            /// # Errors
            /// As `register`; and the prefix must make valid names.
            #[allow(dead_code)]
            pub fn register_as(
                registry: &$crate::Registry,
                prefix: &str,
                adjust: impl for<'a> Fn($crate::MetricBuilder<'a>) -> $crate::MetricBuilder<'a>,
            ) -> Result<Self, $crate::Error> {
                let bundle = $bundle {
                    $($field: <$type as $crate::BundleField>::register(adjust(
                        registry
                            .metric(format!("{prefix}{}", $name), concat!($($help),+).trim())
                            $(.$set($($value),*))*,
                    ))?,)+
                };
                registry.declare(stringify!($bundle), prefix, || Self::declaration_as(prefix));
                Ok(bundle)
            }

            /// Lets all series go whose label `label` is `value`, as soon as nobody has a handle of them or records in them.
            #[allow(dead_code)]
            pub fn forget(&self, label: &str, value: &str) {
                $(<$type as $crate::BundleField>::forget(&self.$field, label, value);)+
            }

            /// What the bundle says of itself.
            #[allow(dead_code)]
            pub fn declaration() -> $crate::declare::Bundle {
                Self::declaration_as(Self::PREFIX)
            }

            /// What the bundle says of itself, under another prefix.
            #[allow(dead_code)]
            pub fn declaration_as(prefix: &str) -> $crate::declare::Bundle {
                $crate::declare::Bundle::new(
                    (stringify!($bundle), concat!($($title)?), concat!($($about),*)),
                    (Self::PREFIX, prefix, &[$($(<$sibling>::NAMES),+)?]),
                    vec![
                        $($crate::declare::Series::recorded($name, concat!($($help),+))
                            $(.in_section($section))?
                            $(.$set($($value),*))*
                            .of::<$type>()
                            $($(.$say($($said),*))+)?,)+
                        $($($crate::declare::Series::derived($derived_name, concat!($($derived_help),+), $expression)
                            $(.in_section($derived_section))?
                            $(.$derived_set($($derived_value),*))*
                            $($(.$derived_say($($derived_said),*))+)?,)+)?
                    ],
                )
            }
        }
    };
}
