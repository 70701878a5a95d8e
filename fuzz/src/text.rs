//! Texts that a page has to escape, names that nearly collide, and the limits' both sides.

use arbitrary::{Arbitrary, Result, Unstructured};

/// What texts are made of, beside whatever the fuzzer thinks of.
const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "\n",
    "\\n",
    "\\\"",
    "\r",
    "\t",
    " ",
    "{",
    "}",
    ",",
    "=",
    "#",
    "é",
    "\u{2028}",
    "\u{10FFFF}",
    "\0",
    "a",
    "b",
    "le=\"1\"",
    "} 7\n",
    "# TYPE x counter\n",
    "\u{feff}",
    "\u{7f}",
];

/// A help text or a label's value.
#[derive(Clone, Debug)]
pub struct Text(pub String);

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let text = match u.int_in_range(0..=7)? {
            0 => String::arbitrary(u)?,
            1 => "x".repeat(usize::from(u.int_in_range(4090..=4100u16)?)),
            _ => {
                let pieces = u.int_in_range(0..=6)?;
                (0..pieces).map(|_| u.choose(&PIECES).copied()).collect::<Result<String>>()?
            }
        };
        Ok(Text(text))
    }
}

const STEMS: [&str; 8] = ["a", "b", "a_b", ":a", "_", "a1", "seconds", "microseconds"];
const SUFFIXES: [&str; 10] = [
    "",
    "_total",
    "_seconds",
    "_bytes",
    "_ratio",
    "_seconds_total",
    "_bucket",
    "_count",
    "_sum",
    "_bytes_total",
];

/// A metric's name, valid more often than not.
#[derive(Clone, Debug)]
pub struct MetricName(pub String);

impl<'a> Arbitrary<'a> for MetricName {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let name = match u.int_in_range(0..=15)? {
            0 => String::arbitrary(u)?,
            1 => "n".repeat(usize::from(u.int_in_range(254..=258u16)?)),
            2 => format!("{}{}", u.choose(&["1", "é", "a-", "a b", "\n"])?, u.choose(&SUFFIXES)?),
            _ => format!("{}{}", u.choose(&STEMS)?, u.choose(&SUFFIXES)?),
        };
        Ok(MetricName(name))
    }
}

const LABELS: [&str; 12] =
    ["a", "b", "c", "le", "_a", "__a", "a:b", "", "1", "A", "overflow", "quantile"];

/// A label's name, valid more often than not.
#[derive(Clone, Debug)]
pub struct LabelName(pub String);

impl<'a> Arbitrary<'a> for LabelName {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let name = match u.int_in_range(0..=15)? {
            0 => String::arbitrary(u)?,
            1 => "n".repeat(usize::from(u.int_in_range(254..=258u16)?)),
            2..=4 => format!("l{}", u.int_in_range(0..=40u8)?),
            5..=7 => (*u.choose(&LABELS)?).to_owned(),
            _ => (*u.choose(&LABELS[..3])?).to_owned(),
        };
        Ok(LabelName(name))
    }
}
