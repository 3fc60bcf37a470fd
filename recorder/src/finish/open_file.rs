//! A joined file that is being written, one packet behind: the duration of a file's last picture is known only when the
//! file ends. Which packets go into which file is [`super::join`]'s subject.

use ffmpeg_next::Packet;

use proto::frame::Fps;
use proto::time::MonotonicNs;

use crate::container::VideoWriter;
use crate::media::WriteError;
use crate::video_time;

/// A joined file that is being written.
pub(super) struct OpenFile {
    writer: VideoWriter,
    /// The capture time that video time 0 stands for.
    base: MonotonicNs,
    fps: Fps,
    /// Of its packets.
    bytes: u64,
    /// The last packet. It isn't written yet: how long its picture is shown is known once the file ends.
    last: Option<Packet>,
}

impl OpenFile {
    /// A file without packets yet, whose time 0 stands for `base`.
    pub(super) fn new(writer: VideoWriter, base: MonotonicNs, fps: Fps) -> Self {
        Self { writer, base, fps, bytes: 0, last: None }
    }

    /// The bytes of its packets.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a packet, with the time of its picture.
    pub(super) fn add(&mut self, mut packet: Packet, t_capture: MonotonicNs) -> Result<(), WriteError> {
        let pts = video_time::pts_us(t_capture, self.base);
        packet.set_pts(Some(pts));
        packet.set_dts(Some(pts));
        self.bytes = self.bytes.saturating_add(u64::try_from(packet.size()).unwrap_or(0));
        match self.last.replace(packet) {
            Some(mut before) => self.writer.write(&mut before, video_time::period_us(self.fps)),
            None => Ok(()),
        }
    }

    /// Ends the file. Its last picture stood until a moment, or is shown for one frame time.
    pub(super) fn end(mut self, stood_until: Option<MonotonicNs>) -> Result<(), WriteError> {
        if let Some(mut last) = self.last.take() {
            let at_us = last.pts().unwrap_or(0);
            self.writer.write(&mut last, video_time::last_us(at_us, stood_until, self.base, self.fps))?;
        }
        self.writer.finish()
    }
}
