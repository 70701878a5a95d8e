//! The stream of events over TLS, a Unix socket, and in a host's own server.

use crate::events::{Event, Events, RULES, Stand};
use std::io::{Read, Write as _};

/// The events of a client that has connected: the changes when the level rises.
fn sees_the_alert(stand: &Stand, mut events: Events<impl Read>) {
    stand.step(1.0);
    assert_eq!(events.next().kind, "generation");
    stand.step(6.0);
    let states = |event: Event| event.data["to"].as_str().map(str::to_owned);
    assert_eq!(
        [states(events.next()), states(events.next())].map(Option::unwrap),
        ["pending", "firing"]
    );
    assert_eq!(events.next().kind, "generation");
}

#[test]
#[cfg(unix)]
fn a_unix_socket_carries_events() {
    let stand = Stand::new(RULES);
    let path = crate::tools::folder("events-socket").join("events.sock");
    let _listener = stand.builder().bind_unix(&stand.engine, &path).unwrap();
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    client.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    sees_the_alert(&stand, Events::of(client));
}

#[test]
#[cfg(feature = "tls")]
fn tls_carries_events() {
    use std::process::{Command, Stdio};
    if !crate::tools::is_here("openssl curl", "openssl curl") {
        return;
    }
    let stand = Stand::new(RULES);
    let (certificate, key) =
        crate::tools::certificate(&crate::tools::folder("events-tls"), "server");
    let builder = stand.builder().tls_pem_files(&certificate, &key);
    let listener = builder.bind(&stand.engine, "127.0.0.1:0").unwrap();
    let mut curl = Command::new("curl")
        .args(["--silent", "--no-buffer", "--include", "--max-time", "120", "--noproxy", "*"])
        .arg("--cacert")
        .arg(&certificate)
        .arg(format!("https://{}/api/v1/events", listener.local_addr()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    sees_the_alert(&stand, Events::of(curl.stdout.take().unwrap()));
    // It ends with the listener.
    drop(listener);
    assert!(curl.wait().is_ok());
}

#[test]
#[cfg(feature = "axum")]
fn a_router_has_events() {
    use std::net::TcpStream;
    let stand = Stand::new(RULES);
    let router = stand.builder().prefix("/in").router(&stand.engine).unwrap();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_io().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(listener, router).await });
    let open = |headers: &str| {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let request = format!("GET /in/api/v1/events HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        client.write_all(request.as_bytes()).unwrap();
        Events::of(client)
    };
    sees_the_alert(&stand, open(""));
    let mut again = open("Last-Event-ID: x\r\n");
    assert_eq!(again.next().kind, "missed");
    assert_eq!(again.next().data["to"], "pending");
    let post = crate::servers::ask(address, "POST", "/in/api/v1/events", "", b"").unwrap();
    assert_eq!(post.0, 405);
    let rules = crate::servers::ask(address, "GET", "/in/api/v1/rules", "", b"").unwrap();
    assert!(rules.0 == 200 && rules.1.contains("\"name\":\"High\""), "{}", rules.1);
}
