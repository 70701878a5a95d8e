//! Real Prometheus's own page, in every format that it has.

use crate::Stand;
use crate::server::{self, Prometheus};
use tachometer::source::{
    PageFormat, PageSource, PollLimits, PollSettings, SampleKind, SampleValue, Source,
};

#[test]
fn the_page_of_real_prometheus_is_read_in_every_format() {
    if !server::is_here() {
        return;
    }
    let prometheus = Prometheus::with(None, &[]);
    let url = format!("http://{}/metrics", prometheus.address());
    let mut names: Vec<Vec<String>> = Vec::new();
    for format in [PageFormat::Text, PageFormat::OpenMetrics, PageFormat::Protobuf] {
        let mut source = PageSource::builder("p", &url).formats([format]).build().unwrap();
        let samples = source.poll(&PollLimits::default()).unwrap();
        let kind = |name: &str| samples.families.iter().find(|f| f.name == name).map(|f| f.kind);
        assert_eq!(kind("go_goroutines"), Some(SampleKind::Gauge), "{format:?}");
        assert_eq!(kind("go_gc_duration_seconds"), Some(SampleKind::Summary), "{format:?}");
        let total = "prometheus_tsdb_head_series_created_total";
        assert_eq!(kind(total), Some(SampleKind::Counter), "{format:?}");
        let histogram = "prometheus_tsdb_compaction_chunk_size_bytes";
        assert_eq!(kind(histogram), Some(SampleKind::Histogram), "{format:?}");
        let SampleValue::Classic(value) = &samples.get(histogram, &[]).unwrap().value else {
            panic!("{format:?}: {samples:?}");
        };
        assert!(value.buckets.len() > 2 && value.sum.is_some(), "{format:?}");
        let version = samples.get("prometheus_build_info", &[]).unwrap();
        assert!(version.label("goversion").is_some() && version.as_number() == Some(1.0));
        assert!(samples.len() > 100, "{format:?}: {}", samples.len());
        let mut found: Vec<_> = samples.families.iter().map(|family| family.name.clone()).collect();
        found.sort();
        // What it shows of its own handler depends on who asked before.
        found.retain(|name| !name.starts_with("promhttp") && !name.contains("_http_"));
        names.push(found);
    }
    assert_eq!(names[0], names[1]);
    assert_eq!(names[0], names[2]);
    // Into an engine, whatever it likes best.
    let stand = Stand::new(false);
    stand.sources.add(PageSource::new("p", url).unwrap(), PollSettings::new()).unwrap();
    stand.after(0);
    let status = stand.sources.status().remove(0);
    assert_eq!((status.error, status.left_out), (None, Vec::new()));
    let goroutines = stand.engine.refresh().gauge("go_goroutines").unwrap();
    assert!(goroutines > 1.0);
}
