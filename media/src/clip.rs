//! A finished clip as it lies in its folder: its documents, the rows of its timestamps, the files that its videos are in, and the
//! lock that keeps it from being removed while it is read. The clip may be a copy, made by anybody.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use proto::clip::{CameraClip, MANIFEST, Manifest, PARTIAL_DIR, VideoMode};
use proto::name::Name;
use proto::time::MonotonicNs;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::deadline;
use crate::plain_file;
use crate::rows::{self, Row};

/// The longest document that is read whole.
const MAX_BYTES: u64 = 1 << 30;
/// The patience with a recorder that holds a clip while it makes posters and sums: milliseconds, or longer for gigabytes.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(20);

/// Keeps a finished clip from being removed for as long as the file is open. `None` where files can't be locked, since no rig
/// records there, and while something is left of the clip's plan: then nobody removes it, and the lock is the recorders'.
///
/// # Errors
/// A sentence: somebody else holds it.
pub(crate) fn hold(folder: &Path) -> Result<Option<File>, String> {
    hold_within(folder, PATIENCE)
}

fn hold_within(folder: &Path, patience: Duration) -> Result<Option<File>, String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let until = Instant::now() + patience;
    while folder.join(PARTIAL_DIR).symlink_metadata().is_err() {
        let opened = rustix::fs::open(folder, flags, Mode::empty());
        let opened = opened.map_err(|e| format!("{} can't be opened: {e}", folder.display()))?;
        match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockShared) {
            // A clip that is removed is renamed first, under this lock.
            Ok(()) if is_still(&opened, folder) => return Ok(Some(opened.into())),
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) if Instant::now() >= until => {
                let busy = "its sums are being made, or it is being removed; try again later";
                return Err(format!("{}: {busy}", folder.display()));
            }
            Err(Errno::WOULDBLOCK) => {
                std::thread::sleep(GLANCE);
                deadline::step();
            }
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

fn is_still(opened: &impl std::os::fd::AsFd, folder: &Path) -> bool {
    let ids = |stat: rustix::io::Result<rustix::fs::Stat>| stat.map(|stat| (stat.st_dev, stat.st_ino)).ok();
    ids(rustix::fs::fstat(opened)) == ids(rustix::fs::stat(folder))
}

/// A part of a camera's video that lies in one file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    /// The file's name.
    pub(crate) file: &'a str,
    /// The row of its first frame.
    pub(crate) first: u64,
    /// The frames that the manifest promises.
    pub(crate) frames: u64,
    /// The rows of these frames, as far as there are any.
    pub(crate) rows: &'a [Row],
    /// The capture time that its time 0 stands for.
    base_ns: u64,
    /// The file keeps capture times. An AVI has a constant rate.
    pub(crate) has_times: bool,
}

impl<'a> Part<'a> {
    /// The files of a camera's video, in the order in which they play.
    pub(crate) fn all(camera: &'a CameraClip, rows: &'a [Row], window_start: MonotonicNs) -> Vec<Self> {
        let mut first = 0;
        let mut part = |file: &'a String| {
            let made = camera.made_by.iter().find(|made| made.file == *file);
            let frames = match (made, camera.files.len()) {
                (Some(made), 2..) => made.frames,
                _ => camera.frames_written - first.min(camera.frames_written),
            };
            let rows = rows_from(rows, first, frames);
            // A lead-in that isn't hidden is shown from the window's start on.
            let is_shown = camera.video != Some(VideoMode::Verbatim);
            let base_ns = rows.first().map_or(0, |row| match row.lead_in && is_shown {
                true => row.t_ns.max(window_start.0),
                false => row.t_ns,
            });
            let part = Self { file, first, frames, rows, base_ns, has_times: !file.ends_with(".avi") };
            first += frames;
            part
        };
        camera.files.iter().map(&mut part).collect()
    }

    /// The time in the file at which a row's frame is shown.
    pub(crate) fn due_ns(&self, row: &Row) -> i64 {
        i64::try_from(row.t_ns.saturating_sub(self.base_ns)).unwrap_or(i64::MAX)
    }

    /// A part with these rows, whose time 0 is its first frame.
    #[cfg(test)]
    pub(crate) fn of_rows(rows: &'a [Row], first: u64, has_times: bool) -> Self {
        let base_ns = rows.first().map_or(0, |row| row.t_ns);
        let frames = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Self { file: "left.mp4", first, frames, rows, base_ns, has_times }
    }
}

