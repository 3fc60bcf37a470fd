//! Exports of clips that a test has made, without a camera.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use ffmpeg_next::format::Pixel;
use serde_json::{Value, json};

use super::movie::{Kind, Movie};
use super::sheet::Sheet;
use super::*;
use crate::colour::Meaning;
use crate::film::{Care, Film};
use crate::plain_file;

const S1: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const LIMITED: Meaning = Meaning { matrix: 2, full_range: false };

/// A camera of a clip that a test makes: frame *n* is as bright as [`grey`] says.
struct Camera {
    name: &'static str,
    fps: u64,
    first_ms: u64,
    frames: u64,
    size: (usize, usize),
    /// Frames that are missing behind each row.
    gaps: Vec<(u64, u64)>,
}

impl Camera {
    fn new(name: &'static str, fps: u64, frames: u64, size: (usize, usize)) -> Self {
        Self { name, fps, first_ms: 0, frames, size, gaps: Vec::new() }
    }

    fn times(&self) -> Vec<u64> {
        let number =
            |row: u64| row + self.gaps.iter().filter(|(after, _)| *after < row).map(|(_, n)| n).sum::<u64>();
        (0..self.frames).map(|row| S1 + self.first_ms * MS + number(row) * S1 / self.fps).collect()
    }
}

fn grey(row: u64) -> u8 {
    u8::try_from(40 + 16 * (row % 12)).unwrap()
}

/// Makes a finished clip of 400 ms with the trigger in its middle.
fn clip(folder: &Path, cameras: &[Camera]) {
    let _ = ffmpeg_next::init();
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    std::fs::create_dir_all(folder).unwrap();
    let mut manifest: Value =
        serde_json::from_str(include_str!("../../../proto/src/clip/schema1/whole.json")).unwrap();
    let like = manifest["cameras"]["left"].clone();
    manifest["cameras"] = json!({});
    manifest["trigger_ns"] = json!(S1 + 200 * MS);
    manifest["window"] = json!({ "start_ns": S1, "end_ns": S1 + 400 * MS });
    manifest["asked_start_ns"] = json!(S1);
    for camera in cameras {
        let times = camera.times();
        manifest["cameras"][camera.name] = described(&like, camera, &times);
        let mut rows = "camera_id,frame_index,t_capture_monotonic_ns,sequence,t_rel_us,flags\n".to_owned();
        for (row, t_ns) in times.iter().enumerate() {
            let relative = (i128::from(*t_ns) - i128::from(S1 + 200 * MS)).div_euclid(1000);
            let lost: u64 = camera.gaps.iter().filter(|(after, _)| *after < row as u64).map(|(_, n)| n).sum();
            writeln!(rows, "{},{row},{t_ns},{},{relative},", camera.name, 7 + row as u64 + lost).unwrap();
        }
        std::fs::write(folder.join(format!("{}_timestamps.csv", camera.name)), rows).unwrap();
        if camera.frames > 0 {
            film(&folder.join(format!("{}.mp4", camera.name)), camera);
        }
    }
    std::fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
}

fn described(like: &Value, camera: &Camera, times: &[u64]) -> Value {
    let mut one = like.clone();
    let file = (camera.frames > 0).then(|| format!("{}.mp4", camera.name));
    one["file"] = json!(file);
    one["files"] = json!(file.iter().collect::<Vec<_>>());
    one["made_by"] = json!([]);
    one["timestamps"] = json!(format!("{}_timestamps.csv", camera.name));
    (one["width"], one["height"]) = (json!(camera.size.0), json!(camera.size.1));
    one["fps"] = json!(camera.fps);
    let missing: u64 = camera.gaps.iter().map(|(_, missing)| missing).sum();
    one["frames_expected"] = json!(camera.frames + missing);
    one["frames_written"] = json!(camera.frames);
    (one["first_frame_ns"], one["last_frame_ns"]) = (json!(times.first()), json!(times.last()));
    let gap = |(after, missing): &(u64, u64)| json!({ "after_sequence": after + 7, "missing": missing, "cause": "network" });
    one["gaps"] = json!(camera.gaps.iter().map(gap).collect::<Vec<_>>());
    one
}

