//! Without the kernel's barrier the engine says so and is as right as with it: a process told to use fences, one whose
//! sandbox forbids `membarrier` from the start, and one whose sandbox forbids it later, where snapshots say that they are
//! incomplete and nothing is lost.
//!
//! The mode is the process's, so each test has one of its own.
#![cfg(target_os = "linux")]

mod common;

use common::process::own_process;
use common::random::Random;
use common::{causality, conservation, page, page_of, stress_time};
use std::num::NonZeroU32;
use std::time::Duration;
use tachometer::{Engine, Error, Mode, ProcessSettings, Registry, barrier_mode};

fn cutting(registry: &Registry) -> Engine {
    Engine::builder().registry(registry).interval(Duration::from_millis(1)).start().unwrap()
}

/// Everything that a cut promises, and what the engine says of itself.
fn check_fence_mode() {
    let registry = Registry::new();
    let engine = cutting(&registry);
    assert_eq!(barrier_mode(), Mode::Fence);
    causality::tokens(&engine, &registry, stress_time() / 3);
    causality::groups(&engine, &registry, 2, stress_time() / 3);
    let samples = page::parse(&page_of(&engine));
    let info = page::value(&samples, "tachometer_info", &[("barrier", "fence")]);
    assert_eq!(info, Some("1"), "said on the page");
    let sampled = registry.histogram("sampled", "One in many.").unwrap();
    let one_in = NonZeroU32::new(10).unwrap();
    (0..1_000).for_each(|_| sampled.start_sampled(one_in).stop());
    assert!(engine.refresh().histogram("sampled").unwrap().count() > 0);
    let registry = Registry::new();
    conservation::run(&cutting(&registry), &registry, 200, 4, 100);
}

#[test]
fn a_process_told_to_use_fences() {
    own_process("a_process_told_to_use_fences", || {
        ProcessSettings::new().barrier(Mode::Fence).apply().unwrap();
        check_fence_mode();
    });
}

#[test]
fn a_sandbox_that_forbids_membarrier() {
    own_process("a_sandbox_that_forbids_membarrier", || {
        forbid_membarrier(libc::EPERM);
        let error = ProcessSettings::new().barrier(Mode::Membarrier).apply().unwrap_err();
        let Error::InvalidSetting { setting: "barrier", .. } = &error else { panic!("{error:?}") };
        assert!(error.to_string().contains("the system has no membarrier()"), "{error}");
        check_fence_mode();
    });
}

#[test]
fn a_kernel_without_membarrier() {
    own_process("a_kernel_without_membarrier", || {
        forbid_membarrier(libc::ENOSYS);
        check_fence_mode();
    });
}

#[test]
fn the_mode_is_chosen_once() {
    own_process("the_mode_is_chosen_once", || {
        assert_eq!(barrier_mode(), Mode::Membarrier, "this kernel has it");
        ProcessSettings::new().barrier(Mode::Membarrier).apply().expect("it is what is used");
        let error = ProcessSettings::new().barrier(Mode::Fence).apply().unwrap_err();
        assert!(error.to_string().contains("another mode is already in use"), "{error}");
        let registry = Registry::new();
        let page = page_of(&cutting(&registry));
        let samples = page::parse(&page);
        let info = page::value(&samples, "tachometer_info", &[("barrier", "membarrier")]);
        assert_eq!(info, Some("1"));
    });
}

#[test]
fn a_sandbox_that_closes_after_the_start() {
    own_process("a_sandbox_that_closes_after_the_start", || {
        let registry = Registry::new();
        let metrics = conservation::Metrics::new(&registry);
        let engine = Engine::builder().registry(&registry).start().unwrap();
        let mut random = Random::new(1);
        let mut books = conservation::record(&metrics, &mut random, 1_000);
        let open = engine.refresh();
        assert!(open.is_complete());
        books.check(&open);
        forbid_membarrier(libc::EPERM);
        let after = engine.refresh();
        assert!(!after.is_complete(), "it cannot know");
        assert_eq!(after.moving_shards(), 0, "nobody stood in the way");
        // Threads record while cuts go on without the barrier.
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|seed| {
                    let metrics = &metrics;
                    let rounds = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
                    let record =
                        move || conservation::record(metrics, &mut Random::new(100 + seed), rounds);
                    scope.spawn(record)
                })
                .collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                assert!(!engine.refresh().is_complete());
            }
            threads.into_iter().for_each(|thread| books.add(thread.join().unwrap()));
        });
        // Each cut reads one bank; what a cut without a barrier missed of the other is in the next one.
        engine.refresh();
        let last = engine.stop();
        assert!(!last.is_complete());
        books.check(&last);
        assert!(last.counter("tachometer_incomplete_cuts_total").unwrap() > 0);
        assert_eq!(barrier_mode(), Mode::Membarrier, "recording threads go on as they were told");
    });
}

/// Makes the system call fail with `error` on every thread of the process, now and later.
fn forbid_membarrier(error: i32) {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let number = 0; // offset of the system call's number in `struct seccomp_data`
    let call = libc::SYS_membarrier as u32;
    let mut filter = [
        statement((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, number),
        libc::sock_filter {
            jt: 0,
            jf: 1,
            ..statement((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, call)
        },
        statement(libc::BPF_RET as u16, libc::SECCOMP_RET_ERRNO | error as u32),
        statement(libc::BPF_RET as u16, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: gives up a privilege, nothing else.
    let bound = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: a valid program of four instructions, which the kernel copies.
    let filtered = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    assert_eq!(filtered, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: takes no pointers.
    let refused = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    assert_eq!((refused, std::io::Error::last_os_error().raw_os_error()), (-1, Some(error)));
}
