//! From which picture each picture of a stream decodes: [`Starts`] follows key pictures and recovery points. Pure numbers: what
//! the slices say is read in `stream`.

use proto::frame::DecodesFrom;

/// So many pictures after a start that is sure, one that only stands alone is taken for a start too. The sure ones of a camera
/// mostly come every second, and at most every 300 frames.
const SURE_FOR: u64 = 300;
/// No more recovery points are waited for at once.
const MOST_PENDING: usize = 64;

/// The part that a picture plays for those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything begins anew.
    Key,
    /// A decoder that begins here gives right pictures once [`Seen::progress`] has grown by this much.
    Recovery(u32),
    /// The picture stands alone, and nobody says whether those behind it need what came before it. `is_sure`: they can't.
    Alone {
        is_sure: bool,
    },
    /// The picture is shown before the newest start, and needs what came before that.
    Leading,
    /// The picture is shown before the newest start, and needs nothing before that.
    OwnLeading,
    Ordinary,
}

/// A picture as it was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) part: Part,
    /// The place in the order of showing, as far as it is known.
    pub(super) shown: Option<i64>,
    /// The number that recovery counts by.
    pub(super) progress: i64,
}

/// A picture from which others decode.
#[derive(Clone, Copy, Debug)]
struct Start {
    number: u64,
    /// Pictures that are shown before this don't decode from it.
    from: Option<i64>,
}

/// A recovery point that isn't complete yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    number: u64,
    complete_at: i64,
}

/// Follows the pictures of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Starts {
    /// The number of the next picture.
    next: u64,
    newest: Option<Start>,
    /// The start of pictures that are shown before the newest one.
    before: Option<u64>,
    /// The newest start that was sure.
    sure: Option<u64>,
    pending: Vec<Pending>,
}

impl Starts {
    /// The start of the next picture.
    pub(super) fn of(&mut self, seen: &Seen) -> DecodesFrom {
        let number = self.next;
        self.next += 1;
        match seen.part {
            Part::Key => {
                self.begin(Start { number, from: None });
                (self.before, self.sure) = (None, Some(number));
            }
            Part::Recovery(0) | Part::Alone { is_sure: true } => {
                self.begin(Start { number, from: seen.shown });
                self.sure = Some(number);
            }
            Part::Alone { is_sure: false } if self.has_none_that_is_sure(number) => {
                self.begin(Start { number, from: seen.shown });
            }
            Part::Recovery(after) => {
                self.sure = self.sure.or(Some(number));
                if self.pending.len() < MOST_PENDING {
                    self.pending
                        .push(Pending { number, complete_at: seen.progress.saturating_add(after.into()) });
                }
            }
            Part::Alone { .. } | Part::Leading | Part::OwnLeading | Part::Ordinary => {}
        }
        self.complete(seen);
        let start = match self.newest {
            Some(newest) if !is_before(seen, newest) => Some(newest.number),
            _ => self.before,
        };
        start.map_or(DecodesFrom::Nothing, |start| {
            DecodesFrom::Back(u32::try_from(number - start).unwrap_or(u32::MAX))
        })
    }

    fn begin(&mut self, start: Start) {
        self.before = self.newest.map(|newest| newest.number);
        self.newest = Some(start);
        self.pending.clear();
    }

    fn has_none_that_is_sure(&self, number: u64) -> bool {
        self.sure.is_none_or(|sure| number - sure > SURE_FOR)
    }

    /// Takes the newest recovery point that is complete by now.
    fn complete(&mut self, seen: &Seen) {
        let Some(done) = self.pending.iter().rposition(|point| seen.progress >= point.complete_at) else {
            return;
        };
        let number = self.pending[done].number;
        let later = self.pending.split_off(done + 1);
        self.begin(Start { number, from: seen.shown });
        (self.pending, self.sure) = (later, Some(number));
    }
}

