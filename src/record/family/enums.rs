//! Families whose labels are Rust enums: every series exists from the start, and a look-up is an index.

use super::{At, Metric};
use crate::declare::Label;
use crate::record::handle::{Place, Text};
use crate::registry::slots::is_sink;
use crate::registry::{Bound, Buckets, Definition, Kind, Precision, Registry};
use crate::sync::Ordering;
use crate::{Error, Unit};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU8;

/// A label whose values are a closed set. Written by [`labels!`](crate::labels).
pub trait LabelEnum: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Its values, in the order of [`LabelEnum::index`].
    const VALUES: &'static [&'static str];
    /// All of them, in the same order.
    const ALL: &'static [Self];
    /// The position of this value.
    fn index(self) -> usize;
}

/// One label enum, or a tuple of up to three: the labels of an [`EnumFamily`].
pub trait EnumLabels: Copy + 'static {
    /// The number of combinations.
    const COUNT: usize;
    /// The position of this combination.
    fn index(self) -> usize;
    /// Names and values of the combination at `index`.
    fn pairs(index: usize) -> Vec<(String, String)>;
    /// The combination at `index`.
    fn nth(index: usize) -> Self;
    /// The labels, each with all its values.
    fn labels() -> Vec<Label>;
}

fn label<L: LabelEnum>() -> Label {
    Label { name: L::NAME.to_owned(), values: Some(L::VALUES) }
}

fn pair<L: LabelEnum>(index: usize) -> (String, String) {
    (L::NAME.to_owned(), L::VALUES[index].to_owned())
}

impl<A: LabelEnum> EnumLabels for A {
    const COUNT: usize = A::VALUES.len();
    #[inline(always)]
    fn index(self) -> usize {
        LabelEnum::index(self)
    }
    fn pairs(index: usize) -> Vec<(String, String)> {
        vec![pair::<A>(index)]
    }
    fn nth(index: usize) -> Self {
        A::ALL[index]
    }
    fn labels() -> Vec<Label> {
        vec![label::<A>()]
    }
}

impl<A: LabelEnum, B: LabelEnum> EnumLabels for (A, B) {
    const COUNT: usize = A::VALUES.len() * B::VALUES.len();
    #[inline(always)]
    fn index(self) -> usize {
        self.0.index() * B::VALUES.len() + self.1.index()
    }
    fn pairs(index: usize) -> Vec<(String, String)> {
        vec![pair::<A>(index / B::VALUES.len()), pair::<B>(index % B::VALUES.len())]
    }
    fn nth(index: usize) -> Self {
        (A::ALL[index / B::VALUES.len()], B::ALL[index % B::VALUES.len()])
    }
    fn labels() -> Vec<Label> {
        vec![label::<A>(), label::<B>()]
    }
}

impl<A: LabelEnum, B: LabelEnum, C: LabelEnum> EnumLabels for (A, B, C) {
    const COUNT: usize = A::VALUES.len() * B::VALUES.len() * C::VALUES.len();
    #[inline(always)]
    fn index(self) -> usize {
        (self.0, self.1).index() * C::VALUES.len() + self.2.index()
    }
    fn pairs(index: usize) -> Vec<(String, String)> {
        let mut pairs = <(A, B)>::pairs(index / C::VALUES.len());
        pairs.push(pair::<C>(index % C::VALUES.len()));
        pairs
    }
    fn nth(index: usize) -> Self {
        let (a, b) = <(A, B)>::nth(index / C::VALUES.len());
        (a, b, C::ALL[index % C::VALUES.len()])
    }
    fn labels() -> Vec<Label> {
        vec![label::<A>(), label::<B>(), label::<C>()]
    }
}

