//! Video files as cameras, by way of a real ring.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

#[path = "../src/file/mod.rs"]
#[expect(dead_code, reason = "the probe is tried as its executable")]
mod file;
mod test_camera;

use std::path::Path;
use std::time::Duration;

use capture::source::{CameraSetup, Source, SourceError};
use file::VideoFile;
use proto::config::{Backend, Misfit};
use proto::frame::{LossBefore, PixelFormat};
use proto::time::MonotonicNs;
use test_camera::{
    Got, TestCamera, bunny, ffmpeg, make, make_sized, numbers, packed, psnr, reference, times_ms,
};

const CARD: (u32, u32, PixelFormat) = (192, 108, PixelFormat::I420);
/// Lossless, with B-frames and one key frame in four seconds.
const H264: [&str; 8] = ["-c:v", "libx264", "-qp", "0", "-bf", "2", "-g", "100"];
const INTRA: [&str; 4] = ["-c:v", "mjpeg", "-q:v", "2"];

fn open(setup: &CameraSetup) -> Result<Box<dyn Source>, SourceError> {
    VideoFile::open(setup)
}

/// All pictures of a file.
fn pictures(path: &Path) -> Vec<u8> {
    reference(path, "yuv420p", "null")
}

/// Asserts that every frame is the picture of its number, to the byte.
fn assert_pictures(all: &[u8], camera: &TestCamera, got: &[Got]) {
    let size = packed(&camera.config.geometry, &got[0].bytes).len();
    let frames = all.len() / size;
    for g in got {
        let index = usize::try_from(g.number).unwrap() % frames;
        assert!(
            packed(&camera.config.geometry, &g.bytes) == all[index * size..][..size],
            "frame {} is not picture {index}",
            g.number
        );
    }
}

#[test]
fn a_real_video_arrives_whole_at_its_own_pace() {
    let Some(path) = bunny() else { return };
    let camera = TestCamera::file(&path, false, true, (1280, 720, PixelFormat::I420), 25.0);
    let (got, error) = camera.play(open, usize::MAX);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(numbers(&got), (0..132).collect::<Vec<_>>());
    assert_eq!(times_ms(&got), (0..132).map(|n| n * 40).collect::<Vec<_>>());
    assert!(got.iter().all(|g| g.before == LossBefore::Nothing));
    assert_pictures(&pictures(&path), &camera, &got);
    assert_eq!(camera.play(open, 1).0.len(), 0, "what has ended stays ended");
}

#[test]
fn frames_are_delivered_at_their_time_and_never_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.mp4");
    if !make(&path, 10, &H264) {
        return;
    }
    let camera = TestCamera::file(&path, false, true, CARD, 25.0);
    let mut source = open(&camera.setup()).unwrap();
    let mut writer = camera.ring.writer().unwrap();
    while let Some(got) = test_camera::next(source.as_mut(), &mut writer).unwrap() {
        assert!(MonotonicNs::now() >= got.t);
    }
}

#[test]
fn a_variable_rate_is_kept_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vfr.mkv");
    let uneven = "settb=1/1000,setpts=N*40+13*mod(N\\,3)";
    let card = "testsrc2=size=192x108:rate=25";
    if !ffmpeg(
        &[
            ["-f", "lavfi", "-i", card, "-frames:v", "30", "-vf", uneven, "-vsync", "passthrough"].as_slice(),
            ["-enc_time_base", "1:1000", "-c:v", "libx264", "-bf", "2", path.to_str().unwrap()].as_slice(),
        ]
        .concat(),
    ) {
        return;
    }
    let camera = TestCamera::file(&path, false, true, CARD, 25.0);
    let (got, error) = camera.play(open, usize::MAX);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(times_ms(&got), (0..30).map(|n| n * 40 + 13 * (n % 3)).collect::<Vec<_>>());
    assert_eq!(numbers(&got), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_repeated_file_goes_on_counting() {
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("card.mp4", H264.as_slice()),
        ("card.ts", H264.as_slice()),
        ("card.avi", ["-c:v", "mpeg4", "-qscale:v", "2", "-bf", "2"].as_slice()),
        ("card.h264", H264.as_slice()),
        ("card.mkv", INTRA.as_slice()),
    ] {
        let path = folder.path().join(name);
        if !make(&path, 12, options) {
            return;
        }
        let camera = TestCamera::file(&path, true, true, CARD, 25.0);
        let (got, error) = camera.play(open, 30);
        assert!(error.is_none(), "{name}: {error:?}");
        assert_eq!(numbers(&got), (0..30).collect::<Vec<_>>(), "{name}");
        assert_eq!(times_ms(&got), (0..30).map(|n| n * 40).collect::<Vec<_>>(), "{name}");
        if options == H264.as_slice() {
            assert_pictures(&pictures(&path), &camera, &got);
        }
    }
}

