//! `status --check`: the verdict on health in a line and in an exit code, for scripts that alert.

use proto::stats::Stats;
use proto::status::{HealthStatus, InstanceState};

use super::{Address, ask_for_stats, say};
use crate::failure::Failure;

/// The exit codes, worst last. Public: docs/alerting.md and `--help` name them.
const GOOD: u8 = 0;
const FAIR: u8 = 1;
const ATTENTION: u8 = 2;
const UNKNOWN: u8 = 3;

/// Prints the line, and returns the code for it.
pub(crate) fn status(of: &Address) -> Result<u8, Failure> {
    let (line, code) = judge(ask_for_stats(of).as_deref());
    // The code says it even where nobody reads the line.
    let _ = say(&format!("{line}\n"));
    Ok(code)
}

fn judge(answer: Result<&Stats, &Failure>) -> (String, u8) {
    let stats = match answer {
        Ok(stats) => stats,
        Err(why @ Failure::NotRunning { .. }) => return (one_line(&format!("attention: {why}")), ATTENTION),
        Err(why) => return (one_line(&format!("unknown: {why}")), UNKNOWN),
    };
    let (code, said) = match stats.health.status {
        HealthStatus::Good => (GOOD, well(stats)),
        HealthStatus::Fair => (FAIR, all(&stats.health.reasons)),
        HealthStatus::Attention => (ATTENTION, all(&stats.health.reasons)),
    };
    (format!("{}: {said}", stats.health.status), code)
}

/// What is well, in a few words.
fn well(stats: &Stats) -> String {
    let cameras = match stats.cameras.len() {
        1 => "1 camera".to_owned(),
        many => format!("{many} cameras"),
    };
    match stats.state {
        InstanceState::Stopping => "stopping, as it was told to".to_owned(),
        state => format!("{state}, {cameras}"),
    }
}

fn all(reasons: &[String]) -> String {
    reasons.iter().map(|reason| one_line(reason)).collect::<Vec<_>>().join("; ")
}

/// A reason may quote a program's words, line breaks included.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use proto::stats::{CameraStats, Health};

    use super::*;

    #[test]
    fn the_line_begins_with_the_word_and_names_every_reason() {
        let stats = |status, reasons: &[&str]| Stats {
            state: InstanceState::Ready,
            health: Health { status, reasons: reasons.iter().map(|r| (*r).to_owned()).collect() },
            cameras: vec![CameraStats::default(); 2],
            ..Stats::default()
        };
        let not_running = Failure::NotRunning { dir: "/run/preroll".into() };
        let no_answer = Failure::failed("the supervisor did not answer: too slow; see its log");
        for (answer, line, code) in [
            (Ok(&stats(HealthStatus::Good, &[])), "good: ready, 2 cameras", 0),
            (Ok(&stats(HealthStatus::Fair, &["cpu: 45 %"])), "fair: cpu: 45 %", 1),
            (
                Ok(&stats(HealthStatus::Attention, &["left: failed:\n no\n", "cpu"])),
                "attention: left: failed: / no; cpu",
                2,
            ),
            (
                Err(&not_running),
                "attention: no supervisor is running in /run/preroll; start one with: preroll start --config FILE",
                2,
            ),
            (Err(&no_answer), "unknown: the supervisor did not answer: too slow; see its log", 3),
        ] {
            assert_eq!(judge(answer), (line.to_owned(), code));
        }
    }
}
