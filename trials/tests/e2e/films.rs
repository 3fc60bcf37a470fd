//! Real pictures: video files as cameras, their clips compared with the source frame by frame.

use std::path::{Path, PathBuf};
use std::process::Command;

use oracle::decode;
use serde_json::Value;
use trials::{Rig, camera, clip_of, list, manifest, process};

/// The real video that tests are handed, if it is there.
fn bunny() -> Option<PathBuf> {
    let shared = std::env::var_os("PREROLL_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")), PathBuf::from);
    let path = shared.join("media/bigbuckbunny.mp4");
    if path.is_file() {
        return Some(path.canonicalize().unwrap());
    }
    println!("skipped: there is no {} (PREROLL_SHARED names another folder)", path.display());
    None
}

/// Every other sample of every other row of each picture's luma: enough to know a picture by.
fn pictures(path: &Path) -> Vec<Vec<u8>> {
    let mut pictures = Vec::new();
    let decoded = decode::each_frame(path, |luma| {
        let rows = luma.plane.chunks(luma.stride).take(luma.height).step_by(2);
        pictures.push(rows.flat_map(|row| row[..luma.width].iter().step_by(2).copied()).collect());
    })
    .unwrap();
    assert_eq!(decoded.errors, [""; 0]);
    pictures
}

/// How alike two pictures are, in decibels.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a mean of squares below 65025")]
    let mean = squares as f64 / a.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

fn times_ns(clip: &Path, camera: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(clip.join(format!("{camera}_timestamps.csv"))).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect()
}

#[test]
fn a_real_videos_clip_shows_its_frames_at_its_own_times() {
    let Some(film) = bunny() else { return };
    let rig = Rig::start(&format!(
        "camera: {{ width: 1280, height: 720, fps: 25, backend: file, loop: true }}
cameras:
  - {{ name: left, path: {film} }}
  - {{ name: right, path: {film} }}
recording: {{ output_dir: $DIR/recordings, reserve_ms: 2000, codec_quality: 18 }}
",
        film = film.display()
    ));
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    let clip = clip_of(&answer);
    let source = pictures(&film);
    for name in ["left", "right"] {
        let shown = pictures(&clip.join(format!("{name}.mp4")));
        assert!((25..=26).contains(&shown.len()), "{}", shown.len());
        assert_eq!(answer["cameras"][name]["frames_written"], shown.len());
        let alike = |n: usize| psnr(&shown[0], &source[n % source.len()]);
        let first = (0..source.len()).max_by(|a, b| alike(*a).total_cmp(&alike(*b))).unwrap();
        for (n, picture) in shown.iter().enumerate() {
            let at = |offset: usize| psnr(picture, &source[(first + n + offset) % source.len()]);
            let (right, later, earlier) = (at(0), at(1), at(source.len() - 1));
            assert!(right > 30.0, "{name}: frame {n} is not picture {}: {right:.1} dB", first + n);
            // In a still passage neighbours are alike; then no frame can be told from the next by its picture.
            assert!(
                right + 0.5 > later && right + 0.5 > earlier,
                "{name}: frame {n}: {earlier:.1} {right:.1} {later:.1}"
            );
        }
        let times = times_ns(&clip, name);
        assert_eq!(times.len(), shown.len());
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 40_000_000), "{times:?}");
        let mut shown_at = Vec::new();
        decode::each_frame(&clip.join(format!("{name}.mp4")), |luma| shown_at.push(luma.pts_us.unwrap()))
            .unwrap();
        assert!(shown_at.windows(2).all(|pair| pair[1] - pair[0] == 40_000), "{shown_at:?}");
        assert_eq!(shown_at[0], 0);
    }
}

/// `seconds` of a test card at 25 fps, every frame a key frame. `None`, with a word to the reader, without `ffmpeg`.
fn card(path: &Path, seconds: u32) -> Option<()> {
    let card = format!("testsrc2=size=320x192:rate=25:duration={seconds}");
    let done = Command::new("ffmpeg")
        .args([
            "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", &card, "-c:v", "libx264", "-qp", "10",
            "-g", "1",
        ])
        .arg(path)
        .status();
    match done {
        Ok(status) => {
            assert!(status.success());
            Some(())
        }
        Err(e) => {
            println!("skipped: there is no ffmpeg command ({e})");
            None
        }
    }
}

