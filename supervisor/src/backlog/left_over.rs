//! The work that an end leaves to the next start, in words: the clips that aren't finished, and how long their frames will
//! take to encode. Pure.

use std::fmt;
use std::path::PathBuf;

use super::pace;

/// Clips whose frames could not all be encoded before the end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LeftOver {
    /// The folders of the clips. Empty when the disk didn't say in time which they are.
    pub(crate) clips: Vec<PathBuf>,
    /// Frames of theirs that wait in rings and backlog, as far as the recorder has reported.
    pub(crate) frames: u64,
    /// The pace at which the recorder encoded, if that is known.
    pub(crate) frames_per_s: Option<f64>,
}

impl fmt::Display for LeftOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.clips.iter().filter_map(|clip| clip.file_name()?.to_str()).collect();
        match names.as_slice() {
            [] => f.write_str("the disk did not say in time which clips are open")?,
            [clip] => write!(f, "{clip} is not finished")?,
            clips => write!(f, "{} are not finished", clips.join(", "))?,
        }
        if self.frames > 0 {
            let (noun, wait) = if self.frames == 1 { ("frame", "waits") } else { ("frames", "wait") };
            write!(f, ": {} {noun} {wait} for the encoder", self.frames)?;
            if let Some(seconds) = pace::seconds(self.frames, self.frames_per_s) {
                write!(f, ", about {seconds:.1} s of encoding")?;
            }
        }
        f.write_str("; rings and backlog are kept, and the next start finishes what is open")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_with_the_time_that_it_takes() {
        let says = |clips: &[&str], frames, frames_per_s| {
            let clips = clips.iter().map(|clip| PathBuf::from("/r/run_1").join(clip)).collect();
            LeftOver { clips, frames, frames_per_s }.to_string()
        };
        let end = "; rings and backlog are kept, and the next start finishes what is open";
        assert_eq!(
            says(&["clip-0001-goal"], 340, Some(25.0)),
            format!(
                "clip-0001-goal is not finished: 340 frames wait for the encoder, about 13.6 s of encoding{end}"
            )
        );
        assert_eq!(
            says(&["clip-0001", "clip-0002"], 1, None),
            format!("clip-0001, clip-0002 are not finished: 1 frame waits for the encoder{end}")
        );
        assert_eq!(says(&[], 0, None), format!("the disk did not say in time which clips are open{end}"));
    }
}
