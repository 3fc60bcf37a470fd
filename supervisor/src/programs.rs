//! The search for Preroll's other executables. A camera's backend says which of them the camera needs.

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The folder of the other executables once Preroll is installed, seen from that of `preroll` itself. The Makefile has the same.
const INSTALLED: &str = "../libexec/preroll";

/// An executable that a build may lack, since not every machine has its library.
struct Optional {
    name: &'static str,
    /// The library, and Debian's packages to build with it.
    library: &'static str,
    packages: &'static str,
}

const OPTIONAL: [Optional; 1] =
    [Optional { name: "capture-aravis", library: "aravis", packages: "libaravis-dev and libusb-1.0-0-dev" }];

/// The path of a capture or of the recorder: beside this program, as after a build, or else in [`INSTALLED`].
pub(crate) fn executable(name: &str) -> Result<PathBuf, Failure> {
    let folder = own_folder()?;
    find(&folder, name).ok_or_else(|| Failure::failed(missing(&folder, name)))
}

/// The executable of a camera. One that a build may lack makes its camera absent, and holds up no other: the inner error says
/// what to install.
pub(crate) fn of_camera(name: &str) -> Result<Result<PathBuf, String>, Failure> {
    let folder = own_folder()?;
    match find(&folder, name) {
        Some(program) => Ok(Ok(program)),
        None if OPTIONAL.iter().any(|optional| optional.name == name) => Ok(Err(missing(&folder, name))),
        None => Err(Failure::failed(missing(&folder, name))),
    }
}

/// The reason why a program can't be started, in words.
pub(crate) fn why_not_started(program: &Path, error: &io::Error) -> String {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_optional = OPTIONAL.iter().any(|optional| optional.name == name);
    match program.parent() {
        Some(folder) if is_optional && error.kind() == io::ErrorKind::NotFound => missing(folder, name),
        _ => error.to_string(),
    }
}

/// The place where an executable would be looked for first.
pub(crate) fn place_of(name: &str) -> Result<PathBuf, Failure> {
    Ok(own_folder()?.join(name))
}

fn own_folder() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()
        .map_err(|e| Failure::failed(format!("can't find the supervisor's own executable: {e}")))?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_owned())
}

fn missing(folder: &Path, name: &str) -> String {
    let places =
        format!("{name} is missing in {} and in {}", folder.display(), folder.join(INSTALLED).display());
    match OPTIONAL.iter().find(|optional| optional.name == name) {
        Some(Optional { library, packages, .. }) => format!(
            "{places}: this Preroll was built without {library}; install {packages} (make deps does), build it again (make build) \
             and install it (make install)"
        ),
        None => format!("{places}: build all of Preroll (make build), or install it again (make install)"),
    }
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.to_owned(), folder.join(INSTALLED)]
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .and_then(|path| path.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_found_beside_the_program_and_then_in_libexec() {
        let prefix = tempfile::tempdir().unwrap();
        let prefix = prefix.path().canonicalize().unwrap();
        let (bin, libexec) = (prefix.join("bin"), prefix.join("libexec/preroll"));
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&libexec).unwrap();
        assert_eq!(find(&bin, "recorder"), None);
        std::fs::write(libexec.join("recorder"), "").unwrap();
        assert_eq!(find(&bin, "recorder"), Some(libexec.join("recorder")));
        std::fs::write(bin.join("recorder"), "").unwrap();
        assert_eq!(find(&bin, "recorder"), Some(bin.join("recorder")));
    }

    #[test]
    fn a_missing_executable_that_a_build_may_lack_is_told_with_its_packages() {
        let why = missing(Path::new("/opt/bin"), "capture-aravis");
        assert!(why.contains("/opt/bin") && why.contains("libaravis-dev and libusb-1.0-0-dev"), "{why}");
        assert!(!missing(Path::new("/opt/bin"), "recorder").contains("-dev"));
        assert!(of_camera("no-such-capture").is_err(), "no build lacks it");
        let not_found = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(why_not_started(Path::new("/opt/bin/capture-aravis"), &not_found), why);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        for (program, error) in [("/opt/bin/capture-aravis", &denied), ("/opt/bin/recorder", &not_found)] {
            assert_eq!(why_not_started(Path::new(program), error), error.to_string());
        }
    }
}
