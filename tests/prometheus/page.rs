//! A server with one page, for a Prometheus to scrape.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tachometer::{Encoder, Snapshot};

/// Answers every request with what `encoder` makes of the next snapshot, until it is dropped.
pub struct Page {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    pub fn of(
        mut encoder: impl Encoder + 'static,
        mut next: impl FnMut() -> Arc<Snapshot> + Send + 'static,
    ) -> Page {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A scraper that hangs up is no failure of the test.
                let _ = stream.and_then(|stream| answer(stream, &mut encoder, &mut next));
            }
        });
        Page { address, stop, thread: Some(thread) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

fn answer(
    mut stream: TcpStream,
    encoder: &mut impl Encoder,
    next: &mut impl FnMut() -> Arc<Snapshot>,
) -> std::io::Result<()> {
    let (mut request, mut more) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut more)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&more[..read]),
        }
    }
    let page = encoder.to_vec(&next());
    let kind = encoder.content_type();
    let length = page.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&page)
}
