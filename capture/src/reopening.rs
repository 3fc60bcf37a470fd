//! [`Reopening`]: a live camera that is opened again whenever it is lost, by the same process and in the same epoch of its
//! ring. It knows when to try again, what the next frame says of the gap, and which numbers its frames have; it knows no
//! backend. Opening may block (a name is looked up, a host doesn't answer), so it has a thread of its own.

mod numbers;
mod opener;

use std::time::Duration;

use proto::frame::{Decoding, FrameFlags, LossBefore, PictureTags, TimeOfSource};
use proto::offer::Offer;
use proto::stats::TransportStats;
use proto::time::MonotonicNs;

use crate::source::{Arrival, Away, CameraSetup, PATIENCE, Source, SourceError};
pub(crate) use numbers::Numbers;
use opener::OpenOnThread;
pub use opener::{Live, OpenLive};
pub(crate) use opener::{Opener, Time};

/// From the beginning of one try to the next. Half of the second within which a camera that is back has to be live.
const RETRY: Duration = Duration::from_millis(500);
/// The same after the camera has refused a password: many cameras lock a user out who tries often.
const RETRY_REFUSED: Duration = Duration::from_secs(5);
/// A camera that takes longer than this to open is said to be away until it answers.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// The time that an open camera has for its first frame before it is silent rather than away.
const DELIVERS_WITHIN: Duration = Duration::from_secs(2);

/// A live camera that comes back.
pub struct Reopening {
    opener: Box<dyn Opener>,
    clock: Box<dyn Time>,
    state: State,
    numbers: Numbers,
    /// The beginning of the last try.
    tried: Option<MonotonicNs>,
    /// Why the camera is away, until it delivers or is silent.
    away: Option<Away>,
    /// The cause of the loss that the next frame declares.
    before: LossBefore,
    /// The camera's last word on its rate.
    variable_rate: bool,
    /// The last word on its times, and the anchors of all the times that it was open before.
    time: (TimeOfSource, u64),
    /// The last word on the way that its frames come by.
    transport: Option<TransportStats>,
    /// Config and ring that were made for what the camera offered. `None` as long as those that it is opened with count.
    fitted: Option<CameraSetup>,
}

enum State {
    /// The next try is at this moment.
    Waiting(MonotonicNs),
    /// A thread opens the camera, since this moment.
    Opening(MonotonicNs),
    /// The camera is open, since this moment.
    Open(Live, MonotonicNs),
}

impl Reopening {
    /// The camera that `open` opens, now and whenever it is lost. The first time too it is opened by the first
    /// [`Source::wait`], so that a camera that is away at the start is shown, and waited for, like any other.
    #[must_use]
    pub fn of(setup: &CameraSetup, open: OpenLive) -> Box<dyn Source> {
        let mut numbers = Numbers::new(setup.camera.fps);
        if let Some(newest) = setup.newest() {
            numbers.go_on_after(newest.source_sequence, newest.t_capture);
        }
        let opener = Box::new(OpenOnThread::new(open));
        let mut this = Self::with(opener, Box::new(opener::Clock), numbers);
        this.variable_rate = setup.ring.has_variable_rate();
        Box::new(this)
    }

    /// The camera that `opener` opens, by this time.
    pub(crate) fn with(opener: Box<dyn Opener>, clock: Box<dyn Time>, numbers: Numbers) -> Self {
        let state = State::Waiting(clock.now());
        Self {
            opener,
            clock,
            state,
            numbers,
            tried: None,
            away: None,
            before: LossBefore::Nothing,
            variable_rate: false,
            time: (TimeOfSource::ARRIVAL, 0),
            transport: None,
            fitted: None,
        }
    }

    /// Goes on towards an open camera, for [`PATIENCE`] at most.
    fn get_open(&mut self) -> Result<(), SourceError> {
        if let State::Waiting(until) = self.state {
            let left = until.since(self.clock.now());
            self.clock.sleep(left.min(PATIENCE));
            if left > PATIENCE {
                return Ok(());
            }
            let now = self.clock.now();
            self.tried = Some(now);
            self.opener.begin();
            self.state = State::Opening(now);
            return Ok(());
        }
        let State::Opening(since) = self.state else { return Ok(()) };
        match self.opener.opened(PATIENCE) {
            None => {
                if self.away.is_none() && self.clock.now().since(since) >= ANSWERS_WITHIN {
                    let reason = "it is being opened, and has not answered yet".into();
                    self.away = Some(Away { reason, cause: LossBefore::CameraStall });
                }
            }
            Some(Ok(mut camera)) => {
                if let Some(setup) = &self.fitted {
                    camera.fit(setup);
                }
                self.numbers.begin();
                self.state = State::Open(camera, self.clock.now());
            }
            Some(Err(error)) => self.lose(error)?,
        }
        Ok(())
    }

