//! `tacho config` and `tacho raft --config` as an operator uses them: what a file sets arrives, what
//! is wrong with it is told with file, line and key, and its secrets are in nothing that is printed
//! or served.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Part of every secret here.
const SECRET: &str = "hunter2";

fn tacho(line: &str, file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacho"));
    command.args(line.split_whitespace()).arg(file);
    command
}

/// Status and all that was printed, in which there is no secret.
fn run(mut command: Command) -> (Output, String) {
    let output = command.output().expect("the command runs");
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    let printed = String::from_utf8(printed).expect("text");
    assert!(!printed.contains(SECRET), "{printed}");
    (output, printed)
}

/// A server that takes what it is sent, for ever, and passes on the heads of requests.
fn server() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let (heads, received) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut text, mut piece) = (Vec::new(), [0; 4096]);
            let (head, length) = loop {
                let read = stream.read(&mut piece).expect("a request");
                text.extend_from_slice(&piece[..read]);
                let Some(end) = text.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                    assert!(read > 0, "a request has a head");
                    continue;
                };
                let head = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.expect("a length").parse().expect("a number");
                break (head, end + 4 + length);
            };
            while text.len() < length {
                let read = stream.read(&mut piece).expect("a body");
                text.extend_from_slice(&piece[..read]);
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("it is answered");
            // Nobody may wait for it any more.
            let _ = heads.send(head);
        }
    });
    (url, received)
}

#[test]
fn a_file_is_checked_with_what_it_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tacho.toml");
    let password = folder.path().join("password");
    let text = format!(
        "[engine]\ninterval = \"2s\"\nlabels = {{ node = \"n1\" }}\n\
         [recording]\nsample_every = 16\nprecision = {{ \"raft_*\" = 1 }}\n\
         [listener]\nprefix = \"/internal\"\nbearer_tokens = [\"{SECRET}-token\"]\n\
         allow = [\"127.0.0.0/8\"]\n\
         [listener.users]\nann = {{ file = {password:?} }}\n\
         [targets.store]\ntype = \"victoria-metrics\"\nurl = \"http://store:8428?k={SECRET}\"\n\
         bearer_token = {{ env = \"TACHO_TEST_STORE_TOKEN\" }}\n"
    );
    std::fs::write(&file, &text).expect("the file is written");
    std::fs::write(&password, format!("{SECRET}\n")).expect("the file is written");
    let check = |environment: &[(&str, &str)]| {
        let mut command = tacho("config check", &file);
        command.envs(environment.iter().copied());
        run(command)
    };
    let token = ("TACHO_TEST_STORE_TOKEN", "hunter2-store");
    let (output, printed) = check(&[token]);
    assert!(output.status.success(), "{printed}");
    let wanted = [
        "tacho.toml is valid",
        "engine: a snapshot every 2s, node=\"n1\"",
        "recording: 2 significant figures, 1 for raft_*; 1000 series a family; one event in 16",
        "listener: http://127.0.0.1:9464/internal/metrics; for the user ann, whose password is in the file",
        "for a token that is in the configuration; from 127.0.0.0/8",
        "push: the last flush takes at most 5s",
        "target store: victoria-metrics at http://store:8428?********, every 10s, token in the variable TACHO_TEST_STORE_TOKEN",
    ];
    for wanted in wanted {
        assert!(printed.contains(wanted), "{wanted} in {printed}");
    }
    let (_, printed) = check(&[token, ("TACHOMETER_ENGINE_INTERVAL", "3s")]);
    assert!(printed.contains("a snapshot every 3s"), "{printed}");
    assert!(
        printed.contains("overridden by the environment: TACHOMETER_ENGINE_INTERVAL"),
        "{printed}"
    );

    let fails = |environment: &[(&str, &str)], wanted: &str| {
        let (output, printed) = check(environment);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.contains(wanted), "{wanted} in {printed}");
        assert!(!printed.contains("is valid") && !printed.contains("panicked"), "{printed}");
    };
    fails(
        &[],
        "tacho.toml, line 16, column 1: `targets.store.bearer_token`: no secret in the variable",
    );
    fails(
        &[token, ("TACHOMETER_TARGETS_STORE_JOB", SECRET)],
        "the variable TACHOMETER_TARGETS_STORE_JOB",
    );
    fails(
        &[token, ("TACHOMETER_LISTENER_USERS", SECRET)],
        "the variable TACHOMETER_LISTENER_USERS",
    );
    std::fs::remove_file(&password).expect("the file is there");
    fails(&[token], "tacho.toml, line 12, column 1: `listener.users.ann`: no secret in the file");
    std::fs::write(&password, "").expect("the file is written");
    fails(&[token], "is empty");
    std::fs::write(&file, text.replace("[engine]", "[engine")).expect("the file is written");
    fails(&[token], "tacho.toml, line 1");
    let text =
        format!("{text}[listener.tls]\ncertificate = \"/no/such.crt\"\nkey = \"/no/such.key\"\n");
    std::fs::write(&file, text).expect("the file is written");
    std::fs::write(&password, SECRET).expect("the file is written");
    fails(
        &[token],
        "line 17, column 11: `listener.tls`: cannot read the TLS certificate /no/such.crt",
    );
}

