//! What all handles share: a slot that is known, or will be on first use.

use crate::registry::{Bound, Definition, Life, Registry};
use crate::shard::layout::Shape;
use crate::sync::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize};

/// The slot of a handle, and what keeps it.
#[derive(Debug)]
pub(crate) struct Place {
    /// Offset in bank 0; zero while a `static` handle is unbound.
    slot: AtomicUsize,
    /// Keeps the slot; `None` in a `static`, whose slot the global registry keeps for ever.
    bound: Option<Bound>,
}

impl Place {
    pub(crate) const fn unbound() -> Self {
        Place { slot: AtomicUsize::new(0), bound: None }
    }

    pub(crate) fn bound(bound: Bound) -> Self {
        Place { slot: AtomicUsize::new(bound.slot), bound: Some(bound) }
    }

    /// The slot if it is known, else zero.
    #[inline(always)]
    pub(crate) fn known(&self) -> usize {
        // Relaxed: the slot is an index. What stands there is published by the epoch, not by this word: a fresh slot is
        // zero in every shard, and a recycled one was zeroed by the cutter before a registration could see it.
        self.slot.load(Ordering::Relaxed)
    }

    /// As [`Place::known`], for a handle whose shape was set as the slot was: whoever sees the slot sees the shape.
    #[inline(always)]
    pub(crate) fn known_with_shape(&self) -> usize {
        // Acquire: pairs with the store in `Place::bind`, which comes after `SharedShape::set`. A plain load on x86-64.
        self.slot.load(Ordering::Acquire)
    }

    /// As [`Place::slot`], for a handle with a [`SharedShape`].
    #[inline(always)]
    pub(crate) fn slot_with_shape(
        &self,
        definition: impl FnOnce() -> (Definition, Vec<Vec<(String, String)>>),
    ) -> usize {
        match self.known_with_shape() {
            0 => self.bind(definition),
            slot => slot,
        }
    }

    /// The slot, bound now if need be.
    #[inline(always)]
    pub(crate) fn slot(
        &self,
        definition: impl FnOnce() -> (Definition, Vec<Vec<(String, String)>>),
    ) -> usize {
        match self.known() {
            0 => self.bind(definition),
            slot => slot,
        }
    }

    /// `extern "C"`: does not unwind, see `shard::local`. Nothing in a registration panics.
    #[cold]
    #[inline(never)]
    #[allow(improper_ctypes_definitions)]
    extern "C" fn bind(
        &self,
        definition: impl FnOnce() -> (Definition, Vec<Vec<(String, String)>>),
    ) -> usize {
        let (definition, combinations) = definition();
        let bound = Registry::global().bind_static(&definition, &combinations);
        // A refused handle's slots are kept by the registry's list of rejects, all others by their family.
        // Two threads that bind at once find the same slot. Release: for the shape alone, which `definition` has set; see
        // `known_with_shape`.
        self.slot.store(bound.slot, Ordering::Release);
        bound.slot
    }

    /// What keeps this place, for a handle that shares it.
    pub(crate) fn keep(&self, slot: usize) -> Bound {
        self.bound.clone().unwrap_or_else(|| Bound { slot, life: Arc::new(Life(None)) })
    }

    /// A place for a clone of the handle: the same slot, kept as long.
    pub(crate) fn clone_at(&self, slot: usize) -> Place {
        // Relaxed: see `slot`.
        Place { slot: AtomicUsize::new(slot), bound: self.bound.clone() }
    }
}

/// The shape of a histogram: what its `static` says, or, once that is registered, what its registry does. It changes only
/// before the slot is known, and always to the same: a registry's word on a name is final.
#[derive(Debug)]
pub(crate) struct SharedShape {
    half_bits: AtomicU32,
    linear_max: AtomicU32,
}

