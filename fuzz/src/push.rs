//! What the pusher reads from outside: responses, URLs, and its spool's file.

use arbitrary::Arbitrary;
use std::collections::BTreeMap;
use tachometer::limits;
use tachometer::push::Payload;
use tachometer::push::outside;

/// A response, and where it is cut into pieces.
#[derive(Arbitrary, Debug)]
pub struct Response {
    bytes: Bytes,
    cuts: Vec<u16>,
}

#[derive(Arbitrary, Debug)]
enum Bytes {
    /// Whatever.
    Raw(Vec<u8>),
    /// Whatever, behind a sound head.
    Behind(bool, Vec<u8>),
    Sound(Sound),
}

#[derive(Arbitrary, Debug)]
struct Sound {
    interim: u8,
    status: u16,
    retry_after: Option<u16>,
    framing: Framing,
    body: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
enum Framing {
    Length,
    /// The sizes of the chunks, over and over.
    Chunked(Vec<u8>),
    Close,
}

impl Sound {
    fn status(&self) -> u16 {
        200 + self.status % 400
    }

    /// What is sent, and the body that is to be read.
    fn bytes(&self) -> (Vec<u8>, &[u8]) {
        let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(usize::from(self.interim % 4));
        bytes.extend_from_slice(format!("HTTP/1.1 {} Reason\r\n", self.status()).as_bytes());
        if let Some(seconds) = self.retry_after {
            bytes.extend_from_slice(format!("retry-after: {seconds} \r\n").as_bytes());
        }
        match &self.framing {
            Framing::Length => {
                let length = format!("Content-Length: {}\r\n\r\n", self.body.len());
                bytes.extend_from_slice(length.as_bytes());
                bytes.extend_from_slice(&self.body);
            }
            Framing::Chunked(sizes) => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                let mut rest = &self.body[..];
                let mut sizes = sizes.iter().chain(&[64]).cycle();
                while !rest.is_empty() {
                    let size = usize::from(*sizes.next().expect("a cycle")).clamp(1, rest.len());
                    bytes.extend_from_slice(format!("{size:x};ext=1\r\n").as_bytes());
                    bytes.extend_from_slice(&rest[..size]);
                    bytes.extend_from_slice(b"\r\n");
                    rest = &rest[size..];
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            Framing::Close => {
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(&self.body);
            }
        }
        let body = if matches!(self.status(), 204 | 304) { &[] } else { &self.body[..] };
        (bytes, &body[..body.len().min(limits::MAX_PUSH_RESPONSE_BYTES)])
    }
}

/// Reads a response in one piece and in many.
pub fn response(plan: &Response) {
    let bytes = match &plan.bytes {
        Bytes::Raw(bytes) => bytes.clone(),
        Bytes::Behind(chunked, bytes) => {
            let framing = if *chunked { "Transfer-Encoding: chunked\r\n\r\n" } else { "" };
            [b"HTTP/1.1 200 OK\r\n", framing.as_bytes(), bytes].concat()
        }
        Bytes::Sound(sound) => sound.bytes().0,
    };
    let whole = outside::response(std::iter::once(&bytes[..]));
    let mut cuts: Vec<usize> = plan.cuts.iter().map(|at| usize::from(*at)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.retain(|at| *at <= bytes.len());
    cuts.sort_unstable();
    let pieces = outside::response(cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]));
    assert_eq!(whole, pieces);
    if let Bytes::Sound(sound) = &plan.bytes {
        let (response, _) = whole.expect("sound");
        let (status, retry_after, body) = response.expect("a whole head");
        assert_eq!(status, sound.status());
        assert_eq!(retry_after, sound.retry_after.map(u64::from));
        assert_eq!(body, sound.bytes().1);
    }
}

/// A text, or the parts of a URL.
#[derive(Arbitrary, Debug)]
pub enum Link {
    /// Whatever.
    Raw(String),
    /// Whatever, behind what a URL begins with.
    Behind(String),
    /// Whether encrypted, host, port, path and query.
    Made(bool, u8, u16, Vec<u8>, Option<Vec<u8>>),
}

const HOSTS: [&str; 5] = ["a", "store.example.com", "10.0.0.1", "[::1]", "[2001:db8::5:6]"];
const LETTERS: &[u8] = b"azAZ09-._~%/:@!$&'()*+,;=";

/// Reads a URL, and what came of it again.
pub fn url(plan: &Link) {
    let letters = |bytes: &[u8]| -> String {
        bytes.iter().map(|at| char::from(LETTERS[usize::from(*at) % LETTERS.len()])).collect()
    };
    let (text, must) = match plan {
        Link::Raw(text) => (text.clone(), false),
        Link::Behind(text) => (format!("http://{text}"), false),
        Link::Made(encrypted, host, port, path, query) => {
            let scheme = if *encrypted { "https" } else { "http" };
            let host = HOSTS[usize::from(*host) % HOSTS.len()];
            let query =
                query.as_ref().map_or(String::new(), |query| format!("?{}", letters(query)));
            (format!("{scheme}://{host}:{}/{}{query}", (*port).max(1), letters(path)), true)
        }
    };
    let read = outside::url(&text);
    if must {
        assert_eq!(read.as_ref(), Ok(&text));
    }
    let Ok(shown) = read else { return };
    assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
    let rest = shown.strip_prefix("https://").or_else(|| shown.strip_prefix("http://"));
    let rest = rest.expect("one of two schemes");
    let (authority, path) = rest.split_once('/').expect("a path");
    assert!(!authority.contains(['@', '?', '#']) && !path.contains('#'), "{shown}");
    assert_eq!(outside::url(&shown).as_ref(), Ok(&shown));
}

/// Payloads, which of them are settled, and what happens to the file.
#[derive(Arbitrary, Debug)]
pub struct Spool {
    payloads: Vec<Waiting>,
    settled: Vec<u8>,
    harm: Harm,
}

#[derive(Arbitrary, Debug)]
struct Waiting {
    body: Vec<u8>,
    query: String,
    headers: Vec<(String, String)>,
}

#[derive(Arbitrary, Debug)]
enum Harm {
    None,
    Cut(u16),
    Flip(u16, u8),
    Grown(Vec<u8>),
    /// Nothing but this.
    Raw(Vec<u8>),
}

/// Reads a spool's file that something happened to.
pub fn spool(plan: &Spool) {
    let payloads: Vec<(u64, Payload)> = (1..)
        .zip(&plan.payloads)
        .map(|(number, waiting)| {
            let mut payload = Payload::new(waiting.body.clone(), "");
            payload.headers.clone_from(&waiting.headers);
            payload.query.clone_from(&waiting.query);
            (number, payload)
        })
        .collect();
    let settled: Vec<u64> = plan.settled.iter().map(|number| u64::from(*number)).collect();
    let whole = outside::spool_file(&payloads, &settled);
    // Where each record ends, and what waits there.
    let mut model: BTreeMap<u64, Payload> = BTreeMap::new();
    let mut states = vec![(outside::spool_file(&[], &[]).len(), model.clone())];
    for (at, (number, payload)) in payloads.iter().enumerate() {
        model.insert(*number, payload.clone());
        states.push((outside::spool_file(&payloads[..=at], &[]).len(), model.clone()));
    }
    for (at, number) in settled.iter().enumerate() {
        model.remove(number);
        states.push((outside::spool_file(&payloads, &settled[..=at]).len(), model.clone()));
    }
    let mut bytes = whole.clone();
    // Up to where the file is as it was.
    let sound = match &plan.harm {
        Harm::None => whole.len(),
        Harm::Cut(at) => {
            bytes.truncate(usize::from(*at));
            bytes.len()
        }
        Harm::Flip(at, bits) if *bits != 0 && usize::from(*at) < bytes.len() => {
            bytes[usize::from(*at)] ^= bits;
            usize::from(*at)
        }
        Harm::Flip(..) => whole.len(),
        // Records cannot be told from what was written on purpose, so only that nothing breaks is asked.
        Harm::Grown(more) => {
            bytes.extend_from_slice(more);
            let (_, end) = outside::spool(&bytes).expect("a spool's file");
            assert!((whole.len()..=bytes.len()).contains(&end));
            return;
        }
        Harm::Raw(raw) => {
            if let Some((waiting, end)) = outside::spool(raw) {
                assert_eq!(outside::spool(&raw[..end]), Some((waiting, end)));
            }
            return;
        }
    };
    let state = states.iter().rev().find(|(end, _)| *end <= sound);
    let read = outside::spool(&bytes);
    match (state, read) {
        (Some((end, waiting)), Some((seen, sound))) => {
            assert_eq!((&seen.into_iter().collect::<BTreeMap<_, _>>(), sound), (waiting, *end));
        }
        // Torn while it was made, or not a spool's file any more.
        (None, Some((seen, sound))) => assert!(seen.is_empty() && sound == 0),
        (None, None) => assert!(matches!(plan.harm, Harm::Flip(..))),
        (Some(_), None) => panic!("the magic number is whole"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbitrary::Unstructured;

    /// A few thousand inputs of a generator's making, for those who have no libFuzzer.
    fn many<T: for<'a> Arbitrary<'a>>(run: impl Fn(&T)) {
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..3_000 {
            let bytes: Vec<u8> = (0..round % 300)
                .map(|_| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    (random >> 32) as u8
                })
                .collect();
            if let Ok(plan) = T::arbitrary_take_rest(Unstructured::new(&bytes)) {
                run(&plan);
            }
        }
    }

    #[test]
    fn random_inputs_agree_with_their_oracles() {
        many(response);
        many(url);
        many(spool);
    }
}
