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
    /// The time of the first picture that players show, in microseconds from `base`.
    shown_from_us: i64,
    /// Of its packets.
    bytes: u64,
    /// The last packet. It isn't written yet: how long its picture is shown is known once the file ends.
    last: Option<Packet>,
}

impl OpenFile {
    /// A file without packets yet, whose time 0 stands for `base`. Pictures before `shown_from` are there for others, and
    /// players are told to pass over them: their times are negative, which libav writes as an edit list.
    pub(super) fn new(
        writer: VideoWriter,
        base: MonotonicNs,
        fps: Fps,
        shown_from: Option<MonotonicNs>,
    ) -> Self {
        let shown_from_us = shown_from.map_or(0, |shown| video_time::pts_us(shown, base));
        Self { writer, base, fps, shown_from_us, bytes: 0, last: None }
    }

    /// The bytes of its packets.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a packet, with the time of its picture.
    pub(super) fn add(&mut self, mut packet: Packet, t_capture: MonotonicNs) -> Result<(), WriteError> {
        let pts = video_time::pts_us(t_capture, self.base).saturating_sub(self.shown_from_us);
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
