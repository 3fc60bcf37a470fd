//! Bits of a NAL unit, the highest of each byte first, without the bytes that keep start codes out of it (emulation
//! prevention, 7.4.1 of both standards). Nothing is copied, and no read goes beyond the end.

/// Bits that haven't been read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    /// The bytes behind the present one.
    rest: &'a [u8],
    /// The zeros just before `rest`.
    zeros: u8,
    byte: u8,
    /// Bits of the present byte that haven't been read.
    left: u32,
}

impl<'a> Bits<'a> {
    /// The bits of a NAL unit's bytes, which are those behind its header.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, zeros: 0, byte: 0, left: 0 }
    }

    fn fetch(&mut self) -> Option<()> {
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            if self.zeros >= 2 && *byte == 3 {
                self.zeros = 0;
                continue;
            }
            self.zeros = if *byte == 0 { self.zeros.saturating_add(1) } else { 0 };
            (self.byte, self.left) = (*byte, 8);
            return Some(());
        }
    }

    /// One bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.fetch()?;
        }
        self.left -= 1;
        Some(self.byte >> self.left & 1 == 1)
    }

    /// A number of up to 32 bits.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |number: u32, _| Some(number << 1 | u32::from(self.flag()?)))
    }

    /// A number of eight bits.
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bits(8).and_then(|byte| u8::try_from(byte).ok())
    }

    /// Passes over bits.
    pub(super) fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.flag().map(|_| ()))
    }

    /// `ue(v)`: as many zeros as bits that follow the one behind them.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// The same, of a number that is no more than `most`.
    pub(super) fn at_most(&mut self, most: u32) -> Option<u32> {
        self.unsigned().filter(|number| *number <= most)
    }

    /// `se(v)`: 0, 1, -1, 2, -2 …
    pub(super) fn signed(&mut self) -> Option<i32> {
        let number = i64::from(self.unsigned()?);
        let half = (number + 1) / 2;
        i32::try_from(if number % 2 == 1 { half } else { -half }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_standards_write_them() {
        // 101, then ue 0, 1, 2, 5, then se 1, -1, -2.
        let bytes = [0b1011_0100, 0b1100_1100, 0b1001_1001, 0b0100_0000];
        let mut bits = Bits::of(&bytes);
        assert_eq!(bits.bits(3), Some(5));
        assert_eq!([0; 4].map(|_| bits.unsigned().unwrap()), [0, 1, 2, 5]);
        assert_eq!([0; 3].map(|_| bits.signed().unwrap()), [1, -1, -2]);
    }

    #[test]
    fn bytes_that_keep_start_codes_out_are_left_out() {
        let mut bits = Bits::of(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3, 3]);
        let read: Vec<u8> = std::iter::from_fn(|| bits.byte()).collect();
        assert_eq!(read, [0, 0, 1, 0, 0, 0, 0, 3, 3]);
    }

    #[test]
    fn there_is_nothing_behind_the_end() {
        assert_eq!(Bits::of(&[]).flag(), None);
        assert_eq!(Bits::of(&[1]).bits(9), None);
        assert_eq!(Bits::of(&[0; 40]).unsigned(), None);
        assert_eq!(Bits::of(&[0, 0, 0, 0, 0x80]).at_most(3), None);
        assert_eq!(Bits::of(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]).signed(), Some(-i32::MAX));
    }
}
