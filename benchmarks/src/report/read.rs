//! Result files, told apart by their `kind`. Of the measurements that have grown beyond what a picture needs only that is read.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cost::Level;
use crate::head::SCHEMA;
use crate::machine::Machine;
use crate::{encode, peers, restart, ring, run};

/// Every kind, in the order of the page.
pub const KINDS: [&str; 8] = ["peers", "restart", "scale", "memory", "size", "run", "ring", "encode"];

/// The contents of one file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name, without its folder.
    pub file: String,
    /// On what it was measured.
    pub machine: Machine,
    /// The file says of itself that it was made up, for a test.
    pub made_up: bool,
    /// The figures.
    pub content: Content,
}

/// The figures, by their kind.
#[derive(Clone, Debug)]
pub enum Content {
    /// Other recorders, with the same frames.
    Peers(Peers),
    /// From kill to encoding.
    Restart(restart::Results),
    /// Cost by the number of cameras.
    Scale(Scale),
    /// Memory by the length of the pre-roll.
    Memory(Memory),
    /// Codecs, by size and likeness.
    Size(Sizes),
    /// A run.
    Run(run::Results),
    /// The ring.
    Ring(ring::Results),
    /// A frame's processor time.
    Encode(encode::Results),
}

impl Content {
    /// The place on the page.
    #[must_use]
    pub fn place(&self) -> usize {
        match self {
            Self::Peers(_) => 0,
            Self::Restart(_) => 1,
            Self::Scale(_) => 2,
            Self::Memory(_) => 3,
            Self::Size(_) => 4,
            Self::Run(_) => 5,
            Self::Ring(_) => 6,
            Self::Encode(_) => 7,
        }
    }
}

/// See [`Content::Peers`].
#[derive(Clone, Debug, Deserialize)]
pub struct Peers {
    /// The plan that was asked for.
    pub plan: Option<peers::plan::Plan>,
    /// The first is Preroll.
    pub peers: Vec<Peer>,
}

/// One recorder.
#[derive(Clone, Debug, Deserialize)]
pub struct Peer {
    /// The name in commands.
    #[serde(default)]
    pub name: String,
    /// The name for people.
    pub title: String,
    /// A description of how it is built.
    #[serde(default)]
    pub what: String,
    /// Number of triggers.
    #[serde(default)]
    pub rounds: u64,
    /// The reason why there are no figures, if there are none.
    pub not_measured: Option<String>,
    /// Of their clips, never announced.
    #[serde(default)]
    pub unfinished: u64,
    /// Frames that should be in the clips.
    #[serde(default)]
    pub frames_expected: u64,
    /// Frames that are.
    #[serde(default)]
    pub frames_found: u64,
    /// Frames that are there more than once.
    #[serde(default)]
    pub duplicated: u64,
    /// Pictures that don't say which they are.
    #[serde(default)]
    pub unreadable: u64,
    /// Files that can't be played, or not to their end.
    #[serde(default)]
    pub broken: Vec<String>,
    /// The recorder's own words about its encoder.
    #[serde(default)]
    pub codec: String,
    /// Frames that cameras dropped around triggers, because nobody took them.
    #[serde(default)]
    pub camera_dropped: u64,
    /// The longest time in which no frame was taken from a camera.
    pub hole_worst_ms: Option<f64>,
    /// Moments relative to the trigger, and how long after the one before each frame was taken.
    #[serde(default)]
    pub around: Vec<(f64, f64)>,
    /// Megabytes.
    pub memory_mb: Option<Level>,
    /// Percent of a core.
    pub cpu_percent: Option<Level>,
    /// Of that, when nothing is recorded.
    pub armed_cpu_percent: Option<f64>,
    /// From the window's end to the file.
    pub file_after_ms: Option<run::FinishedAfter>,
    /// Of a camera's file.
    pub bytes_a_frame: Option<f64>,
    /// The effect of kill -9 on its encoder.
    pub killed: Option<Killed>,
}

/// See [`Peer::killed`].
#[derive(Clone, Debug, Deserialize)]
pub struct Killed {
    /// Frames that should be in the clip.
    pub frames_expected: Option<u64>,
    /// Frames that are.
    pub frames_found: Option<u64>,
    /// The longest time without a frame.
    pub hole_ms: Option<f64>,
    /// In words.
    #[serde(default)]
    pub note: String,
}

/// See [`Content::Scale`].
#[derive(Clone, Debug, Deserialize)]
pub struct Scale {
    /// A series for each size of frame.
    pub series: Vec<Series>,
}

/// Cameras of one size, more and more of them.
#[derive(Clone, Debug, Deserialize)]
pub struct Series {
    /// As in 1280x720.
    pub size: String,
    /// Frames a second.
    pub fps: f64,
    /// The most that held.
    pub held: Option<u64>,
    /// The resource that set the limit.
    #[serde(default)]
    pub bound: String,
    /// In the order in which they were tried.
    pub points: Vec<ScalePoint>,
}

