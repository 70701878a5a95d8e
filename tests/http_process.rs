//! The listener and the process it lives in: forks, and descriptors that run out. Tests here change
//! what all threads share, so they are a program of their own and take turns.
#![cfg(all(feature = "http", unix))]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;

use client::{Client, get};
use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tachometer::{Engine, Listener, ManualClock, Registry};

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets how many descriptors the process may have, and returns how many it might before.
fn limit_descriptors(most: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both only read or write the struct.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    let before = std::mem::replace(&mut limit.rlim_cur, most);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    before
}

fn serve() -> (Engine, Listener) {
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&Registry::new()).manual(&clock).start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    (engine, listener)
}

#[test]
fn a_forked_child_leaves_its_parents_listener_alone() {
    let _turn = turn();
    let (_engine, listener) = serve();
    let mut client = Client::connect(listener.local_addr());
    assert_eq!(client.get("/metrics").status, 200);
    // SAFETY: the child only drops the listener, which waits for no lock and allocates nothing, and
    // then ends without running anything else of the parent's.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(listener);
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    let mut status = -1;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_eq!(client.get("/metrics").status, 200);
    assert_eq!(get(listener.local_addr(), "/metrics").status, 200);
}

/// Processor time that the process takes while this thread sleeps.
fn busy_during(sleep: Duration) -> Duration {
    let used = || {
        let mut clock = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes the struct.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut clock) }, 0);
        Duration::new(clock.tv_sec as u64, clock.tv_nsec as u32)
    };
    let before = used();
    std::thread::sleep(sleep);
    used() - before
}

#[test]
fn without_descriptors_new_connections_wait_and_open_ones_go_on() {
    let _turn = turn();
    let (_engine, listener) = serve();
    let mut open = Client::connect(listener.local_addr());
    assert_eq!(open.get("/metrics").status, 200);

    let most = limit_descriptors(256);
    let mut all = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        all.push(file);
    }
    drop(all.pop());
    // Takes the last descriptor; there is none for the listener's end.
    let mut waiting = Client::connect(listener.local_addr());
    waiting.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    for _ in 0..10 {
        assert_eq!(open.get("/metrics").status, 200);
        std::thread::sleep(Duration::from_millis(20));
    }
    let busy = busy_during(Duration::from_secs(1));
    assert!(busy < Duration::from_millis(300), "it tries again and again: {busy:?}");
    drop(all);
    limit_descriptors(most);
    assert_eq!(waiting.answer().status, 200);
}

#[test]
fn an_idle_listener_sleeps() {
    let _turn = turn();
    let (_engine, listener) = serve();
    let mut clients: Vec<_> = (0..50).map(|_| Client::connect(listener.local_addr())).collect();
    clients[..20].iter_mut().for_each(|client| client.send("GET / HT"));
    clients[20..40].iter_mut().for_each(|client| drop(client.get("/metrics")));
    // Told to go, and not gone yet.
    clients[40..].iter_mut().for_each(|client| client.send("?\r\n\r\n"));
    let busy = busy_during(Duration::from_millis(500));
    assert!(busy < Duration::from_millis(150), "{busy:?}");
}