#[test]
fn a_capture_that_was_away_comes_back_where_the_file_is_by_then() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["card.mp4", "card.mkv", "card.ts", "card.h264"] {
        let path = folder.path().join(name);
        if !make(&path, 260, &H264) {
            return;
        }
        let pictures = pictures(&path);
        // The file began two passes and 5.2 s ago.
        let origin = MonotonicNs::now().before(Duration::from_millis(2 * 10_400 + 5_200));
        for (last, looping) in [(0, true), (37, true), (259, true), (260, true)] {
            let camera = TestCamera::file(&path, looping, true, CARD, 25.0);
            camera.pretend_published(last, origin + Duration::from_millis(40) * u32::try_from(last).unwrap());
            let (got, error) = camera.play(open, 4);
            assert!(error.is_none(), "{name}: {error:?}");
            assert!(got[0].number > 2 * 260 + 130, "{name}: {:?}", numbers(&got));
            assert_eq!(got[0].before, LossBefore::Nothing);
            for g in &got {
                assert_eq!(g.t.0, origin.0 + g.number * 40_000_000, "{name}: {:?}", numbers(&got));
            }
            assert_pictures(&pictures, &camera, &got);
        }
    }
}

#[test]
fn a_capture_that_comes_back_after_the_end_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.mp4");
    if !make(&path, 50, &H264) {
        return;
    }
    let camera = TestCamera::file(&path, false, true, CARD, 25.0);
    camera.pretend_published(3, MonotonicNs::now().before(Duration::from_secs(9)));
    let (got, error) = camera.play(open, usize::MAX);
    assert!(error.is_none() && got.is_empty());
}

#[test]
fn a_capture_that_is_held_up_delivers_everything_unless_it_is_too_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.mp4");
    if !make(&path, 50, &H264) {
        return;
    }
    for (held_up_ms, lost) in [(300, false), (1_500, true)] {
        let camera = TestCamera::file(&path, true, true, CARD, 25.0);
        let mut source = open(&camera.setup()).unwrap();
        let mut writer = camera.ring.writer().unwrap();
        let mut got = Vec::new();
        for n in 0..20 {
            if n == 3 {
                std::thread::sleep(Duration::from_millis(held_up_ms));
            }
            got.push(test_camera::next(source.as_mut(), &mut writer).unwrap().unwrap());
        }
        let jump = got[3].number - got[2].number - 1;
        assert_eq!(jump > 0, lost, "{:?}", numbers(&got));
        assert_eq!(got[3].before == LossBefore::CameraDrop, lost);
        for g in &got {
            assert_eq!(g.t.0 - got[0].t.0, g.number * 40_000_000);
        }
        assert_pictures(&pictures(&path), &camera, &got);
    }
}

#[test]
fn without_real_time_each_frame_comes_once_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.mp4");
    if !make(&path, 130, &H264) {
        return;
    }
    let camera = TestCamera::file(&path, false, false, CARD, 1.0);
    let mut got = camera.play(open, 100).0;
    assert!(got.is_sorted_by_key(|g| g.t));
    got.extend(camera.play(open, usize::MAX).0);
    assert_eq!(numbers(&got), (0..130).collect::<Vec<_>>());
    assert_pictures(&pictures(&path), &camera, &got);
}

