//! Tests of takes whose window gets another end while they record, by its triggers: whatever comes when, and whoever dies
//! meanwhile, the finished clip has exactly the frames of its last window.

use std::sync::Arc;

use proto::clip::growth::file::GrowthFile;
use proto::clip::growth::{AddedTrigger, Line};
use proto::clip::{Plan, TriggerSource};

use super::*;
use crate::open_window::{Closing, OpenWindow};

/// A supervisor, as far as it appends lines to a clip, and what it has been promised.
struct Supervisor {
    lines: GrowthFile,
    plan: Arc<Plan>,
    triggers: Vec<Asked>,
}

/// A trigger as it was accepted.
struct Asked {
    id: String,
    end_ms: u64,
    /// Begun, and not ended.
    is_open: bool,
}

impl Supervisor {
    fn of(rig: &Rig) -> Self {
        let plan = Arc::clone(&rig.take.assignment.plan);
        let is_open = plan.trigger.as_ref().unwrap().kind == proto::clip::TriggerKind::Begin;
        let first = Asked { id: "first".into(), end_ms: plan.window.end_ns.0 / 1_000_000, is_open };
        Self { lines: GrowthFile::of(rig.folder.path(), &plan), plan, triggers: vec![first] }
    }

    /// Appends a line. False if the clip was closed before it.
    fn says(&mut self, line: Line) -> bool {
        self.lines.read_on().unwrap();
        let accepted = !self.lines.growth().is_closed();
        self.lines.append(&[line]).unwrap();
        accepted
    }

    fn trigger(&mut self, end_ms: u64, is_begun: bool) {
        let id = format!("t{}", self.triggers.len());
        let added = AddedTrigger {
            id: id.clone(),
            start_ns: ms(1000),
            t_ns: ms(1000),
            end_ns: ms(end_ms),
            label: None,
            meta: None,
            note: None,
            source: TriggerSource::Command,
        };
        let line = if is_begun { Line::Begin(added) } else { Line::Trigger(added) };
        if self.says(line) {
            self.triggers.push(Asked { id, end_ms, is_open: is_begun });
        }
    }

    /// Ends a begun trigger, or moves the end of another.
    fn change(&mut self, which: usize, end_ms: u64) {
        let Asked { id, end_ms: ends_now, is_open } = &self.triggers[which];
        let (id, end_ns, ends_now, is_open) = (id.clone(), ms(end_ms), *ends_now, *is_open);
        let (line, end_ms) = match is_open {
            true => (Line::End { id, end_ns, cut: false }, end_ms.clamp(1000, ends_now)),
            false if end_ms < ends_now => return,
            false => (Line::Extend { id, by_ns: 0, end_ns, cut: false }, end_ms),
        };
        if self.says(line) {
            (self.triggers[which].end_ms, self.triggers[which].is_open) = (end_ms, false);
        }
    }

    /// The end of the clip by all that was accepted.
    fn end_ms(&self) -> u64 {
        self.triggers.iter().map(|trigger| trigger.end_ms).max().unwrap()
    }

    fn is_open(&self) -> bool {
        self.triggers.iter().any(|trigger| trigger.is_open)
    }

    /// A recorder closes the clip, and dies.
    fn recorder_closes(&self, rig: &Rig) -> Closing {
        let window = OpenWindow::read(rig.folder.path(), &self.plan, None).unwrap();
        window.close(window.now().end_ns).unwrap()
    }
}

/// Numbers by a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn rig_of(dice: &mut Dice) -> Rig {
    let rig = match dice.below(5) {
        0 => Rig::new(),
        1 => Rig::jpeg(900),
        2 => Rig::h264(30),
        _ => Rig::begun(),
    };
    rig.media.keep_back(usize::try_from(dice.below(4)).unwrap());
    rig
}

