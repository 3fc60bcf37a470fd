//! The report of a run: every blow, everything expected, everything found. How it reads is in `table.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use oracle::truth::{Made, Truth};
use rig::spread::Spread;
use serde::Serialize;

use crate::blame::{Sizes, blame};
use crate::clips::{Count, Judged};
use crate::deal::Struck;
use crate::meter::Course;
use crate::strike::Strike;

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
/// Everything that a run has left to be counted. Many fields, since each thread of a run brings its own findings.
#[derive(Debug)]
pub struct Findings {
    /// The seed, and what was run, in words.
    pub seed: u64,
    /// Length of the run in seconds.
    pub seconds: f64,
    /// In words.
    pub setup: String,
    /// The blows, in order.
    pub blows: Vec<Struck>,
    /// Triggers that were asked.
    pub asked: usize,
    /// The clips that were promised, each with the id of the trigger that it was promised to.
    pub accepted: Vec<(PathBuf, String)>,
    /// Words on triggers that were accepted.
    pub words: Words,
    /// Refusals of triggers, with how often each was said.
    pub refused: BTreeMap<String, usize>,
    /// Every finished clip.
    pub judged: Vec<Judged>,
    /// Folders of clips that are not.
    pub unfinished: Vec<PathBuf>,
    /// Each camera's.
    pub truths: BTreeMap<String, Truth>,
    /// Frame, ring and reserve.
    pub sizes: Sizes,
    /// Each process's memory, descriptors and threads.
    pub processes: BTreeMap<String, Course>,
    /// Before the stop.
    pub zombies: usize,
    /// Shared memory beyond the cameras' rings, before the stop.
    pub stray_segments: usize,
    /// After the stop.
    pub left: String,
    /// Mistakes on the way, in words.
    pub wrong: Vec<String>,
}

/// Triggers with a length, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Words {
    /// Begun.
    pub begun: usize,
    /// Of those, ended by a command. The others ended by themselves.
    pub ended: usize,
    /// Extended.
    pub extended: usize,
    /// Came to a clip that was open already.
    pub joined: usize,
    /// Clips whose window lies over that of an earlier one.
    pub over_others: usize,
}

/// The report of a run, each field with its name in the JSON of `--output`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The same seed strikes the same victims after the same intervals.
    pub seed: u64,
    /// Length of the run in seconds.
    pub seconds: f64,
    /// Cameras, reserve, machine.
    pub setup: String,
    /// The promise held.
    pub held: bool,
    /// The ways in which the promise was broken.
    pub broken: Vec<String>,
    /// Triggers asked.
    pub triggers: usize,
    /// Triggers accepted.
    pub accepted: usize,
    /// Triggers with a length, and clips that share frames.
    pub words: Words,
    /// Refusals of triggers, with how often each was said.
    pub refused: BTreeMap<String, usize>,
    /// Finished clips.
    pub clips: usize,
    /// Of those, the true ones.
    pub clips_true: usize,
    /// The most files that one camera's video has in a clip.
    pub most_files: usize,
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
    /// Number of clips.
    pub clips: usize,
    /// Frames of these clips, all cameras together.
    pub frames: Count,
}

/// Result of one kind of blow.
#[derive(Debug, Default, Serialize)]
pub struct Struckdown {
    /// Blows of this kind.
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

/// Frames by the blows that struck their clips.
#[derive(Debug, Default)]
struct Counted {
    frames: Count,
    unstruck: Tally,
    lost_by_nobody: u64,
    strikes: BTreeMap<&'static str, Struckdown>,
    broken: Vec<String>,
}

impl Tally {
    fn add(&mut self, frames: Count) {
        self.clips += 1;
        self.frames = self.frames.and(frames);
    }
}

impl Findings {
    /// Counts everything.
    #[must_use]
    pub fn report(self) -> Report {
        let mut counted = self.count();
        for (name, strike) in &mut counted.strikes {
            self.measure(name, strike);
        }
        let mut broken = self.wrong.clone();
        broken.extend(self.blows.iter().flat_map(|blow| blow.wrong.clone()));
        broken.extend(self.promises());
        broken.append(&mut counted.broken);
        broken.extend(self.growth());
        broken.extend(self.traces());
        let words = self.words();
        Report {
            seed: self.seed,
            seconds: self.seconds,
            setup: self.setup,
            held: broken.is_empty(),
            broken,
            triggers: self.asked,
            accepted: self.accepted.len(),
            words,
            refused: self.refused,
            clips: self.judged.len(),
            most_files: self
                .judged
                .iter()
                .flat_map(|clip| clip.cameras.values())
                .map(|it| it.files)
                .max()
                .unwrap_or(0),
            clips_true: self.judged.iter().filter(|clip| clip.faults.is_empty()).count(),
            frames: counted.frames,
            unstruck: counted.unstruck,
            lost_by_nobody: counted.lost_by_nobody,
            strikes: counted.strikes,
            processes: self.processes,
            zombies: self.zombies,
            stray_segments: self.stray_segments,
            left: self.left,
        }
    }