#[test]
fn any_frame_is_found_again_in_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let open_gop = ["-c:v", "libx264", "-bf", "3", "-g", "30", "-x264-params", "open-gop=1"];
    let mut paths = vec![at("open.mp4"), at("open.mkv"), at("open.ts"), at("altref.webm"), at("a:colon.avi")];
    let options: [&[&str]; 5] = [
        &open_gop,
        &open_gop,
        &open_gop,
        &["-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "300k", "-g", "40"],
        &["-c:v", "mpeg4", "-qscale:v", "3", "-bf", "2", "-g", "40"],
    ];
    for (path, options) in paths.iter().zip(options) {
        let named = format!("file:{}", path.display());
        if !make(Path::new(&named), 120, options) {
            return;
        }
    }
    // The file is cut where there is no key frame: an edit list hides the frames between the key frame and the cut.
    let (whole, cut) = (at("open.mp4"), at("cut.mp4"));
    ffmpeg(&["-ss", "1.8", "-i", whole.to_str().unwrap(), "-c", "copy", cut.to_str().unwrap()]);
    paths.push(cut);
    for path in paths {
        let named = format!("file:{}", path.display());
        let pictures = pictures(Path::new(&named));
        let camera = TestCamera::file(&path, false, false, CARD, 25.0);
        let (got, error) = camera.play(open, usize::MAX);
        assert!(error.is_none(), "{named}: {error:?}");
        let count = got.len() as u64;
        println!("{named}: {count} frames");
        assert_eq!(numbers(&got), (0..count).collect::<Vec<_>>(), "{named}");
        assert_pictures(&pictures, &camera, &got);
        for last in (0..count - 1).step_by(7) {
            let camera = TestCamera::file(&path, false, false, CARD, 25.0);
            camera.pretend_published(last, MonotonicNs::now());
            let (got, error) = camera.play(open, 3);
            assert!(error.is_none(), "{named}: {error:?}");
            assert_eq!(got[0].number, last + 1, "{named}");
            assert_pictures(&pictures, &camera, &got);
        }
    }
}

#[test]
fn each_pixel_format_resembles_the_source() {
    let folder = tempfile::tempdir().unwrap();
    // 200 is a width that libswscale needs a detour for; a raw AVI keeps its rows from the bottom up.
    for (width, source, codec, name) in [
        (192, "yuv420p", "ffv1", "card.mkv"),
        (200, "yuv420p", "ffv1", "card.mkv"),
        (192, "yuvj420p", "ffv1", "card.mkv"),
        (192, "yuv444p", "ffv1", "card.mkv"),
        (192, "bgr24", "rawvideo", "card.avi"),
    ] {
        let path = folder.path().join(name);
        if !make_sized(&path, &format!("{width}x108"), 3, &["-pix_fmt", source, "-c:v", codec]) {
            return;
        }
        let names = ["yuv420p", "nv12", "yuyv422", "gray", "bgr24"];
        for (format, name) in PixelFormat::ALL.into_iter().zip(names) {
            let camera = TestCamera::file(&path, false, false, (width, 108, format), 25.0);
            let (got, error) = camera.play(open, 1);
            assert!(error.is_none(), "{error:?}");
            let ours = packed(&camera.config.geometry, &got[0].bytes);
            // A colour for each pixel, where one stood for several.
            let colours = if name == "bgr24" { "+full_chroma_int" } else { "" };
            let scale = format!("scale=out_range=auto:flags=bilinear+accurate_rnd{colours}");
            let theirs = reference(&path, name, &scale);
            let alike = psnr(&ours, &theirs[..ours.len()]);
            println!("{source} {width} to {name}: {alike:.1} dB");
            assert!(alike > 38.0, "{source} {width} to {name}: {alike:.1} dB");
        }
    }
}

#[test]
fn another_size_is_refused_with_both_sizes_and_two_ways_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.mp4");
    if !make(&path, 3, &H264) {
        return;
    }
    let mut camera = TestCamera::file(&path, false, false, (128, 72, PixelFormat::I420), 25.0);
    let error = camera.error(open);
    for word in ["192x108", "128x72", "width: 192", "height: 108", "scale: true"] {
        assert!(error.contains(word), "{word} is not in: {error}");
    }
    let Backend::File(config) = &mut camera.config.backend else { panic!() };
    config.scale = true;
    let got = camera.play(open, usize::MAX).0;
    assert_eq!(got.len(), 3);
    let ours = packed(&camera.config.geometry, &got[0].bytes);
    let theirs = reference(&path, "yuv420p", "scale=128:72:flags=bilinear");
    assert!(psnr(&ours, &theirs[..ours.len()]) > 38.0);
}

