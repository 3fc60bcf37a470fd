//! Paths as text. Plans, manifests, messages and answers hold paths as JSON or as text, so one that is not UTF-8 is
//! refused before anything is made. The runtime directory's is refused in [`proto::instance`].

use std::path::Path;

use proto::config::{Config, ValueOf};
use proto::storage;

use crate::failure::Failure;

/// Refuses a config whose output folder, made absolute, is not UTF-8.
pub(crate) fn output_dir(config: &Config) -> Result<(), Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        Failure::bad_input(config.mistake(ValueOf::OutputDir, format!("recording.output_dir: {why}")))
    };
    let plain = storage::plain(&config.recording.output_dir).map_err(|e| refused(&e))?;
    be_text(&plain).map_err(|why| refused(&why))
}

/// Refuses a path that, made absolute, is not UTF-8.
pub(crate) fn be_text(path: &Path) -> Result<(), String> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match absolute.to_str() {
        Some(_) => Ok(()),
        // Shown with its odd bytes escaped.
        None => Err(format!(
            "{absolute:?} is not UTF-8 text, which Preroll keeps paths as; rename its folder, or use another"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn odd_bytes_are_shown_escaped() {
        be_text(Path::new("caf\u{e9}/rig.yaml")).unwrap();
        let refused = be_text(Path::new(OsStr::from_bytes(b"/caf\xe9/rig.yaml"))).unwrap_err();
        assert!(refused.starts_with("\"/caf\\xE9/rig.yaml\" is not UTF-8"), "{refused}");
    }
}
