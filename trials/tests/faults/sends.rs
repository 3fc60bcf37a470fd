//! Sends and receives between the processes that fail: one at a time, and all for a while. The library that makes them fail is
//! `trials/examples/failing_calls.rs`. And processes of another version.
//!
//! `make sends` walks over more calls than `make test`.

use std::path::{Path, PathBuf};
use std::process::Command;

use proto::link::Version;
use proto::process::Pid;
use rustix::io::Errno;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, clip_of, pid_in, program, until};

/// The variable that names the folder of orders, as the library has it.
const FOLDER: &str = "PREROLL_FAILING_CALLS";
/// The variable by which `make sends` asks for a longer walk.
const ALL: &str = "PREROLL_SENDS_ALL";

const CALLS: [&str; 2] = ["sendmsg", "recvmsg"];
const ERRORS: [Errno; 4] = [Errno::NOBUFS, Errno::NOMEM, Errno::AGAIN, Errno::INTR];

/// The library, built like this test.
fn library() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(Path::parent).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "trials", "--example", "failing_calls"]);
    build.current_dir(env!("CARGO_MANIFEST_DIR")).args(profile.ends_with("release").then_some("--release"));
    assert!(build.status().unwrap().success());
    profile.join("examples/libfailing_calls.so")
}

fn walks_over_all() -> bool {
    std::env::var_os(ALL).is_some()
}

/// Orders to the library.
struct Orders {
    folder: PathBuf,
    number: u64,
}

impl Orders {
    fn of(rig: &Rig) -> Self {
        let folder = rig.path("failing-calls");
        std::fs::create_dir(&folder).unwrap();
        Self { folder, number: 0 }
    }

    fn variables(&self) -> [(String, String); 2] {
        let library = library().to_str().unwrap().to_owned();
        [("LD_PRELOAD".into(), library), (FOLDER.into(), self.folder.to_str().unwrap().to_owned())]
    }

    /// Lets calls fail: of this process or of each one, from the `first` one on, so many times.
    fn fail(&mut self, pid: Option<Pid>, call: &str, first: u32, times: u32, error: Errno) {
        self.number += 1;
        let (number, pid, errno) = (self.number, pid.map_or(0, Pid::as_u32), error.raw_os_error());
        let order = format!("{number} {pid} {call} {first} {times} {errno}\n");
        proto::durable::replace(&self.folder.join("order"), order.as_bytes()).unwrap();
    }

    /// Lets none fail any more.
    fn stop(&self) {
        std::fs::remove_file(self.folder.join("order")).unwrap();
    }

    fn has_failed(&self) -> bool {
        self.folder.join(format!("failed-{}", self.number)).exists()
    }
}

/// A rig with the library in each of its processes.
fn rig_with_failing_calls(config: &str, prepare: impl FnOnce(&mut Orders)) -> (Rig, Orders) {
    let mut rig = Rig::prepare(config);
    let mut orders = Orders::of(&rig);
    prepare(&mut orders);
    let variables = orders.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    rig.launch_in(&[], &variables);
    rig.await_ready();
    (rig, orders)
}

/// Triggers, waits for the clip, and returns the answer to `--wait`.
fn record(rig: &Rig, label: &str) -> Value {
    rig.command(&["trigger", "--label", label, "--pre-ms", "200", "--post-ms", "200", "--wait"])
        .code(0)
        .json()
}

#[test]
fn f80_whichever_send_or_receive_fails_each_trigger_has_its_clip() {
    let (rig, mut orders) = rig_with_failing_calls(TWO_CAMERAS, |_| ());
    let (supervisor, recorder) = (rig.supervisor_pid(), rig.pid_of("recorder"));
    let (most, errors) = if walks_over_all() { (24, &ERRORS[..]) } else { (4, &ERRORS[..1]) };
    let mut walked = 0;
    for error in errors {
        for (who, pid) in [("supervisor", supervisor), ("recorder", recorder)] {
            for call in CALLS {
                for nth in 1..=most {
                    orders.fail(Some(pid), call, nth, 1, *error);
                    let answer = record(&rig, &format!("{who}-{call}-{nth}"));
                    assert_eq!(answer["complete"], true, "{who} {call} {nth}: {answer:#}");
                    walked += u32::from(orders.has_failed());
                }
            }
        }
    }
    orders.stop();
    println!("{walked} calls failed");
    assert!(walked >= 8, "{walked}: a supervisor sends little else than orders");
    assert_eq!((rig.supervisor_pid(), rig.pid_of("recorder")), (supervisor, recorder), "nobody was replaced");
    assert_eq!(rig.stats()["state"], "ready");
    rig.assert_complete();
}

