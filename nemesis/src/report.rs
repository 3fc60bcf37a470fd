//! What was done, what was expected, what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::blame::{Sizes, blame};
use crate::clips::{Count, Judged};
use crate::hand::Struck;
use crate::meter::Course;
use crate::strike::Strike;
use oracle::truth::{Made, Truth};
use rig::spread::Spread;

/// A clip may be struck while it is being finished.
const FINISHING_NS: u64 = 500_000_000;
/// The most that a process may grow by, in megabytes an hour.
const GROWTH_MB_PER_H: f64 = 1.0;
/// A slope is judged when it was measured for so long. Short runs can't tell.
const LONG_ENOUGH_H: f64 = 0.25;
/// And when it is more than so many standard errors above that.
const SURE: f64 = 3.0;
/// Descriptors and threads come and go with commands.
const COME_AND_GO: usize = 6;
/// Reasons that are printed. JSON has all of them.
const SHOWN: usize = 20;

/// What a run has left to be counted.
#[derive(Debug)]
pub struct Findings {
    /// The seed, and what was run, in words.
    pub seed: u64,
    /// How long, in seconds.
    pub seconds: f64,
    /// In words.
    pub setup: String,
    /// The blows, in order.
    pub blows: Vec<Struck>,
    /// How many triggers were asked.
    pub asked: usize,
    /// The clips that were promised.
    pub accepted: Vec<PathBuf>,
    /// What other triggers were told.
    pub refused: BTreeMap<String, usize>,
    /// Every finished clip.
    pub judged: Vec<Judged>,
    /// Folders of clips that are not.
    pub unfinished: Vec<PathBuf>,
    /// Each camera's.
    pub truths: BTreeMap<String, Truth>,
    /// Frame, ring and reserve.
    pub sizes: Sizes,
    /// What the processes cost.
    pub processes: BTreeMap<String, Course>,
    /// Before the stop.
    pub zombies: usize,
    /// Shared memory beyond the cameras' rings, before the stop.
    pub stray_segments: usize,
    /// After the stop.
    pub left: String,
    /// What went wrong on the way.
    pub wrong: Vec<String>,
}

/// The sum of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The same seed strikes the same victims after the same intervals.
    pub seed: u64,
    /// How long it went on.
    pub seconds: f64,
    /// Cameras, reserve, machine.
    pub setup: String,
    /// Whether the promise held.
    pub held: bool,
    /// Why not.
    pub broken: Vec<String>,
    /// Triggers asked.
    pub triggers: usize,
    /// Triggers accepted.
    pub accepted: usize,
    /// What the others were told.
    pub refused: BTreeMap<String, usize>,
    /// Finished clips.
    pub clips: usize,
    /// Of those, the true ones.
    pub clips_true: usize,
    /// All of their frames.
    pub frames: Count,
    /// The frames of clips that nothing struck.
    pub unstruck: Tally,
    /// Frames that were captured and lost, and nobody was struck who could have lost them: this machine could not
    /// encode so much.
    pub lost_by_nobody: u64,
    /// By what struck them.
    pub strikes: BTreeMap<&'static str, Struckdown>,
    /// By process.
    pub processes: BTreeMap<String, Course>,
    /// Before the stop.
    pub zombies: usize,
    /// Before the stop.
    pub stray_segments: usize,
    /// After the stop.
    pub left: String,
}

/// Clips and their frames.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Tally {
    /// How many clips.
    pub clips: usize,
    /// Their frames, all cameras together.
    pub frames: Count,
}

/// What one kind of blow came to.
#[derive(Debug, Default, Serialize)]
pub struct Struckdown {
    /// How often it was dealt.
    pub tries: usize,
    /// Milliseconds until the supervisor had noticed.
    pub detected_ms: Spread,
    /// Milliseconds without: to the first frame encoded after it (recorder, everything; from when it was started
    /// again), to the first frame captured (capture), to being ready (supervisor).
    pub outage_ms: Spread,
    /// Frames that struck cameras would have made meanwhile, a try.
    pub never_made: Spread,
    /// Frames that were captured, and lost.
    pub captured_and_lost: u64,
    /// The clips that it struck. One that was struck by two counts for both.
    pub struck: Tally,
}

