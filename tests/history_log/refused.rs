//! Directories that a history must not take, and what it says then.

use crate::stand::{Folder, Life, builder, flush, segments};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tachometer::History;

fn refusal(directory: &Path) -> String {
    let life = Life::begin(0);
    builder(directory).start(&life.engine).unwrap_err().to_string()
}

#[test]
fn a_directory_has_one_history() {
    let folder = Folder::new();
    let mut life = Life::begin(0);
    let history = builder(&folder.log()).start(&life.engine).unwrap();
    life.step();
    let error = refusal(&folder.log());
    let holder = format!("process {}", std::process::id());
    assert!(error.contains(&holder) && error.contains("directory of its own"), "{error}");
    let clone = history.clone();
    drop(history);
    assert!(refusal(&folder.log()).contains("keeps its history there"));
    drop(clone);
    let other = Life::begin(10);
    let history = builder(&folder.log()).start(&other.engine).unwrap();
    assert_eq!(history.persistence().unwrap().replayed_rows, 1);
}

#[test]
fn what_is_no_history_is_left_alone() {
    let folder = Folder::new();
    let file = folder.0.join("notes.txt");
    std::fs::write(&file, "mine").unwrap();
    let error = refusal(&folder.0);
    assert!(error.contains("it has files, and none of a history"), "{error}");
    let error = refusal(&file);
    assert!(error.contains("notes.txt"), "{error}");
    let error = refusal(&folder.0.join("no/such/folder"));
    assert!(error.contains("make the folder that it is to be in first"), "{error}");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
    let life = Life::begin(0);
    let error = History::builder().disk_bytes(1).start(&life.engine).unwrap_err().to_string();
    assert!(error.contains("disk_bytes"), "{error}");
}

#[test]
fn a_later_version_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let mut life = Life::begin(0);
    let history = builder(&folder.log()).start(&life.engine).unwrap();
    life.steps(3);
    flush(&history);
    drop(history);
    let (path, mut bytes) = segments(&folder.log()).remove(0);
    bytes[8] = 2;
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.sum().to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let error = refusal(&folder.log());
    assert!(error.contains("version 2") && error.contains("as new"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn files_are_for_their_owner_and_those_of_others_are_an_error() {
    let folder = Folder::new();
    let mut life = Life::begin(0);
    let history = builder(&folder.log()).start(&life.engine).unwrap();
    life.step();
    flush(&history);
    drop(history);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.log()), 0o700);
    let (path, _) = segments(&folder.log()).remove(0);
    assert_eq!(mode(&path), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).unwrap();
    // Root may read everything.
    if std::fs::File::open(&path).is_err() {
        let error = refusal(&folder.log());
        assert!(error.contains("user that this process runs as"), "{error}");
    } else {
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let error = refusal(&folder.log());
        assert!(error.contains("cannot read the history's segment"), "{error}");
    }
}
