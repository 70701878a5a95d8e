//! The compressed V2 form of HdrHistogram
//! (<https://github.com/HdrHistogram/HdrHistogram/blob/master/src/main/java/org/HdrHistogram/AbstractHistogram.java>): what
//! the `hdrhistogram` crate and its siblings in other languages read and write.
//!
//! Our buckets are HdrHistogram's, one for one, so the counts are written as they stand: a header, then each count as a
//! variable-length integer, with runs of zeros as one negative number, and all of that through zlib.

use crate::Error;
use crate::limits::MAX_JSON_COUNT;
use crate::registry::{Precision, Unit};
use crate::snapshot::HistogramSnapshot;
use crate::snapshot::histogram::parts::{Parts, Sums, ends};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

const COOKIE: u32 = 0x1C84_9313;
const COMPRESSED_COOKIE: u32 = 0x1C84_9314;
const HEADER: usize = 40;
/// Bytes of the longest integer.
const LONGEST: usize = 9;

/// Writes histograms in the compressed V2 form. Keep one: the compressor has some memory.
#[derive(Debug)]
pub(crate) struct HdrV2 {
    compress: Compress,
    payload: Vec<u8>,
    packed: Vec<u8>,
}

impl Default for HdrV2 {
    fn default() -> Self {
        let compress = Compress::new(Compression::fast(), true);
        HdrV2 { compress, payload: Vec::new(), packed: Vec::new() }
    }
}

impl HdrV2 {
    /// The bytes of `histogram`.
    pub(crate) fn bytes(&mut self, histogram: &HistogramSnapshot) -> &[u8] {
        payload(histogram, &mut self.payload);
        let packed = &mut self.packed;
        packed.clear();
        packed.extend_from_slice(&COMPRESSED_COOKIE.to_be_bytes());
        packed.extend_from_slice(&[0; 4]);
        // More than bytes that cannot be compressed become. It grows as the payload's memory does, seldom and by much.
        packed.reserve(self.payload.capacity() + self.payload.capacity() / 16 + 128);
        self.compress.reset();
        loop {
            let done = self.compress.total_in() as usize;
            packed.reserve(128);
            let rest = &self.payload[done..];
            let status = self.compress.compress_vec(rest, packed, FlushCompress::Finish);
            if status.expect("a compressor that was just reset takes anything") == Status::StreamEnd
            {
                break;
            }
        }
        let length = (packed.len() - 8) as u32;
        packed[4..8].copy_from_slice(&length.to_be_bytes());
        packed
    }

    /// The bytes of `histogram` in Base64, at the end of `out`.
    pub(crate) fn write_base64(&mut self, histogram: &HistogramSnapshot, out: &mut Vec<u8>) {
        let bytes = self.bytes(histogram);
        let from = out.len();
        out.resize(from + bytes.len().div_ceil(3) * 4, 0);
        let written = STANDARD.encode_slice(bytes, &mut out[from..]).expect("there is room for it");
        out.truncate(from + written);
    }
}

fn payload(histogram: &HistogramSnapshot, out: &mut Vec<u8>) {
    out.clear();
    // Two bytes are enough for most counts: so it does not grow whenever one of them does.
    let cells: usize = histogram.octaves().map(|(_, cells)| cells.len()).sum();
    out.reserve(HEADER + 2 * cells);
    out.extend_from_slice(&COOKIE.to_be_bytes());
    // The length, which is not known yet, and an offset that is always zero.
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&u32::from(histogram.precision().figures()).to_be_bytes());
    out.extend_from_slice(&1u64.to_be_bytes());
    // The highest value that its reader makes room for. Some have signed integers.
    let highest = histogram.max().unwrap_or(0).max(i64::MAX as u64);
    let highest = if highest > i64::MAX as u64 { u64::MAX } else { highest };
    out.extend_from_slice(&highest.to_be_bytes());
    out.extend_from_slice(&1f64.to_be_bytes());
    let mut next = 0;
    for (ordinal, count) in histogram.ordinals() {
        match ordinal - next {
            0 => {}
            1 => integer(out, 0),
            zeros => integer(out, -(zeros as i64)),
        }
        integer(out, count.min(i64::MAX as u64) as i64);
        next = ordinal + 1;
    }
    let length = (out.len() - HEADER) as u32;
    out[4..8].copy_from_slice(&length.to_be_bytes());
}

