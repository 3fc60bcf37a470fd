//! A mount whose server never answers, as an NFS server that is away: whoever touches it waits, unlike on a disk that is slow.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use trials::{Rig, TWO_CAMERAS, camera, no_failpoints};

/// A FUSE file system over a folder, with nobody who serves it.
struct DeadMount {
    /// Holds the other end, which nobody reads, until its standard input is closed.
    holder: Child,
    at: PathBuf,
}

impl DeadMount {
    /// `None`, with a word to the reader, where nothing can be mounted.
    fn over(folder: &Path) -> Option<Self> {
        let hold = "exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 preroll-test \"$1\" \
                    && echo mounted && exec cat >/dev/null";
        let mut sh = Command::new("sh");
        sh.args(["-c", hold, "sh"]).arg(folder);
        let mut holder = sh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        if said != "mounted\n" {
            println!("skipped: a FUSE file system can't be mounted here");
            holder.wait().unwrap();
            return None;
        }
        Some(Self { holder, at: folder.to_owned() })
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        // Whoever waits is told that the mount is gone.
        drop(self.holder.stdin.take());
        let ended = self.holder.wait();
        let unmounted = Command::new("umount").arg("-l").arg(&self.at).status();
        if !std::thread::panicking() {
            ended.unwrap();
            assert!(unmounted.unwrap().success());
        }
    }
}

#[test]
fn f21_a_start_adopts_what_runs_though_the_disk_of_clips_is_a_dead_mount() {
    let mut rig = Rig::start(TWO_CAMERAS);
    rig.command(&["trigger", "--wait"]).code(0);
    let children = rig.children();
    let Some(dead) = DeadMount::over(&rig.recordings()) else { return };
    rig.kill_supervisor();
    rig.launch(&[]);
    // Not ready: its recorder can't look for unfinished clips.
    rig.await_stats("both cameras to be live", |s| {
        ["left", "right"].iter().all(|name| camera(s, name)["state"] == "live")
    });
    assert_eq!(rig.children(), children);
    let line = rig.await_log("clips that earlier runs left unfinished wait for the next start");
    assert!(line.contains("recordings gives no answer within 5 s"), "{line}");
    rig.await_stats("the disk to be told of", |s| {
        s["recorder"]["trouble"].to_string().contains("has not answered for")
    });
    rig.command(&["trigger"]).refusal(1, &["has not answered for"]);
    drop(dead);
    // What is on the disk is known again, and nobody was restarted.
    rig.await_ready();
    let stats = rig.await_stats("the finished clip to be counted", |s| {
        s["recorder"]["clips_completed"] == 1 && s["recorder"]["trouble"].is_null()
    });
    assert_eq!(stats["recorder"]["clips_open"], 0);
    rig.command(&["trigger", "--wait"]).code(0);
    assert_eq!(rig.children(), children);
    rig.assert_complete();
}

/// The film's disk is away when the film is looked at.
const GIVES_NO_ANSWER: &str = "check.look:bt709.mp4=sleep(60000)";

#[test]
fn f21_a_start_adopts_what_runs_though_a_film_gives_no_answer() {
    if no_failpoints() {
        return;
    }
    let film = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bt709.mp4");
    let mut rig = Rig::start(&format!(
        "camera: {{ width: 320, height: 240, fps: 25 }}
cameras: [{{ name: left, backend: file, path: {film}, loop: true }}]
recording: {{ output_dir: $DIR/recordings, reserve_ms: 2000 }}
"
    ));
    let left = rig.pid_of("left");
    rig.arm(GIVES_NO_ANSWER);
    rig.kill_supervisor();
    rig.launch(&[]);
    rig.await_ready();
    assert_eq!(rig.pid_of("left"), left);
    let line = rig.await_log("Processes that run are adopted without it");
    assert!(line.contains("camera left: path") && line.contains("no answer within 5 s"), "{line}");
    // Without anything that runs the start is refused, and can be tried again.
    rig.command(&["stop"]).code(0);
    rig.await_end();
    rig.arm(GIVES_NO_ANSWER);
    rig.launch(&[]);
    assert_eq!(rig.await_end().code(), Some(1));
    rig.assert_nothing_left();
}
