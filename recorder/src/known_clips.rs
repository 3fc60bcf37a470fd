//! The clips for which this recorder needs no further order, as the beat names them. The supervisor tells a clip again
//! that is not among them. Which clips are taken on is decided in [`crate::intake`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::clip;
use proto::name::Name;

/// A finished clip is named for so long: the report of its end may be on its way while a beat is written. After that, a
/// supervisor that still has it open has missed the report.
const FINISHED_NAMED_FOR: Duration = Duration::from_secs(2);

/// The known clips, by their [mark](clip::mark).
#[derive(Default)]
pub(crate) struct KnownClips {
    open: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
    finished: Vec<(u64, Instant)>,
    /// The clip on trial ([`crate::suspects`]), and its cameras that have encoded nothing yet.
    on_trial: Option<(u64, BTreeSet<Name>)>,
}

impl KnownClips {
    /// A clip is being recorded from now on.
    pub(crate) fn open(&mut self, folder: &Path) {
        self.open.insert(clip::mark(folder));
    }

    /// A clip needs nothing more.
    pub(crate) fn finish(&mut self, folder: &Path) {
        self.finish_at(folder, Instant::now());
    }

    fn finish_at(&mut self, folder: &Path, now: Instant) {
        let mark = clip::mark(folder);
        self.open.remove(&mark);
        self.finished.push((mark, now));
    }

    /// Replaces the clips that are tried again and again, since they can't be taken on yet.
    pub(crate) fn set_waiting<'a>(&mut self, folders: impl Iterator<Item = &'a PathBuf>) {
        self.waiting = folders.map(|folder| clip::mark(folder)).collect();
    }

    /// The number of clips that are being recorded or finished.
    pub(crate) fn open_count(&self) -> u64 {
        self.open.len() as u64
    }

    /// Is this one of them?
    pub(crate) fn is_open(&self, folder: &Path) -> bool {
        self.open.contains(&clip::mark(folder))
    }

    /// A clip is on trial until each of these cameras has encoded a frame of it.
    pub(crate) fn begin_trial(&mut self, folder: &Path, cameras: impl Iterator<Item = Name>) {
        self.on_trial = Some((clip::mark(folder), cameras.collect()));
    }

    /// A camera has encoded a frame of a clip. True when that ends the clip's trial.
    pub(crate) fn encoded(&mut self, folder: &Path, camera: &Name) -> bool {
        let Some((mark, left)) = &mut self.on_trial else { return false };
        !left.is_empty() && *mark == clip::mark(folder) && left.remove(camera) && left.is_empty()
    }

    /// Has the clip on trial passed it?
    pub(crate) fn has_passed(&self, folder: &Path) -> bool {
        let is_it = |(mark, left): &(u64, BTreeSet<Name>)| *mark == clip::mark(folder) && left.is_empty();
        self.on_trial.as_ref().is_some_and(is_it)
    }

    /// All clips to be named at this moment.
    pub(crate) fn marks(&mut self, now: Instant) -> Vec<u64> {
        self.finished.retain(|(_, since)| now.saturating_duration_since(*since) <= FINISHED_NAMED_FOR);
        let finished = self.finished.iter().map(|(mark, _)| mark);
        self.open.iter().chain(&self.waiting).chain(finished).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u64; 0] = [];

    #[test]
    fn a_clip_is_named_from_its_beginning_until_a_while_after_its_end() {
        let (mut clips, folder, start) = (KnownClips::default(), Path::new("/run/clip-1"), Instant::now());
        assert_eq!(clips.marks(start), NONE);
        clips.open(folder);
        assert_eq!((clips.open_count(), clips.is_open(folder)), (1, true));
        assert_eq!(clips.marks(start), [clip::mark(folder)]);
        clips.finish_at(folder, start);
        assert_eq!((clips.open_count(), clips.is_open(folder)), (0, false));
        assert_eq!(clips.marks(start + FINISHED_NAMED_FOR), [clip::mark(folder)]);
        assert_eq!(clips.marks(start + FINISHED_NAMED_FOR * 2), NONE);
    }

    #[test]
    fn a_clip_that_waits_is_named_as_long_as_it_waits() {
        let (mut clips, now) = (KnownClips::default(), Instant::now());
        let away = PathBuf::from("/away/clip-1");
        clips.set_waiting([&away].into_iter());
        assert_eq!((clips.open_count(), clips.marks(now)), (0, vec![clip::mark(&away)]));
        clips.set_waiting(std::iter::empty());
        assert_eq!(clips.marks(now), NONE);
    }

    #[test]
    fn a_trial_is_over_when_every_camera_has_encoded_a_frame() {
        let (mut clips, folder, other) =
            (KnownClips::default(), Path::new("/run/clip-1"), Path::new("/run/clip-2"));
        let [left, right] = ["left", "right"].map(|name| Name::new(name).unwrap());
        assert!(!clips.encoded(folder, &left) && !clips.has_passed(folder));
        clips.begin_trial(folder, [left.clone(), right.clone()].into_iter());
        assert!(!clips.encoded(folder, &left) && !clips.encoded(folder, &left));
        assert!(!clips.encoded(other, &right) && !clips.has_passed(folder));
        assert!(clips.encoded(folder, &right), "once");
        assert!(!clips.encoded(folder, &right));
        assert!(clips.has_passed(folder) && !clips.has_passed(other));
    }
}
