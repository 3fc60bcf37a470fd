//! The name that this program was called by, `preroll` or `supervisor`, for every sentence that tells a person what to type.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

/// The program's names.
const NAMES: [&str; 2] = ["preroll", "supervisor"];

static NAME: OnceLock<&'static str> = OnceLock::new();

/// Remembers the name: that of the command line if it is one of the program's, so that a link has the name of the link; else
/// the one that it was built under.
pub(crate) fn remember(executable: &'static str) {
    let called = std::env::args_os().next();
    // Only main calls this, and once: nothing to overwrite.
    let _ = NAME.set(called.as_deref().and_then(known).unwrap_or(executable));
}

/// The name that was remembered.
pub(crate) fn name() -> &'static str {
    NAME.get().copied().unwrap_or(NAMES[0])
}

fn known(called: &OsStr) -> Option<&'static str> {
    let called = Path::new(called).file_name()?;
    NAMES.into_iter().find(|name| called == *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_command_line_without_its_folder() {
        for (called, name) in [
            ("preroll", Some("preroll")),
            ("./target/release/supervisor", Some("supervisor")),
            ("/usr/local/bin/preroll", Some("preroll")),
            ("/usr/local/bin/recorder-of-mine", None),
            ("", None),
        ] {
            assert_eq!(known(OsStr::new(called)), name, "{called}");
        }
    }
}
