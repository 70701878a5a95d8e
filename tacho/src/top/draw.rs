//! Draws a page: what the process says, as the person looks at it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line as Row, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};

use super::figures;
use super::state::State;
use super::view::{Alert, Line, Panel, View};

/// Alerts that are shown before the others are only counted.
const ALERTS: usize = 5;
/// Lines of a panel that are shown before the others are only counted.
const LINES: usize = 4;
/// A terminal as wide as this has two columns of panels.
const TWO_COLUMNS: u16 = 100;
/// The widest name of a line, and the width of its value.
const NAME: usize = 26;
const VALUE: usize = 12;
const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// The colours of states, and of whatever else must be told apart.
const COLOURS: [Color; 6] =
    [Color::DarkGray, Color::Green, Color::Yellow, Color::Blue, Color::Magenta, Color::Cyan];

pub fn page(frame: &mut Frame<'_>, view: &View, state: &State) {
    let alerts = alerts(&view.alerts);
    let answer = view.answer.as_ref().map_or(0, answer_height);
    let parts = [
        Constraint::Length(2),
        Constraint::Length(u16::try_from(alerts.len()).unwrap_or(u16::MAX)),
        Constraint::Length(1),
        Constraint::Length(answer),
        Constraint::Min(3),
        Constraint::Length(1),
    ];
    let [head, firing, tabs, asked, panels, foot] = Layout::vertical(parts).areas(frame.area());
    frame.render_widget(Paragraph::new(heading(view, state)), head);
    frame.render_widget(Paragraph::new(alerts), firing);
    frame.render_widget(Paragraph::new(tab_line(view, state, tabs.width)), tabs);
    match &view.answer {
        Some(Ok(panel)) => draw_panel(frame, panel, asked),
        Some(Err(error)) => frame.render_widget(Paragraph::new(error.as_str()).red(), asked),
        None => {}
    }
    draw_panels(frame, view, state, panels);
    frame.render_widget(Paragraph::new(keys(state)), foot);
}

fn of_severity(name: &str) -> Style {
    match name {
        "healthy" => Style::new().green(),
        "warning" => Style::new().yellow(),
        "critical" | "page" | "failing" => Style::new().red().bold(),
        _ => Style::new().gray(),
    }
}

fn heading<'a>(view: &'a View, state: &State) -> Vec<Row<'a>> {
    let health = &view.health;
    let mut first = vec![Span::from(view.url.as_str()).bold(), Span::from("  ")];
    if let Some(why) = &view.lost {
        first.push(Span::from("GONE ").red().bold());
        first.push(Span::from(why.as_str()).red());
        return vec![Row::from(first), Row::from("What follows is what it said last.").dim()];
    }
    first.push(Span::styled(health.status.clone(), of_severity(&health.status)));
    if health.is_stale() {
        first.push(Span::from("  STALE").red().bold());
    }
    if let Some(age) = health.age_seconds {
        first.push(Span::from(format!("  data {} old", figures::value(age, "seconds"))).dim());
    }
    if let Some(generation) = health.generation {
        first.push(Span::from(format!("  generation {generation}")).dim());
    }
    if state.is_paused() {
        first.push(Span::from("  PAUSED").yellow().bold());
    }
    let mut second: Vec<Span<'_>> = Vec::new();
    for component in &health.components {
        second.push(Span::from(format!("{} ", component.name)));
        second.push(Span::styled(component.status.clone(), of_severity(&component.status)));
        second.push(Span::from("  "));
    }
    if let Some(why) = &health.why {
        second.push(Span::from(why.as_str()).dim());
    }
    vec![Row::from(first), Row::from(second)]
}

fn alerts(alerts: &[Alert]) -> Vec<Row<'_>> {
    if alerts.is_empty() {
        return vec![Row::from("No alerts.").dim()];
    }
    let mut rows: Vec<Row<'_>> = alerts
        .iter()
        .take(ALERTS)
        .map(|alert| {
            let style = match &*alert.state {
                "firing" => of_severity(&alert.severity),
                _ => Style::new().gray(),
            };
            let age = alert.age.map(|age| figures::value(age.round(), "seconds"));
            Row::from(vec![
                Span::styled(format!("{:8} ", alert.state), style),
                Span::styled(format!("{:9}", alert.severity), style),
                Span::from(alert.name.as_str()).bold(),
                Span::from(format!(" {}  {}", alert.labels, alert.summary)),
                Span::from(age.map_or(String::new(), |age| format!("  for {age}"))).dim(),
            ])
        })
        .collect();
    if alerts.len() > ALERTS {
        rows.push(Row::from(format!("… and {} more", alerts.len() - ALERTS)).dim());
    }
    rows
}

/// The tabs around the one that is looked at.
fn tab_line<'a>(view: &'a View, state: &State, width: u16) -> Row<'a> {
    let mut first = state.tab();
    let mut room = usize::from(width).saturating_sub(16);
    while first > 0 && view.tabs.get(first).is_some_and(|tab| tab.chars().count() + 2 < room) {
        room -= view.tabs[first].chars().count() + 2;
        first -= 1;
    }
    let mut spans = Vec::new();
    if first > 0 {
        spans.push(Span::from("‹ ").dim());
    }
    for (nth, tab) in view.tabs.iter().enumerate().skip(first) {
        let style = match nth == state.tab() {
            true => Style::new().add_modifier(Modifier::REVERSED),
            false => Style::new().add_modifier(Modifier::DIM),
        };
        spans.push(Span::styled(tab.as_str(), style));
        spans.push(Span::from("  "));
    }
    Row::from(spans)
}

