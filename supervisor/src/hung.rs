//! Is a child that makes no progress hung, or only waiting for its turn? Pure, but for reading /proc.

use std::time::Duration;

use rustix::process::Pid;

/// No progress for this long is looked into. Heartbeats come four times a second.
pub(crate) const PATIENCE: Duration = Duration::from_millis(2500);
/// A process that has used this much processor time without progress is going in circles.
const CIRCLES: Duration = Duration::from_secs(2);

/// How long a killed process may take to be gone.
pub(crate) const LAST_MOMENTS: Duration = Duration::from_millis(50);

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    /// R runs or wants to, S sleeps, D waits for a disk, T is stopped, Z is dead.
    pub(crate) state: char,
    /// Processor time so far.
    pub(crate) cpu: Duration,
    /// When it was started, in clock ticks after boot: with the pid, who it is.
    pub(crate) start_ticks: u64,
}

/// What to think of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// It is doing what it should.
    Fine,
    /// It gets no processor time, or the disk doesn't answer: killing it would not help.
    Starved,
    /// It has to be replaced.
    Hung,
}

/// Judges a child by how long ago it last made progress, and by its signs then and now.
pub(crate) fn judge(
    silent_for: Duration,
    patience: Duration,
    then: Option<Sign>,
    now: Option<Sign>,
) -> Opinion {
    if silent_for < patience {
        return Opinion::Fine;
    }
    let Some(now) = now else { return Opinion::Fine };
    let used = now.cpu.saturating_sub(then.map_or(now.cpu, |t| t.cpu));
    match now.state {
        'T' | 't' => Opinion::Hung,
        'D' => Opinion::Starved,
        // It wants to run. If it did and got nowhere, it is hung; if it didn't get to, it is starved.
        'R' if used < CIRCLES => Opinion::Starved,
        'Z' | 'X' => Opinion::Fine,
        _ => Opinion::Hung,
    }
}

/// Looks at a process; `None` when it is gone.
pub(crate) fn sign(pid: Pid) -> Option<Sign> {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    parse(&text, rustix::param::clock_ticks_per_second())
}

/// Looks at a process and at each of its threads: the first of them may be asleep while another waits for its turn.
pub(crate) fn close_look(pid: Pid) -> Option<Sign> {
    let sign = sign(pid)?;
    let threads = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).ok()?;
    let state = |text: String| text.rsplit_once(')')?.1.trim_start().chars().next();
    let states = threads.filter_map(|t| state(std::fs::read_to_string(t.ok()?.path().join("stat")).ok()?));
    Some(Sign { state: excuse(sign.state, states), ..sign })
}

/// The state that speaks for a process: one that waits for a disk or for its turn, if any of its threads does. Stopped
/// and dead ones are so as a whole.
fn excuse(first: char, threads: impl Iterator<Item = char>) -> char {
    match first {
        'T' | 't' | 'Z' | 'X' => first,
        _ => threads.fold(first, |so_far, state| match (so_far, state) {
            ('D', _) | (_, 'D') => 'D',
            ('R', _) | (_, 'R') => 'R',
            _ => so_far,
        }),
    }
}

/// `proc(5)`: the name is in brackets and may hold anything, so fields are counted from the last bracket.
fn parse(stat: &str, ticks_per_second: u64) -> Option<Sign> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)?;
    let cpu = Duration::from_millis(ticks * 1000 / ticks_per_second.max(1));
    Some(Sign { state: fields.first()?.chars().next()?, cpu, start_ticks: number(19)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(state: char, cpu_ms: u64) -> Option<Sign> {
        Some(Sign { state, cpu: Duration::from_millis(cpu_ms), start_ticks: 1 })
    }

    fn after(seconds: u64, now: Option<Sign>) -> Opinion {
        judge(Duration::from_secs(seconds), PATIENCE, at('S', 100), now)
    }

    #[test]
    fn a_process_is_hung_when_it_could_go_on_and_does_not() {
        assert_eq!(after(1, at('S', 100)), Opinion::Fine);
        assert_eq!(after(3, at('S', 100)), Opinion::Hung);
        assert_eq!(after(3, at('T', 100)), Opinion::Hung);
        assert_eq!(after(9, at('R', 8_000)), Opinion::Hung);
    }

    #[test]
    fn a_process_without_its_turn_is_not_hung() {
        assert_eq!(after(30, at('R', 300)), Opinion::Starved);
        assert_eq!(after(30, at('D', 100)), Opinion::Starved);
        assert_eq!(after(30, None), Opinion::Fine);
    }

    #[test]
    fn any_thread_that_waits_for_its_turn_or_a_disk_excuses_the_process() {
        assert_eq!(excuse('S', "SSRS".chars()), 'R');
        assert_eq!(excuse('S', "SRDS".chars()), 'D');
        assert_eq!(excuse('S', "SSSS".chars()), 'S');
        assert_eq!(excuse('T', "TTTT".chars()), 'T');
    }

    #[test]
    fn a_close_look_sees_what_the_threads_do() {
        let running = close_look(rustix::process::getpid()).unwrap();
        assert_eq!(running.state, 'R', "this thread runs, whatever the first one does");
    }

    #[test]
    fn a_name_with_brackets_and_spaces_is_no_trap() {
        let stat = "7 (a) S (b) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 4 0 12345 0 0";
        assert_eq!(
            parse(stat, 100),
            Some(Sign { state: 'R', cpu: Duration::from_secs(2), start_ticks: 12_345 })
        );
    }
}
