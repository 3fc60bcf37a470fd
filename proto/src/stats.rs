//! The stats document: what `supervisor stats` prints. `docs/formats.md` explains it field by field.

use serde::{Deserialize, Serialize};

use crate::process::Pid;
use crate::status::{CameraStatus, HealthStatus, InstanceState, ProcessRole, ProcessState};

/// The version of [`Stats`].
pub const SCHEMA: u32 = 1;

/// All there is to know of a running Preroll, in one document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// [`SCHEMA`].
    pub schema: u32,
    /// How the whole instance stands.
    pub state: InstanceState,
    /// The verdict, with reasons.
    pub health: Health,
    /// How long this supervisor has been running.
    pub uptime_s: f64,
    /// The config in use.
    pub config: String,
    /// The name of this machine with its cameras.
    pub rig: String,
    /// Where clips of this run go.
    pub run_folder: String,
    /// The same, under the name it had before: for scripts that know no other.
    pub session_folder: String,
    /// One a camera, in the config's order.
    pub cameras: Vec<CameraStats>,
    /// The recorder.
    pub recorder: RecorderStats,
    /// Every process.
    pub processes: Vec<ProcessStats>,
    /// All of it together.
    pub totals: Totals,
    /// How long the children's reports wait for the supervisor's loop.
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

/// Is it well?
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict in one word.
    pub status: HealthStatus,
    /// Why it is not good; empty when it is.
    pub reasons: Vec<String>,
}

/// One camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CameraStats {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: CameraStatus,
    /// What is wrong, if something is.
    pub reason: Option<String>,
    /// Frames a second over the last second.
    pub fps: f64,
    /// The rate in the config.
    pub nominal_fps: f64,
    /// Frames published since the ring was made.
    pub captured_frames: u64,
    /// Frames that the camera made and the ring never got, for any cause.
    pub dropped_frames: u64,
    /// The same by cause.
    pub dropped: Dropped,
    /// Time between frames.
    pub interval_ms: IntervalStats,
    /// Lives of the capture process.
    pub epoch: u64,
    /// The ring.
    pub ring: RingStats,
}

/// Lost frames by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// Holes in the camera's own numbers: lost by the camera or its driver, or made while no capture ran.
    pub by_camera: u64,
    /// Every slot was leased.
    pub ring_full: u64,
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

/// A ring's size and fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RingStats {
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
    /// How far back the ring reaches now.
    pub reach_ms: f64,
    /// What the reserve is worth in time.
    pub reserve_ms: f64,
    /// How often it was found broken and made anew, since this supervisor began.
    pub rebuilt: u64,
}

/// The recorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecorderStats {
    /// The link of the codec chain in use; empty until it is known.
    pub codec: String,
    /// The encoder in use.
    pub encoder: String,
    /// Its preset.
    pub preset: Option<String>,
    /// Clip sets finished with nothing missing, in this session.
    pub clips_completed: u64,
    /// Clip sets finished with something missing, in this session.
    pub clips_incomplete: u64,
    /// Clip sets not finished yet.
    pub clips_open: u64,
    /// Frames between the newest captured and the newest encoded.
    pub lag_frames: u64,
    /// Frames encoded by the present process.
    pub frames_encoded: u64,
    /// From the end of the last clip's window to its manifest.
    pub last_finish_ms: Option<u64>,
    /// What stands in its way, if something does.
    pub trouble: Option<String>,
}

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessStats {
    /// What it does.
    pub role: ProcessRole,
    /// A capture's camera.
    pub camera: Option<String>,
    /// Its process id; null while there is none.
    pub pid: Option<Pid>,
    /// How it stands.
    pub state: ProcessState,
    /// How often it was restarted.
    pub restarts: u64,
    /// How its last life ended.
    pub last_exit: Option<String>,
    /// How long it has been running.
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
