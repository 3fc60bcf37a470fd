//! Names that become parts of paths: those of cameras, labels, runs and rigs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that is safe as a part of a path: `[A-Za-z0-9._-]`, 1 to 64 characters, no leading dot or dash. A leading dot
/// would hide the file, and a leading dash would look like an option to every tool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The reason why a text is no [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} can't be a name: {why}; use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, digit or _"
)]
pub struct BadName {
    text: String,
    why: &'static str,
}

impl Name {
    /// The longest name, in bytes. A file name may have 255, and a name shares it with a prefix and an ending.
    pub const MAX_BYTES: usize = 64;

    /// The name that run folders begin with when the config names no other.
    #[must_use]
    pub fn default_run() -> Self {
        Self("run".to_owned())
    }

    /// The name of this host, with `_` for each character that a name can't have; `rig` where the host has none.
    #[must_use]
    pub fn of_host() -> Self {
        Self::from_host(&rustix::system::uname().nodename().to_string_lossy())
    }

    fn from_host(host: &str) -> Self {
        let allowed =
            |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        let text: String =
            host.trim_start_matches(['.', '-']).chars().map(allowed).take(Self::MAX_BYTES).collect();
        Self::new(&text).unwrap_or(Self("rig".to_owned()))
    }

    /// Checks a name.
    ///
    /// # Errors
    /// [`BadName`], which says what is wrong with the text.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let why = if text.is_empty() {
            "it is empty"
        } else if text.len() > Self::MAX_BYTES {
            "it is too long"
        } else if text.starts_with(['.', '-']) {
            "it begins with a dot or a dash"
        } else if !text.bytes().all(allowed) {
            "it holds a character that is not allowed"
        } else {
            return Ok(Self(text.to_owned()));
        };
        // Cut to what a person needs to recognise it: a long text would flood a log.
        Err(BadName { text: text.chars().take(80).collect(), why })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_names_pass() {
        for good in ["left", "cam.1", "Pitch_3-b", "7", &"x".repeat(64)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", ".", "..", "../x", "a/b", "-rf", ".hidden", "a b", "a\n", "a\0", "é", &long] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn any_host_has_a_name() {
        let cases =
            [("pi-left.local", "pi-left.local"), ("-a b", "a_b"), ("", "rig"), ("..", "rig"), ("é", "_")];
        for (host, name) in cases {
            assert_eq!(Name::from_host(host).as_str(), name, "{host:?}");
        }
        assert_eq!(Name::from_host(&"x".repeat(99)).as_str().len(), Name::MAX_BYTES);
    }
}
