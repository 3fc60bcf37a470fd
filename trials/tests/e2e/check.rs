//! The words of `check`: what a config costs here, and what is wrong around it.

use std::process::Command;

use trials::{Rig, TWO_CAMERAS, clip_of, command::Answer, manifest, program};

fn check(rig: &Rig, config: &str) -> Answer {
    rig.configure(config);
    rig.command(&["check", "--config", "rig.yaml"])
}

/// The number before these words.
fn number_before(text: &str, words: &str) -> f64 {
    let before = &text[..text.find(words).unwrap_or_else(|| panic!("{words:?} is missing: {text}"))];
    before.split_whitespace().last().unwrap().parse().unwrap()
}

#[test]
fn paths_are_shown_in_full() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let said = check(&rig, &TWO_CAMERAS.replace("$DIR/recordings", "clips")).code(0).stdout;
    let folder = rig.path("").canonicalize().unwrap();
    for path in ["clips", "rig.yaml"] {
        assert!(said.contains(folder.join(path).to_str().unwrap()), "{said}");
    }
}

#[test]
fn a_tilde_that_no_shell_replaces_is_told_of() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let home = TWO_CAMERAS.replace("$DIR/recordings", "~/clips");
    let warned = check(&rig, &home).code(0);
    assert!(warned.stderr.contains("recording.output_dir: only a shell replaces the ~"), "{warned:#?}");
    assert!(!rig.path("~").exists());
    let film = "cameras: [{ name: left, backend: file, path: ~/film.mp4 }]\n";
    let warned = check(&rig, film).code(0);
    assert!(warned.stderr.contains("camera left: path: only a shell replaces the ~"), "{warned:#?}");
    let usual = check(&rig, TWO_CAMERAS).code(0);
    assert!(!usual.stderr.contains('~'), "{usual:#?}");
}

#[test]
fn the_disk_is_priced_for_the_codec_in_use() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let h264 = check(&rig, TWO_CAMERAS).code(0).stdout;
    let mjpg = check(&rig, &format!("{TWO_CAMERAS}  preferred_codec: MJPG\n")).code(0).stdout;
    let rate = |said: &str| number_before(said, " MB/s with ");
    assert!(rate(&mjpg) > 5.0 * rate(&h264), "{h264}{mjpg}");
    assert!(h264.contains(" MB/s with H264") && mjpg.contains(" MB/s with MJPG"), "{h264}{mjpg}");
    for said in [h264, mjpg] {
        assert!(number_before(&said, " GB are free, for about ") > 0.0, "{said}");
    }
}

#[test]
fn the_disk_is_priced_by_the_last_clips() {
    let config = format!("{TWO_CAMERAS}  preferred_codec: MJPG\n");
    let rig = Rig::start(&config);
    let guess = rig.command(&["check", "--config", "rig.yaml"]).code(0).stdout;
    assert!(guess.contains(" with MJPG (a guess: "), "{guess}");
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    let told = manifest(&clip_of(&answer));
    let per_s = |name: &str| {
        let camera = &told["cameras"][name];
        let of = |key: &str| camera[key].as_f64().unwrap();
        of("size_bytes") / of("frames_written") * of("fps")
    };
    let said = rig.command(&["check", "--config", "rig.yaml"]).code(0).stdout;
    let line =
        format!("about {:.1} MB/s with MJPG (as in the last clips)", (per_s("left") + per_s("right")) / 1e6);
    assert!(said.contains(&line), "{said} {line}");
    // Another quality takes other bytes.
    let other = check(&rig, &format!("{config}  codec_quality: 40\n")).code(0).stdout;
    assert!(other.contains(" with MJPG (a guess: "), "{other}");
}

#[test]
fn a_clip_of_no_length_is_refused_where_it_is_asked_for() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let none = format!("{TWO_CAMERAS}  pre_roll_ms: 0\n  post_roll_ms: 0\n");
    check(&rig, &none).refusal(2, &["rig.yaml:9:17: ", "pre_roll_ms and post_roll_ms are both 0"]);
    for one in ["pre_roll_ms: 0", "post_roll_ms: 0"] {
        check(&rig, &format!("{TWO_CAMERAS}  {one}\n")).code(0);
    }
}

#[test]
fn a_device_that_is_not_there_is_a_warning() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let config = "cameras: [{ name: door, backend: opencv, source: /dev/video60000, width: 640, height: 480, fps: 30 }]\n";
    let warned = check(&rig, config).code(0);
    assert!(warned.stderr.contains("camera door: source: there is no device /dev/video60000"), "{warned:#?}");
}

#[test]
fn shared_memory_that_cannot_be_used_is_named() {
    let rig = Rig::prepare(TWO_CAMERAS);
    for (mount, code, says) in [
        ("mount -t tmpfs none /dev", 1, &["there is no /dev/shm", "--ipc=none"][..]),
        ("mount -t tmpfs -o ro none /dev/shm", 1, &["/dev/shm is read-only"]),
        (
            "mount -t tmpfs -o size=20m none /dev/shm",
            2,
            &["/dev/shm has 20971520 bytes", "--shm-size=", "the rings need "],
        ),
    ] {
        let allowed = Command::new("unshare").args(["--mount", "sh", "-c", mount]).output();
        if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
            println!("skipped: a mount namespace can't be made here: {allowed:?}");
            return;
        }
        for command in ["check", "start"] {
            let output = Command::new("unshare")
                .args(["--mount", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")])
                .arg(program("preroll"))
                .args([command, "--config"])
                .arg(rig.config())
                .arg("--runtime-dir")
                .arg(rig.path("run"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{mount}: {said}");
            assert!(says.iter().all(|words| said.contains(words)), "{mount}: {said}");
        }
    }
    rig.assert_nothing_left();
}
