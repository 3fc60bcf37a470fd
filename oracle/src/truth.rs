//! The truth log: what a simulated camera says it made, one line a frame, `source_sequence,t_capture_monotonic_ns`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::manifest::Window;

/// One frame the camera made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The camera's own frame number, not yet folded to the stamp's 32 bits.
    pub sequence: u64,
    /// The capture time, CLOCK_MONOTONIC.
    pub t_ns: u64,
}

/// Every frame a camera made, oldest first. Sequences it left out were due and never made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    rows: Vec<Made>,
}

/// Truth logs by camera name. Every camera in it is expected in every clip that its log has frames for.
pub type Truths = BTreeMap<String, Truth>;

/// A reason why a truth log can't be believed.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// The file can't be read.
    #[error("can't read the truth log {path}")]
    Read {
        /// The log.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A line isn't two numbers.
    #[error("truth log, line {line}: expected `source_sequence,t_capture_monotonic_ns`, found `{found}`")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The line as it stands.
        found: String,
    },
    /// The last line has no end: each is written in one call, so this can't happen to a log that is whole.
    #[error("truth log, line {line}: torn, it has no line end")]
    Torn {
        /// Counted from 1.
        line: usize,
    },
    /// Time stands still or runs backwards, or a sequence is made twice.
    #[error("truth log, line {line}: not after the line before it")]
    Order {
        /// Counted from 1.
        line: usize,
    },
}

impl Truth {
    /// Reads the log at `path`.
    pub fn read(path: &Path) -> Result<Self, TruthError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TruthError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Parses a whole log.
    pub fn parse(text: &str) -> Result<Self, TruthError> {
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(TruthError::Torn { line: text.lines().count() });
        }
        let mut rows: Vec<Made> = Vec::new();
        for (line, found) in (1..).zip(text.lines()) {
            let row = parse_line(found).ok_or_else(|| TruthError::Line { line, found: found.to_owned() })?;
            if rows.last().is_some_and(|last| row.t_ns <= last.t_ns || row.sequence == last.sequence) {
                return Err(TruthError::Order { line });
            }
            rows.push(row);
        }
        Ok(Self { rows })
    }

    /// The rows of the one camera life that a window falls into.
    ///
    /// A new ring counts from 0 again, and may append to the same log; a clip comes from one ring, so only one
    /// such stretch can be what it shows. Within it the camera's clock runs on, whoever looks: a capture that was
    /// killed comes back with the number that is due.
    pub fn life_around(&self, window: Window) -> &[Made] {
        let rows_inside = |life: &[Made]| life.iter().filter(|row| window.contains(row.t_ns)).count();
        // A window that falls wholly into a hole has no row in it, but still a life around it.
        let spans = |life: &[Made]| {
            life.first().is_some_and(|row| row.t_ns <= window.end_ns)
                && life.last().is_some_and(|row| row.t_ns >= window.start_ns)
        };
        self.lives().into_iter().max_by_key(|life| (rows_inside(life), spans(life))).unwrap_or_default()
    }

    /// A stretch for each ring: to the next that begins at a lower number, or at one that is not due yet.
    fn lives(&self) -> Vec<&[Made]> {
        let mut lives = Vec::new();
        let mut rest = self.rows.as_slice();
        while !rest.is_empty() {
            let end = (1..rest.len()).find(|&next| begins_a_life(rest, next)).unwrap_or(rest.len());
            let (life, after) = rest.split_at(end);
            lives.push(life);
            rest = after;
        }
        lives
    }

    /// The rows in a window, of whichever life has most of them.
    pub fn made_in(&self, window: Window) -> impl Iterator<Item = Made> {
        self.life_around(window).iter().copied().filter(move |row| window.contains(row.t_ns))
    }

    /// Every row, oldest first.
    pub fn rows(&self) -> &[Made] {
        &self.rows
    }
}

