//! The reasons that follow from how a camera, the recorder and its standby are: at work, on their way, or failing. Pure.

use std::time::{Duration, Instant};

use proto::status::CameraStatus;

use super::absence::{Absence, Missed, Presence};
use super::{Grade, Reason};

/// Trying the encoders takes one to three seconds; a driver that hangs is given up after 60 s.
const PROBE_IS_LONG: Duration = Duration::from_secs(20);

/// The reason of an absence without an error.
const NOT_UP: &str = "it has not come up within 5 s";

/// A camera as the watch over its absence takes it.
pub(crate) fn presence(status: CameraStatus, why: Option<&str>, last_exit: Option<&str>) -> Presence {
    match status {
        CameraStatus::Live | CameraStatus::Frozen | CameraStatus::Ended => Presence::There,
        CameraStatus::Failed | CameraStatus::Silent => Presence::Failed(why.unwrap_or_default().to_owned()),
        CameraStatus::Starting | CameraStatus::Restarting => Presence::ComingUp(last_exit.map(str::to_owned)),
    }
}

/// The reason that a camera is. `why`: what is wrong with it just now. `keeps_ending`: its processes end one after the other.
pub(crate) fn camera(
    name: &str,
    (status, why): (CameraStatus, Option<&str>),
    absence: &Absence,
    keeps_ending: bool,
    now: Instant,
) -> Option<Reason> {
    let grade = match (status, absence.missed(now)) {
        (CameraStatus::Live | CameraStatus::Ended, _) => return None,
        (CameraStatus::Failed | CameraStatus::Silent | CameraStatus::Frozen, _) | (_, Missed::Long) => {
            Grade::Attention
        }
        _ if keeps_ending => Grade::Attention,
        (_, Missed::Briefly) => Grade::Fair,
        (_, Missed::No) => return None,
    };
    let why = match (status, absence.last_error()) {
        // While it is tried again, what has kept it away says more than that.
        (CameraStatus::Starting | CameraStatus::Restarting, Some(error)) => error.to_owned(),
        _ => why.map_or_else(|| NOT_UP.to_owned(), str::to_owned),
    };
    Some(Reason::new(grade, format!("capture {name}: {status}: {why}")))
}

/// The recorder or its standby.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) missed: Missed,
    pub(crate) keeps_ending: bool,
    /// The end of its last process.
    pub(crate) last_exit: Option<String>,
    /// Is it known which encoders work?
    pub(crate) probed: bool,
    /// The age of this supervisor.
    pub(crate) up_for: Duration,
}

impl Recorder {
    fn why(&self) -> &str {
        self.last_exit.as_deref().unwrap_or(NOT_UP)
    }
}

/// The reason that the recorder is.
pub(crate) fn recorder(recorder: &Recorder) -> Option<Reason> {
    let why = recorder.why();
    match recorder.missed {
        _ if recorder.keeps_ending => Some(Reason::attention(format!("recorder: keeps ending: {why}"))),
        Missed::Long => Some(Reason::attention(format!(
            "recorder: is away: {why}; triggers are kept on disk for the next one"
        ))),
        Missed::Briefly => Some(Reason::new(Grade::Fair, format!("recorder: is being replaced: {why}"))),
        Missed::No if !recorder.probed && recorder.up_for >= PROBE_IS_LONG => Some(Reason::new(
            Grade::Fair,
            "recorder: still tries which encoders work; triggers are kept on disk until then".to_owned(),
        )),
        Missed::No => None,
    }
}

/// The reason that the standby is. Nothing is lost while it is away, unless the recorder ends too.
pub(crate) fn standby(standby: &Recorder) -> Option<Reason> {
    let is_missed = standby.keeps_ending || standby.missed == Missed::Long;
    is_missed.then(|| {
        let why = standby.why();
        Reason::new(
            Grade::Fair,
            format!(
                "standby recorder: is away: {why}; a recorder that ends is replaced more slowly without it"
            ),
        )
    })
}
