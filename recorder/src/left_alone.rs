//! Clips that this recorder doesn't take on, and what a person is told of them: those of other instances, which are looked
//! at again and again, since an instance may die later; and those that were set aside, since they can't be recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::clip::{PARTIAL_DIR, SET_ASIDE_DIR, clip_name, plan_path, run_folders, unfinished_clips};
use proto::instance::{RuntimeDir, boot_id};
use proto::name::Name;
use proto::opened;
use proto::origin::Origin;
use serde::Deserialize;

use crate::whose::{Standing, Whose, Why, whose};

/// The pause before another look at clips that were left alone.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The pause before another look for clips in all run folders: that may be thousands of folders.
const LOOK_FOR_MORE: Duration = Duration::from_secs(60);

/// The clips that are left alone.
pub(crate) struct LeftAlone {
    us: Origin,
    boot: String,
    output_dir: PathBuf,
    /// Clips of other instances, with the reason why each is left to its own.
    clips: BTreeMap<PathBuf, (Why, Origin)>,
    set_aside: BTreeSet<PathBuf>,
    looked_again: Instant,
    /// None before this recorder is armed: a standby looks for nothing.
    looked_for_more: Option<Instant>,
}

/// As much of a plan as says whose it is. Anything else in it may be wrong.
#[derive(Deserialize)]
struct PlanOrigin {
    #[serde(default)]
    origin: Option<Origin>,
    #[serde(default)]
    boot_id: String,
    #[serde(default)]
    cameras: Vec<PlannedRing>,
}

#[derive(Deserialize)]
struct PlannedRing {
    name: Name,
    ring_id: u64,
}

impl LeftAlone {
    pub(crate) fn new(dir: &RuntimeDir, output_dir: &Path) -> Self {
        Self {
            us: Origin::of(dir),
            boot: boot_id(),
            output_dir: output_dir.to_owned(),
            clips: BTreeMap::new(),
            set_aside: BTreeSet::new(),
            looked_again: Instant::now(),
            looked_for_more: None,
        }
    }

    /// Tells whether a clip with this plan is another instance's, and keeps it in mind then.
    pub(crate) fn is_anothers(&mut self, folder: &Path, plan: &[u8]) -> bool {
        // A plan that says nothing of this is judged by its other mistakes.
        let Ok(plan) = serde_json::from_slice::<PlanOrigin>(plan) else { return false };
        let standing = |origin: &Origin| Standing {
            lock_is_free: origin.lock_is_free(),
            has_rings: plan.cameras.iter().any(|camera| origin.has_ring(&camera.name, camera.ring_id)),
        };
        let found = whose((plan.origin.as_ref(), &plan.boot_id), (&self.us, &self.boot), standing);
        match (found, plan.origin) {
            (Whose::Anothers(why), Some(origin)) => self.keep(folder, (why, origin)),
            _ => {
                self.clips.remove(folder);
                return false;
            }
        }
        true
    }

    fn keep(&mut self, folder: &Path, because: (Why, Origin)) {
        if self.clips.get(folder) == Some(&because) {
            return;
        }
        let clip = clip_name(folder);
        let clip = &*clip;
        let shown = folder.display();
        match &because {
            (Why::Machine, _) => {
                tracing::info!(clip, "clip {shown}: it is of another machine, and left to it");
            }
            (Why::Runs, origin) => {
                tracing::info!(clip, "clip {shown}: {} records it, and it is left to it", instance(origin));
            }
            (Why::RingsAreLeft, origin) => tracing::warn!(
                clip,
                "clip {shown}: {} has ended, and its rings still hold frames for it: start it again to have it finished, or \
                 give those frames up: {}",
                instance(origin),
                give_up(origin)
            ),
        }
        self.clips.insert(folder.to_owned(), because);
    }

    /// The clips to be looked at again by now.
    pub(crate) fn due(&mut self) -> Vec<PathBuf> {
        let is_due = |since: Instant, pause| since.elapsed() >= pause;
        if !is_due(self.looked_again, LOOK_AGAIN) {
            return Vec::new();
        }
        self.looked_again = Instant::now();
        // One without a plan is finished, or gone.
        self.clips.retain(|folder, _| plan_path(folder).symlink_metadata().is_ok());
        self.set_aside.retain(|folder| folder.symlink_metadata().is_ok());
        let mut due: Vec<PathBuf> = self.clips.keys().cloned().collect();
        if self.looked_for_more.is_some_and(|looked| is_due(looked, LOOK_FOR_MORE)) {
            self.looked_for_more = Some(Instant::now());
            for run_folder in run_folders(&self.output_dir).unwrap_or_default() {
                self.find_set_aside(&run_folder);
                due.extend(unfinished_clips(&run_folder).unwrap_or_default());
            }
        }
        due
    }

    /// Looks for clips in all run folders from now on. For a recorder that is armed.
    pub(crate) fn look_for_more(&mut self) {
        self.looked_for_more.get_or_insert_with(Instant::now);
    }

