//! The pace of a film that OpenCV plays, and its end: is a picture that OpenCV can't give the end of the film, or one dead
//! picture in it? OpenCV answers both with the same "no". Plain values; nothing is opened or read here.

use std::time::Duration;

use proto::time::MonotonicNs;

/// A film that is further behind its pace than this starts the pace anew.
const LATE: Duration = Duration::from_secs(1);
/// So many dead pictures in a row are the end of a film that should have more: its file is cut off.
const CUT_OFF: u32 = 100;
/// The same for a film whose number of pictures isn't known.
const PERHAPS_OVER: u32 = 8;

/// A film under way: OpenCV would hand out all its pictures at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Film {
    /// The moment at which the last picture was due.
    due: MonotonicNs,
    period: Duration,
    /// The number of its pictures, if OpenCV states one.
    pictures: Option<u64>,
    /// The pictures that were asked for so far.
    asked: u64,
    /// The dead pictures since the last good one.
    dead: u32,
}

impl Film {
    /// A film whose first picture was had at `due`, after `asked` were asked for. `stated` is OpenCV's
    /// `CAP_PROP_FRAME_COUNT`, which is 0, negative or absurd where OpenCV doesn't know.
    pub(super) fn new(due: MonotonicNs, period: Duration, stated: f64, asked: u64) -> Self {
        let is_stated = (1.0..=1e12).contains(&stated);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked above")]
        let pictures = is_stated.then_some(stated as u64);
        Self { due, period, pictures, asked, dead: 0 }
    }

    /// The moment at which the next picture is due.
    pub(super) fn next_due(&self) -> MonotonicNs {
        self.due + self.period
    }

    /// The next picture is asked for `now`, which is when it is due, or later.
    pub(super) fn ask(&mut self, now: MonotonicNs) {
        let due = self.next_due();
        self.due = if now.since(due) > LATE { now } else { due };
        self.asked += 1;
    }

    /// The picture that was asked for is there.
    pub(super) fn had(&mut self) {
        self.dead = 0;
    }

    /// The picture that was asked for can't be had. True if the film is over.
    pub(super) fn missed(&mut self) -> bool {
        self.dead += 1;
        match self.pictures {
            Some(pictures) => self.asked >= pictures || self.dead >= CUT_OFF,
            None => self.dead >= PERHAPS_OVER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(40);
    const START: MonotonicNs = MonotonicNs(1_000_000_000);

    /// Plays a film; `is_dead` says which pictures, counted from 0, OpenCV can't give. Returns those that were had.
    fn play(stated: f64, is_dead: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut film = Film::new(START, PERIOD, stated, 1);
        let mut had = vec![0];
        for number in 1.. {
            film.ask(film.next_due());
            if !is_dead(number) {
                film.had();
                had.push(number);
            } else if film.missed() {
                return had;
            }
        }
        had
    }

    #[test]
    fn a_dead_picture_is_not_the_end_of_a_film() {
        let all_but_7: Vec<u64> = (0..40).filter(|number| *number != 7).collect();
        assert_eq!(play(40.0, |number| number == 7 || number >= 40), all_but_7);
        // A film that doesn't state how long it is, as a bare stream.
        for stated in [0.0, -1.0, f64::NAN, -9.2e18, 1e300] {
            assert_eq!(play(stated, |number| number == 7 || number >= 40), all_but_7, "{stated}");
        }
    }

    #[test]
    fn a_film_that_is_longer_or_shorter_than_it_says_ends_where_it_ends() {
        let whole: Vec<u64> = (0..40).collect();
        assert_eq!(play(30.0, |number| number >= 40), whole);
        assert_eq!(play(1000.0, |number| number >= 40), whole);
    }

    #[test]
    fn a_film_keeps_its_pace_unless_it_is_far_behind() {
        let mut film = Film::new(START, PERIOD, 10.0, 1);
        film.ask(START + Duration::from_millis(90));
        assert_eq!(film.next_due(), START + 2 * PERIOD);
        let late = START + Duration::from_secs(9);
        film.ask(late);
        assert_eq!(film.next_due(), late + PERIOD);
    }
}
