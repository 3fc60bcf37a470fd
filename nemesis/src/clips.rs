//! Every clip's verdict, and what is missing in it. Clips are judged while the rest goes on, and the videos of true
//! ones removed: half an hour of them would fill a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oracle::clip;
use oracle::judge::Verdict;
use oracle::manifest::{Manifest, Window};
use oracle::report;
use oracle::timestamps;
use oracle::truth::{Made, Truth, Truths};
use serde::Serialize;

use crate::neighbour;

/// From one look for finished clips to the next.
const EVERY: Duration = Duration::from_millis(500);
/// A clip that is older has been noticed by everyone: nobody misses its folder.
const OLD: Duration = Duration::from_secs(10);

/// A clip that was judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The clip's folder.
    pub folder: PathBuf,
    /// The window that the clip was to hold.
    pub window: Window,
    /// The ids of its triggers.
    pub triggers: Vec<String>,
    /// Each camera.
    pub cameras: BTreeMap<String, CameraJudged>,
    /// The reasons why the clip is false; empty when it is true.
    pub faults: Vec<String>,
}

/// One camera of it.
#[derive(Clone, Debug, Default)]
pub struct CameraJudged {
    /// Files of its video.
    pub files: usize,
    /// The oracle's count.
    pub count: Count,
    /// Frames that the camera's truth log has and the video hasn't.
    pub lost: Vec<Made>,
    /// Frames that the camera would have made, had a capture been there: the last one before, the first one after,
    /// if there is one.
    pub holes: Vec<(Made, Option<Made>)>,
    /// Frames that were declared missing, by cause.
    pub causes: BTreeMap<String, u64>,
}

/// Frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Due in the window.
    pub expected: u64,
    /// In the video.
    pub present: u64,
    /// Declared missing.
    pub declared: u64,
    /// The rest: lost in silence, or, below 0, declared and not lost.
    pub silent: i64,
}

impl Count {
    /// The sum of two counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            expected: self.expected + other.expected,
            present: self.present + other.present,
            declared: self.declared + other.declared,
            silent: self.silent + other.silent,
        }
    }
}

/// The clip folders of every session.
#[must_use]
pub fn folders(recordings: &Path) -> Vec<PathBuf> {
    let below = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_clip =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("clip-"));
    let clips = below(recordings).flat_map(|session| below(&session.path()).map(|clip| clip.path()));
    let mut clips: Vec<PathBuf> = clips.filter(is_clip).collect();
    clips.sort();
    clips
}

/// The judge of a run.
#[derive(Debug)]
pub struct Judging {
    /// The config's `output_dir`.
    pub recordings: PathBuf,
    /// Each camera's truth log.
    pub truths: BTreeMap<String, PathBuf>,
    /// Keep the videos of true clips too.
    pub keep: bool,
}

impl Judging {
    /// Judges what is finished, until it is told to end; then the rest.
    pub fn run(&self, over: &AtomicBool) -> Vec<Judged> {
        // The processes that are being measured go first.
        let _ = rustix::process::nice(19);
        let (mut judged, mut known) = (Vec::new(), BTreeSet::new());
        loop {
            let last = over.load(Ordering::Relaxed);
            for folder in folders(&self.recordings) {
                if !known.contains(&folder)
                    && let Some(clip) = self.judge(&folder, last)
                {
                    if clip.faults.is_empty() && !self.keep {
                        remove_videos(&folder);
                    }
                    known.insert(folder);
                    judged.push(clip);
                }
            }
            if last {
                return judged;
            }
            std::thread::sleep(EVERY);
        }
    }

    /// The verdict, if there is one to be had yet.
    fn judge(&self, folder: &Path, at_once: bool) -> Option<Judged> {
        let path = folder.join(clip::MANIFEST);
        let written = path.metadata().ok()?.modified().ok()?;
        let is_old = written.elapsed().is_ok_and(|age| age > OLD);
        if !at_once && !is_old {
            return None;
        }
        let manifest = std::fs::read_to_string(&path).map_err(|e| e.to_string());
        let manifest = manifest.and_then(|text| Manifest::parse(&text).map_err(|e| e.to_string()));
        let truths = self.truths.iter().map(|(name, path)| Ok((name.clone(), Truth::read(path)?)));
        let (manifest, truths) =
            match (manifest, truths.collect::<Result<Truths, oracle::truth::TruthError>>()) {
                (Ok(manifest), Ok(truths)) => (manifest, truths),
                (manifest, truths) => {
                    let mut faults = vec![];
                    faults.extend(manifest.err());
                    faults.extend(truths.err().map(|e| e.to_string()));
                    let window = Window { start_ns: 0, end_ns: 0 };
                    return Some(Judged {
                        folder: folder.to_owned(),
                        window,
                        triggers: Vec::new(),
                        cameras: BTreeMap::new(),
                        faults,
                    });
                }
            };
        // Until a camera is back nobody knows how many frames it would have made.
        let goes_on =
            |truth: &Truth| truth.rows().last().is_some_and(|row| row.t_ns > manifest.window.end_ns);
        if !at_once && !truths.values().all(goes_on) {
            return None;
        }
        let is_the_neighbours = manifest.cameras.contains_key(neighbour::CAMERA);
        let mut truths = truths;
        truths.retain(|name, _| (name == neighbour::CAMERA) == is_the_neighbours);
        let report = clip::judge(folder, folder.display().to_string(), &truths);
        let camera = |(name, verdict): (&String, &Verdict)| {
            let causes = manifest.cameras.get(name).map(causes).unwrap_or_default();
            let times = times(folder, name);
            let truth = truths.get(name).map(|truth| truth.life_around(manifest.window)).unwrap_or_default();
            (
                name.clone(),
                CameraJudged {
                    files: manifest.cameras.get(name).map_or(0, |camera| camera.parts().len()),
                    count: Count {
                        expected: verdict.expected,
                        present: verdict.present,
                        declared: verdict.declared,
                        silent: verdict.silent,
                    },
                    lost: lost(truth, manifest.window, &times),
                    holes: holes(truth, manifest.window),
                    causes,
                },
            )
        };
        Some(Judged {
            folder: folder.to_owned(),
            window: manifest.window,
            triggers: manifest.triggers.iter().map(|trigger| trigger.id.clone()).collect(),
            cameras: report.cameras.iter().map(camera).collect(),
            faults: faults(&report),
        })
    }
}

