//! `tacho query` as a user runs it, against a listener with a history in this process.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tachometer::query::Settings;
use tachometer::{Engine, History, Listener, ListenerBuilder, ManualClock, Registry, Unit};

const BEGAN: u64 = 1_700_000_000;
const NOW: u64 = BEGAN + 300;

/// Five minutes of a history, and where it can be asked.
struct Stand {
    _engine: Engine,
    listener: Listener,
}

impl Stand {
    fn new(builder: impl FnOnce(ListenerBuilder) -> ListenerBuilder) -> Stand {
        Stand::at(builder, |builder, engine| builder.bind(engine, "127.0.0.1:0").expect("a port"))
    }

    fn at(
        builder: impl FnOnce(ListenerBuilder) -> ListenerBuilder,
        bind: impl FnOnce(ListenerBuilder, &Engine) -> Listener,
    ) -> Stand {
        let registry = Registry::new();
        let commits = |node: &str| {
            let metric =
                registry.metric("commits_total", "Commits.").label("node", node.to_owned());
            metric.counter().expect("a counter")
        };
        let (one, two) = (commits("n1"), commits("node 2"));
        let wait = registry.metric("wait_seconds", "Wait.").unit(Unit::Nanoseconds);
        let wait = wait.histogram().expect("a histogram");
        let clock = ManualClock::at(Duration::from_secs(BEGAN));
        let engine = Engine::builder().registry(&registry).manual(&clock).own_metrics(false);
        let engine = engine.start().expect("its own registry");
        let history = History::builder().start(&engine).expect("default settings");
        for second in 0..300 {
            one.add(2);
            two.add(second / 150 * 4);
            wait.record(1_000_000);
            clock.advance(Duration::from_secs(1));
            engine.refresh();
        }
        let settings = Settings { clock: Arc::new(clock), ..Settings::default() };
        let builder = builder(Listener::builder().query(Arc::new(history), settings));
        let listener = bind(builder, &engine);
        Stand { _engine: engine, listener }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr())
    }
}

fn tacho(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacho"));
    command.arg("query").args(arguments).env_remove("TACHO_TOKEN");
    command
}

