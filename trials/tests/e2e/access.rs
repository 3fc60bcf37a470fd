//! Who else may read clips and give commands: groups that the config lets in, root, and those who are kept out.

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use proto::ring::{Ring, SegmentName, Viewer};
use rustix::process::{Gid, Uid};
use trials::stats::camera;
use trials::{Rig, TWO_CAMERAS, clip_of, finished, until};

/// The groups of these tests: numbers that no machine gives to anything else.
const CLIPS: u32 = 54_321;
const CONTROL: u32 = 54_322;
const RINGS: u32 = 54_323;
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("skipped: only root can try as other users");
    }
    is_root
}

fn with_groups() -> String {
    format!("{TWO_CAMERAS}access: {{ clips_group: {CLIPS}, control_group: {CONTROL} }}\n")
}

/// Runs a program as nobody in these groups.
fn as_nobody(groups: &str, program: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("setpriv");
    let nobody = NOBODY.to_string();
    command.args(["--reuid", &nobody, "--regid", &nobody]);
    match groups {
        "" => command.arg("--clear-groups"),
        groups => command.args(["--groups", groups]),
    };
    command.arg(program).args(args).output().unwrap()
}

/// Does something as nobody in these groups. Users and groups belong to a thread, as far as the kernel is concerned.
fn in_a_thread_of_nobody<T: Send + 'static>(groups: &[u32], act: impl FnOnce() -> T + Send + 'static) -> T {
    let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let thread = std::thread::spawn(move || {
        rustix::thread::set_thread_groups(&groups).unwrap();
        let (gid, uid) = (Gid::from_raw(NOBODY), Uid::from_raw(NOBODY));
        rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        act()
    });
    thread.join().unwrap()
}

/// The command's executable, where everybody can run it.
fn preroll(rig: &Rig) -> PathBuf {
    let copy = rig.path("preroll");
    std::fs::copy(::rig::program::path("preroll").unwrap(), &copy).unwrap();
    std::fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    copy
}

fn mode_and_group(path: &Path) -> (u32, u32) {
    let there = path.metadata().unwrap();
    (there.mode() & 0o7777, there.gid())
}

#[test]
fn the_members_of_a_group_read_clips_and_write_none() {
    if !is_root() {
        return;
    }
    let rig = Rig::start(&with_groups());
    std::fs::set_permissions(rig.path(""), Permissions::from_mode(0o711)).unwrap();
    let open = rig.ask(&["trigger", "--post-ms", "3000", "--wait"]);
    let clip = until("a clip", || rig.clips().first().cloned());
    assert_eq!(mode_and_group(&clip.join(".partial")), (0o700, CLIPS));
    open.answer().code(0);
    let run = clip.parent().unwrap();
    assert_eq!(mode_and_group(run), (0o750, CLIPS));
    assert_eq!(mode_and_group(&clip), (0o750, CLIPS));
    let mut files = vec![run.join("run.json")];
    files.extend(finished(&clip).iter().map(|name| clip.join(name)));
    assert!(files.len() >= 7, "{files:?}");
    let cat = Path::new("cat");
    let touch = Path::new("touch");
    for file in &files {
        assert_eq!(mode_and_group(file), (0o640, CLIPS), "{}", file.display());
        let path = file.to_str().unwrap();
        assert!(as_nobody(&CLIPS.to_string(), cat, &[path]).status.success(), "{path}");
        assert!(!as_nobody(&CONTROL.to_string(), cat, &[path]).status.success(), "{path}");
        assert!(!as_nobody(&CLIPS.to_string(), touch, &[path]).status.success(), "{path}");
    }
    for private in ["config.json", "state.json", "crashes", ".preroll", "supervisor.lock"] {
        let (mode, _) = mode_and_group(&rig.path("run").join(private));
        assert_eq!(mode, 0o600, "{private}");
    }
    rig.assert_complete();
}

