//! A worker: one camera's thread. It holds the camera's ring, and the feed and the take of each open clip, moves the
//! takes on, the one most at risk first, and sleeps on the ring when it has caught up with the camera.

use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use proto::clip::PlannedCamera;
use proto::ladder::Change;
use proto::link::Reports;
use proto::messages::RecorderReport;
use proto::name::Name;
use proto::panics;
use proto::priority;
use proto::ring::Ring;
use proto::time::MonotonicNs;

use crate::assignment::Assignment;
use crate::backlog::{CameraBacklog, WithBacklog};
use crate::clock::{Clock, Monotonic};
use crate::copying::{ClipWishes, Way};
use crate::decoded::Decoded;
use crate::disk::output::{DiskState, OutputFolder};
use crate::encode::EncoderSetup;
use crate::feed::{Feed, WarmEncoder};
use crate::finish::Finishing;
use crate::frames::Frames;
use crate::ladder::CameraLadder;
use crate::opening::{Libav, Media};
use crate::pulse::Pulse;
use crate::rings::CameraRing;
use crate::shared_ring::SharedRing;
use crate::suspects;
use crate::take::{Encoders, How, Step, Take};

/// The longest sleep before a worker looks for orders: a new clip waits no longer than this.
const NAP: Duration = Duration::from_millis(10);

/// An order to a worker.
pub(crate) enum Job {
    /// Record this camera's part of a clip.
    Record(Assignment),
    /// From now on this is the recorder, and no standby.
    Arm,
    /// The camera's ring may be another one now.
    LookAtRing,
    /// Close every take at this moment, if it would last longer; no more will come.
    Stop { end: MonotonicNs },
    /// Have an encoder open: a clip may have to be gone on with at any moment.
    Warm,
    /// Close that encoder again.
    Cool,
}

/// One camera's worker.
pub(crate) struct Worker {
    pub(crate) camera: Name,
    pub(crate) ring: CameraRing,
    pub(crate) ladder: CameraLadder,
    pub(crate) quality: u8,
    pub(crate) wishes: ClipWishes,
    pub(crate) reports: Reports<RecorderReport>,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) finishing: Sender<Finishing>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) output: Arc<OutputFolder>,
    pub(crate) backlog: Arc<CameraBacklog>,
}

/// An open clip's take of this camera, and the feed that it reads. Each clip has a feed of its own: see
/// docs/decisions/feeds.md.
struct OpenClip {
    take: Take,
    feed: Feed,
}

impl Worker {
    /// Runs until it is told to stop, or its orders end.
    pub(crate) fn run(mut self) {
        panics::set_camera(self.camera.as_str());
        priority::behind_the_mover();
        let (media, clock): (Arc<dyn Media>, Arc<dyn Clock>) = (Arc::new(Libav), Arc::new(Monotonic));
        let (mut clips, mut shared): (Vec<OpenClip>, Weak<SharedRing>) = (Vec::new(), Weak::new());
        let mut stopping = false;
        self.backlog.use_ring(self.ring.open());
        let mut warm: Option<WarmEncoder> = None;
        loop {
            let job = if clips.is_empty() {
                if stopping {
                    return;
                }
                self.pulse.set_lag(&self.camera, 0);
                self.pulse.turn(&self.camera, false);
                self.jobs.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                self.jobs.try_recv()
            };
            // The turn is counted before the job is done: an encoder that never opens is a hang too.
            self.pulse.turn(&self.camera, true);
            match job {
                Ok(Job::Arm) => self.ring.arm(),
                Ok(Job::LookAtRing) => self.look_at_ring(),
                Ok(Job::Record(assignment)) => {
                    let feed = Feed::new(Arc::clone(&media), Arc::clone(&clock), warm.take());
                    clips.push(OpenClip { take: self.begin(assignment, &mut shared), feed });
                }
                Ok(Job::Warm) => warm = self.warmed(warm, &*media),
                Ok(Job::Cool) => warm = None,
                Ok(Job::Stop { end }) => {
                    stopping = true;
                    clips.iter_mut().for_each(|clip| clip.take.end_early(end));
                }
                Err(TryRecvError::Disconnected) if !stopping => {
                    stopping = true;
                    let now = clock.now();
                    clips.iter_mut().for_each(|clip| clip.take.end_early(now));
                }
                Err(TryRecvError::Disconnected | TryRecvError::Empty) => {}
            }
            self.move_on(&mut clips, &*clock);
        }
    }