/// Something that a supervisor, or fate, does between two steps of the recorder.
fn happen(dice: &mut Dice, rig: Rig, supervisor: &mut Supervisor, now_ms: u64) -> Rig {
    // About this moment, and up to the oldest frame that a take has recorded by then.
    let end_ms = (now_ms + dice.below(700)).saturating_sub(400).max(1000);
    let which = usize::try_from(dice.below(supervisor.triggers.len() as u64)).unwrap();
    match dice.below(12) {
        0 if dice.below(3) == 0 => supervisor.trigger(end_ms, false),
        // As far ahead as it may last.
        1 if dice.below(3) == 0 => supervisor.trigger(now_ms + 1500, true),
        2..=4 => supervisor.change(which, end_ms),
        5 | 6 => return rig.killed(),
        7 if dice.below(20) == 0 => {
            supervisor.recorder_closes(&rig);
            return rig.killed();
        }
        // The order of the supervisor comes.
        8..=10 => rig.take.assignment.window.look().unwrap(),
        _ => {}
    }
    rig
}

#[test]
fn whatever_comes_when_the_clip_has_the_frames_of_its_last_window() {
    let (mut moved, mut cut) = (0, 0);
    for seed in 1..=400 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut rig = rig_of(&mut dice);
        let mut supervisor = Supervisor::of(&rig);
        let mut now_ms = 900;
        loop {
            now_ms += dice.below(40);
            rig.ring.publish_to(now_ms / 10);
            rig = happen(&mut dice, rig, &mut supervisor, now_ms);
            // Some frames, or all that there are; nobody is late by more than the ring holds.
            let is_late = now_ms > 1000 + 10 * rig.take.next().max(100) - 600;
            let steps = if is_late || dice.below(3) == 0 { u64::MAX } else { dice.below(9) };
            let mut step = Step::Waiting;
            for _ in 0..steps {
                step = rig.step(now_ms);
                if !matches!(step, Step::Encoded | Step::Moved) {
                    break;
                }
            }
            if step == Step::Over {
                break;
            }
            assert!(now_ms < 20_000, "seed {seed}: the clip doesn't end");
            if now_ms > 4000 && supervisor.is_open() {
                let which = supervisor.triggers.iter().position(|trigger| trigger.is_open).unwrap();
                supervisor.change(which, now_ms);
            }
        }
        let all = rig.payloads().len();
        let (rows, account) = rig.finish();
        let last = supervisor.end_ms() / 10;
        assert_eq!(rows, (100..=last).collect::<Vec<_>>(), "seed {seed}: ends at {} ms", supervisor.end_ms());
        let frames = last - 99;
        let whole = Account { expected: frames, written: frames, gaps: Vec::new(), live: true };
        assert_eq!(account, whole, "seed {seed}");
        moved += usize::from(last != 200);
        cut += usize::from(all > rows.len());
    }
    assert!(moved > 200 && cut > 30, "{moved} had another end, {cut} had frames from behind it");
}

#[test]
fn a_begun_clip_goes_on_until_it_is_ended_and_has_no_frame_from_behind_its_end() {
    let mut rig = Rig::begun();
    let mut supervisor = Supervisor::of(&rig);
    rig.run(100..=170);
    supervisor.change(0, 1500);
    rig.take.assignment.window.look().unwrap();
    // The recorded frames from behind the end say that none is waited for.
    assert_eq!(rig.go_on(1700), Step::Over);
    assert_eq!(rig.payloads(), (100..=170).collect::<Vec<_>>());
    let (rows, account) = rig.finish();
    assert_eq!(rows, (100..=150).collect::<Vec<_>>());
    assert_eq!(account, Account { expected: 51, written: 51, gaps: Vec::new(), live: true });
}

#[test]
fn a_window_that_grows_before_it_is_closed_is_gone_on_with_though_no_order_came() {
    let mut rig = Rig::new();
    let mut supervisor = Supervisor::of(&rig);
    rig.run(100..=200);
    supervisor.trigger(2300, false);
    assert_eq!(rig.step(2010), Step::Waiting, "its last frame may be on its way");
    rig.ring.publish_to(201);
    assert_eq!(rig.step(2010), Step::Moved, "it reads its lines before it ends");
    rig.run(202..=230);
    assert_eq!(rig.run_to(2310), Step::Over);
    assert!(!supervisor.says(Line::Closed { end_ns: ms(9000), early: false }), "it was closed");
    assert_eq!(rig.finish().0, (100..=230).collect::<Vec<_>>());
}

