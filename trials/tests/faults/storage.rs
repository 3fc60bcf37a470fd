//! Disks that are full, slow, read-only or away: a state, not a death. What the ring can hold is recorded as soon as the
//! disk takes it, and the rest is declared.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::fs::FallocateFlags;
use rustix::process::Signal;
use serde_json::Value;
use trials::{
    Rig, TWO_CAMERAS, clip_of, finished, kill, list, manifest, names, no_failpoints, process, until,
};

/// To the last byte of a small disk.
fn without_a_floor() -> String {
    format!("{TWO_CAMERAS}  min_free_bytes: 0\n")
}

/// With a ring that holds less than a second beyond what it must, and no backlog.
fn with_a_short_reserve() -> String {
    without_a_floor().replace("reserve_ms: 4000", "reserve_ms: 500\n  backlog_bytes: 0")
}

/// A rig whose recordings folder is a file system of its own.
pub(crate) struct DiskRig {
    pub(crate) rig: Rig,
    disk: Mounted,
}

/// Taken away when dropped, after the rig.
struct Mounted {
    at: PathBuf,
    rig: PathBuf,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = sh("umount", &["-d".as_ref(), self.at.as_os_str()]);
        // The rig could not remove a folder in which something was mounted.
        let _ = std::fs::remove_dir_all(&self.rig);
    }
}

fn sh(program: &str, args: &[&std::ffi::OsStr]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

impl DiskRig {
    /// A tmpfs with these options; `None` with a word about it where none can be mounted.
    pub(crate) fn tmpfs(config: &str, options: &str) -> Option<Self> {
        Self::on(config, |_, at| {
            sh(
                "mount",
                &["-t", "tmpfs", "-o", options, "preroll-test"]
                    .map(AsRef::as_ref)
                    .into_iter()
                    .chain([at.as_os_str()])
                    .collect::<Vec<_>>(),
            )
        })
    }

    /// An ext4 in a file, which can be frozen.
    fn ext4(config: &str) -> Option<Self> {
        Self::on(config, |folder, at| {
            let image = folder.join("disk.img");
            let file = File::create(&image).map_err(|e| e.to_string())?;
            file.set_len(64 << 20).map_err(|e| e.to_string())?;
            sh("mkfs.ext4", &["-q".as_ref(), image.as_os_str()])?;
            sh("mount", &["-o".as_ref(), "loop".as_ref(), image.as_os_str(), at.as_os_str()])
        })
    }

    fn on(config: &str, mount: impl FnOnce(&Path, &Path) -> Result<(), String>) -> Option<Self> {
        let rig = Rig::prepare(config);
        let at = rig.recordings();
        std::fs::create_dir(&at).unwrap();
        if let Err(why) = mount(&rig.path(""), &at) {
            println!("skipped: needs a file system of its own, and to be root for it: {why}");
            return None;
        }
        let disk = Mounted { at, rig: rig.path("") };
        let mut this = Self { rig, disk };
        this.rig.launch(&[]);
        this.rig.await_ready();
        Some(this)
    }

    /// Takes all room but this much, until the file is removed.
    fn fill(&self, but: u64) -> Filler {
        let free = free_bytes(&self.disk.at);
        Filler::of(self.disk.at.join("filler"), free.saturating_sub(but))
    }
}

/// A file that takes up room until it is dropped.
struct Filler(PathBuf);

impl Filler {
    fn of(path: PathBuf, bytes: u64) -> Self {
        let mut file = File::create(&path).unwrap();
        // A disk that is being written to may have less by now.
        if rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes).is_err() {
            while file.write_all(&[0; 4096]).is_ok() {}
        }
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn free_bytes(folder: &Path) -> u64 {
    let disk = rustix::fs::statvfs(folder).unwrap();
    disk.f_bavail * disk.f_frsize
}

/// Waits until the stats tell of a trouble in these words, and say that something is wrong.
fn await_trouble(rig: &Rig, says: &[&str]) -> String {
    let asked = Instant::now();
    let stats = rig.await_stats("the trouble to be shown", |s| {
        let told = s["recorder"]["trouble"].as_str().unwrap_or_default();
        s["state"] == "degraded" && says.iter().all(|words| told.contains(words))
    });
    println!("shown after {} ms: {}", asked.elapsed().as_millis(), stats["recorder"]["trouble"]);
    assert_eq!(stats["health"]["status"], "attention");
    let status = rig.command(&["status"]).code(0).stdout;
    assert!(says.iter().all(|words| status.contains(words)), "{status}");
    stats["recorder"]["trouble"].as_str().unwrap().to_owned()
}

fn await_well(rig: &Rig) {
    let asked = Instant::now();
    rig.await_stats("the trouble to be over", |s| {
        s["state"] == "ready" && s["recorder"]["trouble"].is_null()
    });
    println!("over after {} ms", asked.elapsed().as_millis());
}

/// Waits until a camera's encoder has gone on.
fn await_encoding(rig: &Rig) {
    let encoded = |s: &Value| s["recorder"]["frames_encoded"].as_u64();
    let before = encoded(&rig.stats());
    rig.await_stats("frames to be encoded again", |s| encoded(s) > before);
}

#[track_caller]
fn assert_nobody_was_restarted(rig: &Rig) {
    for who in ["left", "right", "recorder"] {
        assert_eq!(process(&rig.stats(), who)["restarts"], 0, "{who}");
    }
}

/// Asserts that all that is missing of a clip is the disk's fault, and how much it is: none, or some.
#[track_caller]
fn assert_lost_to_the_disk(clip: &Path, something: bool) {
    let manifest = manifest(clip);
    for camera in ["left", "right"] {
        let gaps = list(&manifest["cameras"][camera], "gaps");
        assert_eq!(gaps.is_empty(), !something, "{camera}: {gaps:#?}");
        assert!(gaps.iter().all(|gap| gap["cause"] == "disk"), "{camera}: {gaps:#?}");
    }
}

/// A finished clip, byte for byte.
fn bytes_of(clip: &Path) -> Vec<Vec<u8>> {
    finished(clip).iter().map(|name| std::fs::read(clip.join(name)).unwrap()).collect()
}

#[test]
fn f16_f17_a_full_disk_costs_nothing_that_the_ring_can_hold() {
    let Some(DiskRig { rig, disk }) = DiskRig::tmpfs(&without_a_floor(), "size=8m") else { return };
    let this = DiskRig { rig, disk };
    let rig = &this.rig;
    let whole = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    let before = bytes_of(&whole);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "5000"]).code(0).json());
    rig.await_frames(&clip, "left", 60);
    let filler = this.fill(0);
    await_trouble(rig, &["No space left", "recordings", "make room"]);
    assert!(!clip.join("manifest.json").exists() && !clip.join("left.mp4").exists());
    drop(filler);
    await_encoding(rig);
    await_well(rig);
    let manifest = rig.await_manifest(&clip);
    rig.assert_true();
    assert_lost_to_the_disk(&clip, false);
    // The other camera's last page may have had room for as long as the disk was full.
    let interruptions = ["left", "right"].map(|camera| list(&manifest["cameras"][camera], "interruptions"));
    assert!(interruptions.iter().copied().flatten().any(|i| i["cause"] == "disk"), "{interruptions:#?}");
    assert_eq!(bytes_of(&whole), before, "a finished clip is not touched");
    assert_nobody_was_restarted(rig);
}

