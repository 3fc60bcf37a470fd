//! One session's stream: which packets are due when, and what its words do to them. Pure: the socket is the connection's.

use std::sync::Arc;
use std::time::Duration;

use proto::time::MonotonicNs;
use rig::dice::Dice;

use super::description::payload_type;
use super::film::{Codec, Film, Start, is_parameter_set};
use super::packets::{self, Payload};
use super::truth::Part;
use super::words::Words;

/// Ticks of RTP's clock a second.
const TICKS: u64 = 90_000;
/// From one sender report to the next.
const REPORTS: Duration = Duration::from_secs(1);
/// Seconds from the beginning of NTP's time to that of 1970.
const NTP: u64 = 2_208_988_800;

/// The camera's own clock: which frame is exposed when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The moment of frame 0.
    pub zero: MonotonicNs,
    /// Frames a second.
    pub fps: u32,
}

impl Clock {
    fn at(self, frame: u64) -> MonotonicNs {
        self.zero + Duration::from_nanos(frame * 1_000_000_000 / u64::from(self.fps))
    }

    fn next(self, now: MonotonicNs) -> u64 {
        let since = u128::from(proto::time::nanos(now.since(self.zero)));
        u64::try_from(since * u128::from(self.fps) / 1_000_000_000).unwrap() + 1
    }
}

/// Something that a connection has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Send an RTP packet.
    Rtp(Vec<u8>),
    /// Send an RTCP packet.
    Rtcp(Vec<u8>),
    /// Send these bytes as they are, if packets travel between answers.
    Raw(&'static [u8]),
    /// Note a frame.
    Frame(Frame),
    /// Close the connection.
    Close,
    /// Reset it.
    Reset,
}

/// A frame of the stream, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its number in the order of display.
    pub number: u64,
    /// The same in the order in which it is sent.
    pub position: u64,
    /// How much of it was sent.
    pub part: Part,
    /// Can a decoder begin with it?
    pub start: Start,
    /// Something before it may have ended the session.
    pub is_doubtful: bool,
}

/// The films of a stream, and how they are sent.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The film.
    pub film: Arc<Film>,
    /// With `spschange`: the one that takes its place.
    pub other: Option<Arc<Film>>,
    /// The most bytes of a packet's payload.
    pub packet: usize,
    /// Frames of a session before what happens once.
    pub after: u32,
}

/// A stream that plays.
#[derive(Debug)]
pub(super) struct Stream {
    words: Words,
    source: Source,
    clock: Clock,
    /// The next frame's place.
    position: u64,
    /// Frames so far.
    frames: u32,
    /// The number of the first.
    first: u64,
    numbering: Numbering,
    faults: Faults,
    next_report: MonotonicNs,
}

/// The numbers in packets' headers.
#[derive(Debug)]
struct Numbering {
    ssrc: u32,
    /// Of the next packet.
    sequence: u16,
    /// The RTP time of frame 0, with all jumps.
    zero: u32,
    /// The RTP time of the last frame.
    last: u32,
    packets: u32,
    bytes: u32,
}

/// The state of what goes wrong.
#[derive(Debug)]
struct Faults {
    dice: Dice,
    /// Packets still to be left out.
    to_lose: u32,
    /// A packet that comes after the next one.
    held: Option<Vec<u8>>,
    is_doubtful: bool,
    is_truncated: bool,
}

impl Stream {
    /// A stream that begins now. `session` is the seed of all chance, and makes its numbers differ from other streams'.
    pub(super) fn new(words: &Words, source: Source, clock: Clock, session: u32, now: MonotonicNs) -> Self {
        let begins_here = |start: Start| (start == Start::None) == words.has("midgop");
        let mut position = clock.next(now);
        while !begins_here(source.film.unit(position).0.start) {
            position += 1;
        }
        let first = source.film.unit(position).1;
        let (mut zero, mut sequence) = (session.wrapping_mul(0x9E37_79B9), low16(u64::from(session) * 7919));
        if words.has("wrap") {
            sequence = u16::MAX - 20;
            zero = 0_u32.wrapping_sub(low32(TICKS)).wrapping_sub(low32(first * TICKS / u64::from(clock.fps)));
        }
        let numbering =
            Numbering { ssrc: 0xBADC_0000 + session, sequence, zero, last: 0, packets: 0, bytes: 0 };
        let faults = Faults {
            dice: Dice::new(u64::from(session), 0),
            to_lose: 0,
            held: None,
            is_doubtful: false,
            is_truncated: false,
        };
        let words = words.clone();
        Self { words, source, clock, position, frames: 0, first, numbering, faults, next_report: now }
    }

