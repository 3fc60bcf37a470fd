//! The answer of `verify`: a document, and the same in words.

use std::fmt::Write;

use proto::by_camera::ByCamera;
use proto::clip::{SUMS, Verdict};
use serde::Serialize;

/// Something that is wrong with a clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    /// The camera whose timestamps or frames are wrong.
    pub(crate) camera: Option<String>,
    /// The file that is wrong.
    pub(crate) file: Option<String>,
    /// A sentence on it.
    pub(crate) what: String,
}

impl Fault {
    pub(super) fn of_file(file: &str, what: String) -> Self {
        Self { camera: None, file: Some(file.to_owned()), what }
    }

    pub(super) fn of_camera(camera: &str, file: Option<&str>, what: String) -> Self {
        Self { camera: Some(camera.to_owned()), file: file.map(str::to_owned), what }
    }

    /// One line: the camera and the file, and what is wrong.
    fn line(&self) -> String {
        let camera = self.camera.as_ref().map(|camera| format!("camera {camera}"));
        let mut parts: Vec<&str> = camera.iter().map(String::as_str).collect();
        parts.extend(self.file.as_deref());
        parts.push(&self.what);
        parts.join(": ")
    }
}

/// A camera of a clip that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CameraReport {
    /// Its video's files.
    pub(crate) files: Vec<String>,
    /// The frames that the manifest promises.
    pub(crate) frames_written: u64,
    /// The frames that could be decoded.
    pub(crate) frames_decoded: u64,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// The folder, as it was named.
    pub(crate) folder: String,
    /// The clip; null if its manifest can't be read.
    pub(crate) clip_id: Option<String>,
    /// The manifest's word on what the clip lacks, which is not a fault of its files.
    pub(crate) verdict: Option<Verdict>,
    /// Nothing is wrong.
    pub(crate) good: bool,
    /// The number of files in `SHA256SUMS`; null where there is none.
    pub(crate) summed: Option<usize>,
    /// The cameras by name, in the config's order.
    pub(crate) cameras: ByCamera<CameraReport>,
    /// Everything that is wrong.
    pub(crate) faults: Vec<Fault>,
}

impl Report {
    pub(crate) fn text(&self) -> String {
        let name = self.clip_id.as_deref().unwrap_or(&self.folder);
        let word = if self.good { "good" } else { "not good" };
        let verdict = self.verdict.map_or(String::new(), |verdict| format!(" (recorded as {verdict})"));
        let mut text = format!("{name}: {word}{verdict}\n");
        for (camera, report) in self.cameras.iter() {
            let CameraReport { files, frames_written, frames_decoded } = report;
            let files = if files.is_empty() { "no video".to_owned() } else { files.join(", ") };
            // Writing to a String can't fail.
            let _ =
                writeln!(text, "  {camera}: {frames_decoded} of {frames_written} frames decoded; {files}");
        }
        match self.summed {
            Some(1) => text.push_str("  1 file has a sum\n"),
            Some(files) => {
                let _ = writeln!(text, "  {files} files have sums");
            }
            None => {
                let _ = writeln!(
                    text,
                    "  there is no {SUMS}: a change of a file that still decodes is not noticed"
                );
            }
        }
        for fault in &self.faults {
            let _ = writeln!(text, "  ! {}", fault.line());
        }
        text
    }
}