#[test]
fn a_size_that_changes_on_the_way_is_refused_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let plain = ["-c:v", "libx264", "-f", "mpegts"];
    if !make(&at("a.ts"), 25, &plain) || !make_sized(&at("b.ts"), "128x72", 25, &plain) {
        return;
    }
    let both = [std::fs::read(at("a.ts")).unwrap(), std::fs::read(at("b.ts")).unwrap()].concat();
    std::fs::write(at("both.ts"), both).unwrap();
    let camera = TestCamera::file(&at("both.ts"), false, false, CARD, 25.0);
    let (got, error) = camera.play(open, usize::MAX);
    assert!(got.len() > 10, "{}", got.len());
    assert!(
        matches!(
            &error,
            Some(SourceError::Misfit { misfit: Misfit::WrongSize { found: (128, 72), .. }, .. })
        ),
        "{error:?}"
    );
}

#[test]
fn a_file_that_is_faster_than_the_config_is_refused_with_its_rate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.mp4");
    if !make(&path, 10, &H264) {
        return;
    }
    let error = TestCamera::file(&path, false, true, CARD, 23.0).error(open);
    assert!(error.contains("set fps: 25"), "{error}");
    assert_eq!(TestCamera::file(&path, false, true, CARD, 24.0).play(open, 1).0.len(), 1);
}

#[test]
fn the_readable_part_of_a_broken_file_is_played() {
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in
        [("cut.mkv", [].as_slice()), ("cut.mp4", &["-movflags", "faststart"]), ("cut.ts", &[])]
    {
        let path = folder.path().join(name);
        if !make(&path, 60, &[H264.as_slice(), options].concat()) {
            return;
        }
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() * 6 / 10).unwrap();
        let camera = TestCamera::file(&path, true, true, CARD, 25.0);
        let (got, error) = camera.play(open, 70);
        assert!(error.is_none(), "{name}: {error:?}");
        println!("{name}: {:?}", numbers(&got));
        let holes = got.windows(2).filter(|w| w[1].number != w[0].number + 1).count();
        assert!(holes <= 2, "{name}: {:?}", numbers(&got));
        let camera = TestCamera::file(&path, false, false, CARD, 25.0);
        let (got, error) = camera.play(open, usize::MAX);
        println!("{name}: {} frames, {error:?}", got.len());
        assert!(got.len() > 25 && got.len() < 60, "{name}: {}", got.len());
    }
}

#[test]
fn a_tail_that_cant_be_decoded_is_lost_or_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tail.avi");
    if !make(&path, 20, &INTRA) {
        return;
    }
    // The pictures of the last five frames are overwritten from their beginning on.
    let mut bytes = std::fs::read(&path).unwrap();
    let chunks: Vec<usize> = (0..bytes.len() - 12)
        .filter(|at| bytes[*at..].starts_with(b"00dc") && bytes[at + 8..].starts_with(&[0xFF, 0xD8]))
        .collect();
    assert_eq!(chunks.len(), 20);
    for at in &chunks[15..] {
        bytes[at + 8..at + 1_000].fill(0);
    }
    std::fs::write(&path, bytes).unwrap();

    let (got, error) = TestCamera::file(&path, false, false, CARD, 25.0).play(open, usize::MAX);
    assert_eq!(numbers(&got), (0..15).collect::<Vec<_>>());
    let named = matches!(&error, Some(SourceError::Lost { input, reason, .. })
        if input.contains("tail.avi") && reason.contains("0.60 s"));
    assert!(named, "{error:?}");

    let (got, error) = TestCamera::file(&path, true, true, CARD, 25.0).play(open, 33);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(numbers(&got), (0..15).chain(20..35).chain(40..43).collect::<Vec<_>>());
    assert_eq!(got[15].before, LossBefore::CameraDrop);
    assert_eq!(times_ms(&got)[15], 800);
}

