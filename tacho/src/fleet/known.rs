//! What the bundles declare holds against what a target says.
//!
//! In an engine a name has one definition, that of whoever came first. A target that calls another type by a name of the catalogue, and is
//! read first, would shut out everybody who has it right. So its word is left out before, and counted.

use std::collections::HashMap;
use std::sync::Arc;

use tachometer::declare::Bundle;
use tachometer::source::{PollLimits, SampleKind, Samples, Source, SourceError};
use tachometer::{Counter, Kind};

/// Types by name.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<HashMap<String, Kind>>);

impl Known {
    /// What `bundles` record.
    pub fn of<'a>(bundles: impl IntoIterator<Item = &'a Bundle>) -> Self {
        let series = bundles.into_iter().flat_map(|bundle| bundle.series());
        let recorded = series.filter(|series| series.expression().is_none());
        Self(Arc::new(
            recorded.map(|series| (series.full_name().to_owned(), series.kind())).collect(),
        ))
    }

    /// Whether a page may call `name` by this type. Of a type that it does not tell nothing is known.
    fn allows(&self, name: &str, said: SampleKind) -> bool {
        let number = matches!(said, SampleKind::Gauge | SampleKind::Unknown);
        match self.0.get(name) {
            None => true,
            Some(Kind::Counter) => matches!(said, SampleKind::Counter),
            Some(Kind::Histogram) => matches!(said, SampleKind::Histogram),
            Some(Kind::Gauge | Kind::UpDownCounter) => number,
            Some(Kind::Info) => number || said == SampleKind::Info,
            Some(Kind::StateSet) => number || said == SampleKind::StateSet,
            // A type that this was not written for is nobody's contradiction.
            Some(_) => true,
        }
    }
}

/// A source whose samples are held against what is known.
pub struct Checked {
    pub source: Box<dyn Source>,
    pub known: Known,
    /// Series that contradict.
    pub contradicting: Counter,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked").field("source", &self.source.name()).finish_non_exhaustive()
    }
}

impl Source for Checked {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Samples, SourceError> {
        let mut samples = self.source.poll(limits)?;
        samples.families.retain(|family| {
            let allowed = self.known.allows(&family.name, family.kind);
            if !allowed {
                self.contradicting.add(family.series.len() as u64);
            }
            allowed
        });
        Ok(samples)
    }

    fn is_distinct(&self) -> bool {
        self.source.is_distinct()
    }
}

#[cfg(test)]
mod tests {
    use tachometer::catalogue;

    use super::*;

    #[test]
    fn another_type_by_a_known_name_is_left_out() {
        let known = Known::of(&catalogue::declarations());
        assert!(known.allows("raft_commit_latency_seconds", SampleKind::Histogram));
        assert!(!known.allows("raft_commit_latency_seconds", SampleKind::Gauge));
        assert!(known.allows("raft_current_term", SampleKind::Unknown));
        assert!(!known.allows("raft_current_term", SampleKind::Counter));
        assert!(known.allows("anything", SampleKind::Summary));
    }
}
