//! OTLP's two transports, as plain as they can be: one request, one answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// Posts a body; returns the status.
pub fn http(to: SocketAddr, content_type: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(to).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /v1/metrics HTTP/1.1\r\nHost: {to}\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no HTTP answer: {answer}"))
}

/// Calls `MetricsService/Export`; returns the status, which is zero for success.
pub fn grpc(to: SocketAddr, body: &[u8]) -> u32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(call(to, body))
}

async fn call(to: SocketAddr, body: &[u8]) -> u32 {
    const PATH: &str = "opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    let stream = tokio::net::TcpStream::connect(to).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{to}/{PATH}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (answer, mut stream) = client.ready().await.unwrap().send_request(request, false).unwrap();
    // Not compressed; the length.
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    message.extend_from_slice(body);
    stream.send_data(message.into(), true).unwrap();
    let (head, mut body) = answer.await.unwrap().into_parts();
    assert_eq!(head.status, 200);
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    // A call that fails at once has its status in the head.
    let trailers = body.trailers().await.unwrap().unwrap_or(head.headers);
    connection.abort();
    trailers["grpc-status"].to_str().unwrap().parse().unwrap()
}
