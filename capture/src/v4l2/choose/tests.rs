//! Choices from the offers of cameras that are like real ones.

use super::*;

fn discrete(name: &str, sizes: &[(u32, u32, &[u32])]) -> Offered {
    let row = |(w, h, rates): &(u32, u32, &[u32])| OfferedSize {
        size: FrameSize::Discrete(*w, *h),
        intervals: rates.iter().map(|rate| FrameInterval::Discrete(each(1, *rate))).collect(),
    };
    Offered { format: Format::named(name).unwrap().fourcc, sizes: sizes.iter().map(row).collect() }
}

fn each(numerator: u32, denominator: u32) -> Fraction {
    Fraction { numerator, denominator }
}

/// A common webcam: raw frames only where USB 2 carries them.
fn webcam() -> Vec<Offered> {
    vec![
        discrete("YUYV", &[(640, 480, &[30, 15]), (1280, 720, &[10]), (1920, 1080, &[5])]),
        discrete(
            "MJPG",
            &[(640, 480, &[60, 30]), (1280, 720, &[60, 30]), (1920, 1080, &[30]), (3840, 2160, &[30])],
        ),
        discrete("H264", &[(1920, 1080, &[30])]),
    ]
}

fn wanted(text: &str) -> Wanted {
    let mut wanted = Wanted::default();
    for word in text.split_whitespace() {
        if let Some(fps) = word.strip_prefix('@') {
            wanted.fps = Some(Fps::new(fps.parse().unwrap()).unwrap());
        } else if let Some((w, h)) = word.split_once('x').filter(|_| word != "auto") {
            (wanted.width, wanted.height) = (w.parse().ok(), h.parse().ok());
        } else {
            wanted.format = Format::named(word);
        }
    }
    wanted
}

fn chosen(text: &str, offered: &[Offered]) -> Result<String, String> {
    let mode = choose(&wanted(text), offered, (1280, 720)).map_err(|e| e.to_string())?;
    let (w, h) = mode.size;
    let rate = mode.interval.map_or("?".to_owned(), |interval| interval.fps().to_string());
    Ok(format!("{} {w}x{h} @{rate}", mode.format.name))
}

#[test]
fn auto_takes_raw_if_the_device_gives_size_and_rate_that_way_and_else_jpeg() {
    for (text, mode) in [
        ("", "MJPG 1920x1080 @30"),
        ("640x480 @30", "YUYV 640x480 @30"),
        ("640x480 @60", "MJPG 640x480 @60"),
        ("640x480", "MJPG 640x480 @60"),
        ("1280x720 @30", "MJPG 1280x720 @30"),
        ("1280x720 @10", "YUYV 1280x720 @10"),
        ("3840x2160", "MJPG 3840x2160 @30"),
        ("@60", "MJPG 1280x720 @60"),
        ("1280x", "MJPG 1280x720 @60"),
        ("YUYV", "YUYV 640x480 @30"),
        ("YUYV 1920x1080", "YUYV 1920x1080 @5"),
        ("H264", "H264 1920x1080 @30"),
        ("MJPG 1920x1080 @29.97", "MJPG 1920x1080 @30"),
    ] {
        assert_eq!(chosen(text, &webcam()), Ok(mode.to_owned()), "{text}");
    }
    let older = [Offered { format: FourCc::of(*b"JPEG"), ..discrete("MJPG", &[(640, 480, &[30])]) }];
    assert_eq!(chosen("MJPG", &older), Ok("MJPG 640x480 @30".into()));
    assert_eq!(chosen("", &[discrete("GREY", &[(640, 400, &[120])])]), Ok("GREY 640x400 @120".into()));
    assert_eq!(chosen("", &[discrete("NV12", &[(640, 480, &[5])])]), Ok("NV12 640x480 @5".into()));
}

#[test]
fn a_wish_that_the_device_has_not_is_refused_with_what_it_has_and_what_to_write() {
    for (text, refusal) in [
        ("NV12", "offers no NV12; it offers YUYV, MJPG and H264: write format: YUYV, or format: auto"),
        (
            "MJPG 1600x900",
            "offers no 1600x900; it offers 3840x2160, 1920x1080, 1280x720 and 640x480: write width: 1920 and height: 1080",
        ),
        (
            "YUYV 1280x720 @30",
            "gives 1280x720 at 10 frames a second and the config says fps: 30: write fps: 10",
        ),
        (
            "1280x720 @120",
            "gives 1280x720 at 60, 30 and 10 frames a second and the config says fps: 120: write fps: 60",
        ),
    ] {
        assert_eq!(chosen(text, &webcam()), Err(refusal.to_owned()), "{text}");
    }
    let bayer = [Offered { format: FourCc::of(*b"RGGB"), sizes: Vec::new() }];
    let refused = chosen("", &bayer).unwrap_err();
    assert!(
        refused.starts_with("offers BAYER_RGGB8, and none") && refused.ends_with("write format: BAYER_RGGB8")
    );
    let h264 = [discrete("H264", &[(1920, 1080, &[30])])];
    assert!(chosen("", &h264).unwrap_err().ends_with("write format: H264"));
    assert!(chosen("", &[]).unwrap_err().starts_with("offers nothing"));
    let odd: Vec<Offered> = (b'0'..=b'9')
        .map(|n| Offered { format: FourCc::of([b'X', b'Y', b'Z', n]), sizes: Vec::new() })
        .collect();
    let refused = chosen("YUYV", &odd).unwrap_err();
    assert!(refused.starts_with("offers XYZ0, XYZ1,") && !refused.contains("XYZ8"), "{refused}");
    assert!(refused.ends_with("use backend: pipe"), "{refused}");
}

