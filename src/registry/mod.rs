//! Registries: which series exist, under which names and labels, and in which slots they count.
//!
//! A registry is a namespace. All registries of a process share its shards, slots and cuts; tests and tenants get one of
//! their own, and a program that does not care uses [`Registry::global`], where `static` handles register on first use.
//! [`Registry::scope`] gives a view whose series all carry further constant labels.

pub(crate) mod definition;
pub(crate) mod layout;
pub(crate) mod locks;
pub(crate) mod members;
#[cfg_attr(
    not(feature = "source"),
    allow(dead_code, reason = "sources alone bring series from outside")
)]
pub(crate) mod outside;
pub(crate) mod settings;
pub(crate) mod slots;
#[cfg(feature = "metrics")]
pub(crate) mod sweep;

pub use definition::{Buckets, Definition, Kind, Precision, Unit};
pub use settings::RegistrySettings;

use crate::Snapshot;
use crate::error::Error;
use crate::limits::{MAX_LABELS, MAX_REJECTED};
use crate::shard::DOMAIN;
use crate::shard::layout::{Class, Range};
use definition::{check_label_name, check_label_value};
use layout::{Labels, Source};
use members::Members;
use once_cell::sync::Lazy;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A namespace of metrics. Clones are the same registry.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
    scope: Labels,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = self.inner.lock().families.len();
        f.debug_struct("Registry").field("families", &families).field("scope", &self.scope).finish()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    state: Mutex<State>,
}

/// The tables of a registry. Changed only under [`locks::setup`].
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) families: BTreeMap<String, Family>,
    /// Name on the page, to the family that claims it.
    claims: BTreeMap<String, String>,
    /// Families with dynamic labels.
    pub(crate) dynamic: Vec<Arc<Members>>,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) settings: settings::Settings,
    /// What is called before each cut.
    collectors: Vec<Collector>,
    /// What lets idle series of a facade go after each cut.
    #[cfg(feature = "metrics")]
    sweepers: Vec<std::sync::Weak<dyn sweep::Sweep>>,
    /// Rises with every change of what a page shows.
    pub(crate) version: u64,
    /// The fork generation in which an engine runs on this registry.
    pub(crate) running: Option<u64>,
    /// The last complete snapshot of the engine that ran before, with its fork generation: exact sums go on from it.
    left: Option<(u64, Arc<Snapshot>)>,
    /// What the bundles registered here say of themselves.
    bundles: Vec<Arc<crate::declare::Bundle>>,
    /// Drawn at random: tells its counts from those of another registry or process.
    #[cfg(feature = "history")]
    run: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) definition: Arc<Definition>,
    pub(crate) series: BTreeMap<Labels, Series>,
    /// Nobody but [`outside`] has asked for it.
    pub(crate) outside: bool,
}

#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) source: Source,
    /// Keeps the slots until the series goes; handles hold it too.
    pub(crate) life: Arc<Life>,
}

/// A function of the host's that is called before each cut.
#[derive(Clone)]
pub(crate) struct Collector(pub(crate) Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector")
    }
}

/// A `static` handle that could not be registered as it stands.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The name of the metric.
    pub name: String,
    /// Why it was refused.
    pub error: Error,
    pub(crate) bound: Bound,
    pub(crate) kind: Kind,
}

/// Holds slots; gives them up when the last handle and the registry have gone.
#[derive(Debug)]
pub(crate) struct Life(pub(crate) Option<Range>);

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(range) = self.0 {
            locks::retire(range);
        }
    }
}

/// Where a handle records, and what keeps that place.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) slot: usize,
    pub(crate) life: Arc<Life>,
}

impl Inner {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Marks the registry as served by an engine of fork generation `generation`. Returns what the one before left.
    pub(crate) fn claim_engine(&self, generation: u64) -> Result<Option<Arc<Snapshot>>, Error> {
        let _setup = locks::setup();
        let mut state = self.lock();
        if state.running == Some(generation) {
            return Err(Error::AlreadyRunning);
        }
        state.running = Some(generation);
        Ok(state.left.take().filter(|left| left.0 == generation).map(|left| left.1))
    }

    /// A number that no other registry of any process has, but by chance.
    #[cfg(feature = "history")]
    pub(crate) fn run(&self) -> u64 {
        use std::hash::{BuildHasher as _, RandomState};
        *self.lock().run.get_or_insert_with(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            RandomState::new().hash_one((std::process::id(), now.unwrap_or_default()))
        })
    }

    /// The engine has stopped, and leaves its last complete snapshot to the next.
    pub(crate) fn release_engine(&self, generation: u64, left: Option<Arc<Snapshot>>) {
        let _setup = locks::setup();
        let mut state = self.lock();
        state.running = None;
        state.left = left.map(|left| (generation, left));
    }

    /// What is to be called before a cut.
    pub(crate) fn collectors(&self) -> Vec<Collector> {
        self.lock().collectors.clone()
    }

    /// Lets idle members of families go; see [`Members::expire`].
    pub(crate) fn expire(
        &self,
        now: std::time::Duration,
        complete: bool,
        value: impl Fn(usize, Kind) -> u64,
    ) {
        let families = self.lock().dynamic.clone();
        families.iter().for_each(|members| members.expire(now, complete, &value));
        #[cfg(feature = "metrics")]
        self.sweep(&sweep::Generation { now, complete, value: &value });
    }
}

