//! Turns: only so many rigs run side by side, in all test processes together.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More rigs at a time would starve each other on a small machine.
const SIDE_BY_SIDE: usize = 2;

/// Waits for a turn, which lasts as long as the file is held.
pub fn take_turn() -> File {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let place = NEXT.fetch_add(1, Ordering::Relaxed) % SIDE_BY_SIDE;
    // Beside the executables: the same folder for every test of this build.
    let supervisor = crate::program("supervisor");
    let turn = File::create(supervisor.with_file_name(format!("rig-{place}.lock"))).unwrap();
    turn.lock().unwrap();
    turn
}
