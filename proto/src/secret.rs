//! Passwords in the text of a camera's source, and how they are kept out of everything that is written.
//!
//! A [`Secret`] shows itself masked (`rtsp://user:***@host/stream`) wherever it is printed or serialised; only
//! [`Secret::reveal`] gives the text as it was typed. [`masked`] does the same for any text that may hold such a URL,
//! such as a line of a config that is shown with a mistake. Encryption is no subject here: the config file and the
//! instance's own `config.json` hold the password in plain text, and their permissions guard them.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod password;

pub use password::{NoPassword, Password, all_may_read};

/// The text that stands for a password.
const MASK: &str = "***";
/// The ends of names whose value is a password: `user-pw=`, `pubPasswd=`, `api_key=`.
const NAME_ENDS: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pass",
    "pas",
    "pwd",
    "pw",
    "token",
    "key",
    "secret",
    "auth",
    "authorization",
    "credentials",
    "signature",
    "headers",
];
/// Parts of such names. In a URL's query one of them is enough: there the name is the camera maker's choice.
const QUERY_NAME_PARTS: [&str; 9] = ["pas", "pw", "psw", "token", "key", "secret", "auth", "cred", "sig"];
/// The header of HTTP that carries a password.
const AUTHORIZATION: &str = "authorization:";
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
        let text = text.replace(&self.0, &self.to_string());
        // No `user:password@` here: OpenCV's own lines begin with `[ WARN:0@1.234]`.
        let mut text = with_masks(&text, &apart(in_urls(&text).chain(in_named_values(&text)).collect()));
        for range in password_ranges(&self.0) {
            let password = &self.0[range];
            for form in [password.to_owned(), percent_decoded(password)] {
                if form.len() >= SEARCHABLE_BYTES && form != MASK {
                    text = with_masks(&text, &words(&text, &form));
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

/// The text with `***` for each password in it: that of a URL (`scheme://user:password@host`) or of what may have been
/// meant as one (`user:password@host`), and the value of a name such as `password=` or `user-pw=`. A text with nothing
/// to hide comes back as it was.
#[must_use]
pub fn masked(text: &str) -> String {
    with_masks(text, &password_ranges(text))
}

fn with_masks(text: &str, ranges: &[Range<usize>]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for range in ranges {
        shown.push_str(&text[done..range.start]);
        shown.push_str(MASK);
        done = range.end;
    }
    shown + &text[done..]
}

/// The places where a password stands by itself. Passwords such as `door` are words too, and parts of longer ones.
fn words(text: &str, password: &str) -> Vec<Range<usize>> {
    let stands_alone = |at: usize| {
        !text[..at].ends_with(char::is_alphanumeric)
            && !text[at + password.len()..].starts_with(char::is_alphanumeric)
    };
    let found = text.match_indices(password).map(|(at, _)| at).filter(|at| stands_alone(*at));
    found.map(|at| at..at + password.len()).collect()
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
    apart(in_urls(text).chain(in_bare_logins(text)).chain(in_named_values(text)).collect())
}

/// The ranges in order, with those that overlap made one.
fn apart(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
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
        let url = url(&text[..found], rest);
        // A host in brackets has colons of its own, and no user stands before it.
        if authority.starts_with('[') {
            return None;
        }
        let Some(colon) = authority.find(':') else {
            // A user with a slash: `rtsp://domain/user:password@host`.
            let path = until(url, ['?']);
            let (colon, at) = (path.find(':')?, path.rfind('@')?);
            return (at > colon).then_some(start + colon + 1..start + at);
        };
        let at = match url.rfind('@') {
            Some(at) => at,
            // A space in the password.
            None => {
                let line = until(rest, ['\n', '\r']);
                let at = line.rfind('@')?;
                let between = line.get(url.len()..at)?;
                // A port, and an `@` of another thing on the line.
                let ends = between.contains(',') || between.contains(": ");
                if ends && is_port(&url[(colon + 1).min(url.len())..]) {
                    return None;
                }
                at
            }
        };
        (at > colon).then_some(start + colon + 1..start + at)
    })
}

/// The password of each `user:password@` in a word without `://`: a URL whose scheme has a typing error, or none.
fn in_bare_logins(text: &str) -> impl Iterator<Item = Range<usize>> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    let mut start = 0;
    let words = text.split_inclusive(ends).map(move |word| {
        let at = start;
        start += word.len();
        (at, word.trim_end_matches(ends))
    });
    words.filter(|(_, word)| !word.contains("://")).filter_map(|(start, word)| {
        let at = word.rfind('@')?;
        let colon = word[..at].match_indices(':').map(|(colon, _)| colon).find(|colon| {
            // The colon of `rtsp:/user:password@host` belongs to the scheme.
            !word[colon + 1..].starts_with('/')
        })?;
        (colon > 0 && at > colon + 1).then_some(start + colon + 1..start + at)
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

/// The value behind each `password=` and its like, and behind `Authorization:`, up to what ends a value in a query and
/// in a pipeline.
fn in_named_values(text: &str) -> impl Iterator<Item = Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let headers = lower.match_indices(AUTHORIZATION).map(|(at, name)| at + name.len());
    let headers =
        headers.map(|start| (start, text[start..].find(['\n', '\r', '"', '\'']))).collect::<Vec<_>>();
    let in_headers = headers.into_iter().map(|(start, end)| start..end.map_or(text.len(), |end| start + end));
    let named = text.match_indices('=').filter_map(|(equals, _)| {
        let before = text[..equals].trim_end();
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').next()?;
        is_password_name(name, before[..before.len() - name.len()].ends_with(['?', '&'])).then_some(())?;
        let behind = &text[equals + 1..];
        let start = equals + 1 + (behind.len() - behind.trim_start_matches([' ', '\t']).len());
        let value = &text[start..];
        Some(match value.chars().next()? {
            quote @ ('"' | '\'') => start + 1..start + 1 + end_of_value(&value[1..], |c| c == quote),
            _ => {
                start
                    ..start
                        + end_of_value(value, |c| c.is_whitespace() || matches!(c, '&' | ';' | '"' | '\''))
            }
        })
    });
    in_headers.chain(named).filter(|range| !range.is_empty())
}

fn is_password_name(name: &str, in_query: bool) -> bool {
    let name = name.to_ascii_lowercase();
    NAME_ENDS.iter().any(|end| name.ends_with(end))
        || (in_query && QUERY_NAME_PARTS.iter().any(|part| name.contains(part)))
}

/// The length of a value up to a character that ends it, or to the text's end. A backslash takes the meaning from the
/// character behind it.
fn end_of_value(value: &str, ends: impl Fn(char) -> bool) -> usize {
    let mut escaped = false;
    let end = value.char_indices().find(|(_, c)| {
        let ends = !escaped && ends(*c);
        escaped = !escaped && *c == '\\';
        ends
    });
    end.map_or(value.len(), |(at, _)| at)
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
mod tests;
