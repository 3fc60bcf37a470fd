//! A world in which no process and no clock is real: a test says what happens, and time passes as fast as events do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::time::{Duration, Instant};

use proto::clip::Verdict;
use proto::codec::{Codec, EncoderChoice};
use proto::config::{CameraConfig, Config};
use proto::crash_note::CrashNote;
use proto::instance::{ChildId, Rendezvous};
use proto::ladder::{EncoderLadder, Ladders};
use proto::messages::{CameraState, RecorderBeat, RecorderOrder, RecorderReport};
use proto::name::Name;
use proto::offer::NoOffer;
use proto::process::Pid;

use super::fake_process::{Fake, FakeProcess, Mood};
use crate::check::offers::Answer as Answered;
use crate::child::end::End;
use crate::child::recipe::Recipe;
use crate::clips::Counts;
use crate::loop_events::{Answer, LoopEvent, LoopRequest, Orders, Report, Way};
use crate::mappers::Identity;
use crate::state::Saved;
use crate::world::{Process, World};

const BEAT: Duration = Duration::from_millis(250);

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Something that has happened to a process or a ring, in the order of [`FakeWorld::steps`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Armed(Pid),
    ToldToStop(ChildId),
    Ended(ChildId),
    Swept,
}

/// Something that will happen.
enum Item {
    Event(LoopEvent),
    /// So much time passes before the loop hears the next event.
    Pause(Duration),
    Connect(Pid),
    Beat(Pid),
    Exit(Pid, End),
    /// A camera is asked, and answers as it does by then.
    Ask(Name),
}

/// Everything that clones of a world share: twenty fields, each of another subject.
struct Inner {
    began: Instant,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Item>,
    next: u64,
    processes: BTreeMap<u32, Fake>,
    spawned: Vec<(ChildId, Instant)>,
    saved: Option<Saved>,
    met: Vec<Rendezvous>,
    run_file_writes: usize,
    memory_kills: u64,
    settled: bool,
    crash_notes: BTreeMap<u32, CrashNote>,
    refuses_to_spawn: bool,
    steps: Vec<Step>,
    /// The time that a look at a ring takes.
    look_takes: Duration,
    /// The clips that a recorder finds when it is armed.
    clips: Vec<PathBuf>,
    /// The processes that map every ring.
    mappers: Vec<Pid>,
    /// The cameras' answers to whoever asks them what they give.
    answers: BTreeMap<Name, Answered>,
    /// The moments at which each was asked.
    asked: Vec<(Name, Instant)>,
    config: Option<Arc<Config>>,
}

/// The world. Clones are the same one.
#[derive(Clone)]
pub(super) struct FakeWorld(Rc<RefCell<Inner>>);

/// A hand-made end of a process.
pub(super) fn by_signal(signal: i32) -> End {
    let crashed = signal != 9;
    End { how: format!("signal {signal}"), code: None, signal: Some(signal), crashed }
}

pub(super) fn with_code(code: i32) -> End {
    End { how: format!("exit code {code}"), code: Some(code), signal: None, crashed: code != 0 }
}

pub(super) fn x264() -> EncoderChoice {
    EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: None }
}

/// Two encoders for each camera, the better one first.
pub(super) fn ladders() -> Ladders {
    let mjpg = EncoderChoice { codec: Codec::Mjpg, encoder: "mjpeg".into(), preset: None };
    let ladder = EncoderLadder::tried(vec![x264(), mjpg], Vec::new());
    ["left", "right"].map(|camera| (Name::new(camera).unwrap(), ladder.clone())).into()
}

