//! `benchmark loop`: does asking for statistics hold up the supervisor's loop? The loop's delay is what the supervisor
//! itself records: the time that each child's report waits until the loop takes it up (`loop_delay_ms` of `stats`,
//! over the last ten seconds). Spans without questions and spans with many of them take turns in one run.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use proto::stats::DelayStats;
use rig::instance::Instance;
use rig::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use crate::cameras::Cameras;
use crate::head::Head;

/// The span that the supervisor takes its percentiles over.
const WINDOW: Duration = Duration::from_secs(10);
/// After everything has come up, until the first span.
const SETTLE: Duration = Duration::from_secs(5);

/// The measurement to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number of cameras, all simulated and armed.
    pub cameras: u32,
    /// Each camera's pixels, as in 256x64.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// Questions a second, in the spans that have them.
    pub questions: u32,
    /// Pairs of spans: one without questions, one with them.
    pub rounds: u32,
    /// The length of a span. It should be longer than the supervisor's ten seconds by the second between two of its
    /// readings, so that nothing of the span before it counts.
    pub span: Duration,
}

/// The delays that were found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The number of cameras.
    pub cameras: u32,
    /// Each camera's pixels.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// Questions a second, in the spans that had them.
    pub questions: u32,
    /// In the order in which they were measured.
    pub rounds: Vec<Round>,
}

/// Two spans, one after the other.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Round {
    /// Nobody asked.
    pub quiet: DelayStats,
    /// `stats` was asked for.
    pub asked: DelayStats,
    /// The questions that were answered in that time.
    pub answers: u32,
}

/// Measures.
///
/// # Errors
/// When Preroll doesn't start, doesn't answer, or leaves something behind.
pub fn measure(plan: &Plan) -> anyhow::Result<Results> {
    let head = Head::begin("loop");
    let folder = tempfile::tempdir()?;
    let cameras = Cameras::simulated(plan.cameras, &plan.size, plan.fps);
    let mut supervisor = Supervisor::start(&cameras.write_config(folder.path())?)?;
    supervisor.wait_for("[INFO] ready: ")?;
    thread::sleep(SETTLE);
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        thread::sleep(plan.span);
        let quiet = supervisor.stats()?.loop_delay_ms;
        let answers = ask(supervisor.instance(), plan.questions, plan.span)?;
        let asked = supervisor.stats()?.loop_delay_ms;
        ensure!(quiet.events > 0 && asked.events > 0, "the supervisor has timed no event");
        rounds.push(Round { quiet, asked, answers });
    }
    let leftover = supervisor.stop()?;
    ensure!(leftover.is_empty(), "{leftover}");
    Ok(Results {
        head,
        cameras: plan.cameras,
        size: plan.size.clone(),
        fps: plan.fps,
        questions: plan.questions,
        rounds,
    })
}

/// Asks for the statistics so many times a second, as the command line does. Returns how often it was answered.
fn ask(instance: &Instance, a_second: u32, span: Duration) -> anyhow::Result<u32> {
    let (begun, mut answers) = (Instant::now(), 0);
    while begun.elapsed() < span {
        instance.stats()?;
        answers += 1;
        // A machine that can't keep up asks as often as it can.
        let next = begun + Duration::from_secs(1) * answers / a_second;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(answers)
}

impl Results {
    /// The median over the rounds of one figure, with questions over without them.
    #[must_use]
    pub fn ratio(&self, figure: fn(&DelayStats) -> f64) -> f64 {
        self.median(|round| figure(&round.asked)) / self.median(|round| figure(&round.quiet))
    }

    /// The median over the rounds; for an even number of them, the lower of the two in the middle.
    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        let mut all: Vec<f64> = self.rounds.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cameras (sim), {} at {} fps, armed; the loop's delay in ms over {} s, without and with {} stats a \
             second; load {}",
            self.cameras,
            self.size,
            self.fps,
            WINDOW.as_secs(),
            self.questions,
            self.head.machine.load
        )?;
        writeln!(
            f,
            "{:>6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
            "round", "p50", "asked", "p99", "asked", "max", "asked", "answers"
        )?;
        let line = |f: &mut fmt::Formatter<'_>, name: String, all: [f64; 6], answers: String| {
            write!(f, "{name:>6}")?;
            all.iter().try_for_each(|ms| write!(f, " {ms:>9.3}"))?;
            writeln!(f, " {answers:>8}")
        };
        for (number, Round { quiet, asked, answers }) in self.rounds.iter().enumerate() {
            let all = [quiet.p50, asked.p50, quiet.p99, asked.p99, quiet.max, asked.max];
            line(f, (number + 1).to_string(), all, answers.to_string())?;
        }
        let medians = [
            self.median(|r| r.quiet.p50),
            self.median(|r| r.asked.p50),
            self.median(|r| r.quiet.p99),
            self.median(|r| r.asked.p99),
            self.median(|r| r.quiet.max),
            self.median(|r| r.asked.max),
        ];
        line(f, "median".into(), medians, String::new())?;
        let (p50, p99, max) = (self.ratio(|d| d.p50), self.ratio(|d| d.p99), self.ratio(|d| d.max));
        writeln!(f, "asked over quiet, by the medians: p50 {p50:.2}, p99 {p99:.2}, max {max:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_the_medians_and_not_of_one_bad_round() {
        let delay = |p99| DelayStats { events: 1000, p50: 0.1, p99, max: 9.0 };
        let round = |quiet, asked| Round { quiet: delay(quiet), asked: delay(asked), answers: 240 };
        let results = Results {
            head: Head::begin("loop"),
            cameras: 64,
            size: "256x64".into(),
            fps: 5,
            questions: 20,
            rounds: vec![round(1.0, 1.2), round(2.0, 90.0), round(0.5, 1.1)],
        };
        assert!((results.ratio(|d| d.p99) - 1.2).abs() < 1e-9);
        let text = results.to_string();
        assert!(text.contains("median") && text.contains("p99 1.20"), "{text}");
    }
}
