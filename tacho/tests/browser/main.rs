//! The live page in a real Chromium, over a real cluster whose leaders are killed.
//!
//! With `PAGE_SCREENSHOTS=FOLDER` the pictures of `docs/` are taken there on the way.

mod cluster;
#[path = "../../../tests/common/debian.rs"]
#[allow(dead_code, reason = "only a part is needed here")]
mod debian;
mod driver;

use std::path::PathBuf;
use std::time::Duration;

use cluster::Cluster;
use driver::{Browser, DOWN, ENTER, TAB};
use serde_json::json;

const TIMELINE: &str = "[data-metric=raft_node_state]";
const LATENCY: &str = "[data-metric=raft_commit_latency_seconds]";

fn is_in_state(browser: &Browser, state: &str) -> Option<()> {
    (browser.run("return document.body.dataset.state") == state).then_some(())
}

fn wait_for_state(browser: &Browser, state: &str) {
    browser.wait(&format!("state {state}"), |browser| is_in_state(browser, state));
}

/// Takes a picture of the window, if pictures are wanted.
fn take_picture(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("PAGE_SCREENSHOTS") else { return };
    // Long enough for a tick, so that what is hovered or was just drawn is as people see it.
    std::thread::sleep(Duration::from_millis(1500));
    let file = PathBuf::from(folder).join(name);
    std::fs::write(&file, decoded(&browser.picture())).expect("the picture is written");
}

fn decoded(base64: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bytes: Vec<u8> = base64.bytes().filter(|byte| *byte != b'=').collect();
    let four = |part: &[u8]| {
        let joined = part.iter().fold(0_u32, |all, byte| all << 6 | u32::from(value(*byte)));
        let bits = joined << (6 * (4 - part.len()));
        bits.to_be_bytes()[1..part.len()].to_vec()
    };
    bytes.chunks(4).flat_map(four).collect()
}

/// Pixels of the timeline's canvas that have the colour of the style sheet's variable `name`, or nearly.
fn pixels(browser: &Browser, name: &str) -> u64 {
    let script = format!(
        "const canvas = document.querySelector('{TIMELINE} canvas'); if (!canvas) return 0;
         const text = getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim();
         const wanted = Number.parseInt(text.slice(1), 16);
         const parts = [wanted >> 16, wanted >> 8 & 255, wanted & 255];
         const {{ data }} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
         let found = 0;
         for (let at = 0; at < data.length; at += 4)
           if (data[at + 3] > 200 && parts.every((part, index) => Math.abs(part - data[at + index]) < 12)) found += 1;
         return found"
    );
    browser.run(&script).as_u64().expect("a number")
}

/// What is seen of an election: on the timeline, and as an alert that fires and resolves.
fn sees_elections(browser: &Browser) {
    browser.run(&format!("document.querySelector('{TIMELINE}').scrollIntoView()"));
    let event = browser.wait("an election on the timeline", |browser| {
        let text = browser.text(&format!("{TIMELINE} .events li"))?;
        (text.contains("term") && text.contains("leader")).then_some(text)
    });
    assert!(event.contains('→'), "{event}");
    // Drawn as well: who led, and a mark where that ended.
    browser.wait("the mark of an election", |browser| (pixels(browser, "mark") > 20).then_some(()));
    assert!(pixels(browser, "role-leader") > 100 && pixels(browser, "role-follower") > 100);
    let alert = |kind: &str| format!(".alert[data-alert=ElectionHeld][data-kind={kind}]");
    browser.wait("an alert that fires", |browser| browser.text(&alert("firing")));
    let resolved =
        browser.wait("an alert that resolves", |browser| browser.text(&alert("resolved")));
    assert!(resolved.contains("An election was held"), "{resolved}");
}

/// Latency as a heat map with its quantiles.
fn sees_latency(browser: &Browser) {
    // Panels ask for their data once they are in view.
    browser.run(&format!("document.querySelector('{LATENCY}').scrollIntoView()"));
    let figure = browser.wait("a figure of the latency", |browser| {
        let figure = browser.text(&format!("{LATENCY} .figure"))?;
        (figure.starts_with("p99 ") && !figure.contains('–')).then_some(figure)
    });
    assert!(figure.ends_with('s'), "{figure}");
    let legend = browser.text(&format!("{LATENCY} .legend")).expect("a legend");
    assert!(["p50", "p99", "p99.9"].iter().all(|name| legend.contains(name)), "{legend}");
    assert_eq!(browser.count(&format!("{LATENCY} [data-alert=RaftCommitLatencyHigh]")), 1);
}