#[test]
fn a_trigger_that_comes_after_the_closing_moves_nothing() {
    let mut rig = Rig::new();
    let mut supervisor = Supervisor::of(&rig);
    rig.run(100..=150);
    assert_eq!(supervisor.recorder_closes(&rig), Closing::Closed);
    supervisor.trigger(2500, false);
    assert_eq!(supervisor.triggers.len(), 1, "it is refused");
    let mut rig = rig.killed();
    rig.run(151..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_take_without_its_ring_waits_until_its_trigger_is_ended_and_lacks_what_came_until_then() {
    let mut rig = Rig::begun();
    let mut supervisor = Supervisor::of(&rig);
    rig.run(100..=140);
    *rig.ring.soundness.borrow_mut() = Soundness::Broken(Broken::Segment(Loss::CutDown(0)));
    assert_eq!(rig.go_on(1450), Step::Waiting);
    assert_eq!(rig.payloads(), (100..=140).collect::<Vec<_>>(), "they are on the disk meanwhile");
    supervisor.change(0, 1600);
    rig.take.assignment.window.look().unwrap();
    assert_eq!(rig.go_on(1601), Step::Over);
    let gaps = vec![Gap { after_sequence: 140, missing: 20, cause: GapCause::RingGone }];
    assert_eq!(rig.account(), Account { expected: 61, written: 41, gaps, live: true });
}

#[test]
fn a_take_that_ended_without_its_ring_has_the_window_that_the_clip_was_closed_with() {
    let mut rig = Rig::new();
    let mut supervisor = Supervisor::of(&rig);
    rig.run(100..=140);
    *rig.ring.soundness.borrow_mut() = Soundness::Broken(Broken::Segment(Loss::CutDown(0)));
    assert_eq!(rig.go_on(1450), Step::Over, "its other cameras go on");
    supervisor.trigger(2200, false);
    let gaps = vec![Gap { after_sequence: 140, missing: 80, cause: GapCause::RingGone }];
    assert_eq!(rig.account(), Account { expected: 121, written: 41, gaps, live: true });
}

#[test]
fn a_stop_ends_the_window_and_does_not_wait_long() {
    let mut rig = Rig::new();
    rig.run(100..=150);
    rig.take.end_early(ms(1550));
    assert_eq!(rig.run_to(1550), Step::Waiting);
    assert_eq!(rig.run_to(1560), Step::Over, "a frame from behind the end is there");
    let footage = rig.take.wrap();
    assert!(footage.window.is_cut_short());
    assert_eq!(footage.evidence.window.end_ns, ms(1550));

    let mut silent = Rig::new();
    silent.run(100..=150);
    silent.take.end_early(ms(1550));
    assert_eq!(silent.step(2550), Step::Waiting);
    assert_eq!(silent.step(2551), Step::Over);

    let mut later = Rig::new();
    later.take.end_early(ms(9000));
    assert!(!later.take.wrap().window.is_cut_short(), "the window was over by then");
}

#[test]
fn a_stop_ends_a_clip_whose_window_has_not_begun() {
    let mut rig = Rig::new();
    rig.run(20..=50);
    assert_eq!(rig.run_to(500), Step::Waiting);
    rig.take.end_early(ms(510));
    assert_eq!(rig.run_to(510), Step::Waiting);
    assert_eq!(rig.run_to(520), Step::Over, "a frame from behind the stop is there");
    assert!(rig.take.assignment.window.is_cut_short());
    let nothing = Account { expected: 0, written: 0, gaps: Vec::new(), live: true };
    assert_eq!(rig.account(), nothing);

    let mut silent = Rig::new();
    silent.run(20..=50);
    silent.take.end_early(ms(510));
    assert_eq!(silent.go_on(1510), Step::Waiting);
    assert_eq!(silent.go_on(1511), Step::Over);
}

#[test]
fn a_stop_and_a_late_end_cut_a_begun_clip_where_the_earlier_says() {
    for (end_ms, frames) in [(1400, 41), (1700, 61)] {
        let mut rig = Rig::begun();
        let mut supervisor = Supervisor::of(&rig);
        rig.run(100..=160);
        rig.take.end_early(ms(1600));
        supervisor.change(0, end_ms);
        rig.take.assignment.window.look().unwrap();
        assert_eq!(rig.run_to(1610), Step::Over);
        assert_eq!(rig.take.assignment.window.is_cut_short(), end_ms > 1600);
        assert_eq!(rig.finish().0.len(), frames);
    }
}
