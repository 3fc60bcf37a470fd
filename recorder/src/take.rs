//! A take: one camera's part of one clip, from the first frame of its window to the last. It owns no thread; its
//! camera's worker moves it on, a frame at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::clip::{GapCause, PARTIAL_DIR, Plan, PlannedCamera, Window};
use proto::codec::EncoderChoice;
use proto::failpoint;
use proto::frame::FrameInfo;
use proto::panics;
use proto::ring::segment::Loss;
use proto::ring::{Broken, Miss, Ring, RingReader};
use proto::storage;
use proto::time::MonotonicNs;

use crate::account::{Evidence, Wanted};
use crate::clip_lock::ClipLock;
use crate::disk::{self, advice, output::OutputFolder};
use crate::encode::{EncoderSetup, WarmEncoder};
use crate::journal::{PartHeader, PartReason, Row};
use crate::ladder::TakeLadder;
use crate::lagging::Lagging;
use crate::part::{self, Abandoned, OpenPart, PartError};

/// How long after its window a clip waits for a camera that has fallen silent: long enough for a capture to be
/// restarted, which then tells exactly how many frames were missed.
const SILENCE_GRACE: Duration = Duration::from_secs(1);
/// How long a file that can't be written is left alone.
const DISK_PAUSE: Duration = Duration::from_millis(250);

/// One camera's part of one clip, being recorded.
pub(crate) struct Take {
    pub(crate) folder: PathBuf,
    pub(crate) plan: Arc<Plan>,
    pub(crate) camera: PlannedCamera,
    lock: Arc<ClipLock>,
    window: Window,
    ended_early: bool,
    /// `None`: the frames' ring is gone, and what is on disk is all there will be.
    reader: Option<RingReader>,
    ladder: TakeLadder,
    quality: u8,
    lagging: Lagging,
    /// What an earlier recorder left has been read.
    resumed: bool,
    part: Option<OpenPart>,
    /// For the first part.
    warm: Option<WarmEncoder>,
    next_part_is: PartReason,
    /// The window's first frame and the one before it, once known.
    first: Option<First>,
    /// The sequence to go on with.
    next: u64,
    written: Vec<FrameInfo>,
    /// Frames that were given up, and why.
    given_up: Vec<(u64, GapCause)>,
    files: Files,
    /// How long this thread had waited for the disk when the take last was level with the camera.
    waited_by_then: Duration,
}

#[derive(Clone, Copy)]
struct First {
    sequence: u64,
    previous: Option<FrameInfo>,
}

/// Can the files be written?
enum Files {
    Fine,
    /// Not now; to be tried again.
    Troubled {
        again: MonotonicNs,
        why: String,
    },
}

/// What came of moving a take on.
pub(crate) enum Step {
    /// A frame was encoded.
    Encoded,
    /// A frame was encoded, too slowly: from here on the take has a faster encoder.
    Hurried { from: EncoderChoice, to: EncoderChoice },
    /// Frames were given up, or another encoder is to be tried: there may be more to do at once.
    Moved,
    /// The next frame isn't there yet.
    Waiting,
    /// Its file can't be written at the moment.
    Paused,
    /// Its window is over.
    Over,
}

/// A take whose window is over: what is on disk, and what is known.
pub(crate) struct Footage {
    pub(crate) folder: PathBuf,
    pub(crate) plan: Arc<Plan>,
    pub(crate) camera: PlannedCamera,
    pub(crate) evidence: Evidence,
    pub(crate) ended_early: bool,
    /// Kept until the clip is finished.
    pub(crate) _lock: Arc<ClipLock>,
}

/// What a take is begun with.
pub(crate) struct TakeParts<'a> {
    pub(crate) ring: Option<&'a Arc<Ring>>,
    pub(crate) reader: Option<&'a RingReader>,
    pub(crate) ladder: TakeLadder,
    pub(crate) quality: u8,
    /// An encoder that is open already.
    pub(crate) warm: Option<WarmEncoder>,
}

