//! A panic as one error line of the log: the process, the thread, the camera and the clip that it struck, its place
//! and its message. After the line the thread unwinds, as Rust has it, and the process goes on unless the thread was
//! its first; or the process ends, if it has asked for that.

use std::cell::RefCell;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit;

/// The process that the lines name: what [`install`] was given.
static PROCESS: OnceLock<Process> = OnceLock::new();

/// True when a panic ends the process.
static ENDS_THE_PROCESS: AtomicBool = AtomicBool::new(false);

struct Process {
    role: String,
    camera: Option<String>,
}

/// The camera and the clip that a thread works on.
#[derive(Clone, Debug, Default)]
struct Work {
    camera: Option<String>,
    clip: Option<String>,
}

thread_local! {
    static WORK: RefCell<Work> = RefCell::default();
}

/// From here on a panic of any thread is one error line. Called once in a process, right after the log was started.
///
/// `role` is what a person calls the process ("recorder"); `camera` is the one that the whole process serves, if it
/// serves one.
pub fn install(role: &str, camera: Option<&str>) {
    let process = Process { role: role.to_owned(), camera: camera.map(str::to_owned) };
    if PROCESS.set(process).is_err() {
        // Two hooks would print two lines for each panic.
        return;
    }
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        let ends = ENDS_THE_PROCESS.load(Ordering::Relaxed);
        // A developer who asks for a backtrace gets Rust's own report beside the line.
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|asked| asked != "0") {
            default(panic);
        }
        if ends {
            // Nothing is unwound: whoever takes over must not find what a half-done thread tidied up.
            std::process::exit(exit::PANICKED.into());
        }
    }));
}

/// From here on a panic of any thread ends the process with [`exit::PANICKED`].
pub fn end_the_process() {
    ENDS_THE_PROCESS.store(true, Ordering::Relaxed);
}

/// Names the camera that this thread works on, for as long as the thread lives.
pub fn set_camera(camera: &str) {
    WORK.with_borrow_mut(|work| work.camera = Some(camera.into()));
}

/// Names the clip that this thread works on, until the value returned is dropped. A clip that was named before is
/// named again then.
#[must_use = "the clip is named only as long as this value lives"]
pub fn on_clip(clip: &str) -> OnClip {
    let before = WORK.with_borrow_mut(|work| work.clip.replace(clip.into()));
    OnClip { before }
}

/// A thread's work on one clip: see [`on_clip`].
#[derive(Debug)]
pub struct OnClip {
    before: Option<String>,
}

impl Drop for OnClip {
    fn drop(&mut self) {
        WORK.with_borrow_mut(|work| work.clip = self.before.take());
    }
}

/// Writes the line. This function must not panic: a panic inside a panic hook aborts the process.
fn report(panic: &PanicHookInfo<'_>) {
    let process = PROCESS.get();
    let role = process.map_or("preroll", |process| &process.role);
    // A panic during the borrow, or after the thread's own variables are gone, is reported without them.
    let work = WORK.try_with(|work| work.try_borrow().ok().map(|work| work.clone())).ok().flatten();
    let work = work.unwrap_or_default();
    // The log adds the camera of a whole process to each line by itself.
    let field = work.camera.as_deref();
    let camera = field.or_else(|| process?.camera.as_deref());
    let clip = work.clip.as_deref();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let message = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("(no message)");
    let line = sentence(role, thread, camera, clip, &place, message);
    if tracing::dispatcher::has_been_set() {
        tracing::error!(thread, camera = field, clip, place, "{line}");
    } else {
        // A command that has no log. Standard error may be closed, which is no reason to panic again.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn sentence(
    role: &str,
    thread: &str,
    camera: Option<&str>,
    clip: Option<&str>,
    place: &str,
    message: &str,
) -> String {
    let camera = camera.map_or(String::new(), |camera| format!(", camera {camera}"));
    let clip = clip.map_or(String::new(), |clip| format!(", clip {clip}"));
    // A message of several lines (assert_eq! makes such) is still one line of the log.
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "{role}: thread {thread}{camera}{clip}: a panic at {place}: {message}; this is a bug, please report it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_is_known_and_nothing_else() {
        let all = sentence("recorder", "left", Some("left"), Some("clip-0001"), "a.rs:1:2", "no\n  way");
        assert!(
            all.starts_with(
                "recorder: thread left, camera left, clip clip-0001: a panic at a.rs:1:2: no way;"
            )
        );
        let few = sentence("supervisor", "main", None, None, "a.rs:1:2", "no");
        assert!(few.starts_with("supervisor: thread main: a panic at a.rs:1:2: no;"), "{few}");
    }

    #[test]
    fn a_clip_is_named_while_it_is_worked_on() {
        let now = || WORK.with_borrow(|work| work.clip.clone());
        let outer = on_clip("clip-0001");
        {
            let _inner = on_clip("clip-0002");
            assert_eq!(now().as_deref(), Some("clip-0002"));
        }
        assert_eq!(now().as_deref(), Some("clip-0001"));
        drop(outer);
        assert_eq!(now(), None);
    }
}
