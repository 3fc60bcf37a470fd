//! `manifest.json`, read as a stranger would read it.
//!
//! Deliberately not Preroll's own types: a field that Preroll renames or forgets has to break here. Extra fields
//! are welcome; what the oracle needs has to be there.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

/// A clip's manifest, as far as it can be judged.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    /// The clip's id; a number or a string.
    pub clip_id: serde_json::Value,
    /// The trigger's label.
    pub label: Option<String>,
    /// 1 in manifests that don't say.
    #[serde(default = "first_schema")]
    pub schema: u32,
    /// What the clip is, in the recorder's word. `None` in schema 1.
    pub verdict: Option<String>,
    /// The claim that every frame of every camera is there.
    pub complete: bool,
    /// The claim that Preroll was stopped before the window was over.
    #[serde(default)]
    pub ended_early: bool,
    /// The start of the span that was asked for.
    pub asked_start_ns: Option<u64>,
    /// The moment that the trigger named.
    pub trigger_ns: Option<u64>,
    /// The span of time the clip covers.
    pub window: Window,
    /// The span that was asked for. `None` in schema 1.
    pub asked_window: Option<Window>,
    /// The first trigger. `None` in schema 1.
    pub trigger: Option<Trigger>,
    /// The triggers, or the first of very many.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// The cameras that the trigger named. `None` when it named none, which means all, and in older clips.
    #[serde(default)]
    pub cameras_asked: Option<Vec<String>>,
    /// Each camera by name.
    pub cameras: BTreeMap<String, Camera>,
}

/// A trigger.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Trigger {
    /// Its own name.
    pub id: String,
    /// `trigger`, or `begin` for one that was begun and ended. `None` in older clips.
    pub kind: Option<String>,
    /// The moment that it named.
    pub t_ns: u64,
    /// The end of its window. `None` in clips of a version that had one trigger a clip.
    pub end_ns: Option<u64>,
    /// Its place in each camera's video, in seconds.
    #[serde(default)]
    pub offset_s: BTreeMap<String, Option<f64>>,
}

/// A span of CLOCK_MONOTONIC, both ends within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Window {
    /// The first nanosecond inside.
    pub start_ns: u64,
    /// The last nanosecond inside.
    pub end_ns: u64,
}

impl Window {
    /// Does a frame that was captured at `t_ns` belong to the clip?
    pub fn contains(self, t_ns: u64) -> bool {
        (self.start_ns..=self.end_ns).contains(&t_ns)
    }
}

/// The manifest's part about one camera.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Camera {
    /// The video, beside the manifest. May be left out when no frame was written.
    pub file: Option<String>,
    /// All parts in order, when the codec had to change in the middle of the clip.
    #[serde(default)]
    pub files: Vec<String>,
    /// The codec, as the recorder names it.
    pub codec: Option<String>,
    /// The encoder that was used.
    pub encoder: Option<String>,
    /// The rows of frames that were made in one way, if the manifest lists them.
    #[serde(default)]
    pub stretches: Vec<Stretch>,
    /// The way in which the video was made, in the recorder's words.
    pub video: Option<String>,
    /// Frames before the window: the picture that stood when it began, or those that its first frame needs.
    #[serde(default)]
    pub lead_in_frames: u64,
    /// False: the camera was not live at any moment of the window, by the recorder's word.
    #[serde(default = "yes")]
    pub live: bool,
    /// Frames that were due, by the recorder's count.
    pub frames_expected: u64,
    /// Frames in the video, by the recorder's count.
    pub frames_written: u64,
    /// Frames that are not in the video although they were due.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// Frames that are in the video and not whole: the first row, the last, and the cause in the recorder's words.
    #[serde(default)]
    pub damaged: Vec<(u64, u64, String)>,
    /// Interruptions, in the recorder's words; the oracle only shows that it can be read.
    #[serde(default)]
    pub interruptions: Vec<serde_json::Value>,
    /// The camera's position in the config's list, if the manifest says so.
    pub camera_index: Option<u8>,
}

fn first_schema() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// A row of frames that were made in one way.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Stretch {
    /// The file that holds it.
    pub file: String,
    /// The first frame's row in the timestamps, from 0.
    pub first_frame: u64,
    /// The number of frames.
    pub frames: u64,
}

/// Frames declared missing.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Gap {
    /// The last frame before the gap, by the camera's own count; absent when the gap is at the start.
    pub after_sequence: Option<u64>,
    /// Frames that are missing there.
    pub missing: u64,
    /// The cause, in the recorder's words.
    pub cause: Option<String>,
}

impl Camera {
    /// Are the frames before the window there because others can't be decoded without them? Players are told to begin
    /// behind them.
    pub fn hides_lead_in(&self) -> bool {
        self.lead_in_frames > 0 && self.video.as_deref() == Some("verbatim")
    }
}