impl Take {
    /// Begins, or goes on where another recorder left off.
    pub(crate) fn begin(
        folder: &Path,
        plan: Arc<Plan>,
        camera: PlannedCamera,
        lock: Arc<ClipLock>,
        parts_of: TakeParts<'_>,
    ) -> Self {
        let same_ring = parts_of.ring.is_some_and(|r| r.id() == camera.ring_id)
            && plan.boot_id == proto::instance::boot_id();
        Self {
            folder: folder.to_owned(),
            window: plan.window,
            plan,
            camera,
            lock,
            ended_early: false,
            reader: parts_of.reader.filter(|_| same_ring).cloned(),
            ladder: parts_of.ladder,
            quality: parts_of.quality,
            lagging: Lagging::default(),
            resumed: false,
            part: None,
            warm: parts_of.warm,
            next_part_is: PartReason::First,
            first: None,
            next: 0,
            written: Vec::new(),
            given_up: Vec::new(),
            files: Files::Fine,
            waited_by_then: disk::waited(),
        }
    }

    /// Reads how far an earlier recorder got. Before that nothing can be recorded: frames that are on disk already
    /// would be encoded again, in a part that can't be joined to theirs.
    fn resume(&mut self) -> std::io::Result<()> {
        let parts = disk::ask(|| part::read_all(&self.folder.join(PARTIAL_DIR), &self.camera.name))?;
        self.resumed = true;
        let Some(first) = parts.first() else { return Ok(()) };
        self.first = Some(First { sequence: first.header.first_sequence, previous: first.header.previous });
        self.written = parts.iter().flat_map(|part| part.rows().map(|row| row.moment)).collect();
        self.next_part_is = PartReason::RecorderRestart;
        if let Some(last) = parts.last() {
            self.ladder.resume_at(&last.header.choice);
        }
        if let Some(last) = self.written.last() {
            self.next = last.sequence.saturating_add(1);
            tracing::info!(
                "clip {}: camera {}: going on after frame {} ({} frames are on disk)",
                self.plan.clip_id,
                self.camera.name,
                last.sequence,
                self.written.len()
            );
        }
        Ok(())
    }

    fn resumes(&mut self, now: MonotonicNs) -> bool {
        if self.resumed || self.is_paused(now) {
            return self.resumed;
        }
        match self.resume() {
            Ok(()) => true,
            Err(e) => {
                self.pause(now, format!("can't read {}: {e}", self.folder.join(PARTIAL_DIR).display()));
                false
            }
        }
    }

    fn is_paused(&self, now: MonotonicNs) -> bool {
        matches!(self.files, Files::Troubled { again, .. } if now < again)
    }

    /// A first failure is tried again at once: frames are ageing, and it may have been the only one.
    fn pause(&mut self, now: MonotonicNs, why: String) {
        let again = match &self.files {
            Files::Troubled { .. } => now + DISK_PAUSE,
            Files::Fine => {
                tracing::error!("clip {}: {why}; trying again until it works", self.plan.clip_id);
                now
            }
        };
        self.files = Files::Troubled { again, why };
    }

    /// The sequence that it will go on with: the lower, the more at risk.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// What stands in its way, for a person.
    pub(crate) fn trouble(&self) -> Option<&str> {
        match &self.files {
            Files::Fine => None,
            Files::Troubled { why, .. } => Some(why),
        }
    }

    /// Closes the window at this moment: Preroll is being stopped.
    pub(crate) fn end_early(&mut self, end: MonotonicNs) {
        if self.window.end_ns > end {
            self.window.end_ns = end.max(self.window.start_ns);
            self.ended_early = true;
        }
    }

    /// Moves on by one frame.
    pub(crate) fn step(&mut self, now: MonotonicNs, output: &OutputFolder) -> Step {
        let _on = panics::on_clip(&self.plan.clip_id);
        if !self.resumes(now) {
            return Step::Paused;
        }
        let Some(reader) = self.reader.clone() else { return self.over(now) };
        let ring = reader.ring();
        let is_unnamed = match ring.check().or_else(|_| ring.check_all()) {
            Ok(()) => false,
            // Nobody writes to it any more, but what was captured is still there.
            Err(Broken::Segment(Loss::Unnamed)) => true,
            Err(broken) => {
                let (clip, camera) = (&self.plan.clip_id, &self.camera.name);
                tracing::error!("clip {clip}: camera {camera}: its ring broke: {broken}");
                self.reader = None;
                return self.over(now);
            }
        };
        if self.first.is_none() {
            let Some(first) = ring.first_at_or_after(self.window.start_ns) else {
                return if is_unnamed { self.over(now) } else { self.wait_or_end(ring, now) };
            };
            let previous = ring.frame_info(first.sequence - 1);
            self.first = Some(First { sequence: first.sequence, previous });
        }
        if let Some(first) = self.first {
            self.next = self.next.max(first.sequence);
        }
        match ring.frame_info(self.next) {
            Some(moment) if moment.t_capture > self.window.end_ns => self.over(now),
            None if self.next > ring.head() && is_unnamed => self.over(now),
            None if self.next > ring.head() => {
                self.waited_by_then = disk::waited();
                self.wait_or_end(ring, now)
            }
            _ => self.record(&reader, now, output),
        }
    }

