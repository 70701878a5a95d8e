//! What the person looks at, and what keys do.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::view::View;

/// Points of a chart.
pub const POINTS: i64 = 60;

/// The ranges that + and - go through.
const RANGES: [Duration; 7] = [
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(900),
    Duration::from_secs(3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(12 * 3_600),
    Duration::from_secs(24 * 3_600),
];

/// What has to be asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub tab: usize,
    pub range: Duration,
    pub expression: Option<String>,
}

#[derive(Clone, Debug)]
pub struct State {
    tab: usize,
    range: Duration,
    /// The first panel that is shown.
    pub top: usize,
    paused: bool,
    expression: Option<String>,
    /// What is being typed.
    typing: Option<String>,
}

impl State {
    pub fn new(range: Duration) -> State {
        State { tab: 0, range, top: 0, paused: false, expression: None, typing: None }
    }

    pub fn wanted(&self) -> Wanted {
        Wanted { tab: self.tab, range: self.range, expression: self.expression.clone() }
    }

    pub fn tab(&self) -> usize {
        self.tab
    }

    pub fn range(&self) -> Duration {
        self.range
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }

    pub fn typing(&self) -> Option<&str> {
        self.typing.as_deref()
    }

    /// Keeps within what there is.
    pub fn fit(&mut self, view: &View) {
        self.tab = self.tab.min(view.tabs.len().saturating_sub(1));
        self.top = self.top.min(view.panels.len().saturating_sub(1));
    }

    /// Takes a key; says whether it was the last.
    pub fn key(&mut self, key: KeyEvent, view: &View) -> bool {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return true;
        }
        if let Some(text) = &mut self.typing {
            match key.code {
                KeyCode::Enter => {
                    let text = self.typing.take().unwrap_or_default();
                    self.expression = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
                }
                KeyCode::Esc => self.typing = None,
                KeyCode::Backspace => drop(text.pop()),
                KeyCode::Char(letter) => text.push(letter),
                _ => {}
            }
            return false;
        }
        let tabs = view.tabs.len().max(1);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('/') => self.typing = Some(self.expression.clone().unwrap_or_default()),
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.turn((self.tab + 1) % tabs),
            KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => {
                self.turn((self.tab + tabs - 1) % tabs);
            }
            KeyCode::Down | KeyCode::Char('j') => self.top += 1,
            KeyCode::Up | KeyCode::Char('k') => self.top = self.top.saturating_sub(1),
            KeyCode::PageDown => self.top += 4,
            KeyCode::PageUp => self.top = self.top.saturating_sub(4),
            KeyCode::Home => self.top = 0,
            KeyCode::Char('+' | '=') => self.widen(),
            KeyCode::Char('-') => self.narrow(),
            _ => {}
        }
        false
    }

    fn turn(&mut self, tab: usize) {
        (self.tab, self.top) = (tab, 0);
    }

    fn widen(&mut self) {
        self.range = RANGES.into_iter().find(|range| *range > self.range).unwrap_or(self.range);
    }

    fn narrow(&mut self) {
        self.range = RANGES.into_iter().rfind(|range| *range < self.range).unwrap_or(self.range);
    }
}
