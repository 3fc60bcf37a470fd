//! The version that a child's greeting carries: which language it speaks, and of which program it is. What follows from a
//! difference is the supervisor's business.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fnv1a;

/// The language of the links: a sum over the sources that define it. It changes with each change of these files, and
/// nobody has to remember to raise a number.
const LANGUAGE: u64 = {
    let messages = fnv1a::sum(fnv1a::BASIS, include_bytes!("../messages.rs"));
    let codec = fnv1a::sum(messages, include_bytes!("../codec.rs"));
    let link = fnv1a::sum(codec, include_bytes!("../link.rs"));
    // A recorder that reads a clip's lines in another way would end it elsewhere than the supervisor has answered.
    fnv1a::sum(link, include_bytes!("../clip/growth.rs"))
};

/// A program's version, as a greeting says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The sum that stands for the language. Eight bytes of fixed length, so that even a program of another version
    /// reads them rightly.
    language: [u8; 8],
    /// The program's own version, for a person.
    program: String,
}

impl Version {
    /// The number of this program's language, as it stands in the executable: each build of these sources has the same.
    #[must_use]
    pub fn language() -> [u8; 8] {
        LANGUAGE.to_le_bytes()
    }

    /// This program's.
    #[must_use]
    pub fn own() -> Self {
        Self { language: LANGUAGE.to_le_bytes(), program: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Does it speak the same language as this program?
    #[must_use]
    pub fn speaks_as_this(&self) -> bool {
        self.language == LANGUAGE.to_le_bytes()
    }
}

impl fmt::Display for Version {
    /// Two builds of one version differ in the language alone, so both are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (messages {:016x})", self.program, u64::from_le_bytes(self.language))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_speaks_as_itself_alone() {
        let own = Version::own();
        assert!(own.speaks_as_this());
        let mut other = own.clone();
        other.language[7] ^= 1;
        assert!(!other.speaks_as_this());
        assert_ne!(own.to_string(), other.to_string());
        // A later program of the same language can be spoken with.
        assert!(Version { program: "99.0.0".into(), ..own }.speaks_as_this());
    }
}
