//! The supervisor's place in the queue for the processor.

/// The same as a capture's.
const NICE: i32 = -10;

/// Puts the supervisor beside its captures, where that is permitted: it has to hear them in time, however many they are.
/// Holds for this thread and those that it starts; children choose for themselves.
pub(crate) fn go_first() {
    let _ = rustix::process::setpriority_process(None, NICE);
}