/// A film of a camera, at its rate. A gap is no gap in the film, so a clip with one is no clip for `verify`.
fn film(path: &Path, camera: &Camera) {
    let (width, height) = camera.size;
    let times = camera.times();
    let tick = |t_ns: u64| (t_ns - times[0]) * camera.fps / S1;
    let kind = Kind {
        width,
        height,
        milli_fps: camera.fps * 1000,
        meaning: LIMITED,
        trigger: None,
        count: camera.frames,
    };
    let mut movie = Movie::create(path, &kind).unwrap();
    for (row, t_ns) in (0..).zip(&times) {
        let sheet = Sheet::new(width, height, [grey(row), 128, 128]);
        movie.add_at(&sheet, i64::try_from(tick(*t_ns)).unwrap()).unwrap();
    }
    movie.end().unwrap();
}

/// The export of a clip's folder into another one.
fn asked(folder: &Path, to: &Path) -> Asked {
    Asked {
        folder: folder.to_owned(),
        clip_id: Some("20261126-060000-clip-0001".into()),
        to: to.to_owned(),
        zip: false,
        side_by_side: false,
        burn_in: false,
        frames: false,
    }
}

/// Brightness at these points of each picture of a film.
fn looked_at(path: &Path, points: &[(usize, usize)]) -> Vec<Vec<u8>> {
    let mut film = Film::open(plain_file::open(path).unwrap(), Care::Judge).unwrap();
    let mut seen = Vec::new();
    let errors = film.each(|picture| {
        let pixels = picture.picture.unwrap();
        assert_eq!(pixels.format(), Pixel::YUV420P);
        seen.push(points.iter().map(|(x, y)| pixels.data(0)[y * pixels.stride(0) + x]).collect());
        ControlFlow::Continue(())
    });
    assert_eq!(errors, [""; 0]);
    seen
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A folder with a clip of these cameras, and one to export to.
fn set_up(cameras: &[Camera]) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (source, to) = (folder.path().join("run/clip-0001"), folder.path().join("usb"));
    clip(&source, cameras);
    std::fs::create_dir(&to).unwrap();
    (folder, source, to)
}

/// One process makes one export at a time.
fn take_turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn is_near(seen: u8, row: u64) -> bool {
    seen.abs_diff(grey(row)) <= 4
}

#[test]
fn cameras_beside_each_other_show_what_stood_at_each_instant() {
    let _turn = take_turn();
    let fast = Camera { gaps: vec![(9, 3)], ..Camera::new("fast", 50, 17, (64, 48)) };
    let slow = Camera { first_ms: 5, ..Camera::new("slow", 20, 8, (48, 64)) };
    let void = Camera::new("void", 50, 0, (32, 32));
    let (_folder, source, to) = set_up(&[fast, slow, void]);
    let (made, remarks) = make(&Asked { side_by_side: true, ..asked(&source, &to) }).unwrap();
    assert_eq!((made.as_slice(), remarks.len()), (&[to.join("20261126-060000-clip-0001.mp4")][..], 0));
    // The first lies beside the second, which is narrower and higher, and the third below the first.
    let seen = looked_at(&made[0], &[(32, 32), (64 + 24, 32), (32, 64 + 16)]);
    assert_eq!(seen.len(), 20);
    for (at, points) in (0_u64..).zip(&seen) {
        // The instants lie in the middle of the fast one's frames.
        let t_ms = 20 * at + 10;
        match at {
            // Row 9 stands until its time is over.
            10..=12 => assert!(points[0] < 70, "{at}: a gap: {points:?}"),
            _ => assert!(is_near(points[0], at - if at > 9 { 3 } else { 0 }), "{at}: {points:?}"),
        }
        assert!(is_near(points[1], (t_ms - 5) / 50), "{at}: {points:?}");
    }
}

