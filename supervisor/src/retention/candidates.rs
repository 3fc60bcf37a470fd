//! The clips on the disk that may go: finished clips of this rig, in folders of runs. Everything else in the output folder is passed
//! over: clips of other rigs, unfinished and set-aside ones, folders that a person has made or renamed, links.

use std::io;
use std::path::{Path, PathBuf};

use proto::clip::{MANIFEST, PARTIAL_DIR, clip_id, clip_name};
use proto::opened::{self, EntryKind};
use proto::time::{MonotonicNs, WallAnchor};
use serde::Deserialize;

use crate::run_file;
use crate::stored_clips::listing::Known;
use crate::stored_clips::notes;

/// A clip that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The run folder and the clip folder, below the output folder.
    pub(crate) place: PathBuf,
    /// The moment of its first trigger, in nanoseconds since 1970.
    pub(crate) trigger_unix_ns: u64,
    /// The moment at which it got its manifest.
    pub(crate) finished_unix_ns: u64,
    /// The bytes of all files in its folder.
    pub(crate) bytes: u64,
    /// The room that they take on the disk.
    pub(crate) disk_bytes: u64,
    /// True if a person wants to keep it.
    pub(crate) keep: bool,
    /// True if it couldn't be removed in this look.
    pub(crate) stays: bool,
}

impl Candidate {
    /// The clip's id.
    pub(crate) fn clip_id(&self) -> String {
        clip_id(&self.place)
    }
}

/// As much of a manifest as is needed here.
#[derive(Deserialize)]
struct Clip {
    #[serde(default)]
    rig: Option<String>,
    trigger_ns: MonotonicNs,
    wall: WallAnchor,
}

/// As much of a run's file.
#[derive(Deserialize)]
struct Run {
    config: RunConfig,
}

#[derive(Deserialize)]
struct RunConfig {
    #[serde(default)]
    rig: Option<String>,
}

/// The clips of one rig in an output folder.
pub(crate) struct Candidates {
    output_dir: PathBuf,
    rig: String,
    /// None: the clip must not be touched.
    known: Known<Option<Candidate>>,
    all: Vec<Candidate>,
}

impl Candidates {
    /// Nothing is looked at yet.
    pub(crate) fn new(output_dir: &Path, rig: &str) -> Self {
        Self {
            output_dir: output_dir.to_owned(),
            rig: rig.to_owned(),
            known: Known::default(),
            all: Vec::new(),
        }
    }

    /// Looks at the disk.
    ///
    /// # Errors
    /// The output folder can't be listed.
    pub(crate) fn look(&mut self, now_ns: i64) -> io::Result<()> {
        let Self { output_dir, rig, .. } = self;
        // A clip that can't be read is left alone.
        let read = |folder: &Path| Some(read(output_dir, folder, rig).unwrap_or_default());
        self.all = self.known.look(output_dir, now_ns, read, |_| true)?.into_iter().flatten().collect();
        Ok(())
    }

    /// As of the last look, less what has gone since.
    pub(crate) fn all(&self) -> &[Candidate] {
        &self.all
    }

    /// The clip in this place has gone.
    pub(crate) fn forget(&mut self, at: usize) {
        self.all.swap_remove(at);
    }

    /// The clip in this place stays until the next look.
    pub(crate) fn leave(&mut self, at: usize) {
        if let Some(clip) = self.all.get_mut(at) {
            clip.stays = true;
        }
    }
}

/// Reads a clip's folder. None if it must not be touched.
fn read(output_dir: &Path, folder: &Path, rig: &str) -> io::Result<Option<Candidate>> {
    // A run's folder has its time in its name. One that a person has made or renamed has not.
    let is_of_run = clip_id(folder) != clip_name(folder);
    let entries = opened::entries(folder)?;
    let manifest = entries.iter().find(|entry| entry.name == MANIFEST && entry.kind == EntryKind::File);
    let is_open = entries.iter().any(|entry| entry.name == PARTIAL_DIR);
    let Some(manifest) = manifest.filter(|_| is_of_run && !is_open) else { return Ok(None) };
    let clip: Clip = serde_json::from_slice(&opened::read(&folder.join(MANIFEST))?)?;
    let of_rig = clip.rig.or_else(|| rig_of_run(folder.parent()?));
    if of_rig.as_deref() != Some(rig) {
        return Ok(None);
    }
    Ok(Some(Candidate {
        place: folder.strip_prefix(output_dir).unwrap_or(folder).to_owned(),
        trigger_unix_ns: clip.wall.unix(clip.trigger_ns),
        finished_unix_ns: u64::try_from(manifest.modified_ns).unwrap_or(0),
        bytes: entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.bytes)),
        disk_bytes: entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.disk_bytes)),
        keep: notes::read(folder).map_or(true, |said| said.keep),
        stays: false,
    }))
}

