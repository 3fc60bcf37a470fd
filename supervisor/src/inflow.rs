//! One camera's ring as the loop watches it: whether frames come into it, and which of its frames are held by readers that
//! are not Preroll's. Pure. Who maps a ring is found out in [`crate::mappers`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto::process::Pid;
use proto::ring::ReaderBit;

/// A ring into which nothing has come for so long, or for [`SILENT_PERIODS`], captures nothing.
const SILENT_AFTER: Duration = Duration::from_secs(2);
/// As a camera that falls silent is flagged.
const SILENT_PERIODS: u32 = 10;
/// A reader that looks at a frame and gives it back does so within a second.
const HELD_AFTER: Duration = Duration::from_secs(2);
/// The time between two looks for the processes that map a ring.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A ring's counts at one moment, and the frames that foreign readers hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inflow {
    /// The newest frame.
    pub(crate) head: u64,
    /// The number of slots.
    pub(crate) slots: usize,
    /// The frames that readers hold which are not Preroll's, by the reader's bit, oldest first.
    pub(crate) foreign: Vec<(ReaderBit, u64)>,
}

/// The watch over one ring.
#[derive(Debug)]
pub(crate) struct InflowWatch {
    /// The camera's time from frame to frame.
    period: Duration,
    head: u64,
    /// The moment when the head was last seen to move.
    moved: Instant,
    slots: usize,
    held: BTreeMap<u8, Held>,
    /// The last look for processes that map the ring.
    asked: Option<Instant>,
    /// The processes that mapped the ring at that look and are not Preroll's; `None` before the first.
    mapped_by: Option<Vec<Pid>>,
    standstill: Option<String>,
    foreign: Option<String>,
}

/// The frames that one foreign reader holds.
#[derive(Clone, Debug)]
struct Held {
    frames: Vec<u64>,
    /// The moment since when it has held the oldest of them.
    since: Instant,
}

impl InflowWatch {
    pub(crate) fn new(period: Duration, now: Instant) -> Self {
        Self {
            period,
            head: 0,
            moved: now,
            slots: 0,
            held: BTreeMap::new(),
            asked: None,
            mapped_by: None,
            standstill: None,
            foreign: None,
        }
    }

