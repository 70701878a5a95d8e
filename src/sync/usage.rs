//! What the C library says of this process: system calls that need `unsafe`, for [`crate::facade::process`].

/// What the kernel counts for the process, ended threads included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) cpu_ns: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

/// The usage of this process so far.
pub(crate) fn usage() -> Option<Usage> {
    let mut raw = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a `rusage` of our own, which the call fills or leaves alone.
    let done = unsafe { libc::getrusage(libc::RUSAGE_SELF, raw.as_mut_ptr()) } == 0;
    // SAFETY: a `rusage` is integers, for which zero is a value; the call has filled it beside.
    let raw = unsafe { raw.assume_init() };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    done.then(|| Usage {
        cpu_ns: ns(raw.ru_utime) + ns(raw.ru_stime),
        voluntary_switches: raw.ru_nvcsw as u64,
        involuntary_switches: raw.ru_nivcsw as u64,
    })
}

/// The kernel's ticks a second, in which /proc counts.
pub(crate) fn ticks_per_second() -> u64 {
    // SAFETY: asks for a constant; no memory is involved.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|&ticks| ticks > 0).unwrap_or(100)
}
