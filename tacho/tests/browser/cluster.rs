//! A real `tacho raft` of which leaders are killed, with a rule that fires at each election.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An election is an alert, for a few seconds.
const RULES: &str = "groups: [{name: test, rules: [{alert: ElectionHeld, \
                     expr: 'max(raft_current_term) > max(raft_current_term offset 4s)', \
                     labels: {severity: warning, component: consensus}, \
                     annotations: {summary: An election was held, description: 'Term {{ $value }} began.', \
                     action: Look who lost the leader.}}]}]";

/// A run; killed with the value.
pub struct Cluster {
    child: Child,
    pub address: SocketAddr,
}

impl Cluster {
    /// Starts a run that serves at `address`; leaders are killed as `kills` says.
    pub fn start(folder: &Path, address: &str, kills: &str) -> Self {
        let rules = folder.join("rules.yml");
        std::fs::write(&rules, RULES).expect("the file is written");
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/rules/raft.yml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tacho"));
        // Few clients: the machine is to have time for the browser.
        command.args(["raft", "--log", "memory", "--clients", "2", "--listen", address]);
        command.args(["--kill-leader-every", kills, "--rules", shipped, "--rules"]).arg(&rules);
        let spawned = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("the command runs");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut said = Vec::new();
        let address = lines.find_map(|line| {
            let line = line.expect("text");
            said.push(line.clone());
            let address = line.strip_prefix("live page at http://")?.strip_suffix('/')?;
            Some(address.parse().expect("an address"))
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: address.unwrap_or_else(|| panic!("it says where its page is: {said:?}")),
        }
    }

    pub fn page(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Sends a signal, as `STOP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(done.expect("kill runs").success());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
