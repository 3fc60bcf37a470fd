//! Films whose times or packets are not what they should be, and films that stand still: their clips hold what `ffmpeg` shows.

use std::path::Path;

use serde_json::Value;
use trials::{Rig, camera, clip_of, ffprobe, list, manifest, no_opencv};

/// A rig with one film as its camera, which isn't there yet.
fn prepare(film: &str, config: &str) -> Rig {
    Rig::prepare(&format!(
        "cameras:
  - {{ name: left, backend: file, path: $DIR/{film}, {config} }}
recording: {{ output_dir: $DIR/recordings, reserve_ms: 2000 }}
"
    ))
}

/// Checks the config and starts.
fn start(rig: &mut Rig) {
    let config = rig.config();
    rig.command(&["check", "--config", config.to_str().unwrap()]).code(0);
    rig.launch(&[]);
    rig.await_ready();
}

/// A started rig with one film as its camera.
fn rig(film: &str, config: &str) -> Rig {
    let mut rig = prepare(film, config);
    let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(film);
    std::fs::copy(data, rig.path(film)).unwrap();
    start(&mut rig);
    rig
}

/// The times and the flags in the rows of a clip.
fn rows(clip: &Path) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(clip.join("left_timestamps.csv")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[2].parse().unwrap(), cells[5].to_owned())
    };
    text.lines().skip(1).map(row).collect()
}

/// Records a film that repeats itself after 4 s for longer than that.
#[track_caller]
fn assert_whole(film: &str, config: &str, frames_per_pass: u64, repaired_per_pass: u64) {
    let rig = rig(film, config);
    let answer = rig.command(&["trigger", "--pre-ms", "100", "--post-ms", "5000", "--wait"]).code(0).json();
    let clip = clip_of(&answer);
    let left = manifest(&clip)["cameras"]["left"].clone();
    assert_eq!(list(&left, "gaps"), [Value::Null; 0]);
    let rows = rows(&clip);
    assert!((126..=129).contains(&rows.len()), "{film}: {}", rows.len());
    assert!(rows.windows(2).all(|pair| pair[1].0 - pair[0].0 == 40_000_000), "{rows:?}");
    let repaired = rows.iter().filter(|(_, flags)| flags == "r").count() as u64;
    assert_eq!(left["times_repaired"], repaired);
    let passes = 127 / frames_per_pass;
    assert!(
        (repaired_per_pass * passes..=repaired_per_pass * (passes + 2)).contains(&repaired),
        "{repaired}"
    );
    rig.assert_true();
}

#[test]
fn frames_with_equal_timestamps_are_all_recorded() {
    assert_whole("duplicate-timestamps.mkv", "width: 320, height: 240, fps: 25, loop: true", 100, 4);
}

#[test]
fn two_recordings_in_one_film_are_recorded_whole() {
    assert_whole("concat-two-recordings.ts", "width: 320, height: 240, fps: 25, loop: true", 100, 1);
}

#[test]
fn field_pictures_are_recorded_as_frames() {
    assert_whole("fields-25i.ts", "width: 64, height: 64, fps: 25, loop: true", 14, 0);
}

#[test]
fn frames_that_no_decoder_shows_are_not_missing() {
    let mut rig = prepare("middle.ts", "width: 320, height: 240, fps: 25, loop: true");
    let (whole, middle) = (rig.path("whole.ts"), rig.path("middle.ts"));
    if !make(&whole, &["-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=40:bframes=0"]) {
        return;
    }
    // Joined in the middle, with the tables that begin a transport stream in front: nothing can be shown until the next
    // parameter sets come.
    let bytes = std::fs::read(&whole).unwrap();
    let middle_bytes = [&bytes[..3 * 188], &bytes[bytes.len() / 188 * 4 / 5 * 188..]].concat();
    std::fs::write(&middle, middle_bytes).unwrap();
    start(&mut rig);
    // More than one pass: the film is 2 s long.
    let answer = rig.command(&["trigger", "--pre-ms", "100", "--post-ms", "4000", "--wait"]).code(0).json();
    let clip = clip_of(&answer);
    assert_eq!(list(&manifest(&clip)["cameras"]["left"], "gaps"), [Value::Null; 0]);
    let rows = rows(&clip);
    assert!(rows.windows(2).all(|pair| pair[1].0 - pair[0].0 == 40_000_000), "{rows:?}");
    assert!((101..=104).contains(&rows.len()), "{}", rows.len());
    rig.await_log("its packets don't tell its frames");
    rig.assert_true();
}

