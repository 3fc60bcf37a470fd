//! The bytes of a stream that have arrived and belong to no finished frame yet, and the moments at which they arrived.

use std::collections::VecDeque;
use std::time::Duration;

use proto::time::MonotonicNs;

/// Bytes in the order of their arrival.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Of each arrival, in order: the number of bytes in `bytes` up to its end, and its moment.
    arrivals: VecDeque<(usize, MonotonicNs)>,
}

impl Inbox {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lets `add` append bytes, which arrived `now`, and gives what it gives.
    pub fn take_in<T>(&mut self, now: MonotonicNs, add: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.bytes.len();
        let result = add(&mut self.bytes);
        if self.bytes.len() > before {
            self.arrivals.push_back((self.bytes.len(), now));
        }
        result
    }

    /// The moment at which the byte at `place` arrived. Of a place behind the last byte, that of the last arrival.
    #[must_use]
    pub fn arrived(&self, place: usize) -> MonotonicNs {
        let arrival = self.arrivals.iter().find(|(end, _)| *end > place).or(self.arrivals.back());
        arrival.map_or_else(MonotonicNs::default, |(_, moment)| *moment)
    }

    /// The moment of the last arrival, as long as one of its bytes is here.
    #[must_use]
    pub fn last_arrival(&self) -> Option<MonotonicNs> {
        self.arrivals.back().map(|(_, moment)| *moment)
    }

    /// Are there bytes, and have no others come for `long`?
    #[must_use]
    pub fn is_quiet(&self, now: MonotonicNs, long: Duration) -> bool {
        self.last_arrival().is_some_and(|arrived| arrived + long <= now)
    }

    /// Forgets the first `count` bytes.
    pub fn forget(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        while self.arrivals.front().is_some_and(|(end, _)| *end <= count) {
            self.arrivals.pop_front();
        }
        for (end, _) in &mut self.arrivals {
            *end -= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_keeps_the_moment_of_its_arrival() {
        let mut inbox = Inbox::default();
        for (moment, bytes) in [(5, "abc"), (6, ""), (7, "de"), (9, "f")] {
            inbox.take_in(MonotonicNs(moment), |all| all.extend(bytes.bytes()));
        }
        let moments =
            |inbox: &Inbox, places: usize| (0..places).map(|n| inbox.arrived(n).0).collect::<Vec<_>>();
        assert_eq!(moments(&inbox, 7), [5, 5, 5, 7, 7, 9, 9]);
        inbox.forget(2);
        assert_eq!((inbox.bytes(), moments(&inbox, 4)), (&b"cdef"[..], vec![5, 7, 7, 9]));
        inbox.forget(3);
        assert_eq!((inbox.bytes(), moments(&inbox, 1)), (&b"f"[..], vec![9]));
        inbox.forget(1);
        assert!(inbox.bytes().is_empty() && inbox.arrivals.is_empty());
    }
}
