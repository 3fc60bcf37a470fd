//! A take: one camera's part of one clip, from the first frame of its window to the last. It owns no thread; its
//! camera's worker moves it on, a frame at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::clip::{CodecVerdict, EncoderChoice, GapCause, Plan, PlannedCamera, WORKSHOP, Window};
use proto::frame::Moment;
use proto::ring::{Miss, Ring, RingReader};
use proto::storage;
use proto::time::MonotonicNs;

use crate::account::{Evidence, Wanted};
use crate::disk;
use crate::encode::EncoderSetup;
use crate::hold::Hold;
use crate::journal::{PartHeader, PartReason, Row};
use crate::part::{self, OpenPart, PartError};

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
    hold: Arc<Hold>,
    window: Window,
    ended_early: bool,
    /// `None`: the frames' ring is gone, and what is on disk is all there will be.
    reader: Option<RingReader>,
    chain: Vec<EncoderChoice>,
    quality: u8,
    /// Position in the chain.
    codec: usize,
    part: Option<OpenPart>,
    next_part_is: PartReason,
    /// The window's first frame and the one before it, once known.
    first: Option<First>,
    /// The sequence to go on with.
    next: u64,
    written: Vec<Moment>,
    /// Frames that were given up, and why.
    given_up: Vec<(u64, GapCause)>,
    disk: Disk,
    /// How long this thread had waited for the disk when the take last was level with the camera.
    waited_by_then: Duration,
}

#[derive(Clone, Copy)]
struct First {
    sequence: u64,
    previous: Option<Moment>,
}

/// Can the files be written?
enum Disk {
    Fine,
    /// Not now; to be tried again.
    Troubled {
        again: MonotonicNs,
        why: String,
    },
}

/// The chain to go down, and where on it to begin: where the part before was, so that the two can be joined.
fn chain(verdict: &CodecVerdict, before: Option<&EncoderChoice>) -> (Vec<EncoderChoice>, usize) {
    let mut chain = verdict.chain.clone();
    let Some(before) = before else { return (chain, 0) };
    match chain.iter().position(|choice| choice == before) {
        Some(at) => (chain, at),
        // Recorders kept crashing in it.
        None if verdict.given_up.contains(before) => (chain, 0),
        // Begun before the probe had spoken: what has worked so far is as good as anything.
        None => {
            chain.insert(0, before.clone());
            (chain, 0)
        }
    }
}

/// What came of moving a take on.
pub(crate) enum Step {
    /// A frame was encoded.
    Encoded,
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
    pub(crate) _hold: Arc<Hold>,
}

/// What a take is begun with.
pub(crate) struct Studio<'a> {
    pub(crate) ring: Option<&'a Arc<Ring>>,
    pub(crate) reader: Option<&'a RingReader>,
    pub(crate) verdict: &'a CodecVerdict,
    pub(crate) quality: u8,
}

impl Take {
    /// Begins, or goes on where another recorder left off.
    pub(crate) fn begin(
        folder: &Path,
        plan: Arc<Plan>,
        camera: PlannedCamera,
        hold: Arc<Hold>,
        studio: &Studio<'_>,
    ) -> Self {
        let same_ring = studio.ring.is_some_and(|r| r.id() == camera.ring_id)
            && plan.boot_id == proto::instance::boot_id();
        let parts =
            part::read_all(&folder.join(WORKSHOP), &camera.name, &camera.geometry).unwrap_or_default();
        let written: Vec<Moment> = parts.iter().flat_map(|p| p.rows.iter().map(|r| r.moment)).collect();
        let first =
            parts.first().map(|p| First { sequence: p.header.first_sequence, previous: p.header.previous });
        let (chain, codec) = chain(studio.verdict, parts.last().map(|p| &p.header.choice));
        if let Some(last) = written.last() {
            tracing::info!(
                "clip {}: camera {}: going on after frame {} ({} frames are on disk)",
                plan.clip_id,
                camera.name,
                last.sequence,
                written.len()
            );
        }
        Self {
            folder: folder.to_owned(),
            window: plan.window,
            plan,
            camera,
            hold,
            ended_early: false,
            reader: studio.reader.filter(|_| same_ring).cloned(),
            chain,
            quality: studio.quality,
            codec,
            part: None,
            next_part_is: if parts.is_empty() { PartReason::First } else { PartReason::RecorderRestart },
            first,
            next: written.last().map_or(0, |last| last.sequence + 1),
            written,
            given_up: Vec::new(),
            disk: Disk::Fine,
            waited_by_then: disk::waited(),
        }
    }

