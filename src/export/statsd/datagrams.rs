//! A page in datagrams.

/// The datagrams of a page: as many whole lines each as fit, without the last line's end.
///
/// The two lines of a negative gauge (see [`StatsdEncoder`](super::StatsdEncoder)) stay together: datagrams may overtake each
/// other. A line longer than the limit, which the encoder does not write, is a datagram of its own.
#[derive(Clone, Debug)]
pub struct Datagrams<'a> {
    rest: &'a [u8],
    limit: usize,
}

impl<'a> Datagrams<'a> {
    pub(super) fn new(page: &'a [u8], limit: usize) -> Self {
        Datagrams { rest: page.strip_suffix(b"\n").unwrap_or(page), limit }
    }
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = match self.rest.len() <= self.limit {
            true => self.rest.len(),
            // A datagram that is exactly full ends before the line's end.
            false => end_of_lines(self.rest, self.limit),
        };
        let (datagram, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        Some(datagram)
    }
}

/// Where the last line ends that ends at `limit` at the latest; if there is none, the first. `page` is longer than that.
pub(crate) fn end_of_lines(page: &[u8], limit: usize) -> usize {
    let Some(end) = page[..=limit].iter().rposition(|&byte| byte == b'\n') else {
        return page.iter().position(|&byte| byte == b'\n').unwrap_or(page.len());
    };
    let begin = page[..end].iter().rposition(|&byte| byte == b'\n');
    let last = &page[begin.map_or(0, |at| at + 1)..end];
    // `name:0|g`, and behind it `name:-`
    let zeroed = last.strip_suffix(b"0|g").filter(|name| name.ends_with(b":"));
    let sets =
        |name: &[u8]| page[end + 1..].strip_prefix(name).is_some_and(|rest| rest.starts_with(b"-"));
    match begin {
        Some(begin) if zeroed.is_some_and(sets) => begin,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagrams(page: &str, limit: usize) -> Vec<&str> {
        let datagrams = Datagrams::new(page.as_bytes(), limit);
        datagrams.map(|datagram| std::str::from_utf8(datagram).unwrap()).collect()
    }

    #[test]
    fn lines_stay_whole() {
        assert_eq!(datagrams("", 10), [""; 0]);
        assert_eq!(datagrams("a:1|c\n", 10), ["a:1|c"]);
        // A label's value may end in blanks.
        assert_eq!(datagrams("a:1|c|#b: \n", 10), ["a:1|c|#b: "]);
        assert_eq!(datagrams("a:1|c\nb:1|c\nc:1|c\n", 11), ["a:1|c\nb:1|c", "c:1|c"]);
        assert_eq!(datagrams("a:1|c\nb:1|c\nc:1|c\n", 10), ["a:1|c", "b:1|c", "c:1|c"]);
        assert_eq!(datagrams("a:1|c\nlonger:1|c\nc:1|c\n", 6), ["a:1|c", "longer:1|c", "c:1|c"]);
    }

    #[test]
    fn a_negative_gauge_stays_with_its_zero() {
        let page = "a:1|c\nb:0|g\nb:-5|g\nc:1|c\n";
        assert_eq!(datagrams(page, 12), ["a:1|c", "b:0|g\nb:-5|g", "c:1|c"]);
        assert_eq!(datagrams("a:1|c\nb:0|g\nc:-5|g\n", 12), ["a:1|c\nb:0|g", "c:-5|g"]);
    }
}
