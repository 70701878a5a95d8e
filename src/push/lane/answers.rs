//! What an answer means for a payload, as its protocol says: delivered, to be sent as something else, or given up.

use super::{Lane, unix_now};
use crate::limits::MAX_PUSH_MESSAGE_BYTES;
use crate::push::http::response::Response;
use crate::push::own::{Failure, Loss};
use crate::push::protocol::Verdict;
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Lane {
    /// The target says what becomes of the payload: it has it, or will never take it.
    pub(super) fn answered(&mut self, response: &Response) {
        let Some(entry) = self.spool.first() else { return };
        let (answer, replaced) = (response.answer(), entry.replaced);
        let (protocol, part, payload) = (&mut self.plan.protocol, entry.part, &entry.payload);
        let ask = AssertUnwindSafe(|| protocol.answered(part, payload, &answer));
        let verdict = catch_unwind(ask);
        // It is there, and answers.
        self.backoff.reset();
        if !answer.is_success() || matches!(verdict, Ok(Verdict::Refused | Verdict::Instead(_))) {
            self.failed(Failure::Refused, refusal(response.status));
        }
        match verdict {
            Ok(Verdict::Instead(payload)) if !replaced => self.spool.replace(payload),
            Ok(Verdict::Refused) => self.pop_lost(Loss::Refused),
            Ok(Verdict::Taken) => self.delivered(),
            Ok(Verdict::Partly { rejected, message }) => {
                self.delivered();
                self.rejected = self.rejected.saturating_add(rejected);
                self.own.rejected(rejected);
                self.last_rejection = Some(shown(&self.without_secrets(message)));
            }
            Ok(Verdict::Instead(_)) | Err(_) => {
                match answer.is_success() {
                    true => self.delivered(),
                    false => self.pop_lost(Loss::Refused),
                }
                if verdict.is_err() {
                    self.failed(Failure::Panic, "its protocol panicked".to_owned());
                }
            }
        }
    }

    fn delivered(&mut self) {
        self.sent += 1;
        let now = unix_now();
        self.last_success = Some(now);
        self.last_error = None;
        self.own.sent(now);
        self.spool.pop();
    }

    /// What a server said, unless it repeats a secret that it was sent.
    pub(super) fn without_secrets(&self, said: String) -> String {
        let mut values = self.plan.headers.iter().map(|(_, value)| value.reveal());
        match values.any(|value| value.split_whitespace().any(|word| said.contains(word))) {
            true => "it answered with words that repeat what a header of ours says".to_owned(),
            false => said,
        }
    }
}

/// What to tell about a status that ends a payload.
fn refusal(status: u16) -> String {
    let advice = match status {
        200..=299 => "but what it says does not fit the format's version",
        300..=399 => "redirections are not followed: give the URL that it leads to",
        401 | 403 => "check the target's credentials",
        404 | 405 => "check the path of the target's URL, and its method",
        413 => "the payload is too large for it",
        _ => "it says that the payload is not what it takes",
    };
    format!("it answered {status}; {advice}")
}

/// A server's words, fit for a line of a log.
fn shown(message: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut message: String = message.trim().chars().map(plain).collect();
    message.truncate(message.floor_char_boundary(MAX_PUSH_MESSAGE_BYTES));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_fit_a_line() {
        assert_eq!(shown(" too old\r\n\x1b[31mred\t\n"), "too old   [31mred");
        let long = shown(&"\u{e9}x".repeat(MAX_PUSH_MESSAGE_BYTES));
        assert!((MAX_PUSH_MESSAGE_BYTES - 1..=MAX_PUSH_MESSAGE_BYTES).contains(&long.len()));
    }
}