    /// Clips that were promised and are not there, or were begun and never finished; triggers that were accepted and are in none.
    fn promises(&self) -> Vec<String> {
        let finished: BTreeMap<&PathBuf, &Judged> =
            self.judged.iter().map(|clip| (&clip.folder, clip)).collect();
        let missing = self.accepted.iter().filter_map(|(clip, id)| match finished.get(clip) {
            None => Some(format!("{}: was accepted, and there is no such clip", clip.display())),
            Some(judged) if judged.faults.is_empty() && !judged.triggers.contains(id) => {
                Some(format!("{}: trigger {id} was accepted, and the clip doesn't list it", clip.display()))
            }
            Some(_) => None,
        });
        let is_promised = |clip: &&PathBuf| self.accepted.iter().any(|(promised, _)| promised == *clip);
        let unfinished = self.unfinished.iter().filter(|clip| !is_promised(clip));
        let unfinished = unfinished.map(|clip| format!("{}: was begun and not finished", clip.display()));
        missing.chain(unfinished).collect()
    }

    /// The words on triggers, and what they came to in the clips.
    fn words(&self) -> Words {
        let joined = self.judged.iter().map(|clip| clip.triggers.len().saturating_sub(1)).sum();
        let mut windows: Vec<_> =
            self.judged.iter().map(|clip| (clip.window.start_ns, clip.window.end_ns)).collect();
        windows.sort_unstable();
        let mut latest = 0;
        let over_others = windows.iter().filter(|(start, end)| {
            let is_over = *start <= latest;
            latest = latest.max(*end);
            is_over
        });
        Words { joined, over_others: over_others.count(), ..self.words }
    }

    /// Frames of every clip, by the blows that struck it.
    fn count(&self) -> Counted {
        let mut counted = Counted::default();
        for blow in &self.blows {
            counted.strikes.entry(blow.strike.name()).or_default().tries += 1;
        }
        for clip in &self.judged {
            let sum = clip.cameras.values().fold(Count::default(), |sum, camera| sum.and(camera.count));
            counted.frames = counted.frames.and(sum);
            let hits = self.blows.iter().filter(|blow| struck(clip, blow)).map(|blow| blow.strike.name());
            let hits: BTreeSet<&str> = hits.collect();
            for hit in &hits {
                if let Some(strike) = counted.strikes.get_mut(hit) {
                    strike.struck.add(sum);
                }
            }
            if hits.is_empty() {
                counted.unstruck.add(sum);
            }
            self.lay_blame(clip, &mut counted);
        }
        counted
    }

    fn lay_blame(&self, clip: &Judged, counted: &mut Counted) {
        let name = clip.folder.display();
        counted.broken.extend(clip.faults.iter().map(|fault| format!("{name}: {fault}")));
        for (camera, judged) in &clip.cameras {
            let blame = blame(camera, judged, &self.blows, self.sizes);
            counted.broken.extend(blame.inexcusable.into_iter().map(|why| format!("{name}: {why}")));
            counted.lost_by_nobody += blame.by_nobody;
            for (blow, frames) in blame.lost {
                if let Some(strike) = counted.strikes.get_mut(self.blows[blow].strike.name()) {
                    strike.captured_and_lost += frames;
                }
            }
        }
    }

    /// Things that the instance left where none should be.
    fn traces(&self) -> Vec<String> {
        let zombies = (self.zombies > 0).then(|| format!("zombies: {}", self.zombies));
        let segments = self.stray_segments;
        let segments = (segments > 0).then(|| format!("segments of shared memory too many: {segments}"));
        let left = (!self.left.is_empty()).then(|| self.left.clone());
        [zombies, segments, left].into_iter().flatten().collect()
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
        let hits_each = matches!(blow.strike, Strike::EverythingKilled | Strike::NeighbourKilled);
        let is_struck =
            |name: &String| blow.strike.reaches(name) && (hits_each || blow.camera.as_ref() == Some(name));
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
