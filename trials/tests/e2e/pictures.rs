//! Films that say something of their pictures (colours, a turn, the shape of pixels): clips say the same to another program,
//! and show the same colours.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use trials::{Rig, clip_of, ffprobe, manifest};

/// Cameras, and the films that they play: of 320x240 pixels, with each frame's number as 16 blocks along the top.
const FILMS: [(&str, &str); 3] =
    [("colours", "bt709.mp4"), ("turned", "rotated-90.mp4"), ("wide", "sar-16-11.mp4")];
const WIDTH: usize = 320;
const HEIGHT: usize = 240;
/// The largest difference between a film's colour and its clip's, of 255.
const MOST_OFF: u8 = 3;

fn data(film: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(film)
}

/// Checks and records the films with a codec. Returns the rig, the words of `check` and the clip's folder.
fn record(codec: &str) -> (Rig, String, PathBuf) {
    let cameras = FILMS.map(|(name, film)| {
        format!("  - {{ name: {name}, backend: file, path: {}, loop: true }}\n", data(film).display())
    });
    let mut rig = Rig::prepare(&format!(
        "camera: {{ width: {WIDTH}, height: {HEIGHT}, fps: 25 }}
cameras:
{}recording: {{ output_dir: $DIR/recordings, reserve_ms: 2000, codec_quality: 1, preferred_codec: {codec} }}
",
        cameras.concat()
    ));
    let checked = rig.command(&["check", "--config", "rig.yaml"]).code(0);
    rig.launch(&[]);
    rig.await_ready();
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    (rig, checked.stderr, clip_of(&answer))
}

/// All that a stream says of its pictures but their pixels.
fn said(stream: &Value) -> Vec<(&'static str, Value)> {
    let words = ["color_range", "color_space", "color_primaries", "color_transfer", "sample_aspect_ratio"];
    let turns =
        stream["side_data_list"].as_array().into_iter().flatten().map(|data| data["rotation"].clone());
    let turn = turns.into_iter().find(|turn| !turn.is_null()).unwrap_or_default();
    words.map(|word| (word, stream[word].clone())).into_iter().chain([("rotation", turn)]).collect()
}

/// A file's frames in red, green and blue, as `ffmpeg` shows them before it turns them. `None` without that command.
fn shown(file: &Path) -> Option<Vec<Vec<u8>>> {
    let exact = "accurate_rnd+full_chroma_int";
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-noautorotate", "-i"]).arg(file);
    ffmpeg.args(["-sws_flags", exact, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
    let Ok(done) = ffmpeg.output() else {
        println!("skipped: there is no ffmpeg command");
        return None;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(done.stdout.chunks_exact(WIDTH * HEIGHT * 3).map(<[u8]>::to_vec).collect())
}

/// The number that a frame carries.
fn number(frame: &[u8]) -> usize {
    let block = |n: usize| frame[(8 * WIDTH + n * WIDTH / 16 + 10) * 3] > 128;
    (0..16).fold(0, |number, n| number * 2 + usize::from(block(n)))
}

/// The mean colour of 8x8 pixels, and how far they are from each other.
fn block(frame: &[u8], x: usize, y: usize) -> ([u8; 3], u8) {
    let at = |channel: usize| {
        let values = (y..y + 8).flat_map(move |y| (x..x + 8).map(move |x| (y * WIDTH + x) * 3 + channel));
        let values: Vec<u8> = values.map(|at| frame[at]).collect();
        let sum: u32 = values.iter().map(|value| u32::from(*value)).sum();
        let (least, most) = (values.iter().min().unwrap(), values.iter().max().unwrap());
        (u8::try_from((sum + 32) / 64).unwrap(), most - least)
    };
    let channels = [0, 1, 2].map(at);
    (channels.map(|(mean, _)| mean), channels.map(|(_, spread)| spread).into_iter().max().unwrap())
}

/// Asserts that a clip's frames have the colours of the film's frames of the same numbers.
#[track_caller]
fn assert_same_colours(film: &Path, clip: &Path) {
    let (Some(source), Some(shown)) = (shown(film), shown(clip)) else { return };
    assert!(shown.len() >= 20, "{} frames in {}", shown.len(), clip.display());
    for frame in &shown {
        let number = number(frame);
        let source = source.get(number).unwrap_or_else(|| panic!("{}: no frame {number}", clip.display()));
        for (x, y) in (0..WIDTH).step_by(8).flat_map(|x| (40..HEIGHT).step_by(8).map(move |y| (x, y))) {
            let ((meant, spread), (came, _)) = (block(source, x, y), block(frame, x, y));
            // A sharp edge lies in it.
            if spread > 32 {
                continue;
            }
            let off = meant.iter().zip(&came).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(
                off <= Some(MOST_OFF),
                "{}: frame {number} at {x}, {y}: {meant:?} is shown as {came:?}",
                clip.display()
            );
        }
    }
}

#[test]
fn a_clip_says_of_its_pictures_what_the_film_says_and_shows_its_colours() {
    let (rig, warned, clip) = record("H264");
    // MP4 and H.264 can say all of it, so there is nothing to warn of.
    assert!(FILMS.iter().all(|(name, _)| !warned.contains(&format!("camera {name}"))), "{warned}");
    for (name, film) in FILMS {
        let file = clip.join(format!("{name}.mp4"));
        let (Some(source), Some(recorded)) = (ffprobe::stream(&data(film)), ffprobe::stream(&file)) else {
            return;
        };
        assert_eq!(said(&source), said(&recorded), "{name}");
        assert_same_colours(&data(film), &file);
    }
    let says = |name: &str, word: &str| {
        let stream = ffprobe::stream(&clip.join(format!("{name}.mp4"))).unwrap();
        said(&stream).into_iter().find(|(key, _)| *key == word).unwrap().1
    };
    assert_eq!(
        (says("colours", "color_space"), says("colours", "color_range")),
        ("bt709".into(), "tv".into())
    );
    assert_eq!(
        (says("turned", "rotation"), says("wide", "sample_aspect_ratio")),
        (90.into(), "16:11".into())
    );
    // The container says it too: primaries, transfer and matrix, and limited range.
    let bytes = std::fs::read(clip.join("colours.mp4")).unwrap();
    let boxed = bytes.windows(8).position(|name| name == b"colrnclx").expect("a box colr");
    assert_eq!(bytes[boxed + 8..boxed + 15], [0, 1, 0, 1, 0, 1, 0]);
    rig.assert_true();
}

#[test]
fn a_turn_that_avi_cannot_say_is_told_and_its_colours_are_the_films() {
    let (rig, warned, clip) = record("MJPG");
    let told = "camera turned: its pictures are to be turned by 270 degrees clockwise, and MJPG can't say so";
    assert!(warned.contains(told), "{warned}");
    let notes = manifest(&clip)["notes"].to_string();
    assert!(notes.contains(told) && !notes.contains("camera colours: its"), "{notes}");
    for (name, film) in FILMS {
        let file = clip.join(format!("{name}.avi"));
        let Some(stream) = ffprobe::stream(&file) else { return };
        if name == "wide" {
            assert_eq!(stream["sample_aspect_ratio"], "16:11");
        }
        assert_same_colours(&data(film), &file);
    }
    rig.assert_true();
}
