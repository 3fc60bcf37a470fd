//! Readings of /proc: what the kernel says of a process, its threads and this machine. No judgement is made here.

use std::time::Duration;

use proto::process::Pid;

/// A process as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    /// The letter of `proc(5)`: R runs or wants to, S sleeps, D waits for a disk, T is stopped, Z is dead.
    pub(crate) state: char,
    /// Processor time so far.
    pub(crate) cpu: Duration,
    /// The start, in clock ticks after boot. Together with the pid it names one process and no other.
    pub(crate) start_ticks: u64,
}

impl Sign {
    /// Is the process stopped, by a signal or by a debugger?
    pub(crate) fn is_stopped(self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Is the process dead, and only not reaped yet?
    pub(crate) fn is_dead(self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Reads a process's sign; `None` when the process is gone.
pub(crate) fn sign(pid: Pid) -> Option<Sign> {
    let text = std::fs::read_to_string(pid.proc("stat")).ok()?;
    parse(&text, rustix::param::clock_ticks_per_second())
}

/// Reads a process's sign with the states of all its threads: the first thread may be asleep while another waits for
/// its turn.
pub(crate) fn close_look(pid: Pid) -> Option<Sign> {
    let sign = sign(pid)?;
    let threads = std::fs::read_dir(pid.proc("task")).ok()?;
    let state = |text: String| text.rsplit_once(')')?.1.trim_start().chars().next();
    let states = threads.filter_map(|t| state(std::fs::read_to_string(t.ok()?.path().join("stat")).ok()?));
    Some(Sign { state: speaking_state(sign.state, states), ..sign })
}

/// The time that a process's threads have waited for their turn so far, all together: the second number of their
/// `schedstat`, which counts what a cgroup's quota held them up for too. `None` where the kernel doesn't count it.
pub(crate) fn waited(pid: Pid) -> Option<Duration> {
    schedstat(pid, 1).map(Duration::from_nanos)
}

/// The number of turns that a process's threads have had, all together: the third number of their `schedstat`.
pub(crate) fn turns(pid: Pid) -> Option<u64> {
    schedstat(pid, 2)
}

fn schedstat(pid: Pid, place: usize) -> Option<u64> {
    let threads = std::fs::read_dir(pid.proc("task")).ok()?;
    let number = |text: String| text.split_whitespace().nth(place)?.parse::<u64>().ok();
    threads.map(|t| number(std::fs::read_to_string(t.ok()?.path().join("schedstat")).ok()?)).sum()
}

/// Processes that the kernel has ended for lack of memory since boot, those of a memory cgroup's limit included. 0 where
/// the kernel doesn't count them.
pub(crate) fn out_of_memory_kills() -> u64 {
    let text = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// The state that speaks for a process: a disk that is waited for or a turn that is waited for, if any thread has it.
/// Stopped and dead processes are so as a whole.
fn speaking_state(first: char, threads: impl Iterator<Item = char>) -> char {
    match first {
        'T' | 't' | 'Z' | 'X' => first,
        _ => threads.fold(first, |so_far, state| match (so_far, state) {
            ('D', _) | (_, 'D') => 'D',
            ('R', _) | (_, 'R') => 'R',
            _ => so_far,
        }),
    }
}

/// Reads `/proc/PID/stat`. By `proc(5)` the name is in brackets and may hold anything, so fields are counted from the
/// last bracket.
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

    #[test]
    fn the_kernel_counts_how_long_this_process_waited() {
        let before = waited(Pid::this());
        if before.is_none() {
            println!("skipped: this kernel has no schedstat");
            return;
        }
        // A process of one thread: the sum over this one's falls when a thread of another test ends.
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::new(child.id()).unwrap();
        let (first, second) = (waited(pid), waited(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(first.is_some() && second >= first, "{first:?}, then {second:?}");
    }

    #[test]
    fn any_thread_that_waits_for_its_turn_or_a_disk_speaks_for_the_process() {
        assert_eq!(speaking_state('S', "SSRS".chars()), 'R');
        assert_eq!(speaking_state('S', "SRDS".chars()), 'D');
        assert_eq!(speaking_state('S', "SSSS".chars()), 'S');
        assert_eq!(speaking_state('T', "TTTT".chars()), 'T');
    }

    #[test]
    fn a_close_look_sees_what_the_threads_do() {
        let running = close_look(Pid::this()).unwrap();
        // Another test's thread may be waiting for a disk, which goes before.
        assert!(
            matches!(running.state, 'R' | 'D'),
            "this thread runs, whatever the first one does: {running:?}"
        );
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