static GLOBAL: Lazy<Registry> = Lazy::new(Registry::new);

impl Default for Registry {
    fn default() -> Self {
        Registry::new()
    }
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Registry { inner: Arc::new(Inner::default()), scope: Labels::default() }
    }

    /// The registry in which `static` handles register on first use.
    pub fn global() -> &'static Registry {
        &GLOBAL
    }

    /// A view of this registry whose series carry `labels` too, after those of this view.
    ///
    /// # Errors
    /// A label's name is invalid or used twice, a value is too long, or there are too many labels.
    pub fn scope<K: AsRef<str>, V: AsRef<str>>(
        &self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Registry, Error> {
        let mut all = self.scope.to_vec();
        all.extend(labels.into_iter().map(|(k, v)| (k.as_ref().to_owned(), v.as_ref().to_owned())));
        // A scope may hold histograms too, so `le` is refused already here.
        Ok(Registry { inner: self.inner.clone(), scope: checked_labels(all, Kind::Histogram)? })
    }

    /// Has `collect` called before each cut, on the thread that makes the snapshot, for as long as the registry exists: the
    /// place to read once what many series show (a file of /proc, a library's statistics) and to record it through
    /// handles. What it records is in that very snapshot, series that it registers included.
    ///
    /// A snapshot waits for it, so it should take microseconds. A panic in it is caught and counted in
    /// `tachometer_callback_panics_total`. It must not ask for a snapshot itself: that would wait for ever.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tachometer::{Engine, ManualClock, Registry};
    /// let registry = Registry::new();
    /// let (used, free) = (registry.gauge("used", "Used.")?, registry.gauge("free", "Free.")?);
    /// registry.before_snapshots(move || {
    ///     let (now_used, now_free) = (3.0, 5.0); // one reading
    ///     used.set(now_used);
    ///     free.set(now_free);
    /// });
    /// let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(Duration::ZERO)).start()?;
    /// assert_eq!(engine.refresh().gauge("free")?, 5.0);
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn before_snapshots(&self, collect: impl Fn() + Send + Sync + 'static) {
        let _setup = locks::setup();
        self.inner.lock().collectors.push(Collector(Arc::new(collect)));
    }

    /// The labels that every series made through this view carries.
    pub fn constant_labels(&self) -> &[(String, String)] {
        &self.scope
    }

    /// What the bundles that were registered here say of themselves, in the order in which they came: each once for a prefix,
    /// however many scopes have it.
    pub fn bundles(&self) -> Vec<Arc<crate::declare::Bundle>> {
        let _setup = locks::setup();
        self.inner.lock().bundles.clone()
    }

    /// Notes that a bundle was registered under `prefix`.
    #[doc(hidden)]
    pub fn declare(&self, name: &str, prefix: &str, say: impl FnOnce() -> crate::declare::Bundle) {
        let is_known = |bundles: &[Arc<crate::declare::Bundle>]| {
            bundles.iter().any(|bundle| (bundle.name(), bundle.prefix()) == (name, prefix))
        };
        if is_known(&self.bundles()) {
            return;
        }
        let bundle = Arc::new(say());
        let _setup = locks::setup();
        let mut state = self.inner.lock();
        if !is_known(&state.bundles) {
            state.bundles.push(bundle);
        }
    }

    /// The `static` handles that could not be registered as they stand, and why. Their records are not lost: they are
    /// shown under `tachometer_rejected_records_total`.
    pub fn rejected(&self) -> Vec<Rejected> {
        // As for a change: `fork` knows this lock, not the registry's own.
        let _setup = locks::setup();
        self.inner.lock().rejected.clone()
    }

    /// Registers one series per element of `combinations`, in neighbouring slots, or finds them registered alike.
    pub(crate) fn bind(
        &self,
        definition: &Definition,
        combinations: &[Vec<(String, String)>],
    ) -> Result<Bound, Error> {
        match self.try_bind(definition, combinations) {
            Err(Error::TooMany { .. }) if crate::aggregate::reclaim() => {
                self.try_bind(definition, combinations)
            }
            result => result,
        }
    }

    fn try_bind(
        &self,
        definition: &Definition,
        combinations: &[Vec<(String, String)>],
    ) -> Result<Bound, Error> {
        definition.check()?;
        let labels = combinations
            .iter()
            .map(|own| checked_labels([&self.scope[..], &own[..]].concat(), definition.kind))
            .collect::<Result<Vec<_>, _>>()?;
        check_different(definition, &labels)?;
        let mut slots = locks::setup();
        let mut state = self.inner.lock();
        state.make_room(definition);
        labels.iter().for_each(|labels| state.evict(&definition.name, labels));
        state.check(definition)?;
        if let Some(found) = state.find(definition, &labels)? {
            return Ok(found);
        }
        let shared = DOMAIN.open_shared().ok_or(Error::OutOfAddressSpace)?;
        let class = class_of(definition);
        let width = if definition.kind == Kind::StateSet { 1 } else { labels.len() };
        let range = slots.allot(class, width, shared.bytes)?;
        // Only now, so that a metric for which there was no room leaves no claim to its name behind.
        state.family(definition)?;
        let life = Arc::new(Life(Some(range)));
        for (index, labels) in labels.into_iter().enumerate() {
            let source = Source::nth(definition.kind, class, range.slot, index);
            state.insert(definition, labels, Series { source, life: life.clone() });
        }
        Ok(Bound { slot: range.slot, life })
    }

    /// Registers a gauge that is read by calling `read` after each cut.
    pub(crate) fn bind_callback(
        &self,
        definition: &Definition,
        own: Vec<(String, String)>,
        read: Arc<dyn Fn() -> f64 + Send + Sync>,
    ) -> Result<(), Error> {
        definition.check()?;
        let labels = checked_labels([&self.scope[..], &own[..]].concat(), definition.kind)?;
        let _setup = locks::setup();
        let mut state = self.inner.lock();
        state.make_room(definition);
        state.evict(&definition.name, &labels);
        if state.family(definition)?.series.contains_key(&labels) {
            let existing = format!("{definition} with labels {labels:?}");
            let refused = format!("a callback for the same series ({definition})");
            return Err(Error::Conflict { existing, refused });
        }
        let series = Series { source: Source::Callback(read), life: Arc::new(Life(None)) };
        state.insert(definition, labels, series);
        Ok(())
    }

    /// Registers a counter that shows a statistic of the process, or finds it registered alike.
    pub(crate) fn bind_process(&self, name: &str, help: &str, word: usize) -> Result<(), Error> {
        let definition = Definition {
            name: name.to_owned(),
            help: help.to_owned(),
            kind: Kind::Counter,
            unit: Unit::None,
            precision: Precision::Two,
            buckets: Buckets::Auto,
        };
        self.bind_without_slot(&definition, Vec::new(), Source::Process(word))
    }

    /// Registers a series that nobody records in, or finds it registered alike.
    pub(crate) fn bind_without_slot(
        &self,
        definition: &Definition,
        own: Vec<(String, String)>,
        source: Source,
    ) -> Result<(), Error> {
        definition.check()?;
        let labels = checked_labels([&self.scope[..], &own[..]].concat(), definition.kind)?;
        let _setup = locks::setup();
        let mut state = self.inner.lock();
        state.make_room(definition);
        state.evict(&definition.name, &labels);
        let there = state.family(definition)?.series.get(&labels).map(|series| &series.source);
        match there {
            Some(Source::Process(_) | Source::One) => Ok(()),
            Some(_) => {
                let existing = format!("{definition} of the program's own");
                Err(Error::Conflict { existing, refused: definition.to_string() })
            }
            None => {
                let series = Series { source, life: Arc::new(Life(None)) };
                state.insert(definition, labels, series);
                Ok(())
            }
        }
    }

    /// Binds a `static` handle, which cannot report an error: one that is refused gets slots of its own, whose records
    /// are shown under another name, beside the reason.
    #[cold]
    pub(crate) fn bind_static(
        &self,
        definition: &Definition,
        combinations: &[Vec<(String, String)>],
    ) -> Bound {
        match self.bind(definition, combinations) {
            Ok(bound) => bound,
            Err(error) => self.reject(definition, combinations.len(), error),
        }
    }

    /// Slots for `len` series of a refused `static` handle.
    #[cold]
    pub(crate) fn reject(&self, definition: &Definition, len: usize, error: Error) -> Bound {
        let mut table = locks::setup();
        let mut state = self.inner.lock();
        let class = class_of(definition);
        let known = |r: &&Rejected| {
            r.name == definition.name
                && r.bound.life.0.is_some_and(|l| l.class == class && l.len == len)
        };
        if let Some(known) = state.rejected.iter().find(known) {
            return known.bound.clone();
        }
        let room = state.rejected.len() < MAX_REJECTED;
        let range = DOMAIN
            .open_shared()
            .filter(|_| room)
            .and_then(|shared| table.allot(class, len, shared.bytes).ok());
        let slot = range.map_or_else(|| slots::sink(class), |range| range.slot);
        let bound = Bound { slot, life: Arc::new(Life(range)) };
        // All that share a sink are shown together, under the name of the first.
        if range.is_some() || state.rejected.iter().all(|r| r.bound.slot != slot) {
            let (name, kind) = (definition.name.clone(), definition.kind);
            state.rejected.push(Rejected { name, error, bound: bound.clone(), kind });
            state.version += 1;
        }
        bound
    }
}

