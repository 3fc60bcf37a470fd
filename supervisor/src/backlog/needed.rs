//! The clips that still need frames in shared memory: their plans are on the disk, and their manifests are not. A plan
//! names each of its rings by the ring's id, which the segments of its backlog bear too.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use proto::clip::{MANIFEST, PARTIAL_DIR, Plan, STOPPED, Stopped, clip_name, plan_path, unfinished_clips};
use proto::durable::replace_synced;
use proto::instance::boot_id;
use proto::opened;

/// The open clips of some run folders, and the rings whose frames they need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    /// The folders of the clips.
    pub(crate) clips: Vec<PathBuf>,
    rings: HashSet<u64>,
    /// Something could not be read: a disk that is away, and comes back with its clips.
    unknown: bool,
}

impl Needed {
    /// Nothing is known, so every ring may be needed.
    pub(crate) fn unknown() -> Self {
        Self { unknown: true, ..Self::default() }
    }

    /// Reads the plans in these run folders.
    pub(crate) fn by(run_folders: &[PathBuf]) -> Self {
        Self::of_instance(run_folders, None)
    }

    /// Reads the plans in these run folders, and passes over those that name another instance than this one.
    fn of_instance(run_folders: &[PathBuf], ours: Option<&str>) -> Self {
        let mut needed = Self::default();
        for run_folder in run_folders {
            match unfinished_clips(run_folder) {
                Ok(clips) => clips.into_iter().for_each(|clip| needed.add(clip, ours)),
                Err(_) => needed.unknown = true,
            }
        }
        needed
    }

    /// The same at the end of a run, which was told to stop at this moment: notes in each clip that it ends then, unless its
    /// recorder has. By a disk that may hang: what it hasn't said after `at_most` is not known.
    pub(crate) fn at_the_end(
        run_folders: Vec<PathBuf>,
        ours: String,
        stopped: Stopped,
        at_most: Duration,
    ) -> Self {
        Self::within(at_most, move || {
            // Another instance in the same output folder goes on.
            let needed = Self::of_instance(&run_folders, Some(&ours));
            needed.clips.iter().for_each(|clip| note_stop(clip, stopped));
            needed
        })
    }

    fn within(at_most: Duration, look: impl FnOnce() -> Self + Send + 'static) -> Self {
        let (said, heard) = channel();
        // Without a thread nothing is known, and everything is kept.
        let looks = std::thread::Builder::new().name("plans".into()).spawn(move || drop(said.send(look())));
        let found = looks.ok().and_then(|_| heard.recv_timeout(at_most).ok());
        found.unwrap_or_else(Self::unknown)
    }

    /// Might an open clip need the frames of this ring? While that isn't known, yes.
    pub(crate) fn has(&self, ring_id: u64) -> bool {
        self.unknown || self.rings.contains(&ring_id)
    }

    #[cfg(test)]
    pub(crate) fn of_rings(rings: impl IntoIterator<Item = u64>) -> Self {
        Self { rings: rings.into_iter().collect(), ..Self::default() }
    }

    /// Is there no clip that needs any?
    pub(crate) fn is_nothing(&self) -> bool {
        !self.unknown && self.rings.is_empty()
    }

    fn add(&mut self, clip: PathBuf, ours: Option<&str>) {
        match plan_of_this_boot(&clip) {
            Ok(Some(Plan { origin: Some(origin), .. }))
                if ours.is_some_and(|ours| origin.instance != ours) => {}
            Ok(Some(plan)) => {
                self.rings.extend(plan.cameras.iter().map(|camera| camera.ring_id));
                self.clips.push(clip);
            }
            Ok(None) => {}
            Err(_) => self.unknown = true,
        }
    }
}

/// A recorder that hangs, or was killed by a second signal, has left no note of the stop; without one the next start would
/// record on to the end of the window.
fn note_stop(clip: &Path, stopped: Stopped) {
    let path = clip.join(PARTIAL_DIR).join(STOPPED);
    let written = match path.try_exists() {
        Ok(true) => return,
        Ok(false) => {
            serde_json::to_vec(&stopped).map_err(Into::into).and_then(|text| replace_synced(&path, &text))
        }
        Err(e) => Err(e),
    };
    // A clip that has just been finished has no folder for it, and needs none.
    if let Err(e) = written
        && e.kind() != ErrorKind::NotFound
    {
        tracing::error!(
            clip = &*clip_name(clip),
            "clip {}: can't note in {} that it was stopped: {e}; the next start records on to the end of its window",
            clip.display(),
            path.display()
        );
    }
}