    /// Closes a camera that is lost, and sets the moment of the next try. Any other error is handed on.
    fn lose(&mut self, error: SourceError) -> Result<(), SourceError> {
        let SourceError::Lost { cause, refused, .. } = &error else { return Err(error) };
        if self.before == LossBefore::Nothing {
            self.before = *cause;
        }
        let pause = if *refused { RETRY_REFUSED } else { RETRY };
        let now = self.clock.now();
        self.time = (self.time(), self.time().anchors);
        // The old camera is closed by this assignment, before the next try: a device can't be opened twice.
        self.state = State::Waiting(self.tried.map_or(now, |tried| (tried + pause).max(now)));
        self.away = Some(Away { reason: error.to_string(), cause: self.before });
        Ok(())
    }

    /// The camera's arrival as the ring is to have it.
    fn pass_on(&mut self, arrival: Arrival, opened: MonotonicNs) -> Arrival {
        match arrival {
            Arrival::Frame { source_sequence, t_capture, before, flags, bytes } => {
                self.away = None;
                // A clock of the camera's own is tied to this machine's each time that the camera is opened.
                let has_new_anchor = self.numbers.begins_again() && self.time().anchors > 0;
                let flags = flags.with(FrameFlags::NEW_ANCHOR.when(has_new_anchor));
                let source_sequence = self.numbers.number(source_sequence, t_capture, self.variable_rate);
                let before = match std::mem::take(&mut self.before) {
                    LossBefore::Nothing => before,
                    lost => lost,
                };
                Arrival::Frame { source_sequence, t_capture, before, flags, bytes }
            }
            Arrival::Silence if self.clock.now().since(opened) >= DELIVERS_WITHIN => {
                self.away = None;
                arrival
            }
            other => other,
        }
    }
}

impl Source for Reopening {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        let State::Open(camera, opened) = &mut self.state else {
            self.get_open()?;
            return Ok(Arrival::Silence);
        };
        let (arrival, opened) = (camera.wait(), *opened);
        self.variable_rate = camera.has_variable_rate();
        self.transport = camera.transport();
        match arrival {
            Ok(arrival) => Ok(self.pass_on(arrival, opened)),
            Err(error) => self.lose(error).map(|()| Arrival::Silence),
        }
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        let State::Open(camera, _) = &mut self.state else { return Ok(0) };
        camera.write(frame).or_else(|error| self.lose(error).map(|()| 0))
    }

    fn frozen(&mut self) -> Result<(), SourceError> {
        let State::Open(camera, _) = &mut self.state else { return Ok(()) };
        camera.frozen().or_else(|error| self.lose(error))
    }

    fn has_variable_rate(&self) -> bool {
        self.variable_rate
    }

    fn picture_tags(&self) -> PictureTags {
        match &self.state {
            State::Open(camera, _) => camera.picture_tags(),
            State::Waiting(_) | State::Opening(_) => PictureTags::default(),
        }
    }

    fn time(&self) -> TimeOfSource {
        let (last, before) = self.time;
        let State::Open(camera, _) = &self.state else { return last };
        let now = camera.time();
        TimeOfSource { anchors: now.anchors + before, ..now }
    }

    fn decoding(&self) -> Decoding {
        match &self.state {
            State::Open(camera, _) => camera.decoding(),
            State::Waiting(_) | State::Opening(_) => Decoding::default(),
        }
    }

    fn away(&self) -> Option<&Away> {
        self.away.as_ref()
    }

    fn transport(&self) -> Option<TransportStats> {
        self.transport
    }

    fn offer(&self) -> Option<Offer> {
        let State::Open(camera, _) = &self.state else { return None };
        camera.offer()
    }

    fn fit(&mut self, setup: &CameraSetup) {
        self.numbers.go_at(setup.camera.fps);
        if let State::Open(camera, _) = &mut self.state {
            camera.fit(setup);
        }
        self.fitted = Some(setup.clone());
    }
}

#[cfg(test)]
mod tests;
