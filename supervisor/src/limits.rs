//! What this process may have of descriptors and of the processor; and enough descriptors before a child is started.

use std::fs::File;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a child costs here: three while it is being started, its pidfd, three for its greeting, two for the next
/// rendezvous, and some that other threads use meanwhile.
const A_CHILD: usize = 12;
/// The same as a capture's.
const NICE: i32 = -10;

/// Raises the soft limit on descriptors to the hard one. The soft one is 1024 on most systems for the sake of programs
/// that use select(), and a supervisor needs about ten for each camera.
pub(crate) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Whatever it stays at is lived with.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Are there descriptors enough for another child? One that could be started and not be spoken with would be worse than
/// none.
pub(crate) fn room_for_a_child() -> io::Result<()> {
    let taken: io::Result<Vec<File>> = (0..A_CHILD).map(|_| File::open("/dev/null")).collect();
    taken.map(drop)
}

/// As captures do, where it is permitted: who watches them has to hear them, however many they are. For this thread and those
/// that it starts; children choose for themselves.
pub(crate) fn go_first() {
    let _ = rustix::process::setpriority_process(None, NICE);
}
