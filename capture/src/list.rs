//! `--list-devices`: every camera that an executable can find, with an entry for the config, as one line of JSON. The supervisor
//! asks this, since it opens no device itself. Each backend knows how to look.

use std::collections::BTreeSet;
use std::process::ExitCode;

use proto::exit;
use proto::found_camera::FoundCamera;
use proto::{panics, parent, say, signals};

/// The flag that asks for the list.
const FLAG: &str = "--list-devices";

/// Is the list asked for, by the arguments of this process?
#[must_use]
pub fn is_asked() -> bool {
    std::env::args_os().nth(1).is_some_and(|argument| argument == FLAG)
}

/// The whole of main when the list is asked for. Behind the flag the process that this one must not outlive may follow.
/// `title` names the process in a panic's text.
#[must_use]
pub fn main(title: &'static str, cameras: fn() -> Vec<FoundCamera>) -> ExitCode {
    signals::ignore_strays();
    panics::install(title, None);
    let parent = std::env::args().nth(2).and_then(|pid| pid.parse().ok());
    if let Err(e) = parent.map_or(Ok(()), parent::end_with) {
        say::aside(&format!("can't list the cameras: {e}\n"));
        return ExitCode::from(exit::FAILED);
    }
    let printed = serde_json::to_string(&cameras())
        .map_err(Into::into)
        .and_then(|line| say::answer(&format!("{line}\n")));
    match printed {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(e) => {
            say::aside(&format!("can't write the list of cameras: {e}\n"));
            ExitCode::from(exit::FAILED)
        }
    }
}

/// A name for a config that no other camera of the list has, made of the camera's own.
pub fn free_name(of: &str, names: &mut BTreeSet<String>) -> String {
    let words = of.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    // A camera's name has 64 characters at most, and a number may follow.
    name.truncate(48);
    let name = if name.is_empty() || name == "recorder" { "camera".to_owned() } else { name };
    let mut numbered = (1_u32..).map(|n| if n == 1 { name.clone() } else { format!("{name}-{n}") });
    let free = numbered.find(|name| !names.contains(name)).unwrap_or_default();
    names.insert(free.clone());
    free
}