    /// The number of its first packet, and the time of its first frame.
    pub(super) fn beginning(&self) -> (u16, u32) {
        (self.numbering.sequence, self.time_of(self.first))
    }

    /// The moment of its next frame; none if there will be no more.
    pub(super) fn due(&self) -> Option<MonotonicNs> {
        let is_silent =
            self.words.has("silence") || (self.words.has("stall") && self.frames >= self.source.after);
        let at = self.clock.at(self.position + u64::from(self.source.film.delay));
        let burst = Duration::from_millis(200);
        let since = at.since(self.clock.zero);
        let bursts = since.as_nanos().div_ceil(burst.as_nanos());
        let at = if self.words.has("burst") {
            self.clock.zero + burst * u32::try_from(bursts).unwrap()
        } else {
            at
        };
        (!is_silent).then_some(at)
    }

    /// The next frame, which is due.
    pub(super) fn next(&mut self, now: MonotonicNs) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.frames == self.source.after {
            self.happen(&mut acts);
        }
        let ends = acts.iter().any(|act| matches!(act, Act::Close | Act::Reset));
        if ends || self.due() > Some(now) {
            return acts;
        }
        if self.frames >= self.source.after
            && self.source.film.unit(self.position).0.start == Start::Key
            && let Some(other) = self.source.other.take()
        {
            self.source.film = other;
        }
        let (unit, number) = self.source.film.unit(self.position);
        let start = unit.start;
        if now >= self.next_report && !self.words.has("nortcp") {
            acts.push(Act::Rtcp(self.report(now)));
            self.next_report = now + REPORTS;
        }
        let repeats = self.words.has("samets") && self.frames % 10 == 9;
        self.numbering.last = if repeats { self.numbering.last } else { self.time_of(number) };
        let (payloads, is_cut) = self.payloads();
        let part = self.pack(payloads, &mut acts);
        let part = if is_cut { Part::Some } else { part };
        let is_doubtful = self.faults.is_doubtful;
        acts.push(Act::Frame(Frame { number, position: self.position, part, start, is_doubtful }));
        self.faults.is_doubtful |= is_cut;
        self.frames += 1;
        self.position += 1;
        acts
    }

    /// The faults that happen once.
    fn happen(&mut self, acts: &mut Vec<Act>) {
        let second = low32(TICKS);
        let numbering = &mut self.numbering;
        if self.words.has("tsback") {
            numbering.zero = numbering.zero.wrapping_sub(10 * second);
        }
        if self.words.has("tsfwd") {
            numbering.zero = numbering.zero.wrapping_add(20 * second);
        }
        if self.words.has("ssrc") {
            numbering.ssrc = !numbering.ssrc;
            numbering.sequence = numbering.sequence.wrapping_add(10_000);
            numbering.zero = numbering.zero.wrapping_add(1_000 * second);
            self.faults.is_doubtful = true;
        }
        if self.words.has("garbage") {
            acts.push(Act::Raw(b"\x00\xFF\x13\x37\r\n\x7F"));
            self.faults.is_doubtful = true;
        }
        for (word, seconds) in [("pause2", 2), ("pause12", 12)] {
            if self.words.has(word) {
                self.position += seconds * u64::from(self.clock.fps);
                // An encoder that was away begins with a picture of its own.
                while self.source.film.unit(self.position).0.start == Start::None {
                    self.position += 1;
                }
                // The next frame is waited for, and this doesn't happen again.
                self.frames += 1;
            }
        }
        acts.extend(self.words.has("close").then_some(Act::Close));
        acts.extend(self.words.has("rst").then_some(Act::Reset));
    }

    /// The RTP time of a frame.
    fn time_of(&self, number: u64) -> u32 {
        let fps = u64::from(self.clock.fps);
        let drift =
            if self.words.has("drift") { number.saturating_sub(self.first) * TICKS / fps / 50 } else { 0 };
        self.numbering.zero.wrapping_add(low32(number * TICKS / fps + drift))
    }

    /// The next frame's payloads; and were some cut away?
    fn payloads(&mut self) -> (Vec<Payload>, bool) {
        let (codec, packet) = (self.source.film.codec, self.source.packet);
        let (unit, _) = self.source.film.unit(self.position);
        let mut pieces = unit.pieces.clone();
        if self.words.has("onlysdp") {
            pieces.retain(|piece| !is_parameter_set(codec, piece));
        }
        if self.words.has("annexb") && codec != Codec::Jpeg {
            pieces = vec![pieces.join(&[0, 0, 0, 1][..])];
        }
        let mut payloads = packets::of_frame(codec, &pieces, packet);
        if self.words.has("seimark") && codec == Codec::H264 {
            // User data, of a maker that nobody knows.
            let bytes = [&[6, 5, 17][..], &[0x5A; 17], &[0x80]].concat();
            payloads.insert(0, Payload { bytes, is_picture: false, marker: true });
        }
        let is_cut = self.words.has("trunc")
            && !self.faults.is_truncated
            && self.frames >= self.source.after
            && payloads.len() >= 2;
        if is_cut {
            payloads.pop();
            self.faults.is_truncated = true;
        }
        (payloads, is_cut)
    }

    /// Makes packets of payloads, and loses or holds back some.
    fn pack(&mut self, payloads: Vec<Payload>, acts: &mut Vec<Act>) -> Part {
        let mut part = Part::Whole;
        for payload in payloads {
            let packet = self.packet(&payload);
            if self.words.has("loss")
                && self.frames >= 10
                && self.faults.to_lose == 0
                && self.faults.dice.below(40) == 0
            {
                self.faults.to_lose = 1 + u32::try_from(self.faults.dice.below(3)).unwrap();
            }
            if self.faults.to_lose > 0 {
                self.faults.to_lose -= 1;
                part = if payload.is_picture || part == Part::Some { Part::Some } else { Part::Headless };
                continue;
            }
            if self.words.has("reorder") && self.faults.held.is_none() && self.numbering.packets % 10 == 9 {
                self.faults.held = Some(packet);
                part = if part == Part::Whole { Part::Disordered } else { part };
                continue;
            }
            acts.push(Act::Rtp(packet));
            acts.extend(self.faults.held.take().map(Act::Rtp));
        }
        part
    }

    fn packet(&mut self, payload: &Payload) -> Vec<u8> {
        let numbering = &mut self.numbering;
        let marker = if payload.marker { 0x80 } else { 0 };
        let mut packet = vec![0x80, marker | payload_type(self.source.film.codec)];
        packet.extend(numbering.sequence.to_be_bytes());
        packet.extend(numbering.last.to_be_bytes());
        packet.extend(numbering.ssrc.to_be_bytes());
        packet.extend(&payload.bytes);
        numbering.sequence = numbering.sequence.wrapping_add(1);
        numbering.packets += 1;
        numbering.bytes = numbering.bytes.wrapping_add(u32::try_from(payload.bytes.len()).unwrap());
        packet
    }

    /// A sender report: the wall clock and the RTP time of now.
    fn report(&self, now: MonotonicNs) -> Vec<u8> {
        let since = now.since(self.clock.zero);
        let elapsed = since.as_secs() * TICKS + u64::from(since.subsec_nanos()) * TICKS / 1_000_000_000;
        let time = self.numbering.zero.wrapping_add(low32(elapsed));
        let wall = match () {
            () if self.words.has("srepoch") => since,
            () => std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap(),
        };
        let step = if self.words.has("srstep") && self.frames > self.source.after { 3600 } else { 0 };
        let fraction = low32((u64::from(wall.subsec_nanos()) << 32) / 1_000_000_000);
        let mut report = vec![0x80, 200, 0, 6];
        let Numbering { ssrc, packets, bytes, .. } = self.numbering;
        for word in [ssrc, low32(wall.as_secs() + NTP + step), fraction, time, packets, bytes] {
            report.extend(word.to_be_bytes());
        }
        report
    }
}

