//! The reasons that follow from what the processes take of the machine: processors, memory, disk. Pure.

use proto::storage::mb;

use super::growth::Growth;
use super::{Grade, Reason};

const CPU_GOOD_PERCENT: f64 = 40.0;
const CPU_ATTENTION_PERCENT: f64 = 70.0;
/// The least rate of writing that is worth a word, whatever the config is.
const DISK_GOOD_BYTES_PER_S: f64 = 10e6;
/// A clip's real size is within this of the guess, and clips may overlap.
const DISK_TIMES_GUESS: f64 = 4.0;
/// The supervisor's loop takes a tenth of a millisecond for an event.
const LOOP_LATE_MS: f64 = 500.0;
/// So many times the config's own sum are no matter of the scene or the encoder any more.
const MEMORY_ATTENTION: (u64, u64) = (3, 2);

/// What a config is expected to take, by the same guesses as the command `check` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Expected {
    /// Rings and processes.
    pub(crate) memory_bytes: u64,
    /// While every camera is recorded as H.264.
    pub(crate) written_bytes_per_s: f64,
}

/// What is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Load {
    /// Of the whole machine, over the last minute.
    pub(crate) cpu_percent: f64,
    /// Of all processes without the backlog, which has a bound and a reason of its own.
    pub(crate) memory_bytes: u64,
    pub(crate) growth: Option<Growth>,
    /// Over ten seconds.
    pub(crate) written_bytes_per_s: f64,
    /// The time that 99 of 100 reports of the last ten seconds have waited no longer for.
    pub(crate) loop_p99_ms: f64,
}

/// The reasons that the load is.
pub(crate) fn reasons(load: &Load, expected: &Expected) -> Vec<Reason> {
    [memory(load, expected.memory_bytes), cpu(load.cpu_percent), disk(load, expected), late(load.loop_p99_ms)]
        .into_iter()
        .flatten()
        .collect()
}

fn memory(load: &Load, expected: u64) -> Option<Reason> {
    let (times, of) = MEMORY_ATTENTION;
    let is_over = load.memory_bytes > expected;
    let is_far_over = load.memory_bytes.saturating_mul(of) > expected.saturating_mul(times);
    let grade = match (is_over, load.growth) {
        (false, None) => return None,
        (true, Some(_)) => Grade::Attention,
        (true, None) if is_far_over => Grade::Attention,
        (true, None) | (false, Some(_)) => Grade::Fair,
    };
    let (taken, expected) = (mb(load.memory_bytes), mb(expected));
    let growth = load.growth.map_or(String::new(), |growth| format!("; it grows: {growth}"));
    Some(Reason::new(
        grade,
        format!(
            "memory: {taken:.0} MB, where rings and processes of this config take up to {expected:.0}{growth}"
        ),
    ))
}

/// Of the whole machine: what is left is what the next burst can use.
fn cpu(percent: f64) -> Option<Reason> {
    let grade = grade_of(percent, CPU_GOOD_PERCENT, CPU_ATTENTION_PERCENT)?;
    Some(Reason::new(
        grade,
        format!(
            "cpu: {percent:.0} % of the machine over the last minute (good is under 40, over 70 may drop frames)"
        ),
    ))
}

fn disk(load: &Load, expected: &Expected) -> Option<Reason> {
    let good = DISK_GOOD_BYTES_PER_S.max(expected.written_bytes_per_s * DISK_TIMES_GUESS);
    let grade = grade_of(load.written_bytes_per_s, good, good * 2.0)?;
    let (rate, guess) = (load.written_bytes_per_s / 1e6, expected.written_bytes_per_s / 1e6);
    Some(Reason::new(
        grade,
        format!(
            "disk: {rate:.1} MB/s written, where H.264 of these cameras takes about {guess:.1} (is H.264 not working?)"
        ),
    ))
}

/// Reports of children are late for want of processor time, and so may be frames.
fn late(p99_ms: f64) -> Option<Reason> {
    (p99_ms >= LOOP_LATE_MS).then(|| {
        Reason::new(
            Grade::Fair,
            format!(
                "machine: the supervisor waits up to {:.1} s for its turn; other programs keep the processors busy, and \
                 frames may be lost",
                p99_ms / 1e3
            ),
        )
    })
}

/// `None` is good.
fn grade_of(value: f64, good: f64, attention: f64) -> Option<Grade> {
    match value {
        v if v < good => None,
        v if v <= attention => Some(Grade::Fair),
        _ => Some(Grade::Attention),
    }
}
