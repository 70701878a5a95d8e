//! What a program prints.

use super::http::shown;
use super::{Mapping, PageFormat, PollLimits, Samples, Source, SourceError};
use crate::Error;
use crate::limits::MAX_SOURCE_MESSAGE_BYTES;
use crate::sync::{kill, ready};
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a program prints: Prometheus's text, or JSON with a [`Mapping`]. It is run anew for each poll, without a shell, as the
/// leader of a process group of its own, with the environment of this process and nothing to read.
///
/// When its time is over, or it prints more than it may, it is killed with all that it started (but for what left its group).
/// One that ends with an error has failed, whatever it printed; its last line on the error output is in the message.
///
/// ```
/// use tachometer::source::{CommandSource, PollLimits, Source};
/// let mut count = CommandSource::new("count", "/bin/echo", ["files_open 12"])?;
/// let samples = count.poll(&PollLimits::default())?;
/// assert_eq!(samples.get("files_open", &[]).and_then(|series| series.as_number()), Some(12.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CommandSource {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    output: Output,
}

/// How the output is read.
#[derive(Clone, Debug)]
enum Output {
    Page(PageFormat),
    Mapped(Box<Mapping>),
}

impl CommandSource {
    /// The output of `program` with `arguments`, as Prometheus's text.
    ///
    /// # Errors
    /// The program's name is empty, or not absolute: which program it is must not hang on a search path.
    pub fn new<A: Into<OsString>>(
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<CommandSource, Error> {
        let program = program.into();
        if !program.is_absolute() {
            let reason = format!(
                "{program:?} is no absolute path; write out where the program is, and each argument by itself: no shell looks at it"
            );
            return Err(Error::InvalidSetting { setting: "command", reason });
        }
        let arguments = arguments.into_iter().map(Into::into).collect();
        let output = Output::Page(PageFormat::Text);
        Ok(CommandSource { name: name.into(), program, arguments, output })
    }

    /// Reads the output as a page of another format.
    #[must_use]
    pub fn format(mut self, format: PageFormat) -> CommandSource {
        self.output = Output::Page(format);
        self
    }

    /// Reads the output as JSON, by `mapping`.
    #[must_use]
    pub fn mapping(mut self, mapping: Mapping) -> CommandSource {
        self.output = Output::Mapped(Box::new(mapping));
        self
    }

    fn run(&self, limits: &PollLimits) -> Result<Vec<u8>, SourceError> {
        let end = Instant::now().checked_add(limits.time);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child =
            command.stderr(Stdio::piped()).process_group(0).spawn().map_err(|error| {
                let program = self.program.display();
                SourceError::Unreachable { reason: format!("{program} cannot be run: {error}") }
            })?;
        let (out, said) = match read(&mut child, limits, end) {
            Ok(read) => read,
            Err(error) => {
                finish_off(&mut child);
                return Err(error);
            }
        };
        let Some(status) = wait(&mut child, end) else {
            finish_off(&mut child);
            return Err(SourceError::TimedOut { limit: limits.time });
        };
        if !status.success() {
            let said = String::from_utf8_lossy(&said);
            let line = said.lines().rfind(|line| !line.trim().is_empty());
            let line = line.map_or(String::new(), |line| format!(": {}", shown(line)));
            return Err(SourceError::failed(format!("the command ended with {status}{line}")));
        }
        Ok(out)
    }
}

/// Kills a command that has not been waited for, with all of its group.
fn finish_off(child: &mut Child) {
    kill::group(child);
    // It is dead, or cannot be killed yet: whatever it waits for, it is not waited for here for ever.
    let _ = wait(child, Instant::now().checked_add(GRACE));
}

/// How long a command that was killed is waited for.
const GRACE: Duration = Duration::from_secs(1);
/// How long a look at whether a command has ended is put off.
const PAUSE: Duration = Duration::from_millis(1);

/// Reads of the error output behind the end of the output: more than a pipe holds.
const MOST_READS: usize = 16;

/// All that a command prints, and the end of what it says on its error output.
fn read(
    child: &mut Child,
    limits: &PollLimits,
    end: Option<Instant>,
) -> Result<(Vec<u8>, Vec<u8>), SourceError> {
    let failed =
        |error: std::io::Error| SourceError::failed(format!("its output cannot be read: {error}"));
    let (mut out, mut errors) = (child.stdout.take(), child.stderr.take());
    let (mut page, mut said) = (Vec::new(), Vec::new());
    let mut buffer = [0; 16 << 10];
    // What it says on its error output may go on; a program that has closed its output has said all.
    while let Some(pipe) = &mut out {
        let left = end
            .map_or(Duration::from_secs(60), |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(SourceError::TimedOut { limit: limits.time });
        }
        let pipes = [Some(pipe.as_fd()), errors.as_ref().map(|pipe| pipe.as_fd())];
        let [from_out, from_errors] = ready::wait(pipes, left);
        if from_out {
            match pipe.read(&mut buffer).map_err(failed)? {
                0 => out = None,
                some if page.len() + some > limits.bytes => {
                    return Err(SourceError::TooLarge { limit: limits.bytes });
                }
                some => page.extend_from_slice(&buffer[..some]),
            }
        }
        if from_errors && let Some(pipe) = &mut errors {
            let some = pipe.read(&mut buffer).map_err(failed)?;
            keep_end(&mut said, &buffer[..some]);
            if some == 0 {
                errors = None;
            }
        }
    }
    // What is there by now; more is not waited for, and what it left running may talk for ever.
    for _ in 0..MOST_READS {
        let Some(pipe) = &mut errors else { break };
        if !ready::wait([Some(pipe.as_fd())], Duration::ZERO)[0] {
            break;
        }
        let some = pipe.read(&mut buffer).map_err(failed)?;
        keep_end(&mut said, &buffer[..some]);
        if some == 0 {
            errors = None;
        }
    }
    Ok((page, said))
}

fn keep_end(said: &mut Vec<u8>, more: &[u8]) {
    said.extend_from_slice(more);
    let most = 2 * MAX_SOURCE_MESSAGE_BYTES;
    if said.len() > most {
        said.drain(..said.len() - most);
    }
}

/// Waits for its end; `None` if that does not come in time.
fn wait(child: &mut Child, end: Option<Instant>) -> Option<std::process::ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

impl Source for CommandSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Samples, SourceError> {
        let printed = self.run(limits)?;
        match &self.output {
            Output::Page(format) => Samples::parse(*format, &printed),
            Output::Mapped(mapping) => mapping.read(&printed),
        }
    }
}