/// The query box, by the keyboard alone.
fn asks(browser: &Browser) {
    browser.press("/");
    assert_eq!(browser.run("return document.activeElement.id"), "query");
    browser.press("raft_commit_ind");
    browser.wait("a name to complete", |browser| {
        (browser.text("#suggestions [role=option]")? == "raft_commit_index").then_some(())
    });
    browser.press(&format!("{DOWN}{ENTER}"));
    assert_eq!(browser.run("return document.activeElement.value"), "raft_commit_index");
    browser.press("{repl");
    browser.wait("a label to complete", |browser| {
        (browser.text("#suggestions [role=option]")? == "replica").then_some(())
    });
    browser.press(&format!("{TAB}=\""));
    browser.wait("values to complete", |browser| {
        (browser.count("#suggestions [role=option]") == 3).then_some(())
    });
    browser.press(&format!("2\"}}{ENTER}"));
    browser.wait("an answer", |browser| (browser.count("#answer tbody tr") == 1).then_some(()));
    browser.wait("a chart of the answer", |browser| {
        (browser.count("#answer canvas") == 1).then_some(())
    });
    assert!(
        browser
            .run("return location.hash")
            .as_str()
            .is_some_and(|hash| hash.contains("q=raft_commit_index"))
    );
    // What is wrong is said.
    browser.run(
        "document.getElementById('query').value = ''; document.getElementById('query').focus()",
    );
    browser.press(&format!("rate(x[){ENTER}"));
    let error = browser.wait("an error", |browser| browser.text("#answer .error"));
    assert!(error.contains("invalid query"), "{error}");
}

/// Filters find the selectors of an expression, and nothing else.
fn finds_selectors(browser: &Browser) {
    let wanted = r#"node=~"|a\"b\\.1""#;
    for (text, filtered) in [
        ("a", "a{F}"),
        (
            "a{} / on (node) group_left b offset 5m > bool 1e-3",
            "a{F} / on (node) group_left b{F} offset 5m > bool 1e-3",
        ),
        (
            r#"sum by (le) (rate(a{b="}{",c=~'x'}[5m:1s]))"#,
            r#"sum by (le) (rate(a{F,b="}{",c=~'x'}[5m:1s]))"#,
        ),
        (
            "sum(rate(a[1m])) without (q) and b @ end()",
            "sum(rate(a{F}[1m])) without (q) and b{F} @ end()",
        ),
        ("time() - inf + r:x:y", "time() - inf + r:x:y{F}"),
    ] {
        let script = format!(
            "return import('/page/promql.js').then((promql) => promql.filtered({}, {{node: 'a\"b.1'}}))",
            json!(text)
        );
        assert_eq!(browser.run(&script), filtered.replace('F', wanted), "{text}");
    }
}

/// A filter by a click on a series, a range by the keyboard, and a link that has both.
fn filters_and_links(browser: &Browser, page: &str) {
    let button = "[data-metric=raft_commit_index] .legend button";
    browser.wait("series in a legend", |browser| (browser.count(button) == 3).then_some(()));
    browser.run(&format!("document.querySelectorAll({button:?})[1].click()"));
    browser.wait("a filter", |browser| (browser.count("#filters .chip") == 1).then_some(()));
    browser.wait("only one series", |browser| (browser.count(button) == 0).then_some(()));
    browser.wait("the others as well", |browser| {
        (browser.count("[aria-busy=true]") == 0).then_some(())
    });
    assert_eq!(browser.count(".panel .error"), 0, "{:?}", browser.text(".panel .error"));
    browser.run("document.querySelector('[data-range=\"900\"]').focus()");
    browser.press(ENTER);
    let pressed = "[data-range=\"900\"][aria-pressed=true]";
    browser.wait("another range", |browser| (browser.count(pressed) == 1).then_some(()));
    let link = browser.run("return location.href").as_str().expect("an address").to_owned();
    assert!(link.contains("range=900") && link.contains("filter=replica"), "{link}");
    // The link alone leads to the same view.
    browser.go("about:blank");
    browser.go(&link);
    wait_for_state(browser, "live");
    assert_eq!((browser.count(pressed), browser.count("#filters .chip")), (1, 1));
    browser.go("about:blank");
    browser.go(page);
    wait_for_state(browser, "live");
}

