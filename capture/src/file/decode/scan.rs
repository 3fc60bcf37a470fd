//! The scan of a film before it is played: which frames a decoder shows of it, in which order, with which times.
//!
//! Nearly always the packets tell: each holds one frame, and frames are shown in the order of their timestamps. So all packets
//! are read, and only the first are decoded, to see whether that is so in this film. Where it isn't (fields in packets of their
//! own, times that go back, frames that are decoded and never shown), the whole film is decoded once. What follows from the
//! frames is in [`super::super::timetable`].

use ffmpeg_next as ffmpeg;

use ffmpeg::{Packet, codec};

use super::super::libav;
use super::super::timetable::{Shown, Timetable};
use super::{Decoder, Step, UNREADABLE, Use, unplayable};
use capture::source::SourceError;

/// The part of a file that is read for its timetable, at each start of the process and at the speed of a disk. The rest of
/// a longer file isn't played.
const SCAN_BYTES: usize = 2 << 30;
/// The same in frames: almost five hours at 60 fps, 16 MB of timetable.
const SCAN_FRAMES: usize = 1 << 20;
/// The same in frames that have to be decoded for it: 36 minutes at 30 fps, which takes a minute or two at 720p.
const DECODED_FRAMES: usize = 1 << 16;
/// So many packets from the first key frame on are decoded to see whether the packets tell the frames.
const TRIED_PACKETS: usize = 64;

/// A packet's statements about the frame in it, in ticks of its stream.
#[derive(Clone, Copy, Debug)]
struct Sample {
    pts: Option<i64>,
    dts: Option<i64>,
    /// The time for which the frame is shown; 0 where the file doesn't say.
    duration: i64,
    key: bool,
    /// The frame is decoded only because others need it.
    hidden: bool,
}

/// The packets of a film.
#[derive(Default)]
struct Samples {
    /// In the order of the file.
    all: Vec<Sample>,
    /// The file ends before its end, or in the middle of a packet.
    is_damaged: bool,
}

/// The frames of a film in the order in which they are shown, as its packets tell.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    frames: Vec<Shown>,
    /// The packets don't say when each frame is shown: the times are those of their decoding, or none.
    is_counted: bool,
}

impl Decoder {
    /// Finds out which frames the film shows, and opens it again.
    ///
    /// # Errors
    /// When there is no frame in the file, or the file has gone meanwhile.
    pub(in super::super) fn scan(mut self) -> Result<(Timetable, Self), SourceError> {
        let name = self.path.display().to_string();
        let samples = self.read_packets();
        let told = told(&samples.all);
        let told = match told {
            Some(told) if self.shows_what_is_told(&samples.all)? => told,
            _ => {
                let frames = self.decode_all()?;
                let (packets, shown) = (samples.all.len(), frames.len());
                tracing::info!(
                    "{name}: its packets don't tell its frames, so it was decoded once to count them: {shown} frames in \
                     {packets} packets"
                );
                Told { frames, is_counted: false }
            }
        };
        let timetable = Timetable::new(&told.frames, self.tick(), self.stated_steps(), told.is_counted);
        let timetable =
            timetable.ok_or_else(|| unplayable(&self.path, "there is not one whole frame in it".into()))?;
        if samples.is_damaged {
            tracing::warn!("{name} is damaged or cut off: frames read from it: {}", samples.all.len());
        }
        say_what_is_repaired(&name, &timetable);
        self.reopen()?;
        Ok((timetable, self))
    }

