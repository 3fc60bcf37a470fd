//! The stats document, which `preroll stats` prints. `docs/formats.md` explains it field by field. How the figures
//! are measured is the supervisor's business.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clip::VideoMode;
use crate::frame::{CaptureTime, Payload};
use crate::process::Pid;
use crate::status::{CameraStatus, HealthStatus, InstanceState, ProcessRole, ProcessState};

/// The version of [`Stats`].
pub const SCHEMA: u32 = 1;

/// Everything that is known of a running instance, in one document.
///
/// One struct of 15 fields, since it is one JSON object: its keys are public, and serde can't flatten parts into it on
/// the control socket's bincode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The state of the instance.
    pub state: InstanceState,
    /// The verdict on its health, with reasons.
    pub health: Health,
    /// The age of this supervisor process.
    pub uptime_s: f64,
    /// The path of the config in use, as typed.
    pub config: String,
    /// True as long as the config on disk says something else than the one in use, or can't be read.
    pub config_changed: bool,
    /// The name of this machine with its cameras.
    pub rig: String,
    /// The folder of this run's clips.
    pub run_folder: String,
    /// `run_folder` under its former name, for scripts that know no other.
    pub session_folder: String,
    /// Every camera, in the config's order.
    pub cameras: Vec<CameraStats>,
    /// The recorder.
    pub recorder: RecorderStats,
    /// The clips on the disk, and the room for more.
    #[serde(default)]
    pub disk: DiskStats,
    /// Every process.
    pub processes: Vec<ProcessStats>,
    /// All processes together.
    pub totals: Totals,
    /// The time that children's reports wait for the supervisor's loop.
    pub loop_delay_ms: DelayStats,
}

/// Delays of the last ten seconds, in milliseconds, each to an eighth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DelayStats {
    /// The events that were timed.
    pub events: u64,
    /// Half waited no longer than this.
    pub p50: f64,
    /// 99 of 100 waited no longer than this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// A verdict on an instance's health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict in one word.
    pub status: HealthStatus,
    /// A sentence for each thing that is not good.
    pub reasons: Vec<String>,
}

/// One camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CameraStats {
    /// The camera's name.
    pub name: String,
    /// The camera's state, its capture process included.
    pub state: CameraStatus,
    /// For a person: the trouble, if there is one.
    pub reason: Option<String>,
    /// Frames a second over the last second.
    pub fps: f64,
    /// The rate in the config.
    pub nominal_fps: f64,
    /// Frames published since the ring was made.
    pub captured_frames: u64,
    /// Frames that the camera made and the ring never got, for any cause.
    pub dropped_frames: u64,
    /// The dropped frames by cause.
    pub dropped: Dropped,
    /// Time between frames.
    pub interval_ms: IntervalStats,
    /// The capture times.
    pub time: TimeStats,
    /// Lives of the capture process.
    pub epoch: u64,
    /// The way that its frames come by; null where nobody counts.
    #[serde(default)]
    pub transport: Option<TransportStats>,
    /// The way in which its frames are made into videos. A single clip may have to be made in another, and says why.
    pub video: VideoMode,
    /// The ring.
    pub ring: RingStats,
}

/// The way that frames come from a GigE Vision or USB3 Vision camera, since its capture began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportStats {
    /// The size of a packet; 0 without packets.
    pub packet_bytes: u64,
    /// The pause between two packets.
    pub packet_delay_ns: u64,
    /// Packets that were asked for again.
    pub resend_requests: u64,
    /// Packets that came again.
    pub resent_packets: u64,
    /// Packets that never came.
    pub missing_packets: u64,
    /// Frames that were given up, since some of their packets never came.
    pub failed_frames: u64,
    /// Packets for which there was no buffer: the capture was late.
    pub underruns: u64,
}

impl TransportStats {
    /// These figures with those of the streams before.
    #[must_use]
    pub fn behind(self, past: Self) -> Self {
        Self {
            packet_bytes: self.packet_bytes,
            packet_delay_ns: self.packet_delay_ns,
            resend_requests: self.resend_requests.saturating_add(past.resend_requests),
            resent_packets: self.resent_packets.saturating_add(past.resent_packets),
            missing_packets: self.missing_packets.saturating_add(past.missing_packets),
            failed_frames: self.failed_frames.saturating_add(past.failed_frames),
            underruns: self.underruns.saturating_add(past.underruns),
        }
    }
}

/// Lost frames by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// Holes in the camera's own numbers: lost by the camera or its driver, or made while no capture ran.
    pub by_camera: u64,
    /// Every slot was leased.
    pub ring_full: u64,
    /// Frames larger than the ring takes.
    pub too_large: u64,
}

/// The clock of a camera's capture times, and how they lie to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeStats {
    /// The event that they are times of, just now; null before the first frame.
    pub source: Option<CaptureTime>,
    /// An estimate of how far they lie from a constant offset to that event; null where nobody can tell.
    pub error_ms: Option<f64>,
    /// How often the camera's clock was tied to this machine's, since the ring was made.
    pub anchors: u64,
    /// From the time that a frame brings to the frame's arrival, as of the last frames; null before the first.
    pub delay_ms: Option<f64>,
    /// The config's `latency_ms`, which is subtracted.
    pub latency_ms: f64,
}

