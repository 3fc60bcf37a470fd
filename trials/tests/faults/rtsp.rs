//! Cameras over RTSP that misbehave: all of them side by side, so that the waiting is done once. What each sent is known to the
//! frame, so what could be captured is too.

use std::collections::BTreeSet;
use std::path::Path;

use oracle::judge::{Evidence, Frame, JudgedBy};
use oracle::manifest::Manifest;
use oracle::{damaged, decode, stamp, timestamps};
use proto::clip::MANIFEST;
use proto::time::MonotonicNs;
use rustix::process::Signal;
use serde_json::Value;
use trials::rtsp_camera::truth::{Capturable, Sent, capturable};
use trials::rtsp_camera::{Options, PASSWORD, RtspCamera, Start, USER};
use trials::{Rig, camera, clip_of, kill, list, manifest};

/// Frames of a session before what happens once in it: so many that the clip has begun.
const AFTER: u32 = 75;
/// The index in the pictures' stamps, which is no camera's of the config.
pub(crate) const IN_STAMPS: u8 = 200;
/// The time within which a frame that was sent is in the ring, and by which its capture time may lie before its sending.
const LATE_NS: u64 = 500_000_000;

/// A camera: what its URL says, and more keys.
struct Tried {
    words: &'static str,
    keys: &'static str,
}

const fn tcp(words: &'static str) -> Tried {
    Tried { words, keys: "" }
}

const fn udp(words: &'static str) -> Tried {
    Tried { words, keys: ", transport: udp" }
}

/// Cameras that can be captured but for what they lose themselves.
const CAMERAS: &[Tried] = &[
    tcp("ok"),
    tcp("h265"),
    tcp("bframes"),
    tcp("gdr"),
    tcp("loss"),
    tcp("loss+slices"),
    tcp("loss+h265"),
    udp("loss"),
    udp("reorder"),
    tcp("trunc"),
    tcp("jpeg"),
    tcp("noidr10+midgop"),
    tcp("audio"),
    tcp("nosdpsps"),
    tcp("onlysdp"),
    udp("tcponly"),
    tcp("annexb"),
    tcp("seimark"),
    tcp("garbage"),
    tcp("ssrc"),
    tcp("wrap"),
    tcp("samets"),
    tcp("tsback"),
    tcp("tsfwd"),
    tcp("drift"),
    tcp("nortcp"),
    tcp("srstep"),
    tcp("srepoch+noinfo"),
    tcp("midgop"),
    tcp("burst"),
    tcp("pause2"),
    tcp("pause12"),
    tcp("stall"),
    tcp("close"),
    tcp("rst"),
    tcp("auth"),
    tcp("basic"),
    tcp("stale"),
    tcp("keepalive"),
    tcp("close+two+noteardown"),
    tcp("503+awhile"),
];

impl Tried {
    /// The camera's name, which is also its path behind the words.
    fn name(&self) -> String {
        let way = if self.keys.is_empty() { "" } else { "-udp" };
        format!("{}{way}", self.words.replace('+', "-"))
    }

    fn path(&self) -> String {
        format!("{}/{}", self.words, self.name())
    }

    fn entry(&self, server: &RtspCamera) -> String {
        let login = format!("rtsp://{USER}:{PASSWORD}@");
        let url = server.url(&self.path()).replace("rtsp://", &login);
        let gop_ms = if self.words.contains("noidr10") { 11_000 } else { 1000 };
        format!(
            "  - {{ name: {}, backend: rtsp, url: '{url}', max_bitrate_mbps: 1, max_frame_bytes: 30000, gop_ms: {gop_ms}{} }}\n",
            self.name(),
            self.keys
        )
    }
}

fn server() -> RtspCamera {
    let mut options = Options::small(60);
    options.after = AFTER;
    options.pictures.camera_index = IN_STAMPS;
    let server = RtspCamera::start(options).unwrap();
    server.prepare(&CAMERAS.iter().map(|tried| tried.words).collect::<Vec<_>>());
    server
}

/// One camera's part of a clip, as it is and as it could be.
pub(crate) struct Part<'a> {
    clip: &'a Path,
    manifest: Manifest,
    name: &'a str,
    sent: Vec<Sent>,
}

