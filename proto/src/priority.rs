//! The order in which Preroll's processes get the processor: their niceness, in one place because only the relation
//! between them matters, and their sessions.
//!
//! Captures and the supervisor run ahead of everything else: a frame that is missed is gone, and a supervisor that gets
//! no turn takes well processes for hung ones. Encoding comes after capturing, since the ring bridges what it is late,
//! and before all other programs.
#![expect(
    unsafe_code,
    reason = "no crate here has a safe call for the length of a turn; the block says why it may"
)]

/// The niceness of a capture.
pub const CAPTURE: i32 = -10;
/// The niceness of the supervisor.
pub const SUPERVISOR: i32 = -10;
/// The niceness of a recorder.
pub const RECORDER: i32 = -5;
/// The niceness of a recorder's mover, which copies frames before they are overwritten: like a capture, it loses frames when
/// it comes too late.
pub const MOVER: i32 = -10;
/// How far an encoder comes behind the mover of the same recorder, where niceness below 0 isn't granted and both would run
/// alike: beside six encoders the mover would get a seventh of what the recorder gets, and come too late. What an encoder is
/// late costs time; what the mover is late costs frames.
pub const ENCODER_BEHIND_THE_MOVER: i32 = RECORDER - MOVER;
/// The niceness of the supervisor's threads that gather statistics and answer with them, which is that of other
/// programs: the loop that judges the children must not wait for its turn behind a question. Not lower still, since such
/// a thread holds a lock that the loop takes, for an instant.
pub const STATISTICS: i32 = 0;

/// The niceness of the supervisor's thread that removes the oldest clips: behind other programs, and not so far behind that it gets no
/// turn on a busy machine while the disk fills up.
pub const RETENTION: i32 = 10;

/// The niceness of the recorder's thread that makes the sums of finished clips, for which nothing waits: that of a program
/// which runs only while no other wants the processor.
pub const SUMS: i32 = 19;

/// The niceness of an export, for which a person waits: well behind everything that records.
pub const EXPORT: i32 = 10;

/// The turns that [`take_short_turns`] asks for: the shortest that Linux grants. A frame is copied in some five of them.
const SHORT_TURN_NS: u64 = 100_000;

/// Has the calling thread get the processor sooner and for a shorter time at once, with no more of it in all: on a busy
/// machine a thread that needs little no longer waits for a whole turn of each of the others. Anybody may ask for it. Linux
/// before 6.12 does nothing about it, which is no error.
pub fn take_short_turns() {
    let Ok(nice) = rustix::process::getpriority_process(None) else { return };
    let asked = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0),
        sched_policy: libc::SCHED_OTHER.unsigned_abs(),
        sched_flags: 0,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: SHORT_TURN_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of `asked`, which is that long and outlives the call; pid 0 is the calling
    // thread, and the policy is the one that it has.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const asked, 0) };
}

/// Gives the calling thread a niceness, and the threads that it starts from then on: the whole process, when it has no
/// other yet. An ordinary user may not go below 0; the thread then runs like all others, which is no error.
pub fn set(niceness: i32) {
    let _ = rustix::process::setpriority_process(None, niceness);
}

/// Puts the calling thread behind the mover of its process, as [`ENCODER_BEHIND_THE_MOVER`] says. As root it is there already.
pub fn behind_the_mover() {
    if rustix::process::getpriority_process(None).is_ok_and(|nice| nice >= 0) {
        set(ENCODER_BEHIND_THE_MOVER);
    }
}

/// Begins a process that must get its turn although other programs are busy: gives it a session of its own, and this
/// niceness. For the first moments of a process: it has one thread, and no controlling terminal afterwards.
///
/// Linux shares the processor among sessions first, and then among the threads of each (`CONFIG_SCHED_AUTOGROUP`,
/// sched(7)). In the session of whoever typed `start`, an ordinary user's recorder has one share of many beside that user's
/// other programs; in a session of its own it has as much as all of them together. Niceness counts among sessions only
/// by what their `autogroup` says.
pub fn begin(niceness: i32) {
    let has_its_own = rustix::process::setsid().is_ok() || {
        // The leader of a group can't begin a session. The supervisor makes each child one, for Ctrl-C's sake; for an
        // instant this one goes back to the supervisor's group.
        let parents = rustix::process::getppid().and_then(group_of);
        let _ = parents.and_then(|group| rustix::process::setpgid(None, Some(group)).ok());
        // Without a session of its own it runs as other programs do, which is no error.
        rustix::process::setsid().is_ok()
    };
    set(niceness);
    // Never that of somebody else's session: the file speaks for all of it. A kernel without such groups has no such file,
    // and an ordinary user may not go below 0.
    if has_its_own {
        let _ = std::fs::write("/proc/self/autogroup", niceness.to_string());
    }
}

/// The group of a process. None of a process whose group lies outside this pid namespace, as that of an orphan's new
/// parent may: the kernel says 0 then, at which rustix's `getpgid` panics.
fn group_of(process: rustix::process::Pid) -> Option<rustix::process::Pid> {
    // SAFETY: the call takes and returns numbers, and touches no memory.
    let group = unsafe { libc::getpgid(process.as_raw_nonzero().get()) };
    if group > 0 { rustix::process::Pid::from_raw(group) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_what_the_kernel_says_and_none_where_it_says_0() {
        // The first process of a container or of a small machine has group 0; that of others has 1.
        for pid in [1, std::process::id().cast_signed()] {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let group: i32 = stat.rsplit(") ").next().unwrap().split(' ').nth(2).unwrap().parse().unwrap();
            let process = rustix::process::Pid::from_raw(pid).unwrap();
            assert_eq!(group_of(process), rustix::process::Pid::from_raw(group));
        }
    }

    #[test]
    fn an_encoder_comes_behind_the_mover_whoever_runs_them() {
        let nice_of = |thread: fn()| {
            let run = move || {
                thread();
                rustix::process::getpriority_process(None).unwrap()
            };
            std::thread::spawn(run).join().unwrap()
        };
        let mover = nice_of(|| set(MOVER));
        let encoder = nice_of(|| {
            set(RECORDER);
            behind_the_mover();
        });
        assert_eq!(encoder - mover, ENCODER_BEHIND_THE_MOVER);
    }

    #[test]
    fn a_thread_with_short_turns_keeps_its_niceness_and_its_policy() {
        let thread = std::thread::spawn(|| {
            set(3);
            take_short_turns();
            let mut told: libc::sched_attr = libc::sched_attr {
                size: 0,
                sched_policy: 9,
                sched_flags: 0,
                sched_nice: 0,
                sched_priority: 0,
                sched_runtime: 0,
                sched_deadline: 0,
                sched_period: 0,
            };
            let size = u32::try_from(size_of::<libc::sched_attr>()).unwrap();
            // SAFETY: the kernel writes at most `size` bytes to `told`, which is that long.
            let done = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut told, size, 0) };
            (done, told.sched_policy, told.sched_nice, told.sched_runtime)
        });
        let (done, policy, nice, turn) = thread.join().unwrap();
        assert_eq!((done, policy, nice), (0, 0, 3));
        // Older kernels know no turns of a thread's own.
        assert!([0, SHORT_TURN_NS].contains(&turn), "{turn}");
    }
}
