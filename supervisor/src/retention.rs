//! Retention: the oldest clips of this rig go by themselves when the config's `recording.keep` leaves no room for them. A thread of
//! its own looks at the disk and removes; nobody waits for it, so a disk that hangs holds up nobody else. Why it is made so:
//! docs/decisions/retention.md.
//!
//! | module | subject |
//! |---|---|
//! | [`policy`] | which clips go, as a plain function of sizes, ages and free bytes |
//! | [`candidates`] | the clips on the disk that may go |
//! | [`rate`] | how fast clips fill the disk, and how long it lasts |

pub(crate) mod candidates;
pub(crate) mod policy;
pub(crate) mod rate;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::clip::clip_name;
use proto::config::Config;
use proto::event::{Event, Removal};
use proto::failpoint;
use proto::priority;
use proto::stats::DiskStats;
use proto::storage::{self, mb};

use crate::clips::{Clips, Phase};
use crate::stored_clips::listing::now_ns;
use crate::stored_clips::removal;
use candidates::Candidates;
use policy::{Limits, Now, Why};
use rate::Inflow;

/// The time between two looks at the room on the disk, which cost next to nothing.
const GLANCE: Duration = Duration::from_millis(250);
/// The time between two looks at the clips, when nothing is known to have changed.
const LOOK: Duration = Duration::from_secs(10);
/// The same for a while after a clip was finished: its poster and its sums come.
const LOOK_SOON: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(6);
/// The same while room is short and nothing may go.
const LOOK_IN_NEED: Duration = Duration::from_secs(1);
/// A look is followed by a rest of so many times its length, or of the longest rest, however many clips there are.
const REST: u32 = 20;
const LONGEST_REST: Duration = Duration::from_secs(2);

/// The thread, as the others see it.
pub(crate) struct Retention {
    /// Never locked while the disk is asked for anything.
    stats: Mutex<DiskStats>,
}

impl Retention {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's: there is no thread.
    pub(crate) fn start(config: &Config, clips: &Arc<Clips>) -> std::io::Result<Arc<Self>> {
        let this = Arc::new(Self { stats: Mutex::default() });
        let Some(output_dir) = clips.run_folder().parent().map(PathBuf::from) else { return Ok(this) };
        let mut worker = Worker {
            candidates: Candidates::new(&output_dir, config.rig.as_str()),
            limits: Limits::of(&config.recording.keep),
            floor_bytes: config.recording.min_free_bytes,
            inflow: Inflow::default(),
            retention: Arc::clone(&this),
            output_dir,
            clips: Arc::clone(clips),
        };
        std::thread::Builder::new().name("retention".into()).spawn(move || {
            priority::set(priority::RETENTION);
            worker.run();
        })?;
        Ok(this)
    }

