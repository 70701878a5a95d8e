//! Opening a log: all of its segments are read into a store, and writing goes on in new ones.

use super::decode::Row;
use super::directory::{self, Directory, Found};
use super::format::{Ended, HEADER, Header, Records};
use super::queue::Queue;
use super::replay::{Replay, Segment as Filled};
use super::writer::Writer;
use super::{Damage, Log};
use crate::Error;
use crate::history::store::Store;
use crate::limits::{
    HISTORY_SEGMENT_BYTES, HISTORY_SEGMENTS, HISTORY_SPAN_SEGMENTS, MAX_HISTORY_DAMAGE,
};
use crate::shard::fork;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was found in a directory.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    pub(crate) damage: Vec<Damage>,
    /// How many segments are damaged, and how many bytes were skipped. The list is bounded.
    pub(crate) damaged: usize,
    pub(crate) damaged_bytes: u64,
    pub(crate) rows: u64,
    pub(crate) time: Duration,
    /// Whose counts the last segment has.
    pub(crate) run: Option<u64>,
}

/// Reads the log in the directory at `path` into `store`, which is empty, and has it go on there.
///
/// # Errors
/// The directory cannot be used, or has a segment of another version.
pub(crate) fn open(
    store: &mut Store,
    path: &Path,
    disk_bytes: u64,
    run: u64,
) -> Result<Opened, Error> {
    let began = Instant::now();
    let mut opened = Opened::default();
    let mut directory = Directory::open(path, &mut opened.damage)?;
    opened.run = directory.found.last().map(|last| last.header.run);
    let tiers: Vec<(i64, i64)> = store.tiers.iter().map(|tier| (tier.step, tier.span)).collect();
    let mut files = directory::files(&tiers);
    let mut encoders: Vec<_> = tiers.iter().map(|_| super::Encoder::default()).collect();
    let mut replay = Replay::new(store);
    // Coarse tiers first; before them segments of tiers that this history has not, of which only the end is of interest.
    for tier in (0..files.len()).rev() {
        let own = |found: &Found| tier_of(&found.header, &tiers) == tier;
        for mut found in directory.found.extract_if(.., |found| own(found)) {
            let length = found.segment.bytes;
            let records = Records::new(BufReader::new(&found.file), &found.bytes, length);
            let target = (tier < tiers.len()).then_some((&mut replay, tier));
            let end = read(records, target);
            found.segment.last = end.last.unwrap_or(i64::MAX);
            if let Some(reason) = end.reason {
                let (file, bytes) = (found.segment.path.clone(), length - end.offset);
                opened.damage.push(Damage { file, offset: end.offset, bytes, reason });
            }
            // What is behind the last whole record is of no use to anybody.
            if end.torn && found.file.set_len(end.offset).is_ok() {
                found.segment.bytes = end.offset;
            }
            files[tier].closed.push_back(found.segment);
        }
    }
    if let Some(others) = files.last_mut() {
        others.closed.extend(directory.lost.drain(..));
    }
    opened.damaged = opened.damage.len();
    opened.damaged_bytes = opened.damage.iter().map(|damage| damage.bytes).sum();
    opened.damage.truncate(MAX_HISTORY_DAMAGE);
    opened.rows = replay.rows;
    replay.finish(|tier, id, began, unknown| encoders[tier].remember(id, began, unknown));
    opened.time = began.elapsed();
    let queue = Arc::new(Queue::new(tiers.len()));
    let writer = Writer {
        queue: queue.clone(),
        folder: directory.path,
        tiers: files,
        next_number: directory.next_number,
        run,
        disk_bytes,
        _lock: directory.lock,
    };
    writer.report(&mut queue.lock().counts);
    let thread = std::thread::Builder::new().name("tachometer-history".to_owned());
    let thread = thread.spawn(move || writer.run()).map_err(|error| Error::Io {
        attempt: "start the history's thread".to_owned(),
        kind: error.kind(),
        reason: format!("{error}; raise the limit on threads (ulimit -u)"),
    })?;
    let (least, most) = HISTORY_SEGMENT_BYTES;
    store.log = Some(Log {
        encoders,
        tiers: tiers.iter().map(|tier| ((tier.1 / HISTORY_SPAN_SEGMENTS).max(1), false)).collect(),
        segment_bytes: ((disk_bytes / HISTORY_SEGMENTS) as usize).clamp(least, most),
        queue,
        thread: Some(thread),
        born: fork::generation(),
    });
    Ok(opened)
}

