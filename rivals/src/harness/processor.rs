//! The processor a thread runs on: keeping threads apart, and noticing that one was pushed off.
//!
//! Two threads that a busy scheduler puts on one core do not contend at all, and would make a
//! shared atomic look free. So the threads of a workload with more than one are tied to cores of
//! their own. A single thread is left free to flee from other work.

#[cfg(target_os = "linux")]
mod system {
    use std::mem::{MaybeUninit, size_of};

    /// Ties the calling thread to the `index`th of the cores it may use; `false` if there are not
    /// so many.
    pub fn pin_to(index: usize) -> bool {
        // SAFETY: a `cpu_set_t` is an array of integers, for which all zeros is a value.
        let mut allowed: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the kernel writes at most the given size into `allowed`, which has that size.
        if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut allowed) } != 0 {
            return false;
        }
        let cores = 0..libc::CPU_SETSIZE as usize;
        // SAFETY: `core` is below CPU_SETSIZE, the number of bits in the set.
        let mut cores = cores.filter(|&core| unsafe { libc::CPU_ISSET(core, &allowed) });
        let Some(core) = cores.nth(index) else {
            return false;
        };
        // SAFETY: as above.
        let mut wanted: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: as above; the kernel reads at most the given size from `wanted`.
        unsafe {
            libc::CPU_SET(core, &mut wanted);
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &wanted) == 0
        }
    }

    /// How often the kernel has taken the processor from the calling thread so far.
    pub fn preemptions() -> u64 {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the kernel fills the structure it is given; all zeros is a value, should the call
        // fail.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
            usage.assume_init()
        };
        usage.ru_nivcsw as u64
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    /// Not available here: threads go where the system puts them.
    pub fn pin_to(_index: usize) -> bool {
        false
    }

    /// Not available here.
    pub fn preemptions() -> u64 {
        0
    }
}

pub use system::{pin_to, preemptions};