impl FakeWorld {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Rc::new(RefCell::new(Inner {
            began: now,
            now,
            queue: BTreeMap::new(),
            next: 0,
            processes: BTreeMap::new(),
            spawned: Vec::new(),
            saved: None,
            met: Vec::new(),
            run_file_writes: 0,
            memory_kills: 0,
            settled: false,
            crash_notes: BTreeMap::new(),
            refuses_to_spawn: false,
            steps: Vec::new(),
            look_takes: Duration::ZERO,
            clips: Vec::new(),
            mappers: Vec::new(),
            answers: BTreeMap::new(),
            asked: Vec::new(),
            config: None,
        })))
    }

    fn push(&self, after: Duration, item: Item) {
        let mut inner = self.0.borrow_mut();
        inner.next += 1;
        let at = (inner.now + after, inner.next);
        inner.queue.insert(at, item);
    }

    pub(super) fn event_in(&self, after: Duration, event: LoopEvent) {
        self.push(after, Item::Event(event));
    }

    /// Has a span follow in which nothing is heard: whatever would have been heard in it is heard after it.
    pub(super) fn pause_in(&self, after: Duration, span: Duration) {
        self.push(after, Item::Pause(span));
    }

    /// Lets looks at rings take so long from now on.
    pub(super) fn slow_looks(&self, each: Duration) {
        self.0.borrow_mut().look_takes = each;
    }

    /// Lets the time of a look at a ring pass.
    pub(super) fn pass_look(&self) {
        let mut inner = self.0.borrow_mut();
        let look_takes = inner.look_takes;
        inner.now += look_takes;
    }

    /// Lets a recorder find this clip when it is armed.
    pub(super) fn leave_clip(&self, folder: PathBuf) {
        self.0.borrow_mut().clips.push(folder);
    }

    /// The time since it began.
    pub(super) fn age(&self) -> Duration {
        let inner = self.0.borrow();
        inner.now - inner.began
    }

    /// Lets these processes map every ring.
    pub(super) fn map_rings(&self, by: Vec<Pid>) {
        self.0.borrow_mut().mappers = by;
    }

    pub(super) fn note(&self, step: Step) {
        self.0.borrow_mut().steps.push(step);
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.0.borrow().steps.clone()
    }

    pub(super) fn exit(&self, pid: Pid, end: End) {
        self.exit_in(Duration::ZERO, pid, end);
    }

    /// Has a process crash while this camera's frame is in the better encoder.
    pub(super) fn crash_over(&self, pid: Pid, camera: &str) {
        let note = CrashNote { camera: Name::new(camera).unwrap(), encoder: x264() };
        self.0.borrow_mut().crash_notes.insert(pid.as_u32(), note);
        self.exit(pid, by_signal(11));
    }

    pub(super) fn exit_in(&self, after: Duration, pid: Pid, end: End) {
        self.push(after, Item::Exit(pid, end));
    }

    /// Asks the loop, and returns where its answer will come.
    pub(super) fn ask(&self, request: LoopRequest) -> Receiver<Answer> {
        let (reply, answer) = channel();
        self.event_in(Duration::ZERO, LoopEvent::Request { request, reply });
        answer
    }

    pub(super) fn with<T>(&self, pid: Pid, look: impl FnOnce(&mut Fake) -> T) -> T {
        look(self.0.borrow_mut().processes.get_mut(&pid.as_u32()).unwrap())
    }

    /// The pids of living processes that were started for this work.
    pub(super) fn alive(&self, id: &ChildId) -> Vec<Pid> {
        let inner = self.0.borrow();
        let theirs = inner.processes.iter().filter(|(_, fake)| fake.alive && fake.id == *id);
        theirs.filter_map(|(pid, _)| Pid::new(*pid)).collect()
    }

    pub(super) fn all_alive(&self) -> usize {
        self.0.borrow().processes.values().filter(|fake| fake.alive).count()
    }

    /// The moments at which processes were started for this work.
    pub(super) fn starts(&self, id: &ChildId) -> Vec<Instant> {
        let inner = self.0.borrow();
        inner.spawned.iter().filter(|(child, _)| child == id).map(|(_, at)| *at).collect()
    }

    pub(super) fn saved(&self) -> Saved {
        self.0.borrow().saved.clone().unwrap()
    }

    pub(super) fn met(&self) -> Vec<Rendezvous> {
        self.0.borrow().met.clone()
    }

    pub(super) fn run_file_writes(&self) -> usize {
        self.0.borrow().run_file_writes
    }

    /// Are the children to outlive this supervisor?
    pub(super) fn settled(&self) -> bool {
        self.0.borrow().settled
    }

    pub(super) fn refuse_to_spawn(&self, refuses: bool) {
        self.0.borrow_mut().refuses_to_spawn = refuses;
    }

    pub(super) fn kill_for_memory(&self, pid: Pid) {
        self.0.borrow_mut().memory_kills += 1;
        self.exit(pid, by_signal(9));
    }

    /// A process that runs already, as an earlier supervisor leaves it.
    pub(super) fn left_over(&self, id: &ChildId) -> Pid {
        let pid = {
            let mut inner = self.0.borrow_mut();
            let pid = 1000 + u32::try_from(inner.processes.len()).unwrap();
            let fake = Fake {
                id: id.clone(),
                alive: true,
                mood: Mood::Well,
                camera: CameraState::Live,
                beat: RecorderBeat { busy: true, ..RecorderBeat::default() },
                heard: Vec::new(),
                progress: 0,
                captures: None,
                recorders: None,
                traffic: Arc::default(),
                orders_heard: 0,
                loses_orders: false,
                forgets_clips: false,
                offer: None,
                told_of_rings: 0,
            };
            inner.processes.insert(pid, fake);
            Pid::new(pid).unwrap()
        };
        self.push(ms(20), Item::Connect(pid));
        self.push(ms(30), Item::Beat(pid));
        pid
    }

    /// Has a camera answer like this from now on.
    pub(super) fn answer(&self, camera: &str, answer: Answered) {
        self.0.borrow_mut().answers.insert(Name::new(camera).unwrap(), answer);
    }

    /// The moments at which a camera was asked what it gives.
    pub(super) fn asked(&self, camera: &str) -> Vec<Instant> {
        let inner = self.0.borrow();
        inner.asked.iter().filter(|(name, _)| name.as_str() == camera).map(|(_, at)| *at).collect()
    }

    /// The config that children read.
    pub(super) fn config(&self) -> Option<Arc<Config>> {
        self.0.borrow().config.clone()
    }

    fn happen(&self, item: Item) -> Option<LoopEvent> {
        match item {
            Item::Event(event) => Some(event),
            Item::Pause(span) => {
                self.0.borrow_mut().now += span;
                None
            }
            Item::Connect(pid) => {
                let connected = self.with(pid, |fake| {
                    if !fake.alive || matches!(fake.mood, Mood::Stopped | Mood::Starved) {
                        return None;
                    }
                    (fake.traffic, fake.orders_heard) = (Arc::default(), 0);
                    let way = if let ChildId::Capture(_) = fake.id {
                        let (way, orders) = sync_channel(64);
                        fake.captures = Some(orders);
                        Way::Capture(way)
                    } else {
                        let (way, orders) = sync_channel(64);
                        fake.recorders = Some(orders);
                        Way::Recorder(way)
                    };
                    Some(Orders::new(way, Arc::clone(&fake.traffic)))
                });
                connected.map(|orders| LoopEvent::Connected { pid, orders })
            }
            Item::Beat(pid) => {
                let report = self.with(pid, |fake| fake.report())?;
                self.push(BEAT, Item::Beat(pid));
                let heard = self.now();
                report.map(|report| LoopEvent::Report { pid, report, heard })
            }
            Item::Ask(camera) => {
                let absent = NoOffer { error: "there is no device".into(), refused: false };
                let answer =
                    self.0.borrow().answers.get(&camera).cloned().unwrap_or(Answered::Absent(absent));
                Some(LoopEvent::Answered { camera, answer: Ok(answer) })
            }
            Item::Exit(pid, end) => {
                let (id, was_alive) =
                    self.with(pid, |fake| (fake.id.clone(), std::mem::replace(&mut fake.alive, false)));
                if was_alive {
                    self.note(Step::Ended(id));
                }
                was_alive.then_some(LoopEvent::Exited { pid, end })
            }
        }
    }

    /// Has every process that is well follow the orders that it has.
    pub(super) fn follow_orders(&self) {
        let pids: Vec<u32> = self.0.borrow().processes.keys().copied().collect();
        for pid in pids.into_iter().filter_map(Pid::new) {
            let (orders, is_closed) = self.with(pid, Fake::take_orders);
            if is_closed {
                self.push(ms(50), Item::Connect(pid));
            }
            for order in orders {
                self.follow(pid, &order);
            }
            if self.with(pid, Fake::is_told_to_stop) {
                self.note(Step::ToldToStop(self.with(pid, |fake| fake.id.clone())));
                self.push(ms(2), Item::Exit(pid, with_code(0)));
            }
        }
    }

    fn follow(&self, pid: Pid, order: &RecorderOrder) {
        match order {
            RecorderOrder::Arm { .. } => {
                self.note(Step::Armed(pid));
                let clips = self.0.borrow().clips.clone();
                self.with(pid, |fake| clips.iter().for_each(|clip| fake.know(clip)));
            }
            RecorderOrder::Clip(folder) => self.with(pid, |fake| fake.know(folder)),
            RecorderOrder::Stop => self.note(Step::ToldToStop(self.with(pid, |fake| fake.id.clone()))),
            _ => {}
        }
        let heard = self.now();
        let say = |report| {
            let report = Report::Recorder(report);
            self.push(ms(1), Item::Event(LoopEvent::Report { pid, report, heard }));
        };
        match order {
            RecorderOrder::Arm { ladders: None, .. } => say(RecorderReport::Ladders(ladders())),
            RecorderOrder::Stop => {
                let clips = self.with(pid, |fake| fake.clips());
                for folder in clips {
                    say(RecorderReport::ClipDone {
                        folder,
                        verdict: Verdict::EndedEarly,
                        finished_after_ms: 1,
                    });
                }
                self.push(ms(5), Item::Exit(pid, with_code(0)));
            }
            _ => {}
        }
    }
}

