//! The health verdict: the indicators of the recorder that Preroll began from, over all processes together. Pure.

use std::fmt;

use proto::stats::{BacklogStats, Health, Totals};
use proto::status::HealthStatus;
use proto::storage::mb;

use crate::backlog::pace;

const MEMORY_GOOD_BYTES: u64 = 200_000_000;
const MEMORY_ATTENTION_BYTES: u64 = 500_000_000;
const CPU_GOOD_PERCENT: f64 = 40.0;
const CPU_ATTENTION_PERCENT: f64 = 70.0;
const DISK_GOOD_BYTES_PER_S: f64 = 10e6;
const DISK_ATTENTION_BYTES_PER_S: f64 = 20e6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Good,
    Fair,
    Attention,
}

/// The frames that the encoder hasn't reached in time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behind {
    pub(crate) backlog: BacklogStats,
    /// All frames of open clips that are captured and not encoded, those in the rings too.
    pub(crate) frames_left: u64,
    /// The frames a second that are encoded just now, if that is known.
    pub(crate) encoded_per_s: Option<f64>,
}

/// Judges the totals of a machine with so many cores; `troubles` are what the processes say themselves.
pub(crate) fn verdict(totals: &Totals, cores: f64, troubles: &[String], behind: &Behind) -> Health {
    let mut grade = Grade::Good;
    let mut reasons = Vec::new();
    let mut note = |found: Grade, reason: String| {
        if found > Grade::Good {
            grade = grade.max(found);
            reasons.push(reason);
        }
    };
    for trouble in troubles {
        note(Grade::Attention, trouble.clone());
    }
    note(behind.grade(), behind.to_string());
    // The backlog's memory has a bound and a sentence of its own.
    let memory_bytes = totals.memory_bytes.saturating_sub(behind.backlog.bytes);
    let memory = match memory_bytes {
        b if b < MEMORY_GOOD_BYTES => Grade::Good,
        b if b <= MEMORY_ATTENTION_BYTES => Grade::Fair,
        _ => Grade::Attention,
    };
    note(
        memory,
        format!(
            "memory: {} MB (good is under 200, over 500 may be a leak)",
            (memory_bytes + 500_000) / 1_000_000
        ),
    );
    // Of the whole machine: what is left is what the next burst can use.
    let cpu = totals.cpu_percent / cores.max(1.0);
    note(
        grade_of(cpu, CPU_GOOD_PERCENT, CPU_ATTENTION_PERCENT),
        format!("cpu: {cpu:.0} % of the machine (good is under 40, over 70 may drop frames)"),
    );
    let disk = totals.written_bytes_per_s;
    note(
        grade_of(disk, DISK_GOOD_BYTES_PER_S, DISK_ATTENTION_BYTES_PER_S),
        format!("disk: {:.1} MB/s written (good is under 10; over 20, is H.264 not working?)", disk / 1e6),
    );
    let status = match grade {
        Grade::Good => HealthStatus::Good,
        Grade::Fair => HealthStatus::Fair,
        Grade::Attention => HealthStatus::Attention,
    };
    Health { status, reasons }
}

impl Behind {
    /// Frames that wait are late, and not lost, as long as there is room for more.
    fn grade(&self) -> Grade {
        let BacklogStats { frames, bytes, bound_bytes, .. } = self.backlog;
        match bytes.saturating_mul(4) >= bound_bytes.saturating_mul(3) {
            _ if frames == 0 => Grade::Good,
            true => Grade::Attention,
            false => Grade::Fair,
        }
    }
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BacklogStats { frames, bytes, bound_bytes, .. } = self.backlog;
        let (noun, wait) = if frames == 1 { ("frame", "waits") } else { ("frames", "wait") };
        write!(f, "recorder: {frames} {noun} of open clips {wait} in the backlog")?;
        if let Some(seconds) = pace::seconds(self.frames_left, self.encoded_per_s) {
            write!(f, ", {seconds:.1} s behind")?;
        }
        write!(f, "; {:.0} of at most {:.0} MB are taken, ", mb(bytes), mb(bound_bytes))?;
        f.write_str(match self.grade() {
            Grade::Attention => "and frames are lost when that is full",
            Grade::Good | Grade::Fair => "and no frame is lost by that",
        })
    }
}

fn grade_of(value: f64, good: f64, attention: f64) -> Grade {
    if value < good {
        Grade::Good
    } else if value <= attention {
        Grade::Fair
    } else {
        Grade::Attention
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(memory_mb: u64, cpu_percent: f64, disk_mb: f64) -> Totals {
        Totals { cpu_percent, memory_bytes: memory_mb * 1_000_000, written_bytes_per_s: disk_mb * 1e6 }
    }

    #[test]
    fn the_indicators_are_the_seeds() {
        let status = |t, troubles: &[String]| verdict(&t, 2.0, troubles, &Behind::default()).status;
        assert_eq!(status(totals(199, 79.0, 9.9), &[]), HealthStatus::Good);
        assert_eq!(status(totals(201, 0.0, 0.0), &[]), HealthStatus::Fair);
        assert_eq!(status(totals(501, 0.0, 0.0), &[]), HealthStatus::Attention);
        assert_eq!(status(totals(1, 81.0, 0.0), &[]), HealthStatus::Fair);
        assert_eq!(status(totals(1, 141.0, 0.0), &[]), HealthStatus::Attention);
        assert_eq!(status(totals(1, 0.0, 21.0), &[]), HealthStatus::Attention);
        assert_eq!(status(totals(1, 0.0, 0.0), &["camera left: silent".into()]), HealthStatus::Attention);
    }

    #[test]
    fn what_is_not_good_is_said() {
        let health = verdict(&totals(300, 0.0, 15.0), 2.0, &[], &Behind::default());
        assert_eq!(health.reasons.len(), 2);
        assert!(health.reasons[0].contains("300 MB") && health.reasons[1].contains("15.0 MB/s"));
    }

    #[test]
    fn frames_in_the_backlog_are_late_and_from_three_quarters_on_in_danger() {
        let health = |frames, mb: u64, encoded_per_s| {
            let backlog = BacklogStats {
                frames,
                bytes: mb * 1_000_000,
                bound_bytes: 1_000_000_000,
                ..BacklogStats::default()
            };
            verdict(
                &totals(1, 0.0, 0.0),
                2.0,
                &[],
                &Behind { backlog, frames_left: frames + 10, encoded_per_s },
            )
        };
        let good = health(0, 44, Some(25.0));
        assert_eq!((good.status, good.reasons.len()), (HealthStatus::Good, 0));
        for (frames, mb, pace, status, reason) in [
            (
                50,
                749,
                Some(25.0),
                HealthStatus::Fair,
                "recorder: 50 frames of open clips wait in the backlog, 2.4 s behind; 749 of at most 1000 MB are taken, \
                 and no frame is lost by that",
            ),
            (
                1,
                750,
                None,
                HealthStatus::Attention,
                "recorder: 1 frame of open clips waits in the backlog; 750 of at most 1000 MB are taken, and frames are lost \
                 when that is full",
            ),
        ] {
            let found = health(frames, mb, pace);
            assert_eq!((found.status, found.reasons), (status, vec![reason.to_owned()]));
        }
    }
}