/// Time between publications, since the ring was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IntervalStats {
    /// Half were no longer than this (to a sixteenth of a frame period).
    pub p50: f64,
    /// 99 of 100 were no longer than this (to a sixteenth of a frame period).
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// A ring's place, size and fill.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RingStats {
    /// The file in shared memory that the ring is.
    #[serde(default)]
    pub path: PathBuf,
    /// The kind of its frames' bytes.
    pub payload: Payload,
    /// All slots.
    pub slots: usize,
    /// Slots for the pre-roll.
    pub pre_roll_slots: usize,
    /// Slots for a late or absent encoder.
    pub reserve_slots: usize,
    /// Slots for frames that readers hold.
    pub lease_slots: usize,
    /// Slots that hold a frame.
    pub filled_slots: usize,
    /// The whole segment.
    pub bytes: u64,
    /// The age of the oldest frame in the ring.
    pub reach_ms: f64,
    /// The reserve in time.
    pub reserve_ms: f64,
    /// The number of times that the ring was found broken and made anew, since this supervisor began.
    pub rebuilt: u64,
}

/// The recorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecorderStats {
    /// The link of the codec chain in use; empty until it is known.
    pub codec: String,
    /// The encoder in use.
    pub encoder: String,
    /// The encoder's preset, where it has one.
    pub preset: Option<String>,
    /// Clips of this run that are finished with nothing missing.
    pub clips_completed: u64,
    /// Clips of this run that are finished with something missing.
    pub clips_incomplete: u64,
    /// Clips of this run that are not finished.
    pub clips_open: u64,
    /// Frames between the newest captured and the newest encoded.
    pub lag_frames: u64,
    /// Frames encoded by the present process.
    pub frames_encoded: u64,
    /// From the end of the last clip's window to its manifest.
    pub last_finish_ms: Option<u64>,
    /// Frames that were moved out of the rings, since the encoder hadn't reached them in time.
    pub backlog: BacklogStats,
    /// Orders that were given to it again, since it didn't show that it had heard them, and links to it that were made
    /// anew, since this supervisor began. Above 0, the machine runs short of memory, or something disturbs its sockets.
    pub orders_resent: u64,
    /// For a person: the obstacle to recording, if there is one.
    pub trouble: Option<String>,
}

/// The backlogs of all cameras together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BacklogStats {
    /// Frames that wait in it.
    pub frames: u64,
    /// The memory that it takes.
    pub bytes: u64,
    /// The most memory that it may take; 0 when there is to be none.
    pub bound_bytes: u64,
    /// Frames moved into it since the present recorder process began.
    pub moved_frames: u64,
}

/// The clips on the disk, and the room for more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiskStats {
    /// The room on the disk that an ordinary user has; null while it doesn't say.
    pub free_bytes: Option<u64>,
    /// Finished clips of this rig in the output folder.
    pub clips: u64,
    /// Those of them that are kept.
    pub kept_clips: u64,
    /// The bytes of all files in their folders.
    pub clips_bytes: u64,
    /// The bytes an hour of the clips of the last day; null while there are too few to tell.
    pub bytes_per_h: Option<f64>,
    /// The hours, at that rate, until the disk counts as full or the first clip has to go by `recording.keep`; null while that
    /// isn't known.
    pub hours_left: Option<f64>,
    /// Clips that `recording.keep` has removed since this supervisor began.
    pub removed_clips: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// For a person: the limit of `recording.keep` that can't be kept just now.
    pub trouble: Option<String>,
}

/// One process.
///
/// One struct of 13 fields, since it is one row of a table: each key is a public name in JSON, and serde can't flatten
/// parts into it on the control socket's bincode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessStats {
    /// The process's work.
    pub role: ProcessRole,
    /// A capture's camera.
    pub camera: Option<String>,
    /// The process id; null while there is no process.
    pub pid: Option<Pid>,
    /// The process's state.
    pub state: ProcessState,
    /// The number of restarts since this supervisor began.
    pub restarts: u64,
    /// The end of the last process, for a person.
    pub last_exit: Option<String>,
    /// The age of the process, as far as this supervisor knows it.
    pub uptime_s: f64,
    /// Of one core, over the last second.
    pub cpu_percent: f64,
    /// Resident memory, shared pages in full.
    pub rss_bytes: u64,
    /// Resident memory, each shared page divided among those that share it.
    pub pss_bytes: u64,
    /// Bytes handed to disks since it started.
    pub written_bytes: u64,
    /// Open descriptors.
    pub fds: u64,
    /// Threads.
    pub threads: u64,
}

/// All processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Of one core: 200 is two cores in full.
    pub cpu_percent: f64,
    /// The sum of the processes' PSS: a shared page counts once.
    pub memory_bytes: u64,
    /// Bytes handed to disks, a second.
    pub written_bytes_per_s: f64,
}
