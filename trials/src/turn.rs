//! Turns: only so many tests have rigs side by side, in all test processes together.

use std::cell::RefCell;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// More tests with rigs at a time would starve each other on a small machine.
const SIDE_BY_SIDE: usize = 2;

thread_local! {
    /// The turn of the test that runs on this thread.
    static TURN: RefCell<Weak<File>> = const { RefCell::new(Weak::new()) };
}

/// Waits for a turn, which lasts as long as any of the test's rigs holds it.
///
/// A test has one turn, however many rigs it has: with a turn for each rig, it could wait for a turn that it holds itself.
pub fn take_turn() -> Arc<File> {
    TURN.with_borrow_mut(|held| {
        held.upgrade().unwrap_or_else(|| {
            let turn = Arc::new(wait_for_turn());
            *held = Arc::downgrade(&turn);
            turn
        })
    })
}

/// The first turn that is free. If all are taken, the next in line: tests of other processes may hold some.
fn wait_for_turn() -> File {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    // Beside the executables: the same folder for every test of this build.
    let supervisor = crate::program("supervisor");
    let turns = (next..next + SIDE_BY_SIDE).map(|place| {
        let name = format!("rig-{}.lock", place % SIDE_BY_SIDE);
        File::create(supervisor.with_file_name(name)).unwrap()
    });
    let mut turns: Vec<File> = turns.collect();
    let free = turns.iter().position(|turn| turn.try_lock().is_ok());
    let turn = turns.swap_remove(free.unwrap_or(0));
    if free.is_none() {
        turn.lock().unwrap();
    }
    turn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_with_many_rigs_has_one_turn_and_never_waits_for_itself() {
        let turns: Vec<_> = (0..=SIDE_BY_SIDE).map(|_| take_turn()).collect();
        assert!(turns.iter().all(|turn| Arc::ptr_eq(turn, &turns[0])));
        let weak = Arc::downgrade(&turns[0]);
        drop(turns);
        assert!(weak.upgrade().is_none(), "the turn outlives the rigs");
    }

    #[test]
    fn a_long_test_keeps_no_turn_but_its_own() {
        let long = take_turn();
        // With turns in a fixed order the second of these would be the long test's.
        let short = || (0..3).for_each(|_| drop(take_turn()));
        std::thread::spawn(short).join().unwrap();
        drop(long);
    }
}
