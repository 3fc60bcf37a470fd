//! Too little processor time, too little memory.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proto::process::Pid;
use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, camera, clip_of, kill, list, pid_in, process, until};

use crate::cgroup::Cgroup;

/// Longer than three times what a process may be silent for.
const LONG_ENOUGH: Duration = Duration::from_secs(9);

/// Processes that do nothing but want the processor, ended when dropped.
struct Crowd(Vec<Child>);

impl Crowd {
    fn of(many: usize) -> Self {
        let one =
            || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
        Self((0..many).map(|_| one()).collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Records a clip while there is too little processor time; nobody may be taken for hung, and the clip tells the truth.
fn assert_patient(rig: &Rig, relieve: impl FnOnce()) {
    let everybody = |rig: &Rig| (rig.children(), rig.supervisor_pid());
    let before = everybody(rig);
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "8000"]);
    std::thread::sleep(LONG_ENOUGH);
    relieve();
    let answer = trigger.answer();
    assert!(matches!(answer.code, Some(0 | 4)), "{answer:#?}");
    rig.assert_true();
    assert_eq!(everybody(rig), before);
    let stats = rig.stats();
    assert!(list(&stats, "processes").iter().all(|p| p["restarts"] == 0), "{stats:#}");
    let log = rig.log().join("\n");
    assert!(!log.contains("no progress"), "{log}");
}

#[test]
fn f29_a_quota_that_starves_every_process_kills_none() {
    let Some(group) = Cgroup::new("cpu") else { return };
    let rig = Rig::start(TWO_CAMERAS);
    rig.processes().into_iter().for_each(|pid| group.take_in(pid));
    // All five together: a tenth of what they need, in bursts of five milliseconds.
    group.limit_processor(5);
    assert_patient(&rig, || group.free_processor());
}

#[test]
fn f29_a_crowded_processor_kills_none() {
    let rig = Rig::start(TWO_CAMERAS);
    let cores = std::thread::available_parallelism().unwrap().get();
    let crowd = Crowd::of(cores * 4);
    assert_patient(&rig, || drop(crowd));
}

/// The names of a process's threads, and how far behind others each comes.
fn threads(pid: Pid) -> Vec<(String, i32)> {
    let entries = std::fs::read_dir(pid.proc("task")).unwrap();
    let thread = |stat: String| {
        let (name, rest) = stat.rsplit_once(") ")?;
        Some((name.split_once('(')?.1.to_owned(), rest.split(' ').nth(16)?.parse().ok()?))
    };
    // A thread may have ended since.
    entries.filter_map(|t| thread(std::fs::read_to_string(t.ok()?.path().join("stat")).ok()?)).collect()
}

fn niceness(pid: Pid) -> Vec<i32> {
    threads(pid).into_iter().map(|(_, nice)| nice).collect()
}

#[test]
fn f29_every_child_has_a_session_of_its_own_and_so_a_share_of_the_processor() {
    let rig = Rig::start(TWO_CAMERAS);
    for pid in rig.children() {
        assert_eq!(::rig::process::session(pid), Some(pid));
    }
    // The terminal's keys still reach the supervisor.
    assert_ne!(::rig::process::session(rig.supervisor_pid()), Some(rig.supervisor_pid()));
}

#[test]
fn f29_who_hears_the_captures_comes_no_later_than_they_do() {
    let rig = Rig::start(TWO_CAMERAS);
    // Threads that gather statistics, have just answered with them, look at the config file or remove old clips hear nobody and come
    // later.
    let (for_people, hearing): (Vec<_>, Vec<_>) = threads(rig.supervisor_pid())
        .into_iter()
        .partition(|(name, _)| matches!(name.as_str(), "statistics" | "command" | "config" | "retention"));
    let supervisor: Vec<i32> = hearing.into_iter().map(|(_, nice)| nice).collect();
    let statistics = for_people.iter().find(|(name, _)| name == "statistics").expect("it always runs");
    assert!(supervisor.iter().max() <= Some(&statistics.1), "{supervisor:?} and {statistics:?}");
    let [left, right, recorder] = rig.children()[..] else { unreachable!() };
    for capture in [left, right] {
        let captures = niceness(capture);
        assert!(supervisor.iter().max() <= captures.iter().min(), "{supervisor:?} and {captures:?}");
        assert!(captures.iter().max() <= niceness(recorder).iter().min(), "{captures:?}");
    }
}

#[test]
fn f28_the_supervisor_is_the_last_that_the_kernel_would_choose() {
    let rig = Rig::start(TWO_CAMERAS);
    let score =
        |pid: Pid| -> i32 { std::fs::read_to_string(pid.proc("oom_score")).unwrap().trim().parse().unwrap() };
    let [left, right, recorder] = rig.children()[..] else { unreachable!() };
    let standby = rig.pid_of("standby");
    let supervisor = score(rig.supervisor_pid());
    for capture in [left, right] {
        assert!(score(capture) > supervisor);
        // The recorder loses nothing by it, and a capture does.
        assert!(score(recorder) > score(capture) && score(standby) > score(capture));
    }
}

/// Has the kernel kill a process for lack of memory: in a group of its own, somebody else takes all there is.
fn run_out_of_memory(group: &Cgroup, victim: Pid, filler: &std::path::Path) {
    group.take_in(victim);
    group.limit_memory(16 << 20);
    // What is written to shared memory can't be put anywhere else. Whoever writes it may be killed over it too.
    let fill = "echo $$ > \"$0\"; exec head -c 64M /dev/zero > \"$1\"";
    let gone = || !std::path::Path::new(&format!("/proc/{victim}")).exists();
    until("the kernel to have killed it", || {
        let _ = Command::new("sh")
            .args(["-c", fill])
            .arg(group.door())
            .arg(filler)
            .stderr(Stdio::null())
            .status();
        gone().then_some(())
    });
}

#[test]
fn f28_what_the_kernel_kills_for_lack_of_memory_is_replaced() {
    for who in ["recorder", "left"] {
        let Some(group) = Cgroup::new("memory") else { return };
        let rig = Rig::start(TWO_CAMERAS);
        let others: Vec<Pid> =
            ["left", "right", "recorder"].into_iter().filter(|w| *w != who).map(|w| rig.pid_of(w)).collect();
        let clip = clip_of(&rig.command(&["trigger", "--post-ms", "3000"]).code(0).json());
        rig.await_frames(&clip, "left", 40);
        let victim = rig.pid_of(who);
        let filler = tempfile::Builder::new().prefix("preroll-filler-").tempfile_in("/dev/shm").unwrap();
        run_out_of_memory(&group, victim, filler.path());
        drop(filler);
        let manifest = rig.await_manifest(&clip);
        let report = rig.assert_true();
        let verdict = |name: &str| &report.clips[0].cameras[name];
        assert_eq!(verdict("right").present, verdict("right").expected, "{report}");
        if who == "recorder" {
            rig.assert_complete();
        } else {
            let gaps = list(&manifest["cameras"]["left"], "gaps");
            assert!(gaps.iter().all(|gap| gap["cause"] == "capture_restart"), "{gaps:#?}");
        }
        let stats = rig.await_stats("its successor", |s| pid_in(s, who).is_some_and(|pid| pid != victim));
        let last_exit = process(&stats, who)["last_exit"].as_str().unwrap();
        assert!(last_exit.contains("out of memory?"), "{last_exit}");
        let now: Vec<Pid> =
            ["left", "right", "recorder"].into_iter().filter(|w| *w != who).map(|w| rig.pid_of(w)).collect();
        assert_eq!(now, others);
    }
}

#[test]
fn f28_a_process_that_is_killed_again_and_again_is_talked_about() {
    let rig = Rig::start(TWO_CAMERAS);
    let said = |stats: &Value| {
        let reasons = list(&stats["health"], "reasons");
        reasons.iter().any(|r| r.as_str().unwrap().contains("capture left: keeps being killed: 1"))
    };
    for _ in 0..12 {
        assert!(!said(&rig.stats()) || process(&rig.stats(), "left")["restarts"].as_u64() >= Some(9));
        let victim = rig.pid_of("left");
        kill(victim, Signal::KILL);
        rig.await_stats("the next one", |s| pid_in(s, "left").is_some_and(|pid| pid != victim));
    }
    let stats = rig.await_stats("the trouble to be said", said);
    assert_eq!(stats["health"]["status"], "attention");
    // It is no reason to give up, and a minute later nobody speaks of it any more.
    rig.await_stats("left to be live", |s| camera(s, "left")["state"] == "live" && s["state"] == "ready");
}