#[test]
fn the_members_of_a_group_give_commands_and_others_do_not() {
    if !is_root() {
        return;
    }
    let mut rig = Rig::start(&with_groups());
    std::fs::set_permissions(rig.path(""), Permissions::from_mode(0o711)).unwrap();
    assert_eq!(mode_and_group(&rig.path("run")), (0o710, CONTROL));
    assert_eq!(mode_and_group(&rig.path("run/control.sock")), (0o660, CONTROL));
    let preroll = preroll(&rig);
    let dir = rig.path("run");
    let ask = |groups: &str, args: &[&str]| {
        let args = [&["--runtime-dir", dir.to_str().unwrap()], args].concat();
        let output = as_nobody(groups, &preroll, &args);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let both = format!("{CONTROL},{CLIPS}");
    for (groups, code, says) in [
        (CONTROL.to_string(), 0, "\"state\": \"ready\""),
        (CLIPS.to_string(), 2, "belongs to another user"),
        (String::new(), 2, "belongs to another user"),
    ] {
        let (ended, said) = ask(&groups, &["stats"]);
        assert_eq!(ended, Some(code), "{groups}: {said}");
        assert!(said.contains(says), "{groups}: {said}");
    }
    let (code, said) = ask(&both, &["trigger", "--wait"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\"complete\": true"), "{said}");
    // With every door open the group still decides.
    std::fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(rig.path("run/control.sock"), Permissions::from_mode(0o666)).unwrap();
    let socket = rig.path("run/control.sock");
    let answered = in_a_thread_of_nobody(&[], move || {
        let mut answer = Vec::new();
        UnixStream::connect(socket).unwrap().read_to_end(&mut answer).unwrap();
        answer
    });
    assert_eq!(answered, b"");
    rig.assert_complete();
    std::fs::set_permissions(&dir, Permissions::from_mode(0o710)).unwrap();
    let (code, said) = ask(&CONTROL.to_string(), &["stop"]);
    assert_eq!((code, said.trim()), (Some(0), "stopped"));
    // `stop` returns when everything is gone, although the lock can't be read by this user.
    assert!(rig.await_end().success());
}

#[test]
fn the_members_of_a_group_look_at_frames_and_change_none() {
    if !is_root() {
        return;
    }
    let rig = Rig::start(&format!("{TWO_CAMERAS}access: {{ rings_group: {RINGS} }}\n"));
    let stats = rig.stats();
    let path = PathBuf::from(camera(&stats, "left")["ring"]["path"].as_str().unwrap());
    assert_eq!(mode_and_group(&path), (0o640, RINGS));
    let name = SegmentName::new(path.file_name().unwrap().to_str().unwrap().to_owned());
    let owner = path.metadata().unwrap().uid();
    let look = {
        let name = name.clone();
        move || {
            let viewer = Viewer::open(&name, owner).map_err(|e| e.to_string())?;
            let seen = viewer.head();
            assert!(viewer.wait_newer(seen, Duration::from_secs(30)), "no frame after {seen}");
            let mut bytes = Vec::new();
            let frame = viewer.copy(viewer.head(), &mut bytes).map_err(|miss| format!("{miss:?}"))?;
            assert!(frame.sequence > seen);
            assert!(Ring::open(&name).is_err(), "mapped to be written");
            Ok::<_, String>(bytes.len())
        }
    };
    assert_eq!(in_a_thread_of_nobody(&[RINGS], look.clone()), Ok(320 * 192 * 3 / 2));
    let refused = in_a_thread_of_nobody(&[CLIPS], look).unwrap_err();
    assert!(refused.contains("ermission"), "{refused}");
}

#[test]
fn a_group_that_is_not_there_is_refused_before_anything_is_made() {
    let config = |group: &str| format!("{TWO_CAMERAS}access: {{ {group} }}\n");
    for (typed, says) in [
        (
            "clips_group: nobody-has-this",
            vec!["access.clips_group: there is no group nobody-has-this", "groupadd"],
        ),
        ("control_group: nobody-has-this", vec!["access.control_group: there is no group"]),
        ("rings_group: nobody-has-this", vec!["access.rings_group: there is no group"]),
    ] {
        let rig = Rig::prepare(&config(typed));
        rig.refused_start().refusal(2, &says);
        let path = rig.config();
        rig.command(&["check", "--config", path.to_str().unwrap()]).refusal(2, &says);
        assert!(!rig.path("recordings").exists());
    }
}

#[test]
fn a_group_that_the_user_is_not_in_is_refused() {
    if !is_root() {
        return;
    }
    let rig = Rig::prepare(&with_groups());
    std::fs::set_permissions(rig.path(""), Permissions::from_mode(0o755)).unwrap();
    let (preroll, config) = (preroll(&rig), rig.config());
    let output = as_nobody("", &preroll, &["check", "--config", config.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is not in the group 54321") && said.contains("usermod"), "{said}");
}

#[test]
fn root_speaks_to_an_instance_that_it_names_and_starts_none_there() {
    if !is_root() {
        return;
    }
    let mut rig = Rig::prepare(TWO_CAMERAS);
    for path in [rig.path(""), rig.path("run")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let nobody = NOBODY.to_string();
    rig.launch_through(&["setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    rig.await_ready();
    assert_eq!(rig.path("run/control.sock").metadata().unwrap().uid(), NOBODY);
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    assert_eq!(answer["complete"], true, "{answer:#}");
    assert_eq!(clip_of(&answer).metadata().unwrap().uid(), NOBODY);
    rig.command(&["start", "--config", rig.config().to_str().unwrap()])
        .refusal(2, &["belongs to another user", "--runtime-dir"]);
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
}

/// The supervisor's process as this pid namespace knows it.
fn supervisor_of(rig: &Rig) -> String {
    let (program, dir) = (trials::program("supervisor"), rig.path("run"));
    let is_it = |pid: &String| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.starts_with(program.to_str().unwrap())
            && line.contains(dir.to_str().unwrap())
            && line.contains("\0start\0")
    };
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.into_string().unwrap()).find(is_it).unwrap()
}

#[test]
fn a_command_from_outside_of_the_pid_namespace_is_told_so() {
    if !is_root() {
        return;
    }
    let mut rig = Rig::prepare(TWO_CAMERAS);
    let wrapper = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let may = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        println!("skipped: this machine lets nobody make pid namespaces");
        return;
    }
    rig.launch_through(&wrapper);
    rig.await_log("ready: 2 cameras");
    for command in [&["status"][..], &["trigger"], &["stop"]] {
        rig.command(command).refusal(1, &["another pid namespace", "docker exec"]);
    }
    assert!(rig.clips().is_empty());
    // Where it runs, commands are answered. This one dies with its namespace, which ends with the supervisor.
    let mut inside = Command::new("nsenter");
    inside.args(["-t", &supervisor_of(&rig), "-p", "-m"]).arg(trials::program("supervisor")).arg("stop");
    inside.env("PREROLL_RUNTIME_DIR", rig.path("run")).output().unwrap();
    assert!(rig.await_end().success());
    rig.await_log("stopped");
}
