//! A page of metrics as a scraper reads it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The samples of one page.
#[derive(Debug)]
pub struct Page(Vec<Sample>);

/// One line: name, labels as text, value.
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: String,
    pub value: f64,
}

impl Sample {
    /// Whether the series carries the label.
    pub fn has(&self, key: &str, value: &str) -> bool {
        let pair = format!("{key}=\"{value}\"");
        self.labels.split(',').any(|label| label == pair)
    }
}

impl Page {
    /// Asks whoever listens at `address` for `/metrics`.
    pub fn scrape(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).expect("somebody listens");
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("the request is sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("the response is text");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        Self::parse(body)
    }

    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').expect("labels end").to_owned();
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            Sample { name: name.to_owned(), labels, value }
        });
        Self(samples.collect())
    }

    /// The samples of one name.
    pub fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// The sum over all series of `name` that `chosen` accepts.
    pub fn sum_of(&self, name: &str, chosen: impl Fn(&Sample) -> bool) -> f64 {
        self.samples(name).filter(|sample| chosen(sample)).map(|sample| sample.value).sum()
    }

    /// The sum over all series of `name`.
    pub fn sum(&self, name: &str) -> f64 {
        self.sum_of(name, |_| true)
    }

    /// Whether a series of the metric says more than that it exists.
    pub fn tells(&self, metric: &str) -> bool {
        let count = format!("{metric}_count");
        // -1 stands for no leader.
        self.samples(metric).chain(self.samples(&count)).any(|sample| sample.value > 0.0)
    }

    /// Every count and every sum fits its buckets.
    pub fn assert_histograms_hold_together(&self) {
        for count in self.0.iter().filter(|sample| sample.name.ends_with("_count")) {
            let metric = count.name.trim_end_matches("_count");
            let labels = |bucket: &Sample| {
                let (rest, bound) = bucket.labels.rsplit_once("le=").expect("a bound");
                (rest.trim_end_matches(',').to_owned(), bound.to_owned())
            };
            let name = format!("{metric}_bucket");
            let own = self.samples(&name).filter(|bucket| labels(bucket).0 == count.labels);
            let buckets: Vec<&Sample> = own.collect();
            assert!(buckets.windows(2).all(|pair| pair[0].value <= pair[1].value), "{buckets:?}");
            let last = buckets.last().unwrap_or_else(|| panic!("{metric} has buckets"));
            assert_eq!((last.value, labels(last).1.as_str()), (count.value, "\"+Inf\""));
        }
    }
}
