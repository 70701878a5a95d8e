//! Logs that were cut, flipped, swapped or lost in part: whatever is given back is right, and the rest is told.

use crate::common::random::Random;
use crate::stand::{Folder, Life, START, TIERS, builder, flush, points, seconds, segments};
use std::path::PathBuf;
use tachometer::History;

/// Bytes of a segment's header, and of what stands before a record.
const HEADER: usize = 53;
const FRAME: usize = 8;

/// A small log of two lives: of eleven generations each, a minute apart.
fn small() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Folder::new();
    for life in 0..2 {
        let mut life = Life::begin(60 * life);
        let history = builder(&folder.log()).start(&life.engine).unwrap();
        life.steps(11);
        flush(&history);
    }
    segments(&folder.log())
}

/// What the program showed at a second.
fn truth(second: u64) -> (f64, f64) {
    let generation = (second % 60) as f64;
    (generation * (generation + 1.0) / 2.0, 10.0 * generation)
}

/// Where the records of a segment end.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![HEADER];
    while let Some(length) = bytes[ends[ends.len() - 1]..].first_chunk::<4>() {
        ends.push(ends[ends.len() - 1] + FRAME + u32::from_le_bytes(*length) as usize);
    }
    ends
}

fn is_finest(bytes: &[u8]) -> bool {
    bytes[32] == 1
}

/// All that a history says is so.
fn check(history: &History, what: &str) -> Vec<u64> {
    let (work, levels) = (points(history, "work_total"), points(history, "level"));
    for (at, value) in &work {
        assert_eq!(*value, truth(*at).0, "{what}: work at {at}");
    }
    for (at, value) in &levels {
        assert_eq!(*value, truth(*at).1, "{what}: level at {at}");
    }
    let seen: Vec<u64> = work.iter().map(|point| point.0).collect();
    for pair in seen.windows(2) {
        let between = |name: &str| {
            let (from, to) = (seconds(START + pair[0]), seconds(START + pair[1]));
            history.between(name, &[], from, to).unwrap()
        };
        let (from, to) = (truth(pair[0]).0 as u64, truth(pair[1]).0 as u64);
        let same_life = pair[0] / 60 == pair[1] / 60;
        let rose = if same_life { to - from } else { to };
        assert_eq!(between("work_total").increase().unwrap(), rose, "{what}: {pair:?}");
        assert_eq!(between("size").count().unwrap(), rose, "{what}: sizes of {pair:?}");
    }
    seen
}

fn read(pieces: &[Vec<u8>]) -> (History, usize) {
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
    tachometer::history::outside::history(&TIERS, 64 << 20, &pieces)
}

#[test]
fn a_sound_log_has_everything() {
    let pieces: Vec<_> = small().into_iter().map(|segment| segment.1).collect();
    assert_eq!(pieces.len(), 4, "a segment for each tier and life");
    let (history, damaged) = read(&pieces);
    assert_eq!(damaged, 0);
    let expected: Vec<u64> = (1..=11).chain(61..=71).collect();
    assert_eq!(check(&history, "sound"), expected);
}

#[test]
fn cut_at_every_byte_it_has_all_rows_before_the_cut() {
    let pieces: Vec<_> = small().into_iter().map(|segment| segment.1).collect();
    for (at, piece) in pieces.iter().enumerate().filter(|piece| is_finest(piece.1)) {
        let life = 60 * (piece != pieces.iter().find(|piece| is_finest(piece)).unwrap()) as u64;
        let ends = ends(piece);
        for cut in 0..piece.len() {
            let mut pieces = pieces.clone();
            pieces[at].truncate(cut);
            // What coarse tiers have is seen too; here it is about the fine one.
            pieces.retain(|piece| piece.len() < HEADER || is_finest(piece));
            let (history, damaged) = read(&pieces);
            let seen = check(&history, &format!("segment {at} cut at {cut}"));
            let whole = ends.iter().skip(1).filter(|end| **end <= cut).count() as u64;
            let kept: Vec<u64> = seen.into_iter().filter(|time| time / 60 * 60 == life).collect();
            assert_eq!(kept, (life + 1..=life + whole).collect::<Vec<_>>(), "cut at {cut}");
            assert_eq!(damaged, usize::from(!ends.contains(&cut)), "cut at {cut}");
        }
    }
}

#[test]
fn with_any_byte_flipped_nothing_is_wrong_and_it_is_told() {
    let pieces: Vec<_> = small().into_iter().map(|segment| segment.1).collect();
    for at in 0..pieces.len() {
        for byte in 0..pieces[at].len() {
            for flip in [1, 0x80, 0xff] {
                let mut pieces = pieces.clone();
                pieces[at][byte] ^= flip;
                let (history, damaged) = read(&pieces);
                let what = format!("segment {at}, byte {byte}, {flip:#x}");
                let seen = check(&history, &what);
                assert_eq!(damaged, 1, "{what}");
                // The other segments are as they were.
                let others =
                    pieces.iter().enumerate().any(|(i, piece)| i != at && is_finest(piece));
                assert!(!others || seen.len() >= 11, "{what}: {seen:?}");
            }
        }
    }
}