#[test]
fn f16_f17_what_the_ring_cannot_hold_is_declared_to_the_frame() {
    let Some(this) = DiskRig::tmpfs(&with_a_short_reserve(), "size=8m") else { return };
    let rig = &this.rig;
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "6000"]).code(0).json());
    rig.await_frames(&clip, "left", 60);
    let filler = this.fill(0);
    await_trouble(rig, &["No space left"]);
    let captured =
        |s: &Value| list(s, "cameras").iter().map(|c| c["captured_frames"].as_u64().unwrap()).min();
    let then = captured(&rig.stats()).unwrap();
    rig.await_stats("the rings to be overrun", |s| captured(s) > Some(then + 120));
    let newest_then = captured(&rig.stats()).unwrap();
    let slots = list(&rig.stats(), "cameras")[0]["ring"]["slots"].as_u64().unwrap();
    drop(filler);
    let manifest = rig.await_manifest(&clip);
    rig.assert_true();
    assert_lost_to_the_disk(&clip, true);
    for camera in ["left", "right"] {
        // While the encoder opens again the ring may overwrite a frame behind the first that is there.
        let gaps = list(&manifest["cameras"][camera], "gaps");
        let ([gap] | [_, gap]) = gaps else { panic!("{manifest:#}") };
        let last_lost = gap["after_sequence"].as_u64().unwrap() + gap["missing"].as_u64().unwrap();
        // The recorder looks four times a second; what was in the ring when it did is in the clip.
        assert!(last_lost < newest_then - slots / 2 + 60, "{gap}: {newest_then} frames then, {slots} slots");
    }
    // A disk that stays full is not littered with attempts.
    let mut there = names(&clip);
    // Posters and sums are made a moment after the manifest.
    there.retain(|name| name != "SHA256SUMS" && !name.ends_with("_poster.jpg"));
    assert_eq!(there.len(), 5, "{there:?}");
    assert_nobody_was_restarted(rig);
}

