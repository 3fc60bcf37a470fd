//! Access units of H.264 and H.265 from packets (RFC 6184 in its non-interleaved mode, RFC 7798 without decoding order numbers).
//!
//! Cameras err in where a frame ends. So three things tell it: a NAL unit that begins another picture, another time, and the
//! mark on the last packet. The mark comes first in time, and some cameras set it on each slice or behind the remarks before a
//! picture; it is believed when it was right for some frames. A NAL unit may hold start codes (some cameras pack whole frames so):
//! the frames have start codes anyway.

mod form;

use std::collections::VecDeque;

use memchr::memmem;

use super::{Flaw, Frame, Frames, Packet};
use crate::h26x::{Codec, Kind};
use form::Form;

/// Put before each NAL unit.
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// The mark is believed when it was right this many times: by then a camera with several slices a picture has shown it.
const PROOFS: u32 = 8;

/// A camera's marks, and how far they are to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    /// The marks were right so many times. Until they are believed, a frame that was marked waits for the next packet.
    Unproven(u32),
    Believed,
    /// Slices of a picture came behind its mark.
    Wrong,
}

/// The frame that is being put together.
#[derive(Debug, Default)]
struct Growing {
    frame: Frame,
    /// A slice is in it.
    has_picture: bool,
    /// The last NAL unit is a fragment whose end hasn't come.
    in_fragment: bool,
    /// The last packet had the mark.
    is_marked: bool,
}

/// Access units.
#[derive(Debug)]
pub struct AccessUnits {
    codec: Codec,
    most_bytes: usize,
    marks: Marks,
    /// The frame that is being put together; `None` between two frames.
    growing: Option<Growing>,
    ended: VecDeque<Frame>,
    /// The last frame ended with its mark, at this time: what follows with the same time may belong to it.
    marked_end: Option<i64>,
    /// Packets that are missing in the growing frame, or before the next one.
    lost: u32,
    /// The first packet has come: what is missing before it was never waited for.
    has_begun: bool,
}

impl AccessUnits {
    /// Access units of at most `most_bytes`.
    #[must_use]
    pub fn new(codec: Codec, most_bytes: usize) -> Self {
        Self {
            codec,
            most_bytes,
            marks: Marks::Unproven(0),
            growing: None,
            ended: VecDeque::new(),
            marked_end: None,
            lost: 0,
            has_begun: false,
        }
    }

    /// Packets are missing before this one: what was growing has no end, unless it was marked.
    fn lose(&mut self, packet: &Packet<'_>) {
        self.marked_end = None;
        if let Some(growing) = &mut self.growing {
            if growing.is_marked && growing.has_picture {
                // The frame waited only for the marks to prove right.
                self.end();
            } else {
                growing.spoil("packets of it are missing");
                if growing.frame.time != packet.time {
                    self.end();
                }
            }
        }
        self.lost = self.lost.saturating_add(packet.lost.into());
    }

    /// The growing frame has ended.
    fn end(&mut self) {
        let Some(mut growing) = self.growing.take() else { return };
        if growing.in_fragment {
            growing.spoil("a part of it has no end");
        }
        if growing.is_marked
            && let Marks::Unproven(times) = self.marks
        {
            self.marks = if times + 1 >= PROOFS { Marks::Believed } else { Marks::Unproven(times + 1) };
        }
        // Remarks and parameter sets without a picture are no frame; nothing is missing when they are lost.
        if growing.has_picture || growing.frame.flaw.is_some() {
            growing.frame.lost = std::mem::take(&mut self.lost);
            self.ended.push_back(growing.frame);
        }
    }

    /// The growing frame's time is over. Without a picture it stands before one, whatever its time says.
    fn end_at_another_time(&mut self, packet: &Packet<'_>) {
        let Some(growing) = &mut self.growing else { return };
        if growing.frame.time == packet.time {
            return;
        }
        if growing.has_picture || growing.in_fragment || growing.frame.flaw.is_some() {
            self.end();
        } else {
            (growing.frame.time, growing.frame.arrived) = (packet.time, packet.arrived);
        }
    }

    /// The frame that this packet belongs to.
    fn growing(&mut self, packet: &Packet<'_>) -> &mut Growing {
        self.growing.get_or_insert_with(|| Growing {
            frame: Frame { time: packet.time, arrived: packet.arrived, ..Frame::default() },
            ..Growing::default()
        })
    }

    /// The beginning of a NAL unit, `unit` as far as it is there.
    fn begin_unit(&mut self, packet: &Packet<'_>, unit: &[u8]) {
        let kind = self.codec.kind(unit);
        let begins_picture = self.codec.is_first_slice(unit);
        if self.growing.as_ref().is_some_and(|growing| growing.in_fragment) {
            self.growing(packet).spoil("a part of it has no end");
            self.growing(packet).in_fragment = false;
        }
        let goes_on = kind.is_slice() && !begins_picture;
        match &self.growing {
            Some(growing) if growing.has_picture && self.codec.begins_another(kind, unit) => {
                self.end();
                self.growing(packet);
            }
            None if goes_on && self.marked_end == Some(packet.time) => {
                // The picture that was taken for whole goes on: its rest is all that can be declared of it.
                self.marks = Marks::Wrong;
                self.growing(packet).spoil("it went on behind its last packet's mark");
            }
            Some(growing) if growing.is_marked && growing.has_picture && goes_on => self.marks = Marks::Wrong,
            _ => {}
        }
        let growing = self.growing(packet);
        growing.is_marked = false;
        growing.note(kind, begins_picture);
        growing.frame.bytes.extend(START_CODE);
    }

