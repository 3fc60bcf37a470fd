//! The same work as the ring's, by the iceoryx2 crate: what somebody would take who didn't want to write a ring. Built only
//! with the feature `iceoryx2`.
//!
//! One publisher, one subscriber that holds the last [`HELD`] frames unread (the pre-roll), and an event for each frame.
//! Publishing is loaning, copying, sending, and the event.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use iceoryx2::config::Config;
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::prelude::{FileName, LogLevel, SemanticString as _, SignalHandlingMode, ipc, set_log_level};
use proto::time::MonotonicNs;

use crate::sleeper::{FOR_EVER, PAUSE, WAKINGS, sleeper};
use crate::took::{FRAMES, Size, Sizing, WARM_UP, nanos};

/// Frames that the subscriber may hold, and that one that comes later is given: as many as the ring's.
const HELD: usize = 32;

type Bytes = [u8];

/// A meeting point of participants, by a folder that both know. Nothing is read from the user's own settings.
struct MeetingPoint<'a> {
    folder: &'a Path,
    prefix: String,
}

impl<'a> MeetingPoint<'a> {
    fn of(folder: &'a Path) -> anyhow::Result<Self> {
        let own = folder.file_name().and_then(|name| name.to_str()).context("a folder's name")?;
        Ok(Self { folder, prefix: format!("preroll-bench{own}_") })
    }

    fn node(&self) -> anyhow::Result<Node<ipc::Service>> {
        set_log_level(LogLevel::Error);
        let mut config = Config::default();
        let root = self.folder.to_str().context("a path that is no text")?;
        config.global.set_root_path(&iceoryx2::prelude::Path::new(root.as_bytes())?);
        config.global.prefix = FileName::new(self.prefix.as_bytes())?;
        let node = NodeBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled).config(&config);
        Ok(node.create::<ipc::Service>()?)
    }

    /// Removes what nodes leave behind on purpose, for the next ones: a segment of shared memory.
    fn clear(&self) -> std::io::Result<()> {
        for entry in std::fs::read_dir("/dev/shm")? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// As `ring::publish`, of frames of this size.
pub(super) fn publish(width: u32, height: u32) -> anyhow::Result<Size> {
    let folder = tempfile::tempdir()?;
    let place = MeetingPoint::of(folder.path())?;
    let size = publish_at(&place, width, height);
    place.clear()?;
    size
}

fn publish_at(place: &MeetingPoint, width: u32, height: u32) -> anyhow::Result<Size> {
    let node = place.node()?;
    let bytes = usize::try_from(width * height * 3 / 2)?;
    let service = node.service_builder(&"frames".try_into()?).publish_subscribe::<Bytes>();
    let service = service
        .history_size(HELD)
        .subscriber_max_buffer_size(HELD)
        .enable_safe_overflow(true)
        .max_publishers(1)
        .max_subscribers(1)
        .create()?;
    let publisher = service.publisher_builder().initial_max_slice_len(bytes).create()?;
    let subscriber = service.subscriber_builder().buffer_size(HELD).create()?;
    let event = node.service_builder(&"published".try_into()?).event().create()?;
    let notifier = event.notifier_builder().create()?;
    let frames: Vec<Vec<u8>> = (0..8).map(|n| vec![n; bytes]).collect();
    let mut sizing = Sizing::default();
    for (n, frame) in frames.iter().cycle().take(WARM_UP + FRAMES).enumerate() {
        let begun = Instant::now();
        let sample = publisher.loan_slice_uninit(bytes)?;
        let copying = Instant::now();
        let sample = sample.write_from_slice(frame);
        let copied = nanos(copying);
        sample.send()?;
        notifier.notify()?;
        let all = nanos(begun);
        if n >= WARM_UP {
            sizing.published(all, copied);
        }
    }
    // Frames that it holds unread are received; and sent again, until there are nearly as many receipts as publications.
    for frame in frames.iter().cycle().take(FRAMES / HELD) {
        loop {
            let leasing = Instant::now();
            let Some(sample) = subscriber.receive()? else { break };
            drop(sample);
            sizing.leased(nanos(leasing));
        }
        for _ in 0..HELD {
            publisher.loan_slice_uninit(bytes)?.write_from_slice(frame).send()?;
        }
    }
    Ok(sizing.size(width, height, bytes))
}

/// As `wake::wake_by_ring`.
pub(super) fn wake() -> anyhow::Result<Vec<u64>> {
    let folder = tempfile::tempdir()?;
    let place = MeetingPoint::of(folder.path())?;
    let took = wake_at(&place);
    place.clear()?;
    took
}

fn wake_at(place: &MeetingPoint) -> anyhow::Result<Vec<u64>> {
    let node = place.node()?;
    let service = node.service_builder(&"frames".try_into()?).publish_subscribe::<u64>().create()?;
    let publisher = service.publisher_builder().create()?;
    let event = node.service_builder(&"published".try_into()?).event().create()?;
    let notifier = event.notifier_builder().create()?;
    sleeper("iceoryx2", place.folder, || {
        for _ in 0..WAKINGS {
            std::thread::sleep(PAUSE);
            publisher.send_copy(MonotonicNs::now().0)?;
            notifier.notify()?;
        }
        Ok(())
    })
}

/// The second process.
pub(super) fn sleep(at: &Path) -> anyhow::Result<()> {
    let node = MeetingPoint::of(at)?.node()?;
    let service = node.service_builder(&"frames".try_into()?).publish_subscribe::<u64>().open()?;
    let subscriber = service.subscriber_builder().create()?;
    let event = node.service_builder(&"published".try_into()?).event().open()?;
    let listener = event.listener_builder().create()?;
    let mut taken: Vec<Duration> = Vec::with_capacity(WAKINGS);
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    let begun = Instant::now();
    while taken.len() < WAKINGS && begun.elapsed() < FOR_EVER * 2 {
        listener.timed_wait(|_| {}, FOR_EVER)?;
        let now = MonotonicNs::now();
        let mut newest = None;
        while let Some(sample) = subscriber.receive()? {
            newest = Some(MonotonicNs(*sample));
        }
        taken.extend(newest.map(|then| now.since(then)));
    }
    for took in taken {
        writeln!(out, "{}", took.as_nanos())?;
    }
    Ok(())
}