    fn begin(&mut self, assignment: Assignment, shared: &mut Weak<SharedRing>) -> Take {
        self.look_at_ring();
        // A take's lag isn't known before its first frame is found. Until then the largest that can be is shown.
        let slots = self.ring.open().map_or(0, |ring| ring.spec().size.slots());
        self.pulse.set_lag(&self.camera, slots as u64);
        let frames = self.frames_of(&assignment, shared);
        let encoders = Encoders { ladder: self.ladder.clone(), quality: self.quality };
        let PlannedCamera { payload, reorders, .. } = assignment.camera;
        let how = match self.wishes.way(payload, reorders) {
            Way::Copied(copying) => How::Copied(copying),
            Way::Cut => How::Cut(encoders),
            Way::Verbatim => How::Verbatim(encoders),
            Way::Encoded => How::Encoded(encoders),
        };
        Take::begin(assignment, frames, how, self.wishes.mode(), self.output.waited())
    }

    /// The ring that the plan's frames are in, if it is still this camera's, and the backlog of that ring: as they came, or
    /// decoded, if they are compressed and are to be encoded.
    fn frames_of(&self, assignment: &Assignment, shared: &mut Weak<SharedRing>) -> Option<Rc<dyn Frames>> {
        if assignment.plan.boot_id != proto::instance::boot_id() {
            return None;
        }
        let PlannedCamera { ring_id, geometry, payload, .. } = assignment.camera;
        let frame_bytes = (!payload.is_compressed()).then(|| geometry.frame_bytes());
        let ring = self.ring.open().filter(|ring| ring.id() == ring_id);
        let ring = ring.and_then(|ring| -> Option<Rc<dyn Frames>> { Some(self.shared(ring, shared)?) });
        let frames = Rc::new(WithBacklog::of(ring, ring_id, frame_bytes, &self.backlog)?);
        let as_they_came = !payload.is_compressed() || self.wishes.copies(payload).is_some();
        Some(if as_they_came { frames } else { Rc::new(Decoded::of(frames, payload, geometry)) })
    }

    /// The ring for one take more. Nobody but the takes keeps it: the memory of a broken one must be able to go.
    fn shared(&self, ring: &Arc<Ring>, known: &mut Weak<SharedRing>) -> Option<Rc<SharedRing>> {
        if let Some(shared) = known.upgrade().filter(|shared| shared.is(ring)) {
            return Some(shared);
        }
        let shared = SharedRing::new(self.ring.reader()?);
        *known = Rc::downgrade(&shared);
        Some(shared)
    }

    /// Looks which ring is the camera's, and what it gives.
    fn look_at_ring(&mut self) {
        self.ring.look();
        self.backlog.use_ring(self.ring.open());
        if let Some(ring) = self.ring.open() {
            self.ladder.demand_by(ring.spec().fps, &ring.spec().geometry);
        }
        let payload = self.ring.open().map(|ring| ring.spec().payload);
        let copied = payload.and_then(|payload| self.wishes.copies(payload));
        // A camera that was away when the recorder began may deliver something else than was thought.
        if let Some(ladders) = copied.and_then(|codec| self.ladder.copy(codec)) {
            self.reports.send(RecorderReport::Ladders(ladders));
        }
    }

