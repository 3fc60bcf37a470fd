//! A link to a child, as both of its ends count it: orders that were given and not heard, reports that were made and not
//! delivered, and its end. The channel itself is in [`proto::link`]; what follows from a fault is in [`crate::watch`].

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use proto::link::LinkError;

/// An order that wasn't heard for so long, by a child that reported meanwhile, is lost.
const UNHEARD: Duration = Duration::from_secs(1);
/// The number of reports in that time: a child that doesn't get its turn is late with both.
const REPORTS: u64 = 3;

/// The counts of a link, which its two threads and the loop share.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    given: AtomicU64,
    heard: AtomicU64,
    reports: AtomicU64,
    /// The number of the next report, if none is lost; 0 before the first.
    next_number: AtomicU64,
    missed: AtomicU64,
    end: OnceLock<LinkError>,
}

impl Traffic {
    /// An order was given, whether there was room in the queue or not.
    pub(crate) fn gave(&self) {
        self.given.fetch_add(1, Relaxed);
    }

    /// A report has come.
    pub(crate) fn reported(&self, number: u64, orders_heard: u64) {
        let expected = self.next_number.swap(number.saturating_add(1), Relaxed);
        if expected != 0 {
            self.missed.fetch_add(number.saturating_sub(expected), Relaxed);
        }
        self.heard.store(orders_heard, Relaxed);
        self.reports.fetch_add(1, Relaxed);
    }

    /// The link has ended, in one of its two directions.
    pub(crate) fn broke(&self, error: LinkError) {
        // The first end says more: the second follows from it.
        let _ = self.end.set(error);
    }

    fn counts(&self) -> Counts {
        Counts {
            given: self.given.load(Relaxed),
            heard: self.heard.load(Relaxed),
            reports: self.reports.load(Relaxed),
        }
    }
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    given: u64,
    heard: u64,
    reports: u64,
}

/// A fault of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkFault {
    /// The link is closed, or a call failed. The link has to be made anew.
    Ended(LinkError),
    /// So many orders were not heard. The link has to be made anew.
    Unheard(u64),
    /// So many reports are missing: what they said has to be asked for.
    Missed(u64),
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: u64| if n == 1 { "" } else { "s" };
        match self {
            Self::Ended(error) => write!(f, "its link broke ({error})"),
            Self::Unheard(n) => write!(f, "it has not heard {n} order{}", plural(*n)),
            Self::Missed(n) => write!(f, "{n} report{} of it got lost", plural(*n)),
        }
    }
}

/// The loop's watch over one link.
#[derive(Debug)]
pub(crate) struct LinkWatch {
    /// The orders that had been given at [`LinkWatch::since`].
    mark: u64,
    since: Instant,
    reports: u64,
    missed: u64,
}

impl LinkWatch {
    pub(crate) fn new(now: Instant) -> Self {
        Self { mark: 0, since: now, reports: 0, missed: 0 }
    }

    /// Forgives a pause in which the machine or the supervisor stood still.
    pub(crate) fn forgive(&mut self, pause: Duration, now: Instant) {
        self.since = (self.since + pause).min(now);
    }

    /// Looks for a fault. Says each once.
    pub(crate) fn look(&mut self, traffic: &Traffic, now: Instant) -> Option<LinkFault> {
        if let Some(end) = traffic.end.get() {
            return Some(LinkFault::Ended(end.clone()));
        }
        let Counts { given, heard, reports } = traffic.counts();
        if heard >= self.mark {
            (self.mark, self.since, self.reports) = (given, now, reports);
        } else if now.saturating_duration_since(self.since) >= UNHEARD && reports - self.reports >= REPORTS {
            return Some(LinkFault::Unheard(given - heard));
        }
        let missed = traffic.missed.load(Relaxed);
        let new = missed - std::mem::replace(&mut self.missed, missed);
        (new > 0).then_some(LinkFault::Missed(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports of a child that has heard so many orders, a quarter of a second apart, each followed by a look.
    fn looks(
        watch: &mut LinkWatch,
        traffic: &Traffic,
        now: &mut Instant,
        heard: u64,
        times: u32,
    ) -> Option<LinkFault> {
        (0..times).find_map(|_| {
            *now += Duration::from_millis(250);
            traffic.reported(traffic.next_number.load(Relaxed), heard);
            watch.look(traffic, *now)
        })
    }

    #[test]
    fn an_order_that_is_not_heard_is_noticed_after_a_second() {
        let (mut now, traffic) = (Instant::now(), Traffic::default());
        let mut watch = LinkWatch::new(now);
        traffic.gave();
        assert_eq!(looks(&mut watch, &traffic, &mut now, 1, 8), None);
        traffic.gave();
        traffic.gave();
        assert_eq!(looks(&mut watch, &traffic, &mut now, 1, 4), None, "not yet a second");
        let fault = looks(&mut watch, &traffic, &mut now, 1, 2);
        assert_eq!(fault, Some(LinkFault::Unheard(2)));
        assert_eq!(fault.unwrap().to_string(), "it has not heard 2 orders");
    }

    #[test]
    fn orders_that_keep_coming_are_not_taken_for_lost() {
        let (mut now, traffic) = (Instant::now(), Traffic::default());
        let mut watch = LinkWatch::new(now);
        for order in 0..40 {
            traffic.gave();
            assert_eq!(looks(&mut watch, &traffic, &mut now, order, 1), None, "always one behind");
        }
    }

    #[test]
    fn a_child_that_says_nothing_is_not_judged_here_and_a_pause_is_forgiven() {
        let (mut now, traffic) = (Instant::now(), Traffic::default());
        let mut watch = LinkWatch::new(now);
        traffic.gave();
        assert_eq!(watch.look(&traffic, now), None);
        now += Duration::from_secs(9);
        assert_eq!(watch.look(&traffic, now), None, "it hangs, or has no turn");
        watch.forgive(Duration::from_secs(9), now);
        assert_eq!(looks(&mut watch, &traffic, &mut now, 0, 3), None);
        assert_eq!(looks(&mut watch, &traffic, &mut now, 0, 1), Some(LinkFault::Unheard(1)));
    }

    #[test]
    fn missing_reports_are_said_once_and_the_first_number_is_no_hole() {
        let (now, traffic) = (Instant::now(), Traffic::default());
        let mut watch = LinkWatch::new(now);
        traffic.reported(41, 0);
        assert_eq!(watch.look(&traffic, now), None);
        traffic.reported(44, 0);
        assert_eq!(watch.look(&traffic, now), Some(LinkFault::Missed(2)));
        assert_eq!(watch.look(&traffic, now), None);
    }

    #[test]
    fn the_first_end_is_the_one_that_is_said() {
        let (now, traffic) = (Instant::now(), Traffic::default());
        traffic.broke(LinkError::Broken("No buffer space available".into()));
        traffic.broke(LinkError::Closed);
        let fault = LinkWatch::new(now).look(&traffic, now).unwrap();
        assert_eq!(fault.to_string(), "its link broke (No buffer space available)");
    }
}