impl SharedShape {
    pub(crate) const fn new(shape: Shape) -> Self {
        let (half_bits, linear_max) = shape.parts();
        SharedShape { half_bits: AtomicU32::new(half_bits), linear_max: AtomicU32::new(linear_max) }
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Shape {
        // Relaxed: ordered by the slot, see `Place::known_with_shape`.
        let load = |part: &AtomicU32| part.load(Ordering::Relaxed);
        Shape::from_parts(load(&self.half_bits), load(&self.linear_max))
    }

    pub(crate) fn set(&self, shape: Shape) {
        let (half_bits, linear_max) = shape.parts();
        // Relaxed: published by the slot, see `Place::bind`.
        self.half_bits.store(half_bits, Ordering::Relaxed);
        self.linear_max.store(linear_max, Ordering::Relaxed);
    }
}

/// Name, help and unit of a handle, as a `static` carries them. Bound handles leave them empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) unit: crate::Unit,
}

impl Text {
    pub(crate) const fn new(name: &'static str, help: &'static str) -> Self {
        Text { name, help, unit: crate::Unit::None }
    }
}

/// Writes the parts of a scalar handle type that differ only in name and kind.
macro_rules! scalar_handle {
    ($(#[$doc:meta])* $name:ident, $(#[$ref_doc:meta])* $reference:ident, $kind:ident) => {
        $(#[$doc])*
        pub struct $name {
            place: $crate::record::handle::Place,
            text: $crate::record::handle::Text,
        }

        $(#[$ref_doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $reference<'a> {
            pub(crate) slot: usize,
            pub(crate) handle: std::marker::PhantomData<&'a ()>,
        }

        impl $name {
            /// A handle for a `static`: registered in [`Registry::global`](crate::Registry::global) on its first use.
            ///
            /// A name or definition that the registry refuses is reported by
            /// [`Registry::rejected`](crate::Registry::rejected); call [`Self::register`] early to get the error itself.
            pub const fn new(name: &'static str, help: &'static str) -> Self {
                Self {
                    place: $crate::record::handle::Place::unbound(),
                    text: $crate::record::handle::Text::new(name, help),
                }
            }

            /// Sets the unit; see [`Unit`](crate::Unit) for the suffix that the name must have.
            pub const fn unit(mut self, unit: $crate::Unit) -> Self {
                self.text.unit = unit;
                self
            }

            /// Registers a `static` handle now, so that its series is on the page before its first use.
            ///
            /// # Errors
            /// The name is invalid, or registered with another definition.
            pub fn register(&self) -> Result<(), $crate::Error> {
                if !self.text.name.is_empty() {
                    $crate::Registry::global().bind(&self.definition(), &[vec![]])?;
                    self.as_ref();
                }
                Ok(())
            }

            pub(crate) fn from_bound(bound: $crate::registry::Bound) -> Self {
                Self {
                    place: $crate::record::handle::Place::bound(bound),
                    text: $crate::record::handle::Text::new("", ""),
                }
            }

            fn definition(&self) -> $crate::registry::Definition {
                $crate::registry::Definition {
                    name: self.text.name.to_owned(),
                    help: self.text.help.to_owned(),
                    kind: $crate::registry::Kind::$kind,
                    unit: self.text.unit,
                    precision: $crate::registry::Precision::Two,
                    buckets: $crate::registry::Buckets::Auto,
                }
            }

            /// The handle's place, for a [`Group`](crate::Group) or to record several times.
            #[inline(always)]
            pub(crate) fn as_ref(&self) -> $reference<'_> {
                let slot = self.place.slot(|| (self.definition(), vec![vec![]]));
                $reference { slot, handle: std::marker::PhantomData }
            }
        }

        impl Clone for $name {
            /// The same series; a `static` is registered if it was not.
            fn clone(&self) -> Self {
                Self { place: self.place.clone_at(self.as_ref().slot), text: self.text }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("place", &self.place).finish()
            }
        }

        impl<'a> From<&'a $name> for $reference<'a> {
            #[inline(always)]
            fn from(handle: &'a $name) -> Self {
                handle.as_ref()
            }
        }
    };
}
pub(crate) use scalar_handle;