/// A process of several segments that lost one of them, or a part of it: it goes on behind it, and differences over the
/// gap are right.
#[test]
fn behind_damage_in_the_middle_differences_are_right() {
    let folder = Folder::new();
    let mut life = Life::begin(0);
    let history = builder(&folder.log()).start(&life.engine).unwrap();
    for _ in 0..11 {
        life.steps(10);
        flush(&history);
    }
    drop(history);
    let total = |second: u64| second * (second + 1) / 2;
    let all = segments(&folder.log());
    let fine: Vec<usize> = (0..all.len()).filter(|at| is_finest(&all[*at].1)).collect();
    assert!(fine.len() >= 6, "a segment is an eighth of the span: {}", fine.len());
    let pieces: Vec<_> = all.into_iter().map(|segment| segment.1).collect();
    let mut random = Random::new(7);
    for &at in &fine[..fine.len() - 1] {
        let mut pieces: Vec<_> = pieces.clone();
        let byte = HEADER + random.below((pieces[at].len() - HEADER) as u64) as usize;
        pieces[at][byte] ^= 1;
        pieces.retain(|piece| is_finest(piece));
        let (history, damaged) = read(&pieces);
        assert_eq!(damaged, 1);
        let seen: Vec<u64> = points(&history, "work_total").iter().map(|point| point.0).collect();
        assert!(seen.len() < 110 && seen.last() == Some(&110), "{seen:?}");
        let gap = seen.windows(2).find(|pair| pair[1] != pair[0] + 1);
        // The first segment's loss is no gap: rows begin later.
        let (from, to) = gap.map_or((seen[0], seen[1]), |gap| (gap[0], gap[1]));
        let between = |name: &str| {
            history.between(name, &[], seconds(START + from), seconds(START + to)).unwrap()
        };
        let rose = total(to) - total(from);
        assert_eq!(between("work_total").increase().unwrap(), rose, "{from} to {to}");
        assert_eq!(between("size").count().unwrap(), rose, "{from} to {to}");
        let squares = (from + 1..=to).map(|at| u128::from(at * at)).sum::<u128>();
        assert_eq!(between("size").sum().unwrap(), squares, "{from} to {to}");
    }
}

#[test]
fn what_a_process_reads_is_reported_with_its_place_and_mended() {
    let folder = Folder::new();
    let mut life = Life::begin(0);
    let history = builder(&folder.log()).start(&life.engine).unwrap();
    life.steps(11);
    drop((history, life));
    let all = segments(&folder.log());
    let (path, bytes) = all.iter().find(|segment| is_finest(&segment.1)).unwrap();
    let ends = ends(bytes);
    // Torn in the eighth row.
    std::fs::write(path, &bytes[..ends[7] + 3]).unwrap();
    let open = || {
        let life = Life::begin(1_000);
        let history = builder(&folder.log()).start(&life.engine).unwrap();
        (check(&history, "torn"), history.damage().to_vec())
    };
    let (seen, damage) = open();
    // The coarse tier has the tenth second.
    assert_eq!(
        seen.iter().copied().filter(|at| *at <= 7).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(damage.len(), 1);
    assert_eq!((&damage[0].file, damage[0].offset, damage[0].bytes), (path, ends[7] as u64, 3));
    let shown = damage[0].to_string();
    assert!(shown.contains("ends within a record") && shown.contains("byte"), "{shown}");
    assert_eq!(std::fs::read(path).unwrap(), bytes[..ends[7]], "cut where it was whole");
    assert_eq!(open().1, []);
    // Flipped in the third.
    let mut flipped = bytes.clone();
    flipped[ends[2] + FRAME] ^= 4;
    std::fs::write(path, &flipped).unwrap();
    for _ in 0..2 {
        let (_, damage) = open();
        assert_eq!(damage.len(), 1, "it is left as it is");
        assert_eq!(
            (damage[0].offset, damage[0].bytes),
            (ends[2] as u64, (bytes.len() - ends[2]) as u64)
        );
        assert!(damage[0].reason.contains("checksum"), "{}", damage[0].reason);
    }
    // Of other makes.
    std::fs::write(path, "#!/bin/sh\n").unwrap();
    assert!(open().1[0].reason.contains("not a segment"));
    std::fs::write(path, &bytes[..20]).unwrap();
    assert!(open().1[0].reason.contains("within its header"));
    assert!(!path.exists(), "there was nothing in it");
    assert_eq!(open().1, []);
    // Put back under the name of another.
    std::fs::write(path.with_file_name("000000000999-1000ms.history"), bytes).unwrap();
    assert!(open().1[0].reason.contains("name of another"));
}