/// By the keyboard: to the panels, through what can be pressed, and into a chart.
fn is_used_by_keyboard(browser: &Browser) {
    let timeline = format!("{TIMELINE} canvas");
    browser.wait("a timeline", |browser| (browser.count(&timeline) == 1).then_some(()));
    browser.run("document.activeElement.blur(); scrollTo(0, 0)");
    browser.press(TAB);
    assert_eq!(browser.run("return document.activeElement.className"), "skip");
    browser.press(ENTER);
    assert_eq!(browser.run("return document.activeElement.id"), "panels");
    browser.press(TAB);
    let focus = "const at = document.activeElement; return [at.getAttribute('role'), at.getAttribute('aria-label')]";
    let label = browser.run(focus);
    assert!(label[1].as_str().is_some_and(|label| label.starts_with("Role: ")), "{label}");
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle");
    assert_ne!(outline, "none");
    browser.press("\u{e012}\u{e012}");
    let at = format!("{TIMELINE} .at");
    browser.wait("the time at the cursor", |browser| {
        browser.text(&at).filter(|text| text.contains(':'))
    });
    // All that can be pressed has a name, and all pictures a text.
    let nameless = "return [...document.querySelectorAll('button, input, a, [tabindex=\"0\"]')].filter((one) => \
                    !(one.textContent.trim() || one.ariaLabel || one.labels?.length || one.placeholder)).length \
                    + [...document.querySelectorAll('img:not([alt])')].length";
    assert_eq!(browser.run(nameless), 0);
    browser.press(TAB);
    let section = ".section[data-section='raft/Replication']";
    browser.run(&format!("document.querySelector(\"{section} summary\").focus()"));
    browser.press(ENTER);
    browser.wait("a section that unfolds", |browser| {
        (browser.count(&format!("{section} canvas")) > 2).then_some(())
    });
    browser.run("document.activeElement.click()");
}

/// As wide as a phone, nothing hangs over.
fn fits_a_phone(browser: &Browser) {
    let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
    browser.cdp("Emulation.setDeviceMetricsOverride", &phone);
    browser.run("scrollTo(0, 0)");
    browser.wait("charts as wide as a phone", |browser| {
        let widest = "return Math.max(document.documentElement.scrollWidth, \
                      ...[...document.querySelectorAll('canvas')].filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect().right))";
        (browser.run(widest).as_f64()? <= 390.0).then_some(())
    });
    let hangs = "return [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > 391 \
                 && !one.closest('.table, canvas, .u-wrap, .skip, .question')).map((one) => one.outerHTML.slice(0, 120))";
    assert_eq!(browser.run(hangs), json!([]));
    take_picture(browser, "page-phone.png");
    browser.cdp("Emulation.clearDeviceMetricsOverride", &json!({}));
}

fn set_theme(browser: &Browser, theme: &str) {
    let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
    browser.cdp("Emulation.setEmulatedMedia", &json!({ "features": features }));
    let script = "return document.documentElement.dataset.theme";
    browser.wait("the theme", |browser| (browser.run(script) == theme).then_some(()));
}

#[test]
fn the_page_shows_a_cluster_and_says_when_it_is_gone() {
    if !debian::is_here("chromium chromedriver", "chromium chromium-driver") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), "127.0.0.1:0", "9s");
    let (page, address) = (cluster.page(), cluster.address.to_string());
    let browser = Browser::start(1440, 1200);
    browser.go(&page);
    set_theme(&browser, "light");
    wait_for_state(&browser, "live");
    browser.wait("panels", |browser| (browser.count(".panel canvas") >= 6).then_some(()));
    sees_latency(&browser);
    sees_elections(&browser);
    take_picture(&browser, "page-light.png");
    set_theme(&browser, "dark");
    take_picture(&browser, "page-dark.png");
    asks(&browser);
    finds_selectors(&browser);
    filters_and_links(&browser, &page);
    is_used_by_keyboard(&browser);
    fits_a_phone(&browser);

    // A query that cannot be read is answered with 400, which is told; pixels are read by this test.
    let is_expected =
        |one: &String| one.contains("status of 400") || one.contains("willReadFrequently");
    let complaints: Vec<String> =
        browser.complaints().into_iter().filter(|one| !is_expected(one)).collect();
    assert_eq!(complaints, [""; 0], "on the console");
    let asked = browser.asked_for();
    // The browser's own first page is of itself.
    let is_inside =
        |one: &&String| ["chrome:", "about:", "data:"].iter().any(|scheme| one.starts_with(scheme));
    let asked: Vec<String> = asked.into_iter().filter(|one| !is_inside(&one)).collect();
    assert!(asked.len() > 20 && asked.iter().all(|one| one.starts_with(&page)), "{asked:?}");

    cluster.signal("STOP");
    wait_for_state(&browser, "stale");
    let banner = browser.text("#stale").expect("a banner");
    assert!(banner.contains("Nothing was heard since"), "{banner}");
    cluster.signal("CONT");
    wait_for_state(&browser, "live");
    drop(cluster);
    wait_for_state(&browser, "gone");
    assert!(browser.text("#state").is_some_and(|text| text == "no answer"));
    let _cluster = Cluster::start(folder.path(), &address, "9s");
    wait_for_state(&browser, "live");
    // It is another process, with a history of its own, and all of it is shown.
    browser.wait("panels of the new process", |browser| {
        (browser.count(".panel canvas") >= 6).then_some(())
    });
    sees_latency(&browser);
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|one| one.contains("net::ERR_")), "{complaints:?}");
}
