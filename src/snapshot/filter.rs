//! A snapshot of some of a snapshot's series.

use super::Snapshot;
use crate::registry::layout::{FamilyLayout, Layout};
use crate::{Definition, Kind};
use std::sync::Arc;

impl Snapshot {
    /// This snapshot with only the series that `keep` wants, of which it is told the name and the labels. The generation,
    /// the time and what is known about completeness stay. What refused handles recorded
    /// ([`Snapshot::rejected_records`]) is asked for once, without labels, as `tachometer_rejected_records_total`.
    ///
    /// Cost: a call of `keep` for each series and a copy of what it wants. Histograms are shared, not copied. An encoder
    /// that is given the result renders its identities anew, so give it one of its own.
    ///
    /// ```
    /// use tachometer::{Engine, Registry};
    /// let registry = Registry::new();
    /// registry.counter("requests_total", "Requests.")?.add(3);
    /// registry.counter("errors_total", "Errors.")?;
    /// let engine = Engine::builder().registry(&registry).start()?;
    /// let errors = engine.refresh().filtered(|name, _labels| name.starts_with("errors"));
    /// assert_eq!(errors.counter("errors_total")?, 0);
    /// assert!(errors.counter("requests_total").is_err());
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn filtered(&self, mut keep: impl FnMut(&str, &[(String, String)]) -> bool) -> Snapshot {
        let mut layout = Layout { version: self.layout.version, ..Layout::unique() };
        let mut some = Snapshot::none(self.moment);
        let (mut scalars, mut histograms) = (Vec::new(), Vec::new());
        let (mut cumulative, mut extremes) = (Vec::new(), Vec::new());
        let (mut versions, mut exemplars) = (Vec::new(), Vec::new());
        for family in &self.layout.families {
            let definition: &Definition = &family.definition;
            let mut series = Vec::new();
            for one in family.series.iter().filter(|one| keep(&definition.name, &one.labels)) {
                let mut kept = one.clone();
                if definition.kind == Kind::Histogram {
                    kept.value = histograms.len();
                    histograms.push(self.histograms[one.value].clone());
                    cumulative.push(self.cumulative[one.value].clone());
                    extremes.push(self.extremes[one.value]);
                    versions.push(self.versions[one.value]);
                    exemplars.push(self.exemplars[one.value].clone());
                } else {
                    kept.value = scalars.len();
                    scalars.push(self.scalars[one.value]);
                }
                series.push(kept);
            }
            if !series.is_empty() {
                let (definition, bounds) = (family.definition.clone(), family.bounds.clone());
                layout.families.push(FamilyLayout { definition, bounds, series });
            }
        }
        layout.scalars = scalars.len();
        layout.histograms = histograms.len();
        if keep(crate::export::REJECTED, &[]) {
            some.rejected = self.rejected.clone();
        }
        Snapshot {
            generation: self.generation,
            moving: self.moving,
            fenced: self.fenced,
            layout: Arc::new(layout),
            scalars: scalars.into(),
            histograms: histograms.into(),
            cumulative: cumulative.into(),
            extremes: extremes.into(),
            versions: versions.into(),
            exemplars: exemplars.into(),
            ..some
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Encoder as _, Engine, ManualClock, Registry, TextEncoder};
    use std::time::Duration;

    #[test]
    fn the_page_of_some_is_a_part_of_the_page_of_all() {
        let registry = Registry::new();
        for peer in ["a", "b", "c"] {
            let of = |name| registry.metric(name, "Help.").label("peer", peer);
            of("events_total").counter().unwrap().add(u64::from(peer.as_bytes()[0]));
            of("wait_seconds").histogram().unwrap().record(u64::from(peer.as_bytes()[0]));
            of("level").gauge().unwrap().set(0.5);
        }
        let wait = registry.metric("wait_seconds", "Help.").label("peer", "a").histogram().unwrap();
        wait.record_with_exemplar(5, [1; 16], [2; 8]);
        let clock = ManualClock::at(Duration::ZERO);
        let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
        let all = engine.refresh();
        let page = |snapshot: &crate::Snapshot| {
            let mut page = Vec::new();
            TextEncoder::new().encode(snapshot, &mut page);
            String::from_utf8(page).unwrap()
        };
        let whole = page(&all);
        let some = all
            .filtered(|name, labels| name != "level" && labels.iter().all(|(_, peer)| peer != "b"));
        assert_eq!((some.len(), some.generation()), (4, all.generation()));
        let wanted = |line: &&str| !line.contains("level") && !line.contains("\"b\"");
        let wanted: String = whole.lines().filter(wanted).flat_map(|line| [line, "\n"]).collect();
        assert_eq!(page(&some), wanted);
        assert_eq!(page(&all.filtered(|_, _| true)), whole);
        assert!(all.filtered(|_, _| false).is_empty());
        let waits = || some.select("wait_seconds", &[]).map(|series| series.exemplars().len());
        assert_eq!(Vec::from_iter(waits()), [1, 0]);
        let page = crate::OpenMetricsEncoder::new().to_vec(&some);
        assert!(String::from_utf8(page).unwrap().contains("trace_id"));
        assert_eq!(some.counter("events_total"), Ok(u64::from(b'a' + b'c')));
    }

    #[test]
    fn what_is_kept_has_its_exemplars() {
        let registry = Registry::new();
        for peer in ["a", "b"] {
            let wait = registry.metric("wait_seconds", "Help.").label("peer", peer);
            wait.histogram().unwrap().record_with_exemplar(7, [peer.as_bytes()[0]; 16], [1; 8]);
        }
        let clock = ManualClock::at(Duration::ZERO);
        let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
        let some = engine.refresh().filtered(|_, labels| labels.iter().any(|label| label.1 == "b"));
        let series = some.series().next().unwrap();
        assert_eq!(series.exemplars()[0].trace_id, [b'b'; 16]);
        let page = crate::Encoder::to_vec(&mut crate::OpenMetricsEncoder::new(), &some);
        assert!(String::from_utf8(page).unwrap().contains(&"62".repeat(16)));
    }
}