/// The tier that a segment's rows belong to; behind all others if there is none.
fn tier_of(header: &Header, tiers: &[(i64, i64)]) -> usize {
    if header.finest {
        return 0;
    }
    let coarser = tiers.iter().skip(1).position(|tier| tier.0 == header.step);
    coarser.map_or(tiers.len(), |at| at + 1)
}

/// Where reading a segment ended.
struct End {
    offset: u64,
    /// The time of the last row.
    last: Option<i64>,
    /// Why, if not at its end.
    reason: Option<String>,
    torn: bool,
}

/// Reads a segment's rows into a tier of a store, or into nothing.
fn read<R: Read>(mut records: Records<R>, mut into: Option<(&mut Replay<'_>, usize)>) -> End {
    let mut end = End { offset: 0, last: None, reason: None, torn: false };
    let (mut segment, mut row) = (Filled::default(), Row::default());
    loop {
        end.offset = records.offset;
        let payload = match records.next() {
            Ok(payload) => payload,
            Err(Ended::Whole) => return end,
            Err(ended) => {
                end.torn = ended == Ended::Torn;
                end.reason = Some(match ended {
                    Ended::Damaged(reason) => reason.to_owned(),
                    Ended::Unreadable(reason) => reason,
                    _ => "it ends within a record".to_owned(),
                });
                return end;
            }
        };
        let read = segment.decoder.read(payload, &mut row);
        let time = row.time;
        let read = read.map_err(|broken| broken.0).and_then(|()| match &mut into {
            Some((replay, tier)) => {
                let row = std::mem::take(&mut row);
                replay.row(*tier, &mut segment, row).map_err(|wrong| wrong.0)
            }
            None => Ok(()),
        });
        if let Err(reason) = read {
            end.reason = Some(reason.to_owned());
            return end;
        }
        end.last = Some(time);
    }
}

/// Reads segments that are in memory, in the order of their numbers; for tests and fuzz targets.
pub(crate) fn read_pieces(store: &mut Store, segments: &[&[u8]]) -> Opened {
    let mut opened = Opened::default();
    let tiers: Vec<(i64, i64)> = store.tiers.iter().map(|tier| (tier.step, tier.span)).collect();
    let mut replay = Replay::new(store);
    let mut found: Vec<(Header, usize)> = Vec::new();
    for (at, bytes) in segments.iter().enumerate() {
        let head = &bytes[..bytes.len().min(HEADER)];
        match Header::read(head) {
            Ok(header) => found.push((header, at)),
            Err(unfit) => opened.damage.push(Damage {
                file: PathBuf::from(at.to_string()),
                offset: 0,
                bytes: bytes.len() as u64,
                reason: format!("{unfit:?}"),
            }),
        }
    }
    found.sort_by_key(|found| found.0.number);
    for tier in (0..tiers.len()).rev() {
        for (_, at) in found.iter().filter(|found| tier_of(&found.0, &tiers) == tier) {
            let (head, rest) = segments[*at].split_at(HEADER);
            let length = segments[*at].len() as u64;
            let end = read(Records::new(rest, head, length), Some((&mut replay, tier)));
            if let Some(reason) = end.reason {
                let file = PathBuf::from(at.to_string());
                let bytes = length - end.offset;
                opened.damage.push(Damage { file, offset: end.offset, bytes, reason });
            }
        }
    }
    opened.rows = replay.rows;
    replay.finish(|_, _, _, _| {});
    opened
}
