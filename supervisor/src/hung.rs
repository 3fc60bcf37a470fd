//! Is a child that makes no progress hung, or only waiting for its turn? Pure, but for reading /proc.

use std::time::Duration;

use proto::process::Pid;

/// No progress for this long is looked into. Heartbeats come four times a second.
pub(crate) const PATIENCE: Duration = Duration::from_millis(2500);
/// And one that has not been heard of for this long is looked at for having been stopped, which needs no patience: a stopped
/// process does nothing until somebody wakes it.
pub(crate) const GLANCE: Duration = Duration::from_millis(100);
/// A process that has used this much processor time without progress is going in circles.
const CIRCLES: Duration = Duration::from_secs(2);

/// A process whose threads have waited for their turn for this part of the time has not had the chance to get on.
/// One that is hung still wakes four times a second to report, and doesn't wait for long unless everything does.
const STARVING_PART: u32 = 4;

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
    /// A debugger holds it, or somebody has stopped it: it has to be replaced, and nothing is wrong with it.
    Stopped,
    /// It has to be replaced.
    Hung,
}

/// Judges a child that has made no progress for its patience, by its signs when it last did and now, and by how long it
/// was looked at since it came under suspicion and how long its threads waited for their turn meanwhile.
pub(crate) fn judge(
    then: Option<Sign>,
    now: Option<Sign>,
    watched: Duration,
    waited: Option<Duration>,
) -> Opinion {
    let Some(now) = now else { return Opinion::Fine };
    let used = now.cpu.saturating_sub(then.map_or(now.cpu, |t| t.cpu));
    let starving = waited.is_some_and(|waited| waited * STARVING_PART >= watched);
    match now.state {
        'T' | 't' => Opinion::Stopped,
        'D' => Opinion::Starved,
        // It wants to run. If it did and got nowhere, it is hung; if it didn't get to, it is starved.
        'R' if used >= CIRCLES => Opinion::Hung,
        'R' => Opinion::Starved,
        'Z' | 'X' => Opinion::Fine,
        // Asleep at this moment, as a starved one may be too, between two turns that came too late.
        _ if starving => Opinion::Starved,
        _ => Opinion::Hung,
    }
}

/// How long a process's threads have waited for their turn so far, all together: the second number of their
/// `schedstat`, what a cgroup's quota held them up for included. `None` where the kernel doesn't count it.
pub(crate) fn waited(pid: Pid) -> Option<Duration> {
    schedstat(pid, 1).map(Duration::from_nanos)
}

/// How many turns a process's threads have had, all together: the third number.
pub(crate) fn turns(pid: Pid) -> Option<u64> {
    schedstat(pid, 2)
}

fn schedstat(pid: Pid, place: usize) -> Option<u64> {
    let threads = std::fs::read_dir(pid.proc("task")).ok()?;
    let number = |text: String| text.split_whitespace().nth(place)?.parse::<u64>().ok();
    threads.map(|t| number(std::fs::read_to_string(t.ok()?.path().join("schedstat")).ok()?)).sum()
}

/// Looks at a process; `None` when it is gone.
pub(crate) fn sign(pid: Pid) -> Option<Sign> {
    let text = std::fs::read_to_string(pid.proc("stat")).ok()?;
    parse(&text, rustix::param::clock_ticks_per_second())
}

/// Looks at a process and at each of its threads: the first of them may be asleep while another waits for its turn.
pub(crate) fn close_look(pid: Pid) -> Option<Sign> {
    let sign = sign(pid)?;
    let threads = std::fs::read_dir(pid.proc("task")).ok()?;
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

    fn after(now: Option<Sign>) -> Opinion {
        judge(at('S', 100), now, PATIENCE, Some(PATIENCE / 20))
    }

    #[test]
    fn a_process_is_hung_when_it_could_go_on_and_does_not() {
        assert_eq!(after(at('S', 100)), Opinion::Hung);
        assert_eq!(after(at('T', 100)), Opinion::Stopped);
        assert_eq!(after(at('R', 8_000)), Opinion::Hung);
    }

    #[test]
    fn a_process_without_its_turn_is_not_hung() {
        assert_eq!(after(at('R', 300)), Opinion::Starved);
        assert_eq!(after(at('D', 100)), Opinion::Starved);
        assert_eq!(after(None), Opinion::Fine);
    }

    #[test]
    fn a_process_that_sleeps_between_turns_that_come_too_late_is_not_hung() {
        let waiting = |waited| judge(at('S', 100), at('S', 300), PATIENCE, waited);
        assert_eq!(waiting(Some(PATIENCE / 2)), Opinion::Starved);
        assert_eq!(waiting(Some(PATIENCE / 10)), Opinion::Hung);
        assert_eq!(waiting(None), Opinion::Hung, "a kernel that doesn't count it");
        let stopped = judge(at('S', 100), at('T', 100), PATIENCE, Some(PATIENCE));
        assert_eq!(stopped, Opinion::Stopped);
    }

    #[test]
    fn the_kernel_counts_how_long_this_process_waited() {
        let before = waited(Pid::this());
        if before.is_none() {
            println!("skipped: this kernel has no schedstat");
            return;
        }
        assert!(waited(Pid::this()) >= before);
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
        let running = close_look(Pid::this()).unwrap();
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