/// Zigzag, seven bits a byte, but the ninth byte has eight.
#[inline]
fn integer(out: &mut Vec<u8>, value: i64) {
    let mut value = super::wire::zigzag(value);
    for _ in 0..LONGEST - 1 {
        if value < 0x80 {
            return out.push(value as u8);
        }
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Why bytes are no histogram.
type Refused = String;

/// The precision and the buckets, by ordinal, that are in bytes of the compressed V2 form.
pub(crate) fn read(bytes: &[u8]) -> Result<(Precision, Vec<(usize, u64)>), Refused> {
    let (cookie, rest) = word(bytes)?;
    if cookie != COMPRESSED_COOKIE {
        return Err(format!(
            "it begins with {cookie:#010x}, not with {COMPRESSED_COOKIE:#010x}, the compressed V2 form's mark"
        ));
    }
    let (length, packed) = word(rest)?;
    if length as usize != packed.len() {
        return Err(format!("it says {length} bytes follow, but {} do", packed.len()));
    }
    let payload = inflate(packed)?;
    let header = payload.get(..HEADER).ok_or("its header is cut off")?;
    let at = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let counts = &payload[HEADER..];
    let precision = match at(12) {
        1 => Precision::One,
        2 => Precision::Two,
        3 => Precision::Three,
        figures => {
            return Err(format!("it has {figures} significant figures; 1, 2 or 3 can be read"));
        }
    };
    match (at(0), at(4) as usize, at(8), (at(16), at(20))) {
        (COOKIE, length, 0, (0, 1)) if length == counts.len() => {}
        (COOKIE, length, 0, (0, 1)) => {
            return Err(format!("it says {length} bytes of counts, but has {}", counts.len()));
        }
        (COOKIE, _, 0, _) => return Err("its lowest discernible value is not 1".to_owned()),
        (COOKIE, ..) => return Err("its buckets are shifted, which is not supported".to_owned()),
        (other, ..) => return Err(format!("what was compressed begins with {other:#010x}")),
    }
    Ok((precision, buckets(precision, counts)?))
}

fn word(bytes: &[u8]) -> Result<(u32, &[u8]), Refused> {
    let (word, rest) = bytes.split_first_chunk().ok_or("it is cut off")?;
    Ok((u32::from_be_bytes(*word), rest))
}

fn inflate(packed: &[u8]) -> Result<Vec<u8>, Refused> {
    let longest = HEADER + LONGEST * HistogramSnapshot::most_ordinals(Precision::Three);
    let mut out = Vec::with_capacity((packed.len() * 4).clamp(HEADER, longest + 1));
    let mut decompress = Decompress::new(true);
    loop {
        let done = (decompress.total_in() as usize, out.len());
        let status = decompress.decompress_vec(&packed[done.0..], &mut out, FlushDecompress::None);
        match status.map_err(|error| format!("zlib: {error}"))? {
            Status::StreamEnd if out.len() > longest => {}
            Status::StreamEnd if decompress.total_in() as usize == packed.len() => return Ok(out),
            Status::StreamEnd => return Err("bytes follow the compressed ones".to_owned()),
            _ if out.len() <= longest && out.len() == out.capacity() => {
                out.reserve_exact(out.len().min(longest + 1 - out.len()));
                continue;
            }
            _ if out.len() <= longest && (decompress.total_in() as usize, out.len()) != done => {
                continue;
            }
            _ if out.len() <= longest => return Err("the compressed bytes are cut off".to_owned()),
            _ => {}
        }
        return Err(format!("it is longer than {longest} bytes, more than any histogram"));
    }
}

fn buckets(precision: Precision, mut bytes: &[u8]) -> Result<Vec<(usize, u64)>, Refused> {
    let most = HistogramSnapshot::most_ordinals(precision);
    let (mut all, mut ordinal, mut total) = (Vec::new(), 0usize, 0u64);
    while !bytes.is_empty() {
        let (value, rest) = take_integer(bytes)?;
        bytes = rest;
        let step = if value < 0 { value.unsigned_abs() } else { 1 };
        if step > (most - ordinal) as u64 {
            return Err(format!("it has more than {most} buckets"));
        }
        if value > 0 {
            total = total.saturating_add(value as u64);
            if total > MAX_JSON_COUNT {
                return Err(format!("it has more than {MAX_JSON_COUNT} values"));
            }
            all.push((ordinal, value as u64));
        }
        ordinal += step as usize;
    }
    Ok(all)
}

fn take_integer(bytes: &[u8]) -> Result<(i64, &[u8]), Refused> {
    let mut value = 0u64;
    for (at, &byte) in bytes.iter().enumerate().take(LONGEST) {
        let last = at == LONGEST - 1;
        value |= u64::from(if last { byte } else { byte & 0x7F }) << (7 * at);
        if last || byte < 0x80 {
            return Ok(((value >> 1) as i64 ^ -((value & 1) as i64), &bytes[at + 1..]));
        }
    }
    Err("its last count is cut off".to_owned())
}

/// Bytes of Base64 text.
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>, Refused> {
    STANDARD.decode(text).map_err(|error| format!("no Base64: {error}"))
}

impl HistogramSnapshot {
    /// The compressed V2 form of HdrHistogram, which its readers in any language take. Every count is in it; the exact sum,
    /// minimum and maximum are not, which the form has no place for. Counts above `i64::MAX` are written as that.
    ///
    /// ```
    /// # use tachometer::{Engine, HistogramSnapshot, Registry, Unit};
    /// # let registry = Registry::new();
    /// # let sizes = registry.histogram("size", "Sizes.")?;
    /// # let engine = Engine::builder().registry(&registry).start()?;
    /// sizes.record(12);
    /// let bytes = engine.refresh().histogram("size")?.to_hdr_v2();
    /// let again = HistogramSnapshot::from_hdr_v2(&bytes, Unit::None)?;
    /// assert_eq!((again.count(), again.max()), (1, Some(12)));
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn to_hdr_v2(&self) -> Vec<u8> {
        HdrV2::default().bytes(self).to_vec()
    }

    /// The histogram of `unit` that another program wrote in the compressed V2 form. The sum counts each value with the
    /// middle of its bucket; minimum and maximum are those of the buckets.
    ///
    /// # Errors
    /// The bytes are not that form, or the histogram has a precision that is not ours, or more than
    /// [`MAX_JSON_COUNT`] values.
    pub fn from_hdr_v2(bytes: &[u8], unit: Unit) -> Result<Self, Error> {
        let (precision, buckets) = read(bytes).map_err(|reason| Error::Unreadable {
            what: "HdrHistogram",
            at: "its bytes".to_owned(),
            reason,
        })?;
        let extremes = extremes(precision, &buckets);
        let sums = Sums::Middles;
        Ok(Self::from_parts(Parts { precision, unit, buckets: &buckets, sums, extremes }))
    }
}

/// The ends of the first and the last bucket.
pub(crate) fn extremes(precision: Precision, buckets: &[(usize, u64)]) -> Option<(u64, u64)> {
    let (first, last) = (buckets.first()?, buckets.last()?);
    Some((ends(precision, first.0).0, ends(precision, last.0).1))
}
