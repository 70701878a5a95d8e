//! What another process sends: a JSON page, and histograms in the compressed V2 form. Whatever the bytes, nothing panics; what
//! is accepted is what the `hdrhistogram` crate reads, and comes back as it went out.

use arbitrary::Arbitrary;
use flate2::{Compression, write::ZlibEncoder};
use hdrhistogram::serialization::Deserializer;
use std::io::Write as _;
use tachometer::{HistogramSnapshot, JsonSnapshot, JsonValue, Unit};

/// An input.
#[derive(Arbitrary, Debug)]
pub enum Plan {
    /// A page, as it is.
    Page(Vec<u8>),
    /// A page of one histogram, with this in the place of its fields' values.
    Fields(Fields),
    /// A histogram, as it is.
    Packed(Vec<u8>),
    /// What is packed: header and counts.
    Payload(Payload),
}

/// The fields of a histogram on a page.
#[derive(Arbitrary, Debug)]
pub struct Fields {
    count: Option<u64>,
    sum: u128,
    min: Option<u64>,
    max: Option<u64>,
    sums: Option<Vec<u128>>,
    payload: Payload,
}

/// A histogram before it is packed.
#[derive(Arbitrary, Debug)]
pub struct Payload {
    odd_header: Option<[u32; 4]>,
    low: Option<u64>,
    figures: u8,
    counts: Vec<u8>,
}

impl Payload {
    fn packed(&self) -> Vec<u8> {
        let length = self.counts.len() as u32;
        let header = [0x1C84_9313, length, 0, u32::from(self.figures % 5)];
        let header = self.odd_header.unwrap_or(header).map(u32::to_be_bytes).concat();
        let bounds = [self.low.unwrap_or(1), u64::MAX, 1f64.to_bits()].map(u64::to_be_bytes);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        for part in [&header[..], &bounds.concat(), &self.counts] {
            zlib.write_all(part).expect("memory takes all");
        }
        let zlib = zlib.finish().expect("memory takes all");
        let head = [0x1C84_9314u32, zlib.len() as u32].map(u32::to_be_bytes).concat();
        [head, zlib].concat()
    }
}

/// Runs one input.
pub fn run(plan: &Plan) {
    match plan {
        Plan::Page(page) => check_page(page),
        Plan::Packed(bytes) => check_histogram(bytes),
        Plan::Payload(payload) => check_histogram(&payload.packed()),
        Plan::Fields(fields) => {
            let packed = fields.payload.packed();
            let known = HistogramSnapshot::from_hdr_v2(&packed, Unit::None).ok();
            let count = fields.count.or(known.map(|known| known.count())).unwrap_or(0);
            let number = |value: Option<u64>| value.map_or("null".to_owned(), |v| v.to_string());
            let (min, max) = (number(fields.min), number(fields.max));
            let sums = fields
                .sums
                .as_ref()
                .map(|sums| format!("{:?}", sums.iter().map(u128::to_string).collect::<Vec<_>>()));
            let (sum, sums) = (fields.sum, sums.unwrap_or("null".to_owned()));
            let hdr = base64(&packed);
            check_page(
                format!(
                    "{{\"format\":\"tachometer\",\"version\":1,\"generation\":1,\"unix_time_ns\":\"5\",\
                     \"complete\":true,\"moving_shards\":0,\"rejected\":[],\"families\":[{{\"name\":\"a\",\
                     \"type\":\"histogram\",\"unit\":\"none\",\"help\":\"\",\"series\":[{{\"labels\":{{}},\
                     \"created_ns\":\"0\",\"value\":{{\"count\":{count},\"sum\":\"{sum}\",\"min\":{min},\
                     \"max\":{max},\"octave_sums\":{sums},\"hdr\":\"{hdr}\"}}}}]}}]}}"
                )
                .as_bytes(),
            );
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            (0..3).fold(0u32, |word, at| word << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at) & 63) as usize].into();
            text.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

fn check_page(page: &[u8]) {
    match JsonSnapshot::parse(page) {
        Err(error) => assert!(error.to_string().starts_with("cannot read this JSON snapshot at ")),
        Ok(snapshot) => {
            for series in snapshot.families.iter().flat_map(|family| &family.series) {
                if let JsonValue::Histogram(histogram) = &series.value {
                    check_use(histogram);
                }
            }
        }
    }
}

/// What one does with a histogram.
fn check_use(histogram: &HistogramSnapshot) {
    let mut twice = histogram.clone();
    twice.merge(histogram).expect("the same precision");
    assert_eq!((twice.count(), twice.sum()), (2 * histogram.count(), 2 * histogram.sum()));
    assert_eq!((twice.min(), twice.max()), (histogram.min(), histogram.max()));
    let since = twice.since(histogram).expect("the same precision");
    assert_eq!((since.count(), since.sum()), (histogram.count(), histogram.sum()));
    assert_eq!(histogram.quantile(0.5).is_none(), histogram.is_empty());
    let counted: u64 = histogram.buckets().map(|(_, _, count)| count).sum();
    assert_eq!(counted, histogram.count());
}

fn check_histogram(bytes: &[u8]) {
    let Ok(read) = HistogramSnapshot::from_hdr_v2(bytes, Unit::None) else { return };
    check_use(&read);
    let again = HistogramSnapshot::from_hdr_v2(&read.to_hdr_v2(), Unit::None).expect("ours");
    assert_eq!(again, read);
    let theirs = Deserializer::new().deserialize::<u64, _>(&mut &read.to_hdr_v2()[..]);
    assert_eq!(theirs.expect("ours is theirs"), read.to_hdr());
    if let Ok(theirs) = Deserializer::new().deserialize::<u64, _>(&mut &bytes[..]) {
        assert!(read.to_hdr() == theirs, "{read:?}");
    }
}