impl Manifest {
    /// Parses the text of a manifest.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl Camera {
    /// The video files, in the order in which they play.
    pub fn parts(&self) -> Vec<&str> {
        let listed = self.files.iter().map(String::as_str);
        match self.file.as_deref() {
            Some(file) if !self.files.iter().any(|other| other == file) => {
                std::iter::once(file).chain(listed).collect()
            }
            _ => listed.collect(),
        }
    }

    /// The first frame that the listed stretches say wrongly: they have to follow one another without a hole or an overlap,
    /// in files of this camera and in their order, up to the last frame.
    pub fn stretches_break_at(&self) -> Option<u64> {
        let parts = self.parts();
        let (mut next, mut file) = (0_u64, 0);
        for stretch in &self.stretches {
            let in_order = parts.iter().position(|part| *part == stretch.file).filter(|at| *at >= file);
            match in_order {
                Some(at) if stretch.first_frame == next && stretch.frames > 0 => file = at,
                _ => return Some(next),
            }
            next = next.saturating_add(stretch.frames);
        }
        (!self.stretches.is_empty() && next != self.frames_written).then_some(next)
    }

    /// Frames that are declared missing in all.
    pub fn declared(&self) -> u64 {
        self.gaps.iter().fold(0, |sum, gap| sum.saturating_add(gap.missing))
    }
}

/// Does `name` name something in the clip's own folder, and nowhere else?
pub fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
        "clip_id": "clip-0001", "label": "goal", "complete": false, "of_tomorrow": 1,
        "window": { "start_ns": 10, "end_ns": 20, "asked": {} },
        "cameras": { "left": {
            "file": "left.mp4", "codec": "H264", "encoder": "libx264",
            "frames_expected": 6, "frames_written": 3, "interruptions": [{ "ms": 40 }],
            "gaps": [{ "after_sequence": 7, "missing": 2, "cause": "ring overrun" },
                     { "after_sequence": null, "missing": 1 }] } } }"#;

    #[test]
    fn what_is_needed_is_read_and_the_rest_is_let_be() {
        let manifest = Manifest::parse(TEXT).unwrap();
        let left = &manifest.cameras["left"];
        assert_eq!(left.declared(), 3);
        assert_eq!(left.parts(), ["left.mp4"]);
        assert!(manifest.window.contains(20) && !manifest.window.contains(21));
    }

    #[test]
    fn a_manifest_without_what_is_needed_is_refused() {
        for field in
            ["\"complete\"", "\"window\"", "\"frames_written\"", "\"frames_expected\"", "\"missing\""]
        {
            let text = TEXT.replace(field, "\"renamed\"");
            assert!(Manifest::parse(&text).is_err(), "{field}");
        }
    }

    #[test]
    fn parts_play_in_order_however_they_are_listed() {
        let camera = |file: Option<&str>, files: &[&str]| Camera {
            file: file.map(str::to_owned),
            files: files.iter().map(|&name| name.to_owned()).collect(),
            ..Camera::default()
        };
        assert_eq!(camera(Some("a.mp4"), &["b.avi"]).parts(), ["a.mp4", "b.avi"]);
        assert_eq!(camera(Some("a.mp4"), &["a.mp4", "b.avi"]).parts(), ["a.mp4", "b.avi"]);
        assert_eq!(camera(None, &["a.mp4", "b.avi"]).parts(), ["a.mp4", "b.avi"]);
        assert!(camera(None, &[]).parts().is_empty());
    }

    #[test]
    fn stretches_follow_one_another_up_to_the_last_frame() {
        let breaks_at = |stretches: &[(&str, u64, u64)]| {
            let stretch = |&(file, first_frame, frames): &(&str, u64, u64)| Stretch {
                file: file.to_owned(),
                first_frame,
                frames,
            };
            let files = vec!["a.mp4".to_owned(), "b.avi".to_owned()];
            let stretches = stretches.iter().map(stretch).collect();
            Camera { files, stretches, frames_written: 9, ..Camera::default() }.stretches_break_at()
        };
        assert_eq!(breaks_at(&[]), None);
        assert_eq!(breaks_at(&[("a.mp4", 0, 4), ("a.mp4", 4, 2), ("b.avi", 6, 3)]), None);
        assert_eq!(breaks_at(&[("a.mp4", 0, 4)]), Some(4));
        assert_eq!(breaks_at(&[("a.mp4", 0, 4), ("a.mp4", 5, 4)]), Some(4));
        assert_eq!(breaks_at(&[("b.avi", 0, 4), ("a.mp4", 4, 5)]), Some(4));
        assert_eq!(breaks_at(&[("c.mp4", 0, 9)]), Some(0));
        assert_eq!(breaks_at(&[("a.mp4", 0, 10)]), Some(10));
    }

    #[test]
    fn a_name_may_not_leave_the_folder() {
        assert!(is_plain_name("left.mp4"));
        for name in ["", ".", "..", "../left.mp4", "/left.mp4", "a/b.mp4"] {
            assert!(!is_plain_name(name), "{name:?}");
        }
    }
}
