//! Unix sockets: the file, who may open it, and what an earlier process left behind.

use crate::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The file of a socket that listens; removed with the value, unless somebody has put another in its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and number of the file.
    file: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            // If it stays, the next listener finds that nobody listens there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Listens at `path`, which gets `mode`. A socket that an earlier process left there, and that nobody listens on, is
/// replaced; anything else is left alone.
pub(super) fn bind(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), Error> {
    let refused = |error: io::Error| Error::Io {
        attempt: format!("listen on the Unix socket {}", path.display()),
        kind: error.kind(),
        reason: format!("{error}; {}", advice(&error)),
    };
    let socket = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path).map_err(refused)?;
            UnixListener::bind(path)
        }
        bound => bound,
    };
    let socket = socket.map_err(refused)?;
    let file = SocketFile { path: path.to_owned(), file: identity(path).map_err(refused)? };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(refused)?;
    Ok((socket, file))
}

/// Removes the socket at `path` if nobody listens there.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => {
            "somebody listens there, perhaps another instance of this program; choose another path"
        }
        ErrorKind::AlreadyExists => {
            "there is a file that is no socket; remove it, or choose another path"
        }
        ErrorKind::NotFound => "its directory does not exist; make it first",
        ErrorKind::PermissionDenied => {
            "this user may not write to the directory; choose one of its own, as below /run"
        }
        _ => "a path of less than 108 bytes, in a directory that this user may write to, will do",
    }
}
