//! From a trigger to a plan on disk. Any thread may do this: the plan on disk is all that counts, and the recorder
//! finds it there, whether it is told or not.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::clip::{Plan, PlannedCamera, SCHEMA, plan_path};
use proto::config::Config;
use proto::control::{Accepted, Refused, TriggerRequest};
use proto::exit;
use proto::name::Name;
use proto::ring::Ring;
use proto::storage;
use proto::time::{MonotonicNs, WallAnchor};

use crate::events::Event;
use crate::grant::{Reach, bad, grant, millis};
use crate::plan;
use crate::rings::Rings;

/// How often folders are looked at, for what nobody says.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Takes triggers.
pub(crate) struct Desk {
    config: Arc<Config>,
    rings: Rings,
    run_folder: PathBuf,
    last_number: AtomicU32,
    open: Mutex<Open>,
    finished: Condvar,
}

/// What is not finished yet. Never locked while a disk is asked for anything: the loop needs it too.
#[derive(Default)]
struct Open {
    clips: HashSet<PathBuf>,
    /// Triggers that are just being written down.
    coming: usize,
    /// Counts clips that have finished.
    finished: u64,
    /// The supervisor is ending: nobody else gets a place.
    shut: bool,
    /// And the recorder has been told to: a plan that comes now would be of a clip without its moment.
    too_late: bool,
}

/// A place for one more clip, given back by whatever ends it.
struct Place<'a> {
    desk: &'a Desk,
    is_empty: bool,
}

impl Place<'_> {
    /// A clip has come to take it. False if it is too late for that.
    fn fill(mut self, clip: PathBuf) -> bool {
        let mut open = self.desk.open();
        let in_time = !open.too_late;
        if in_time {
            self.is_empty = false;
            open.coming -= 1;
            open.clips.insert(clip);
            self.desk.finished.notify_all();
        }
        drop(open);
        in_time
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_empty {
            self.desk.open().coming -= 1;
            self.desk.finished.notify_all();
        }
    }
}

/// What came of waiting for a clip.
pub(crate) enum Outcome {
    /// Its manifest is there.
    Finished,
    /// The supervisor has ended before that.
    Ended,
    /// Its folder, or its plan, was removed.
    Removed,
    /// Nobody works on it any more.
    Lost,
}

impl Desk {
    pub(crate) fn new(
        config: Arc<Config>,
        rings: Rings,
        run_folder: PathBuf,
        open: HashSet<PathBuf>,
    ) -> Self {
        let last_number = AtomicU32::new(plan::last_number(&run_folder));
        Self {
            config,
            rings,
            run_folder,
            last_number,
            open: Mutex::new(Open { clips: open, ..Open::default() }),
            finished: Condvar::new(),
        }
    }

    /// Where this run's clips go.
    pub(crate) fn run_folder(&self) -> &Path {
        &self.run_folder
    }

    /// How many clips are not finished.
    pub(crate) fn open_clips(&self) -> u64 {
        self.open().clips.len() as u64
    }

    /// A clip is finished. False if that was known.
    pub(crate) fn finish(&self, folder: &Path) -> bool {
        let mut open = self.open();
        open.finished += 1;
        let known = open.clips.remove(folder);
        self.finished.notify_all();
        known
    }

