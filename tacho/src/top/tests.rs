use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::state::State;
use super::view::{Alert, Component, Health, Line, Panel, Threshold, View};
use super::{figures, page};

fn line(name: &str, points: &[f64]) -> Line {
    Line {
        name: name.to_owned(),
        points: points.iter().copied().map(Some).collect(),
        is_first: true,
    }
}

fn view() -> View {
    let role = Panel {
        title: "Role".into(),
        kind: "timeline".into(),
        states: vec![(1.0, "leader".into()), (3.0, "follower".into())],
        lines: vec![line("node=1", &[3.0, 3.0, 1.0]), line("node=2", &[1.0, 3.0, 3.0])],
        ..Panel::default()
    };
    let lag = Panel {
        title: "Follower lag".into(),
        unit: "seconds".into(),
        thresholds: vec![Threshold { operator: ">".into(), value: 1.0 }],
        lines: vec![line("follower=2", &[0.0, 1.0, 4.0])],
        ..Panel::default()
    };
    View {
        url: "http://127.0.0.1:9464".into(),
        health: Health {
            status: "critical".into(),
            generation: Some(7),
            age_seconds: Some(0.25),
            interval_seconds: Some(1.0),
            components: vec![Component { name: "consensus".into(), status: "critical".into() }],
            ..Health::default()
        },
        alerts: vec![Alert {
            name: "RaftFollowerLag".into(),
            state: "firing".into(),
            severity: "warning".into(),
            summary: "Raft follower 2 lags".into(),
            labels: "follower=2".into(),
            age: Some(12.0),
        }],
        tabs: vec!["Overview".into(), "Raft: Commits".into()],
        panels: vec![role, lag, Panel { title: "Nothing".into(), ..Panel::default() }],
        ..View::default()
    }
}

fn drawn(view: &View, state: &State) -> String {
    page(view, state, (110, 24)).unwrap()
}

#[test]
fn a_page_has_health_alerts_and_panels() {
    let state = State::new(Duration::from_secs(300));
    let text = drawn(&view(), &state);
    for expected in [
        "http://127.0.0.1:9464  critical  data 250 ms old  generation 7",
        "consensus critical",
        "firing   warning  RaftFollowerLag follower=2  Raft follower 2 lags  for 12.0 s",
        "Overview  Raft: Commits",
        "ffl",
        "leader",
        "4.00 s",
        "▁▃█",
        "no data",
        "5m   ←→ sections",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
    }
    assert!(!text.contains("STALE") && !text.contains("GONE"), "{text}");
}

#[test]
fn a_page_says_when_data_are_old_and_when_the_process_is_gone() {
    let state = State::new(Duration::from_secs(300));
    let mut view = view();
    view.health.age_seconds = Some(9.0);
    assert!(drawn(&view, &state).contains("STALE"));
    view.lost = Some("nobody answers".into());
    let text = drawn(&view, &state);
    assert!(text.contains("GONE nobody answers") && text.contains("what it said last"), "{text}");
}

#[test]
fn an_expression_and_its_error_are_shown() {
    let state = State::new(Duration::from_secs(300));
    let mut view = view();
    view.answer = Some(Ok(Panel {
        title: "up + 1".into(),
        lines: vec![line("value", &[2.0])],
        ..Panel::default()
    }));
    assert!(drawn(&view, &state).contains("up + 1"));
    view.answer = Some(Err("1:3: unexpected end of input".into()));
    assert!(drawn(&view, &state).contains("unexpected end of input"));
}

#[test]
fn small_terminals_do_no_harm() {
    let mut state = State::new(Duration::from_secs(300));
    state.top = 99;
    for size in [(1, 1), (10, 3), (40, 8), (300, 5)] {
        page(&view(), &state, size).unwrap();
    }
}

#[test]
fn keys_turn_scroll_widen_ask_and_end() {
    let view = view();
    let mut state = State::new(Duration::from_secs(300));
    let press = |state: &mut State, code| {
        let ended = state.key(KeyEvent::new(code, KeyModifiers::NONE), &view);
        state.fit(&view);
        ended
    };
    press(&mut state, KeyCode::Left);
    assert_eq!(state.wanted().tab, 1);
    press(&mut state, KeyCode::Tab);
    assert_eq!(state.wanted().tab, 0);
    (0..9).for_each(|_| assert!(!press(&mut state, KeyCode::Down)));
    assert_eq!(state.top, 2);
    press(&mut state, KeyCode::Char('+'));
    assert_eq!(state.wanted().range, Duration::from_secs(900));
    (0..9).for_each(|_| assert!(!press(&mut state, KeyCode::Char('-'))));
    assert_eq!(state.wanted().range, Duration::from_secs(60));
    for key in ['/', 'u', 'q', 'x'] {
        assert!(!press(&mut state, KeyCode::Char(key)));
    }
    press(&mut state, KeyCode::Backspace);
    assert_eq!((state.typing(), state.wanted().expression), (Some("uq"), None));
    press(&mut state, KeyCode::Enter);
    assert_eq!(state.wanted().expression.as_deref(), Some("uq"));
    press(&mut state, KeyCode::Char(' '));
    assert!(state.is_paused());
    assert!(press(&mut state, KeyCode::Char('q')));
}

#[test]
fn figures_have_their_unit() {
    let of = figures::value;
    assert_eq!(of(0.000_412, "seconds"), "412 µs");
    assert_eq!(of(90_061.5, "seconds"), "1day 1h 1m 1s");
    assert_eq!((of(1536.0, "bytes"), of(12.0, "bytes")), ("1.50 KiB".into(), "12 B".into()));
    assert_eq!(
        (of(0.051, "ratio"), of(1_234_567.0, "per_second")),
        ("5.1 %".into(), "1.23M/s".into())
    );
    assert_eq!(
        (of(3.0, "number"), of(-0.5, "number"), of(f64::NAN, "number")),
        ("3".into(), "-0.50".into(), "NaN".into())
    );
}
