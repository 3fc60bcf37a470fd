//! The reasons that follow from what is around the processes: the room left on the disk, and the system's clock. Pure.

use std::time::{Duration, Instant};

use proto::storage::mb;

use super::{Grade, Reason};

/// Clips of the config's own length that there should be room for.
const CLIPS_LEFT: f64 = 50.0;
/// Before this (2020-01-01) there was no Preroll: the system's date isn't set.
const NO_DATE_BEFORE_S: i64 = 1_577_836_800;
/// NTP turns a clock by 0.5 ms a second at most.
const STEP_NS: i64 = 1_000_000_000;
/// A step is said for so long.
const STEP_IS_NEW: Duration = Duration::from_secs(10 * 60);

/// The room on the disk that clips go to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct DiskRoom {
    /// The bytes that may still be written. `None` while the disk doesn't say: the recorder tells of that.
    pub(crate) free_bytes: Option<u64>,
    /// The config's `min_free_bytes`.
    pub(crate) floor_bytes: u64,
    /// The size of a clip of the config's own length, by the guess that `check` prints.
    pub(crate) clip_bytes: f64,
}

/// The reason that a disk is which will be full soon. One that is full is told of by the recorder.
pub(crate) fn disk(room: &DiskRoom) -> Option<Reason> {
    let left = room.free_bytes?.checked_sub(room.floor_bytes)?;
    #[expect(clippy::cast_precision_loss, reason = "bytes of a disk")]
    let (left_f, floor) = (left as f64, room.floor_bytes as f64);
    (left_f < floor.max(room.clip_bytes * CLIPS_LEFT)).then(|| {
        let clips = left_f / room.clip_bytes.max(1.0);
        Reason::new(
            Grade::Fair,
            format!(
                "disk: {:.0} MB left until it counts as full, about {clips:.0} clips by a guess; make room",
                mb(left)
            ),
        )
    })
}

/// The watch over the system's time of day.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClockWatch {
    /// The time of day less the monotonic time, at the last look.
    last: Option<i64>,
    stepped: Option<(Instant, i64)>,
    is_unset: bool,
}

impl ClockWatch {
    /// Takes both clocks as they are at one moment, in nanoseconds.
    pub(crate) fn note(&mut self, unix_ns: i64, monotonic_ns: i64, now: Instant) {
        let offset = unix_ns.saturating_sub(monotonic_ns);
        if let Some(last) = self.last.replace(offset) {
            let step = offset.saturating_sub(last);
            if step.abs() >= STEP_NS {
                self.stepped = Some((now, step));
            }
        }
        self.is_unset = unix_ns / 1_000_000_000 < NO_DATE_BEFORE_S;
    }

    /// The reason that the clock is. Capture times are never touched by it.
    pub(crate) fn reason(&self, now: Instant) -> Option<Reason> {
        if self.is_unset {
            let said =
                "clock: the system's date isn't set, so folders and UTC times of clips are wrong; set it";
            return Some(Reason::new(Grade::Fair, said.to_owned()));
        }
        let (at, step) = self.stepped?;
        let ago = now.saturating_duration_since(at);
        (ago < STEP_IS_NEW).then(|| {
            let way = if step > 0 { "forward" } else { "back" };
            let seconds = Duration::from_nanos(step.unsigned_abs()).as_secs_f64();
            Reason::new(
                Grade::Fair,
                format!(
                    "clock: the system's time went {seconds:.0} s {way} (it was set, or the machine slept); UTC times of \
                     clips before and after don't fit together"
                ),
            )
        })
    }
}