    /// Bytes of the NAL unit that was begun.
    fn extend(&mut self, packet: &Packet<'_>, bytes: &[u8]) {
        let most = self.most_bytes;
        let growing = self.growing(packet);
        if growing.frame.bytes.len() + bytes.len() > most {
            growing.frame.flaw.get_or_insert(Flaw::TooLarge);
        }
        // A frame that can't be used needs no bytes.
        if growing.frame.flaw.is_none() {
            growing.frame.bytes.extend_from_slice(bytes);
        }
    }

    /// A whole NAL unit.
    fn unit(&mut self, packet: &Packet<'_>, unit: &[u8]) {
        self.begin_unit(packet, unit);
        self.extend(packet, unit);
        let codec = self.codec;
        self.growing(packet).look_inside(codec, unit);
    }

    /// Several NAL units in one packet, each behind its length.
    fn units(&mut self, packet: &Packet<'_>, mut rest: &[u8]) {
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((unit, behind)) = behind.split_at_checked(length).filter(|_| length > 0) else { break };
            self.unit(packet, unit);
            rest = behind;
        }
        if !rest.is_empty() {
            self.growing(packet).spoil("a packet of it is cut off");
        }
    }

    /// A fragment of a NAL unit: its header as the whole unit has it, and its bytes behind that.
    fn fragment(&mut self, packet: &Packet<'_>, header: &[u8], is_first: bool, is_last: bool, bytes: &[u8]) {
        if is_first {
            let beginning: Vec<u8> = header.iter().chain(bytes.iter().take(2)).copied().collect();
            self.begin_unit(packet, &beginning);
            self.extend(packet, header);
        } else if !self.growing(packet).in_fragment {
            self.growing(packet).spoil("the beginning of a part of it is missing");
        } else if std::mem::take(&mut self.growing(packet).is_marked) {
            self.marks = Marks::Wrong;
        }
        self.extend(packet, bytes);
        let codec = self.codec;
        let growing = self.growing(packet);
        growing.in_fragment = !is_last;
        growing.look_inside(codec, bytes);
    }

    /// The content of a packet.
    fn content(&mut self, packet: &Packet<'_>) {
        match Form::of(self.codec, packet.payload) {
            Form::Unit => self.unit(packet, packet.payload),
            Form::Units(units) => self.units(packet, units),
            Form::Fragment { header, is_first, is_last, bytes } => {
                self.fragment(packet, &header[..self.codec.header_bytes()], is_first, is_last, bytes);
            }
            Form::Unknown => self.growing(packet).spoil("a packet of it has an unknown form"),
        }
    }

    /// The packet has the mark: it is the last of its frame, if the camera's marks are right.
    fn mark(&mut self, packet: &Packet<'_>) {
        let growing = self.growing(packet);
        if !growing.has_picture && growing.frame.flaw.is_none() {
            return;
        }
        growing.is_marked = true;
        if growing.in_fragment {
            // No frame ends within a NAL unit.
            self.marks = Marks::Wrong;
        } else if self.marks == Marks::Believed {
            self.end();
            self.marked_end = Some(packet.time);
        }
    }
}

impl Frames for AccessUnits {
    fn push(&mut self, packet: &Packet<'_>) {
        if packet.lost > 0 && self.has_begun {
            self.lose(packet);
        }
        self.has_begun = true;
        self.end_at_another_time(packet);
        if packet.payload.is_empty() {
            return;
        }
        self.content(packet);
        if packet.mark {
            self.mark(packet);
        }
    }

    fn quiet(&mut self) {
        let is_whole = |growing: &Growing| growing.has_picture && !growing.in_fragment;
        // A camera that marks its frames hasn't sent the end of one that has no mark.
        let has_marks = !matches!(self.marks, Marks::Unproven(0) | Marks::Wrong);
        let waits_for_a_mark = |growing: &Growing| has_marks && !growing.is_marked;
        if self.growing.as_ref().is_some_and(|growing| is_whole(growing) && !waits_for_a_mark(growing)) {
            self.end();
        }
    }

    fn take(&mut self) -> Option<Frame> {
        self.ended.pop_front()
    }

    fn fit(&mut self, most_bytes: usize) {
        self.most_bytes = most_bytes;
    }
}

impl Growing {
    fn spoil(&mut self, why: &'static str) {
        self.frame.flaw.get_or_insert(Flaw::Damaged(why));
    }

    /// Takes note of a NAL unit in it.
    fn note(&mut self, kind: Kind, begins_picture: bool) {
        if !kind.is_slice() {
            return;
        }
        if !self.has_picture && !begins_picture {
            self.spoil("the beginning of its picture is missing");
        }
        self.has_picture = true;
    }

    /// Looks for NAL units behind start codes within one.
    fn look_inside(&mut self, codec: Codec, unit: &[u8]) {
        for place in memmem::find_iter(unit, &START_CODE[1..]) {
            let unit = &unit[place + START_CODE.len() - 1..];
            self.note(codec.kind(unit), codec.is_first_slice(unit));
        }
    }
}

#[cfg(test)]
mod tests;
