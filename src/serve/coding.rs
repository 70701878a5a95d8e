//! Content codings: how a page is packed for its way.
//!
//! gzip comes with the listener, since scrapers ask for it unless told not to, and a page shrinks to a tenth; zstd, which
//! is faster and needs a C compiler to build, is a feature of its own. Both at their fast end: the thread that packs
//! serves everybody else as well.

use std::io::Write as _;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Coding {
    Identity,
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Coding {
    /// All there are; those that make smaller pages later.
    pub(super) const ALL: &[Coding] = &[
        Coding::Identity,
        Coding::Gzip,
        #[cfg(feature = "zstd")]
        Coding::Zstd,
    ];

    /// As `Content-Encoding` has it; `None` for a page as it is.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Coding::Identity => None,
            Coding::Gzip => Some("gzip"),
            #[cfg(feature = "zstd")]
            Coding::Zstd => Some("zstd"),
        }
    }

    /// Whether a client calls it so.
    pub(super) fn is_called(self, name: &str) -> bool {
        let also = if self == Coding::Gzip { "x-gzip" } else { "" };
        let known = self.name().unwrap_or("identity");
        name.eq_ignore_ascii_case(known) || (!also.is_empty() && name.eq_ignore_ascii_case(also))
    }

    /// `page`, packed; `None` if the coder has no memory.
    pub(super) fn pack(self, page: &[u8]) -> Option<Vec<u8>> {
        // What a page usually shrinks to.
        let room = Vec::with_capacity(page.len() / 8);
        match self {
            Coding::Identity => Some(page.to_vec()),
            Coding::Gzip => {
                let mut coder = flate2::write::GzEncoder::new(room, flate2::Compression::fast());
                coder.write_all(page).ok()?;
                coder.finish().ok()
            }
            #[cfg(feature = "zstd")]
            Coding::Zstd => {
                let mut coder = zstd::stream::write::Encoder::new(room, 1).ok()?;
                // Decoders then know at once how much room they need.
                coder.set_pledged_src_size(Some(page.len() as u64)).ok()?;
                coder.write_all(page).ok()?;
                coder.finish().ok()
            }
        }
    }
}