    fn wait_or_end(&mut self, ring: &Ring, now: MonotonicNs) -> Step {
        let grace = SILENCE_GRACE + self.camera.fps.period() * 10;
        let patience = match (ring.has_ended(), self.ended_early) {
            (true, _) => Duration::ZERO,
            // A frame of the last moment may still be on its way; but an end must not take long.
            (false, true) => grace.min(SILENCE_GRACE),
            (false, false) => grace,
        };
        if now > self.window.end_ns + patience { self.over(now) } else { Step::Waiting }
    }

    /// Ends the last part. What can't be written of it is encoded again.
    fn over(&mut self, now: MonotonicNs) -> Step {
        if self.is_paused(now) {
            return Step::Paused;
        }
        failpoint::pass("take.over", self.folder.join(self.camera.name.as_str()).display());
        if let Some(Err(e)) = self.part.as_mut().map(OpenPart::finish) {
            return self.recover(&e);
        }
        failpoint::pass("take.finished", self.folder.join(self.camera.name.as_str()).display());
        self.part = None;
        Step::Over
    }

    fn record(&mut self, reader: &RingReader, now: MonotonicNs, output: &OutputFolder) -> Step {
        if self.is_paused(now) {
            self.skip_overrun(reader, self.next, GapCause::Disk);
            return Step::Paused;
        }
        if let Err(source) = output.has_room() {
            return self.make_do_without_room(source);
        }
        let lease = match reader.lease(self.next) {
            Ok(lease) => lease,
            // Another take of this camera has the frame in its encoder; it will come back.
            Err(Miss::NotYet | Miss::AlreadyLeased) => return Step::Waiting,
            // A ring that doesn't know its newest frame is being written over: nothing it says is worth giving up for.
            Err(Miss::Overrun) if reader.ring().newest().is_none() => return Step::Waiting,
            Err(Miss::Overrun) => {
                self.skip_overrun(reader, self.next + 1, self.why_overrun());
                return Step::Moved;
            }
        };
        let moment = *lease.frame_info();
        let result = self
            .open_part(&moment)
            .and_then(|part| part.add(lease, &Row { moment, encoded: MonotonicNs::now() }));
        match result {
            Ok(()) => {
                if self.trouble().is_some() {
                    tracing::info!("clip {}: camera {}: writing again", self.plan.clip_id, self.camera.name);
                }
                self.files = Files::Fine;
                self.written.push(moment);
                self.next += 1;
                self.hurry(reader.ring()).unwrap_or(Step::Encoded)
            }
            Err(e) => self.recover(&e),
        }
    }

    /// Goes on with a faster encoder, in a file of its own, before the ring overtakes this take: a clip of two files is better
    /// than one with frames missing.
    fn hurry(&mut self, ring: &Ring) -> Option<Step> {
        let behind = (ring.head() + 1).saturating_sub(self.next);
        let too_slow = self.lagging.is_too_slow(behind, ring.spec(), disk::waited());
        let (from, to) = self.ladder.faster().filter(|_| too_slow)?;
        tracing::warn!(
            "clip {}: camera {}: {} at preset {} is too slow just now ({behind} frames behind, of {} that the ring \
             holds); going on at {}, in another file",
            self.plan.clip_id,
            self.camera.name,
            from.encoder,
            from.preset.as_deref().unwrap_or_default(),
            ring.spec().size.slots(),
            to.preset.as_deref().unwrap_or_default()
        );
        if let Some(Err(e)) = self.part.as_mut().map(OpenPart::finish) {
            return Some(self.recover(&e));
        }
        self.part = None;
        self.next_part_is = PartReason::CodecChange;
        self.ladder.change_to(to.clone());
        Some(Step::Hurried { from, to })
    }