    /// Looks at the ring. True when somebody has to find out who maps it.
    pub(crate) fn look(&mut self, inflow: &Inflow, now: Instant) -> bool {
        if inflow.head != self.head {
            (self.head, self.moved) = (inflow.head, now);
        }
        self.slots = inflow.slots;
        let mut frames: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        inflow.foreign.iter().for_each(|(bit, frame)| frames.entry(bit.number()).or_default().push(*frame));
        self.held = frames
            .into_iter()
            .map(|(bit, mut frames)| {
                frames.sort_unstable();
                let before = self.held.get(&bit).filter(|before| before.frames.first() == frames.first());
                (bit, Held { since: before.map_or(now, |before| before.since), frames })
            })
            .collect();
        self.foreign = self.say_foreign(now);
        self.standstill = self.say_standstill(now);
        if self.foreign.is_none() {
            self.mapped_by = None;
            return false;
        }
        let is_due = self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ASK_AGAIN);
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }

    /// Forgives a pause in which the machine or the supervisor stood still.
    pub(crate) fn forgive(&mut self, pause: Duration, now: Instant) {
        self.moved = (self.moved + pause).min(now);
    }

    fn pinned(&self, now: Instant) -> impl Iterator<Item = (u8, &Held)> {
        let is_old = move |held: &&Held| now.saturating_duration_since(held.since) >= HELD_AFTER;
        self.held.iter().map(|(bit, held)| (*bit, held)).filter(move |(_, held)| is_old(held))
    }

    /// Takes the answer to who maps the ring, without Preroll's own processes. Returns the frames that nobody can be
    /// looking at any more: those that were held already when the question was asked.
    pub(crate) fn mapped_by(&mut self, strangers: Vec<Pid>) -> Vec<(ReaderBit, Vec<u64>)> {
        let is_nobody = strangers.is_empty();
        self.mapped_by = Some(strangers);
        let Some(asked) = self.asked.filter(|_| is_nobody) else { return Vec::new() };
        let dead =
            self.pinned(asked).filter_map(|(bit, held)| Some((ReaderBit::new(bit)?, held.frames.clone())));
        dead.collect()
    }

    /// The reason why a camera that calls itself live is not, as of the last look.
    pub(crate) fn standstill(&self) -> Option<&str> {
        self.standstill.as_deref()
    }

    /// A sentence on the frames that foreign readers hold, as of the last look.
    pub(crate) fn foreign(&self) -> Option<&str> {
        self.foreign.as_deref()
    }

    fn say_standstill(&self, now: Instant) -> Option<String> {
        let still = now.saturating_duration_since(self.moved);
        if still < SILENT_AFTER.max(self.period.saturating_mul(SILENT_PERIODS)) {
            return None;
        }
        let seconds = still.as_secs();
        Some(match &self.foreign {
            Some(foreign) => format!("no frame has come into its ring for {seconds} s: {foreign}"),
            None => format!("no frame has come into its ring for {seconds} s"),
        })
    }

    fn say_foreign(&self, now: Instant) -> Option<String> {
        let each = self.pinned(now).map(|(bit, held)| {
            let (frames, seconds) = (held.frames.len(), now.saturating_duration_since(held.since).as_secs());
            format!("reader {bit} has held {frames} of {} frames for {seconds} s", self.slots)
        });
        let each: Vec<String> = each.collect();
        if each.is_empty() {
            return None;
        }
        let by = match self.mapped_by.as_deref() {
            None | Some([]) => "which is no process of Preroll's".to_owned(),
            Some(pids) => {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                format!("and a process other than Preroll's maps the ring (pid {}): end it", pids.join(", "))
            }
        };
        Some(format!("{}, {by}", each.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(16);

    fn inflow(head: u64, bit: u8, frames: &[u64]) -> Inflow {
        let bit = ReaderBit::new(bit).unwrap();
        Inflow { head, slots: 60, foreign: frames.iter().map(|frame| (bit, *frame)).collect() }
    }

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_ring_into_which_nothing_comes_stands_still_after_two_seconds() {
        let start = Instant::now();
        let mut watch = InflowWatch::new(PERIOD, start);
        watch.look(&inflow(7, 5, &[]), after(start, 100));
        assert_eq!(watch.say_standstill(after(start, 2000)), None);
        let said = watch.say_standstill(after(start, 2100)).unwrap();
        assert_eq!(said, "no frame has come into its ring for 2 s");
        watch.look(&inflow(8, 5, &[]), after(start, 2200));
        assert_eq!(watch.say_standstill(after(start, 2300)), None);
        watch.forgive(Duration::from_secs(9), after(start, 11_000));
        assert_eq!(watch.say_standstill(after(start, 12_000)), None, "everything stood still");
        let slow = InflowWatch::new(Duration::from_secs(1), start);
        assert_eq!(slow.say_standstill(after(start, 9900)), None, "ten frames of such a camera");
    }

    #[test]
    fn a_foreign_reader_that_keeps_its_frames_is_said_and_one_that_goes_on_is_not() {
        let start = Instant::now();
        let mut watch = InflowWatch::new(PERIOD, start);
        for (step, ms) in (0..4000).step_by(100).enumerate() {
            let step = u64::try_from(step).unwrap();
            assert!(!watch.look(&inflow(step, 5, &[step, step + 1]), after(start, ms)));
        }
        let mut asks = 0;
        for ms in (4000..10_000).step_by(100) {
            asks += u32::from(watch.look(&inflow(ms, 5, &[90, 91]), after(start, ms)));
        }
        assert_eq!(asks, 1, "at first, and not again before five seconds are over");
        let said = watch.say_foreign(after(start, 10_000)).unwrap();
        assert_eq!(said, "reader 5 has held 2 of 60 frames for 6 s, which is no process of Preroll's");
    }

    #[test]
    fn frames_are_nobodys_once_nobody_else_maps_the_ring() {
        let start = Instant::now();
        let mut watch = InflowWatch::new(PERIOD, start);
        watch.look(&inflow(9, 5, &[3, 4]), start);
        assert!(watch.look(&inflow(9, 5, &[3, 4]), after(start, 2000)));
        let stranger = Pid::new(77).unwrap();
        assert!(watch.mapped_by(vec![stranger]).is_empty());
        let said = watch.say_foreign(after(start, 2000)).unwrap();
        assert!(said.ends_with("a process other than Preroll's maps the ring (pid 77): end it"), "{said}");
        watch.look(&inflow(9, 5, &[3, 4]), after(start, 3000));
        assert!(watch.standstill().unwrap().contains(": reader 5 has held 2 of 60 frames for 3 s"));
        let nobodys = watch.mapped_by(Vec::new());
        assert_eq!(nobodys, [(ReaderBit::new(5).unwrap(), vec![3, 4])]);
    }

    #[test]
    fn a_frame_that_was_taken_after_the_question_is_not_swept_by_its_answer() {
        let start = Instant::now();
        let mut watch = InflowWatch::new(PERIOD, start);
        watch.look(&inflow(9, 5, &[3]), start);
        assert!(watch.look(&inflow(9, 5, &[3]), after(start, 2000)));
        watch.look(&inflow(9, 5, &[8]), after(start, 2100));
        assert!(watch.mapped_by(Vec::new()).is_empty());
    }
}