/// Declares an enum whose values are the values of a label.
///
/// ```
/// tachometer::labels! {
///     /// The result of a request.
///     pub enum Outcome("outcome") {
///         /// It was answered.
///         Ok = "ok",
///         /// It failed.
///         Failed = "failed",
///     }
/// }
/// use tachometer::{Counter, EnumFamily};
/// static REQUESTS: EnumFamily<Counter, Outcome> =
///     EnumFamily::new("requests_total", "Requests by outcome.");
/// REQUESTS.at(Outcome::Ok).inc();
/// ```
#[macro_export]
macro_rules! labels {
    ($(#[$meta:meta])* $vis:vis enum $name:ident($label:literal) {
        $($(#[$variant_meta:meta])* $variant:ident = $value:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $crate::LabelEnum for $name {
            const NAME: &'static str = $label;
            const VALUES: &'static [&'static str] = &[$($value),+];
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            #[inline(always)]
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// A family whose labels are Rust enums: one of them, or a tuple of up to three.
///
/// Every combination is a series from the start, at zero. A look-up is an index, so a record costs about what it costs
/// through a plain handle.
pub struct EnumFamily<M: Metric, L: EnumLabels> {
    place: Place,
    text: Text,
    /// What the program says; the registry has the last word.
    given: Option<Precision>,
    /// Figures of what holds: set before the slot, see [`Place::known_with_shape`].
    figures: AtomicU8,
    buckets: Buckets,
    types: PhantomData<fn(L) -> M>,
}

impl<M: Metric, L: EnumLabels> EnumFamily<M, L> {
    /// A family for a `static`: registered in [`Registry::global`] on its first use; see
    /// [`Counter::new`](crate::Counter::new).
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        EnumFamily {
            place: Place::unbound(),
            text: Text::new(name, help),
            given: None,
            figures: AtomicU8::new(Precision::Two.figures()),
            buckets: Buckets::Auto,
            types: PhantomData,
        }
    }

    /// Sets the unit; see [`Unit`] for the suffix that the name must have.
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.text.unit = unit;
        self
    }

    /// Sets how finely a histogram's values are told apart; else the [registry's default](crate::RegistrySettings) holds.
    pub const fn precision(mut self, precision: Precision) -> Self {
        self.given = Some(precision);
        self.figures = AtomicU8::new(precision.figures());
        self
    }

    /// Sets the bounds that a histogram's page shows.
    pub const fn buckets(mut self, buckets: Buckets) -> Self {
        self.buckets = buckets;
        self
    }

    /// Registers a `static` family now.
    ///
    /// # Errors
    /// The name is invalid, or registered with another definition.
    pub fn register(&self) -> Result<(), Error> {
        if !self.text.name.is_empty() {
            Registry::global().bind(&self.definition(), &combinations::<L>())?;
            self.first();
        }
        Ok(())
    }

    pub(crate) fn from_bound(bound: Bound, precision: Precision) -> Self {
        let place = Place::bound(bound);
        EnumFamily { place, ..Self::new("", "").precision(precision) }
    }

    /// The definition of a `static`, whose precision is set to what the registry says.
    fn definition(&self) -> Definition {
        let precision = Registry::global().precision_of(M::KIND, self.text.name, self.given);
        // Relaxed: published by the slot, see `Place::bind`.
        self.figures.store(precision.figures(), Ordering::Relaxed);
        Definition {
            name: self.text.name.to_owned(),
            help: self.text.help.to_owned(),
            kind: M::KIND,
            unit: self.text.unit,
            precision,
            buckets: self.buckets,
        }
    }

    #[inline(always)]
    fn first(&self) -> usize {
        self.place.slot_with_shape(|| (self.definition(), combinations::<L>()))
    }

    #[inline(always)]
    fn precision_known(&self) -> Precision {
        match M::KIND {
            // Relaxed: ordered by the slot, see `Place::known_with_shape`.
            Kind::Histogram => Precision::of(self.figures.load(Ordering::Relaxed)),
            _ => Precision::Two,
        }
    }

    #[inline(always)]
    fn slot(&self, labels: L) -> usize {
        match self.first() {
            // No slot was left in the process: all combinations record in one place, and the registry says so.
            sink if is_sink(sink) => sink,
            first => first + labels.index() * M::STRIDE,
        }
    }

    /// The series of `labels`.
    #[inline(always)]
    pub fn at(&self, labels: L) -> M::Ref<'_> {
        let slot = self.slot(labels);
        M::at(slot, self.precision_known())
    }

    /// A handle of its own for the series of `labels`, to keep or to send elsewhere.
    pub fn handle(&self, labels: L) -> M {
        let slot = self.slot(labels);
        let bound = Bound { slot, ..self.place.keep(slot) };
        M::handle(At(bound), self.precision_known())
    }
}

/// All combinations of `L`, in the order of their index.
pub(crate) fn combinations<L: EnumLabels>() -> Vec<Vec<(String, String)>> {
    (0..L::COUNT).map(L::pairs).collect()
}

impl<M: Metric, L: EnumLabels> Clone for EnumFamily<M, L> {
    /// The same family; a `static` is registered if it was not.
    fn clone(&self) -> Self {
        let place = self.place.clone_at(self.first());
        let figures = AtomicU8::new(self.precision_known().figures());
        EnumFamily { place, figures, ..*self }
    }
}

impl<M: Metric, L: EnumLabels> fmt::Debug for EnumFamily<M, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnumFamily").field("place", &self.place).finish()
    }
}
