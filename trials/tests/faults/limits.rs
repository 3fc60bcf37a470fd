//! What runs out, and who is kept out: descriptors, threads, other users.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::control::{Request, Response};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::process::Pid;
use proto::refusal::Refusal;
use proto::ring::Ring;
use proto::time::MonotonicNs;
use proto::wire::Hello;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use trials::{Rig, TWO_CAMERAS, camera, clip_of, kill, list, pid_in, program, until};

use crate::control::{ask, connect, frame, trigger};

/// Somebody else: on every Linux, the user who owns nothing.
const NOBODY: u32 = 65534;

/// Does something as another user, if this one may: on a thread of its own, since a thread can be somebody else.
fn as_nobody<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let become_nobody = || {
            let (uid, gid) = (rustix::fs::Uid::from_raw(NOBODY), rustix::fs::Gid::from_raw(NOBODY));
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
            rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            what()
        };
        scope.spawn(become_nobody).join().unwrap()
    })
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Sets a process's soft limit, and says what it was.
fn limit(process: Pid, what: Resource, soft: Option<u64>) -> Option<u64> {
    // Asked first, since the hard one stays.
    let text = std::fs::read_to_string(process.proc("limits")).unwrap();
    let name = match what {
        Resource::Nofile => "Max open files",
        Resource::Fsize => "Max file size",
        _ => "Max processes",
    };
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let hard = line.split_whitespace().nth(1).and_then(|hard| hard.parse().ok());
    prlimit(Some(process.for_rustix()), what, Rlimit { current: soft, maximum: hard }).unwrap().current
}

/// A limit under which a process can open so many descriptors more: those it has are not numbered without holes.
fn descriptors_for(process: Pid, more: u64) -> u64 {
    let number = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let open: Vec<u64> =
        std::fs::read_dir(process.proc("fd")).unwrap().map(|entry| number(entry.unwrap().path())).collect();
    (0..).filter(|n| !open.contains(n)).nth(usize::try_from(more).unwrap()).unwrap()
}

fn ring_of(rig: &Rig, camera: &str) -> Arc<Ring> {
    let dir = RuntimeDir::open(&rig.path("run")).unwrap();
    Ring::open(&dir.segment(&Name::new(camera).unwrap())).unwrap()
}

/// Asserts that while a camera makes some frames a process doesn't use a processor up.
#[track_caller]
fn assert_no_spin(rig: &Rig, supervisor: Pid, ring: &Ring) {
    let cpu = || rig::process::used(supervisor).unwrap().cpu;
    let (first, before, begun) = (ring.head(), cpu(), MonotonicNs::now());
    until("120 frames", || (ring.head() >= first + 120).then_some(()));
    let passed = MonotonicNs::now() - begun;
    let used = cpu() - before;
    assert!(used < passed.mul_f64(0.3), "{used:?} of {passed:?}: {:#?}", rig.log());
    println!("{used:?} of {passed:?} used while 120 frames were captured");
}

/// Waits until a camera that is live has been so for a whole pre-roll.
fn await_pre_roll(rig: &Rig, camera: &str) {
    let ring = ring_of(rig, camera);
    let head = ring.head();
    until("a whole pre-roll", || (ring.head() > head + 40).then_some(()));
}

#[test]
fn f30_a_supervisor_out_of_descriptors_still_answers_and_goes_on() {
    let rig = Rig::start(TWO_CAMERAS);
    let supervisor = rig.supervisor_pid();
    let (before, right) = (rig.children(), ring_of(&rig, "right"));
    for more in [0, 1, 2, 5] {
        let was = limit(supervisor, Resource::Nofile, Some(descriptors_for(supervisor, more)));
        // Some who say nothing stand at the door, too.
        let idle: Vec<UnixStream> = (0..20).map(|_| connect(&rig)).collect();
        for _ in 0..5 {
            let answer = ask(&rig, &Request::Stats);
            assert!(matches!(answer, Ok(Response::Stats(_))), "{more}: {answer:?}");
        }
        assert_no_spin(&rig, supervisor, &right);
        let clips = rig.clips();
        match ask(&rig, &Request::Trigger(trigger(Some("tight")))).unwrap() {
            Response::Accepted(accepted) => drop(rig.await_manifest(Path::new(&accepted.path))),
            Response::Refused(why) => {
                assert!(why.exit_code() == 1 && why.to_string().contains("Too many open files"), "{why:?}");
                assert_eq!(rig.clips(), clips, "of what was refused nothing is left");
            }
            other => panic!("{other:?}"),
        }
        drop(idle);
        limit(supervisor, Resource::Nofile, was);
    }
    assert_eq!(rig.children(), before);

    // Whoever ends now can't be replaced before there are descriptors again; the standby stands in.
    let was = limit(supervisor, Resource::Nofile, Some(descriptors_for(supervisor, 0)));
    kill(before[2], Signal::KILL);
    kill(before[0], Signal::KILL);
    rig.await_log("is the recorder now");
    let refused = rig.await_log("capture left: can't start");
    assert!(refused.contains("Too many open files"), "{refused}");
    let head = right.head();
    until("the other camera to go on", || (right.head() > head + 60).then_some(()));
    assert_no_spin(&rig, supervisor, &right);
    limit(supervisor, Resource::Nofile, was);
    rig.await_stats("everything to be there again", |s| {
        s["state"] == "ready" && ["left", "recorder", "standby"].iter().all(|who| pid_in(s, who).is_some())
    });
    await_pre_roll(&rig, "left");
    assert_eq!(rig.pid_of("right"), before[1]);
    rig.command(&["trigger", "--label", "after", "--wait"]).code(0);
    rig.assert_true();
}