#[test]
fn a_file_that_is_no_video_is_refused_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("empty.mp4"), "").unwrap();
    std::fs::write(at("notes.mp4"), "Dear diary, today I learned about cameras.\n".repeat(99)).unwrap();
    let mut cases = vec![
        (at("empty.mp4"), "empty"),
        (at("notes.mp4"), "not a video"),
        (folder.path().to_owned(), "a folder"),
    ];
    let sound = at("sound.wav");
    if ffmpeg(&["-f", "lavfi", "-i", "sine=duration=0.2", sound.to_str().unwrap()]) {
        cases.push((sound, "no video stream"));
    }
    for (path, word) in cases {
        let camera = TestCamera::file(&path, true, true, CARD, 25.0);
        let (_, error) = camera.play(open, 1);
        let named = matches!(&error, Some(SourceError::Unusable { input, reason })
            if *input == path.display().to_string() && reason.contains(word));
        assert!(named, "{word}: {error:?}");
    }
    // The disk that it is on may not be there yet.
    let gone = at("gone.mp4");
    let (_, error) = TestCamera::file(&gone, true, true, CARD, 25.0).play(open, 1);
    let tried_again = matches!(&error, Some(SourceError::Lost { input, reason, .. })
        if *input == gone.display().to_string() && reason.contains("no such file"));
    assert!(tried_again, "{error:?}");
}

#[test]
fn a_cover_picture_is_no_camera() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (cover, sound, film) = (at("cover.jpg"), at("sound.mp3"), at("film.mp4"));
    let (song, covered) = (at("song.mp3"), at("covered.mp4"));
    let as_cover = ["-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic"];
    if !make_sized(Path::new(&cover), "64x64", 1, &[])
        || !make(Path::new(&film), 5, &H264)
        || !ffmpeg(&["-f", "lavfi", "-i", "sine=duration=0.5", "-c:a", "libmp3lame", &sound])
        || !ffmpeg(&[&["-i", &sound, "-i", &cover], as_cover.as_slice(), &[&song]].concat())
        || !ffmpeg(&[&["-i", &film, "-i", &cover], as_cover.as_slice(), &[&covered]].concat())
    {
        return;
    }
    let refused =
        TestCamera::file(Path::new(&song), true, true, (64, 64, PixelFormat::I420), 25.0).error(open);
    assert!(refused.contains("song.mp3") && refused.contains("its only picture is a cover"), "{refused}");
    // A film that has a cover too, and has it first, is a film.
    let camera = TestCamera::file(Path::new(&covered), false, true, CARD, 25.0);
    let (got, error) = camera.play(open, usize::MAX);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(numbers(&got), (0..5).collect::<Vec<_>>());
    assert_pictures(&pictures(Path::new(&film)), &camera, &got);
}

#[test]
fn an_animated_webp_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moving.webp");
    // The chunks of an animation: WebP Container Specification, "Extended File Format". Its frames don't matter, since no
    // decoder gets to see them.
    let chunk =
        |name: &[u8], body: &[u8]| [name, &u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat();
    let extended = chunk(b"VP8X", &[0x02, 0, 0, 0, 191, 0, 0, 107, 0, 0]);
    let frame = chunk(b"ANMF", &[&[0; 6], &[191, 0, 0, 107, 0, 0, 40, 0, 0, 0][..], &[0; 64]].concat());
    let body = [b"WEBP", &extended[..], &chunk(b"ANIM", &[0; 6]), &frame, &frame].concat();
    std::fs::write(&path, chunk(b"RIFF", &body)).unwrap();
    for size in [CARD, (1280, 720, PixelFormat::I420)] {
        let refused = TestCamera::file(&path, true, true, size, 25.0).error(open);
        for word in ["moving.webp", "an animated WebP", "convert it"] {
            assert!(refused.contains(word), "{word} is not in: {refused}");
        }
    }
}

#[test]
fn a_probe_says_what_a_file_is_without_capturing() {
    let probe = test_camera::probe_film;
    let missing = probe(Path::new("no/such/film.mp4"));
    // It may come yet.
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(said.contains("no/such/film.mp4") && said.lines().count() == 1, "{said}");
    let Some(path) = bunny() else { return };
    let done = probe(&path);
    assert_eq!(done.status.code(), Some(0));
    let found: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let expected = serde_json::json!({
        "payload": "planes", "pixel_format": "I420", "width": 1280, "height": 720, "fps": 25.0,
        "variable_rate": false, "capture_time": "device", "frames": 132, "duration_s": 5.28, "codec": "h264",
        "reorders": false,
        "picture": {
            "matrix": 2, "primaries": 2, "transfer": 2, "range": "unspecified", "pixel_shape": [1, 1],
            "rotation": "none", "fields": "progressive",
        },
    });
    assert_eq!(found, expected);
}