#[test]
fn a_bayer_pattern_is_taken_where_it_is_asked_for() {
    let camera = [discrete("BAYER_GRBG8", &[(1280, 960, &[30])]), discrete("GREY", &[(640, 480, &[30])])];
    assert_eq!(chosen("", &camera), Ok("GREY 640x480 @30".into()), "auto makes no colours");
    assert_eq!(chosen("BAYER_GRBG8", &camera), Ok("BAYER_GRBG8 1280x960 @30".into()));
    let ring = Wanted { in_ring: Some((Payload::Planes, PixelFormat::BGR24)), ..wanted("BAYER_GRBG8") };
    assert!(choose(&ring, &camera, (0, 0)).is_ok());
}

#[test]
fn a_ring_that_is_there_decides_the_form_of_frames() {
    let ring = |payload, pixels| Wanted { in_ring: Some((payload, pixels)), ..wanted("640x480 @30") };
    let name = |wanted| choose(&wanted, &webcam(), (0, 0)).map(|mode| mode.format.name);
    assert_eq!(name(ring(Payload::Jpeg, PixelFormat::I420)), Ok("MJPG"));
    assert_eq!(name(ring(Payload::Jpeg, PixelFormat::NV12)), Ok("MJPG"), "what a decoder is asked for");
    assert_eq!(name(ring(Payload::Planes, PixelFormat::YUYV)), Ok("YUYV"));
    let refused = name(ring(Payload::Planes, PixelFormat::NV12)).unwrap_err().to_string();
    assert!(refused.contains("its ring is for NV12 frames"), "{refused}");
}

#[test]
fn rows_of_sizes_and_rates_are_searched_within_their_steps() {
    let row = |step, fastest| {
        let size = FrameSize::Stepwise { least: (64, 48), most: (4056, 3040), step: (step, step) };
        let intervals = vec![FrameInterval::Between { shortest: each(1, fastest), longest: each(1, 1) }];
        vec![Offered { format: FourCc::of(*b"YU12"), sizes: vec![OfferedSize { size, intervals }] }]
    };
    assert_eq!(chosen("", &row(2, 120)), Ok("YU12 1920x1080 @60".into()));
    assert_eq!(chosen("", &row(2, 30)), Ok("YU12 1920x1080 @30".into()));
    assert_eq!(chosen("640x480 @90", &row(2, 120)), Ok("YU12 640x480 @90".into()));
    assert_eq!(chosen("640x480 @12.5", &row(2, 120)), Ok("YU12 640x480 @12.5".into()));
    let refused = chosen("642x480", &row(4, 30)).unwrap_err();
    assert!(refused.contains("64x48 to 4056x3040 in steps of 4x4: write one of these"), "{refused}");
    assert!(chosen("641x480", &row(1, 30)).unwrap_err().contains("offers no 641x480"), "odd");
    assert!(chosen("640x480 @200", &row(2, 120)).unwrap_err().ends_with("write fps: 120"));
}

#[test]
fn a_device_that_lists_nothing_is_asked_for_what_is_wanted() {
    let silent = [Offered { format: FourCc::of(*b"YUYV"), sizes: Vec::new() }];
    assert_eq!(chosen("", &silent), Ok("YUYV 1280x720 @?".into()));
    assert_eq!(chosen("640x480 @25", &silent), Ok("YUYV 640x480 @25".into()));
}

#[test]
fn a_fraction_keeps_rates_of_thousandths() {
    assert_eq!(Fraction::of(Fps::new(30.0).unwrap()), each(1, 30));
    assert_eq!(Fraction::of(Fps::new(59.94).unwrap()), each(1_000, 59_940));
    assert!(is_same_rate(29.97, Fps::new(30.0).unwrap()) && !is_same_rate(25.0, Fps::new(30.0).unwrap()));
    assert!(each(0, 30).fps().is_finite());
}
