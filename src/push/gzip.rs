//! Bodies packed with gzip, whatever the format.

use super::protocol::{Answer, Part, Payload, Protocol, Verdict};
use crate::Snapshot;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::sync::Arc;

/// A protocol whose payloads are packed, but for those that are encoded already.
#[derive(Debug)]
pub(super) struct Gzip(pub(super) Box<dyn Protocol>);

/// Packs what was appended behind the first `from`.
fn pack_from(from: usize, payloads: &mut [Payload]) {
    payloads[from..].iter_mut().for_each(pack);
}

fn pack(payload: &mut Payload) {
    if payload.headers.iter().any(|header| header.0.eq_ignore_ascii_case("Content-Encoding")) {
        return;
    }
    // The other levels take several times as long for a few percent: most of a page is repetition that any of them
    // finds.
    let mut packer =
        GzEncoder::new(Vec::with_capacity(payload.body.len() / 8), Compression::fast());
    let packed = packer.write_all(&payload.body).and_then(|()| packer.finish());
    payload.body = packed.expect("memory takes whatever is written");
    payload.headers.push(("Content-Encoding".to_owned(), "gzip".to_owned()));
}

impl Protocol for Gzip {
    fn prepare(&mut self, snapshot: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        let from = payloads.len();
        self.0.prepare(snapshot, payloads);
        pack_from(from, payloads);
    }

    fn waits(&self) -> bool {
        self.0.waits()
    }

    fn acknowledged(&mut self, part: Part, answer: &[u8]) {
        self.0.acknowledged(part, answer);
    }

    fn refused(&mut self, part: Part, status: u16) -> Option<Payload> {
        let mut payload = self.0.refused(part, status)?;
        pack(&mut payload);
        Some(payload)
    }

    fn answered(&mut self, part: Option<Part>, payload: &Payload, answer: &Answer<'_>) -> Verdict {
        match self.0.answered(part, payload, answer) {
            Verdict::Instead(mut payload) => {
                pack(&mut payload);
                Verdict::Instead(payload)
            }
            verdict => verdict,
        }
    }

    fn finish(&mut self, last: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        let from = payloads.len();
        self.0.finish(last, payloads);
        pack_from(from, payloads);
    }

    fn lost(&mut self, part: Part) {
        self.0.lost(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_body_is_packed_once() {
        let mut payload = Payload::new(b"value ".repeat(100), "text/plain");
        pack(&mut payload);
        assert!(payload.body.len() < 100);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&payload.body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "value ".repeat(100));
        let packed = payload.clone();
        pack(&mut payload);
        assert_eq!(payload, packed);
        assert_eq!(payload.headers[1], ("Content-Encoding".to_owned(), "gzip".to_owned()));
    }
}