/// All but the manifest: a folder that is gone would make room for another of its name.
fn remove_videos(folder: &Path) {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for file in files.filter(|file| file.file_name() != clip::MANIFEST) {
        // A video that was judged only takes room.
        let _ = std::fs::remove_file(file.path());
    }
}

fn faults(clip: &report::Clip) -> Vec<String> {
    let cameras = clip.cameras.iter().flat_map(|(name, verdict)| {
        verdict.faults.iter().map(move |fault| format!("camera {name}: {fault}"))
    });
    clip.faults.iter().map(ToString::to_string).chain(cameras).collect()
}

fn causes(camera: &oracle::manifest::Camera) -> BTreeMap<String, u64> {
    let mut causes = BTreeMap::new();
    for gap in &camera.gaps {
        *causes.entry(gap.cause.clone().unwrap_or_default()).or_insert(0) += gap.missing;
    }
    causes
}

/// The capture times in the CSV. The oracle has compared them with the pictures.
fn times(folder: &Path, camera: &str) -> BTreeSet<u64> {
    let text = std::fs::read_to_string(folder.join(format!("{camera}_timestamps.csv"))).unwrap_or_default();
    timestamps::parse(&text).unwrap_or_default().iter().map(|row| row.t_ns).collect()
}

/// The frames made in the window that are not among these.
fn lost(life: &[Made], window: Window, times: &BTreeSet<u64>) -> Vec<Made> {
    life.iter().filter(|row| window.contains(row.t_ns) && !times.contains(&row.t_ns)).copied().collect()
}

/// The places where a camera's numbers jump or end, as far as that touches the window.
#[must_use]
pub fn holes(life: &[Made], window: Window) -> Vec<(Made, Option<Made>)> {
    let inside = |a: &Made, b: &Made| {
        // At least one of the frames between them was due in the window.
        let step = (b.t_ns - a.t_ns) / (b.sequence - a.sequence);
        a.t_ns + step <= window.end_ns && b.t_ns >= window.start_ns + step
    };
    let jumps = life.windows(2).filter(|pair| pair[1].sequence > pair[0].sequence + 1);
    let jumps = jumps.filter(|pair| inside(&pair[0], &pair[1])).map(|pair| (pair[0], Some(pair[1])));
    let end = match life {
        [.., a, b] if b.t_ns + (b.t_ns - a.t_ns) / (b.sequence - a.sequence) < window.end_ns => {
            Some((*b, None))
        }
        _ => None,
    };
    jumps.chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(sequences: impl IntoIterator<Item = u64>) -> Vec<Made> {
        sequences.into_iter().map(|sequence| Made { sequence, t_ns: 1000 + 10 * sequence }).collect()
    }

    #[test]
    fn what_was_made_and_is_not_in_the_clip_is_lost() {
        let times = [1100, 1110, 1130].into();
        let window = Window { start_ns: 1100, end_ns: 1135 };
        assert_eq!(lost(&made(0..40), window, &times), made([12]));
    }

    #[test]
    fn holes_are_where_the_camera_made_nothing_inside_the_window() {
        let life = made((0..10).chain(15..20).chain(30..40));
        let window = |start_ns, end_ns| Window { start_ns, end_ns };
        let hole = |a, b| (made([a])[0], Some(made([b])[0]));
        assert_eq!(holes(&life, window(1000, 1390)), [hole(9, 15), hole(19, 30)]);
        assert_eq!(holes(&life, window(1000, 1100)), [hole(9, 15)]);
        assert_eq!(holes(&life, window(1000, 1095)), []);
        assert_eq!(holes(&life, window(1150, 1190)), []);
        assert_eq!(holes(&life, window(1380, 1450)), [(made([39])[0], None)]);
    }
}