#[test]
fn f80_a_link_over_which_nothing_goes_any_more_is_made_anew_and_the_trigger_kept() {
    let (rig, mut orders) = rig_with_failing_calls(TWO_CAMERAS, |_| ());
    let resent = |s: &Value| s["recorder"]["orders_resent"].as_u64();
    for (who, call) in [("supervisor", "sendmsg"), ("recorder", "sendmsg"), ("recorder", "recvmsg")] {
        let pid = if who == "supervisor" { rig.supervisor_pid() } else { rig.pid_of(who) };
        let before = resent(&rig.stats());
        orders.fail(Some(pid), call, 1, u32::MAX, Errno::NOBUFS);
        let clip = clip_of(&rig.command(&["trigger"]).code(0).json());
        until("the call to fail", || orders.has_failed().then_some(()));
        // Longer than a call is made again: the link is given up by then.
        rig.await_stats("a link to be made anew", |s| resent(s) > before);
        orders.stop();
        let manifest = rig.await_manifest(&clip);
        assert_eq!(manifest["complete"], true, "{call} of {who}: {manifest:#}");
        rig.await_stats("all to be well", |s| s["state"] == "ready");
    }
    rig.assert_complete();
}

#[test]
fn f80_a_start_in_which_a_send_or_a_receive_fails_in_each_process_is_ready_all_the_same() {
    let most = if walks_over_all() { 6 } else { 1 };
    for call in CALLS {
        for nth in 1..=most {
            let (rig, orders) =
                rig_with_failing_calls(TWO_CAMERAS, |orders| orders.fail(None, call, nth, 1, Errno::NOMEM));
            // A process that has sent fewer messages when all is ready goes on to its next report.
            until(&format!("{call} {nth} to fail"), || orders.has_failed().then_some(()));
            orders.stop();
            assert_eq!(record(&rig, "after")["complete"], true);
            rig.assert_complete();
        }
    }
}

/// Copies of the executables, with a recorder that speaks another version: a bit of the number that stands for its language
/// is another.
fn other_recorder(folder: &Path) -> PathBuf {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in ["supervisor", "recorder", "capture"] {
        std::fs::copy(program(name), bin.join(name)).unwrap();
    }
    let (recorder, language) = (bin.join("recorder"), Version::language());
    let mut bytes = std::fs::read(&recorder).unwrap();
    let places: Vec<usize> =
        (0..bytes.len() - language.len()).filter(|at| bytes[*at..].starts_with(&language)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[*at] ^= 1);
    std::fs::write(&recorder, bytes).unwrap();
    bin
}

#[test]
fn f81_a_recorder_of_another_version_is_refused_with_words_and_one_of_this_version_taken() {
    let mut rig = Rig::prepare(&format!("{TWO_CAMERAS}  standby_recorder: false\n"));
    let bin = other_recorder(&rig.path(""));
    rig.launch_from(&bin);
    let said = rig.await_log("build or install all of Preroll together");
    let recorder = bin.join("recorder");
    for words in ["recorder: ", recorder.to_str().unwrap(), " is of Preroll ", "and this supervisor is of "] {
        assert!(said.contains(words), "{said}");
    }
    let stats =
        rig.await_stats("health to say it", |s| s["health"]["reasons"].to_string().contains("is of Preroll"));
    assert_ne!(stats["state"], "ready");
    // A trigger is kept meanwhile.
    let clip = clip_of(&rig.command(&["trigger"]).code(0).json());
    std::fs::remove_file(&recorder).unwrap();
    std::fs::copy(program("recorder"), &recorder).unwrap();
    rig.command(&["restart", "recorder"]).code(0);
    rig.await_ready();
    assert!(pid_in(&rig.stats(), "recorder").is_some());
    rig.await_manifest(&clip);
    assert_eq!(record(&rig, "after")["complete"], true);
    rig.assert_true();
}