impl World for FakeWorld {
    fn now(&self) -> Instant {
        self.0.borrow().now
    }

    fn next_event(&self, at_most: Duration) -> Result<LoopEvent, RecvTimeoutError> {
        let deadline = self.now() + at_most;
        loop {
            self.follow_orders();
            let next = {
                let mut inner = self.0.borrow_mut();
                match inner.queue.first_entry() {
                    Some(entry) if entry.key().0 <= deadline => {
                        let ((at, _), item) = entry.remove_entry();
                        inner.now = inner.now.max(at);
                        item
                    }
                    _ => {
                        inner.now = inner.now.max(deadline);
                        return Err(RecvTimeoutError::Timeout);
                    }
                }
            };
            if let Some(event) = self.happen(next) {
                return Ok(event);
            }
        }
    }

    fn settle(&self, settled: bool) {
        self.0.borrow_mut().settled = settled;
    }

    fn meet(&self, rendezvous: Rendezvous) -> io::Result<()> {
        self.0.borrow_mut().met.push(rendezvous);
        Ok(())
    }

    fn spawn(&self, child: &ChildId, _: &Recipe) -> io::Result<Box<dyn Process>> {
        if self.0.borrow().refuses_to_spawn {
            return Err(io::Error::other("no more processes"));
        }
        match child {
            ChildId::Capture(_) => assert_eq!(self.alive(child), [], "{child} runs already"),
            ChildId::Recorder | ChildId::Standby => {
                let both = [ChildId::Recorder, ChildId::Standby].map(|id| self.alive(&id).len());
                assert!(both.iter().sum::<usize>() < 2, "a third recorder: {both:?}");
            }
        }
        let pid = self.left_over(child);
        let now = self.now();
        self.0.borrow_mut().spawned.push((child.clone(), now));
        self.adopt(child, pid)
    }