#[test]
fn f16_a_disk_that_fills_up_while_a_clip_is_finished_only_delays_it() {
    // A codec whose parts are written anew: those of H.264 become the files where they are.
    let config = format!("{}  preferred_codec: XVID\n", without_a_floor());
    let Some(this) = DiskRig::tmpfs(&config, "size=64m") else { return };
    let rig = &this.rig;
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "2500"]).code(0).json());
    let partial = clip.join(".partial");
    for camera in ["left", "right"] {
        rig.await_frames(&clip, camera, 120);
    }
    // 180 frames in all: the parts will fit, and what is made of them won't.
    let so_far: u64 = names(&partial).iter().map(|n| partial.join(n).metadata().unwrap().len()).sum();
    let whole = so_far * 180 / 120;
    let filler = this.fill((whole - so_far) + whole / 2);
    let told = await_trouble(rig, &["can't be finished", "make room"]);
    assert!(told.contains(clip.to_str().unwrap()), "{told}");
    assert_eq!(names(&clip), [".partial".to_owned()].into(), "nothing is there before it is whole");
    assert!(names(&partial).contains("left.part1.mp4"));
    drop(filler);
    assert_eq!(rig.await_manifest(&clip)["complete"], true);
    rig.assert_complete();
    await_well(rig);
    assert_nobody_was_restarted(rig);
}

#[test]
fn f16_a_trigger_for_which_there_is_no_room_is_refused() {
    let Some(this) = DiskRig::tmpfs(&without_a_floor(), "size=8m") else { return };
    let rig = &this.rig;
    let filler = this.fill(0);
    rig.command(&["trigger"]).refusal(1, &["nothing was recorded", "No space left"]);
    assert!(rig.clips().is_empty(), "it leaves nothing: {:?}", rig.clips());
    drop(filler);
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}

#[test]
fn f16_f17_below_the_floor_the_disk_counts_as_full() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let free = free_bytes(&rig.path(""));
    let (margin, size) = (1 << 30, 2 << 30);
    if free < 2 * size {
        println!("skipped: needs {} bytes free for its recordings, to take away half of that", 2 * size);
        return;
    }
    // Others write to this disk too: the floor is a gigabyte away from where it stands with the filler and without.
    rig.configure(&format!("{TWO_CAMERAS}  min_free_bytes: {}\n", free - margin));
    let mut rig = rig;
    rig.launch(&[]);
    rig.await_ready();
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "4000"]).code(0).json());
    rig.await_frames(&clip, "left", 60);
    let fill = || Filler::of(rig.path("filler"), size);
    let filler = fill();
    await_trouble(&rig, &["recording.min_free_bytes", "bytes", "recordings", "make room"]);
    rig.command(&["trigger"]).refusal(1, &["nothing was recorded", "recording.min_free_bytes"]);
    let config = rig.config();
    let check = ["check", "--config", config.to_str().unwrap()];
    rig.command(&check).refusal(2, &["recording.min_free_bytes", "bytes"]);
    drop(filler);
    await_encoding(&rig);
    rig.command(&check).code(0);
    rig.await_manifest(&clip);
    rig.assert_true();
    assert_lost_to_the_disk(&clip, false);
    await_well(&rig);
    // Nothing needs to be open for it to be shown, and a rig that starts so is there when room is made.
    let filler = fill();
    await_trouble(&rig, &["recording.min_free_bytes"]);
    assert_nobody_was_restarted(&rig);
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
    rig.launch(&[]);
    rig.await_log("until then nothing is recorded");
    await_trouble(&rig, &["recording.min_free_bytes"]);
    drop(filler);
    rig.await_ready();
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_true();
}

/// Lets a frozen disk go, whatever becomes of the test.
struct Frozen<'a>(&'a Path);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = sh("fsfreeze", &["-u".as_ref(), self.0.as_os_str()]);
    }
}

