//! Failpoints: named places at which a test makes a process die, stand still, or fail to write. They exist in debug
//! builds only. In a release build both functions here are empty, and no name of a failpoint is in the executable.
//!
//! Theory of operation. `PREROLL_FAILPOINTS` names a folder; child processes inherit the variable. The file `points` in
//! it says what is to happen. It is read anew whenever a point is reached, so a test can change its mind while everything
//! runs. Each time something happens, a file appears beside it. By these files "once" is counted across the lives of
//! processes, and a test waits for them.
//!
//! An entry a line: `point[:of...][@nth]=action[*times]`, for example
//!
//! ```text
//! publish.renamed=kill*2
//! disk.write:clip-0003:/left@7=error(ENOSPC)
//! encoder.encode:libx264@20=abort*9
//! encoder.encode:left=sleep(60000)
//! ```
//!
//! - `of` narrows a point to its object (a path, a codec, a camera), which must contain every `of` given.
//! - `nth` counts within a process, from 1. From the nth time on the entry happens each time.
//! - `times` limits that over all processes together; 1 if it isn't given.
//! - Actions are `kill` (SIGKILL), `stop` (SIGSTOP), `abort`, `panic`, `sleep(MS)`, and, where the point can fail, `error(EIO)`
//!   and its like.
//! - A line that begins with `#` is a remark.

#[cfg(debug_assertions)]
pub use armed::{check, pass};
#[cfg(not(debug_assertions))]
pub use disarmed::{check, pass};

/// The environment variable that names the folder.
pub const FOLDER: &str = "PREROLL_FAILPOINTS";
/// The file in that folder that holds the entries.
pub const POINTS: &str = "points";

/// The file that appears when an entry happens for the `time`th time, counted from 0.
#[must_use]
pub fn token(entry: &str, time: u32) -> String {
    let name = entry.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("{name}.{time}")
}

#[cfg(not(debug_assertions))]
mod disarmed {
    use std::fmt::Display;

    /// Does nothing.
    pub fn pass(_point: &str, _of: impl Display) {}

    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn check(_point: &str, _of: impl Display) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(debug_assertions)]
mod armed {
    use std::collections::HashMap;
    use std::fmt::Display;
    use std::fs::OpenOptions;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{LazyLock, Mutex, PoisonError};
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::process::{Signal, getpid, kill_process};

    use super::{FOLDER, POINTS, token};

