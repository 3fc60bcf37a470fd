//! The supervisor's file descriptors: how many it may have, and whether there are enough for another child.

use std::fs::File;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a child costs: three while it is being started, its pidfd, three for its greeting, two for the next
/// rendezvous, and some that other threads use meanwhile.
const A_CHILD: usize = 12;

/// Raises the soft limit on descriptors to the hard one. The soft one is 1024 on most systems for the sake of programs
/// that use select(), and a supervisor needs about ten for each camera.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // A limit that can't be raised is lived with.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Fails when there are not descriptors enough for another child. A child that could be started and not be spoken with
/// would be worse than none.
pub(crate) fn room_for_a_child() -> io::Result<()> {
    let taken: io::Result<Vec<File>> = (0..A_CHILD).map(|_| File::open("/dev/null")).collect();
    taken.map(drop)
}