impl<'a> Part<'a> {
    /// The part of this camera, which has sent these frames.
    pub(crate) fn of(clip: &'a Path, name: &'a str, sent: Vec<Sent>) -> Self {
        let text = std::fs::read_to_string(clip.join(MANIFEST)).unwrap();
        Self { clip, manifest: Manifest::parse(&text).unwrap(), name, sent }
    }

    /// Everything that is wrong with it, in words.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let Some(claims) = self.manifest.cameras.get(self.name) else {
            return vec!["not in the clip".into()];
        };
        let mut claims = claims.clone();
        claims.camera_index = Some(IN_STAMPS);
        let csv = self.clip.join(format!("{}_timestamps.csv", self.name));
        let rows = timestamps::parse(&std::fs::read_to_string(csv).unwrap_or_default()).unwrap_or_default();
        let frames = damaged::with_those_not_shown(self.frames(&claims.parts()), &rows);
        let verdict = oracle::judge::judge(&Evidence {
            window: self.manifest.window,
            complete: self.manifest.complete,
            camera: &claims,
            frames: &frames,
            rows: &rows,
            truth: None,
        });
        let mut wrong: Vec<String> = verdict.faults.iter().map(ToString::to_string).collect();
        if verdict.judged_by != JudgedBy::Stamps {
            wrong.push("no stamp is in it".into());
        }
        wrong.extend(damaged::check(&claims, &rows).map(|fault| fault.to_string()));
        let is_marked = |at: usize| damaged::is_marked(&rows, at);
        let unmarked = frames.iter().enumerate().filter(|(at, _)| !is_marked(*at));
        let present: BTreeSet<u64> =
            unmarked.filter_map(|(_, frame)| Some(frame.stamp?.source_sequence.into())).collect();
        let Capturable { surely, perhaps } = capturable(&self.sent);
        let could_not_be: Vec<&u64> =
            present.iter().filter(|number| !surely.contains(number) && !perhaps.contains(number)).collect();
        if !could_not_be.is_empty() {
            wrong.push(format!("frames that can't be right, and are not called damaged: {could_not_be:?}"));
        }
        let window = self.manifest.window;
        let is_inside = |at: MonotonicNs| at.0 > window.start_ns + LATE_NS && at.0 + LATE_NS < window.end_ns;
        let inside: BTreeSet<u64> =
            self.sent.iter().filter(|sent| is_inside(sent.at)).map(|sent| sent.number).collect();
        let missed: Vec<&u64> =
            inside.iter().filter(|number| surely.contains(number) && !present.contains(number)).collect();
        if !missed.is_empty() {
            wrong.push(format!("frames that could be captured and are not there: {missed:?}"));
        }
        if inside.is_empty() {
            wrong.push("it sent nothing".into());
        }
        wrong
    }

    fn frames(&self, files: &[&str]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (part, file) in files.iter().enumerate() {
            let decoded = decode::each_frame(&self.clip.join(file), |luma| {
                frames.push(Frame {
                    part,
                    stamp: stamp::read(luma.plane, luma.stride, luma.width, luma.height),
                    pts_us: luma.pts_us,
                    damaged: luma.damaged,
                });
            });
            assert!(decoded.is_ok_and(|decoded| decoded.errors.is_empty()), "{}: {file}", self.name);
        }
        frames
    }
}

