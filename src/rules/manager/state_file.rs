//! The file in which alerts and silences survive a restart: JSON, which begins with what it is. It is written beside its place and
//! then put there, so that at any moment there is a whole one.
//!
//! What is found there is one of four: nothing; a state; one of ours that is damaged, which is set aside; something else, which
//! nobody here touches.

use crate::Error;
use crate::limits::{MAX_RULE_STATE_BYTES, RULE_STATE_PERIOD, RULE_STATE_REFRESH};
use crate::rules::evaluate::millis;
use crate::rules::{Restored, RulesState};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How each of these files begins.
const HEAD: &[u8] = br#"{"format":"tachometer-rules","version":"#;
const FORMAT: &str = "tachometer-rules";
const VERSION: u32 = 1;

/// What became of a state file when the rules started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedState {
    /// What was taken up; nothing if there was no file, or a damaged one.
    pub restored: Restored,
    /// What was wrong with the file, and where it is now.
    pub damaged: Option<String>,
}

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    version: u32,
    state: &'a RulesState,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    state: RulesState,
}

/// A file's head alone: what a later version wrote can be told from damage.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    pub(super) found: SavedState,
    pace: Mutex<Pace>,
}

#[derive(Debug, Default)]
struct Pace {
    changed: bool,
    /// When it was written last, or was to be.
    written_ms: Option<i64>,
}

/// A path with something behind it.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

fn failed(attempt: &str, path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::NotFound => "its directory does not exist; make it first",
        ErrorKind::PermissionDenied => "this user may not; choose a directory of its own",
        ErrorKind::StorageFull => "the disk is full",
        _ => "choose a file in a directory that this user may write to",
    };
    Error::Io {
        attempt: format!("{attempt} the state of rules in {}", path.display()),
        kind: error.kind(),
        reason: format!("{error}; {advice}"),
    }
}

fn foreign(path: &Path, what: &str) -> Error {
    let reason = format!("{} {what}; choose another file, or move it away", path.display());
    Error::InvalidSetting { setting: "state_file", reason }
}

impl StateFile {
    pub(super) fn new(path: PathBuf, found: SavedState) -> StateFile {
        StateFile { path, found, pace: Mutex::default() }
    }

    /// What there is; or what is wrong with it, and where it was put.
    pub(super) fn load(path: &Path) -> Result<(Option<RulesState>, Option<String>), Error> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, None)),
            Err(error) => return Err(failed("read", path, &error)),
            Ok(file) => {
                let is_file = file.metadata().is_ok_and(|data| data.is_file());
                if !is_file {
                    return Err(foreign(path, "is no file"));
                }
                let mut file = file.take(MAX_RULE_STATE_BYTES as u64 + 1);
                file.read_to_end(&mut bytes).map_err(|error| failed("read", path, &error))?;
            }
        }
        let is_cut = HEAD.starts_with(&bytes) || bytes.iter().all(|byte| *byte == 0);
        if !bytes.starts_with(HEAD) && !is_cut {
            return Err(foreign(path, "has something that no rules wrote"));
        }
        let why = match serde_json::from_slice::<Read>(&bytes) {
            _ if bytes.len() > MAX_RULE_STATE_BYTES => {
                format!("it has more than {MAX_RULE_STATE_BYTES} bytes")
            }
            Ok(read) if read.version == VERSION => return Ok((Some(read.state), None)),
            Ok(_) => return Err(foreign(path, "is of another version")),
            Err(error) => error.to_string(),
        };
        let version = serde_json::from_slice::<Version>(&bytes);
        if version.is_ok_and(|head| head.version != VERSION) {
            return Err(foreign(path, "is of another version"));
        }
        let aside = beside(path, ".damaged");
        fs::rename(path, &aside).map_err(|error| failed("set aside", path, &error))?;
        Ok((None, Some(format!("{why}; the file is now {}", aside.display()))))
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it should have is not what it has.
    pub(super) fn changed(&self) {
        self.pace().changed = true;
    }

    /// Whether it is to be written now; `active`: while there are alerts, it also says how long nobody was there.
    pub(super) fn is_due(&self, now_ms: i64, active: bool) -> bool {
        let pace = self.pace();
        let Some(written) = pace.written_ms else { return true };
        let passed = now_ms.saturating_sub(written);
        let period = millis(RULE_STATE_PERIOD);
        // A clock that goes back must not stop it.
        (pace.changed && (passed >= period || passed < 0))
            || (active && (passed >= millis(RULE_STATE_REFRESH) || passed < 0))
    }

    /// # Errors
    /// The system refuses; what is there stays there.
    pub(super) fn write(&self, state: &RulesState, now_ms: i64) -> Result<(), Error> {
        {
            let mut pace = self.pace();
            pace.written_ms = Some(now_ms);
            pace.changed = false;
        }
        let written = self.replace(state);
        if written.is_err() {
            self.changed();
        }
        written.map_err(|error| failed("write", &self.path, &error))
    }

    fn replace(&self, state: &RulesState) -> io::Result<()> {
        let written = Written { format: FORMAT, version: VERSION, state };
        let bytes = serde_json::to_vec(&written)?;
        if bytes.len() > MAX_RULE_STATE_BYTES {
            let why = format!("it has more than {MAX_RULE_STATE_BYTES} bytes");
            return Err(io::Error::new(ErrorKind::FileTooLarge, why));
        }
        let beside = beside(&self.path, ".new");
        let mut file = File::create(&beside)?;
        file.write_all(&bytes)?;
        // Or after a loss of power there may be the name without the content.
        file.sync_data()?;
        fs::rename(&beside, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{RuleSettings, Rules};

    #[test]
    fn each_file_begins_with_its_head() {
        let state = &Rules::new([], RuleSettings::default()).state(0);
        let written = Written { format: FORMAT, version: VERSION, state };
        assert!(serde_json::to_vec(&written).unwrap().starts_with(HEAD));
    }

    #[test]
    fn it_is_written_once_a_second_while_it_changes() {
        let file = StateFile::new(PathBuf::from("/nowhere/at/all"), SavedState::default());
        let state = Rules::new([], RuleSettings::default()).state(0);
        assert!(file.is_due(0, false));
        assert!(file.write(&state, 10_000).is_err());
        assert!(
            !file.is_due(10_999, true) && file.is_due(11_000, false),
            "what failed is tried again"
        );
        file.pace().changed = false;
        assert!(!file.is_due(60_000, false) && !file.is_due(24_999, true));
        assert!(file.is_due(25_000, true) && file.is_due(9_000, true));
    }
}
