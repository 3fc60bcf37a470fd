//! The journal as the log: whether standard error leads to it, and the way to its own socket, on which a line has a
//! priority and fields. systemd names the stream that it made of a service's standard error in `JOURNAL_STREAM`
//! (systemd.exec(5)), so a service whose standard error goes elsewhere is told from one that writes to the journal.

use std::io;

use tracing_journald::{Layer, Priority, PriorityMappings};

/// The name by which `journalctl -t` finds all lines of all processes.
const IDENTIFIER: &str = "preroll";
/// The beginning of a field's name: `camera` becomes `PREROLL_CAMERA`.
const PREFIX: &str = "PREROLL";
const PROCESS: &str = "PREROLL_PROCESS";
const CAMERA: &str = "PREROLL_CAMERA";

/// Is standard error a stream of the journal?
pub(super) fn is_standard_error() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stderr| names(&stream, stderr.st_dev, stderr.st_ino))
}

/// Does a text such as `8:12345` name this device and inode?
fn names(stream: &str, device: u64, inode: u64) -> bool {
    let numbers = stream.split_once(':');
    numbers.is_some_and(|(first, second)| first.parse() == Ok(device) && second.parse() == Ok(inode))
}

/// Writes each line to the journal's socket, with the process's own fields beside the line's.
pub(super) fn layer(process: &str, camera: Option<&str>) -> io::Result<Layer> {
    let own = [(PROCESS, Some(process)), (CAMERA, camera)];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    // The crate's own mapping makes a notice of what is only information.
    let priorities = PriorityMappings { info: Priority::Informational, ..PriorityMappings::new() };
    let layer = tracing_journald::layer()?;
    Ok(layer
        .with_syslog_identifier(IDENTIFIER.to_owned())
        .with_field_prefix(Some(PREFIX.to_owned()))
        .with_priority_mappings(priorities)
        .with_custom_fields(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_that_systemd_made_is_the_journal() {
        assert!(names("8:12345", 8, 12345));
        for other in ["", "8", "8:", ":12345", "9:12345", "8:12346", "8:12345:1", "8:12345\n"] {
            assert!(!names(other, 8, 12345), "{other:?}");
        }
    }
}