    fn adopt(&self, _: &ChildId, pid: Pid) -> io::Result<Box<dyn Process>> {
        Ok(Box::new(FakeProcess { world: self.clone(), pid }))
    }

    fn ask(&self, camera: &CameraConfig, after: Duration) {
        let name = camera.name.clone();
        let mut inner = self.0.borrow_mut();
        let at = inner.now + after;
        inner.asked.push((name.clone(), at));
        drop(inner);
        self.push(after, Item::Ask(name));
    }

    fn keep_config(&self, config: &Arc<Config>) {
        self.0.borrow_mut().config = Some(Arc::clone(config));
    }

    fn find_mappers(&self, camera: &Name, _: Identity) {
        let strangers = self.0.borrow().mappers.clone();
        let by = strangers.into_iter().map(|pid| (pid, None)).collect();
        self.event_in(ms(1), LoopEvent::Mapped { camera: camera.clone(), by });
    }

    fn out_of_memory_kills(&self) -> u64 {
        self.0.borrow().memory_kills
    }

    fn crash_note(&self, pid: Pid) -> Option<CrashNote> {
        self.0.borrow().crash_notes.get(&pid.as_u32()).cloned()
    }

    fn keep_state(&self, saved: &Saved) {
        self.0.borrow_mut().saved = Some(saved.clone());
    }

    fn write_run_file(&self, _: &[(Name, EncoderChoice)], _: Counts) {
        self.0.borrow_mut().run_file_writes += 1;
    }
}
