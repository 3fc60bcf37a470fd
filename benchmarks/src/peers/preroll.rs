//! Preroll as a contender: on the same feeds by way of OpenCV, or with its own simulated cameras.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use oracle::clip::MANIFEST;
use oracle::manifest::Manifest;
use proto::frame::Fps;
use proto::instance::ChildId;
use proto::process::Pid;
use proto::ring::Ring;
use proto::time::MonotonicNs;
use rig::instance::Answer;
use rig::supervisor::Supervisor;

use super::contender::{CAMERAS, Clip, Contender, below};
use super::driver::Frame;
use super::feed::Feed;
use super::plan::{CRF, PRESET, Plan};

/// Length of a look at a silent ring.
const GLANCE: Duration = Duration::from_millis(100);

/// The source of its frames.
enum Cameras {
    Feeds([Feed; 2]),
    Simulated([Watch; 2]),
}

/// A trigger's answer, and the moment it came.
type Answered = (MonotonicNs, Vec<u8>);

/// A running Preroll.
pub struct Preroll {
    supervisor: Supervisor,
    root: Pid,
    cameras: Cameras,
    folder: PathBuf,
    answers: Vec<(String, Receiver<Answered>)>,
}

impl Preroll {
    /// Starts it on two feeds, which OpenCV reads as they are, or by way of GStreamer: that spares the way over BGR.
    ///
    /// # Errors
    /// When it doesn't get ready.
    pub fn on_feeds(plan: &Plan, folder: &Path, gstreamer: bool) -> anyhow::Result<Self> {
        let (size, fps) = (plan.pixels()?, plan.fps()?);
        let feeds = [
            Feed::start(&folder.join(CAMERAS[0]), size, fps, 0)?,
            Feed::start(&folder.join(CAMERAS[1]), size, fps, 1)?,
        ];
        let block = size.0 * size.1 * 3 / 2;
        let camera = |feed: &Feed| {
            let path = feed.path().display();
            let pipeline = format!("filesrc location={path} blocksize={block} ! y4mdec ! appsink sync=false");
            format!("backend: opencv, source: {:?}", if gstreamer { pipeline } else { path.to_string() })
        };
        let supervisor = start(plan, folder, feeds.each_ref().map(camera))?;
        let root = supervisor.pid().context("the supervisor has ended")?;
        Ok(Self {
            supervisor,
            root,
            cameras: Cameras::Feeds(feeds),
            folder: folder.to_owned(),
            answers: Vec::new(),
        })
    }

    /// Starts it with simulated cameras.
    ///
    /// # Errors
    /// When it doesn't get ready.
    pub fn simulated(plan: &Plan, folder: &Path) -> anyhow::Result<Self> {
        let supervisor = start(plan, folder, CAMERAS.map(|_| "backend: sim".to_owned()))?;
        let fps = plan.fps()?;
        let watch = |camera| Ok::<_, anyhow::Error>(Watch::start(supervisor.instance().ring(camera)?, fps));
        let watches = [watch(CAMERAS[0])?, watch(CAMERAS[1])?];
        let cameras = Cameras::Simulated(watches);
        let root = supervisor.pid().context("the supervisor has ended")?;
        Ok(Self { supervisor, root, cameras, folder: folder.to_owned(), answers: Vec::new() })
    }
}

fn start(plan: &Plan, folder: &Path, cameras: [String; 2]) -> anyhow::Result<Supervisor> {
    let (width, height) = plan.pixels()?;
    let mut text = format!("camera: {{ width: {width}, height: {height}, fps: {} }}\ncameras:\n", plan.fps);
    for (name, camera) in CAMERAS.into_iter().zip(cameras) {
        text += &format!("  - {{ name: {name}, {camera} }}\n");
    }
    text += &format!(
        "recording: {{ output_dir: {:?}, pre_roll_ms: {}, post_roll_ms: {}, preset: {PRESET}, codec_quality: {CRF} }}\n",
        folder.join("recordings").display().to_string(),
        plan.pre_ms,
        plan.post_ms,
    );
    let config = folder.join("peers.yaml");
    std::fs::write(&config, text)?;
    let mut supervisor = Supervisor::start(&config)?;
    supervisor.wait_until_ready()?;
    Ok(supervisor)
}

impl Contender for Preroll {
    fn root(&self) -> Pid {
        self.root
    }

    fn files_in_memory(&self) -> u64 {
        0
    }

