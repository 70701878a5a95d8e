//! A gRPC server that does what a test tells it, and remembers what it was asked.

use h2::Reason;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;

/// A call, and when it was whole.
#[derive(Clone, Debug)]
pub struct Call {
    pub head: Request<()>,
    /// As it came, with its prefix.
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        let value = self.head.headers().get(name);
        value.unwrap_or_else(|| panic!("no {name} in {:?}", self.head)).to_str().unwrap()
    }

    /// The message, which was not packed.
    pub fn message(&self) -> &[u8] {
        let (prefix, message) = self.body.split_at(5);
        assert_eq!(prefix[0], 0);
        assert_eq!(prefix[1..], u32::try_from(message.len()).unwrap().to_be_bytes());
        message
    }
}

pub type Fields = Vec<(&'static str, String)>;

/// What a call is answered with.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A message, and the status OK behind it.
    Taken(Vec<u8>),
    /// These, behind an answer without a message.
    Trailers(Fields),
    /// These, at once, before the call is read, and nothing else.
    AtOnce(Fields),
    /// A status of HTTP, and headers.
    Http(u16, Fields),
    /// A message, and nothing behind it.
    NoTrailers,
    /// Zeros without end.
    Endless,
    Reset(Reason),
    GoAway(Reason),
    Silence,
}

pub fn status(code: u32) -> Fields {
    vec![("grpc-status", code.to_string()), ("grpc-message", "so%20it%20is".to_owned())]
}

type Script = dyn Fn(usize) -> Reply + Send + Sync;

/// Ends with the value.
pub struct Server {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    _runtime: Runtime,
}

impl Server {
    /// Answers each call, from number zero on, with what `script` says; inside TLS, if there is a configuration for that.
    pub fn start(
        tls: Option<Arc<rustls::ServerConfig>>,
        script: impl Fn(usize) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let (all, script): (_, Arc<Script>) = (calls.clone(), Arc::new(script));
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (all, script, tls) = (all.clone(), script.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, all, script).await,
                        Some(config) => {
                            let acceptor = tokio_rustls::TlsAcceptor::from(config);
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, all, script).await;
                            }
                        }
                    }
                });
            }
        });
        Server { address, calls, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    all: Arc<Mutex<Vec<Call>>>,
    script: Arc<Script>,
) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        let number = {
            let mut all = all.lock().unwrap();
            let head = Request::from_parts(head, ());
            all.push(Call { head, body: Vec::new(), at: Instant::now() });
            all.len() - 1
        };
        let reply = script(number);
        if let Reply::GoAway(reason) = reply {
            connection.abrupt_shutdown(reason);
            continue;
        }
        tokio::spawn(answer(all.clone(), number, body, respond, reply));
    }
}

async fn answer(
    all: Arc<Mutex<Vec<Call>>>,
    number: usize,
    mut body: h2::RecvStream,
    mut respond: SendResponse<bytes::Bytes>,
    reply: Reply,
) {
    if let Reply::AtOnce(fields) = reply {
        let mut head = grpc_head();
        head.headers_mut().extend(map(fields));
        let _ = respond.send_response(head, true);
        return;
    }
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        all.lock().unwrap()[number].body.extend_from_slice(&piece);
    }
    all.lock().unwrap()[number].at = Instant::now();
    if let Reply::Reset(reason) = reply {
        return respond.send_reset(reason);
    }
    let mut head = grpc_head();
    if let Reply::Http(status, fields) = &reply {
        head = Response::new(());
        *head.status_mut() = (*status).try_into().unwrap();
        head.headers_mut().extend(map(fields.clone()));
    }
    if let Reply::Silence = reply {
        return std::future::pending().await;
    }
    // Fails if the caller has gone.
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    match reply {
        Reply::Taken(message) => {
            let _ = stream.send_data(framed(&message).into(), false);
            let _ = stream.send_trailers(map(vec![("grpc-status", "0".to_owned())]));
        }
        Reply::Trailers(fields) => {
            let _ = stream.send_trailers(map(fields));
        }
        Reply::Http(..) => {
            let _ = stream.send_data(b"<html>".to_vec().into(), true);
        }
        Reply::NoTrailers => {
            let _ = stream.send_data(framed(b"").into(), true);
        }
        Reply::Endless => loop {
            stream.reserve_capacity(1 << 14);
            let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
            let Some(Ok(room)) = room else { return };
            if stream.send_data(vec![0; room].into(), false).is_err() {
                return;
            }
        },
        Reply::AtOnce(_) | Reply::GoAway(_) | Reply::Reset(_) | Reply::Silence => {
            unreachable!("answered before")
        }
    }
}

fn grpc_head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

pub fn framed(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &len, message].concat()
}

fn map(fields: Fields) -> HeaderMap {
    let field = |(name, value): (&'static str, String)| {
        (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap())
    };
    fields.into_iter().map(field).collect()
}

/// Takes connections in TLS and hands on, in the open, to `to` what is in them.
pub fn proxy(config: Arc<rustls::ServerConfig>, to: SocketAddr) -> (Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut from) = acceptor.accept(stream).await else { return };
                let mut to = tokio::net::TcpStream::connect(to).await.unwrap();
                // Fails when one of them ends without a word.
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    (runtime, address)
}