/// So many cameras.
#[derive(Clone, Debug, Deserialize)]
pub struct ScalePoint {
    /// Number of cameras.
    pub cameras: u32,
    /// Of one core.
    pub cpu_percent: f64,
    /// PSS of all processes.
    pub memory_mb: f64,
    /// Frames captured.
    #[serde(default)]
    pub frames: u64,
    /// And not.
    #[serde(default)]
    pub dropped: u64,
    /// 99 of 100 intervals are shorter.
    pub interval_p99_ms: Option<f64>,
    /// The longest.
    pub interval_max_ms: Option<f64>,
    /// Every frame was there.
    #[serde(default = "yes")]
    pub held: bool,
}

fn yes() -> bool {
    true
}

/// See [`Content::Memory`].
#[derive(Clone, Debug, Deserialize)]
pub struct Memory {
    /// Number of cameras.
    pub cameras: u32,
    /// As in 1280x720.
    pub size: String,
    /// Frames a second.
    pub fps: f64,
    /// Shortest first.
    pub points: Vec<MemoryPoint>,
}

/// The memory at one length of pre-roll.
#[derive(Clone, Debug, Deserialize)]
pub struct MemoryPoint {
    /// Of the pre-roll.
    pub pre_roll_ms: f64,
    /// The rings, by the formula.
    pub rings_mb: f64,
    /// PSS of all processes.
    pub memory_mb: f64,
}

/// See [`Content::Size`].
#[derive(Clone, Debug, Deserialize)]
pub struct Sizes {
    /// The film that was shown.
    pub film: String,
    /// Each codec at some qualities.
    pub points: Vec<SizePoint>,
    /// Size of MJPG over that of H264, at H264's likeness.
    pub ratio: f64,
}

/// A film encoded once.
#[derive(Clone, Debug, Deserialize)]
pub struct SizePoint {
    /// As in the config.
    pub codec: String,
    /// As in the config.
    pub quality: f64,
    /// Of the file.
    pub bytes: u64,
    /// 1 is the same.
    pub ssim: f64,
}

/// Reads one file.
///
/// # Errors
/// In one sentence, with the file's name: it can't be read, it is no result, or of no kind that is known.
pub fn read(path: &Path) -> Result<Source, String> {
    let name = path.display();
    let text = std::fs::read(path).map_err(|e| format!("{name} can't be read: {e}"))?;
    let value: Value =
        serde_json::from_slice(&text).map_err(|e| format!("{name} is no result: it is not JSON ({e})"))?;
    let known = KINDS.join(", ");
    let kind = match &value["kind"] {
        Value::String(kind) => kind.clone(),
        _ => return Err(format!("{name} is no result: it has no \"kind\", which is one of {known}")),
    };
    let broken = |why: serde_json::Error| format!("{name} is a broken result of `{kind}`: {why}");
    if let Some(schema) = value["schema"].as_u64().filter(|schema| *schema != u64::from(SCHEMA)) {
        return Err(format!("{name} is of version {schema}, and only {SCHEMA} is known here"));
    }
    let content = match kind.as_str() {
        "peers" => Content::Peers(parse(&value).map_err(broken)?),
        "restart" => Content::Restart(parse(&value).map_err(broken)?),
        "scale" => Content::Scale(parse(&value).map_err(broken)?),
        "memory" => Content::Memory(parse(&value).map_err(broken)?),
        "size" => Content::Size(parse(&value).map_err(broken)?),
        "run" => Content::Run(parse(&value).map_err(broken)?),
        "ring" => Content::Ring(parse(&value).map_err(broken)?),
        "encode" => Content::Encode(parse(&value).map_err(broken)?),
        _ => return Err(format!("{name} is of the unknown kind \"{kind}\"; known are {known}")),
    };
    Ok(Source {
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        machine: parse(&value["machine"]).map_err(broken)?,
        made_up: value["made_up"] == true,
        content,
    })
}

fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_of(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.json");
        std::fs::write(&path, text).unwrap();
        read(&path).unwrap_err()
    }

    #[test]
    fn what_is_no_result_is_named() {
        for (text, says) in [
            ("{", "not JSON"),
            ("{}", "no \"kind\""),
            (r#"{"kind":"poem"}"#, "unknown kind \"poem\""),
            (r#"{"kind":"scale","machine":{}}"#, "broken result of `scale`: missing field `series`"),
            (r#"{"kind":"scale","schema":2}"#, "version 2"),
        ] {
            let said = said_of(text);
            assert!(said.contains(says) && said.contains("some.json"), "{said}");
        }
        assert!(read(Path::new("/nowhere/at.json")).unwrap_err().contains("can't be read"));
    }
}