/// The rig of a run whose clips don't say it.
fn rig_of_run(run: &Path) -> Option<String> {
    serde_json::from_slice::<Run>(&opened::read(&run.join(run_file::FILE)).ok()?).ok()?.config.rig
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored_clips::listing::now_ns;
    use crate::stored_clips::notes::Word;
    use crate::stored_clips::row::tests::{clip, manifest};

    const AT: u64 = 1_795_342_500_250_000_000;
    const RUN: &str = "run_20261122-091510";

    fn places(output: &Path) -> Vec<String> {
        let mut candidates = Candidates::new(output, "pitch");
        candidates.look(now_ns()).unwrap();
        candidates.all().iter().map(|clip| clip.place.display().to_string()).collect()
    }

    #[test]
    fn only_finished_clips_of_this_rig_in_folders_of_runs_are_candidates() {
        let output = tempfile::tempdir().unwrap();
        let output = output.path();
        let ours = manifest(Some("pitch"), None, AT);
        let make = |place: &str| clip(output, place, &ours, 10);
        make(&format!("{RUN}/clip-0001-goal"));
        clip(output, &format!("{RUN}/clip-0002"), &manifest(Some("line-3"), None, AT), 10);
        std::fs::create_dir(make(&format!("{RUN}/clip-0003")).join(PARTIAL_DIR)).unwrap();
        make(&format!("{RUN}/set-aside/clip-0004"));
        make(&format!("{RUN}/mine"));
        make("good ones/clip-0005");
        make("practice/clip-0006");
        make(".removing/clip-0007");
        std::fs::write(make(&format!("{RUN}/clip-0008")).join(MANIFEST), "{").unwrap();
        std::os::unix::fs::symlink(
            output.join(RUN).join("clip-0001-goal"),
            output.join(RUN).join("clip-0009"),
        )
        .unwrap();
        std::os::unix::fs::symlink(output.join(RUN), output.join("run_20261122-091511")).unwrap();
        std::fs::remove_file(make(&format!("{RUN}/clip-0010")).join(MANIFEST)).unwrap();
        assert_eq!(places(output), [format!("{RUN}/clip-0001-goal")]);
    }

    #[test]
    fn a_clip_that_names_no_rig_goes_by_its_run() {
        let output = tempfile::tempdir().unwrap();
        clip(output.path(), &format!("{RUN}/clip-0001"), &manifest(None, None, AT), 10);
        assert_eq!(places(output.path()), [""; 0]);
        for (rig, all) in [("line-3", 0), ("pitch", 1)] {
            let run_file = serde_json::json!({ "config": { "rig": rig } }).to_string();
            std::fs::write(output.path().join(RUN).join(run_file::FILE), run_file).unwrap();
            assert_eq!(places(output.path()).len(), all, "{rig}");
        }
    }

    #[test]
    fn all_files_count_and_a_change_is_seen_at_the_next_look() {
        let output = tempfile::tempdir().unwrap();
        let folder =
            clip(output.path(), &format!("{RUN}/clip-0001"), &manifest(Some("pitch"), None, AT), 5000);
        let mut candidates = Candidates::new(output.path(), "pitch");
        let mut look = || {
            candidates.look(now_ns()).unwrap();
            candidates.leave(0);
            candidates.all()[0].clone()
        };
        let before = look();
        assert!(before.stays && !before.keep && before.disk_bytes >= before.bytes);
        assert_eq!(before.trigger_unix_ns, AT);
        std::fs::write(folder.join("SHA256SUMS"), [0; 300]).unwrap();
        assert_eq!(look().bytes, before.bytes + 300);
        notes::say(&folder, &Word::Keep).unwrap();
        assert!(look().keep);
        candidates.forget(0);
        assert_eq!(candidates.all(), []);
    }
}