/// The class of slots that a metric needs.
pub(crate) fn class_of(definition: &Definition) -> Class {
    match definition.kind {
        Kind::Histogram => Class::Head(definition.precision.shape()),
        _ => Class::Scalar,
    }
}

/// Checks that no two combinations of labels read the same: they would be one line of the page for two series.
fn check_different(definition: &Definition, labels: &[Labels]) -> Result<(), Error> {
    let mut sorted: Vec<_> = labels.iter().collect();
    sorted.sort();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let reason = format!(
                "two of its series have the labels {:?}; give each value of a label enum a text of its own",
                pair[0]
            );
            Err(Error::InvalidName { name: definition.name.clone(), reason })
        }
    }
}

/// Labels in the order of their names, checked.
pub(crate) fn checked_labels(
    mut labels: Vec<(String, String)>,
    kind: Kind,
) -> Result<Labels, Error> {
    if labels.len() > MAX_LABELS {
        return Err(Error::TooMany {
            what: format!("labels on one series ({})", labels.len()),
            limit: MAX_LABELS,
            advice: "each label multiplies the series; drop those that no question needs",
        });
    }
    for (name, value) in &labels {
        check_label_name(name, kind)?;
        check_label_value(name, value)?;
    }
    labels.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(pair) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let reason = "the label is there twice (constant labels count too)".to_owned();
        return Err(Error::InvalidName { name: pair[0].0.clone(), reason });
    }
    Ok(labels.into())
}

