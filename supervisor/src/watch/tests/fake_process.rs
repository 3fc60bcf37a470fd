//! The loop's end of a fake process.

use std::time::Duration;

use proto::process::Pid;

use super::fake::{Fake, FakeWorld, Mood, by_signal, ms};
use crate::child::proc::Sign;
use crate::world::Process;

/// A process of the fake world, as the loop holds it.
pub(super) struct FakeProcess {
    pub(super) world: FakeWorld,
    pub(super) pid: Pid,
}

impl FakeProcess {
    fn look<T>(&self, look: impl FnOnce(&Fake) -> T) -> Option<T> {
        self.world.with(self.pid, |fake| fake.alive.then(|| look(fake)))
    }
}

impl Process for FakeProcess {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn kill(&self) {
        self.world.exit_in(ms(1), self.pid, by_signal(9));
    }

    fn has_ended(&self) -> bool {
        self.look(|_| ()).is_none()
    }

    fn sign(&self) -> Option<Sign> {
        let start_ticks = u64::from(self.pid.as_u32());
        self.look(|fake| Sign {
            state: match fake.mood {
                Mood::Stopped => 'T',
                Mood::Starved => 'R',
                Mood::Well | Mood::Hung => 'S',
            },
            cpu: Duration::ZERO,
            start_ticks,
        })
    }

    fn close_look(&self) -> Option<Sign> {
        self.sign()
    }

    fn waited(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn turns(&self) -> Option<u64> {
        self.look(|fake| fake.progress())
    }
}