/// The plan of a clip that isn't finished. `None` when there is nothing to be recorded by it: it is of another boot, whose
/// rings are gone, or is no plan, which the recorder says.
fn plan_of_this_boot(clip: &Path) -> std::io::Result<Option<Plan>> {
    if clip.join(MANIFEST).try_exists()? {
        return Ok(None);
    }
    let text = match opened::read(&plan_path(clip)) {
        Err(e) if opened::is_foreign(&e) => return Ok(None),
        read => read?,
    };
    let plan = serde_json::from_slice::<Plan>(&text).ok();
    Ok(plan.filter(|plan| plan.boot_id == boot_id()))
}

#[cfg(test)]
mod tests {
    use proto::clip::{CaptureTime, PLAN_SCHEMA, PlannedCamera, Window};
    use proto::frame::{Fps, Geometry, PixelFormat};
    use proto::name::Name;
    use proto::time::{MonotonicNs, WallAnchor};

    use super::*;

    fn plan_clip(clip: &Path, ring_id: u64, boot_id: String) {
        let camera = PlannedCamera {
            name: Name::new("left").unwrap(),
            index: 0,
            ring_id,
            geometry: Geometry::new(256, 64, PixelFormat::I420).unwrap(),
            payload: proto::frame::Payload::Planes,
            fps: Fps::new(60.0).unwrap(),
            capture_time: CaptureTime::Device,
            time_error_ns: None,
            latency_ns: 0,
            variable_rate: false,
            reorders: false,
            picture: proto::frame::PictureTags::default(),
        };
        let at = MonotonicNs(1);
        let plan = Plan {
            schema: PLAN_SCHEMA,
            clip_id: "clip-0001".into(),
            label: None,
            rig: None,
            boot_id,
            origin: None,
            wall: WallAnchor::now(),
            clock: None,
            trigger: None,
            trigger_ns: at,
            window: Window { start_ns: at, end_ns: at },
            asked_start_ns: at,
            notes: Vec::new(),
            cameras_asked: None,
            cameras: vec![camera],
        };
        std::fs::create_dir_all(clip.join(PARTIAL_DIR)).unwrap();
        std::fs::write(plan_path(clip), serde_json::to_vec(&plan).unwrap()).unwrap();
    }

    #[test]
    fn an_open_clip_of_this_boot_needs_its_rings() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().to_owned();
        assert!(Needed::by(std::slice::from_ref(&run)).is_nothing());
        let clip = run.join("clip-0001");
        plan_clip(&clip, 7, boot_id());
        plan_clip(&run.join("clip-0002"), 8, "another".into());
        let needed = Needed::by(std::slice::from_ref(&run));
        assert_eq!(needed.clips, std::slice::from_ref(&clip));
        assert_eq!((needed.has(7), needed.has(8), needed.is_nothing()), (true, false, false));
        let stop = |end| {
            let stopped = Stopped { end_ns: MonotonicNs(end) };
            let found =
                Needed::at_the_end(vec![run.clone()], "ours".into(), stopped, Duration::from_secs(60));
            assert_eq!(found, needed);
            let noted = std::fs::read(clip.join(PARTIAL_DIR).join(STOPPED)).unwrap();
            serde_json::from_slice::<Stopped>(&noted).unwrap().end_ns
        };
        assert_eq!([stop(5), stop(9)], [MonotonicNs(5); 2], "the first note counts");
        std::fs::write(clip.join(MANIFEST), "{}").unwrap();
        assert!(Needed::by(&[run]).is_nothing(), "it is finished");
    }

    #[test]
    fn nothing_is_given_up_while_a_disk_does_not_say_what_is_needed() {
        let away = Needed::by(&["/nowhere/run".into()]);
        assert!(away.has(7) && !away.is_nothing());
        let no_plan = tempfile::tempdir().unwrap();
        let clip = no_plan.path().join("clip-0001");
        std::fs::create_dir_all(clip.join(PARTIAL_DIR)).unwrap();
        std::fs::write(plan_path(&clip), "no plan").unwrap();
        assert!(Needed::by(&[no_plan.path().to_owned()]).is_nothing(), "the recorder gives such a clip up");
        let (_never, hangs) = channel::<()>();
        let look = move || {
            let _ = hangs.recv();
            Needed::default()
        };
        assert!(Needed::within(Duration::from_millis(1), look).has(7));
    }
}
