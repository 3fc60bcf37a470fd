//! The verdicts, and how they read.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::fault::Fault;
use crate::judge::{JudgedBy, Verdict};

/// A clip can fail once a frame; a person reads the first few. JSON has them all.
const REASONS_SHOWN: usize = 8;

/// Every clip below a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Sorted by name.
    pub clips: Vec<Clip>,
}

/// One clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clip {
    /// The clip's folder, below the one that was searched.
    pub name: String,
    /// Finished or not.
    pub state: State,
    /// A verdict for each camera, by name.
    pub cameras: BTreeMap<String, Verdict>,
    /// Faults of the clip as a whole.
    pub faults: Vec<Fault>,
}

/// A clip's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The clip has a manifest.
    Finished,
    /// The clip has no manifest (yet).
    Unfinished,
}

impl Clip {
    /// Do the clip and all of its cameras tell the truth? An unfinished one doesn't.
    pub fn is_true(&self) -> bool {
        self.faults.is_empty() && self.cameras.values().all(Verdict::is_true)
    }
}

impl Report {
    /// Is every clip finished and true?
    pub fn is_true(&self) -> bool {
        self.clips.iter().all(Clip::is_true)
    }

    /// Is every finished clip true? A clip that is still being written is let be.
    pub fn finished_are_true(&self) -> bool {
        self.clips.iter().all(|clip| clip.state == State::Unfinished || clip.is_true())
    }

    /// Could anything be judged at all: by its pixels, or for a fault that shows without them.
    pub fn is_a_judgement(&self) -> bool {
        let judged = |v: &Verdict| v.judged_by != JudgedBy::Nothing || !v.is_true();
        self.clips.iter().any(|clip| !clip.faults.is_empty() || clip.cameras.values().any(judged))
    }

    /// Every camera of every clip.
    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.clips.iter().flat_map(|clip| clip.cameras.values())
    }
}

/// An aligned line for each camera of each clip, and below it the reasons why it is false.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest =
            |lengths: &mut dyn Iterator<Item = usize>, title: &str| lengths.fold(title.len(), usize::max);
        let clip_width = widest(&mut self.clips.iter().map(|clip| clip.name.len()), "clip");
        let camera_width =
            widest(&mut self.clips.iter().flat_map(|clip| clip.cameras.keys().map(String::len)), "camera");
        writeln!(
            f,
            "{:clip_width$}  {:camera_width$}  expected  present  declared  silent  verdict",
            "clip", "camera"
        )?;
        for clip in &self.clips {
            for (camera, verdict) in &clip.cameras {
                writeln!(
                    f,
                    "{:clip_width$}  {camera:camera_width$}  {:>8}  {:>7}  {:>8}  {:>6}  {}",
                    clip.name,
                    verdict.expected,
                    verdict.present,
                    verdict.declared,
                    verdict.silent,
                    in_a_word(verdict),
                )?;
                reasons(f, &verdict.faults)?;
            }
            match clip.state {
                State::Unfinished => {
                    writeln!(f, "{:clip_width$}  unfinished: it has no manifest", clip.name)?
                }
                State::Finished if !clip.faults.is_empty() => {
                    writeln!(f, "{:clip_width$}  FALSE as a whole", clip.name)?;
                    reasons(f, &clip.faults)?;
                }
                State::Finished => {}
            }
        }
        Ok(())
    }
}

fn in_a_word(verdict: &Verdict) -> &'static str {
    match (verdict.is_true(), verdict.judged_by) {
        (true, JudgedBy::Truth) => "true",
        (true, JudgedBy::Stamps) => "true by its stamps (no truth log)",
        (true, JudgedBy::Nothing) => "not judged: no stamps (files and numbers agree)",
        (false, _) => "FALSE",
    }
}

fn reasons(f: &mut fmt::Formatter<'_>, faults: &[Fault]) -> fmt::Result {
    for fault in faults.iter().take(REASONS_SHOWN) {
        writeln!(f, "    - {fault}")?;
    }
    if faults.len() > REASONS_SHOWN {
        writeln!(f, "    - and {} more (all of them with --json)", faults.len() - REASONS_SHOWN)?;
    }
    Ok(())
}
