//! The report as a person reads it: what was done, expected and found; a table of the blows; a table of the processes; the
//! verdict.

use std::fmt;

use crate::clips::Count;
use crate::report::{Report, Tally, Words};
use crate::slope::Slope;

/// Reasons that are printed. JSON has all of them.
const SHOWN: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sums(f)?;
        self.blows(f)?;
        self.processes(f)?;
        self.verdict(f)
    }
}

impl Report {
    fn sums(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blows: usize = self.strikes.values().map(|strike| strike.tries).sum();
        writeln!(f, "seed      {}, {:.0} s: {}", self.seed, self.seconds, self.setup)?;
        writeln!(f, "did       {blows} blows; {} triggers, {} accepted", self.triggers, self.accepted)?;
        let Words { begun, ended, extended, joined, over_others } = self.words;
        writeln!(
            f,
            "          {begun} begun and {ended} of them ended, {extended} extended; {joined} joined an open clip, {over_others} clips \
             lie over earlier ones"
        )?;
        for (said, times) in &self.refused {
            writeln!(f, "          {times} not: {said}")?;
        }
        writeln!(f, "expected  {} frames in {} clips", self.frames.expected, self.clips)?;
        writeln!(
            f,
            "found     {} frames and {} declared missing, {} in silence; {} of {} clips are true; files of a camera's \
             video: at most {}",
            self.frames.present,
            self.frames.declared,
            self.frames.silent,
            self.clips_true,
            self.clips,
            self.most_files
        )?;
        Ok(())
    }

    fn blows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\np50/p99/worst in ms and frames{:>41}{:>48}", "", "in the clips it struck")?;
        writeln!(
            f,
            "{:22}{:>6}  {:22}{:22}{:20}{:>6}  {:>6}{:>10}{:>9}{:>9}{:>7}",
            "blow",
            "tries",
            "noticed",
            "outage",
            "never made",
            "lost",
            "clips",
            "expected",
            "present",
            "declared",
            "silent"
        )?;
        for (name, strike) in &self.strikes {
            write!(
                f,
                "{name:22}{:>6}  {:22}{:22}{:20}{:>6}  ",
                strike.tries,
                strike.detected_ms.to_string(),
                strike.outage_ms.to_string(),
                strike.never_made.to_string(),
                strike.captured_and_lost
            )?;
            writeln!(f, "{}", strike.struck)?;
        }
        let none = ["(nobody)", "", "", "", ""];
        let [name, tries, detected, outage, never_made] = none;
        writeln!(
            f,
            "{name:22}{tries:>6}  {detected:22}{outage:22}{never_made:20}{:>6}  {}",
            self.lost_by_nobody, self.unstruck
        )?;
        Ok(())
    }

    fn processes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:18}{:>6}  {:>14}  {:>16}  {:>16}  {:>9}  {:>9}",
            "process", "lives", "PSS, MB", "PSS, MB/h", "its own, MB/h", "fds", "threads"
        )?;
        for (who, course) in &self.processes {
            let slope = |slope: Option<Slope>| slope.map_or("–".to_owned(), |s| s.to_string());
            writeln!(
                f,
                "{who:18}{:>6}  {:>6.1} → {:>5.1}  {:>16}  {:>16}  {:>3} → {:>3}  {:>3} → {:>3}",
                course.lives,
                course.pss_mb[0],
                course.pss_mb[1],
                slope(course.pss_slope),
                slope(course.own_slope),
                course.fds[0],
                course.fds[1],
                course.threads[0],
                course.threads[1]
            )?;
        }
        Ok(())
    }

    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nzombies: {}, stray segments: {}; after the stop {}",
            self.zombies,
            self.stray_segments,
            if self.left.is_empty() { "nothing was left" } else { &self.left }
        )?;
        if self.lost_by_nobody > 0 {
            writeln!(
                f,
                "Frames were lost while nobody was away: this machine can't encode so much (or does something else). \
                 Then the figures say little."
            )?;
        }
        for why in self.broken.iter().take(SHOWN) {
            writeln!(f, "  - {why}")?;
        }
        if self.broken.len() > SHOWN {
            writeln!(f, "  - and {} more (all of them with --output)", self.broken.len() - SHOWN)?;
        }
        write!(f, "{}", if self.held { "The promise held." } else { "THE PROMISE IS BROKEN." })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { expected, present, declared, silent } = self.frames;
        write!(f, "{:>6}{expected:>10}{present:>9}{declared:>9}{silent:>7}", self.clips)
    }
}
