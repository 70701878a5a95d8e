//! Sources that an operator sets.

use crate::common::loopback::wait_until;
use crate::fake::{Fake, say};
use tachometer::config::Config;
use tachometer::{Engine, Registry};

fn error(text: &str) -> String {
    Config::parse(text).expect_err(text).to_string()
}

#[test]
fn what_cannot_be_is_told_with_its_line_and_key() {
    let json = "[sources.a]\ntype = \"json\"\nurl = \"http://h/\"\n";
    for (text, said) in [
        ("[sources.a]\nurl = \"http://h/\"", "`type`"),
        ("[sources.a]\ntype = \"hosts\"", "`host`"),
        ("[sources.a]\ntype = \"page\"", "no `url`"),
        ("[sources.a]\ntype = \"host\"\nurl = \"http://h/\"", "does not have it"),
        ("[sources.a]\ntype = \"page\"\nurl = \"h\"", "scheme"),
        ("[sources.a]\ntype = \"page\"\nurl = \"http://h/\"\nuser = \"u\"", "`password`"),
        ("[sources.a]\ntype = \"command\"\ncommand = [\"echo\"]", "absolute"),
        ("[sources.a]\ntype = \"host\"\ninterval = \"0s\"", "below"),
        ("[sources.a]\ntype = \"host\"\nlabels = { \"a b\" = \"c\" }", "a b"),
        (json, "no `metrics`"),
        (&format!("{json}[sources.a.metrics.x]\npath = \"a[\""), "no ]"),
        (&format!("{json}[sources.a.metrics.x]\npath = \"a\"\nscale = 0.0"), "scale"),
        (&format!("{json}[sources.a.metrics.x]\npaht = \"a\""), "unknown field `paht`"),
    ] {
        let said_then = error(text);
        assert!(said_then.contains(said), "{text}\n{said_then}");
        assert!(said_then.contains("line "), "{text}\n{said_then}");
    }
}

#[test]
fn sources_of_a_configuration_run() {
    let fake = Fake::answering("127.0.0.1:0", |_, stream| {
        say(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{\"x\": [{\"y\": \"25\"}]}",
        );
    });
    let text = format!(
        "[sources.machine]\ntype = \"host\"\nnode_id = \"n1\"\ninterval = \"100ms\"\n\
         [sources.api]\ntype = \"json\"\nurl = \"http://{}/status?key=hunter2\"\nbearer_token = \"hunter3\"\n\
         [sources.api.metrics.y_seconds]\npath = \"x[*].y\"\nscale = 0.001\nlabel_paths = {{ at = \"x[*]\" }}\n\
         [sources.api.labels]\nzone = \"b\"\n\
         [sources.said]\ntype = \"command\"\ncommand = [\"/bin/echo\", \"said 3\"]\nsource_label = false\n",
        fake.address
    );
    let config = Config::parse(&text).unwrap();
    let said = format!("{} {config:?}", config.description());
    assert!(!said.contains("hunter"), "{said}");
    assert!(
        said.contains("source machine: host, every 100ms")
            && said.contains("source said: command /bin/echo")
    );
    let engine = Engine::builder().registry(&Registry::new()).start().unwrap();
    let sources = config.sources().unwrap().unwrap().start(&engine).unwrap();
    assert_eq!(sources.names(), ["api", "machine", "said"]);
    let labels = [("at", "0"), ("source", "api"), ("zone", "b")];
    wait_until("the series of all three", || {
        let now = engine.refresh();
        now.gauge_with("y_seconds", &labels) == Ok(0.025)
            && now.gauge_with("node_memory_usage", &[("node_id", "n1")]).is_ok()
            && now.gauge("said") == Ok(3.0)
    });
    assert!(Config::parse("").unwrap().sources().unwrap().is_none());
}
