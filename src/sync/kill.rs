//! Ending a process with all that it started: a system call that needs `unsafe`, for [`crate::source`].

use std::process::Child;

/// Kills the process group that `child`, which has not been waited for, is the leader of.
pub(crate) fn group(child: &Child) {
    let Ok(leader) = libc::pid_t::try_from(child.id()) else { return };
    // SAFETY: sends a signal; no memory is involved. The child has not been waited for, so its number is that of no other
    // process, nor of a group.
    unsafe { libc::kill(-leader, libc::SIGKILL) };
}
