//! Advice for a person about an error of the disk. The system's own errors say what happened and not what to do.

use std::io;

/// The sentence `what`, with what a person can do about the error.
pub(crate) fn with_advice(what: &str, error: &io::Error) -> String {
    let advice = match error.kind() {
        // An error with a text of its own gives its advice itself.
        _ if error.get_ref().is_some() => "",
        io::ErrorKind::StorageFull => "; make room on that disk (df, and df -i for inodes)",
        io::ErrorKind::ReadOnlyFilesystem => "; mount it read-write",
        io::ErrorKind::FileTooLarge => {
            "; raise the limit on the size of a file (ulimit -f, or LimitFSIZE= of the unit), or use a file system that \
             holds larger ones (FAT32: 4 GiB)"
        }
        io::ErrorKind::NotFound => "; mount its disk again, or put the folder back",
        _ => "",
    };
    format!("{what}{advice}. It is tried again until it works; nothing has to be restarted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_once() {
        let full = with_advice("can't write a", &io::Error::from_raw_os_error(28));
        assert!(full.starts_with("can't write a; make room"), "{full}");
        let told = with_advice("can't write a", &io::Error::new(io::ErrorKind::StorageFull, "b; make room"));
        assert_eq!(told.matches("make room").count(), 0, "{told}");
    }
}