    /// Gives nobody else a place, and waits a moment for those who have one. Their plans count; later ones don't. The
    /// clips that are open.
    pub(crate) fn shut(&self, at_most: Duration) -> Vec<PathBuf> {
        let until = Instant::now() + at_most;
        let mut open = self.open();
        open.shut = true;
        while open.coming > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            open = self.finished.wait_timeout(open, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        open.too_late = true;
        open.clips.iter().cloned().collect()
    }

    /// Wakes those who wait for clips, to look again.
    pub(crate) fn wake(&self) {
        // Counted, since one of them may have looked and not begun to wait.
        self.open().finished += 1;
        self.finished.notify_all();
    }

    /// Waits for a clip's manifest, as long as there is hope for one.
    pub(crate) fn wait(&self, folder: &Path, over: &AtomicBool) -> Outcome {
        loop {
            // All looked at before the manifest: what was finished by then is there.
            let over = over.load(Ordering::Acquire);
            let (finished, is_open) = {
                let open = self.open();
                (open.finished, open.clips.contains(folder))
            };
            if plan::manifest(folder).is_some() {
                return Outcome::Finished;
            }
            if storage::is_removed(folder) {
                return Outcome::Removed;
            }
            if over {
                return Outcome::Ended;
            }
            if !is_open {
                return Outcome::Lost;
            }
            let open = self.open();
            if open.finished == finished {
                drop(self.finished.wait_timeout(open, LOOK_AGAIN));
            }
        }
    }

    /// Watches the open clips' folders from a thread. The recorder says when a clip is finished; but one that is
    /// killed between the manifest and that word says nothing.
    pub(crate) fn watch_folders(self: &Arc<Self>, events: Sender<Event>) -> std::io::Result<()> {
        let desk = Arc::clone(self);
        std::thread::Builder::new().name("folders".into()).spawn(move || {
            loop {
                std::thread::sleep(LOOK_AGAIN);
                let open: Vec<PathBuf> = desk.open().clips.iter().cloned().collect();
                // With the plan gone nothing is left for a recorder to do, and so to say.
                let silent = open.into_iter().filter(|f| matches!(plan_path(f).try_exists(), Ok(false)));
                for folder in silent {
                    let event = match plan::manifest(&folder) {
                        Some(manifest) => Event::Found { folder, complete: manifest.complete },
                        None if storage::is_removed(&folder) => Event::Gone(folder),
                        // The disk is away, and the clip with it; both may come back.
                        None => continue,
                    };
                    if events.send(event).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(())
    }

    /// Checks a trigger and leaves its plan for the recorder. The plan is in the kernel's hands when this returns,
    /// on the disk once it has been synced.
    pub(crate) fn accept(
        &self,
        request: &TriggerRequest,
        now: MonotonicNs,
    ) -> Result<(Accepted, PathBuf), Refused> {
        let label =
            request.label.as_deref().map(Name::new).transpose().map_err(|e| bad(format!("--label: {e}")))?;
        let chosen = self.choose(&request.cameras)?;
        let recording = &self.config.recording;
        let pre = Duration::from_millis(request.pre_ms.unwrap_or(recording.pre_roll_ms));
        let post = Duration::from_millis(request.post_ms.unwrap_or(recording.post_roll_ms));
        if (pre + post).is_zero() {
            return Err(bad(
                "--pre-ms and --post-ms: a clip of no length holds no frame; let one of them be more than 0"
                    .into(),
            ));
        }
        if post > LONGEST_POST_ROLL {
            return Err(bad(format!("--post-ms: at most {} ms", LONGEST_POST_ROLL.as_millis())));
        }
        let reaches: Vec<Reach> = chosen.iter().map(|(_, ring)| Reach::of(ring, now)).collect();
        let granted = grant(request.at, pre, post, now, &reaches)?;
        let place = self.reserve(recording.max_open_clips)?;
        let text = |clip_id: &str| Plan {
            schema: SCHEMA,
            clip_id: clip_id.to_owned(),
            label: label.clone(),
            rig: Some(self.config.rig.clone()),
            boot_id: proto::instance::boot_id(),
            wall: WallAnchor::now(),
            trigger_ns: request.at,
            window: granted.window,
            asked_start_ns: request.at.before(pre),
            notes: granted.notes.clone(),
            cameras: chosen.iter().map(|(camera, ring)| planned(camera, ring)).collect(),
        };
        let fit = storage::fit(&self.run_folder, recording.min_free_bytes);
        let left = fit
            .map_err(Into::into)
            .and_then(|()| plan::leave(&self.run_folder, &self.last_number, label.as_ref(), text));
        let (clip_id, folder) = left.map_err(|e| Refused {
            exit_code: exit::FAILED,
            message: format!(
                "nothing was recorded: the clip's plan can't be written in {}: {e}",
                self.run_folder.display()
            ),
        })?;
        if !place.fill(folder.clone()) {
            plan::withdraw(&folder);
            return Err(ending());
        }
        let accepted = Accepted {
            clip_id,
            path: folder.display().to_string(),
            pre_roll_ms: millis(request.at - granted.window.start_ns),
            asked_pre_roll_ms: millis(pre),
            notes: granted.notes,
        };
        Ok((accepted, folder))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a place for one more clip, if there is one.
    fn reserve(&self, places: usize) -> Result<Place<'_>, Refused> {
        let mut open = self.open();
        if open.shut {
            return Err(ending());
        }
        let taken = open.clips.len() + open.coming;
        if taken < places {
            open.coming += 1;
            return Ok(Place { desk: self, is_empty: true });
        }
        let message = format!(
            "{taken} clips are open already (max_open_clips); this moment was not recorded. Trigger again when one is \
             finished, or ask for one longer clip with --post-ms"
        );
        Err(Refused { exit_code: exit::FAILED, message })
    }

    fn choose(&self, names: &[String]) -> Result<Vec<(&proto::config::CameraConfig, Arc<Ring>)>, Refused> {
        let all = || self.config.cameras.iter().zip(self.rings.now());
        for name in names {
            if !self.config.cameras.iter().any(|c| c.name.as_str() == name) {
                let known: Vec<&str> = self.config.cameras.iter().map(|c| c.name.as_str()).collect();
                // Enough to recognise it by.
                let name: String = name.chars().take(80).collect();
                return Err(bad(format!(
                    "--camera {name:?}: there is no such camera; there are {}",
                    known.join(", ")
                )));
            }
        }
        Ok(all().filter(|(c, _)| names.is_empty() || names.iter().any(|n| n == c.name.as_str())).collect())
    }
}

/// What a trigger hears that comes to a stop.
pub(crate) fn ending() -> Refused {
    Refused {
        exit_code: exit::FAILED,
        message: "the supervisor is ending; this moment was not recorded".into(),
    }
}

const LONGEST_POST_ROLL: Duration = Duration::from_secs(24 * 3600);

fn planned(camera: &proto::config::CameraConfig, ring: &Ring) -> PlannedCamera {
    PlannedCamera {
        name: camera.name.clone(),
        index: camera.index,
        ring_id: ring.id(),
        geometry: camera.geometry,
        fps: camera.fps,
        capture_time: camera.backend.capture_time(),
    }
}