#[test]
fn f21_a_disk_that_hangs_is_waited_for() {
    let Some(this) = DiskRig::ext4(&without_a_floor()) else { return };
    let (rig, at) = (&this.rig, this.disk.at.clone());
    let children = rig.children();
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "14000"]).code(0).json());
    rig.await_frames(&clip, "left", 60);
    if let Err(why) = sh("fsfreeze", &["-f".as_ref(), at.as_os_str()]) {
        println!("skipped: {why}");
        return;
    }
    let frozen = Frozen(&at);
    let since = Instant::now();
    let told = await_trouble(rig, &["disk stalled", "has not answered for"]);
    assert!(told.contains(at.to_str().unwrap()), "{told}");
    println!("shown {} ms after the freeze", since.elapsed().as_millis());
    // The supervisor has an answer for everybody meanwhile, and no quarrel with the recorder.
    rig.command(&["trigger"]).refusal(1, &["disk stalled", "has not answered for"]);
    rig.await_stats("twice the recorder's patience to be over", |s| {
        assert_eq!(process(s, "recorder")["restarts"], 0);
        waited_s(s) >= Some(8)
    });
    drop(frozen);
    await_well(rig);
    let manifest = rig.await_manifest(&clip);
    // Eight seconds, of which the ring holds half and the backlog the rest.
    assert_lost_to_the_disk(&clip, false);
    assert_eq!(manifest["complete"], true, "{manifest:#}");
    rig.await_stats("the late trigger's clip too", |s| s["recorder"]["clips_open"] == 0);
    rig.assert_true();
    assert_eq!(rig.children(), children);
    rig.command(&["trigger", "--wait"]).code(0);
}

#[test]
fn f21_waiting_for_the_disk_is_no_hang_however_the_kernel_calls_it() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    let children = rig.children();
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "1500"]).code(0).json());
    rig.await_frames(&clip, "left", 40);
    // The thread that reads the parts sleeps as on some network's disks: to the kernel it doesn't wait for a disk.
    rig.arm("part.read:/left=sleep(9000)");
    await_trouble(&rig, &["disk stalled", "recordings has not answered for"]);
    rig.await_stats("twice the recorder's patience to be over", |s| waited_s(s) >= Some(5));
    assert_nobody_was_restarted(&rig);
    assert_eq!(rig.await_manifest(&clip)["complete"], true);
    rig.assert_complete();
    await_well(&rig);
    assert_eq!(rig.children(), children);
}

/// For how long a disk hasn't answered, as the stats say.
fn waited_s(stats: &Value) -> Option<u64> {
    stats["recorder"]["trouble"].as_str()?.split(" answered for ").nth(1)?.split(' ').next()?.parse().ok()
}

#[test]
fn f22_an_output_folder_that_is_a_link_is_refused() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let elsewhere = rig.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, rig.recordings()).unwrap();
    let says = [
        "output_dir",
        "recordings is a symbolic link to",
        elsewhere.to_str().unwrap(),
        "name the folder itself",
    ];
    rig.refused_start().refusal(2, &says);
    rig.command(&["check", "--config", rig.config().to_str().unwrap()]).refusal(2, &says);
    assert!(names(&elsewhere).is_empty());
    // A link above it is the system's business.
    let above = rig.path("above");
    symlink(rig.path(""), &above).unwrap();
    rig.configure(&TWO_CAMERAS.replace("$DIR/recordings", above.join("clips").to_str().unwrap()));
    rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(0);
    rig.assert_nothing_left();
}

#[test]
fn f22_nothing_is_recorded_through_a_link_that_took_a_folders_place() {
    let rig = Rig::start(TWO_CAMERAS);
    let session = PathBuf::from(rig.stats()["run_folder"].as_str().unwrap());
    let (aside, elsewhere) = (rig.path("aside"), rig.path("elsewhere"));
    std::fs::create_dir(&elsewhere).unwrap();
    // Each of them in the middle of a clip, then put back.
    for folder in [session.clone(), rig.recordings(), session.join("clip-0003")] {
        let clip = clip_of(&rig.command(&["trigger", "--post-ms", "1500"]).code(0).json());
        rig.await_frames(&clip, "left", 40);
        std::fs::rename(&folder, &aside).unwrap();
        symlink(&elsewhere, &folder).unwrap();
        await_trouble(&rig, &["is a symbolic link to", elsewhere.to_str().unwrap(), "put it back"]);
        if folder != clip {
            rig.command(&["trigger"]).refusal(1, &["nothing was recorded", "symbolic link"]);
        }
        let stats = rig.stats();
        assert_eq!(stats["recorder"]["clips_open"], 1, "it is not given up: {stats:#}");
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&aside, &folder).unwrap();
        assert_eq!(rig.await_manifest(&clip)["complete"], true);
        await_well(&rig);
    }
    assert!(names(&elsewhere).is_empty(), "{:?}", names(&elsewhere));
    rig.assert_complete();
    assert_nobody_was_restarted(&rig);
}

