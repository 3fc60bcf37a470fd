//! Clips that are given away: as they are, as an archive, as one video of all cameras, as pictures. And all of them verified.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use oracle::decode;
use oracle::stamp::{self, Stamp};
use oracle::truth::Truth;
use serde_json::Value;
use trials::schemas::assert_valid;
use trials::{Rig, assert_sums, camera, clip_of, finished, manifest, names, program};

/// Cameras of every kind of frames, of different sizes and rates.
const CAMERAS: &str = "\
cameras:
  - { name: raw, backend: sim, width: 320, height: 192, fps: 60, truth_log: $DIR/raw.truth }
  - { name: jpeg, backend: sim, payload: jpeg, width: 256, height: 160, fps: 25, truth_log: $DIR/jpeg.truth }
  - { name: h264, backend: sim, payload: h264, gop_ms: 300, width: 384, height: 128, fps: 50, truth_log: $DIR/h264.truth }
recording:
  output_dir: $DIR/recordings
  reserve_ms: 4000
";
const SIZES: [(&str, usize, usize); 3] = [("raw", 320, 192), ("jpeg", 256, 160), ("h264", 384, 128)];

/// Exports a finished clip into a new folder. Returns the paths that it prints.
#[track_caller]
fn exported(rig: &Rig, id: &str, to: &str, options: &[&str]) -> Vec<PathBuf> {
    let to = rig.path(to);
    std::fs::create_dir(&to).unwrap();
    let answer =
        rig.command(&[&["clips", "export", id, "--to", to.to_str().unwrap()], options].concat()).code(0);
    let made: Vec<PathBuf> = answer.stdout.lines().map(PathBuf::from).collect();
    let there: Vec<PathBuf> = names(&to).into_iter().map(|name| to.join(name)).collect();
    let mut sorted = made.clone();
    sorted.sort();
    assert_eq!(sorted, there, "nothing else is there");
    made
}

/// The capture times of a camera's rows.
fn times(clip: &Path, camera: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(clip.join(format!("{camera}_timestamps.csv"))).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect()
}

#[test]
fn a_clip_is_given_away_whole_and_its_pictures_are_those_that_stood_then() {
    let rig = Rig::start(CAMERAS);
    // The window's first frame needs the key frame before it.
    rig.await_stats("a pre-roll and a key frame before it", |stats| {
        camera(stats, "h264")["ring"]["reach_ms"].as_f64() > Some(1000.0)
    });
    let answer = rig.command(&["trigger", "--label", "goal", "--wait"]).code(0).json();
    let (clip, id) = (clip_of(&answer), answer["clip_id"].as_str().unwrap().to_owned());
    assert_sums(&clip);
    the_clip_is_verified(&rig, &clip, &id);
    copies_are_whole(&rig, &clip, &id);
    for (to, options) in [("video", &["--side-by-side"][..]), ("words", &["--side-by-side", "--burn-in"])] {
        let made = exported(&rig, "clip-0001", to, options);
        assert_eq!(made, [rig.path(to).join(format!("{id}.mp4"))]);
        cameras_show_what_stood(&rig, &clip, &made[0]);
    }
    pictures_are_the_rows(&rig, &clip, &id);
}

fn the_clip_is_verified(rig: &Rig, clip: &Path, id: &str) {
    let report = rig.command(&["clips", "verify", "clip-0001", "--json"]).code(0).json();
    assert_valid("verify", &report);
    assert_eq!((report["good"].as_bool(), report["clip_id"].as_str()), (Some(true), Some(id)));
    let all = rig.command(&["clips", "verify", "--all", "--json"]).code(0).json();
    assert_eq!(all, Value::Array(vec![report]));
    rig.command(&["clips", "verify", "clip-0009"]).refusal(2, &["clip-0009"]);
    // A byte of a video is wrong, then a row of a camera is missing.
    for (name, said) in [("raw.mp4", "raw.mp4"), ("jpeg_timestamps.csv", "camera jpeg")] {
        let whole = std::fs::read(clip.join(name)).unwrap();
        let half = whole.len() / 2;
        let mut bytes = whole.clone();
        bytes.splice(half..half + 20, [0; 19]);
        std::fs::write(clip.join(name), bytes).unwrap();
        for which in ["clip-0001", "--all"] {
            let told = rig.command(&["clips", "verify", which]).code(4);
            assert!(told.stdout.contains(said) && told.stdout.contains(id), "{told:#?}");
        }
        let to = rig.path(&format!("refused-{name}"));
        std::fs::create_dir(&to).unwrap();
        let refused = rig.command(&["clips", "export", id, "--to", to.to_str().unwrap()]);
        refused.refusal(4, &[name]);
        assert!(names(&to).is_empty());
        std::fs::write(clip.join(name), whole).unwrap();
    }
}