/// Is row `next` another ring's than the row before it? Then its number is lower, or its time doesn't fit its
/// number, neither by the frame time before it nor by the one after.
fn begins_a_life(rows: &[Made], next: usize) -> bool {
    let step = |from: usize| {
        let (a, b) = (rows.get(from)?, rows.get(from + 1)?);
        let frames = u128::from(b.sequence.checked_sub(a.sequence)?);
        Some((u128::from(b.t_ns - a.t_ns), frames))
    };
    let Some((took, frames)) = step(next - 1) else { return true };
    let neighbours = [next.checked_sub(2).and_then(step), step(next)];
    let mut known = neighbours.into_iter().flatten().filter(|&(_, frames)| frames > 0).peekable();
    // With nothing to compare with, the benefit of the doubt.
    known.peek().is_some()
        && known.all(|(length, of)| {
            let frame_time = length / of;
            took.abs_diff(frames * frame_time) > frame_time / 2 + frames
        })
}

fn parse_line(line: &str) -> Option<Made> {
    let (sequence, t_ns) = line.split_once(',')?;
    Some(Made { sequence: sequence.parse().ok()?, t_ns: t_ns.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_log_is_read_row_by_row() {
        let truth = Truth::parse("4,100\n5,200\n9,600\n").unwrap();
        assert_eq!(truth.rows.len(), 3);
        assert_eq!(truth.rows[2], Made { sequence: 9, t_ns: 600 });
    }

    #[test]
    fn an_empty_log_is_a_camera_that_made_nothing() {
        assert_eq!(Truth::parse("").unwrap(), Truth::default());
    }

    #[test]
    fn a_torn_last_line_is_an_error_even_if_it_parses() {
        assert!(matches!(Truth::parse("4,100\n5,2"), Err(TruthError::Torn { line: 2 })));
    }

    #[test]
    fn a_line_that_is_not_two_numbers_is_named() {
        for bad in ["4\n", "4,100,7\n", "x,1\n", "4,-1\n", "\n"] {
            assert!(matches!(Truth::parse(bad), Err(TruthError::Line { line: 1, .. })), "{bad:?}");
        }
    }

    #[test]
    fn time_that_stands_still_is_an_error() {
        assert!(matches!(Truth::parse("4,100\n5,100\n"), Err(TruthError::Order { line: 2 })));
        assert!(matches!(Truth::parse("4,100\n4,200\n"), Err(TruthError::Order { line: 2 })));
    }

    #[test]
    fn a_second_ring_in_the_same_log_is_a_life_of_its_own() {
        let truth = Truth::parse("0,100\n1,200\n2,300\n0,900\n1,1000\n").unwrap();
        assert_eq!(truth.life_around(Window { start_ns: 850, end_ns: 1100 })[0].t_ns, 900);
        assert_eq!(truth.life_around(Window { start_ns: 150, end_ns: 250 }).len(), 3);
        assert_eq!(truth.life_around(Window { start_ns: 210, end_ns: 220 }).len(), 3);
    }

    #[test]
    fn a_second_ring_that_begins_at_a_higher_number_is_told_by_its_clock() {
        // The first ended at once; the second's camera took long to open.
        let truth = Truth::parse("0,100\n1,200\n40,5000\n41,5100\n42,5200\n").unwrap();
        let window = Window { start_ns: 4950, end_ns: 5150 };
        assert_eq!(truth.life_around(window)[0], Made { sequence: 40, t_ns: 5000 });
        assert_eq!(truth.life_around(Window { start_ns: 50, end_ns: 250 }).len(), 2);
    }

    #[test]
    fn a_capture_that_was_away_goes_on_in_the_same_life() {
        let truth = Truth::parse("0,100\n1,200\n2,300\n40,4100\n41,4200\n90,9100\n").unwrap();
        assert_eq!(truth.life_around(Window { start_ns: 50, end_ns: 9500 }).len(), 6);
    }
}
