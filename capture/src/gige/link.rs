//! The stream of an open camera: its buffers, its beginning and its end, and the figures of its packets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aravis::glib::prelude::Cast as _;
use aravis::prelude::*;
use aravis::{Buffer, Camera, GvStream, GvStreamPacketResend, GvStreamSocketBuffer, Stream};
use proto::config::GigeConfig;
use proto::frame::Fps;
use proto::stats::TransportStats;

use super::open::Opened;
use super::realtime;

/// The most packets of a frame that are asked for again, as a part of all of it: a camera whose network loses more would send
/// little else.
const MOST_RESENT: f64 = 0.1;
/// A camera that is there closes within this time; one that is gone is closed beside the next that is opened.
const CLOSES_WITHIN: Duration = Duration::from_millis(200);

/// Everything that outlives one opening of a camera.
#[derive(Debug, Default)]
pub(crate) struct Lasting {
    /// The priority of the thread that takes packets; 0 for an ordinary one.
    pub(crate) realtime_priority: u8,
    /// The figures of the streams that have ended.
    past: Mutex<TransportStats>,
    /// Real time was refused, and that has been said.
    is_refusal_told: AtomicBool,
}

impl Lasting {
    pub(crate) fn new(realtime_priority: u8) -> Self {
        Self { realtime_priority, ..Self::default() }
    }
}

/// An open camera and its stream.
pub(crate) struct Link {
    /// The part that has to be closed; there until then.
    open: Option<Open>,
    is_lost: Arc<AtomicBool>,
    lasting: Arc<Lasting>,
    /// The present packets' size and the pause between two.
    packets: (u64, u64),
}

struct Open {
    camera: Camera,
    fps: Fps,
    /// There once the camera streams.
    stream: Option<Stream>,
}

impl Link {
    /// The camera that was opened. It doesn't stream yet.
    pub(crate) fn new(opened: Opened, lasting: Arc<Lasting>) -> Self {
        let is_lost = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_lost);
        opened.device.connect_control_lost(move |_| flag.store(true, Ordering::Relaxed));
        let open = Open { camera: opened.camera, fps: opened.fps, stream: None };
        Self { open: Some(open), is_lost, lasting, packets: (0, 0) }
    }

    /// Has aravis lost control of the camera?
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Has the camera stream. True if it didn't before; the error is a sentence's end.
    pub(crate) fn start(&mut self) -> Result<bool, String> {
        let Some(open) = self.open.as_mut().filter(|open| open.stream.is_none()) else { return Ok(false) };
        let Open { camera, fps, .. } = open;
        let failed = |doing: &str, error: &aravis::glib::Error| format!("can't {doing}: {}", error.message());
        let payload = camera.payload().map_err(|e| failed("ask it for the size of its frames", &e))?;
        let stream = camera.create_stream().map_err(|e| failed("make a stream for its frames", &e))?;
        let bytes = usize::try_from(payload).unwrap_or(usize::MAX);
        for _ in 0..GigeConfig::buffers(fps.period()) {
            stream.push_buffer(Buffer::new_allocate(bytes));
        }
        if let Some(stream) = stream.downcast_ref::<GvStream>() {
            stream.set_packet_resend(GvStreamPacketResend::Always);
            stream.set_packet_request_ratio(MOST_RESENT);
            let retention = GigeConfig::RETENTION.as_micros();
            stream.set_frame_retention(u32::try_from(retention).unwrap_or(u32::MAX));
            stream.set_socket_buffer(GvStreamSocketBuffer::Auto);
            let delay_ns = camera.gv_get_packet_delay().unwrap_or(0);
            let size = camera.gv_get_packet_size().unwrap_or(0);
            self.packets = (size.into(), u64::try_from(delay_ns).unwrap_or(0));
        }
        self.lasting.take_real_time();
        camera.start_acquisition().map_err(|e| failed("start it", &e))?;
        open.stream = Some(stream);
        Ok(true)
    }

    /// The next buffer that aravis is done with; `None` if none comes in time.
    pub(crate) fn next(&self, within: Duration) -> Option<Buffer> {
        let micros = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
        self.stream()?.timeout_pop_buffer(micros)
    }

    /// Gives a buffer to aravis, to be filled.
    pub(crate) fn give_back(&self, buffer: Buffer) {
        if let Some(stream) = self.stream() {
            stream.push_buffer(buffer);
        }
    }

    fn stream(&self) -> Option<&Stream> {
        self.open.as_ref()?.stream.as_ref()
    }

    /// The figures of this stream and those before it.
    pub(crate) fn transport(&self) -> TransportStats {
        let past = *self.lasting.past.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = self.stream().map(figures).unwrap_or_default();
        (now.packet_bytes, now.packet_delay_ns) = self.packets;
        now.behind(past)
    }
}

/// The figures of a stream.
fn figures(stream: &Stream) -> TransportStats {
    let (_, failures, underruns) = stream.statistics();
    let mut figures = TransportStats { failed_frames: failures, underruns, ..TransportStats::default() };
    if let Some(of_network) = stream.downcast_ref::<GvStream>() {
        (figures.resent_packets, figures.missing_packets) = of_network.statistics();
        figures.resend_requests = stream.info_uint64_by_name("n_resend_requests");
    }
    figures
}

impl Lasting {
    /// Gives the thread that takes packets the config's priority. Without the right to it, it goes on as it is.
    fn take_real_time(&self) {
        if self.realtime_priority == 0 {
            return;
        }
        let Err(error) = realtime::take(self.realtime_priority) else { return };
        if !self.is_refusal_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "realtime_priority: the thread that takes packets stays an ordinary one: {error}; the user needs the right to \
                 real time (LimitRTPRIO={} in the unit, or rtprio in limits.conf)",
                self.realtime_priority
            );
        }
    }
}

impl Drop for Link {
    /// Stops the camera and gives it free, so that another program can have it at once. A camera that is gone answers none of
    /// that, and each question takes its time: so it is done beside.
    fn drop(&mut self) {
        *self.lasting.past.lock().unwrap_or_else(PoisonError::into_inner) = self.transport();
        let Some(Open { camera, stream, .. }) = self.open.take() else { return };
        let (done, closed) = channel();
        let close = move || {
            // A camera that is gone has stopped.
            let _ = camera.stop_acquisition();
            drop(stream);
            drop(camera);
            let _ = done.send(());
        };
        // Without a thread, the closure is dropped here, and all of it with it.
        if std::thread::Builder::new().name("close".into()).spawn(close).is_ok() {
            let _ = closed.recv_timeout(CLOSES_WITHIN);
        }
    }
}
