//! A Chromium that a test drives, by WebDriver: Debian's `chromium` and `chromium-driver`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything that a test waits for may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Keys that are no characters, as WebDriver calls them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const DOWN: &str = "\u{e015}";

/// A browser with one tab; ends with the value.
pub struct Browser {
    driver: Child,
    agent: ureq::Agent,
    /// The session's address.
    session: String,
    /// Nothing of another browser is in it.
    _profile: TempDir,
}

impl Browser {
    pub fn start(width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            free.local_addr().expect("an address").port()
        };
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver runs");
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(PATIENCE)).build().new_agent();
        let address = format!("http://127.0.0.1:{port}");
        // Ended by `drop` whatever happens from here on.
        let mut browser = Self { driver, agent, session: String::new(), _profile: profile };
        browser.wait("chromedriver", |browser| {
            browser.agent.get(format!("{address}/status")).call().is_ok().then_some(())
        });
        let folder = browser._profile.path().display().to_string();
        let mut arguments =
            vec![format!("--user-data-dir={folder}"), format!("--window-size={width},{height}")];
        let flags = "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                     --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --lang=en";
        arguments.extend(flags.split_whitespace().map(str::to_owned));
        let options = json!({ "args": arguments, "excludeSwitches": ["enable-automation"] });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let made = browser.send(&format!("{address}/session"), &wanted);
        let id = made["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {made}"));
        browser.session = format!("{address}/session/{id}");
        browser
    }

    /// Sends a command; its `value`.
    fn send(&self, address: &str, body: &Value) -> Value {
        let request = self.agent.post(address).content_type("application/json");
        let mut answer = request.send(body.to_string()).expect("chromedriver answers");
        let text = answer.body_mut().read_to_string().expect("a text");
        let mut json: Value = serde_json::from_str(&text).expect("JSON");
        json["value"].take()
    }

    fn command(&self, name: &str, body: &Value) -> Value {
        let value = self.send(&format!("{}/{name}", self.session), body);
        assert!(value["error"].is_null(), "{name}: {value}");
        value
    }

    pub fn go(&self, address: &str) {
        self.command("url", &json!({ "url": address }));
    }

    /// What a script gives back.
    pub fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of the first element that fits, or nothing.
    pub fn text(&self, selector: &str) -> Option<String> {
        let script = format!("return document.querySelector({selector:?})?.textContent ?? null");
        self.run(&script).as_str().map(str::to_owned)
    }

    /// How many elements fit.
    pub fn count(&self, selector: &str) -> u64 {
        let script = format!("return document.querySelectorAll({selector:?}).length");
        self.run(&script).as_u64().expect("a number")
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub fn press(&self, keys: &str) {
        let press = |key: char| {
            let key = key.to_string();
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": actions }]);
        self.command("actions", &json!({ "actions": actions }));
    }

    /// A command of the browser's own protocol.
    pub fn cdp(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// What was logged since the last time: `browser` for the console, `performance` for the network.
    pub fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.command("se/log", &json!({ "type": kind }));
        log.as_array().cloned().unwrap_or_default()
    }

    /// The addresses that were asked for since the last time.
    pub fn asked_for(&self) -> Vec<String> {
        let messages = self.log("performance").into_iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            is_request.then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
        });
        messages.collect()
    }

    /// What is wrong according to the console.
    pub fn complaints(&self) -> Vec<String> {
        let bad = |entry: &Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        let log = self.log("browser").into_iter().filter(bad);
        log.map(|entry| entry["message"].to_string()).collect()
    }

    /// A picture of the window, as the bytes of a PNG file in base64.
    pub fn picture(&self) -> String {
        let address = format!("{}/screenshot", self.session);
        let mut answer = self.agent.get(address).call().expect("chromedriver answers");
        let text =
            answer.body_mut().with_config().limit(64 << 20).read_to_string().expect("a text");
        let json: Value = serde_json::from_str(&text).expect("JSON");
        json["value"].as_str().expect("a picture").to_owned()
    }

    /// Waits until `look` finds something.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if Instant::now() > deadline {
                panic!("waited in vain for {what}: {}", self.sight());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What is on the page, for a test that fails.
    fn sight(&self) -> String {
        if self.session.is_empty() {
            return String::new();
        }
        let text = self.text("body").unwrap_or_default();
        format!("{:?}\n{:?}", text.chars().take(4_000).collect::<String>(), self.complaints())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session.
        if !self.session.is_empty() {
            let _ = self.agent.delete(&self.session).call();
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