/// Is a picture shown before a start, so that it needs what came before that?
fn is_before(seen: &Seen, start: Start) -> bool {
    match seen.part {
        Part::Leading => start.from.is_some(),
        Part::OwnLeading => false,
        _ => matches!((seen.shown, start.from), (Some(shown), Some(from)) if shown < from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The starts of pictures, each with its part and its place in the order of showing, by their numbers; `None` where none is
    /// known.
    fn starts(pictures: &[(Part, i64)]) -> Vec<Option<u64>> {
        let mut starts = Starts::default();
        let seen = |at: usize, (part, shown): (Part, i64)| Seen {
            part,
            shown: Some(shown),
            progress: i64::try_from(at).unwrap(),
        };
        let of = |(at, picture): (usize, &(Part, i64))| match starts.of(&seen(at, *picture)) {
            DecodesFrom::Back(back) => Some(at as u64 - u64::from(back)),
            DecodesFrom::Nothing => None,
            DecodesFrom::NewestKey => unreachable!(),
        };
        pictures.iter().enumerate().map(of).collect()
    }

    /// Pictures that are shown as they are decoded.
    fn in_order(parts: &[Part]) -> Vec<Option<u64>> {
        let pictures: Vec<_> = parts.iter().zip(0..).map(|(part, at)| (*part, at)).collect();
        starts(&pictures)
    }

    use Part::{Key, Leading, Ordinary, OwnLeading, Recovery};
    const ALONE: Part = Part::Alone { is_sure: false };

    #[test]
    fn pictures_decode_from_the_newest_key_picture() {
        let got = in_order(&[Ordinary, Key, Ordinary, Ordinary, Key, Ordinary]);
        assert_eq!(got, [None, Some(1), Some(1), Some(1), Some(4), Some(4)]);
    }

    #[test]
    fn a_recovery_point_counts_from_the_picture_on_that_is_right() {
        let got =
            in_order(&[Ordinary, Recovery(2), Ordinary, Ordinary, Ordinary, Recovery(2), Ordinary, Ordinary]);
        assert_eq!(got, [None, None, None, Some(1), Some(1), Some(1), Some(1), Some(5)]);
        // Points that overlap, and a key picture in the place of one that isn't complete.
        let got = in_order(&[Key, Recovery(3), Recovery(3), Ordinary, Ordinary, Ordinary, Recovery(2), Key]);
        assert_eq!(got, [0, 0, 0, 0, 1, 2, 2, 7].map(Some));
        assert_eq!(in_order(&[Recovery(0), Ordinary]), [Some(0), Some(0)]);
    }

    #[test]
    fn pictures_that_are_shown_before_a_point_decode_from_the_start_before_it() {
        let pictures =
            [(Key, 0), (Ordinary, 1), (Recovery(0), 4), (Ordinary, 2), (Ordinary, 3), (Ordinary, 5)];
        assert_eq!(starts(&pictures), [0, 0, 2, 0, 0, 2].map(Some));
        let pictures = [(Recovery(0), 4), (Leading, 2), (OwnLeading, 3), (Ordinary, 5)];
        assert_eq!(starts(&pictures), [Some(0), None, Some(0), Some(0)]);
        // Behind a key picture everything decodes from it, whenever it is shown.
        assert_eq!(starts(&[(Key, 0), (Key, 4), (Ordinary, 3)]), [0, 1, 1].map(Some));
    }

    #[test]
    fn a_picture_that_stands_alone_counts_where_nothing_better_is_known() {
        assert_eq!(
            in_order(&[Ordinary, ALONE, Ordinary, ALONE, Ordinary]),
            [None, Some(1), Some(1), Some(3), Some(3)]
        );
        assert_eq!(in_order(&[Key, Ordinary, ALONE, Ordinary]), [0, 0, 0, 0].map(Some));
        let sure = Part::Alone { is_sure: true };
        assert_eq!(in_order(&[Key, Ordinary, sure, Ordinary]), [0, 0, 2, 2].map(Some));
        // One key picture at the very beginning, and then only such.
        let mut parts = vec![Ordinary; 400];
        (parts[0], parts[200], parts[350]) = (Key, ALONE, ALONE);
        let got = in_order(&parts);
        assert_eq!((got[349], got[350], got[399]), (Some(0), Some(350), Some(350)));
    }

    #[test]
    fn points_that_never_complete_take_no_room() {
        let mut starts = Starts::default();
        for progress in 0..10_000 {
            starts.of(&Seen { part: Recovery(60_000), shown: None, progress });
        }
        assert_eq!(starts.pending.len(), MOST_PENDING);
    }
}
