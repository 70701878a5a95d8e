//! What each family is called on an OpenMetrics page, where no two families may lead to the same name of a sample
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/#metricfamily>).
//!
//! A counter's family goes without `_total`, an info metric's without `_info`. Where that name, or one of the names that a
//! type's suffixes make of it, belongs to another family, the series are shown under the name that they were registered
//! with, as of type `unknown`; and if that is taken too (a gauge called `x_created` beside a histogram `x`), under that name
//! with `_value` behind it.

use crate::export::REJECTED_FAMILY;
use crate::registry::layout::Layout;
use crate::registry::{Definition, Kind};
use std::collections::HashSet;

/// What a family is called on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) kind: &'static str,
}

/// The suffixes that samples of a type can have.
const fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind.as_bytes() {
        b"counter" => &["_total", "_created"],
        b"histogram" => &["_bucket", "_count", "_sum", "_created"],
        b"info" => &["_info"],
        _ => &[],
    }
}

impl Shown {
    /// Without regard to other families.
    fn natural(definition: &Definition) -> Shown {
        let name = definition.name.as_str();
        let without = |suffix| name.strip_suffix(suffix).filter(|stem| !stem.is_empty());
        let (name, kind) = match definition.kind {
            Kind::Counter => (without("_total").unwrap_or(name), "counter"),
            Kind::UpDownCounter | Kind::Gauge => (name, "gauge"),
            Kind::Histogram => (name, "histogram"),
            Kind::Info => (without("_info").unwrap_or(name), "info"),
            Kind::StateSet => (name, "stateset"),
        };
        Shown { name: name.to_owned(), kind }
    }

    /// Takes all names that the family can lead to; `false` if one of them is taken.
    fn claim(&self, taken: &mut HashSet<String>) -> bool {
        let suffixes = suffixes(self.kind).iter().chain([&""]);
        let names: Vec<String> = suffixes.map(|suffix| format!("{}{suffix}", self.name)).collect();
        let free = names.iter().all(|name| !taken.contains(name));
        if free {
            taken.extend(names);
        }
        free
    }

    fn of(definition: &Definition, taken: &mut HashSet<String>) -> Shown {
        let mut shown = Shown::natural(definition);
        if shown.claim(taken) {
            return shown;
        }
        shown.name.clone_from(&definition.name);
        if definition.kind != Kind::Histogram {
            shown.kind = "unknown";
        }
        while !shown.claim(taken) {
            shown.name.push_str("_value");
        }
        shown
    }
}

/// The families' names on the page, in the order of the layout.
pub(super) fn shown(layout: &Layout) -> Vec<Shown> {
    let mut taken = HashSet::new();
    // Written behind all others, when there are any.
    Shown { name: REJECTED_FAMILY.to_owned(), kind: "counter" }.claim(&mut taken);
    // Those go first that cannot be shown otherwise without losing something.
    let rank = |definition: &Definition| match definition.kind {
        Kind::Histogram => 0,
        Kind::Gauge | Kind::UpDownCounter | Kind::Info | Kind::StateSet => 1,
        Kind::Counter if definition.name.ends_with("_total") => 2,
        Kind::Counter => 3,
    };
    let mut order: Vec<usize> = (0..layout.families.len()).collect();
    order.sort_by_key(|&at| rank(&layout.families[at].definition));
    let mut all = vec![None; order.len()];
    for at in order {
        all[at] = Some(Shown::of(&layout.families[at].definition, &mut taken));
    }
    all.into_iter().flatten().collect()
}
