//! Clips of copied H.264 in the players that people have: which frame each of them shows first, and which last, by the stamps in
//! the pictures. `make players` installs the players and runs it; it is no part of the tests.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod browser;
mod player;

use std::path::{Path, PathBuf};

use oracle::{decode, stamp};
use player::{Player, Shown};
use trials::{Rig, clip_of, list, manifest};

/// One camera, H.264 with a key frame every two seconds, cut by each of the two ways of copying, and encoded again beside them.
const CAMERAS: &str = "\
camera: { width: 640, height: 384, fps: 30, payload: h264, gop_ms: 2000, backend: sim }
cameras:
  - { name: left, clip: smart, truth_log: $DIR/left.truth }
  - { name: right, clip: verbatim, truth_log: $DIR/right.truth }
recording: { output_dir: $DIR/recordings, pre_roll_ms: 3000, reserve_ms: 4000 }
";

/// The frames of a clip's window, by the stamps in the file and what the rows say of them.
fn window(clip: &Path, camera: &str, file: &Path) -> Shown {
    let rows = std::fs::read_to_string(clip.join(format!("{camera}_timestamps.csv"))).unwrap();
    let lead_in =
        rows.lines().skip(1).take_while(|row| row.rsplit(',').next().unwrap().contains('l')).count();
    let mut numbers = Vec::new();
    let look = |luma: decode::Luma<'_>| {
        numbers.push(
            stamp::read(luma.plane, luma.stride, luma.width, luma.height).map(|stamp| stamp.source_sequence),
        );
    };
    assert_eq!(decode::each_frame(file, look).unwrap().errors, Vec::<String>::new());
    Shown::of(&numbers[lead_in..])
}

#[test]
#[ignore = "make players runs it, and installs the players"]
fn players_show_what_is_in_the_window() {
    let rig = Rig::start(CAMERAS);
    rig.await_stats("a key frame before the window", |stats| {
        list(stats, "cameras").iter().all(|camera| camera["ring"]["reach_ms"].as_f64() > Some(3500.0))
    });
    // Between two key frames, wherever they are.
    let answer = rig.command(&["trigger", "--wait", "--pre-ms", "1100", "--post-ms", "3000"]).code(0).json();
    rig.assert_true();
    let clip = clip_of(&answer);
    let manifest = manifest(&clip);
    let mut wrong = Vec::new();
    for camera in ["left", "right"] {
        let said = &manifest["cameras"][camera];
        let file: PathBuf = clip.join(said["file"].as_str().unwrap());
        let (window, way) = (window(&clip, camera, &file), said["video"].as_str().unwrap_or("copied"));
        println!("\n{way}, {} frames before the window: the window is {window}", said["lead_in_frames"]);
        for player in Player::ALL {
            match player.show(&file) {
                Ok(shown) if shown.ends_like(&window) => println!("| {} | {shown} | right |", player.name()),
                Ok(shown) => {
                    println!("| {} | {shown} | |", player.name());
                    wrong.push((way.to_owned(), player.name()));
                }
                Err(why) => {
                    println!("| {} | {why} | |", player.name());
                    wrong.push((way.to_owned(), player.name()));
                }
            }
        }
    }
    // Players that pass over an edit list are known; a cut that needs none has to be right everywhere.
    wrong.retain(|(way, _)| way != "verbatim");
    assert!(wrong.is_empty(), "{wrong:?}");
}
