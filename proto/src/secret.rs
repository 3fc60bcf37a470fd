//! Passwords in the text of a camera's source, and how they are kept out of everything that is written.
//!
//! A [`Secret`] shows itself masked (`rtsp://user:***@host/stream`) wherever it is printed or serialised; only
//! [`Secret::reveal`] gives the text as it was typed. [`masked`] does the same for any text that may hold such a URL,
//! such as a line of a config that is shown with a mistake. Encryption is no subject here: the config file and the
//! instance's own `config.json` hold the password in plain text, and their permissions guard them.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text that stands for a password.
const MASK: &str = "***";
/// Names whose value is a password: in a URL's query (`?token=…`), and as a property of a GStreamer element.
const PASSWORD_NAMES: [&str; 8] =
    ["password", "passwd", "pass", "pwd", "token", "user-pw", "proxy-pw", "access_token"];
/// A password shorter than this is not searched for in other people's text: it would be found in every word.
const SEARCHABLE_BYTES: usize = 4;

/// A text that may hold passwords, such as a camera's URL.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// The text as it was typed, for whoever opens the camera. Never for a log, an argument list or a file.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Does it hold a password?
    #[must_use]
    pub fn has_password(&self) -> bool {
        !password_ranges(&self.0).is_empty()
    }

    /// Another program's text about this source, without the passwords of this source and of any URL.
    #[must_use]
    pub fn mask_in(&self, text: &str) -> String {
        let mut text = masked(&text.replace(&self.0, &self.to_string()));
        for range in password_ranges(&self.0) {
            let password = &self.0[range];
            for form in [password.to_owned(), percent_decoded(password)] {
                if form.len() >= SEARCHABLE_BYTES && form != MASK {
                    text = text.replace(&form, MASK);
                }
            }
        }
        text
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&masked(&self.0), f)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// The text with `***` for each password in it: that of a URL (`scheme://user:password@host`), and the value of a name
/// such as `password=` or `user-pw=`. A text with nothing to hide comes back as it was.
#[must_use]
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for range in password_ranges(text) {
        shown.push_str(&text[done..range.start]);
        shown.push_str(MASK);
        done = range.end;
    }
    shown + &text[done..]
}

/// The number of characters before the byte `at` once the text is masked: where a mark under it belongs.
pub(crate) fn masked_column(text: &str, at: usize) -> usize {
    let mut column = text[..at].chars().count();
    for range in password_ranges(text).into_iter().filter(|range| range.start < at) {
        let hidden = text[range.start..range.end.min(at)].chars().count();
        // A place within a password is shown where its mask begins.
        let shown = if range.end <= at { MASK.len() } else { 0 };
        column = column - hidden + shown;
    }
    column
}

/// The places of a text's passwords, in bytes, in order, none overlapping.
fn password_ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = in_urls(text).chain(in_named_values(text)).collect();
    ranges.sort_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// From the first colon behind `://` to the last `@` of the URL: a password may hold any character, `@`, `/` and `?`
/// among them, though it should not. Where that hides a part of the host or the path too, the lesser harm is chosen.
fn in_urls(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(found, mark)| {
        let start = found + mark.len();
        let rest = &text[start..];
        let authority = until(rest, ['/', '?', '#', '"', '\'']);
        // A host in brackets has colons of its own, and no user stands before it.
        let colon = authority.find(':').filter(|_| !authority.starts_with('['))?;
        let url = url(&text[..found], rest);
        let at = match url.rfind('@') {
            Some(at) => at,
            // A space in the password, unless a port stands there.
            None if is_port(&url[(colon + 1).min(url.len())..]) => return None,
            None => until(rest, ['\n', '\r']).rfind('@')?,
        };
        (at > colon).then_some(start + colon + 1..start + at)
    })
}

/// The part of `rest` that belongs to a URL whose scheme stands at the end of `before`: up to the quote that closes it,
/// or up to a space.
fn url<'a>(before: &str, rest: &'a str) -> &'a str {
    let last = before.rfind(['"', '\'', ' ']).and_then(|at| before[at..].chars().next());
    match last {
        Some(quote @ ('"' | '\'')) => until(rest, [quote]),
        _ => until(rest, [' ', '\t', '\n', '\r']),
    }
}