/// A film beside a simulated camera.
const FILM_AND_SIM: &str = "\
camera: { width: 320, height: 192 }
cameras:
  - { name: left, backend: file, path: $DIR/card.mkv, fps: 25 }
  - { name: right, backend: sim, fps: 60, truth_log: $DIR/right.truth }
recording: { output_dir: $DIR/recordings, reserve_ms: 4000, codec_quality: 18 }
";

#[track_caller]
fn assert_right_is_complete(rig: &Rig) {
    let report = oracle::folder::judge(&rig.recordings(), &rig.truths()).unwrap();
    for clip in &report.clips {
        let right = &clip.cameras["right"];
        assert!(right.is_true() && right.present == right.expected, "{report}");
    }
}

#[track_caller]
fn assert_right_never_noticed(stats: &Value) {
    assert_eq!(camera(stats, "right")["state"], "live");
    assert_eq!(process(stats, "right")["restarts"], 0);
    assert_eq!(process(stats, "recorder")["restarts"], 0);
}

#[test]
fn a_film_that_ends_is_an_ended_camera_and_no_trouble() {
    let mut rig = Rig::prepare(FILM_AND_SIM);
    let Some(()) = card(&rig.path("card.mkv"), 6) else { return };
    rig.launch(&[]);
    rig.await_ready();
    // Its window lasts beyond the film's end.
    let answer = rig.command(&["trigger", "--post-ms", "7000", "--wait"]).code(0).json();
    let left = &answer["cameras"]["left"];
    assert_eq!(left["frames_expected"], left["frames_written"]);
    let manifest = manifest(&clip_of(&answer));
    assert_eq!(list(&manifest["cameras"]["left"], "gaps"), [Value::Null; 0]);
    let stats = rig.await_stats("the film's end", |s| camera(s, "left")["state"] == "ended");
    assert_right_never_noticed(&stats);
    assert_eq!((&stats["state"], &process(&stats, "left")["restarts"]), (&"ready".into(), &0.into()));
    // The last picture of all is in the clip.
    let shown = pictures(&clip_of(&answer).join("left.mp4"));
    let source = pictures(&rig.path("card.mkv"));
    assert_eq!(source.len(), 150);
    let alike = psnr(shown.last().unwrap(), source.last().unwrap());
    assert!(alike > 30.0, "{alike}; the one before: {}", psnr(shown.last().unwrap(), &source[148]));
    // Later clips hold what there is, which is the other camera.
    let answer = rig.command(&["trigger", "--wait"]).json();
    assert!(answer["cameras"]["right"]["frames_written"].as_u64() >= Some(60), "{answer:#}");
    assert_right_is_complete(&rig);
}

#[test]
fn a_film_that_breaks_off_is_that_cameras_trouble_only() {
    let mut rig = Rig::prepare(FILM_AND_SIM);
    let path = rig.path("card.mkv");
    let Some(()) = card(&path, 20) else { return };
    rig.launch(&[]);
    rig.await_ready();
    let trigger = rig.ask(&["trigger", "--post-ms", "2000", "--wait"]);
    rig.await_stats("the clip to be open", |s| s["recorder"]["clips_open"] == 1);
    // Everything from here on is gone: less than was played would be, were it not already in memory.
    let film = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    film.set_len(path.metadata().unwrap().len() / 20).unwrap();
    let answer = trigger.answer();
    assert!(matches!(answer.code, Some(0 | 4)), "{answer:#?}");
    let answer = rig.command(&["trigger", "--wait"]).json();
    assert!(answer["cameras"]["right"]["frames_written"].as_u64() >= Some(60), "{answer:#}");
    let stats = rig.await_stats("the trouble to be noticed", |s| camera(s, "left")["state"] != "live");
    assert_right_never_noticed(&stats);
    assert_right_is_complete(&rig);
}

#[test]
fn a_film_that_was_cut_off_before_plays_as_far_as_it_goes() {
    let mut rig = Rig::prepare(FILM_AND_SIM);
    let path = rig.path("card.mkv");
    let Some(()) = card(&path, 10) else { return };
    let film = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    film.set_len(path.metadata().unwrap().len() / 2 + 7).unwrap();
    rig.launch(&[]);
    rig.await_ready();
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    assert!(answer["cameras"]["left"]["frames_written"].as_u64() >= Some(25), "{answer:#}");
    let stats = rig.await_stats("the film's end", |s| camera(s, "left")["state"] != "live");
    assert_right_never_noticed(&stats);
    assert_right_is_complete(&rig);
}