    /// The knowledge of the clips on the disk, as of the last look.
    pub(crate) fn stats(&self) -> DiskStats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut DiskStats)) {
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The thread's own state.
struct Worker {
    output_dir: PathBuf,
    limits: Limits,
    /// The config's `min_free_bytes`.
    floor_bytes: u64,
    candidates: Candidates,
    inflow: Inflow,
    clips: Arc<Clips>,
    retention: Arc<Retention>,
}

impl Worker {
    fn run(&mut self) {
        self.sweep();
        let mut due = Instant::now();
        let (mut finished, mut soon_until) = (None, due + SOON);
        while self.clips.phase() == Phase::Running {
            let now = Instant::now();
            let counts = self.clips.counts();
            if finished != Some(counts) {
                (finished, soon_until, due) = (Some(counts), now + SOON, now);
            }
            if now >= due || self.is_short() {
                let removed = self.pass();
                let rest = (now.elapsed() * REST).min(LONGEST_REST);
                let in_vain = removed == 0 && self.is_short();
                let pause = match () {
                    () if now < soon_until || removed > 0 => LOOK_SOON,
                    () if in_vain => LOOK_IN_NEED,
                    () => LOOK,
                };
                due = Instant::now() + pause.max(rest);
                if in_vain {
                    self.wait_until(due);
                }
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Waits, but no longer than until a clip is finished.
    fn wait_until(&self, due: Instant) {
        let counts = self.clips.counts();
        while Instant::now() < due && self.clips.counts() == counts && self.clips.phase() == Phase::Running {
            std::thread::sleep(GLANCE);
        }
    }

    /// Has the disk less room than it is to have?
    fn is_short(&self) -> bool {
        let is_less = |wanted| storage::free_bytes(&self.output_dir).is_some_and(|free| free < wanted);
        self.limits.free_bytes.is_some_and(is_less)
    }

    /// Clears away what an interrupted removal has left.
    fn sweep(&self) {
        match removal::sweep(&self.output_dir) {
            Ok(0) => {}
            Ok(gone) => tracing::info!(
                "{} in {}: what was left of removed clips is cleared away ({gone})",
                proto::clip::REMOVING_DIR,
                self.output_dir.display()
            ),
            Err(e) => tracing::warn!(
                "{} in {}: what is left of removed clips can't be cleared away: {e}; the next start tries again",
                proto::clip::REMOVING_DIR,
                self.output_dir.display()
            ),
        }
    }

    /// Looks at all clips, and removes those for which there is no room. Returns how many have gone.
    fn pass(&mut self) -> usize {
        failpoint::pass("retention.look", self.output_dir.display());
        if self.candidates.look(now_ns()).is_err() {
            // The disk is away. The recorder tells of that.
            return 0;
        }
        self.inflow.note(self.candidates.all(), now_ns().unsigned_abs());
        let removed = self.remove_due();
        self.publish();
        removed
    }

    fn remove_due(&mut self) -> usize {
        let mut removed = 0;
        let open: HashSet<PathBuf> = self.clips.open().into_iter().collect();
        while self.clips.phase() == Phase::Running {
            let now =
                Now { unix_ns: now_ns().unsigned_abs(), free_bytes: storage::free_bytes(&self.output_dir) };
            let Some(&(at, why)) = policy::due(self.candidates.all(), &self.limits, &now).first() else {
                break;
            };
            let folder = self.output_dir.join(&self.candidates.all()[at].place);
            let gone = if open.contains(&folder) {
                Ok(Err(removal::Stays::Open))
            } else {
                removal::remove(&self.output_dir, &folder)
            };
            match gone {
                Ok(Ok(bytes)) => {
                    self.tell(&folder, bytes, why);
                    self.candidates.forget(at);
                    removed += 1;
                }
                Ok(Err(stays)) => {
                    tracing::debug!("clip {} {}", folder.display(), stays.words());
                    self.candidates.leave(at);
                }
                Err(e) => {
                    tracing::warn!(
                        clip = &*clip_name(&folder),
                        "clip {}: {}, and it can't be removed: {e}; trying again",
                        folder.display(),
                        why.words()
                    );
                    self.candidates.leave(at);
                }
            }
        }
        removed
    }

    /// A clip was removed.
    fn tell(&self, folder: &std::path::Path, bytes: u64, why: Why) {
        let clip_id = proto::clip::clip_id(folder);
        let clip = clip_name(folder);
        tracing::info!(clip = &*clip, "clip {clip_id}: removed, {:.1} MB: {}", mb(bytes), why.words());
        self.retention.change(|stats| {
            stats.removed_clips += 1;
            stats.removed_bytes = stats.removed_bytes.saturating_add(bytes);
        });
        let why = match why {
            Why::MaxBytes => Removal::MaxBytes,
            Why::MaxAge => Removal::MaxAgeH,
            Why::FreeBytes => Removal::FreeBytes,
        };
        self.clips.events().emit(Event::ClipRemoved {
            clip_id,
            path: folder.display().to_string(),
            bytes,
            why,
        });
    }

    fn publish(&self) {
        let all = self.candidates.all();
        let now = Now { unix_ns: now_ns().unsigned_abs(), free_bytes: storage::free_bytes(&self.output_dir) };
        let bytes = all.iter().fold(0_u64, |sum, clip| sum.saturating_add(clip.bytes));
        let bytes_per_h = self.inflow.bytes_per_h(now.unix_ns);
        let room = self.limits.room(bytes, now.free_bytes, self.floor_bytes);
        let trouble = policy::exceeded(all, &self.limits, &now);
        self.retention.change(|stats| {
            stats.clips = all.len() as u64;
            stats.kept_clips = all.iter().filter(|clip| clip.keep).count() as u64;
            stats.clips_bytes = bytes;
            stats.bytes_per_h = bytes_per_h;
            stats.hours_left = rate::hours(room, bytes_per_h);
            stats.trouble = trouble;
        });
    }
}