/// Does a text begin with a port's number, and nothing else before the path?
fn is_port(text: &str) -> bool {
    let port = until(text, ['/', '?', '#']).trim_end_matches([',', '}', ']', ')', ':', '.', ';']);
    !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

/// The text before the first of some characters.
fn until<const N: usize>(text: &str, ends: [char; N]) -> &str {
    &text[..text.find(ends).unwrap_or(text.len())]
}

/// The value behind each `password=` and its like, up to what ends a value in a query and in a pipeline.
fn in_named_values(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices('=').filter_map(|(equals, _)| {
        let before = text[..equals].trim_end();
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').next()?;
        PASSWORD_NAMES.iter().find(|known| known.eq_ignore_ascii_case(name))?;
        let behind = &text[equals + 1..];
        let start = equals + 1 + (behind.len() - behind.trim_start_matches([' ', '\t']).len());
        let value = &text[start..];
        let (start, end) = match value.chars().next()? {
            quote @ ('"' | '\'') => {
                (start + 1, value[1..].find(quote).map_or(text.len(), |at| start + 1 + at))
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '&' | ';' | '"' | '\'' | '#');
                (start, value.find(ends).map_or(text.len(), |at| start + at))
            }
        };
        (start < end).then_some(start..end)
    })
}

/// `%40` becomes `@`: libraries print a password as they send it.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_wherever_a_text_shows_it() {
        for (text, shown) in [
            ("rtsp://user:s3cret@host/stream", "rtsp://user:***@host/stream"),
            ("rtsp://user:s3cret@host:554/a?b=c", "rtsp://user:***@host:554/a?b=c"),
            ("rtsp://user:p@ss/w?rd@host/stream", "rtsp://user:***@host/stream"),
            ("rtsp://:s3cret@host", "rtsp://:***@host"),
            ("rtsp://user:my pass@host/x", "rtsp://user:***@host/x"),
            ("rtsp://user:s3cret@[::1]:554/x", "rtsp://user:***@[::1]:554/x"),
            ("http://host/x?token=abc&x=1", "http://host/x?token=***&x=1"),
            ("http://u:p@host/x?password=abc", "http://u:***@host/x?password=***"),
            (
                "rtspsrc location=rtsp://u:s3cret@h/x user-pw=abc ! appsink",
                "rtspsrc location=rtsp://u:***@h/x user-pw=*** ! appsink",
            ),
            (
                "rtspsrc location=\"rtsp://u:my pass@h/x\" user-pw = 'a b' ! appsink",
                "rtspsrc location=\"rtsp://u:***@h/x\" user-pw = '***' ! appsink",
            ),
            ("a rtsp://u:one@h and rtsp://u:two@h", "a rtsp://u:***@h and rtsp://u:***@h"),
            (
                "- { source: \"rtsp://u:s3cret@h/x\", name: a@b }",
                "- { source: \"rtsp://u:***@h/x\", name: a@b }",
            ),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(Secret::from(text).to_string(), shown);
            assert_eq!(format!("{:?}", Secret::from(text)), format!("{shown:?}"));
            assert_eq!(serde_json::to_value(Secret::from(text)).unwrap(), shown);
        }
    }

    #[test]
    fn a_text_without_a_password_stays_as_it_is() {
        for text in [
            "rtsp://host:554/stream",
            "rtsp://user@host/stream",
            "rtsp://[::1]:554/stream@2",
            "http://host/x?time=12:30&mail=a@b",
            "Connection to tcp://127.0.0.1:554?timeout=0 failed: mail root@localhost",
            "/films/left.mp4",
            "v4l2src ! videoconvert ! appsink",
            "a: b@c",
        ] {
            assert_eq!(masked(text), text);
            assert!(!Secret::from(text).has_password(), "{text}");
        }
    }

    #[test]
    fn a_library_that_prints_only_the_password_is_masked_too() {
        let secret = Secret::from("rtsp://user:p%40ssword@host/stream");
        assert_eq!(secret.mask_in("can't open user:p@ssword at host"), "can't open user:*** at host");
        assert_eq!(secret.mask_in("can't open p%40ssword"), "can't open ***");
        assert_eq!(secret.mask_in("a plain line"), "a plain line");
        // Too short to be searched for on its own.
        assert_eq!(Secret::from("rtsp://user:a@host").mask_in("a plain line"), "a plain line");
    }

    #[test]
    fn a_mark_stays_under_its_place() {
        let line = "{ source: rtsp://u:s3cret@h, fps: 0 }";
        let column = masked_column(line, line.find('0').unwrap());
        assert_eq!(masked(line).chars().nth(column), Some('0'));
        assert_eq!(masked_column(line, 10), 10);
    }
}
