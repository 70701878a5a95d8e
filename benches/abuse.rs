//! What a record costs while the listener is abused: nanoseconds of the recording thread's own processor time, so that what
//! other threads take from the machine does not count, only what they do to this one.
//!
//! Each kind of abuse is measured in turns with rest, and the ratio of each pair is taken.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tachometer::{Counter, Engine, Histogram, Listener, Registry, Unit};

/// Turns of rest and abuse, each.
const TURNS: usize = 15;
/// Records in a turn.
const RECORDS: u64 = 40_000_000;

/// Processor time of this thread.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours, and the clock is one that every thread has.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Nanoseconds for a record, one in four of them of the histogram.
fn record(counters: &[Counter], latency: &Histogram) -> f64 {
    let began = processor_time();
    let mut value = 1_u64;
    for at in 0..RECORDS / 4 {
        let from = (at as usize * 3) % (counters.len() - 3);
        counters[from].inc();
        counters[from + 1].inc();
        counters[from + 2].inc();
        value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        latency.record(1_000 + (value >> 48));
    }
    (processor_time() - began).as_nanos() as f64 / RECORDS as f64
}

/// One step of an abuse.
fn abuse(kind: &str, step: usize, address: SocketAddr, state: &mut Vec<TcpStream>) {
    let connect = || TcpStream::connect(address);
    match kind {
        "1,000 clients, a byte a second" => {
            if state.len() < 1_000 {
                let Ok(client) = connect() else { return };
                let _ = client.set_nonblocking(true);
                return state.push(client);
            }
            let request = b"GET /metrics HTTP/1.1\r\nHost: slow\r\n\r\n";
            let Some(client) = state.get_mut(step % 1_000) else { return };
            // Whoever was told to go comes again.
            if client.write(&request[step / 1_000 % request.len()..][..1]).is_err()
                && let Ok(again) = connect()
            {
                let _ = again.set_nonblocking(true);
                *client = again;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        "garbage" => {
            let _ = connect().and_then(|mut client| client.write_all(&[0xA5; 65_536]));
        }
        "huge headers" => {
            let head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
            let _ = connect().and_then(|mut client| client.write_all(head.as_bytes()));
        }
        "requests cut off" => {
            let _ =
                connect().and_then(|mut client| client.write_all(b"GET /metrics HTTP/1.1\r\nHo"));
        }
        "scrapes in a row" => {
            let Ok(mut client) = connect() else { return };
            let request = b"GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
            let _ = client.write_all(request).and_then(|()| client.read_to_end(&mut Vec::new()));
        }
        other => unreachable!("{other}"),
    }
}

fn main() {
    let registry = Registry::new();
    let counter = |at| registry.counter(&format!("events_{at}_total"), "Events.").expect("fresh");
    let counters: Vec<Counter> = (0..64).map(counter).collect();
    let metric = registry.metric("wait_seconds", "Waits.").unit(Unit::Nanoseconds);
    let latency = metric.histogram().expect("fresh");
    let engine = Engine::builder().registry(&registry).start().expect("a fresh registry");
    let listener = Listener::bind(&engine, "127.0.0.1:0").expect("a port");
    let address = listener.local_addr();
    record(&counters, &latency);

    println!("| abuse | steps | ns a record at rest | under abuse | ratio, median (quartiles) |");
    println!("|---|---:|---:|---:|---:|");
    let kinds = [
        "1,000 clients, a byte a second",
        "garbage",
        "huge headers",
        "requests cut off",
        "scrapes in a row",
    ];
    for kind in kinds {
        let (going, steps) = (AtomicBool::new(false), AtomicU64::new(0));
        let over = AtomicBool::new(false);
        let mut turns = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut state = Vec::new();
                // Relaxed: both say when, and carry nothing.
                while !over.load(Ordering::Relaxed) {
                    if going.load(Ordering::Relaxed) {
                        let step = steps.fetch_add(1, Ordering::Relaxed);
                        abuse(kind, step as usize, address, &mut state);
                    } else {
                        state.clear();
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            });
            for _ in 0..TURNS {
                let rest = record(&counters, &latency);
                going.store(true, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(100));
                turns.push((rest, record(&counters, &latency)));
                going.store(false, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(100));
            }
            over.store(true, Ordering::Relaxed);
        });
        let of = |pick: fn(&(f64, f64)) -> f64, at: f64| {
            let mut all: Vec<f64> = turns.iter().map(pick).collect();
            all.sort_by(f64::total_cmp);
            all[((all.len() - 1) as f64 * at).round() as usize]
        };
        let ratio = |at| of(|turn| turn.1 / turn.0, at);
        println!(
            "| {kind} | {} | {:.2} | {:.2} | {:.3} ({:.3} to {:.3}) |",
            steps.load(Ordering::Relaxed),
            of(|turn| turn.0, 0.5),
            of(|turn| turn.1, 0.5),
            ratio(0.5),
            ratio(0.25),
            ratio(0.75),
        );
    }
    drop(listener);
    engine.stop();
}