    static FAILPOINTS: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os(FOLDER).map(PathBuf::from));
    static REACHED: LazyLock<Mutex<Reached>> = LazyLock::new(Mutex::default);

    /// The number of times that this process has reached each entry of the present `points`.
    #[derive(Default)]
    struct Reached {
        points: String,
        counts: HashMap<String, u64>,
    }

    /// An entry's action.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Action {
        Kill,
        Stop,
        Abort,
        Panic,
        Sleep(Duration),
        Error(Errno),
    }

    #[derive(Debug, PartialEq, Eq)]
    struct Entry<'a> {
        text: &'a str,
        point: &'a str,
        of: Vec<&'a str>,
        nth: u64,
        action: Action,
        times: u32,
    }

    /// Marks a place that can't fail. `of` is its object.
    pub fn pass(point: &str, of: impl Display) {
        // An `error` action has no meaning here.
        let _ = check(point, of);
    }

    /// Marks a place that can fail. `of` is its object.
    ///
    /// # Errors
    /// The error that the test asks for.
    pub fn check(point: &str, of: impl Display) -> io::Result<()> {
        let Some(folder) = &*FAILPOINTS else { return Ok(()) };
        match due(folder, point, &of) {
            None => Ok(()),
            Some(Action::Sleep(span)) => {
                std::thread::sleep(span);
                Ok(())
            }
            Some(Action::Error(errno)) => Err(errno.into()),
            Some(Action::Abort) => std::process::abort(),
            Some(Action::Panic) => panic!("asked for at {point}"),
            Some(Action::Stop) => signal(Signal::STOP),
            Some(Action::Kill) => signal(Signal::KILL),
        }
    }

    fn signal(signal: Signal) -> io::Result<()> {
        // A process can always signal itself.
        let _ = kill_process(getpid(), signal);
        Ok(())
    }

    fn due(folder: &Path, point: &str, of: &dyn Display) -> Option<Action> {
        let points = std::fs::read_to_string(folder.join(POINTS)).ok()?;
        let entries = points.lines().filter(|line| line.starts_with(point)).filter_map(entry);
        let mut entries = entries.filter(|entry| entry.point == point).peekable();
        entries.peek()?;
        let of = of.to_string();
        let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
        if reached.points != points {
            *reached = Reached { points: points.clone(), counts: HashMap::new() };
        }
        entries.filter(|entry| entry.of.iter().all(|part| of.contains(part))).find_map(|entry| {
            let count = reached.counts.entry(entry.text.to_owned()).or_default();
            *count += 1;
            let happens = *count >= entry.nth && (0..entry.times).any(|time| take(folder, entry.text, time));
            happens.then_some(entry.action)
        })
    }

    /// True for the one process that makes the entry happen for the `time`th time.
    fn take(folder: &Path, entry: &str, time: u32) -> bool {
        OpenOptions::new().write(true).create_new(true).open(folder.join(token(entry, time))).is_ok()
    }

    /// Reads a line. A line that is no entry ends the process: its test could never fail.
    fn entry(text: &str) -> Option<Entry<'_>> {
        let parsed = parse(text);
        if parsed.is_none() {
            tracing::error!("{FOLDER}: {text:?} is not an entry of the form point[:of][@nth]=action[*times]");
            std::process::abort();
        }
        parsed
    }

    fn parse(text: &str) -> Option<Entry<'_>> {
        let (place, what) = text.split_once('=')?;
        let (place, nth) = place.split_once('@').unwrap_or((place, "1"));
        let (action, times) = what.split_once('*').unwrap_or((what, "1"));
        let mut of = place.split(':');
        Some(Entry {
            text,
            point: of.next()?,
            of: of.collect(),
            nth: nth.parse().ok()?,
            action: action_of(action)?,
            times: times.parse().ok()?,
        })
    }

    fn action_of(text: &str) -> Option<Action> {
        let (name, argument) = text.strip_suffix(')').and_then(|t| t.split_once('(')).unwrap_or((text, ""));
        Some(match (name, argument) {
            ("kill", "") => Action::Kill,
            ("stop", "") => Action::Stop,
            ("abort", "") => Action::Abort,
            ("panic", "") => Action::Panic,
            ("sleep", ms) => Action::Sleep(Duration::from_millis(ms.parse().ok()?)),
            ("error", "EIO") => Action::Error(Errno::IO),
            ("error", "ENOSPC") => Action::Error(Errno::NOSPC),
            ("error", "EDQUOT") => Action::Error(Errno::DQUOT),
            ("error", "EROFS") => Action::Error(Errno::ROFS),
            ("error", "EMFILE") => Action::Error(Errno::MFILE),
            ("error", "EAGAIN") => Action::Error(Errno::AGAIN),
            _ => return None,
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn an_entry_says_where_when_what_and_how_often() {
            let entry = parse("disk.write:clip-0003:/left@7=error(ENOSPC)*2").unwrap();
            assert_eq!((entry.point, &entry.of[..]), ("disk.write", &["clip-0003", "/left"][..]));
            assert_eq!((entry.nth, entry.action, entry.times), (7, Action::Error(Errno::NOSPC), 2));
            let entry = parse("clip.told=kill").unwrap();
            assert_eq!((entry.of.len(), entry.nth, entry.action, entry.times), (0, 1, Action::Kill, 1));
            for wrong in ["clip.told", "clip.told=die", "a@x=kill", "a=kill*x", "a=sleep", "a=error(EWHAT)"] {
                assert_eq!(parse(wrong), None, "{wrong}");
            }
        }

        #[test]
        fn it_happens_from_the_nth_time_on_and_so_often_in_all() {
            let folder = tempfile::tempdir().unwrap();
            let text = "disk.write:/left@3=error(EIO)*2\nother=kill\n# a remark";
            std::fs::write(folder.path().join(POINTS), text).unwrap();
            let reach = |of: &str| due(folder.path(), "disk.write", &of).is_some();
            let happened: Vec<bool> = (0..6).map(|_| reach("clip/left.mp4")).collect();
            assert_eq!(happened, [false, false, true, true, false, false]);
            assert!(!reach("clip/right.mp4"));
            assert!(folder.path().join(token("disk.write:/left@3=error(EIO)*2", 1)).is_file());
        }
    }
}
