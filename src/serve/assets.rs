//! The files of the live page. They stand in the program as they are in `src/serve/assets`: no build step, and nothing is fetched from
//! anywhere else. Each is packed once, when somebody asks for it.
//!
//! A client keeps a file and asks each time whether it is still the same (`ETag`, `Cache-Control: no-cache`), so that a page
//! never mixes files of two versions of the program. What browsers may do for the page is as little as it needs: [`POLICY`].

use super::coding::Coding;
use super::own::Code;
use super::site::{Body, Reply};
use std::sync::{Arc, OnceLock};

/// Scripts, styles and answers of this listener, and nothing else from anywhere; no frames around it, no forms out of it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// In the page itself: the way from its address to where its files are.
const ROOT: &str = "{{root}}";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// A file, its type, and its content.
type File = (&'static str, &'static str, &'static [u8]);

macro_rules! files {
    ($($name:literal is $kind:expr),+ $(,)?) => {
        &[$(($name, $kind, include_bytes!(concat!("assets/", $name)))),+]
    };
}

/// All but the page itself, by their names below `/page/`.
const FILES: &[File] = files! {
    "alerts.js" is SCRIPT,
    "api.js" is SCRIPT,
    "app.js" is SCRIPT,
    "bundles.js" is SCRIPT,
    "chart.js" is SCRIPT,
    "complete.js" is SCRIPT,
    "dom.js" is SCRIPT,
    "explore.js" is SCRIPT,
    "format.js" is SCRIPT,
    "heatmap.js" is SCRIPT,
    "licences.txt" is TEXT,
    "mark.svg" is IMAGE,
    "page.css" is STYLE,
    "panel.js" is SCRIPT,
    "promql.js" is SCRIPT,
    "state.js" is SCRIPT,
    "timeline.js" is SCRIPT,
    "uplot.js" is SCRIPT,
};

const INDEX: &str = include_str!("assets/index.html");

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asset {
    /// The page, and the way from its address to its files.
    Index { root: String },
    /// One of [`FILES`].
    File(usize),
}

/// A request for an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) asset: Asset,
    pub(super) coding: Coding,
    /// The client's `If-None-Match`.
    pub(super) known: Option<String>,
}

impl Asset {
    /// The asset at `place`, behind the listener's prefix.
    pub(super) fn at(place: &str, prefix: &str) -> Option<Asset> {
        match place {
            // Without a slash at the end, ways begin in the directory above.
            "" => {
                let last = prefix.rsplit('/').next().unwrap_or_default();
                Some(Asset::Index { root: format!("{last}/") })
            }
            "/" => Some(Asset::Index { root: "./".to_owned() }),
            _ => {
                let name = place.strip_prefix("/page/")?;
                FILES.iter().position(|file| file.0 == name).map(Asset::File)
            }
        }
    }
}

/// A file that was packed, and what tells it from any other.
struct Packed {
    bytes: Arc<Vec<u8>>,
    tag: String,
}

fn packed(content: &[u8], coding: Coding) -> Option<Packed> {
    let tag = format!("\"{:08x}-{}\"", crc32fast::hash(content), coding.name().unwrap_or("plain"));
    Some(Packed { bytes: Arc::new(coding.pack(content)?), tag })
}

/// The file of a place in [`FILES`].
fn file(index: usize, coding: Coding) -> Option<&'static Packed> {
    /// By file and coding.
    static PACKED: [[OnceLock<Option<Packed>>; Coding::ALL.len()]; FILES.len()] =
        [const { [const { OnceLock::new() }; Coding::ALL.len()] }; FILES.len()];
    let at = Coding::ALL.iter().position(|known| *known == coding)?;
    PACKED.get(index)?[at].get_or_init(|| packed(FILES[index].2, coding)).as_ref()
}

