//! How full a file system is: a system call that needs `unsafe`, for [`crate::source`].

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The part of the file system of `path` that is full, for who is not root: 0–1. `None` if it cannot be told.
pub(crate) fn usage(path: &Path) -> Option<f64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut raw = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path is a string with its zero, and the pointer is to a `statvfs` of our own, which the call fills or
    // leaves alone; both live until it returns.
    let done = unsafe { libc::statvfs(path.as_ptr(), raw.as_mut_ptr()) } == 0;
    // SAFETY: a `statvfs` is integers, for which zero is a value; the call has filled it beside.
    let raw = unsafe { raw.assume_init() };
    let used = raw.f_blocks.saturating_sub(raw.f_bfree) as f64;
    // What is kept for root is neither used nor to be had.
    let all = used + raw.f_bavail as f64;
    (done && all > 0.0).then_some(used / all)
}
