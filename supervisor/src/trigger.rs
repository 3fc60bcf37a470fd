//! From a trigger to a plan on disk. Any thread may do this: the plan on disk is all that counts, and the recorder
//! finds it there, whether it is told or not.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::clip::{MANIFEST, Manifest, PLAN, Plan, PlannedCamera, SCHEMA, WORKSHOP, Window, plan_path};
use proto::config::Config;
use proto::control::{Accepted, Refused, TriggerRequest};
use proto::durable;
use proto::exit;
use proto::failpoint;
use proto::name::Name;
use proto::ring::Ring;
use proto::storage;
use proto::time::{MonotonicNs, WallAnchor};

use crate::events::Event;
use crate::rings::Rings;

/// What opening an encoder may cost at the far end of the ring: a pre-roll that reaches further back than this
/// before the oldest slot is overwritten would lose its first frames while the encoder opens.
const ENCODER_START: Duration = Duration::from_millis(100);

/// How often folders are looked at, for what nobody says.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Takes triggers.
pub(crate) struct Desk {
    config: Arc<Config>,
    rings: Rings,
    session: PathBuf,
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
    Finished(Box<Manifest>),
    /// The supervisor has ended before that.
    Ended,
    /// Its folder, or its plan, was removed.
    Removed,
    /// Nobody works on it any more.
    Lost,
}

impl Desk {
    pub(crate) fn new(config: Arc<Config>, rings: Rings, session: PathBuf, open: HashSet<PathBuf>) -> Self {
        let last_number = AtomicU32::new(last_number(&session));
        Self {
            config,
            rings,
            session,
            last_number,
            open: Mutex::new(Open { clips: open, ..Open::default() }),
            finished: Condvar::new(),
        }
    }

