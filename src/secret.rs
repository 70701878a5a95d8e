//! A text that nobody may read who reads a log: passwords and tokens on their way from a configuration to the wire.

use std::fmt;

/// A text whose `Debug` output shows nothing of it, and that is compared in a time which does not tell how much of a guess
/// was right.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself: for the wire alone.
    #[cfg(any(
        feature = "backend",
        feature = "config",
        feature = "notify",
        feature = "push",
        feature = "source"
    ))]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `given`, which somebody may have guessed, is the secret. Takes as long as `given` is, whatever it says.
    #[cfg(feature = "http")]
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        let mut differences = u8::from(given.len() != secret.len());
        for (index, byte) in given.iter().enumerate() {
            let wanted = secret.get(index % secret.len().max(1)).copied().unwrap_or_default();
            // Nothing may end early because the outcome is known.
            differences |= std::hint::black_box(byte ^ wanted);
        }
        differences == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