fn copies_are_whole(rig: &Rig, clip: &Path, id: &str) {
    let read = |folder: &Path| -> BTreeMap<String, Vec<u8>> {
        names(folder)
            .into_iter()
            .map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap()))
            .collect()
    };
    let made = exported(rig, id, "copy", &[]);
    assert_eq!(made, [rig.path("copy").join(id)]);
    assert_sums(&made[0]);
    assert_eq!(read(&made[0]), read(clip));
    let to = rig.path("copy");
    rig.command(&["clips", "export", id, "--to", to.to_str().unwrap()]).refusal(2, &["is there already"]);
    rig.command(&["clips", "export", id, "--to", "/nowhere"]).refusal(2, &["/nowhere", "isn't there"]);
    rig.command(&["clips", "export", "clip-0009", "--to", to.to_str().unwrap()]).refusal(2, &["clip-0009"]);
    assert_eq!(names(&to).len(), 1);

    let archive = &exported(rig, id, "archive", &["--zip"])[0];
    let unpacked = rig.path("unpacked");
    let unzip = Command::new("python3").args(["-m", "zipfile", "-e"]).arg(archive).arg(&unpacked).status();
    assert!(unzip.unwrap().success());
    assert_eq!(read(&unpacked), read(clip));
}

/// The places of the cameras' pictures in one of their common video: those of their stamps.
fn places(plane: &[u8], stride: usize, width: usize, height: usize) -> BTreeMap<u8, (usize, usize)> {
    let mut found = BTreeMap::new();
    for (camera, (_, w, h)) in (0..).zip(SIZES) {
        for (x, y) in
            (0..=height - h).step_by(2).flat_map(|y| (0..=width - w).step_by(2).map(move |x| (x, y)))
        {
            let seen = stamp::read(&plane[y * stride + x..], stride, w, h);
            if seen.is_some_and(|stamp| stamp.camera_index == camera) {
                found.insert(camera, (x, y));
            }
        }
    }
    found
}

/// In each picture of the video each camera shows the newest frame of some one instant.
fn cameras_show_what_stood(rig: &Rig, clip: &Path, video: &Path) {
    let truths = SIZES.map(|(name, ..)| Truth::read(&rig.path(&format!("{name}.truth"))).unwrap());
    let mut found = BTreeMap::new();
    let mut seen: Vec<Vec<Option<Stamp>>> = Vec::new();
    let decoded = decode::each_frame(video, |luma| {
        if found.len() < SIZES.len() {
            found = places(luma.plane, luma.stride, luma.width, luma.height);
        }
        let read = |(camera, (_, w, h)): (u8, (&str, usize, usize))| {
            let (x, y) = found.get(&camera)?;
            stamp::read(&luma.plane[y * luma.stride + x..], luma.stride, w, h)
        };
        seen.push((0..).zip(SIZES).map(read).collect());
    });
    assert_eq!(decoded.unwrap().errors, [""; 0]);
    assert_eq!(found.len(), SIZES.len(), "{found:?}");
    let raw = times(clip, "raw");
    let shown: Vec<u64> =
        seen.iter().filter_map(|picture| picture[0]).map(|stamp| u64::from(stamp.source_sequence)).collect();
    let made: Vec<u64> =
        truths[0].rows().iter().filter(|made| raw.contains(&made.t_ns)).map(|made| made.sequence).collect();
    let once: Vec<u64> = {
        let mut once = shown.clone();
        once.dedup();
        once
    };
    assert_eq!(once, made, "each frame of the fastest camera is shown");
    assert!(seen.len() <= made.len() + 3, "{} pictures of {} frames", seen.len(), made.len());
    for (at, picture) in seen.iter().enumerate() {
        let Some(fastest) = picture[0] else { continue };
        let index = truths[0]
            .rows()
            .iter()
            .position(|made| made.sequence == u64::from(fastest.source_sequence))
            .unwrap();
        let from = truths[0].rows()[index].t_ns;
        let to = truths[0].rows().get(index + 1).map_or(from + 20_000_000, |next| next.t_ns);
        for (truth, stamp) in truths.iter().zip(picture).skip(1) {
            // Its first frame may be later than the fastest camera's.
            let Some(stamp) = stamp else {
                assert!(at < 4);
                continue;
            };
            let row = truth
                .rows()
                .iter()
                .position(|made| made.sequence == u64::from(stamp.source_sequence))
                .unwrap();
            let since = truth.rows()[row].t_ns;
            let until = truth.rows().get(row + 1).map_or(u64::MAX, |next| next.t_ns);
            assert!(
                since <= to && until >= from,
                "{at}: {stamp:?} stood from {since} to {until}, and the other from {from} to {to}"
            );
        }
    }
}