impl Findings {
    /// Counts.
    #[must_use]
    pub fn report(self) -> Report {
        let mut broken = self.wrong.clone();
        broken.extend(self.blows.iter().flat_map(|blow| blow.wrong.clone()));
        let finished: BTreeSet<&PathBuf> = self.judged.iter().map(|clip| &clip.folder).collect();
        for clip in self.accepted.iter().filter(|clip| !finished.contains(clip)) {
            broken.push(format!("{}: was accepted, and there is no such clip", clip.display()));
        }
        for clip in self.unfinished.iter().filter(|clip| !self.accepted.contains(clip)) {
            broken.push(format!("{}: was begun and not finished", clip.display()));
        }
        let mut strikes: BTreeMap<&'static str, Struckdown> = BTreeMap::new();
        for blow in &self.blows {
            strikes.entry(blow.strike.name()).or_default().tries += 1;
        }
        let (mut frames, mut unstruck, mut lost_by_nobody) = (Count::default(), Tally::default(), 0);
        for clip in &self.judged {
            let sum = clip.cameras.values().fold(Count::default(), |sum, camera| sum.and(camera.count));
            frames = frames.and(sum);
            let hits = self.blows.iter().filter(|blow| struck(clip, blow)).map(|blow| blow.strike.name());
            let hits: BTreeSet<&str> = hits.collect();
            for hit in &hits {
                if let Some(strike) = strikes.get_mut(hit) {
                    strike.struck.clips += 1;
                    strike.struck.frames = strike.struck.frames.and(sum);
                }
            }
            if hits.is_empty() {
                unstruck.clips += 1;
                unstruck.frames = unstruck.frames.and(sum);
            }
            let name = clip.folder.display();
            broken.extend(clip.faults.iter().map(|fault| format!("{name}: {fault}")));
            for (camera, judged) in &clip.cameras {
                let blame = blame(camera, judged, &self.blows, self.sizes);
                broken.extend(blame.inexcusable.into_iter().map(|why| format!("{name}: {why}")));
                lost_by_nobody += blame.by_nobody;
                for (blow, frames) in blame.lost {
                    if let Some(strike) = strikes.get_mut(self.blows[blow].strike.name()) {
                        strike.captured_and_lost += frames;
                    }
                }
            }
        }
        for (name, strike) in &mut strikes {
            self.measure(name, strike);
        }
        broken.extend(self.growth());
        if self.zombies > 0 {
            broken.push(format!("{} zombies", self.zombies));
        }
        if self.stray_segments > 0 {
            broken.push(format!("{} segments of shared memory too many", self.stray_segments));
        }
        if !self.left.is_empty() {
            broken.push(self.left.clone());
        }
        Report {
            seed: self.seed,
            seconds: self.seconds,
            setup: self.setup,
            held: broken.is_empty(),
            broken,
            triggers: self.asked,
            accepted: self.accepted.len(),
            refused: self.refused,
            clips: self.judged.len(),
            clips_true: self.judged.iter().filter(|clip| clip.faults.is_empty()).count(),
            frames,
            unstruck,
            lost_by_nobody,
            strikes,
            processes: self.processes,
            zombies: self.zombies,
            stray_segments: self.stray_segments,
            left: self.left,
        }
    }