fn keys(state: &State) -> Row<'_> {
    if let Some(text) = state.typing() {
        return Row::from(vec![
            Span::from("PromQL: ").bold(),
            Span::from(text),
            Span::from("▏"),
            Span::from("   Enter asks, Esc leaves").dim(),
        ]);
    }
    let range = humantime::format_duration(state.range()).to_string();
    Row::from(format!(
        "{range}   ←→ sections   ↑↓ panels   + - range   / ask in PromQL   space pause   q quit"
    ))
    .dim()
}

fn answer_height(answer: &Result<Panel, String>) -> u16 {
    match answer {
        Ok(panel) => height(panel),
        Err(error) => u16::try_from(error.lines().count().clamp(1, 6)).unwrap_or(6),
    }
}

/// Rows of a panel, with its border.
fn height(panel: &Panel) -> u16 {
    let lines = panel.lines.len().clamp(1, LINES) + usize::from(panel.lines.len() > LINES);
    u16::try_from(lines + 2).unwrap_or(u16::MAX)
}

fn draw_panels(frame: &mut Frame<'_>, view: &View, state: &State, area: Rect) {
    if view.panels.is_empty() {
        let text =
            "The process has registered no bundle, so there are no panels; / asks in PromQL.";
        frame.render_widget(Paragraph::new(text).dim(), area);
        return;
    }
    let columns: Vec<Rect> = match area.width >= TWO_COLUMNS {
        true => Layout::horizontal([Constraint::Fill(1); 2]).split(area).to_vec(),
        false => vec![area],
    };
    // Row by row, so that neighbours begin side by side.
    let mut y = area.y;
    for row in view.panels[state.top.min(view.panels.len())..].chunks(columns.len()) {
        let tall = row.iter().map(height).max().unwrap_or(0);
        if y + tall > area.bottom() {
            break;
        }
        for (panel, column) in row.iter().zip(&columns) {
            draw_panel(frame, panel, Rect { y, height: tall, ..*column });
        }
        y += tall;
    }
}

fn draw_panel(frame: &mut Frame<'_>, panel: &Panel, area: Rect) {
    let is_met = panel.lines.iter().any(|line| is_beyond(panel, line));
    let style = if is_met { Style::new().red() } else { Style::new().dim() };
    let title = Span::from(format!(" {} ", panel.title)).bold();
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(style).title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let mut rows: Vec<Row<'_>> =
        panel.lines.iter().take(LINES).map(|line| line_row(panel, line, inner.width)).collect();
    if panel.lines.len() > LINES {
        rows.push(Row::from(format!("… and {} more", panel.lines.len() - LINES)).dim());
    }
    if panel.lines.is_empty() {
        rows.push(match &panel.error {
            Some(error) => Row::from(error.as_str()).red(),
            None => Row::from("no data").dim(),
        });
    }
    frame.render_widget(Paragraph::new(rows), inner);
}

fn is_beyond(panel: &Panel, line: &Line) -> bool {
    let is_met = |value: f64| panel.thresholds.iter().any(|threshold| threshold.is_met(value));
    line.is_first && line.last().is_some_and(is_met)
}

fn line_row<'a>(panel: &Panel, line: &'a Line, width: u16) -> Row<'a> {
    let name: String = line.name.chars().take(NAME).collect();
    let room = usize::from(width).saturating_sub(NAME + VALUE + 2);
    let points = &line.points[line.points.len().saturating_sub(room)..];
    let last = match (line.last(), panel.states.is_empty()) {
        (None, _) => "-".to_owned(),
        (Some(value), true) => figures::value(value, &panel.unit),
        (Some(value), false) => state_name(panel, value),
    };
    let style =
        if is_beyond(panel, line) { Style::new().red().bold() } else { Style::new().bold() };
    let mut spans = vec![Span::from(format!("{name:NAME$} "))];
    match panel.states.is_empty() {
        true => spans.push(Span::from(sparkline(points)).cyan()),
        false => spans.extend(points.iter().map(|point| state_cell(panel, *point))),
    }
    spans.push(Span::from(" ".repeat(room.saturating_sub(points.len()))));
    spans.push(Span::styled(format!(" {last:>VALUE$}"), style));
    Row::from(spans)
}

fn nth_state(panel: &Panel, value: f64) -> Option<usize> {
    panel.states.iter().position(|(state, _)| *state == value)
}

fn state_name(panel: &Panel, value: f64) -> String {
    nth_state(panel, value).map_or_else(|| value.to_string(), |nth| panel.states[nth].1.clone())
}

/// A state as its first letter on a colour.
fn state_cell(panel: &Panel, point: Option<f64>) -> Span<'static> {
    let Some(value) = point else { return Span::from(" ") };
    match nth_state(panel, value) {
        Some(nth) => {
            let letter: String = panel.states[nth].1.chars().take(1).collect();
            Span::styled(letter, Style::new().bg(COLOURS[nth % COLOURS.len()]).fg(Color::Black))
        }
        None => Span::from("?"),
    }
}

/// Values between the least and the greatest as bars; what is not there is a gap.
fn sparkline(points: &[Option<f64>]) -> String {
    let values = || points.iter().flatten().copied().filter(|value| value.is_finite());
    let least = values().fold(f64::INFINITY, f64::min).min(0.0);
    let greatest = values().fold(f64::NEG_INFINITY, f64::max);
    let span = greatest - least;
    let bar = |value: f64| {
        let part = if span > 0.0 { (value - least) / span } else { 0.0 };
        // As values are finite, so is the part; a cast keeps within bounds.
        BARS[((part * 7.0).round() as usize).min(7)]
    };
    let cell = |point: &Option<f64>| match point {
        Some(value) if value.is_finite() => bar(*value),
        _ => " ",
    };
    points.iter().map(cell).collect()
}
