//! A request of 2.0 as one of 1.0: for a receiver that turns out to know nothing newer, whatever has waited for it.
//!
//! The two say the same, but that 2.0 has each text once, and with each series what its family is and when it began. So
//! no snapshot is needed: the series, times and values are those of the request.

use crate::export::fields::{Field, Fields, varint};
use crate::export::wire::Wire as _;
use crate::limits::MAX_REMOTE_WRITE_BYTES;
use std::collections::HashSet;

/// The compressed body of a request of 1.0 that says what one of 2.0 does; `None` if that is none.
pub(crate) fn body(body: &[u8]) -> Option<Vec<u8>> {
    snap::raw::Encoder::new().compress_vec(&message(&unpacked(body)?)?).ok()
}

/// How many samples and histograms there are in the compressed body of a request of 2.0.
pub(crate) fn points(body: &[u8]) -> Option<u64> {
    let message = unpacked(body)?;
    let series = Fields::of(&message).filter_map(|field| field.bytes(5));
    let points = series.flat_map(Fields::of).filter(|field| matches!(field.number, 2 | 3));
    Some(points.count() as u64)
}

fn unpacked(body: &[u8]) -> Option<Vec<u8>> {
    // A body claims its length: one that claims more than is ever sent is not believed.
    let len = snap::raw::decompress_len(body).ok()?;
    if len > MAX_REMOTE_WRITE_BYTES {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(body).ok()
}

/// As [`body`], without compression.
fn message(newer: &[u8]) -> Option<Vec<u8>> {
    let symbols: Vec<&[u8]> = Fields::of(newer).filter_map(|field| field.bytes(4)).collect();
    let mut families = Families { symbols: &symbols, seen: HashSet::new(), metadata: Vec::new() };
    let mut out = Vec::with_capacity(newer.len() * 2);
    let mut fields = Fields::of(newer);
    for field in &mut fields {
        let Some(series) = field.bytes(5) else { continue };
        let mut sound = Some(());
        out.message(1, |out| sound = families.series(series, out));
        sound?;
    }
    out.extend_from_slice(&families.metadata);
    fields.is_whole().then_some(out)
}

struct Families<'a> {
    symbols: &'a [&'a [u8]],
    /// The names that were described.
    seen: HashSet<&'a [u8]>,
    metadata: Vec<u8>,
}

impl<'a> Families<'a> {
    /// Writes a `TimeSeries`; `None` if it is none.
    fn series(&mut self, series: &'a [u8], out: &mut Vec<u8>) -> Option<()> {
        let mut fields = Fields::of(series);
        let mut name = None;
        let mut scalar = false;
        for field in &mut fields {
            match field.number {
                1 => name = self.labels(field.bytes(1)?, out)?.or(name),
                2 => {
                    scalar = true;
                    // Its third field is when it began.
                    without(3, field.bytes(2)?, 2, out)?;
                }
                3 => without(17, field.bytes(3)?, 4, out)?,
                4 => self.exemplar(field.bytes(4)?, out)?,
                5 => {}
                _ => {}
            }
        }
        let described = Fields::of(series).filter_map(|field| field.bytes(5)).last();
        if let (Some(name), Some(metadata)) = (name, described) {
            self.describe(name, scalar, metadata)?;
        }
        fields.is_whole().then_some(())
    }

