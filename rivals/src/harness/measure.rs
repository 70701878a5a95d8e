//! One cell of the table: how many calls a lap has, and what one lap costs.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use super::lap::{Course, Time};
use super::workload::{Kind, Workload};
use super::{Lap, Recording, Rival, Scrape, allocations, messages, page, processor};

/// What one round measured in one cell.
pub struct Sample {
    /// Nanoseconds per call (or page), one number per thread.
    pub ns: Vec<f64>,
    /// Allocations per call (or page), over all threads.
    pub allocations: f64,
    /// How often a thread lost its processor while its clock ran.
    pub preemptions: u64,
}

impl Sample {
    /// The mean over the threads, each on its own clock.
    pub fn mean_ns(&self) -> f64 {
        self.ns.iter().sum::<f64>() / self.ns.len() as f64
    }
}

/// What a rival has built for a workload.
enum Subject {
    Recording(Recording),
    Scrape(Scrape),
}

fn subject(rival: &dyn Rival, workload: &Workload) -> Option<Subject> {
    match workload.kind {
        Kind::Counters { count } => rival.counters(count).map(Subject::Recording),
        Kind::Histogram => rival.histogram().map(Subject::Recording),
        Kind::Labels => rival.labels().map(Subject::Recording),
        Kind::ScrapeCounters => rival.scrape_counters().map(Subject::Scrape),
        Kind::ScrapeHistograms => rival.scrape_histograms().map(Subject::Scrape),
        Kind::EncodeCounters(format) => rival.encode_counters(format).map(Subject::Scrape),
        Kind::EncodeHistograms(format) => rival.encode_histograms(format).map(Subject::Scrape),
    }
}

/// How many calls fill a lap of `length`; `None` if the rival does not offer the workload. Also
/// checks, for a page, that it says what it should.
pub fn calibrate(rival: &dyn Rival, workload: &Workload, length: Duration) -> Option<usize> {
    let mut subject = subject(rival, workload)?;
    if let Subject::Scrape(scrape) = &mut subject {
        scrape(&mut |bytes| match workload.kind {
            Kind::ScrapeCounters => page::check_counters(bytes),
            Kind::EncodeCounters(format) => messages::check_counters(format, bytes),
            Kind::EncodeHistograms(format) => messages::check_histograms(format, bytes),
            _ => page::check_histograms(bytes),
        });
    }
    // Long enough for the clock and the first page faults not to matter, short enough to be
    // repeated.
    let trial = length / 8;
    let mut calls = if workload.is_scrape() { 1 } else { 10_000 };
    loop {
        let elapsed_ns = time(&mut subject, workload, calls).mean_ns() * calls as f64;
        if elapsed_ns >= trial.as_nanos() as f64 {
            let wanted = length.as_nanos() as f64 / elapsed_ns * calls as f64;
            return Some((wanted as usize).max(1));
        }
        calls *= 4;
    }
}

/// Builds the workload afresh and runs one lap of it.
pub fn measure(rival: &dyn Rival, workload: &Workload, calls: usize) -> Sample {
    let mut subject = subject(rival, workload).expect("calibrated, so it is offered");
    time(&mut subject, workload, calls)
}

fn time(subject: &mut Subject, workload: &Workload, calls: usize) -> Sample {
    match subject {
        Subject::Recording(recording) => time_recording(recording, workload.threads, calls),
        Subject::Scrape(scrape) => time_scrape(scrape, calls),
    }
}

/// Fresh threads for every lap: some crates allow a thread to register a name only once.
fn time_recording(recording: &Recording, threads: usize, calls: usize) -> Sample {
    let before = recording.recorded();
    let course = Course::new(threads);
    let times: Vec<Time> = thread::scope(|scope| {
        let course = &course;
        let run = move |thread| {
            if threads > 1 {
                processor::pin_to(thread);
            }
            let mut lap = Lap::new(course, calls);
            recording.work(&mut lap);
            lap.time()
        };
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        running.into_iter().map(|thread| thread.join().expect("a lap does not panic")).collect()
    });
    if let (Some(before), Some(after)) = (before, recording.recorded()) {
        let calls: u64 = times.iter().map(|time| time.all_calls).sum();
        assert_eq!(after - before, calls, "calls that a reader sees, and calls made");
    }
    let allocations: u64 = times.iter().map(|time| time.allocations).sum();
    Sample {
        ns: times.iter().map(|time| time.elapsed.as_nanos() as f64 / calls as f64).collect(),
        allocations: allocations as f64 / (calls * threads) as f64,
        preemptions: times.iter().map(|time| time.preemptions).sum(),
    }
}

fn time_scrape(scrape: &mut Scrape, pages: usize) -> Sample {
    // One page untimed: buffers that are kept from page to page get their size.
    scrape(&mut |bytes| _ = black_box(bytes));
    let (allocations, preemptions) = (allocations::count(), processor::preemptions());
    let started = Instant::now();
    for _ in 0..pages {
        scrape(&mut |bytes| _ = black_box(bytes));
    }
    let elapsed = started.elapsed();
    let preemptions = processor::preemptions() - preemptions;
    let allocations = allocations::count() - allocations;
    Sample {
        ns: vec![elapsed.as_nanos() as f64 / pages as f64],
        allocations: allocations as f64 / pages as f64,
        preemptions,
    }
}