    /// Gives up the frames that the ring no longer holds, and goes on at `at_least`.
    fn skip_overrun(&mut self, reader: &RingReader, at_least: u64, cause: GapCause) {
        let to = reader.ring().oldest().map_or(at_least, |oldest| oldest.sequence.max(at_least));
        for sequence in self.next..to {
            self.given_up.push((sequence, cause));
        }
        self.next = to;
        self.lagging = Lagging::default();
    }

    /// Frames were overwritten before they could be recorded: because the disk kept us, or because we were slow?
    fn why_overrun(&self) -> GapCause {
        let stalled = disk::waited().saturating_sub(self.waited_by_then) >= disk::STALLED;
        if stalled || self.trouble().is_some() { GapCause::Disk } else { GapCause::RingOverrun }
    }

    /// The disk is as full as it may become. What was begun can still be ended in order.
    fn make_do_without_room(&mut self, source: std::io::Error) -> Step {
        if let Some(Err(e)) = self.part.as_mut().map(OpenPart::finish) {
            tracing::error!("clip {}: camera {}: {e}", self.plan.clip_id, self.camera.name);
        }
        self.recover(&PartError::Disk { path: self.folder.clone(), source })
    }

    fn recover(&mut self, error: &PartError) -> Step {
        let failed_at = self.next;
        if let Some(Abandoned { last, inside }) = self.part.take().map(OpenPart::abandon) {
            // The frame at which it failed may have come as far as into the file.
            if let Some(last) = last.filter(|last| last.sequence >= self.next) {
                self.written.push(last);
                self.next = last.sequence.saturating_add(1);
            }
            // What was in the encoder is in no file; the ring still has it.
            if let Some(first) = inside {
                self.written.truncate(self.written.partition_point(|moment| moment.sequence < first));
                self.given_up.retain(|(sequence, _)| *sequence < first);
                self.next = first;
            }
        }
        match error {
            PartError::Disk { source, .. } => {
                self.next_part_is = PartReason::Disk;
                self.pause(MonotonicNs::now(), advice::with_advice(&error.to_string(), source));
                Step::Paused
            }
            PartError::Encoder { .. } => {
                if let Some(to) = self.ladder.step_down() {
                    tracing::warn!(
                        "clip {}: {error}; going on with {} ({})",
                        self.plan.clip_id,
                        to.codec,
                        to.encoder
                    );
                    self.next_part_is = PartReason::CodecChange;
                    return Step::Moved;
                }
                tracing::error!("clip {}: {error}, and no other codec is left", self.plan.clip_id);
                // Unless the frame at which it failed is in the file.
                if self.next <= failed_at {
                    self.given_up.push((self.next, GapCause::Encoder));
                    self.next += 1;
                }
                Step::Moved
            }
        }
    }

    fn open_part(&mut self, moment: &FrameInfo) -> Result<&mut OpenPart, PartError> {
        let choice = self.ladder.current();
        let part = match self.part.take() {
            Some(part) => part,
            None => {
                // What went before says nothing of this one.
                self.lagging = Lagging::default();
                let workshop = self.folder.join(PARTIAL_DIR);
                disk::ask(|| storage::no_link_to(&self.folder))
                    .map_err(|e| PartError::Disk { path: workshop.clone(), source: e.into() })?;
                let first = self.first.unwrap_or(First { sequence: moment.sequence, previous: None });
                let header = PartHeader {
                    choice: choice.clone(),
                    base_ns: self.written.first().unwrap_or(moment).t_capture,
                    begun_because: self.next_part_is,
                    first_sequence: first.sequence,
                    previous: first.previous,
                };
                let setup = EncoderSetup {
                    choice,
                    geometry: self.camera.geometry,
                    fps: self.camera.fps,
                    quality: self.quality,
                };
                let number = part::next_number(&workshop, &self.camera.name)
                    .map_err(|source| PartError::Disk { path: workshop.clone(), source })?;
                OpenPart::begin(&workshop, &self.camera.name, number, &setup, header, self.warm.take())?
            }
        };
        Ok(self.part.insert(part))
    }