    /// Where this run's clips go.
    pub(crate) fn session(&self) -> &Path {
        &self.session
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
            if let Some(manifest) = manifest(folder) {
                return Outcome::Finished(Box::new(manifest));
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
                    let event = match manifest(&folder) {
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
        let plan = |clip_id: &str| Plan {
            schema: SCHEMA,
            clip_id: clip_id.to_owned(),
            label: label.clone(),
            boot_id: proto::instance::boot_id(),
            wall: WallAnchor::now(),
            trigger_ns: request.at,
            window: granted.window,
            asked_start_ns: request.at.before(pre),
            notes: granted.notes.clone(),
            cameras: chosen.iter().map(|(camera, ring)| planned(camera, ring)).collect(),
        };
        let fit = storage::fit(&self.session, recording.min_free_bytes);
        let left = fit.map_err(Into::into).and_then(|()| self.leave(label.as_ref(), plan));
        let (clip_id, folder) = left.map_err(|e| Refused {
            exit_code: exit::FAILED,
            message: format!(
                "nothing was recorded: the clip's plan can't be written in {}: {e}",
                self.session.display()
            ),
        })?;
        if !place.fill(folder.clone()) {
            withdraw(&folder);
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

    /// Makes a new clip folder with its plan in it. The folder appears whole, under its name, or not at all.
    fn leave(&self, label: Option<&Name>, plan: impl Fn(&str) -> Plan) -> std::io::Result<(String, PathBuf)> {
        loop {
            let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
            let clip_id = match label {
                Some(label) => format!("clip-{number:04}-{label}"),
                None => format!("clip-{number:04}"),
            };
            let folder = self.session.join(&clip_id);
            match std::fs::create_dir(&folder) {
                // Somebody has put a folder there: it is theirs.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                other => other?,
            }
            failpoint::pass("plan.folder", folder.display());
            let filled = std::fs::create_dir(folder.join(WORKSHOP))
                .and_then(|()| Ok(serde_json::to_vec_pretty(&plan(&clip_id))?))
                .and_then(|text| durable::replace(&plan_path(&folder), &text));
            if let Err(e) = filled {
                withdraw(&folder);
                return Err(e);
            }
            return Ok((clip_id, folder));
        }
    }
}

/// Takes a plan back of which nothing was promised yet: a folder without one is only litter. What may be in it is known,
/// and takes no descriptor to remove: there may be none left.
fn withdraw(folder: &Path) {
    let _ = std::fs::remove_file(plan_path(folder));
    let _ = std::fs::remove_dir(folder.join(WORKSHOP));
    let _ = std::fs::remove_dir(folder);
}

/// What a trigger hears that comes to a stop.
pub(crate) fn ending() -> Refused {
    Refused {
        exit_code: exit::FAILED,
        message: "the supervisor is ending; this moment was not recorded".into(),
    }
}

/// Removes what a supervisor that was killed in the middle of a trigger left: a clip's folder without a plan. Nothing
/// had been promised. Only for a session in which no other supervisor can be at work; only what is empty is removed,
/// but for half a plan.
pub(crate) fn clear_unplanned(session: &Path) {
    for entry in std::fs::read_dir(session).into_iter().flatten().filter_map(Result::ok) {
        let folder = entry.path();
        // Not through symbolic links: what they lead to is somebody else's.
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        if !is_folder
            || number(&entry).is_none()
            || plan_path(&folder).exists()
            || folder.join(MANIFEST).exists()
        {
            continue;
        }
        // Each fails when there is something in it, or it isn't there: then it is not what is looked for here.
        let _ = std::fs::remove_file(folder.join(WORKSHOP).join(format!("{PLAN}~new")));
        let _ = std::fs::remove_dir(folder.join(WORKSHOP));
        let _ = std::fs::remove_dir(&folder);
    }
}

fn manifest(folder: &Path) -> Option<Manifest> {
    serde_json::from_slice(&std::fs::read(folder.join(MANIFEST)).ok()?).ok()
}

/// Flushes a plan, and the folders that lead to it, to the disk.
pub(crate) fn sync_plan(folder: &Path) -> std::io::Result<()> {
    match durable::sync(&plan_path(folder)) {
        // It was finished meanwhile, which the plan did not outlive.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && folder.join(MANIFEST).exists() => return Ok(()),
        other => other?,
    }
    for path in [folder.join(WORKSHOP), folder.to_owned()] {
        durable::sync_parent(&path)?;
    }
    Ok(())
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

fn last_number(session: &Path) -> u32 {
    let entries = std::fs::read_dir(session).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| number(&entry)).max().unwrap_or(0)
}

/// The number in a clip folder's name.
fn number(entry: &std::fs::DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.strip_prefix("clip-")?.split('-').next()?.parse().ok()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn bad(message: String) -> Refused {
    Refused { exit_code: exit::BAD_INPUT, message }
}

/// How far back one camera's frames can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The oldest moment whose frame an encoder that starts now would still find.
    oldest: MonotonicNs,
    /// The camera's first frame ever, while that is remembered.
    first_ever: Option<MonotonicNs>,
}

impl Reach {
    fn of(ring: &Ring, now: MonotonicNs) -> Self {
        let spec = ring.spec();
        let kept = spec.size.pre_roll_slots + spec.size.reserve_slots;
        let period = spec.fps.period();
        let span = period.saturating_mul(u32::try_from(kept.saturating_sub(1)).unwrap_or(u32::MAX));
        // A camera that has never delivered takes nothing from the others: all it misses is declared.
        let first_ever = ring.moment(1).map(|m| m.t_capture);
        Self { oldest: now.before(span.saturating_sub(ENCODER_START.min(span / 4))), first_ever }
    }
}

/// What a trigger gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    window: Window,
    notes: Vec<String>,
}

/// Decides what a trigger gets: one window on one clock for every camera, no more than the rings still hold.
fn grant(
    at: MonotonicNs,
    pre: Duration,
    post: Duration,
    now: MonotonicNs,
    reaches: &[Reach],
) -> Result<Granted, Refused> {
    if at > now {
        let ms = millis(at - now).max(1);
        return Err(bad(format!(
            "the trigger names a time {ms} ms in the future; use --post-ms for what is to come"
        )));
    }
    let oldest = reaches.iter().map(|r| r.oldest).max().unwrap_or(now);
    if at < oldest {
        return Err(bad(format!(
            "the trigger names a time {} ms ago, and the rings reach back {} ms; ask sooner, or set a larger \
             pre_roll_ms",
            millis(now - at),
            millis(now - oldest)
        )));
    }
    let asked = at.before(pre);
    let mut start = asked;
    let mut notes = Vec::new();
    if oldest > start {
        start = oldest;
        notes.push(format!(
            "pre-roll is {} ms instead of {} ms: the rings hold no more; set a larger pre_roll_ms",
            millis(at - start),
            millis(pre)
        ));
    }
    let first_ever = reaches.iter().filter_map(|r| r.first_ever).max().filter(|first| *first > start);
    if let Some(first) = first_ever {
        start = first.min(at);
        notes.push(format!(
            "pre-roll is {} ms instead of {} ms: the cameras had only just started",
            millis(at - start),
            millis(pre)
        ));
    }
    Ok(Granted { window: Window { start_ns: start, end_ns: at + post }, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> MonotonicNs {
        MonotonicNs(ms * MS)
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn reach(oldest: u64, first_ever: Option<u64>) -> Reach {
        Reach { oldest: at(oldest), first_ever: first_ever.map(at) }
    }

    #[test]
    fn a_trigger_gets_what_it_asks_for() {
        let granted = grant(at(5000), ms(500), ms(700), at(5001), &[reach(4200, None); 2]).unwrap();
        assert_eq!(granted.window, Window { start_ns: at(4500), end_ns: at(5700) });
        assert!(granted.notes.is_empty());
    }

    #[test]
    fn too_much_pre_roll_gets_what_there_is_and_says_so() {
        let granted =
            grant(at(5000), ms(9000), ms(0), at(5000), &[reach(4200, None), reach(4300, None)]).unwrap();
        assert_eq!(granted.window.start_ns, at(4300));
        assert!(granted.notes[0].contains("700 ms instead of 9000 ms"), "{:?}", granted.notes);
    }

    #[test]
    fn a_camera_that_has_just_started_gives_what_it_has() {
        let granted =
            grant(at(5000), ms(500), ms(0), at(5000), &[reach(4200, Some(4800)), reach(4200, None)]).unwrap();
        assert_eq!(granted.window.start_ns, at(4800));
        assert!(granted.notes[0].contains("200 ms instead of 500 ms"), "{:?}", granted.notes);
    }

    #[test]
    fn the_future_and_the_forgotten_past_are_refused() {
        let future = grant(at(5001), ms(500), ms(0), at(5000), &[reach(4200, None)]).unwrap_err();
        assert!(future.exit_code == exit::BAD_INPUT && future.message.contains("future"), "{future:?}");
        let past = grant(at(4000), ms(500), ms(0), at(5000), &[reach(4200, None)]).unwrap_err();
        assert!(past.exit_code == exit::BAD_INPUT && past.message.contains("reach back 800 ms"), "{past:?}");
    }
}
