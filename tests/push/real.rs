//! Real servers that are stopped and started again at the same address.

use crate::servers::{self, Running};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// A running server; ends with the value.
pub struct Real(Running);

impl Real {
    /// One that listens on `address`, and is ready when `path`, if there is one, answers 200.
    pub fn start(program: &str, arguments: &[&str], address: SocketAddr, path: &str) -> Real {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Running::start(&mut command, &[address], path);
        Real(running.unwrap_or_else(|| panic!("{program} does not start")))
    }
}

impl Drop for Real {
    /// Not killed: it writes down what it has taken.
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The body of what `path` answers.
pub fn get(address: SocketAddr, path: &str) -> String {
    let (status, body) = servers::ask(address, "GET", path, "", b"").unwrap();
    assert!(matches!(status, 200 | 204), "{path}: {status} {body}");
    body
}
