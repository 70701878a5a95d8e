//! A real `fork`, whose child answers with its exit status.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// When a child counts as hanging. Generous: it guards the run, it measures nothing.
const HANG: Duration = Duration::from_secs(60);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `body` returned.
    Well,
    /// `body` panicked; its message is on the error output.
    Panicked,
    /// It was killed by a signal, or ended in another way.
    Otherwise(i32),
    /// It did not end, and was killed for it.
    Hung,
}

/// Runs `body` in a forked child, which never returns from here.
pub fn in_child(body: impl FnOnce()) -> End {
    // SAFETY: the child runs `body` and ends by `_exit`. That it may allocate and lock is glibc's promise for its own
    // locks, and what these tests are about for the engine's.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        let code = if catch_unwind(AssertUnwindSafe(body)).is_ok() { 0 } else { 1 };
        // SAFETY: ends the child without running the parent's exit handlers.
        unsafe { libc::_exit(code) };
    }
    wait(pid)
}

fn wait(pid: libc::pid_t) -> End {
    let deadline = Instant::now() + HANG;
    let mut status = 0;
    loop {
        // SAFETY: our own child, a valid place for the status.
        match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
            0 if Instant::now() < deadline => std::thread::sleep(Duration::from_micros(200)),
            0 => {
                // SAFETY: our own child, which has not been waited for.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                // SAFETY: as above.
                unsafe { libc::waitpid(pid, &mut status, 0) };
                return End::Hung;
            }
            _ if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 => return End::Well,
            _ if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 1 => return End::Panicked,
            _ => return End::Otherwise(status),
        }
    }
}