fn low32(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap()
}

fn low16(number: u64) -> u16 {
    u16::try_from(number & u64::from(u16::MAX)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::super::film::Unit;
    use super::*;

    const ZERO: MonotonicNs = MonotonicNs(5_000_000_000);

    /// A film of 40 frames with a key frame in every eight, two fragments each.
    fn stream(words: &str) -> Stream {
        let unit = |number: u32| Unit {
            number,
            start: if number.is_multiple_of(8) { Start::Key } else { Start::None },
            pieces: vec![vec![if number.is_multiple_of(8) { 0x65 } else { 0x41 }; 150]],
        };
        let film = Arc::new(Film { codec: Codec::H264, units: (0..40).map(unit).collect(), delay: 0 });
        let other = words.contains("spschange").then(|| Arc::clone(&film));
        let source = Source { film, other, packet: 100, after: 30 };
        Stream::new(&Words::parse(words).unwrap(), source, Clock { zero: ZERO, fps: 15 }, 3, ZERO)
    }

    /// The packets' numbers, times and marks, and the record, of so many frames.
    fn play(stream: &mut Stream, frames: usize) -> (Vec<(u16, u32, bool)>, Vec<Frame>) {
        let (mut packets, mut record) = (Vec::new(), Vec::new());
        while record.len() < frames {
            let now = stream.due().unwrap();
            for act in stream.next(now) {
                match act {
                    Act::Rtp(packet) => packets.push((
                        u16::from_be_bytes([packet[2], packet[3]]),
                        u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]),
                        packet[1] >= 0x80,
                    )),
                    Act::Frame(frame) => record.push(frame),
                    _ => {}
                }
            }
        }
        (packets, record)
    }

    #[test]
    fn a_stream_begins_with_a_key_frame_unless_it_is_asked_to_begin_between_two() {
        assert_eq!(play(&mut stream("ok"), 1).1[0].number, 8);
        assert_eq!(play(&mut stream("midgop"), 1).1[0].number, 1);
        let mut stream = stream("ok");
        assert_eq!(stream.due(), Some(ZERO + Duration::from_nanos(533_333_333)));
        let (first, time) = stream.beginning();
        let (packets, _) = play(&mut stream, 2);
        assert_eq!(packets[..2], [(first, time, false), (first + 1, time, true)]);
        assert_eq!(packets[2], (first + 2, time.wrapping_add(6000), false));
    }

    #[test]
    fn a_loss_shows_in_the_numbers_and_in_the_record_alike() {
        let (packets, record) = play(&mut stream("loss"), 200);
        let lost = packets.windows(2).map(|pair| usize::from(pair[1].0.wrapping_sub(pair[0].0)) - 1);
        assert!((1..60).contains(&lost.clone().sum::<usize>()), "{packets:?}");
        let torn = record.iter().filter(|frame| frame.part != Part::Whole).count();
        let holes = lost.filter(|lost| *lost > 0).count();
        assert!(torn >= holes && torn <= 2 * holes, "{torn} {holes}");
    }

    #[test]
    fn packets_out_of_order_are_all_sent() {
        let (packets, record) = play(&mut stream("reorder"), 60);
        let steps: Vec<u16> = packets.windows(2).map(|pair| pair[1].0.wrapping_sub(pair[0].0)).collect();
        assert!(steps.contains(&2) && steps.contains(&u16::MAX), "{steps:?}");
        assert!(record.iter().any(|frame| frame.part == Part::Disordered));
        let mut numbers: Vec<u16> = packets.iter().map(|packet| packet.0).collect();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }

    #[test]
    fn a_missing_last_packet_leaves_no_hole_in_the_numbers() {
        let (packets, record) = play(&mut stream("trunc"), 40);
        assert!(packets.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)));
        assert_eq!(packets.len(), 79);
        assert_eq!(record.iter().filter(|frame| frame.part == Part::Some).count(), 1);
        assert!(!record[30].is_doubtful && record[31].is_doubtful);
    }

    #[test]
    fn times_jump_run_fast_repeat_or_overflow_as_asked() {
        let steps = |words: &str| -> Vec<u32> {
            let (packets, _) = play(&mut stream(words), 41);
            let times: Vec<u32> = packets.iter().filter(|packet| packet.2).map(|packet| packet.1).collect();
            times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect()
        };
        assert!(steps("ok").iter().all(|step| *step == 6000));
        assert_eq!(steps("tsback")[29], 6000_u32.wrapping_sub(900_000));
        assert_eq!(steps("tsfwd")[29], 1_806_000);
        assert!(steps("drift").iter().all(|step| *step == 6120));
        assert_eq!(steps("samets")[8..10], [0, 12_000]);
        assert_eq!(steps("wrap"), steps("ok"));
        let (packets, _) = play(&mut stream("wrap"), 30);
        assert!(packets[0].1 > packets.last().unwrap().1 && packets[0].0 > packets.last().unwrap().0);
    }

    #[test]
    fn a_pause_leaves_frames_out_and_begins_with_a_key_frame() {
        let (_, record) = play(&mut stream("pause2"), 31);
        assert_eq!((record[29].number, record[30].number, record[30].start), (37, 72, Start::Key));
    }

    #[test]
    fn frames_come_in_bursts_or_not_at_all() {
        let mut burst = stream("burst");
        let mut due = Vec::new();
        for _ in 0..6 {
            let at = burst.due().unwrap();
            due.push(at.since(ZERO).as_millis());
            burst.next(at);
        }
        assert_eq!(due, [600, 600, 800, 800, 800, 1000]);
        assert_eq!(stream("silence").due(), None);
        let mut stalls = stream("stall");
        play(&mut stalls, 30);
        assert_eq!(stalls.due(), None);
    }

    #[test]
    fn the_connection_ends_after_some_frames() {
        for (words, last) in [("close", Act::Close), ("rst", Act::Reset)] {
            let mut stream = stream(words);
            play(&mut stream, 30);
            assert_eq!(stream.next(stream.due().unwrap()), [last]);
        }
    }
}