    fn measure(&self, name: &str, strike: &mut Struckdown) {
        let blows = || self.blows.iter().filter(|blow| blow.strike.name() == name);
        let ms = |span: std::time::Duration| span.as_secs_f64() * 1e3;
        strike.detected_ms = Spread::of(blows().filter_map(|blow| blow.detected.map(ms)));
        let away: Vec<(u64, u64)> = blows().flat_map(|blow| self.away(blow)).collect();
        #[expect(clippy::cast_precision_loss, reason = "a number of frames")]
        let never_made = away.iter().map(|(_, frames)| *frames as f64);
        strike.never_made = Spread::of(never_made);
        strike.outage_ms = match blows().next().map(|blow| blow.strike) {
            Some(Strike::CaptureKilled | Strike::CaptureStopped) => {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds, for a person to read")]
                let ms = |(ns, _): &(u64, u64)| *ns as f64 / 1e6;
                Spread::of(away.iter().map(ms))
            }
            Some(Strike::SupervisorKilled) => Spread::of(blows().filter_map(|blow| blow.ready.map(ms))),
            _ => Spread::of(blows().flat_map(|blow| blow.encoding.values().copied().map(ms))),
        };
    }

    /// For each camera that a blow struck: nanoseconds to the first frame of its new capture, and the frames that
    /// were not made.
    fn away(&self, blow: &Struck) -> Vec<(u64, u64)> {
        let is_struck =
            |name: &String| blow.strike == Strike::EverythingKilled || blow.camera.as_ref() == Some(name);
        let struck = self.truths.iter().filter(|(name, _)| blow.strike.stops_a_capture() && is_struck(name));
        let away = |truth: &Truth| {
            let rows = truth.rows();
            let from = rows.partition_point(|row| row.t_ns <= blow.at.0).checked_sub(1)?;
            let to = rows.partition_point(|row| row.t_ns <= blow.over.0).min(rows.len() - 1);
            let missing = |pair: &[Made]| pair[1].sequence.saturating_sub(pair[0].sequence + 1);
            // The first of the longest: it may have made some more frames before it was struck, too.
            let hole = rows[from..=to].windows(2).rev().max_by_key(|pair| missing(pair))?;
            Some((hole[1].t_ns - blow.at.0, missing(hole)))
        };
        struck.filter_map(|(_, truth)| away(truth)).collect()
    }

    fn growth(&self) -> Vec<String> {
        let mut growth = Vec::new();
        for (who, course) in &self.processes {
            let slope = course.own_slope.filter(|_| self.seconds / 3600.0 >= LONG_ENOUGH_H);
            if let Some(slope) = slope.filter(|slope| slope.rise - SURE * slope.error > GROWTH_MB_PER_H) {
                growth.push(format!("{who} grows by {slope} MB an hour"));
            }
            for (what, [begin, end]) in [("descriptors", course.fds), ("threads", course.threads)] {
                if end > begin + COME_AND_GO {
                    growth.push(format!("{who} has {end} {what}, and began with {begin}"));
                }
            }
        }
        growth
    }
}

fn struck(clip: &Judged, blow: &Struck) -> bool {
    blow.at.0 <= clip.window.end_ns + FINISHING_NS && blow.over.0 >= clip.window.start_ns
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blows: usize = self.strikes.values().map(|strike| strike.tries).sum();
        writeln!(f, "seed      {}, {:.0} s: {}", self.seed, self.seconds, self.setup)?;
        writeln!(f, "did       {blows} blows; {} triggers, {} accepted", self.triggers, self.accepted)?;
        for (said, times) in &self.refused {
            writeln!(f, "          {times} not: {said}")?;
        }
        writeln!(f, "expected  {} frames in {} clips", self.frames.expected, self.clips)?;
        writeln!(
            f,
            "found     {} frames and {} declared missing, {} in silence; {} of {} clips are true",
            self.frames.present, self.frames.declared, self.frames.silent, self.clips_true, self.clips
        )?;
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
        writeln!(
            f,
            "\n{:18}{:>6}  {:>14}  {:>16}  {:>16}  {:>9}  {:>9}",
            "process", "lives", "PSS, MB", "PSS, MB/h", "its own, MB/h", "fds", "threads"
        )?;
        for (who, course) in &self.processes {
            let slope =
                |slope: Option<crate::slope::Slope>| slope.map_or("–".to_owned(), |s| s.to_string());
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
        writeln!(
            f,
            "\n{} zombies, {} stray segments; after the stop {}",
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
