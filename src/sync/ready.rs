//! Waiting for what a program writes: a system call that needs `unsafe`, for [`crate::source`].

use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

/// Waits until one of `pipes` has something to read or has ended, at most for `limit`; says which of them. None at all
/// is the limit, or a signal.
pub(crate) fn wait<const N: usize>(
    pipes: [Option<BorrowedFd<'_>>; N],
    limit: Duration,
) -> [bool; N] {
    let mut all = pipes.map(|pipe| libc::pollfd {
        // One below zero is passed over.
        fd: pipe.map_or(-1, |pipe| pipe.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // Rounded up: a part of a millisecond would be none, and whoever waits would turn in circles.
    let ms = limit.as_nanos().div_ceil(1_000_000).min(60_000) as libc::c_int;
    // SAFETY: the pointer is to `N` structures of our own, whose descriptors are borrowed, so open, until it returns.
    let ready = unsafe { libc::poll(all.as_mut_ptr(), N as libc::nfds_t, ms) };
    all.map(|one| ready > 0 && one.revents != 0)
}