#[test]
fn a_run_does_what_its_file_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tacho.toml");
    let socket = folder.path().join("metrics.sock");
    let (url, heads) = server();
    let text = format!(
        "[engine]\ninterval = \"100ms\"\n\
         [recording]\nsample_every = 1\ndefault_precision = 1\n\
         [listener]\naddress = \"unix:{}\"\nprefix = \"/internal\"\nbearer_tokens = [\"{SECRET}-page\"]\n\
         [targets.store]\ntype = \"http\"\nurl = \"{url}/pages\"\nformat = \"text\"\ninterval = \"100ms\"\n\
         bearer_token = \"{SECRET}-store\"\n",
        socket.display()
    );
    std::fs::write(&file, text).expect("the file is written");
    let mut command = tacho("raft --clients 4 --log memory --for 3s --json --config", &file);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the command runs");

    let head = heads.recv_timeout(Duration::from_secs(60)).expect("a push");
    assert!(head.starts_with("post /pages http/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {SECRET}-store")), "{head}");
    let ask = |path: &str, token: &str| {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).expect("it listens");
        let request = format!("GET {path} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(!answer.contains(SECRET), "{answer}");
        answer
    };
    assert!(ask("/internal/metrics", "guess").starts_with("HTTP/1.1 401"));
    let token = format!("{SECRET}-page");
    let page = ask("/internal/metrics", &token);
    assert!(
        page.contains("tachometer_push_sent_total{") && page.contains("target=\"store\""),
        "{page}"
    );
    assert!(ask("/internal/stats", &token).contains("\"authentication\""));

    let output = child.wait_with_output().expect("it ends");
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{err}");
    assert!(!out.contains(SECRET) && !err.contains(SECRET), "{out}{err}");
    assert!(
        err.contains(&format!("metrics at /internal/metrics on the socket {}", socket.display())),
        "{err}"
    );
    let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let facts = summary["engine"].as_array().expect("facts");
    let pushed = facts.iter().find(|fact| fact["name"] == "pushed to store").expect("a target");
    assert!(pushed["value"].as_str().is_some_and(|value| value.ends_with(" sent")), "{pushed}");
    // Each command is timed, so none that was acknowledged is missing.
    let rows = summary["distributions"].as_array().expect("rows");
    let commit =
        rows.iter().find(|row| row["name"] == "proposal to commit, sampled").expect("a row");
    assert!(commit["count"].as_u64() >= summary["acknowledged"].as_u64(), "{summary}");
    assert!(!socket.exists());
}

#[test]
fn a_flag_says_where_and_the_file_says_how() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tacho.toml");
    let text = format!("[listener]\nenabled = false\nbearer_tokens = [\"{SECRET}\"]\n");
    std::fs::write(&file, text).expect("the file is written");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let line = format!("raft --clients 4 --log memory --for 3s --listen {free} --config");
    let mut command = tacho(&line, &file);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the command runs");
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut stream = loop {
        match TcpStream::connect(free) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(child.wait().expect("it ends").success());
}
