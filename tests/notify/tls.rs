//! `https://`, to a real Alertmanager that wants a name and a password.

use crate::alertmanager::{alertmanager_with, is_here, message, now};
use crate::authority::{Authority, NOW};
use crate::common::loopback::{PATIENCE, free_address, wait_until};
use crate::fake::Fake;
use crate::node::node;
use crate::servers;
use std::path::Path;
use std::time::Duration;
use tachometer::notify::Alertmanager;

const MS: Duration = Duration::from_millis(1);

#[test]
fn it_is_trusted_and_trusts() {
    if !is_here() || !servers::is_here("openssl", "openssl") {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("notify-tls-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let authority = Authority::new(&folder, "ca");
    let other = Authority::new(&folder, "other");
    let identity = authority.issue("server", "IP:127.0.0.1", NOW);
    let web = folder.join("web.yml");
    // The password is hunter2.
    let users = "{node: $2y$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm}";
    let config = format!(
        "tls_server_config: {{cert_file: '{}', key_file: '{}'}}\nbasic_auth_users: {users}\n",
        identity.certificate.display(),
        identity.key.display()
    );
    std::fs::write(&web, config).unwrap();
    let (hook, address) = (Fake::good("127.0.0.1:0"), free_address());
    let web = format!("--web.config.file={}", web.display());
    let _real = alertmanager_with("tls", address, &hook, &[&web], "");

    let told = |scheme: &str, password: &str| {
        let url = format!("{scheme}://{address}/am");
        Alertmanager::new([url]).basic_auth("node", password).retry(10 * MS, 100 * MS)
    };
    let mut node = node();
    node.now_ms -= 1_000;
    let notifier = node
        .notifier()
        .handler("right", told("https", "hunter2").ca_file(&authority.certificate))
        .handler("wrong password", told("https", "hunter3").ca_file(&authority.certificate))
        .handler("wrong authority", told("https", "hunter2").ca_file(&other.certificate))
        .handler("not encrypted", told("http", "hunter2"))
        .start()
        .unwrap();
    now(&mut node, &notifier, &["a"]);
    message(&hook, "a", "firing");
    let status = |handler: &str| {
        notifier.status().into_iter().find(|status| status.handler == handler).unwrap()
    };
    wait_until("an arrival", || status("right").sent == 1);
    for (handler, reason, word) in [
        ("wrong password", "refused", "401"),
        ("wrong authority", "tls", "UnknownIssuer"),
        ("not encrypted", "refused", "400"),
    ] {
        wait_until(handler, || status(handler).last_error.is_some());
        let said = status(handler).last_error.unwrap();
        assert!(said.contains(word) && !said.contains("hunter"), "{handler}: {said}");
        let failures = "tachometer_notify_failures_total";
        assert!(node.own(failures, handler, Some(reason)) > 0.0, "{handler}");
        assert_eq!(status(handler).sent, 0);
    }
    now(&mut node, &notifier, &[]);
    message(&hook, "a", "resolved");
    // What cannot be told holds the end up for as long as it may, and no longer.
    assert!(!notifier.shutdown(100 * MS).is_complete());
    drop(notifier);
    let again = node.notifier();
    let again = again.handler("x", told("https", "hunter2").ca_file(&authority.certificate));
    assert!(again.start().unwrap().shutdown(PATIENCE).is_complete(), "nothing was due");
}