#[test]
fn f30_a_camera_that_ends_while_descriptors_are_short_comes_back() {
    let rig = Rig::start(&format!("{TWO_CAMERAS}  standby_recorder: false\n"));
    let supervisor = rig.supervisor_pid();
    let right = ring_of(&rig, "right");
    // With what the last one gives back: too few for a start, enough for it and not for what follows, enough for all.
    for more in 0..10 {
        let before = rig.pid_of("left");
        let was = limit(supervisor, Resource::Nofile, Some(descriptors_for(supervisor, more)));
        kill(before, Signal::KILL);
        let head = right.head();
        until("others to go on for a while", || (right.head() > head + 40).then_some(()));
        limit(supervisor, Resource::Nofile, was);
        let is_back = |s: &serde_json::Value| {
            camera(s, "left")["state"] == "live" && pid_in(s, "left").is_some_and(|pid| pid != before)
        };
        if !is_back(&rig.stats()) {
            rig.command(&["restart", "left"]).code(0);
        }
        rig.await_stats("the camera to be back", is_back);
    }
    await_pre_roll(&rig, "left");
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_true();
}

#[test]
fn f30_a_recorder_out_of_descriptors_goes_on_with_the_clip_when_it_has_some() {
    let rig = Rig::start(TWO_CAMERAS);
    let recorder = rig.pid_of("recorder");
    let was = limit(recorder, Resource::Nofile, Some(descriptors_for(recorder, 0)));
    let clip = rig.command(&["trigger"]).code(0).json();
    rig.await_log("can't be opened for want of descriptors");
    limit(recorder, Resource::Nofile, was);
    rig.await_manifest(&clip_of(&clip));
    assert_eq!(rig.pid_of("recorder"), recorder);
    rig.assert_complete();
}