/// The answer.
pub(super) fn reply(wanted: &Wanted) -> Reply {
    let (kind, bytes, tag) = match &wanted.asset {
        Asset::Index { root } => {
            let page = INDEX.replace(ROOT, root);
            let Some(page) = packed(page.as_bytes(), wanted.coding) else { return no_memory() };
            (HTML, page.bytes, page.tag)
        }
        Asset::File(index) => match file(*index, wanted.coding) {
            Some(file) => (FILES[*index].1, file.bytes.clone(), file.tag.clone()),
            None => return no_memory(),
        },
    };
    let has_it = wanted.known.as_deref().is_some_and(|known| is_among(&tag, known));
    let mut headers = vec![
        ("ETag", tag),
        ("Cache-Control", "no-cache".to_owned()),
        ("Vary", "Accept-Encoding".to_owned()),
        ("Content-Security-Policy", POLICY.to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
        ("Referrer-Policy", "no-referrer".to_owned()),
    ];
    if has_it {
        return Reply { code: Code::NotModified, headers, body: Body::Text(String::new()) };
    }
    headers.push(("Content-Type", kind.to_owned()));
    if let Some(coding) = wanted.coding.name() {
        headers.push(("Content-Encoding", coding.to_owned()));
    }
    Reply { code: Code::Ok, headers, body: Body::File(bytes) }
}

fn no_memory() -> Reply {
    Reply::error(Code::Unavailable, "there is no memory to pack the page")
}

/// Whether a tag is in the list of an `If-None-Match` (RFC 9110, 13.1.2: the weak comparison).
fn is_among(tag: &str, known: &str) -> bool {
    let mut tags = known.split(',').map(|one| one.trim().trim_start_matches("W/"));
    tags.any(|one| one == "*" || one == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(asset: Asset, coding: Coding) -> Wanted {
        Wanted { asset, coding, known: None }
    }

    /// All that a browser loads to show the page, heads included.
    #[test]
    fn the_page_is_small_on_the_wire() {
        const LIMIT: usize = 150_000;
        let all = (0..FILES.len()).map(Asset::File);
        let all = all.chain([Asset::Index { root: "./".to_owned() }]);
        let size = |coding| -> usize {
            let replies = all.clone().map(|asset| reply(&wanted(asset, coding)));
            let head = |reply: &Reply| {
                reply
                    .headers
                    .iter()
                    .map(|(name, value)| name.len() + value.len() + 4)
                    .sum::<usize>()
            };
            replies.map(|reply| reply.body.bytes().len() + head(&reply) + 100).sum()
        };
        let (plain, gzip) = (size(Coding::Identity), size(Coding::Gzip));
        assert!(gzip > 10_000 && gzip < LIMIT && gzip < plain, "{gzip} of {plain} bytes");
    }

    #[test]
    fn files_are_where_the_page_looks_for_them_and_nothing_is_elsewhere() {
        let names = |text: &str| {
            let ways = text
                .split(['"', '\''])
                .filter_map(|part| part.strip_prefix(ROOT).or(part.strip_prefix("./")));
            let names = ways
                .filter(|way| way.contains('.'))
                .map(|way| way.trim_start_matches("page/").to_owned());
            names.collect::<Vec<String>>()
        };
        let mut wanted = names(INDEX);
        assert!(wanted.len() >= 4, "{wanted:?}");
        for (_, kind, content) in FILES {
            let text = std::str::from_utf8(content).unwrap();
            if *kind == SCRIPT && !text.contains("uPlot (v") {
                wanted.extend(
                    text.lines().filter(|line| line.contains(" from \"./")).flat_map(names),
                );
            }
            // A namespace is an address that nobody asks for; licences and their comments say where things come from.
            let outside = |line: &&str| {
                line.contains("://") && !line.contains("www.w3.org") && !line.contains("uPlot")
            };
            let found = text.lines().find(outside).filter(|_| *kind != TEXT);
            assert_eq!(found, None, "an address of somebody else");
        }
        for name in wanted {
            assert!(FILES.iter().any(|file| file.0 == name), "{name}");
        }
        assert!(!INDEX.contains("://") && !INDEX.contains("style=") && !INDEX.contains("onclick"));
    }

    #[test]
    fn ways_begin_where_the_page_is() {
        let root = |place, prefix| match Asset::at(place, prefix) {
            Some(Asset::Index { root }) => root,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (root("/", ""), root("/", "/a/b"), root("", "/a/b")),
            ("./".into(), "./".into(), "b/".to_owned())
        );
        assert!(matches!(Asset::at("/page/app.js", "/a"), Some(Asset::File(_))));
        for other in
            ["/page/", "/page/none.js", "/page/../app.js", "/page", "/app.js", "/page/index.html"]
        {
            assert_eq!(Asset::at(other, ""), None, "{other}");
        }
    }

    #[test]
    fn a_client_that_has_a_file_is_told_so() {
        let asset = Asset::at("/page/app.js", "").unwrap();
        let first = reply(&wanted(asset.clone(), Coding::Gzip));
        let tag = first.headers.iter().find(|(name, _)| *name == "ETag").unwrap().1.clone();
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let again =
                reply(&Wanted { known: Some(known), ..wanted(asset.clone(), Coding::Gzip) });
            assert_eq!((again.code, again.body.bytes().len()), (Code::NotModified, 0));
        }
        // Packed otherwise it is another file.
        let other = reply(&Wanted { known: Some(tag), ..wanted(asset, Coding::Identity) });
        assert_eq!(other.code, Code::Ok);
    }

    /// A colour of a theme, by how light it is (WCAG 2.2, relative luminance).
    fn luminance(theme: &str, name: &str) -> f64 {
        let (_, behind) =
            theme.split_once(&format!("--{name}: #")).unwrap_or_else(|| panic!("{name}"));
        let part =
            |at: usize| f64::from(u8::from_str_radix(&behind[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |part: f64| {
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(part(0)) + 0.7152 * linear(part(2)) + 0.0722 * linear(part(4))
    }

    #[test]
    fn text_and_lines_have_contrast_in_both_themes() {
        let css = include_str!("assets/page.css");
        let block = |head: &str| css.split_once(head).unwrap().1.split_once('}').unwrap().0;
        let mut pairs = vec![
            ("ink", "card"),
            ("ink", "back"),
            ("quiet", "card"),
            ("quiet", "back"),
            ("quiet", "grid"),
            ("link", "back"),
            ("card", "link"),
            ("warn", "warn-back"),
            ("bad", "bad-back"),
            ("good", "good-back"),
            ("good", "card"),
            ("warn", "card"),
            ("bad", "card"),
            ("card", "role-leader"),
            ("role-ink", "role-follower"),
            ("role-ink", "role-candidate"),
            ("role-ink", "role-learner"),
            ("role-ink", "role-none"),
            ("ink", "band-odd"),
            ("ink", "band-even"),
            ("p50", "card"),
            ("p99", "card"),
            ("p999", "card"),
            ("watched", "card"),
        ];
        let series: Vec<String> = (0..8).map(|index| format!("series-{index}")).collect();
        pairs.extend(series.iter().map(|name| (&**name, "card")));
        for theme in [block(":root {"), block(":root[data-theme=\"dark\"] {")] {
            for (front, back) in &pairs {
                let (a, b) = (luminance(theme, front), luminance(theme, back));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 4.5, "{front} on {back}: {contrast:.2}");
            }
        }
    }
}