/// Exit code, output and error output.
fn run(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

fn folder(name: &str) -> PathBuf {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

#[test]
fn series_are_shown_in_rows() {
    let stand = Stand::new(|builder| builder);
    let url = stand.url();
    let ask = |expression: &str, at: &str| {
        let (code, out, err) = run(tacho(&[expression, "--url", &url, "--at", at]));
        assert_eq!((code, &*err), (0, ""), "{expression}: {out}");
        out
    };
    // Two and a half seconds after the last generation.
    let out = ask("commits_total", &format!("{}.5", NOW + 2));
    let wanted = "SERIES                        VALUE     AGE\n\
                  commits_total{node=\"n1\"}        600  2.50 s\n\
                  commits_total{node=\"node 2\"}    600  2.50 s\n";
    let mut lines: Vec<_> = out.lines().collect();
    lines[1..].sort_unstable();
    assert_eq!(lines.join("\n") + "\n", wanted);
    let now = NOW.to_string();
    let out = ask("sum(rate(commits_total[1m]))", &now);
    assert_eq!(out, "SERIES  VALUE\n{}          6\n");
    assert_eq!(ask("scalar(sum(commits_total)) / 7", &now), "171.429\n");
    assert_eq!(ask("\"a text\"", &now), "a text\n");
    assert!(ask("nothing", &now).contains("no series have this at 2023-11-14T22:18:20"));
    let out = ask("histogram_quantile(0.5, rate(wait_seconds[1m]))", &now);
    assert!(out.contains("0.00100"), "{out}");
    assert!(ask("wait_seconds", &now).contains("count 300, sum 0.3, p50 0.00"), "{out}");
    // A moment can be said in two ways.
    assert_eq!(ask("sum(commits_total)", "2023-11-14T22:18:20Z"), ask("sum(commits_total)", &now));
}

#[test]
fn ranges_are_shown_as_bars() {
    let stand = Stand::new(|builder| builder);
    let (url, now) = (stand.url(), NOW.to_string());
    let ask = |arguments: &[&str]| {
        let line = [&["rate(commits_total[30s])", "--url", &url, "--at", &now], arguments].concat();
        let (code, out, err) = run(tacho(&line));
        assert_eq!((code, &*err), (0, ""), "{out}");
        out
    };
    let out = ask(&["--range", "4m", "--step", "30s"]);
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].contains("FIRST") && lines[0].contains("POINTS"), "{out}");
    assert!(lines[1].contains("node=\"n1\"") && lines[1].contains(" 9  ▄▄▄▄▄▄▄▄▄"), "{out}");
    assert!(lines[2].contains("node=\"node 2\"") && lines[2].contains("  0 "), "{out}");
    assert!(lines[2].contains('▁') && lines[2].ends_with("████"), "{out}");
    // Sixty steps, unless it is told.
    assert!(ask(&["--range", "1m"]).contains(" 61  "));
    let json = ask(&["--range", "4m", "--step", "30s", "--json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["resultType"], "matrix");
    assert_eq!(json["result"][0]["values"].as_array().expect("values").len(), 9);
    assert_eq!(json["result"][0]["values"][8][0].as_f64(), Some(NOW as f64));
}

#[test]
fn answers_can_be_json() {
    let stand = Stand::new(|builder| builder);
    let (url, now) = (stand.url(), NOW.to_string());
    for (expression, kind) in [
        ("commits_total", "vector"),
        ("1/0", "scalar"),
        ("\"a\"", "string"),
        ("wait_seconds", "vector"),
    ] {
        let (code, out, _) = run(tacho(&[expression, "--url", &url, "--at", &now, "--json"]));
        assert_eq!(code, 0, "{out}");
        let json: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(json["resultType"], kind, "{out}");
    }
    let (_, out, _) = run(tacho(&["commits_total", "--url", &url, "--at", &now, "--json"]));
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["result"][0]["value"][1], "600");
    assert_eq!(json["result"][0]["metric"]["__name__"], "commits_total");
}

#[test]
fn what_goes_wrong_is_said_with_what_to_do() {
    let stand = Stand::new(|builder| builder);
    let url = stand.url();
    let (code, out, err) = run(tacho(&["sum(rate(commits_total[5m])", "--url", &url]));
    assert_eq!((code, &*out), (1, ""), "{err}");
    assert!(
        err.contains("  sum(rate(commits_total[5m])\n                             ^\n"),
        "{err}"
    );
    let (code, _, err) = run(tacho(&[
        "label_replace(commits_total, \"0\", \"\", \"\", \"\")",
        "--url",
        &url,
        "--at",
        &NOW.to_string(),
    ]));
    assert!(code == 1 && !err.contains('^') && err.len() > 10, "{err}");

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let (code, _, err) =
        run(tacho(&["up", "--url", &format!("http://{address}"), "--timeout", "300ms"]));
    assert!(code == 1 && err.contains("300ms") && err.contains("--timeout"), "{err}");
    drop(taken);
    let (code, _, err) = run(tacho(&["up", "--url", &format!("http://{address}")]));
    assert!(code == 1 && err.contains(&address.to_string()) && err.contains("--url"), "{err}");

    let engine = Engine::builder().registry(&Registry::new()).start().expect("an engine");
    let plain = Listener::bind(&engine, "127.0.0.1:0").expect("a port");
    let (code, _, err) = run(tacho(&["up", "--url", &format!("http://{}", plain.local_addr())]));
    assert!(code == 1 && err.contains("history"), "{err}");
    assert!(!err.contains("panicked") && !err.contains("backtrace"), "{err}");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for (arguments, word) in [
        (&[][..], "EXPR"),
        (&["up", "--url", "nowhere"], "http://"),
        (&["up", "--url", "http://user:password@a"], "--url"),
        (&["up", "--at", "yesterday"], "--at"),
        (&["up", "--at", "1e99"], "--at"),
        (&["up", "--range", "0s"], "--range"),
        (&["up", "--range", "200years"], "--range"),
        (&["up", "--step", "15s"], "--range"),
        (&["up", "--timeout", "soon"], "--timeout"),
    ] {
        let (code, out, err) = run(tacho(arguments));
        assert_eq!((code, &*out), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(word), "{arguments:?}: {err}");
    }
}

#[test]
fn a_token_opens_a_closed_listener() {
    let stand = Stand::new(|builder| builder.bearer_token("s3cret"));
    let (url, now) = (stand.url(), NOW.to_string());
    let line = ["sum(commits_total)", "--url", &url, "--at", &now];
    let (code, _, err) = run(tacho(&line));
    assert!(code == 1 && err.contains("--token-file") && err.contains("TACHO_TOKEN"), "{err}");
    let mut command = tacho(&line);
    command.env("TACHO_TOKEN", "s3cret");
    assert_eq!(run(command).0, 0);
    let folder = folder("query-token");
    let file = folder.join("token");
    std::fs::write(&file, "s3cret\n").expect("the file is written");
    let mut command = tacho(&line);
    command.arg("--token-file").arg(&file).env("TACHO_TOKEN", "another");
    assert_eq!(run(command).0, 0);
    let mut command = tacho(&line);
    command.arg("--token-file").arg(folder.join("none"));
    let (code, _, err) = run(command);
    assert!(code == 1 && err.contains("none") && !err.contains("s3cret"), "{err}");
    std::fs::remove_dir_all(&folder).expect("the folder is removed");
}

#[test]
fn a_socket_in_the_file_system_can_be_asked() {
    let folder = folder("query-socket");
    let path = folder.join("t.sock");
    let bind = |builder: ListenerBuilder, engine: &Engine| {
        builder.bind_unix(engine, &path).expect("a socket")
    };
    let _stand = Stand::at(|builder| builder, bind);
    let url = format!("unix:{}", path.display());
    let (code, out, err) =
        run(tacho(&["sum(commits_total)", "--url", &url, "--at", &NOW.to_string()]));
    assert!(code == 0 && out.contains("1200"), "{out}{err}");
    std::fs::remove_dir_all(&folder).expect("the folder is removed");
}