/// The rows of a file that begins at this row.
fn rows_from(rows: &[Row], first: u64, frames: u64) -> &[Row] {
    let [first, frames] = [first, frames].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let rows = rows.get(first..).unwrap_or_default();
    rows.get(..frames).unwrap_or(rows)
}

/// The rows of a camera, which are those that the manifest promises.
///
/// # Errors
/// A sentence on what is wrong with them.
pub(crate) fn timestamps(
    folder: &Path,
    manifest: &Manifest,
    name: &Name,
    camera: &CameraClip,
) -> Result<Vec<Row>, String> {
    be_plain(&camera.timestamps)?;
    let text = match read(&folder.join(&camera.timestamps)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && camera.files.is_empty() => return Ok(Vec::new()),
        other => other.map_err(|e| format!("it can't be read: {e}"))?,
    };
    let rows = rows::read(&text, name.as_str(), manifest.trigger_ns.0)?;
    let [first, last] = [rows.first(), rows.last()].map(|row| row.map(|row| row.t_ns));
    if u64::try_from(rows.len()).ok() != Some(camera.frames_written) {
        return Err(format!(
            "it has {} rows, and {MANIFEST} says {} frames",
            rows.len(),
            camera.frames_written
        ));
    }
    if (first, last) != (camera.first_frame_ns.map(|t| t.0), camera.last_frame_ns.map(|t| t.0)) {
        return Err(format!("its first and last times are not those in {MANIFEST}"));
    }
    Ok(rows)
}

/// A manifest that somebody else has made may name any path.
///
/// # Errors
/// A sentence: the name is no base name.
pub(crate) fn be_plain(name: &str) -> Result<(), String> {
    if name.is_empty() || name.contains('/') || name.contains('\0') || name == "." || name == ".." {
        return Err(format!("{MANIFEST} names it, and it is no name of a file in the clip's folder"));
    }
    Ok(())
}

/// A whole document.
///
/// # Errors
/// The system's error; the file is no regular one.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    plain_file::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_that_somebody_removes_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (hold(folder.path()).unwrap(), hold(folder.path()).unwrap());
        assert!(first.is_some() && second.is_some(), "two may read it");
        drop((first, second));
        let others = File::open(folder.path()).unwrap();
        rustix::fs::flock(&others, FlockOperation::NonBlockingLockExclusive).unwrap();
        let refused = hold_within(folder.path(), Duration::ZERO).unwrap_err();
        assert!(refused.contains("being removed"), "{refused}");
        std::fs::create_dir(folder.path().join(PARTIAL_DIR)).unwrap();
        assert!(hold(folder.path()).unwrap().is_none(), "the lock is the recorder's");
        std::fs::remove_dir(folder.path().join(PARTIAL_DIR)).unwrap();
        drop(others);
        assert!(hold(folder.path()).unwrap().is_some());
        assert!(hold(&folder.path().join("gone")).unwrap_err().contains("gone"));
    }

    #[test]
    fn rows_are_shared_out_among_the_files_of_a_video() {
        let whole: Manifest =
            serde_json::from_str(include_str!("../../proto/src/clip/schema1/whole.json")).unwrap();
        let mut camera = whole.cameras.values().next().unwrap().clone();
        let row = |n: u64| Row { t_ns: 1_000 * n, lead_in: n == 1, ..Row::default() };
        let rows: Vec<Row> = (1..=5).map(row).collect();
        camera.frames_written = 5;
        camera.made_by.push(proto::clip::FileMaker {
            file: "b.avi".into(),
            frames: 3,
            ..camera.made_by[0].clone()
        });
        (camera.made_by[0].file, camera.made_by[0].frames) = ("a.mp4".into(), 2);
        camera.files = vec!["a.mp4".into(), "b.avi".into()];
        let parts = Part::all(&camera, &rows, MonotonicNs(1_700));
        let told: Vec<_> =
            parts.iter().map(|part| (part.first, part.frames, part.rows.len(), part.has_times)).collect();
        assert_eq!(told, [(0, 2, 2, true), (2, 3, 3, false)]);
        assert_eq!(rows.iter().take(2).map(|row| parts[0].due_ns(row)).collect::<Vec<_>>(), [0, 300]);
        camera.video = Some(VideoMode::Verbatim);
        let parts = Part::all(&camera, &rows, MonotonicNs(1_700));
        assert_eq!(parts[0].due_ns(&rows[1]), 1_000, "a hidden lead-in has its own time");
    }
}