#[test]
fn f97_of_cameras_that_misbehave_all_is_captured_that_could_be_and_the_rest_declared() {
    let server = server();
    let entries: String = CAMERAS.iter().map(|tried| tried.entry(&server)).collect();
    let mut rig = Rig::prepare(&format!(
        "cameras:
  - {{ name: left, backend: sim, width: 320, height: 192, fps: 30, truth_log: $DIR/left.truth }}
{entries}recording: {{ output_dir: $DIR/recordings, pre_roll_ms: 1000, reserve_ms: 4000 }}
"
    ));
    rig.launch(&[]);
    let names: Vec<String> = CAMERAS.iter().map(Tried::name).collect();
    for name in &names {
        let delivers = |stats: &Value| camera(stats, name)["captured_frames"].as_u64() > Some(0);
        rig.await_stats(&format!("{name} to deliver"), delivers);
    }
    let captures: Vec<_> = names.iter().map(|name| rig.pid_of(name)).collect();
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "13000"]);
    let answer = trigger.answer().code(4).json();
    let clip = clip_of(&answer);
    assert_eq!(names.iter().map(|name| rig.pid_of(name)).collect::<Vec<_>>(), captures);
    let stats = rig.stats();
    kill(rig.supervisor_pid(), Signal::TERM);
    assert!(rig.await_end().success());
    let mut wrong = Vec::new();
    for tried in CAMERAS {
        let name = tried.name();
        println!("{name}: {}", summary(&manifest(&clip)["cameras"][name.as_str()]));
        let part = Part::of(&clip, &name, server.sent(&tried.path()));
        wrong.extend(part.wrong().iter().map(|why| format!("{name}: {why}")));
    }
    let shown = |name: &str| camera(&stats, name).to_string();
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), shown("ok"));
    // The camera beside them has lost nothing.
    let report = oracle::folder::judge(&rig.recordings(), &rig.truths()).unwrap();
    let left = &report.clips[0].cameras["left"];
    assert!(left.is_true() && left.present == left.expected, "{report}");
}

#[test]
fn f97_a_camera_whose_pictures_change_their_size_goes_on_in_clips_of_the_new_size() {
    let mut options = Options::small(60);
    options.after = 60;
    options.pictures.camera_index = IN_STAMPS;
    let server = RtspCamera::start(options).unwrap();
    server.prepare(&["spschange"]);
    let mut rig = Rig::prepare(&format!(
        "cameras:
  - {{ name: gate, backend: rtsp, url: '{}', max_bitrate_mbps: 1, max_frame_bytes: 30000, gop_ms: 1000 }}
recording: {{ output_dir: $DIR/recordings, pre_roll_ms: 1000, reserve_ms: 4000 }}
",
        server.url("spschange")
    ));
    rig.launch(&[]);
    rig.await_stats("some frames", |stats| camera(stats, "gate")["captured_frames"].as_u64() > Some(20));
    let trigger = rig.ask(&["trigger", "--wait", "--pre-ms", "500", "--post-ms", "4000"]);
    let across = clip_of(&trigger.answer().code(4).json());
    rig.await_stats("a ring of the new size", |stats| {
        camera(stats, "gate")["ring"]["reach_ms"].as_f64() > Some(1200.0)
    });
    let trigger = rig.command(&["trigger", "--wait", "--pre-ms", "500", "--post-ms", "1500"]);
    let behind = clip_of(&trigger.code(0).json());
    let sent = server.sent("spschange");
    kill(rig.supervisor_pid(), Signal::TERM);
    assert!(rig.await_end().success());
    // The last session is the one that was recorded.
    let session = sent.iter().map(|sent| sent.session).max();
    let sent: Vec<Sent> = sent.into_iter().filter(|sent| Some(sent.session) == session).collect();
    let change = 60 + sent[60..].iter().position(|sent| sent.start == Start::Key).unwrap();
    for (clip, size, sent) in [(&across, (256, 128), &sent[..change]), (&behind, (320, 192), &sent[change..])]
    {
        let gate = &manifest(clip)["cameras"]["gate"];
        assert_eq!((&gate["width"], &gate["height"]), (&size.0.into(), &size.1.into()), "{gate:#}");
        println!("{}", summary(gate));
        assert_eq!(Part::of(clip, "gate", sent.to_vec()).wrong(), [] as [String; 0], "{gate:#}");
    }
    let gaps = manifest(&across)["cameras"]["gate"]["gaps"].clone();
    assert_eq!(gaps.as_array().map(Vec::len), Some(1), "{gaps:#}");
    assert_eq!(gaps[0]["cause"], "ring_gone", "{gaps:#}");
}