    /// Ends the take, and gathers what is known of every frame that it should hold.
    pub(crate) fn wrap(mut self) -> Footage {
        if !self.resumed
            && let Err(e) = self.resume()
        {
            // The finisher will read it again, and wait until it can.
            tracing::error!("clip {}: camera {}: {e}", self.plan.clip_id, self.camera.name);
        }
        let ring = self.reader.as_ref().map(|reader| Arc::clone(reader.ring()));
        let evidence = ring.as_deref().and_then(|ring| self.evidence(ring));
        // Looked at after it was asked: one that was written over meanwhile may have said anything.
        let is_sound = ring.is_some_and(|ring| ring.check().is_ok());
        let evidence = evidence.filter(|_| is_sound).unwrap_or_else(|| self.evidence_without_ring());
        Footage {
            folder: self.folder,
            plan: self.plan,
            camera: self.camera,
            evidence,
            ended_early: self.ended_early,
            _lock: self.lock,
        }
    }

    /// `None` when the ring doesn't know its own newest frame: it has been written over.
    fn evidence(&self, ring: &Ring) -> Option<Evidence> {
        let newest = ring.newest();
        if newest.is_none() && ring.head() > 0 {
            return None;
        }
        let head = newest.map_or(0, |m| m.sequence);
        let following = ring.first_at_or_after(MonotonicNs(self.window.end_ns.0.saturating_add(1)));
        let end = following.map_or(head + 1, |f| f.sequence);
        let start = self.first.map_or(end, |f| f.sequence);
        let mut written = self.written.iter().peekable();
        let mut given_up = self.given_up.iter().peekable();
        let mut wanted: Vec<Wanted> = Vec::new();
        for sequence in start..end {
            let here = written.next_if(|m| m.sequence == sequence);
            let why =
                given_up.next_if(|(s, _)| *s == sequence).map_or(GapCause::RingOverrun, |(_, why)| *why);
            let lost = if here.is_some() { None } else { Some(why) };
            let remembered = here.copied().or_else(|| ring.frame_info(sequence));
            if remembered.is_none() && wanted.is_empty() && self.first.is_none_or(|f| f.previous.is_none()) {
                // Nothing to guess from: it is counted by the time up to the first that is remembered.
                continue;
            }
            let moment = remembered.unwrap_or_else(|| self.guess(sequence, wanted.last()));
            wanted.push(Wanted { moment, lost });
        }
        let previous =
            self.first.and_then(|f| f.previous).or_else(|| ring.frame_info(end - 1).filter(|_| start == end));
        Some(Evidence {
            window: self.window,
            previous,
            wanted,
            following,
            period: self.camera.fps.period(),
            silence: if ring.has_ended() { None } else { Some(GapCause::CameraStall) },
        })
    }

    /// A frame that even the ledger has forgotten: one after the one before it.
    fn guess(&self, sequence: u64, before: Option<&Wanted>) -> FrameInfo {
        let before = before.map(|w| w.moment).or(self.first.and_then(|f| f.previous)).unwrap_or_default();
        FrameInfo {
            sequence,
            source_sequence: before.source_sequence.saturating_add(1),
            t_capture: before.t_capture + self.camera.fps.period(),
            ..before
        }
    }

    /// By what is on disk, and what was given up before the ring was lost.
    fn evidence_without_ring(&self) -> Evidence {
        let mut given_up = self.given_up.iter().peekable();
        let mut wanted: Vec<Wanted> = Vec::new();
        for moment in &self.written {
            while let Some((sequence, why)) = given_up.next_if(|(s, _)| *s < moment.sequence) {
                wanted.push(Wanted { moment: self.guess(*sequence, wanted.last()), lost: Some(*why) });
            }
            wanted.push(Wanted { moment: *moment, lost: None });
        }
        // What was given up behind the last frame on disk is part of what went with the ring.
        Evidence {
            window: self.window,
            previous: self.first.and_then(|f| f.previous),
            wanted,
            following: None,
            period: self.camera.fps.period(),
            silence: Some(GapCause::RingGone),
        }
    }
}
