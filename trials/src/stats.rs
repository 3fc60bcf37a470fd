//! Looking into the stats as scripts see them: as JSON.

use proto::process::Pid;
use serde_json::Value;

/// A process of the stats: "recorder", "supervisor" or a camera's name.
#[track_caller]
pub fn process<'a>(stats: &'a Value, who: &str) -> &'a Value {
    let is_it = |p: &&Value| p["role"] == who || p["camera"] == who;
    list(stats, "processes").iter().find(is_it).unwrap()
}

/// The pid of such a process, if it runs.
#[track_caller]
pub fn pid_in(stats: &Value, who: &str) -> Option<Pid> {
    serde_json::from_value(process(stats, who)["pid"].clone()).ok()
}

/// A camera of the stats.
#[track_caller]
pub fn camera<'a>(stats: &'a Value, name: &str) -> &'a Value {
    list(stats, "cameras").iter().find(|c| c["name"] == name).unwrap()
}

/// A list in any JSON object.
#[track_caller]
pub fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().unwrap_or_else(|| panic!("{key} is no list in {of}"))
}
