//! The order in which Preroll's processes get the processor: their niceness, in one place because only the relation
//! between them matters.
//!
//! Captures and the supervisor run ahead of everything else: a frame that is missed is gone, and a supervisor that gets
//! no turn takes well processes for hung ones. Encoding comes after capturing, since the ring bridges what it is late,
//! and before all other programs.

/// The niceness of a capture.
pub const CAPTURE: i32 = -10;
/// The niceness of the supervisor.
pub const SUPERVISOR: i32 = -10;
/// The niceness of a recorder.
pub const RECORDER: i32 = -5;
/// The niceness of a recorder's mover, which copies frames before they are overwritten: like a capture, it loses frames when
/// it comes too late.
pub const MOVER: i32 = -10;
/// The niceness of the supervisor's threads that gather statistics and answer with them, which is that of other
/// programs: the loop that judges the children must not wait for its turn behind a question. Not lower still, since such
/// a thread holds a lock that the loop takes, for an instant.
pub const STATISTICS: i32 = 0;

/// Gives the calling thread a niceness, and the threads that it starts from then on: the whole process, when it has no
/// other yet. An ordinary user may not go below 0; the thread then runs like all others, which is no error.
pub fn set(niceness: i32) {
    let _ = rustix::process::setpriority_process(None, niceness);
}