#[test]
fn frames_are_pictures_numbered_as_rows() {
    let _turn = take_turn();
    let (_folder, source, to) =
        set_up(&[Camera::new("left", 25, 5, (33, 21)), Camera::new("right", 25, 0, (8, 8))]);
    let all = Asked { frames: true, burn_in: true, zip: true, ..asked(&source, &to) };
    let (made, remarks) = make(&all).unwrap();
    let [archive, frames] = &made[..] else { panic!("{made:?}") };
    assert!(archive.ends_with("20261126-060000-clip-0001.zip") && remarks[0].contains("no SHA256SUMS yet"));
    assert_eq!(names(frames), ["left", "right"]);
    let left = frames.join("left");
    let numbered: Vec<String> =
        (0..5).map(|row| format!("{row:06}.png")).chain(["frames.csv".into()]).collect();
    assert_eq!(names(&left), numbered);
    let list = std::fs::read_to_string(left.join("frames.csv")).unwrap();
    assert_eq!(list.lines().nth(2).unwrap(), "000001.png,1,1040000000,-160000,2026-11-25T12:54:15.884Z");
    for row in 0..5_u64 {
        let png = std::fs::read(left.join(format!("{row:06}.png"))).unwrap();
        let [width, height] = [16, 20].map(|at| u32::from_be_bytes(*png[at..].first_chunk().unwrap()));
        assert_eq!((width, height > 21 + 30), (33, true), "a caption is below");
    }
    assert_eq!(names(&frames.join("right")), ["frames.csv"]);
}

#[test]
fn a_copy_is_the_clip_under_its_whole_name_or_nothing() {
    let _turn = take_turn();
    let (folder, source, to) = set_up(&[Camera::new("left", 25, 3, (32, 32))]);
    let (made, remarks) = make(&asked(&source, &to)).unwrap();
    assert_eq!(names(&made[0]), ["left.mp4", "left_timestamps.csv", "manifest.json"]);
    assert!(remarks[0].contains("SHA256SUMS"), "{remarks:?}");
    let again = make(&asked(&source, &to)).unwrap_err();
    assert!(again.code == 2 && again.why.contains("is there already"), "{again:?}");
    let refused = |to: &Path| make(&asked(&source, to)).unwrap_err();
    let gone = refused(&folder.path().join("gone"));
    assert!(gone.code == 2 && gone.why.contains("isn't there"), "{gone:?}");
    let own = refused(&source);
    assert!(own.code == 2 && own.why.contains("recorded in"), "{own:?}");
    // A file that isn't as it was.
    let wrong = format!("{}  left.mp4\n", "0".repeat(64));
    std::fs::write(source.join("SHA256SUMS"), wrong).unwrap();
    std::fs::remove_dir_all(&made[0]).unwrap();
    for zip in [false, true] {
        let changed = make(&Asked { zip, ..asked(&source, &to) }).unwrap_err();
        assert!(changed.code == 4 && changed.why.contains("left.mp4"), "{changed:?}");
    }
    assert_eq!(names(&to), [""; 0]);
}

#[test]
fn a_clip_that_cannot_be_shown_is_refused_and_nothing_is_left() {
    let _turn = take_turn();
    let (_folder, source, to) = set_up(&[Camera::new("left", 25, 0, (32, 32))]);
    let empty = make(&Asked { side_by_side: true, ..asked(&source, &to) }).unwrap_err();
    assert!(empty.code == 1 && empty.why.contains("nothing to show"), "{empty:?}");
    clip(&source, &[Camera::new("left", 25, 3, (32, 32))]);
    std::fs::write(source.join("left.mp4"), "no film").unwrap();
    for frames in [false, true] {
        let broken = make(&Asked { side_by_side: !frames, frames, ..asked(&source, &to) }).unwrap_err();
        assert!(broken.code == 1 && broken.why.contains("left.mp4"), "{broken:?}");
    }
    std::fs::write(source.join("left_timestamps.csv"), "half").unwrap();
    let half = make(&asked(&source, &to)).unwrap_err();
    assert!(half.code == 4 && half.why.contains("left_timestamps.csv"), "{half:?}");
    std::fs::remove_file(source.join(MANIFEST)).unwrap();
    let unfinished = make(&asked(&source, &to)).unwrap_err();
    assert!(unfinished.code == 2 && unfinished.why.contains("no finished clip"), "{unfinished:?}");
    assert_eq!(names(&to), [""; 0]);
}