    /// The encoder that a clip begun now would have, open; none where frames are passed on, at least most of them: an encoder
    /// takes more memory than the whole ring of such a camera.
    fn warmed(&self, warm: Option<WarmEncoder>, media: &dyn Media) -> Option<WarmEncoder> {
        let choice = self.ladder.first();
        let encodes =
            |ring: &&Arc<Ring>| self.wishes.way(ring.spec().payload, ring.reorders()) == Way::Encoded;
        let ring = self.ring.open().filter(encodes)?;
        let (spec, picture) = (*ring.spec(), ring.picture_tags());
        let (geometry, fps) = (spec.geometry, spec.fps);
        let setup = EncoderSetup { choice, geometry, fps, quality: self.quality, picture };
        warm.filter(|w| *w.setup() == setup).or_else(|| WarmEncoder::open(media, setup))
    }

    /// Moves the take on that is most at risk and can be moved on; ends those whose window is over.
    fn move_on(&self, clips: &mut Vec<OpenClip>, clock: &dyn Clock) {
        clips.sort_by_key(|clip| clip.take.next());
        let head = self.ring.open().map_or(0, |ring| ring.head());
        let mut moved = false;
        let mut waiting_for_the_first = 0;
        let mut index = 0;
        while index < clips.len() {
            let OpenClip { take, feed } = &mut clips[index];
            match take.step(clock.now(), feed, &*self.output) {
                Step::Encoded => {
                    moved = true;
                    self.pulse.encoded();
                    let has_passed = self.pulse.clips().encoded(take.folder(), &self.camera);
                    if has_passed {
                        // Before the next frame: a crash from here on is held against no clip.
                        suspects::unmark(take.folder());
                    }
                    break;
                }
                Step::Moved => {
                    moved = true;
                    break;
                }
                Step::Waiting => {
                    waiting_for_the_first += usize::from(take.next() == 0);
                    index += 1;
                }
                Step::Paused => index += 1,
                Step::Over => {
                    let take = clips.remove(index).take;
                    self.learn_costs(&take);
                    let folder = take.folder().to_owned();
                    let footage = take.wrap();
                    self.backlog.done(&folder);
                    // The finisher outlives the workers: it is told to end after they have.
                    let _ = self.finishing.send(Finishing::Camera(Box::new(footage)));
                    moved = true;
                }
            }
        }
        self.show(clips, head, waiting_for_the_first);
        if !moved && !clips.is_empty() {
            match self.ring.open() {
                Some(ring) => {
                    let _ = ring.wait_newer(head, NAP);
                }
                None => std::thread::sleep(NAP),
            }
        }
    }

    /// Learns what the encoders of a take cost, and says so when the next clip will begin with another.
    fn learn_costs(&self, take: &Take) {
        let changed = self.ladder.clip_ended(take.costs());
        if let Some(Change { from, to, why }) = changed {
            tracing::info!(
                camera = self.camera.as_str(),
                "camera {}: clips begin with {to} instead of {from}: {why}",
                self.camera
            );
        }
        if let Some(ladders) = self.ladder.report() {
            self.reports.send(RecorderReport::Ladders(ladders));
        }
    }

    /// Shows the takes' trouble and lag in the beat, and their needs to the mover.
    fn show(&self, clips: &[OpenClip], head: u64, waiting_for_the_first: usize) {
        for OpenClip { take, feed } in clips {
            match take.need(feed) {
                Some(need) => self.backlog.need(take.folder(), need),
                None => self.backlog.done(take.folder()),
            }
        }
        let trouble = clips.iter().find_map(|clip| clip.take.trouble().map(str::to_owned));
        self.pulse.set_trouble(&self.camera, trouble);
        self.pulse.set_left(&self.camera, clips.iter().map(|clip| clip.take.frames_left()).sum());
        let next = || clips.iter().map(|clip| clip.take.next());
        // A take that waits for the window's first frame has no lag. Any other that hasn't found its frame may be far behind.
        if next().filter(|next| *next == 0).count() == waiting_for_the_first {
            let behind = next().filter(|next| *next > 0).min();
            let lag = behind.map_or(0, |behind| (head + 1).saturating_sub(behind));
            self.pulse.set_lag(&self.camera, lag);
        }
    }
}
