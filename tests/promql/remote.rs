//! A real Prometheus on one kept connection: takes any samples by remote write, answers queries.

use crate::data::{Native, Sent};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use tachometer::query::STALE;

/// One HTTP connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn new(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(crate::common::loopback::PATIENCE)).unwrap();
        Connection { stream: BufReader::new(stream) }
    }

    /// Status and body of the answer to a POST.
    pub fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).unwrap();
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            chunked |= line == "transfer-encoding: chunked";
        }
        let mut body = Vec::new();
        if !chunked {
            body.resize(length, 0);
            self.stream.read_exact(&mut body).unwrap();
        }
        while chunked {
            let size = usize::from_str_radix(&self.line(), 16).unwrap();
            let at = body.len();
            body.resize(at + size, 0);
            self.stream.read_exact(&mut body[at..]).unwrap();
            assert_eq!(self.line(), "");
            chunked = size > 0;
        }
        (status, String::from_utf8(body).unwrap())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The result of a query, or what Prometheus has against it.
    pub fn query(&mut self, path: &str, parameters: &[(&str, String)]) -> Result<Value, String> {
        let pair =
            |(name, value): &(&str, String)| format!("{name}={}", crate::servers::encoded(value));
        let body = parameters.iter().map(pair).collect::<Vec<_>>().join("&");
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let (_, body) = self.post(path, form, body.as_bytes());
        let answer: Value = serde_json::from_str(&body).unwrap();
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(format!("{}: {}", answer["errorType"], answer["error"])),
        }
    }

    /// Writes all series, ten minutes of them at a time: Prometheus takes no samples much older than the latest.
    pub fn write(&mut self, series: &[Sent]) {
        let time_of = |sent: &Sent| {
            let floats = sent.floats.iter().map(|sample| sample.0);
            let natives = sent.natives.iter().map(|sample| sample.0);
            floats.chain(natives).collect::<Vec<_>>()
        };
        let times: Vec<_> = series.iter().flat_map(time_of).collect();
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        let mut from = *first;
        while from <= *last {
            let to = from + 600_000;
            let message = message(series, from, to);
            let packed = snap::raw::Encoder::new().compress_vec(&message).unwrap();
            let headers = "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n\
                           X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
            let (status, said) = self.post("/api/v1/write", headers, &packed);
            assert!(status / 100 == 2, "{status}: {said}");
            from = to;
        }
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A `WriteRequest` with the samples from `from` until before `to`.
fn message(series: &[Sent], from: i64, to: i64) -> Vec<u8> {
    let mut message = Vec::new();
    for sent in series {
        let mut one = Vec::new();
        for (name, value) in sent.labels.iter() {
            let mut label = Vec::new();
            bytes(&mut label, 1, name.as_bytes());
            bytes(&mut label, 2, value.as_bytes());
            bytes(&mut one, 1, &label);
        }
        let labels = one.len();
        for (time, value) in sent.floats.iter().filter(|(time, _)| (from..to).contains(time)) {
            let mut sample = Vec::new();
            double(&mut sample, 1, *value);
            number(&mut sample, 2, *time as u64);
            bytes(&mut one, 2, &sample);
        }
        for (time, native) in sent.natives.iter().filter(|(time, _)| (from..to).contains(time)) {
            bytes(&mut one, 4, &histogram(*time, native.as_ref()));
        }
        if one.len() > labels {
            bytes(&mut message, 1, &one);
        }
    }
    message
}

fn histogram(time: i64, native: Option<&Native>) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(native) = native else {
        double(&mut out, 3, STALE);
        number(&mut out, 15, time as u64);
        return out;
    };
    number(&mut out, 1, native.count());
    double(&mut out, 3, native.sum);
    number(&mut out, 4, zigzag(native.schema.into()));
    double(&mut out, 5, native.zero_threshold);
    number(&mut out, 6, native.zero_count);
    for (spans, deltas, buckets) in [(8, 9, &native.negative), (11, 12, &native.positive)] {
        let (mut next, mut before, mut packed) = (0, 0, Vec::new());
        for &(index, count) in buckets {
            // A span for each bucket: as good as any.
            let mut span = Vec::new();
            number(&mut span, 1, zigzag(i64::from(index - next)));
            number(&mut span, 2, 1);
            bytes(&mut out, spans, &span);
            varint(&mut packed, zigzag(count as i64 - before));
            (next, before) = (index + 1, count as i64);
        }
        if !packed.is_empty() {
            bytes(&mut out, deltas, &packed);
        }
    }
    number(&mut out, 15, time as u64);
    out
}