impl State {
    /// Whether a family of `definition` is registered, or may be.
    pub(crate) fn check(&self, definition: &Definition) -> Result<(), Error> {
        let other = match self.families.get(&definition.name) {
            Some(family) => (*family.definition != *definition).then_some(family),
            None => {
                let taken = definition.claims().find_map(|claim| self.claims.get(&claim));
                taken.map(|owner| &self.families[owner])
            }
        };
        match other.map(|family| family.definition.to_string()) {
            Some(existing) => Err(Error::Conflict { existing, refused: definition.to_string() }),
            None => Ok(()),
        }
    }

    /// The family of `definition`, made now if its name is free.
    pub(crate) fn family(&mut self, definition: &Definition) -> Result<&mut Family, Error> {
        self.check(definition)?;
        if !self.families.contains_key(&definition.name) {
            for claim in definition.claims() {
                self.claims.insert(claim, definition.name.clone());
            }
            let definition = Arc::new(definition.clone());
            let name = definition.name.clone();
            self.families
                .insert(name, Family { definition, series: BTreeMap::new(), outside: false });
            self.version += 1;
        }
        let family = self.families.get_mut(&definition.name).expect("inserted above");
        family.outside = false;
        Ok(family)
    }

    /// The series of `labels`, if they are registered, in neighbouring slots.
    fn find(&self, definition: &Definition, labels: &[Labels]) -> Result<Option<Bound>, Error> {
        let Some(family) = self.families.get(&definition.name) else { return Ok(None) };
        let series = &family.series;
        let found: Vec<_> = labels.iter().filter_map(|l| series.get(l)).collect();
        if found.is_empty() {
            return Ok(None);
        }
        let slots: Vec<_> = found.iter().filter_map(|s| s.source.slot()).collect();
        let class = class_of(definition);
        let expected = |index| Source::nth(definition.kind, class, slots[0], index);
        let mut sources = found.iter().map(|series| &series.source).enumerate();
        let mut whole = slots.len() == labels.len()
            && sources.all(|(index, source)| source.is_same(&expected(index)));
        if definition.kind == Kind::StateSet {
            // Not some of the states of another set.
            let of_set = series.values().filter(|s| s.source.slot() == slots.first().copied());
            whole &= of_set.count() == labels.len();
        }
        if !whole {
            let existing = format!(
                "{definition}, some of the series as single ones, with a callback, or with other states"
            );
            let refused = format!("{definition} with {} series", labels.len());
            return Err(Error::Conflict { existing, refused });
        }
        Ok(Some(Bound { slot: slots[0], life: found[0].life.clone() }))
    }

    pub(crate) fn insert(&mut self, definition: &Definition, labels: Labels, series: Series) {
        let family = self.families.get_mut(&definition.name).expect("made by `family`");
        family.series.insert(labels, series);
        self.version += 1;
    }
}