#[test]
fn f30_a_supervisor_out_of_threads_says_so_and_goes_on() {
    // The limit on threads binds no root: everything is run as somebody else then.
    let rig = Rig::prepare(TWO_CAMERAS);
    if !is_root() {
        return out_of_threads(rig);
    }
    for path in [rig.path(""), rig.path("run"), rig.config()] {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    as_nobody(move || {
        if File::open(program("supervisor")).is_err() {
            println!("skipped: another user can't reach the executables where they lie");
            return;
        }
        out_of_threads(rig);
    });
}

fn out_of_threads(mut rig: Rig) {
    rig.launch(&[]);
    rig.await_ready();
    let supervisor = rig.supervisor_pid();
    let (before, right) = (rig.children(), ring_of(&rig, "right"));
    let was = limit(supervisor, Resource::Nproc, Some(1));
    for _ in 0..5 {
        let answer = ask(&rig, &Request::Stats);
        assert!(matches!(&answer, Ok(Response::Refused(Refusal::NoThread { .. }))), "{answer:?}");
    }
    // No trigger needs a thread of its own.
    rig.command(&["trigger", "--wait"]).code(0);
    kill(before[0], Signal::KILL);
    rig.await_log("capture left: can't start");
    assert_no_spin(&rig, supervisor, &right);
    limit(supervisor, Resource::Nproc, was);
    rig.await_stats("everything to be there again", |s| s["state"] == "ready");
    await_pre_roll(&rig, "left");
    assert_eq!(rig.children()[1..], before[1..]);
    rig.command(&["trigger", "--wait"]).code(0);
    assert_eq!(rig.clips().len(), 2);
    rig.assert_true();
}

#[test]
fn f43_a_ring_that_somebody_else_has_put_there_is_not_used() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let segments = rig.segments();
    assert_eq!(segments.len(), 2);
    rig.command(&["stop"]).code(0);
    rig.await_end();
    // The names can be guessed. Another user's as far as one can be made here, and open to everybody.
    for path in &segments {
        std::fs::write(path, [0; 4096]).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        if is_root() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    rig.launch(&[]);
    rig.await_ready();
    rig.await_log("and not to this user alone");
    assert_eq!(rig.segments(), segments);
    for path in &segments {
        let ring = path.metadata().unwrap();
        assert_eq!(ring.mode() & 0o7777, 0o600, "{}", path.display());
        assert_eq!(ring.uid(), rustix::process::geteuid().as_raw(), "{}", path.display());
    }
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}

#[test]
fn f43_another_user_is_kept_out() {
    if !is_root() {
        println!("skipped: only root can try as another user");
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    // The rig's own folder would keep everybody out by itself.
    std::fs::set_permissions(rig.path(""), Permissions::from_mode(0o755)).unwrap();
    let (run, socket) = (rig.path("run"), rig.path("run/control.sock"));
    let mut private = vec![socket.clone(), run.clone(), clip.clone(), clip.parent().unwrap().to_owned()];
    private.extend(rig.segments());
    private.extend(["manifest.json", "left.mp4", "left_timestamps.csv"].map(|name| clip.join(name)));
    private.extend(["config.json", "state.json", "supervisor.lock", "rendezvous"].map(|name| run.join(name)));
    private.extend(["left.truth", "right.truth"].map(|name| rig.path(name)));
    let mut processes = rig.children();
    processes.push(rig.supervisor_pid());
    private.extend(processes.iter().map(|pid| pid.proc("mem")));
    for path in &private {
        assert!(path.exists(), "{} is what this is about", path.display());
    }
    as_nobody(|| {
        let denied = |what: std::io::Result<()>| what.is_err_and(|e| e.kind() == ErrorKind::PermissionDenied);
        for path in &private {
            let read =
                if path.is_dir() { std::fs::read_dir(path).map(drop) } else { File::open(path).map(drop) };
            assert!(denied(read), "{} was read", path.display());
            let write = File::options().append(true).open(path).map(drop);
            assert!(denied(write) || path.is_dir(), "{} was written", path.display());
            assert!(
                denied(std::fs::remove_file(path)) || !path.starts_with("/dev/shm"),
                "{}",
                path.display()
            );
        }
        assert!(denied(UnixStream::connect(&socket).map(drop)));
        for process in processes {
            let signalled = rustix::process::kill_process(process.for_rustix(), Signal::TERM);
            assert_eq!(signalled, Err(rustix::io::Errno::PERM));
        }
    });

    // Even with every door open nobody else is answered: whose connection it is, is asked before it is read.
    std::fs::set_permissions(&run, Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    as_nobody(|| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // It may be closed before that.
        let _ = stream.write_all(&[Hello::own().encode(), frame(&Request::Stop)].concat());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{answer:?}");
    });
    rig.stats();
    // Nor does anybody else's directory become an instance's.
    let theirs = rig.path("theirs");
    std::fs::create_dir(&theirs).unwrap();
    std::os::unix::fs::chown(&theirs, Some(NOBODY), Some(NOBODY)).unwrap();
    let config = rig.config();
    let args = ["start", "--config", config.to_str().unwrap(), "--runtime-dir", theirs.to_str().unwrap()];
    rig.command(&args).refusal(2, &["belongs to another user", "--runtime-dir"]);
    assert_eq!(theirs.metadata().unwrap().uid(), NOBODY);
    rig.assert_complete();
}

#[test]
fn f30_a_clip_whose_files_may_not_grow_is_split_and_loses_no_frame() {
    let rig = Rig::start(TWO_CAMERAS);
    let trigger = || rig.command(&["trigger", "--wait", "--post-ms", "4000"]).code(0).json();
    let whole = trials::manifest(&clip_of(&trigger()));
    let bytes = whole["cameras"]["left"]["size_bytes"].as_u64().unwrap();
    assert_eq!(list(&whole["cameras"]["left"], "files"), ["left.mp4"], "{whole:#}");
    // As with `ulimit -f`, or on a file system whose files end at 4 GiB.
    let recorder = rig.pid_of("recorder");
    let was = limit(recorder, Resource::Fsize, Some(bytes * 2 / 5));
    let answer = trigger();
    limit(recorder, Resource::Fsize, was);
    let split = trials::manifest(&clip_of(&answer));
    assert_eq!(split["complete"], true, "{split:#}");
    let left = &split["cameras"]["left"];
    let files = list(left, "files");
    assert!(files.len() >= 2 && files[1] == "left~2.mp4", "{split:#}");
    assert_eq!(list(left, "stretches").len(), files.len(), "{split:#}");
    assert!(list(left, "interruptions").is_empty(), "{split:#}");
    let says = "camera left: its video is split into several files, since a file could not grow any more";
    assert!(list(&split, "notes").contains(&says.into()), "{split:#}");
    rig.assert_complete();
    assert_eq!(rig.pid_of("recorder"), recorder, "the same recorder all the while");
    rig.await_log("going on in another part");
}