fn pictures_are_the_rows(rig: &Rig, clip: &Path, id: &str) {
    let made = exported(rig, id, "pictures", &["--frames", "png"]);
    for (camera, (name, width, height)) in (0..).zip(SIZES) {
        let folder = made[0].join(name);
        let rows = times(clip, name);
        let truth = Truth::read(&rig.path(&format!("{name}.truth"))).unwrap();
        let list = std::fs::read_to_string(folder.join("frames.csv")).unwrap();
        assert_eq!((list.lines().count(), names(&folder).len()), (rows.len() + 1, rows.len() + 1));
        for row in [0, 1, rows.len() / 2, rows.len() - 1] {
            let file = format!("{row:06}.png");
            let line = list.lines().nth(row + 1).unwrap();
            assert!(line.starts_with(&format!("{file},{row},{},", rows[row])), "{line}");
            let mut ffmpeg = Command::new("ffmpeg");
            ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(folder.join(file));
            let grey = ffmpeg.args(["-f", "rawvideo", "-pix_fmt", "gray", "-"]).output().unwrap().stdout;
            assert_eq!(grey.len(), width * height);
            let stamp = stamp::read(&grey, width, width, height).unwrap();
            let made = truth.rows().iter().find(|made| made.t_ns == rows[row]).unwrap();
            assert_eq!((stamp.camera_index, u64::from(stamp.source_sequence)), (camera, made.sequence));
        }
    }
}

#[test]
fn every_kind_of_clip_can_be_given_away_and_verified() {
    let film = |name: &str| Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(name);
    let cameras = format!(
        "\
cameras:
  - {{ name: verbatim, backend: sim, payload: h264, clip: verbatim, gop_ms: 700, width: 256, height: 160, fps: 30 }}
  - {{ name: still, backend: file, path: {}, width: 320, height: 240, fps: 25, loop: true }}
  - {{ name: turned, backend: file, path: {}, width: 320, height: 240, fps: 25, loop: true }}
  - {{ name: wide, backend: file, path: {}, width: 320, height: 240, fps: 25, loop: true }}
  - {{ name: odd, backend: sim, pixel_format: GRAY8, width: 257, height: 131, fps: 15 }}
",
        film("still-4s.mp4").display(),
        film("rotated-90.mp4").display(),
        film("sar-16-11.mp4").display(),
    );
    for (codec, more) in [("auto", ""), ("XVID", ""), ("MJPG", "")] {
        let rig = Rig::start(&format!(
            "{cameras}recording: {{ output_dir: $DIR/recordings, reserve_ms: 2000, preferred_codec: {codec} }}\n{more}"
        ));
        rig.await_stats("a key frame before the window", |stats| {
            camera(stats, "verbatim")["ring"]["reach_ms"].as_f64() > Some(1300.0)
        });
        let clip = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
        finished(&clip);
        let told = rig.command(&["clips", "verify", "clip-0001"]);
        assert_eq!(told.code, Some(0), "{codec}: {told:#?}");
        let video = exported(&rig, "clip-0001", "video", &["--burn-in"]);
        let (mut count, mut size) = (0, (0, 0));
        let decoded = decode::each_frame(&video[0], |luma| {
            count += 1;
            size = (luma.width, luma.height);
        });
        assert_eq!(decoded.unwrap().errors, [""; 0]);
        assert!((28..=36).contains(&count), "{codec}: {count} pictures of a second at 30 a second");
        let frames = exported(&rig, "clip-0001", "pictures", &["--frames", "png"]);
        for (name, camera) in manifest(&clip)["cameras"].as_object().unwrap() {
            let shown =
                camera["frames_written"].as_u64().unwrap() - camera["lead_in_frames"].as_u64().unwrap();
            assert_eq!(names(&frames[0].join(name)).len() as u64, shown + 1, "{codec}: {name}");
        }
    }
}

#[test]
fn an_export_that_is_broken_off_leaves_nothing() {
    if trials::no_failpoints() {
        return;
    }
    let rig = Rig::start(trials::TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "100", "--wait"]).code(0).json());
    finished(&clip);
    let to = rig.path("usb");
    std::fs::create_dir(&to).unwrap();
    rig.arm("export.begun=sleep(60000)");
    let mut export = Command::new(program("preroll"));
    export.args(["clips", "export", "clip-0001", "--recordings"]).arg(rig.recordings()).arg("--to").arg(&to);
    export.env(proto::failpoint::FOLDER, rig.path("failpoints"));
    let mut child = export.spawn().unwrap();
    rig.await_happened("export.begun=sleep(60000)", 1);
    assert_eq!(names(&to).len(), 1, "a hidden folder");
    trials::kill(proto::process::Pid::of(&child), rustix::process::Signal::TERM);
    child.wait().unwrap();
    trials::until("everything to be cleared away", || names(&to).is_empty().then_some(()));
}