    /// Finds the clips of a run that were set aside earlier.
    pub(crate) fn find_set_aside(&mut self, run_folder: &Path) {
        let aside = run_folder.join(SET_ASIDE_DIR);
        self.set_aside.extend(opened::folders_of_ours(&aside).unwrap_or_default());
    }

    /// Moves a clip that can't be recorded out of the way, whole, and says so. Returns the folder it is in now.
    pub(crate) fn set_aside(&mut self, folder: &Path, why: &str) -> io::Result<PathBuf> {
        let (Some(run_folder), Some(name)) = (folder.parent(), folder.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let aside = run_folder.join(SET_ASIDE_DIR);
        match opened::create_folder(&aside) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        let mut to = aside.join(name);
        for number in 2.. {
            if to.symlink_metadata().is_err() {
                break;
            }
            let mut other = name.to_owned();
            other.push(format!("~{number}"));
            to = aside.join(other);
        }
        opened::rename(folder, &to)?;
        self.clips.remove(folder);
        tracing::error!(
            clip = &*clip_name(folder),
            "clip {}: {why}; it can't be recorded, and is set aside: it is now {}. Put {PARTIAL_DIR} right and move the \
             folder back to have it recorded",
            folder.display(),
            to.display()
        );
        self.set_aside.insert(to.clone());
        Ok(to)
    }

    /// Sentences for a person about what can't go on by itself.
    pub(crate) fn attention(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let mut waiting: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (why, origin) in self.clips.values() {
            if *why == Why::RingsAreLeft {
                *waiting.entry((instance(origin), give_up(origin))).or_default() += 1;
            }
        }
        for ((who, give_up), number) in waiting {
            sentences.push(format!(
                "{} of another instance: {who} has ended, and its rings still hold frames; start it again to have them \
                 finished, or give those frames up: {give_up}",
                clips(number)
            ));
        }
        if let Some(first) = self.set_aside.first() {
            sentences.push(format!(
                "{} set aside, since it can't be recorded: {}; the log says why",
                clips(self.set_aside.len()),
                first.display()
            ));
        }
        sentences
    }
}

fn clips(number: usize) -> String {
    if number == 1 { "1 clip".to_owned() } else { format!("{number} clips") }
}

fn instance(origin: &Origin) -> String {
    let place = origin.runtime_dir.as_deref().unwrap_or(&origin.instance);
    format!("the instance in {place}")
}

/// The command by which a person gives up the frames of an instance that won't be started again. Its clips are finished
/// without them then.
fn give_up(origin: &Origin) -> String {
    format!("`rm /dev/shm/preroll-{}-*`", origin.instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_alone(output: &Path) -> LeftAlone {
        let dir = RuntimeDir::create(&output.join("runtime")).unwrap();
        LeftAlone::new(&dir, output)
    }

    #[test]
    fn a_clip_that_is_set_aside_is_moved_whole_and_named() {
        let output = tempfile::tempdir().unwrap();
        let run = output.path().join("run_1");
        let clip = run.join("clip-0001");
        let mut left = left_alone(output.path());
        for expected in ["clip-0001", "clip-0001~2"] {
            std::fs::create_dir_all(clip.join(PARTIAL_DIR)).unwrap();
            std::fs::write(plan_path(&clip), "{}").unwrap();
            let to = left.set_aside(&clip, "fps is 0").unwrap();
            assert_eq!(to, run.join(SET_ASIDE_DIR).join(expected));
            assert!(plan_path(&to).is_file() && !clip.exists());
        }
        assert!(left.attention()[0].starts_with("2 clips set aside"), "{:?}", left.attention());
        let mut next = left_alone(output.path());
        assert!(next.attention().is_empty());
        next.find_set_aside(&run);
        assert_eq!(next.attention(), left.attention(), "the next start names them too");
    }

    #[test]
    fn a_plan_of_a_running_instance_is_left_alone_and_one_without_origin_is_not() {
        let output = tempfile::tempdir().unwrap();
        let other = RuntimeDir::create(&output.path().join("other")).unwrap();
        let mut left = left_alone(output.path());
        let plan = |origin: &Origin| {
            serde_json::to_vec(&serde_json::json!({ "origin": origin, "boot_id": boot_id() })).unwrap()
        };
        let (clip, theirs) = (output.path().join("run_1/clip-0001"), plan(&Origin::of(&other)));
        let held = std::fs::File::create(other.lock_path()).unwrap();
        rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
        assert!(left.is_anothers(&clip, &theirs));
        assert!(left.attention().is_empty(), "a running instance's clip needs nobody");
        drop(held);
        assert!(!left.is_anothers(&clip, &theirs), "it is nobody's now");
        assert!(!left.is_anothers(&clip, &plan(&left.us.clone())));
        assert!(!left.is_anothers(&clip, b"{}") && !left.is_anothers(&clip, b"not even JSON"));
    }
}