    fn encoder(&self) -> Option<Pid> {
        self.supervisor.instance().child(&ChildId::Recorder)
    }

    fn codec(&self) -> String {
        format!("libx264 preset {PRESET}, CRF {CRF}, no B-frames, one thread")
    }

    fn frames(&self) -> [Vec<Frame>; 2] {
        match &self.cameras {
            Cameras::Feeds(feeds) => feeds.each_ref().map(Feed::frames),
            Cameras::Simulated(watches) => watches.each_ref().map(Watch::frames),
        }
    }

    fn trigger(&mut self, label: &str) -> anyhow::Result<()> {
        let command = self.supervisor.trigger(label)?;
        let (tell, answer) = mpsc::channel();
        std::thread::spawn(move || {
            if let Ok(output) = command.wait_with_output() {
                let _ = tell.send((MonotonicNs::now(), output.stdout));
            }
        });
        self.answers.push((label.to_owned(), answer));
        Ok(())
    }

    fn clip(&mut self, label: &str, until: MonotonicNs) -> anyhow::Result<Option<Clip>> {
        let (_, answer) = self.answers.iter().find(|(of, _)| of == label).context("nobody asked for it")?;
        let Ok((finished, answer)) = answer.recv_timeout(until.since(MonotonicNs::now())) else {
            return Ok(None);
        };
        let answer: Answer = serde_json::from_slice(&answer).context("a trigger's answer")?;
        let folder = Path::new(&answer.path);
        let manifest = Manifest::parse(&std::fs::read_to_string(folder.join(MANIFEST))?)?;
        let files = manifest.cameras.iter().map(|(name, camera)| {
            (name.clone(), camera.parts().into_iter().map(|file| folder.join(file)).collect())
        });
        Ok(Some(Clip { files: files.collect::<BTreeMap<_, _>>(), finished }))
    }

    fn output(&self) -> Vec<PathBuf> {
        below(&self.folder.join("recordings"))
    }

    fn revive(&mut self) -> anyhow::Result<()> {
        Ok(()) // The supervisor is there for that.
    }

    fn stop(self: Box<Self>) -> anyhow::Result<()> {
        let left = self.supervisor.stop()?;
        ensure!(left.is_empty(), "{left}");
        Ok(())
    }
}

/// Looks into a ring from outside, and keeps when each frame was there.
struct Watch {
    seen: Arc<Mutex<Vec<Frame>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(ring: Arc<Ring>, fps: Fps) -> Self {
        let (seen, over) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (into, until) = (Arc::clone(&seen), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            // Late looks would be taken for late frames.
            let _ = rustix::process::nice(-20);
            let mut last = ring.head();
            while !until.load(Ordering::Relaxed) {
                if !ring.wait_newer(last, GLANCE) {
                    continue;
                }
                let (now, head) = (MonotonicNs::now(), ring.head());
                let mut frames = into.lock().unwrap_or_else(PoisonError::into_inner);
                for moment in (last + 1..=head).filter_map(|sequence| ring.frame_info(sequence)) {
                    add(&mut frames, moment.source_sequence, moment.t_capture, now, fps);
                }
                last = head;
            }
        });
        Self { seen, over, thread: Some(thread) }
    }

    fn frames(&self) -> Vec<Frame> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A frame that is in the ring, and before it those that its number says are missing: they were due, and nobody took them.
fn add(frames: &mut Vec<Frame>, number: u64, due: MonotonicNs, now: MonotonicNs, fps: Fps) {
    if let Some(last) = frames.last().copied() {
        frames.extend((last.number + 1..number).map(|missing| {
            let due = last.due + Duration::from_nanos(fps.due_ns(missing - last.number));
            Frame { number: missing, due, taken: None }
        }));
    }
    frames.push(Frame { number, due, taken: Some(now) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_left_out_was_due_and_not_taken() {
        let (mut frames, fps) = (Vec::new(), Fps::new(100.0).unwrap());
        let ms = |ms: u64| MonotonicNs(ms * 1_000_000);
        add(&mut frames, 5, ms(50), ms(51), fps);
        add(&mut frames, 8, ms(80), ms(82), fps);
        let seen: Vec<_> = frames.iter().map(|frame| (frame.number, frame.due, frame.taken)).collect();
        let missing = |n: u64| (n, ms(n * 10), None);
        assert_eq!(seen, [(5, ms(50), Some(ms(51))), missing(6), missing(7), (8, ms(80), Some(ms(82)))]);
    }
}
