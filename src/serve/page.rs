//! Pages: a snapshot in one format and one coding, made once for all who ask for it.

use super::coding::Coding;
use super::formats::Formats;
use super::query::Query;
use crate::{Encoder, Snapshot};
use std::sync::Arc;
use std::time::Instant;

/// Which page a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Index into the table of formats.
    pub(super) format: usize,
    pub(super) coding: Coding,
    pub(super) query: Query,
}

impl Key {
    /// Whether the page of one snapshot serves both.
    pub(super) fn is_same_page(&self, other: &Key) -> bool {
        (self.format, self.coding) == (other.format, other.coding)
            && self.query.filter == other.query.filter
    }
}

/// An encoded snapshot. Clones share the bytes.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// Different for each page of a listener.
    pub(super) id: u64,
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) content_type: Arc<str>,
    pub(super) coding: Coding,
    pub(super) generation: u64,
    pub(super) complete: bool,
    /// When the snapshot's cut was made.
    pub(super) cut_at: Instant,
}

/// Encodes snapshots, and keeps the last page of each format and coding: whoever asks for the same generation gets the
/// same bytes, and the buffer is used again for the next one once nobody is being sent it.
///
/// Pages of some of the series are not kept, nor does their encoder, which would forget what it knows of all.
#[derive(Debug)]
pub(super) struct Pages {
    formats: Formats,
    /// By format; `None` until somebody asks for it.
    encoders: Vec<Option<Box<dyn Encoder>>>,
    /// By format and coding.
    kept: Vec<(usize, Page)>,
    made: u64,
}

impl Pages {
    pub(super) fn new(formats: Formats) -> Pages {
        let encoders = (0..formats.len()).map(|_| None).collect();
        Pages { formats, encoders, kept: Vec::new(), made: 0 }
    }

    /// How many pages were made so far.
    #[cfg(test)]
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// The page of `snapshot`, cut at `cut_at`, that `key` is for.
    pub(super) fn page(&mut self, snapshot: &Snapshot, cut_at: Instant, key: &Key) -> Page {
        let filter = &key.query.filter;
        if filter.is_empty() {
            return self.whole(snapshot, cut_at, key.format, key.coding);
        }
        let some = snapshot.filtered(|name, labels| filter.wants(name, labels));
        let mut encoder = self.formats.encoder(key.format);
        let plain =
            self.finished(encoder.content_type().into(), Coding::Identity, snapshot, cut_at);
        let plain = Page { bytes: Arc::new(encoder.to_vec(&some)), ..plain };
        self.packed(&plain, key.coding).unwrap_or(plain)
    }

    /// The page of all series.
    fn whole(
        &mut self,
        snapshot: &Snapshot,
        cut_at: Instant,
        format: usize,
        coding: Coding,
    ) -> Page {
        let kept = self.kept.iter().find(|(f, page)| (*f, page.coding) == (format, coding));
        if let Some((_, page)) = kept.filter(|(_, page)| page.generation == snapshot.generation()) {
            return Page { cut_at, ..page.clone() };
        }
        let page = if coding == Coding::Identity {
            self.encoded(snapshot, cut_at, format)
        } else {
            let plain = self.whole(snapshot, cut_at, format, Coding::Identity);
            match self.packed(&plain, coding) {
                Some(page) => page,
                None => return plain,
            }
        };
        self.forget(format, coding);
        self.kept.push((format, page.clone()));
        page
    }

    fn encoded(&mut self, snapshot: &Snapshot, cut_at: Instant, format: usize) -> Page {
        let mut bytes = match self.forget(format, Coding::Identity) {
            Some(page) => match Arc::try_unwrap(page.bytes) {
                Ok(bytes) => bytes,
                // Somebody is still being sent it.
                Err(shared) => Vec::with_capacity(shared.len()),
            },
            None => Vec::new(),
        };
        bytes.clear();
        let encoder = self.encoders[format].get_or_insert_with(|| self.formats.encoder(format));
        encoder.encode(snapshot, &mut bytes);
        let content_type = encoder.content_type().into();
        let page = self.finished(content_type, Coding::Identity, snapshot, cut_at);
        Page { bytes: Arc::new(bytes), ..page }
    }

    fn packed(&mut self, plain: &Page, coding: Coding) -> Option<Page> {
        if coding == plain.coding {
            return None;
        }
        let bytes = Arc::new(coding.pack(&plain.bytes)?);
        self.made += 1;
        Some(Page { id: self.made, bytes, coding, ..plain.clone() })
    }

    /// What is known about a page, without its bytes.
    fn finished(
        &mut self,
        content_type: Arc<str>,
        coding: Coding,
        snapshot: &Snapshot,
        cut_at: Instant,
    ) -> Page {
        self.made += 1;
        Page {
            id: self.made,
            bytes: Arc::default(),
            content_type,
            coding,
            generation: snapshot.generation(),
            complete: snapshot.is_complete(),
            cut_at,
        }
    }

    fn forget(&mut self, format: usize, coding: Coding) -> Option<Page> {
        let at = self.kept.iter().position(|(f, page)| (*f, page.coding) == (format, coding))?;
        Some(self.kept.swap_remove(at).1)
    }
}
