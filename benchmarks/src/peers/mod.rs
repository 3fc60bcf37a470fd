//! `benchmark peers`: Preroll beside what a person would use instead. Each records clips from two cameras of the same kind,
//! one after the other, and is judged from outside: by the numbers in the pictures, and by when frames were taken from
//! the cameras.
//!
//! | module | subject |
//! |---|---|
//! | [`feed`] | the cameras: FIFOs that behave as a device does |
//! | [`driver`] | a device's buffers: what waits, what is taken, what is dropped |
//! | [`scene`] | what the cameras see |
//! | [`contender`] | what a recorder has to do to be measured |
//! | [`script`] | a recorder that is a script of `benchmarks/peers` |
//! | [`preroll`] | Preroll as one |
//! | [`plan`] | cameras, windows and encoder settings, the same for all |
//! | [`rounds`] | what each is put through |
//! | [`judge`] | what is in a clip, and what should be |
//! | [`report`] | the table |

pub mod contender;
pub mod driver;
pub mod feed;
pub mod judge;
pub mod plan;
pub mod preroll;
pub mod report;
pub mod rounds;
pub mod scene;
pub mod script;

use std::path::Path;

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::head::Head;
use contender::Contender;
use plan::Plan;
use preroll::Preroll;
use rounds::Figures;
use script::Script;

/// A recorder that is measured.
struct Entry {
    name: &'static str,
    title: &'static str,
    what: &'static str,
    /// The kill's meaning for it.
    killed: &'static str,
    kind: Kind,
}

enum Kind {
    OnFeeds { gstreamer: bool },
    Simulated,
    Script(&'static str),
}

const ENTRIES: [Entry; 8] = [
    Entry {
        name: "preroll",
        title: "Preroll",
        what: "capture processes (a GStreamer pipeline in OpenCV), rings in shared memory, a recorder and a standby",
        killed: "the recorder; captures and rings live on, and the standby goes on with the next frame",
        kind: Kind::OnFeeds { gstreamer: true },
    },
    Entry {
        name: "preroll-bgr",
        title: "Preroll, by BGR",
        what: "the same with OpenCV's own way of reading, which the deques have too: to BGR, and back for the encoder",
        killed: "the recorder; captures and rings live on, and the standby goes on with the next frame",
        kind: Kind::OnFeeds { gstreamer: false },
    },
    Entry {
        name: "preroll-sim",
        title: "Preroll, own cameras",
        what: "the same with its simulated cameras, so that the cost of OpenCV is apart",
        killed: "the recorder; captures and rings live on, and the standby goes on with the next frame",
        kind: Kind::Simulated,
    },
    Entry {
        name: "opencv-seed",
        title: "deque, OpenCV",
        what: "Python: a deque for each camera, encoding in the capture callback under a lock; the first codec that opens, H264 \
               here (OpenCV takes x264's medium preset), where the recorder that Preroll began from came out at MJPG",
        killed: "the one process, which captures too; pre-roll is gone, and the file was never ended",
        kind: Kind::Script("opencv_seed.py"),
    },
    Entry {
        name: "opencv-threads",
        title: "deque, OpenCV, threads",
        what: "Python: a deque for each camera, encoder threads with queues",
        killed: "the one process, which captures too; pre-roll is gone, and Matroska can be played to where it stops",
        kind: Kind::Script("opencv_threads.py"),
    },
    Entry {
        name: "gstreamer",
        title: "GStreamer",
        what: "Python: an appsink as a leaky buffer of raw frames, a pipeline with x264enc for each trigger",
        killed: "the one process, which captures too; Matroska can be played to where it stops",
        kind: Kind::Script("gstreamer.py"),
    },
    Entry {
        name: "ffmpeg-segments",
        title: "ffmpeg, segments",
        what: "an ffmpeg for each camera encodes all the time into short segments in memory; a clip is joined of them",
        killed: "one camera's ffmpeg, which captures too; its segments live on, the other camera doesn't notice",
        kind: Kind::Script("ffmpeg_segments.py"),
    },
    Entry {
        name: "motion",
        title: "Motion",
        what: "one process; pre_capture and post_capture, an event by its web control",
        killed: "the one process, which captures too; Matroska can be played as far as it was written out",
        kind: Kind::Script("motion.py"),
    },
];

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The plan that was asked for.
    pub plan: Plan,
    /// A peer for each, in the order in which they ran.
    pub peers: Vec<Peer>,
}

/// A recorder, with its figures or the reason why it has none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// As `--only` takes it.
    pub name: String,
    /// For people.
    pub title: String,
    /// A description of how it is built.
    pub what: String,
    /// The reason why there are no figures, if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
    /// The figures.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// Measures one after the other. What is left of them stays in `keep`, if that is given.
///
/// # Errors
/// When nothing can be measured here at all. What can't be measured of one of them is said in its place.
pub fn measure(plan: &Plan, keep: Option<&Path>) -> anyhow::Result<Results> {
    let (head, _, _) = (Head::begin("peers"), plan.pixels()?, plan.fps()?);
    for name in &plan.only {
        if !ENTRIES.iter().any(|entry| entry.name == name) {
            bail!("{name} is none of {}", ENTRIES.map(|entry| entry.name).join(", "));
        }
    }
    let temporary = tempfile::tempdir()?;
    let folder = keep.unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    script::unpack(&folder)?;
    let wanted = |entry: &&Entry| plan.only.is_empty() || plan.only.iter().any(|name| name == entry.name);
    let peers = ENTRIES.iter().filter(wanted).map(|entry| {
        eprintln!("{} …", entry.title);
        let measured = measure_one(entry, plan, &folder);
        let (figures, not_measured) = match measured {
            Ok(figures) => (Some(figures), None),
            Err(e) => (None, Some(format!("{e:#}"))),
        };
        let (name, title, what) = (entry.name.into(), entry.title.into(), entry.what.into());
        Peer { name, title, what, not_measured, figures }
    });
    let peers = peers.collect();
    Ok(Results { head, plan: plan.clone(), peers })
}

fn measure_one(entry: &Entry, plan: &Plan, folder: &Path) -> anyhow::Result<Figures> {
    let place = folder.join(entry.name);
    std::fs::create_dir_all(&place)?;
    let contender: Box<dyn Contender> = match entry.kind {
        Kind::OnFeeds { gstreamer } => {
            if let Some(why) = script::missing(&folder.join("gstreamer.py")).filter(|_| gstreamer) {
                bail!("{why}; benchmarks/peers/install installs what it needs");
            }
            Box::new(Preroll::on_feeds(plan, &place, gstreamer)?)
        }
        Kind::Simulated => Box::new(Preroll::simulated(plan, &place)?),
        Kind::Script(name) => {
            let script = folder.join(name);
            if let Some(why) = script::missing(&script) {
                bail!("{why}; benchmarks/peers/install installs what it needs");
            }
            Box::new(Script::start(&script, plan, &place)?)
        }
    };
    let mut figures = rounds::measure(contender, plan)?;
    figures.killed.note = entry.killed.into();
    Ok(figures)
}
