//! Load beside Preroll: programs that use a processor without end.

use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// Busy programs, ended when this value is dropped.
pub(super) struct Busy(Vec<Child>);

impl Busy {
    /// Starts so many, each a process of its own, as compilers or browsers are.
    pub(super) fn start(count: u32) -> anyhow::Result<Self> {
        let mut busy = Self(Vec::new());
        for _ in 0..count {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("spin").stdin(Stdio::null());
            busy.0.push(command.spawn().context("a busy program")?);
        }
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for program in &mut self.0 {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// Uses a processor until whoever started it ends.
///
/// # Errors
/// The system can't promise that end.
pub fn spin() -> anyhow::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut word = 1_u64;
    loop {
        // Arithmetic alone: memory that is used beside the cameras' would be another load.
        word = std::hint::black_box(word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}