#[test]
fn a_film_that_stands_still_misses_nothing_and_its_clip_begins_with_the_picture_that_stood() {
    // It shows 10 frames in 0.4 s, then stands still for 4 s, again and again.
    let rig = rig("still-4s.mp4", "width: 320, height: 240, fps: 25, loop: true");
    // The first of the ten is so old that the last has stood for more than a second.
    rig.await_stats("the film to stand still", |s| {
        let left = camera(s, "left");
        left["captured_frames"] == 10 && left["ring"]["reach_ms"].as_f64() > Some(1600.0)
    });
    let answer = rig.command(&["trigger", "--pre-ms", "300", "--post-ms", "300", "--wait"]).code(0).json();
    let clip = clip_of(&answer);
    let manifest = manifest(&clip);
    let left = &manifest["cameras"]["left"];
    assert_eq!(list(left, "gaps"), [Value::Null; 0]);
    assert_eq!((&left["frames_expected"], &left["frames_written"]), (&1.into(), &1.into()), "{left:#}");
    assert_eq!(left["lead_in_frames"], 1);
    assert!(rows(&clip)[0].0 < manifest["window"]["start_ns"].as_u64().unwrap());
    assert_eq!(rows(&clip)[0].1, "l");
    assert_lasts(&clip, 0.6);
    // A window into which the film moves again.
    let answer = rig.command(&["trigger", "--pre-ms", "300", "--post-ms", "4000", "--wait"]).code(0).json();
    let clip = clip_of(&answer);
    let rows = rows(&clip);
    assert_eq!(rows.iter().map(|(_, flags)| flags.as_str()).collect::<String>(), "l");
    assert_eq!(rows.len(), 11, "{rows:?}");
    assert_lasts(&clip, 4.3);
    let stats = rig.stats();
    assert_eq!(camera(&stats, "left")["state"], "live");
    let reasons = stats["health"]["reasons"].to_string();
    assert!(!reasons.contains("left"), "{reasons}");
    rig.assert_true();
}

/// Asserts that a clip's video lasts as long as its window, however long its last picture stood.
#[track_caller]
fn assert_lasts(clip: &Path, seconds: f64) {
    let Some(stream) = ffprobe::stream(&clip.join("left.mp4")) else { return };
    let lasts: f64 = stream["duration"].as_str().unwrap().parse().unwrap();
    assert!((lasts - seconds).abs() < 0.002, "{lasts} s instead of {seconds} s");
}

#[test]
fn numbered_pictures_are_accepted_by_check_and_start() {
    if no_opencv() {
        return;
    }
    let mut rig = Rig::prepare(
        "cameras:
  - { name: left, backend: opencv, source: $DIR/png/f%04d.png, width: 320, height: 240, fps: 10 }
recording: { output_dir: $DIR/recordings }
",
    );
    std::fs::create_dir(rig.path("png")).unwrap();
    if !make(&rig.path("png/f%04d.png"), &[]) {
        return;
    }
    let said = rig.command(&["check", "--config", "rig.yaml"]).code(0).stdout;
    let line = format!("250 pictures from {} on, played once at 10 fps", rig.path("png/f0001.png").display());
    assert!(said.contains(&line), "{said}");
    start(&mut rig);
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    let rows = rows(&clip_of(&answer));
    assert!((10..=11).contains(&rows.len()), "{rows:?}");
    assert!(rows.windows(2).all(|pair| pair[1].0 - pair[0].0 < 190_000_000), "{rows:?}");
}

#[test]
fn numbered_pictures_of_another_size_are_refused_by_check() {
    let rig = Rig::prepare(
        "cameras: [{ name: left, backend: opencv, source: $DIR/f%d.png, width: 640, height: 480, fps: 25 }]\n",
    );
    if !make(&rig.path("f%d.png"), &["-frames:v", "2"]) {
        return;
    }
    let says = [
        "rig.yaml:1:",
        "camera left: source: ",
        "f1.png gives frames of 320x240",
        "width: 320 and height: 240",
    ];
    rig.command(&["check", "--config", "rig.yaml"]).refusal(2, &says);
}

/// Makes 10 s of a test card. False without the command `ffmpeg`.
fn make(path: &Path, encoded: &[&str]) -> bool {
    let card = "testsrc2=size=320x240:rate=25:duration=10";
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    let made =
        ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", card]).args(encoded).arg(path).status();
    let Ok(made) = made else {
        println!("skipped: there is no ffmpeg command");
        return false;
    };
    assert!(made.success(), "ffmpeg {encoded:?}: {made}");
    true
}
