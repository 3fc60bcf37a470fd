//! A track writer writes a feed's packets, and their journal, to a part. It belongs to one camera's take of one clip.
//! How a part is read back is [`crate::part`]'s subject.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec;

use proto::clip::PlannedCamera;
use proto::codec::EncoderChoice;
use proto::failpoint;
use proto::frame::{Fps, FrameInfo};
use proto::opened;
use proto::time::MonotonicNs;

use crate::disk;
use crate::feed::FeedPacket;
use crate::journal::{Journal, PartHeader};
use crate::media::Video;
use crate::media::WriteError;
use crate::opening::Media;
use crate::part;
use crate::video_time::{period_us, pts_us};

/// A part that is being written.
pub(crate) struct TrackWriter {
    video: Box<dyn Video>,
    journal: Journal,
    path: PathBuf,
    choice: EncoderChoice,
    /// The first packet goes on with the stream of the part before.
    goes_on: bool,
    parameters: Rc<codec::Parameters>,
    base_ns: MonotonicNs,
    period_us: i64,
    /// The last frame whose packet is in the file.
    last: Option<FrameInfo>,
}

impl TrackWriter {
    /// Creates a part's files, for packets of one parameter set. There is neither of them if it fails.
    pub(crate) fn create(
        path: &Path,
        header: PartHeader,
        fps: Fps,
        parameters: Rc<codec::Parameters>,
        media: &dyn Media,
    ) -> Result<Self, WriteError> {
        failpoint::pass("encoder.opened", path.display());
        let lines = journal_beside(path);
        let journal = Journal::create(&lines, &header).map_err(WriteError::Disk)?;
        failpoint::pass("part.journal", path.display());
        let video = media.create_part(path, header.how(), &parameters).inspect_err(|_| remove(&lines))?;
        failpoint::pass("part.begun", path.display());
        let PartHeader { choice, base_ns, goes_on, .. } = header;
        let (path, period_us) = (path.to_owned(), period_us(fps));
        Ok(Self { video, journal, path, choice, goes_on, parameters, base_ns, period_us, last: None })
    }

    /// The path of a camera's next part.
    pub(crate) fn next_path(
        partial: &Path,
        camera: &PlannedCamera,
        header: &PartHeader,
    ) -> io::Result<PathBuf> {
        let number = part::next_number(partial, &camera.name)?;
        Ok(part::video_path(partial, &camera.name, number, header.part_extension()))
    }

    /// The part's video.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Says whether the packet of a frame is in the file.
    pub(crate) fn has_frames(&self) -> bool {
        self.last.is_some()
    }

    /// The encoder that the part is written for.
    pub(crate) fn encoder(&self) -> &str {
        &self.choice.encoder
    }

    /// Reaches the failpoint of a frame that is about to be encoded for this part.
    pub(crate) fn pass_encode(&self) {
        let EncoderChoice { codec, encoder, preset } = &self.choice;
        let (preset, path) = (preset.as_deref().unwrap_or_default(), self.path.display());
        failpoint::pass("encoder.encode", format_args!("{codec} {encoder} {preset} {path}"));
    }

    /// Writes a packet's line to the journal, then the packet to the file. When this returns, the kernel has both. A part
    /// begins with a key frame, since packets before that can't be decoded: another first packet is refused, never passed
    /// over in silence. A part that goes on with a copied stream begins anywhere: the part before it has what is needed.
    pub(crate) fn write(&mut self, packet: &mut FeedPacket) -> Result<(), WriteError> {
        if !Rc::ptr_eq(&packet.parameters, &self.parameters) {
            // A decoder that was set up for this file can't decode it.
            return Err(WriteError::Libav(ffmpeg::Error::Bug));
        }
        if self.last.is_none() && !packet.is_key && !self.goes_on {
            return Err(WriteError::NoKeyFrame);
        }
        let pts = pts_us(packet.row.frame.t_capture, self.base_ns);
        packet.data.set_pts(Some(pts));
        packet.data.set_dts(Some(pts));
        self.journal.add(&packet.row, self.video.seal()).map_err(WriteError::Disk)?;
        failpoint::pass("part.line", self.path.display());
        self.video.write(&mut packet.data, self.period_us)?;
        self.last = Some(packet.row.frame);
        failpoint::pass("part.packet", self.path.display());
        Ok(())
    }

    /// Ends the part in order, once the feed is drained. The video needs no ending; the journal gets its last line.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let seal = self.video.seal();
        self.journal.end(seal)
    }

    /// Gives the part up where it is. Returns the last frame in its file.
    pub(crate) fn abandon(self) -> Option<FrameInfo> {
        if self.last.is_none() {
            // Otherwise a disk that stays full would be littered with empty files.
            remove(&self.path);
            remove(&journal_beside(&self.path));
        }
        self.last
    }
}

fn journal_beside(video: &Path) -> PathBuf {
    video.with_extension("journal")
}

/// Removes a file of a part without frames, if that can be done.
fn remove(path: &Path) {
    let _ = disk::ask(|| opened::remove_file(path));
}
