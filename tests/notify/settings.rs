//! Settings that are wrong are refused with what would be right, and nothing secret.

use crate::node::node;
use std::time::Duration;
use tachometer::limits::MAX_NOTIFY_ENDPOINTS;
use tachometer::notify::{Alertmanager, Callback, Handler, Log, Webhook};

#[test]
fn wrong_ones_are_refused() {
    let node = node();
    let refused = |handler: Handler, words: &[&str]| {
        let error = node.notifier().handler("pager", handler).start().unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error}: {word}");
        }
        assert!(!error.contains("hunter2") && error.contains("handler \"pager\""), "{error}");
    };
    let url = "http://h/hunter2";
    refused(Webhook::new("hunter2").into(), &["scheme"]);
    refused(Webhook::new("http://user:hunter2@h/").into(), &["credentials"]);
    refused(Webhook::new(url).header("a b", "hunter2").into(), &["header", "name"]);
    refused(Webhook::new(url).header("a", "hunter2\n").into(), &["value of a"]);
    refused(Webhook::new(url).ca_file("/ca").into(), &["ca_file", "https"]);
    refused(Webhook::new(url).queue(0).into(), &["queue"]);
    refused(Webhook::new(url).time_limit(Duration::ZERO).into(), &["time_limit"]);
    refused(Log::new().retry(Duration::ZERO, Duration::MAX).into(), &["retry"]);
    let shrinking = Callback::new(|_| ()).retry(Duration::from_secs(2), Duration::from_secs(1));
    refused(shrinking.into(), &["longest"]);
    refused(Alertmanager::new(Vec::<String>::new()).into(), &["urls", "none"]);
    refused(Alertmanager::new(["http://h?key=hunter2"]).into(), &["query"]);
    refused(Alertmanager::new(["http://h/a", "http://h/b"]).into(), &["twice"]);
    let hasty = Alertmanager::new(["http://h"]).resend_delay(Duration::from_nanos(1));
    refused(hasty.into(), &["resend_delay"]);
    #[cfg(feature = "tls")]
    refused(Webhook::new("https://h/").ca_file("/no/such/ca.pem").into(), &["/no/such/ca.pem"]);

    let none = node.notifier().start().unwrap_err().to_string();
    assert!(none.contains("add one"), "{none}");
    let twice = node.notifier().handler("a", Log::new()).handler("a", Log::new());
    assert!(twice.start().unwrap_err().to_string().contains("twice"));
    let urls = (0..=MAX_NOTIFY_ENDPOINTS).map(|host| format!("http://h{host}"));
    let many = node.notifier().handler("am", Alertmanager::new(urls)).start().unwrap_err();
    assert!(many.to_string().contains("endpoints"), "{many}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let hook = Webhook::new("http://h/hunter2?key=hunter2").basic_auth("user", "hunter2");
    let oncall = Alertmanager::new(["http://h"]).bearer_token("hunter2");
    let shown = format!("{hook:?} {oncall:?}");
    let builder = node().notifier().handler("a", hook).handler("b", oncall);
    let shown = format!("{shown} {builder:?}");
    let notifier = builder.start().unwrap();
    let shown = format!("{shown} {notifier:?} {:?}", notifier.status());
    assert!(!shown.contains("hunter2"), "{shown}");
    // `user:hunter2` in base 64.
    assert!(!shown.contains("dXNlcjpodW50ZXIy"), "{shown}");
}
