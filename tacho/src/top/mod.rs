//! `tacho top`: a running process in the terminal: health, alerts, and the panels that its bundles declare.
//!
//! `feed` asks the process, `view` is what it says, `state` is what the person looks at, `draw` draws both, `figures` writes numbers.

mod draw;
mod feed;
mod figures;
mod state;
mod view;

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use crate::access::{Access, DEFAULT_URL, duration, url};
use feed::Feed;
use state::{State, Wanted};
use view::View;

/// How often the process is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a key may wait until it is seen, when nothing else happens.
const PATIENCE: Duration = Duration::from_millis(50);
/// The size of a page that is not a terminal's.
const PAGE: (u16, u16) = (120, 48);

#[derive(Clone, Debug, Args)]
pub struct TopArgs {
    /// Where the process listens: http:// or https://, with the path before /api/v1 if there is one; or `unix:` and the path of a
    /// socket.
    #[arg(value_name = "URL", default_value = DEFAULT_URL, value_parser = url)]
    pub url: String,

    /// The time that charts show, such as `5m`.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub range: Duration,

    /// Print one page and end; so it is, too, where the output is no terminal.
    #[arg(long)]
    pub once: bool,

    #[command(flatten)]
    pub access: Access,
}

/// Shows the process until the person has seen enough.
///
/// # Errors
/// The process does not answer at the beginning, or the terminal cannot be used.
pub fn run(args: &TopArgs) -> anyhow::Result<()> {
    let mut feed = Feed::new(args.access.backend(&args.url)?, &args.url);
    let mut state = State::new(args.range);
    // Here, so that a wrong address is told in words and not on a screen of its own.
    let first = feed.read(&state.wanted())?;
    if args.once || !io::stdout().is_terminal() {
        return print(&first, &mut state);
    }
    let (asked, questions) = mpsc::channel();
    let (said, answers) = mpsc::channel();
    std::thread::Builder::new()
        .name("tacho-feed".to_owned())
        .spawn(move || follow(&mut feed, &questions, &said))
        .context("no thread can be started")?;
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let shown = show(&mut terminal, first, &mut state, &asked, &answers);
    ratatui::restore();
    shown
}

/// Asks for what is wanted, each second and when that changes.
fn follow(feed: &mut Feed, questions: &Receiver<Wanted>, answers: &Sender<View>) {
    let Ok(mut wanted) = questions.recv() else { return };
    loop {
        let view = feed.read(&wanted).unwrap_or_else(|error| feed.without(&error));
        if answers.send(view).is_err() {
            return;
        }
        match questions.recv_timeout(INTERVAL) {
            // The newest alone.
            Ok(next) => wanted = questions.try_iter().last().unwrap_or(next),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut view: View,
    state: &mut State,
    questions: &Sender<Wanted>,
    answers: &Receiver<View>,
) -> anyhow::Result<()> {
    let mut wanted = state.wanted();
    let lost = "the thread that asks has ended";
    questions.send(wanted.clone()).context(lost)?;
    loop {
        if let Some(newest) = answers.try_iter().last()
            && !state.is_paused()
        {
            view = newest;
        }
        state.fit(&view);
        terminal.draw(|frame| draw::page(frame, &view, state)).context("cannot draw")?;
        if event::poll(PATIENCE).context("no keys can be read")?
            && let Event::Key(key) = event::read().context("no keys can be read")?
            && key.kind == KeyEventKind::Press
            && state.key(key, &view)
        {
            return Ok(());
        }
        if state.wanted() != wanted {
            wanted = state.wanted();
            questions.send(wanted.clone()).context(lost)?;
        }
    }
}

/// One page as plain text.
fn print(view: &View, state: &mut State) -> anyhow::Result<()> {
    state.fit(view);
    let text = page(view, state, PAGE)?;
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("the page cannot be printed"),
    }
}

/// What a terminal of this size would show, without colours.
fn page(view: &View, state: &State, (width, height): (u16, u16)) -> anyhow::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height))?;
    terminal.draw(|frame| draw::page(frame, view, state))?;
    let buffer = terminal.backend().buffer();
    let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    let rows: Vec<String> = (0..height).map(|y| row(y).trim_end().to_owned()).collect();
    Ok(rows.join("\n").trim_end().to_owned() + "\n")
}

#[cfg(test)]
mod tests;
