//! What a clip is, in one word. How frames are counted is the recorder's part.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Manifest, Window};

/// What a clip is: the first of these that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Frames of the window are missing, or a camera was not live at any moment of it.
    Gaps,
    /// Preroll was stopped before the window was over.
    EndedEarly,
    /// The pre-roll is shorter than the trigger asked for, since the rings held no more.
    Short,
    /// Every frame of the window that was asked for is in the files.
    Complete,
}

impl Verdict {
    /// The verdict on a clip with or without gaps, that a stop cut short or not, and that begins so much later than it
    /// was asked to.
    #[must_use]
    pub fn of(has_gaps: bool, ended_early: bool, is_short: bool) -> Self {
        match (has_gaps, ended_early, is_short) {
            (true, _, _) => Self::Gaps,
            (_, true, _) => Self::EndedEarly,
            (_, _, true) => Self::Short,
            _ => Self::Complete,
        }
    }

    /// The word in manifests, answers and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gaps => "gaps",
            Self::EndedEarly => "ended_early",
            Self::Short => "short",
            Self::Complete => "complete",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Manifest {
    /// The verdict by the other fields, for a manifest of schema 1. Its `complete` says that nothing was missing of the
    /// window that was recorded.
    pub(super) fn derived_verdict(&self) -> Verdict {
        let Window { start_ns, .. } = self.window;
        let has_gaps = self.cameras.values().any(|camera| !camera.gaps.is_empty());
        Verdict::of(has_gaps, self.ended_early, start_ns > self.asked_start_ns)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Written by version 0.1.0 before there were verdicts: a clip without a fault, and one that lacks all of its frames.
    const WHOLE: &str = include_str!("schema1/whole.json");
    const GAPS: &str = include_str!("schema1/gaps.json");

    #[test]
    fn a_manifest_of_schema_1_is_read_and_gets_its_verdict() {
        let read = |manifest: &Value| serde_json::from_value::<Manifest>(manifest.clone()).unwrap();
        let mut whole: Value = serde_json::from_str(WHOLE).unwrap();
        let manifest = read(&whole);
        assert_eq!((manifest.schema, manifest.verdict, manifest.complete), (1, Verdict::Complete, true));
        assert!(manifest.triggers.is_empty() && manifest.cameras.values().all(|camera| camera.live));
        let gaps = read(&serde_json::from_str(GAPS).unwrap());
        assert_eq!((gaps.verdict, gaps.complete), (Verdict::Gaps, false));
        // A pre-roll that was cut short was called complete, and so it stays.
        whole["asked_start_ns"] = json!(1);
        assert_eq!((read(&whole).verdict, read(&whole).complete), (Verdict::Short, true));
        whole["ended_early"] = json!(true);
        assert_eq!(read(&whole).verdict, Verdict::EndedEarly);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut manifest: Manifest = serde_json::from_str(WHOLE).unwrap();
        manifest.schema = super::super::SCHEMA;
        // By the fields it would be complete: the word of a manifest of schema 2 counts.
        manifest.verdict = Verdict::Short;
        let text = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(serde_json::from_slice::<Manifest>(&text).unwrap(), manifest);
    }

    #[test]
    fn the_first_that_holds_is_the_verdict() {
        use Verdict::{Complete, EndedEarly, Gaps, Short};
        for early in [false, true] {
            for short in [false, true] {
                assert_eq!(Verdict::of(true, early, short), Gaps);
            }
            assert_eq!(Verdict::of(false, true, early), EndedEarly);
        }
        assert_eq!((Verdict::of(false, false, true), Verdict::of(false, false, false)), (Short, Complete));
        for verdict in [Gaps, EndedEarly, Short, Complete] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
        }
    }
}
