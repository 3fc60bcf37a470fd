//! The record of a camera's frames: which was sent when, in which session, whole or not; and from it, which of them could be
//! captured. Pure but for the log.

use std::collections::BTreeSet;
use std::fmt;

use proto::time::MonotonicNs;

use super::film::Start;

/// A frame that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The path of the camera's URL.
    pub camera: String,
    /// The session, counted from 1 over all cameras of the server.
    pub session: u32,
    /// The frame's number: the one in its stamp, as long as the film lasts.
    pub number: u64,
    /// Its place in the order in which a decoder needs the frames. One that is left out breaks the row.
    pub position: u64,
    /// The moment at which it was sent.
    pub at: MonotonicNs,
    /// How much of it was sent.
    pub part: Part,
    /// Can a decoder begin with it?
    pub start: Start,
    /// Something was sent before it that may have ended the session for the other end.
    pub is_doubtful: bool,
}

/// How much of a frame was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Every packet, in order.
    Whole,
    /// Every packet, one after a later one.
    Disordered,
    /// Every packet of the picture, and not every one of what stands before it, which a decoder may know already.
    Headless,
    /// Not every packet of the picture.
    Some,
}

impl fmt::Display for Sent {
    /// A line of the truth log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { camera, session, number, position, at, part, start, is_doubtful } = self;
        let part = match part {
            Part::Whole => "whole",
            Part::Disordered => "disordered",
            Part::Headless => "headless",
            Part::Some => "part",
        };
        let start = match start {
            Start::None => "-".to_owned(),
            Start::Key => "key".to_owned(),
            Start::Recovery(frames) => format!("recovery:{frames}"),
        };
        let doubtful = if *is_doubtful { "doubtful" } else { "sure" };
        writeln!(f, "{camera},{session},{number},{position},{},{part},{start},{doubtful}", at.0)
    }
}

/// The frames of one camera that could be captured, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capturable {
    /// Frames that came whole, and so did all that a decoder needs for them. Nothing excuses the loss of one.
    pub surely: BTreeSet<u64>,
    /// The same, but sent after something that may have ended the session, or not quite as it should be.
    pub perhaps: BTreeSet<u64>,
}

/// A decoder's picture, as far as it is right.
#[derive(Clone, Copy, Debug, Default)]
struct Picture {
    is_clean: bool,
    /// Frames until it is.
    until_clean: Option<u32>,
    /// The frame needed one that came out of order or without its head.
    is_in_doubt: bool,
}

impl Picture {
    fn go_on(&mut self, frame: &Sent) {
        if frame.start == Start::Key {
            self.is_in_doubt = false;
        }
        self.is_in_doubt |= frame.part != Part::Whole;
        self.until_clean = match (frame.start, self.until_clean) {
            (Start::Key, _) => Some(0),
            (Start::Recovery(frames), None) => Some(frames),
            (_, left) => left.map(|left| left.saturating_sub(1)),
        };
        self.is_clean |= self.until_clean == Some(0);
    }
}

/// The frames that could be captured of those that one camera sent, in the order in which they were sent.
pub fn capturable(sent: &[Sent]) -> Capturable {
    let mut capturable = Capturable::default();
    for session in sent.chunk_by(|a, b| a.session == b.session) {
        let mut picture = Picture::default();
        let mut next = None;
        for frame in session {
            if next.is_some_and(|next| next != frame.position) || frame.part == Part::Some {
                picture = Picture::default();
            }
            next = Some(frame.position + 1);
            if frame.part == Part::Some {
                continue;
            }
            picture.go_on(frame);
            if picture.is_clean {
                let in_doubt = frame.is_doubtful || picture.is_in_doubt;
                let to = if in_doubt { &mut capturable.perhaps } else { &mut capturable.surely };
                to.insert(frame.number);
            }
        }
    }
    capturable
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: Start = Start::None;
    const WHOLE: Part = Part::Whole;

    fn sent(session: u32, frames: &[(u64, Start, Part)]) -> Vec<Sent> {
        let frame = |(number, start, part): &(u64, Start, Part)| Sent {
            camera: "ok".into(),
            session,
            number: *number,
            position: *number,
            at: MonotonicNs(*number),
            part: *part,
            start: *start,
            is_doubtful: *number >= 90,
        };
        frames.iter().map(frame).collect()
    }

    #[test]
    fn frames_behind_a_loss_cannot_be_had_before_the_next_key_frame() {
        let key = Start::Key;
        let frames = [
            (0, N, WHOLE),
            (1, key, WHOLE),
            (2, N, WHOLE),
            (3, N, Part::Some),
            (4, N, WHOLE),
            (5, key, WHOLE),
        ];
        assert_eq!(capturable(&sent(1, &frames)).surely, BTreeSet::from([1, 2, 5]));
        let left_out = [(1, key, WHOLE), (2, N, WHOLE), (4, N, WHOLE), (5, key, WHOLE)];
        assert_eq!(capturable(&sent(1, &left_out)).surely, BTreeSet::from([1, 2, 5]));
    }

    #[test]
    fn a_recovery_point_is_one_so_many_frames_later() {
        let point = Start::Recovery(2);
        let frames = [
            (0, point, WHOLE),
            (1, N, WHOLE),
            (2, N, WHOLE),
            (3, point, WHOLE),
            (4, N, Part::Some),
            (5, N, WHOLE),
        ];
        assert_eq!(capturable(&sent(1, &frames)).surely, BTreeSet::from([2, 3]));
    }

    #[test]
    fn a_session_begins_anew_and_what_follows_a_blow_is_in_doubt() {
        let mut all = sent(1, &[(0, Start::Key, WHOLE), (1, N, WHOLE)]);
        all.extend(sent(2, &[(2, N, WHOLE), (3, Start::Key, WHOLE), (90, Start::Key, WHOLE)]));
        let capturable = capturable(&all);
        assert_eq!(capturable.surely, BTreeSet::from([0, 1, 3]));
        assert_eq!(capturable.perhaps, BTreeSet::from([90]));
    }

    #[test]
    fn what_needs_a_frame_that_came_in_an_odd_way_is_in_doubt_until_the_next_key_frame() {
        let key = Start::Key;
        let frames = [
            (0, key, WHOLE),
            (1, N, Part::Disordered),
            (2, N, WHOLE),
            (3, key, WHOLE),
            (4, key, Part::Headless),
            (5, N, WHOLE),
        ];
        let capturable = capturable(&sent(1, &frames));
        assert_eq!(capturable.surely, BTreeSet::from([0, 3]));
        assert_eq!(capturable.perhaps, BTreeSet::from([1, 2, 4, 5]));
    }

    #[test]
    fn a_line_of_the_log_says_it_all() {
        let [frame] = &sent(4, &[(95, Start::Recovery(7), Part::Some)])[..] else { panic!() };
        assert_eq!(frame.to_string(), "ok,4,95,95,95,part,recovery:7,doubtful\n");
    }
}