/// A camera's part of the manifest in a line.
fn summary(camera: &Value) -> String {
    let gaps: Vec<String> = list(camera, "gaps")
        .iter()
        .map(|gap| format!("{}x{}", gap["missing"], gap["cause"].as_str().unwrap_or("-")))
        .collect();
    let how: Vec<String> = list(camera, "stretches")
        .iter()
        .map(|stretch| format!("{}x{}", stretch["frames"], stretch["how"].as_str().unwrap_or("-")))
        .collect();
    format!(
        "{} of {}, {how:?}, gaps {gaps:?}, damaged {}",
        camera["frames_written"], camera["frames_expected"], camera["damaged"]
    )
}

/// Cameras that give no stream: the words of each, its login, and what has to be said of it.
const REFUSED: &[(&str, &str, &str, &[&str])] = &[
    ("wrong", "auth", "keeper:N0tTheP4ss@", &["refuses the password of user keeper", "401"]),
    ("nobody", "basic", "", &["asks for a password", "401", "password_file"]),
    ("lost", "404", "", &["no stream at this path", "404"]),
    ("full", "453", "", &["453"]),
    ("busy", "503", "", &["busy", "503"]),
    ("codec", "vp8", "", &["it sends vp8", "H.264"]),
    ("silent", "silence", "", &["no packet"]),
    ("bare", "nosdpsps+onlysdp", "", &["parameter sets"]),
];

#[test]
fn f98_a_camera_that_gives_no_stream_says_why_in_one_clear_message() {
    let server = RtspCamera::start(Options::small(60)).unwrap();
    server.prepare(&["ok"]);
    let entry = |(name, words, login, _): &(&str, &str, &str, _)| {
        let url = server.url(&format!("{words}/{name}")).replace("rtsp://", &format!("rtsp://{login}"));
        format!("  - {{ name: {name}, backend: rtsp, url: '{url}' }}\n")
    };
    let mut rig = Rig::prepare(&format!(
        "cameras:
  - {{ name: left, backend: sim, width: 320, height: 192, fps: 30, truth_log: $DIR/left.truth }}
{}  - {{ name: away, backend: rtsp, url: 'rtsp://127.0.0.1:1/x' }}
recording: {{ output_dir: $DIR/recordings }}
",
        REFUSED.iter().map(entry).collect::<String>()
    ));
    let config = rig.config();
    let checked = rig.command(&["check", "--config", config.to_str().unwrap()]).code(0);
    let away = ("away", "", "", &["no connection to port 1"][..]);
    let all = || REFUSED.iter().copied().chain([away]);
    for (name, _, _, says) in all() {
        let warnings: Vec<&str> = checked
            .stderr
            .lines()
            .filter(|line| {
                line.contains(&format!("warning: camera {name}: ")) && line.contains("tried again")
            })
            .collect();
        assert!(
            warnings.len() == 1 && says.iter().all(|word| warnings[0].contains(word)),
            "{name}: {says:?} {checked:#?}"
        );
    }
    rig.launch(&[]);
    for (name, _, _, says) in all() {
        let stats = rig.await_stats(&format!("{name} to be failed"), |stats| {
            let camera = camera(stats, name);
            camera["state"] == "failed" && says.iter().all(|word| camera.to_string().contains(word))
        });
        let reasons = list(&stats["health"], "reasons");
        let is_named = |reason: &&Value| {
            reason.as_str().is_some_and(|reason| reason.contains(&format!("capture {name}: failed: ")))
        };
        assert_eq!(reasons.iter().filter(is_named).count(), 1, "{name}: {reasons:#?}");
    }
    rig.await_stats("the camera beside them", |stats| camera(stats, "left")["state"] == "live");
    let everything = format!("{}{}{}", rig.log().join("\n"), rig.stats(), checked.stderr);
    assert!(!everything.contains("N0tTheP4ss"), "{everything}");
    // A login that was refused is tried again more slowly than anything else, so that it doesn't lock the user out.
    let requests = server.requests();
    let asked =
        |words: &[&str]| requests.iter().filter(|head| words.iter().all(|word| head.contains(word))).count();
    let (wrong, lost) = (asked(&["auth/wrong", "Authorization"]), asked(&["DESCRIBE", "404/lost"]));
    assert!(wrong <= lost, "{wrong} {lost}");
    rig.command(&["stop"]).code(0);
    assert!(rig.await_end().success());
}