#[test]
fn f22_a_recordings_folder_that_comes_back_brings_its_clips_with_it() {
    let rig = Rig::start(&format!("{TWO_CAMERAS}  max_open_clips: 1\n"));
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "1500"]).code(0).json());
    rig.await_frames(&clip, "left", 40);
    let away = rig.path("away");
    std::fs::rename(rig.recordings(), &away).unwrap();
    await_trouble(&rig, &["is gone", "put the folder back"]);
    rig.await_log("can't be finished");
    assert_eq!(rig.stats()["recorder"]["clips_open"], 1, "somebody still waits for it");
    std::fs::rename(&away, rig.recordings()).unwrap();
    assert_eq!(rig.await_manifest(&clip)["complete"], true);
    await_well(&rig);
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
    assert_nobody_was_restarted(&rig);
}

#[test]
fn f22_a_recorder_that_starts_while_the_folder_is_away_goes_on_when_it_is_back() {
    let rig = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "1500"]).code(0).json());
    rig.await_frames(&clip, "left", 40);
    let away = rig.path("away");
    std::fs::rename(rig.recordings(), &away).unwrap();
    let killed = rig.pid_of("recorder");
    kill(killed, Signal::KILL);
    rig.await_log("can't look for unfinished clips in");
    std::fs::rename(&away, rig.recordings()).unwrap();
    rig.await_manifest(&clip);
    await_well(&rig);
    assert_ne!(rig.pid_of("recorder"), killed);
    rig.assert_complete();
}

#[test]
fn f22_a_recordings_folder_that_was_removed_is_missed_until_it_is_made_again() {
    let rig = Rig::start(TWO_CAMERAS);
    let session = PathBuf::from(rig.stats()["run_folder"].as_str().unwrap());
    std::fs::remove_dir_all(rig.recordings()).unwrap();
    await_trouble(&rig, &["is gone", "put the folder back"]);
    rig.command(&["trigger"]).refusal(1, &["nothing was recorded", "is gone"]);
    assert!(!rig.recordings().exists(), "nothing is put where a disk may belong");
    std::fs::create_dir_all(&session).unwrap();
    await_well(&rig);
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
    assert_nobody_was_restarted(&rig);
}

#[test]
fn f22_a_disk_that_is_read_only_is_shown_until_it_is_writable_again() {
    let Some(this) = DiskRig::tmpfs(&without_a_floor(), "size=8m") else { return };
    let rig = &this.rig;
    let remount = |how: &str| {
        let options = format!("remount,{how}");
        until("the disk to be remounted", || {
            sh("mount", &["-o".as_ref(), options.as_ref(), this.disk.at.as_os_str()]).ok()
        });
    };
    remount("ro");
    await_trouble(rig, &["is read-only", "recordings"]);
    rig.command(&["trigger"]).refusal(1, &["nothing was recorded", "is read-only"]);
    remount("rw");
    await_well(rig);
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
    assert_nobody_was_restarted(rig);
}

#[test]
fn f23_a_disk_without_inodes_is_shown_until_it_has_some() {
    let Some(this) = DiskRig::tmpfs(&without_a_floor(), "size=8m,nr_inodes=64") else { return };
    let rig = &this.rig;
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "2500"]).code(0).json());
    rig.await_frames(&clip, "left", 60);
    let litter = this.disk.at.join("litter");
    std::fs::create_dir(&litter).unwrap();
    let files = (0..).map_while(|n| File::create(litter.join(n.to_string())).ok()).count();
    assert!(files > 0);
    await_trouble(rig, &["has no inode free", "remove some"]);
    rig.command(&["trigger"]).refusal(1, &["nothing was recorded", "inode"]);
    // The parts are open and go on; only what is made of them can't begin.
    rig.await_log("can't be finished");
    std::fs::remove_dir_all(&litter).unwrap();
    assert_eq!(rig.await_manifest(&clip)["complete"], true);
    await_well(rig);
    rig.assert_complete();
    assert_nobody_was_restarted(rig);
}