    /// Writes the labels that `refs` are; returns the name among them.
    fn labels(&self, mut refs: &[u8], out: &mut Vec<u8>) -> Option<Option<&'a [u8]>> {
        let mut metric = None;
        while !refs.is_empty() {
            let [name, value] =
                [self.symbol(varint(&mut refs)?)?, self.symbol(varint(&mut refs)?)?];
            if name == b"__name__" {
                metric = Some(value);
            }
            out.message(1, |out| {
                out.bytes(1, name);
                out.bytes(2, value);
            });
        }
        Some(metric)
    }

    fn symbol(&self, at: u64) -> Option<&'a [u8]> {
        self.symbols.get(usize::try_from(at).ok()?).copied()
    }

    fn exemplar(&self, exemplar: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let mut sound = Some(());
        out.message(3, |out| {
            for field in Fields::of(exemplar) {
                match field.bytes(1) {
                    Some(refs) => sound = sound.and(self.labels(refs, out).map(drop)),
                    None => out.extend_from_slice(field.raw),
                }
            }
        });
        sound
    }

    /// Says once what a family is.
    fn describe(&mut self, name: &'a [u8], scalar: bool, metadata: &[u8]) -> Option<()> {
        let uint = |number| Fields::of(metadata).find_map(|field: Field<'_>| field.uint(number));
        let kind = uint(1).unwrap_or(0);
        let suffixes = [&b"_bucket"[..], b"_sum", b"_count"];
        let whole = suffixes.iter().find_map(|suffix| name.strip_suffix(*suffix));
        // A histogram of samples is a classic one: several series make the family.
        let name = whole.filter(|_| scalar && kind == HISTOGRAM).unwrap_or(name);
        let [help, unit] = [self.symbol(uint(3).unwrap_or(0))?, self.symbol(uint(4).unwrap_or(0))?];
        if self.seen.insert(name) {
            self.metadata.message(3, |out| {
                out.uint(1, kind);
                out.bytes(2, name);
                out.bytes(4, help);
                out.bytes(5, unit);
            });
        }
        Some(())
    }
}

/// How both versions number the type.
const HISTOGRAM: u64 = 3;

/// Writes `message` as field `number`, without its field `left_out`, which 1.0 does not know.
fn without(left_out: u64, message: &[u8], number: u32, out: &mut Vec<u8>) -> Option<()> {
    let mut fields = Fields::of(message);
    out.message(number, |out| {
        for field in (&mut fields).filter(|field| field.number != left_out) {
            out.extend_from_slice(field.raw);
        }
    });
    fields.is_whole().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request with a counter that has an exemplar.
    fn newer() -> Vec<u8> {
        let mut out = Vec::new();
        for symbol in ["", "__name__", "n_total", "Help.", "trace_id", "abc"] {
            out.message(4, |out| out.extend_from_slice(symbol.as_bytes()));
        }
        out.message(5, |out| {
            out.message(1, |out| [1, 2].into_iter().for_each(|at| out.varint(at)));
            out.message(2, |out| {
                out.double(1, 5.0);
                out.uint(2, 1_000);
                out.uint(3, 7);
            });
            out.message(4, |out| {
                out.message(1, |out| [4, 5].into_iter().for_each(|at| out.varint(at)));
                out.double(2, 1.0);
                out.uint(3, 900);
            });
            out.message(5, |out| {
                out.uint(1, 1);
                out.uint(3, 3);
            });
            out.uint(6, 7);
        });
        out
    }

    #[test]
    fn it_says_the_same() {
        let mut older = Vec::new();
        older.message(1, |out| {
            out.message(1, |out| {
                out.bytes(1, b"__name__");
                out.bytes(2, b"n_total");
            });
            out.message(2, |out| {
                out.double(1, 5.0);
                out.uint(2, 1_000);
            });
            out.message(3, |out| {
                out.message(1, |out| {
                    out.bytes(1, b"trace_id");
                    out.bytes(2, b"abc");
                });
                out.double(2, 1.0);
                out.uint(3, 900);
            });
        });
        older.message(3, |out| {
            out.uint(1, 1);
            out.bytes(2, b"n_total");
            out.bytes(4, b"Help.");
        });
        assert_eq!(message(&newer()), Some(older));
        let packed = snap::raw::Encoder::new().compress_vec(&newer()).unwrap();
        assert_eq!(points(&packed), Some(1));
    }

    #[test]
    fn what_is_no_request_gives_none() {
        let newer = newer();
        // Where it is cut between fields it is a whole message all the same.
        let mut ends = vec![0];
        ends.extend(Fields::of(&newer).map(|field| field.raw.len()));
        (1..ends.len()).for_each(|at| ends[at] += ends[at - 1]);
        for end in 0..newer.len() {
            assert_eq!(message(&newer[..end]).is_some(), ends.contains(&end), "{end}");
        }
        let mut foreign = Vec::new();
        foreign.message(5, |out| {
            out.message(1, |out| [1, 9].into_iter().for_each(|at| out.varint(at)))
        });
        assert_eq!(message(&foreign), None, "symbols that are not there");
        assert_eq!(body(b"\xff\xff\xff\xff\x0f"), None, "a length of 4 GiB");
        assert_eq!(body(b"not snappy"), None);
    }
}
