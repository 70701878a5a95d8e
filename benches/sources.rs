//! What a poll costs of a source that answers at once: another engine's listener with 1,000 series and 10 histograms in each
//! format, the machine, a command; and what a set adds that makes it series of an engine.
//!
//! Not criterion: a poll is a conversation, so its median and its tail count. `cargo bench --features source,http --bench
//! sources`.

use std::time::{Duration, Instant};
use tachometer::source::{
    CommandSource, HostSource, PageFormat, PageSource, PollLimits, PollSettings, Samples, Source,
    Sources, from_fn,
};
use tachometer::{Engine, Listener, ManualClock, Registry, Unit};

const POLLS: usize = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::new();
    for at in 0..1_000u32 {
        let metric =
            registry.metric("requests_total", "Requests.").label("peer", format!("n{}", at % 50));
        metric.label("path", format!("/api/v1/{}", at / 50)).counter()?.add(u64::from(at) * 12_345);
    }
    for at in 0..10u64 {
        let metric = registry.metric("wait_seconds", "Waited.").label("peer", format!("n{at}"));
        let wait = metric.unit(Unit::Nanoseconds).histogram()?;
        (1..10_000u64).for_each(|value| wait.record(value * value * (at + 1)));
    }
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    engine.refresh();
    let listener = Listener::bind(&engine, "127.0.0.1:0")?;
    let url = format!("http://{}/metrics", listener.local_addr());
    println!("{:<40} {:>10} {:>10} {:>10}", format!("{POLLS} polls each"), "median", "p99", "max");
    let limits = PollLimits::default();
    let mut last = Samples::new();
    for format in
        [PageFormat::Text, PageFormat::OpenMetrics, PageFormat::Protobuf, PageFormat::Json]
    {
        let mut source = PageSource::builder("peer", &url).formats([format]).build()?;
        show(&format!("page of 1,010 series, {format:?}"), || {
            last = source.poll(&limits).expect("a page");
        });
    }
    let mut host = HostSource::new("host");
    show("the machine", || drop(host.poll(&limits).expect("this machine")));
    let mut echo = CommandSource::new("echo", "/bin/echo", ["up 1"])?;
    show("a command that prints a line", || drop(echo.poll(&limits).expect("a line")));
    // What a set adds: from samples to series, the same ones again and again.
    let here = Registry::new();
    let engine = Engine::builder().registry(&here).manual(&clock).start()?;
    let given = last.clone();
    let sources = Sources::builder();
    let sources = sources.source(from_fn("given", move |_| Ok(given.clone())), PollSettings::new());
    let sources = sources.start(&engine)?;
    show("samples of 1,010 series to an engine", || sources.poll_all());
    assert_eq!(engine.refresh().len(), 1_010);
    Ok(())
}

fn show(what: &str, mut poll: impl FnMut()) {
    poll();
    let mut all: Vec<Duration> = (0..POLLS)
        .map(|_| {
            let began = Instant::now();
            poll();
            began.elapsed()
        })
        .collect();
    all.sort();
    let ms = |span: Duration| format!("{:.3} ms", span.as_secs_f64() * 1e3);
    let at = |part: f64| all[((POLLS - 1) as f64 * part) as usize];
    println!("{what:<40} {:>10} {:>10} {:>10}", ms(at(0.5)), ms(at(0.99)), ms(at(1.0)));
}