    /// The sequence that it will go on with: the lower, the more at risk.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// What stands in its way, for a person.
    pub(crate) fn trouble(&self) -> Option<&str> {
        match &self.disk {
            Disk::Fine => None,
            Disk::Troubled { why, .. } => Some(why),
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
    pub(crate) fn step(&mut self, now: MonotonicNs, disk: &disk::Disk) -> Step {
        let Some(reader) = self.reader.clone() else { return Step::Over };
        let ring = reader.ring();
        if self.first.is_none() {
            let Some(first) = ring.first_at_or_after(self.window.start_ns) else {
                return self.wait_or_end(ring, now);
            };
            let previous = ring.moment(first.sequence - 1);
            self.first = Some(First { sequence: first.sequence, previous });
        }
        if let Some(first) = self.first {
            self.next = self.next.max(first.sequence);
        }
        match ring.moment(self.next) {
            Some(moment) if moment.t_capture > self.window.end_ns => Step::Over,
            None if self.next > ring.head() => {
                self.waited_by_then = disk::waited();
                self.wait_or_end(ring, now)
            }
            _ => self.record(&reader, now, disk),
        }
    }

    fn wait_or_end(&self, ring: &Ring, now: MonotonicNs) -> Step {
        let grace = SILENCE_GRACE + self.camera.fps.period() * 10;
        let patience = match (ring.has_ended(), self.ended_early) {
            (true, _) => Duration::ZERO,
            // A frame of the last moment may still be on its way; but an end must not take long.
            (false, true) => grace.min(SILENCE_GRACE),
            (false, false) => grace,
        };
        if now > self.window.end_ns + patience { Step::Over } else { Step::Waiting }
    }

    fn record(&mut self, reader: &RingReader, now: MonotonicNs, disk: &disk::Disk) -> Step {
        if let Disk::Troubled { again, .. } = self.disk
            && now < again
        {
            self.skip_overrun(reader, self.next, GapCause::Disk);
            return Step::Paused;
        }
        if let Err(source) = disk.low() {
            return self.make_do_without_room(source);
        }
        let lease = match reader.lease(self.next) {
            Ok(lease) => lease,
            // Another take of this camera has the frame in its encoder; it will come back.
            Err(Miss::NotYet | Miss::AlreadyLeased) => return Step::Waiting,
            Err(Miss::Overrun) => {
                self.skip_overrun(reader, self.next + 1, self.why_overrun());
                return Step::Encoded;
            }
        };
        let moment = *lease.moment();
        let result = self
            .open_part(&moment)
            .and_then(|part| part.add(lease, &Row { moment, encoded: MonotonicNs::now() }));
        match result {
            Ok(()) => {
                if self.trouble().is_some() {
                    tracing::info!("clip {}: camera {}: writing again", self.plan.clip_id, self.camera.name);
                }
                self.disk = Disk::Fine;
                self.written.push(moment);
                self.next += 1;
                Step::Encoded
            }
            Err(e) => self.recover(&e),
        }
    }

    /// Gives up the frames that the ring no longer holds, and goes on at `at_least`.
    fn skip_overrun(&mut self, reader: &RingReader, at_least: u64, cause: GapCause) {
        let to = reader.ring().oldest().map_or(at_least, |oldest| oldest.sequence.max(at_least));
        for sequence in self.next..to {
            self.given_up.push((sequence, cause));
        }
        self.next = to;
    }

    /// Frames were overwritten before they could be recorded: because the disk kept us, or because we were slow?
    fn why_overrun(&self) -> GapCause {
        let stalled = disk::waited().saturating_sub(self.waited_by_then) >= disk::STALLED;
        if stalled || self.trouble().is_some() { GapCause::Disk } else { GapCause::RingOverrun }
    }

    /// The disk is as full as it may become. What was begun can still be ended in order.
    fn make_do_without_room(&mut self, source: std::io::Error) -> Step {
        if let Some(part) = self.part.take()
            && let Err(e) = part.finish()
        {
            tracing::error!("clip {}: camera {}: {e}", self.plan.clip_id, self.camera.name);
        }
        self.recover(&PartError::Disk { path: self.folder.clone(), source })
    }

    fn recover(&mut self, error: &PartError) -> Step {
        let part = self.part.take();
        match error {
            PartError::Disk { source, .. } => {
                // What was in the encoder is in no file; the ring still has it.
                let unwritten = part.map_or(0, OpenPart::abandon);
                let back = self.written.split_off(self.written.len().saturating_sub(unwritten));
                if let Some(first) = back.first() {
                    self.next = first.sequence;
                    self.given_up.retain(|(sequence, _)| *sequence < first.sequence);
                }
                if self.trouble().is_none() {
                    tracing::error!("clip {}: {error}; trying again until it works", self.plan.clip_id);
                }
                self.next_part_is = PartReason::Disk;
                let why = disk::with_advice(&error.to_string(), source);
                self.disk = Disk::Troubled { again: MonotonicNs::now() + DISK_PAUSE, why };
                Step::Paused
            }
            PartError::Encoder { .. } if self.codec + 1 < self.chain.len() => {
                self.codec += 1;
                let to = &self.chain[self.codec];
                tracing::warn!(
                    "clip {}: {error}; going on with {} ({})",
                    self.plan.clip_id,
                    to.codec,
                    to.encoder
                );
                self.next_part_is = PartReason::CodecChange;
                Step::Encoded
            }
            PartError::Encoder { .. } => {
                tracing::error!("clip {}: {error}, and no other codec is left", self.plan.clip_id);
                self.given_up.push((self.next, GapCause::Encoder));
                self.next += 1;
                Step::Encoded
            }
        }
    }

    fn open_part(&mut self, moment: &Moment) -> Result<&mut OpenPart, PartError> {
        let choice = self.chain.get(self.codec).cloned().unwrap_or_else(crate::encode::last_resort);
        let part = match self.part.take() {
            Some(part) => part,
            None => {
                let workshop = self.folder.join(WORKSHOP);
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
                let number = part::next_number(&workshop, &self.camera.name);
                OpenPart::begin(&workshop, &self.camera.name, number, &setup, header)?
            }
        };
        Ok(self.part.insert(part))
    }

    /// Ends the take, and gathers what is known of every frame that it should hold.
    pub(crate) fn wrap(mut self) -> Footage {
        if let Some(part) = self.part.take()
            && let Err(e) = part.finish()
        {
            tracing::error!("clip {}: camera {}: {e}", self.plan.clip_id, self.camera.name);
        }
        let evidence = match &self.reader {
            Some(reader) => self.evidence(reader.ring()),
            None => self.evidence_without_ring(),
        };
        Footage {
            folder: self.folder,
            plan: self.plan,
            camera: self.camera,
            evidence,
            ended_early: self.ended_early,
            _hold: self.hold,
        }
    }

    fn evidence(&self, ring: &Ring) -> Evidence {
        let following = ring.first_at_or_after(MonotonicNs(self.window.end_ns.0 + 1));
        let end = following.map_or(ring.head() + 1, |f| f.sequence);
        let start = self.first.map_or(end, |f| f.sequence);
        let mut written = self.written.iter().peekable();
        let mut given_up = self.given_up.iter().peekable();
        let mut wanted: Vec<Wanted> = Vec::new();
        for sequence in start..end {
            let here = written.next_if(|m| m.sequence == sequence);
            let why =
                given_up.next_if(|(s, _)| *s == sequence).map_or(GapCause::RingOverrun, |(_, why)| *why);
            let lost = if here.is_some() { None } else { Some(why) };
            let remembered = here.copied().or_else(|| ring.moment(sequence));
            let moment = remembered.unwrap_or_else(|| self.guess(sequence, wanted.last()));
            wanted.push(Wanted { moment, lost });
        }
        let previous =
            self.first.and_then(|f| f.previous).or_else(|| ring.moment(end - 1).filter(|_| start == end));
        Evidence {
            window: self.window,
            previous,
            wanted,
            following,
            period: self.camera.fps.period(),
            silence: if ring.has_ended() { None } else { Some(GapCause::CameraStall) },
        }
    }

    /// A frame that even the ledger has forgotten: one after the one before it.
    fn guess(&self, sequence: u64, before: Option<&Wanted>) -> Moment {
        let before = before.map(|w| w.moment).or(self.first.and_then(|f| f.previous)).unwrap_or_default();
        Moment {
            sequence,
            source_sequence: before.source_sequence + 1,
            t_capture: before.t_capture + self.camera.fps.period(),
            ..before
        }
    }

    fn evidence_without_ring(&self) -> Evidence {
        Evidence {
            window: self.window,
            previous: self.first.and_then(|f| f.previous),
            wanted: self.written.iter().map(|m| Wanted { moment: *m, lost: None }).collect(),
            following: None,
            period: self.camera.fps.period(),
            silence: Some(GapCause::RingGone),
        }
    }
}
