//! Families: one metric, many series, told apart by labels.
//!
//! [`EnumFamily`] is for label sets that the program knows: Rust enums, a dense index, no hash. [`Family`] is for values
//! that only the run time knows: looked up in a table of the thread's own, without a lock or an allocation on a hit, with
//! a limit on the number of series and optional expiry.

pub(crate) mod cache;
pub(crate) mod dynamic;
pub(crate) mod enums;

use super::counter::{Counter, CounterRef};
use super::gauge::{Gauge, GaugeRef};
use super::histogram::{Histogram, HistogramRef};
use super::updown::{UpDownCounter, UpDownCounterRef};
use crate::registry::{Bound, Kind, Precision};
use crate::shard::layout::HEAD_BYTES;
use std::fmt;
use std::marker::PhantomData;

/// A type of metric that a family can have: [`Counter`], [`UpDownCounter`], [`Gauge`] or [`Histogram`].
///
/// Sealed: the engine knows these four.
pub trait Metric: sealed::Sealed + fmt::Debug + Sized + 'static {
    /// What a look-up in an [`EnumFamily`](crate::EnumFamily) gives.
    type Ref<'a>: Copy + fmt::Debug;
    #[doc(hidden)]
    const KIND: Kind;
    #[doc(hidden)]
    const STRIDE: usize;
    #[doc(hidden)]
    fn at<'a>(slot: usize, precision: Precision) -> Self::Ref<'a>;
    #[doc(hidden)]
    fn handle(at: At, precision: Precision) -> Self;
}

/// A series' place with what keeps it.
#[doc(hidden)]
#[derive(Debug)]
pub struct At(pub(crate) Bound);

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Counter {}
    impl Sealed for super::UpDownCounter {}
    impl Sealed for super::Gauge {}
    impl Sealed for super::Histogram {}
}

macro_rules! scalar_metric {
    ($handle:ident, $reference:ident) => {
        impl Metric for $handle {
            type Ref<'a> = $reference<'a>;
            const KIND: Kind = Kind::$handle;
            const STRIDE: usize = 8;
            #[inline(always)]
            fn at<'a>(slot: usize, _: Precision) -> $reference<'a> {
                $reference { slot, handle: PhantomData }
            }
            fn handle(at: At, _: Precision) -> Self {
                $handle::from_bound(at.0)
            }
        }
    };
}
scalar_metric!(Counter, CounterRef);
scalar_metric!(UpDownCounter, UpDownCounterRef);
scalar_metric!(Gauge, GaugeRef);

impl Metric for Histogram {
    type Ref<'a> = HistogramRef<'a>;
    const KIND: Kind = Kind::Histogram;
    const STRIDE: usize = HEAD_BYTES;
    #[inline(always)]
    fn at<'a>(slot: usize, precision: Precision) -> HistogramRef<'a> {
        HistogramRef { slot, shape: precision.shape(), handle: PhantomData }
    }
    fn handle(at: At, precision: Precision) -> Self {
        Histogram::from_bound(at.0, precision)
    }
}