    /// Reads all packets, without decoding them.
    fn read_packets(&mut self) -> Samples {
        let vp8 = self.decoder.id() == codec::Id::VP8;
        let (mut samples, mut bytes, mut unreadable, mut last_is_cut) = (Samples::default(), 0, 0, false);
        samples.is_damaged = loop {
            // A fresh packet each time: reading into a used one would leak what it held.
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) => unreadable = 0,
                Err(ffmpeg::Error::Eof) => break unreadable > 0,
                Err(ffmpeg::Error::InvalidData) if unreadable < UNREADABLE => {
                    unreadable += 1;
                    continue;
                }
                Err(_) => break true,
            }
            // An AVI's empty chunk means "the same picture again": there is no frame in it.
            if packet.stream() != self.stream || packet.size() == 0 {
                continue;
            }
            bytes += packet.size();
            last_is_cut = packet.is_corrupt();
            // VP8 keeps reference frames that are never shown in packets of their own; RFC 6386, section 9.1.
            let reference = vp8 && packet.data().is_some_and(|data| data[0] & 0x10 == 0);
            samples.all.push(Sample {
                pts: packet.pts(),
                dts: packet.dts(),
                duration: packet.duration(),
                key: packet.is_key(),
                hidden: reference || libav::is_cut_off(&packet),
            });
            if bytes > SCAN_BYTES || samples.all.len() >= SCAN_FRAMES {
                self.say_too_long(samples.all.len());
                break false;
            }
        };
        if last_is_cut {
            samples.all.pop();
            samples.is_damaged = true;
        }
        samples
    }

    /// Decodes the first packets, and compares what they show with what they tell.
    fn shows_what_is_told(&mut self, samples: &[Sample]) -> Result<bool, SourceError> {
        let first_key = samples.iter().position(|s| s.key).unwrap_or(0);
        let tried = &samples[..samples.len().min(first_key + TRIED_PACKETS)];
        let Some(told) = told(tried) else { return Ok(false) };
        let (shown, failed) = self.decode(tried.len())?;
        Ok(agree(&told, &shown, failed))
    }

    /// Decodes the film to its end.
    fn decode_all(&mut self) -> Result<Vec<Shown>, SourceError> {
        let (shown, _) = self.decode(usize::MAX)?;
        if shown.len() >= DECODED_FRAMES {
            self.say_too_long(shown.len());
        }
        Ok(shown)
    }

    /// The frames that so many packets show, and the number of times that the decoder failed.
    fn decode(&mut self, packets: usize) -> Result<(Vec<Shown>, usize), SourceError> {
        *self = Self::open_for(&self.path, Use::Counting)?;
        self.packets_left = packets;
        let (mut shown, mut failed) = (Vec::new(), 0);
        while shown.len() < DECODED_FRAMES {
            match self.step() {
                // How long it is shown is not asked of a frame that may be made of two packets.
                Step::Picture(ticks, _) => shown.push(Shown { ticks, duration: 0 }),
                Step::On => failed += usize::from(self.take_trouble().is_some()),
                Step::Over => break,
            }
        }
        Ok((shown, failed))
    }

    fn say_too_long(&self, frames: usize) {
        tracing::warn!("{} is too long: only its first {frames} frames are played", self.path.display());
    }
}

/// The frames that a decoder shows of these packets, if that can be told without one.
fn told(samples: &[Sample]) -> Option<Told> {
    // Decoding times rise from packet to packet. Where they don't, another recording begins.
    let decoded: Vec<i64> = samples.iter().filter_map(|s| s.dts).collect();
    if !decoded.is_sorted() {
        return None;
    }
    let visible = visible(samples);
    let all = |time: fn(&Sample) -> Option<i64>| {
        let frames = visible.iter().map(|s| Some(Shown { ticks: Some(time(s)?), duration: s.duration }));
        frames.collect::<Option<Vec<Shown>>>()
    };
    let (mut frames, is_counted) = match all(|s| s.pts) {
        Some(frames) => (frames, false),
        None => {
            let bare = || visible.iter().map(|_| Shown { ticks: None, duration: 0 }).collect();
            (all(|s| s.dts).unwrap_or_else(bare), true)
        }
    };
    frames.sort_by_key(|shown| shown.ticks);
    Some(Told { frames, is_counted })
}

/// The packets without those whose frames can't be decoded, before the first key frame in the file or in time, and without
/// those that are not shown.
fn visible(samples: &[Sample]) -> Vec<Sample> {
    let first_key = samples.iter().position(|s| s.key);
    let key_pts = first_key.and_then(|key| samples[key].pts);
    let from_key = samples.iter().skip(first_key.unwrap_or(0));
    from_key.filter(|s| !s.hidden && (s.pts.is_none() || s.pts >= key_pts)).copied().collect()
}

/// Is what was shown what was told, but for frames at which the decoder failed? Those are damaged, and missed.
fn agree(told: &Told, shown: &[Shown], failed: usize) -> bool {
    let is_all = shown.len() <= told.frames.len() && told.frames.len() <= shown.len() + failed;
    let mut rest = told.frames.iter();
    let mut is_next = |shown: &Shown| rest.any(|frame| frame.ticks == shown.ticks);
    is_all && (told.is_counted || shown.iter().all(&mut is_next))
}

/// One line for all frames of a film whose times were replaced.
fn say_what_is_repaired(name: &str, timetable: &Timetable) {
    let Some(first) = timetable.repaired().first() else { return };
    let first_s = std::time::Duration::from_nanos(timetable.start_ns(*first as u64)).as_secs_f64();
    let what = match timetable.repaired().len() {
        1 => "the time of 1 frame stands still, goes back or jumps".to_owned(),
        frames => format!("the times of {frames} frames stand still, go back or jump"),
    };
    tracing::warn!(
        "{name}: {what} (the first at {first_s:.2} s): each was given a time between its neighbours' and the flag r, in every pass"
    );
}

#[cfg(test)]
mod tests;
