//! Bits into bytes, the most significant first, with the two codes that H.264 numbers have.

/// Bytes that are written bit by bit.
#[derive(Clone, Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that are taken of the last byte; 0 when it is full or there is none.
    taken: u32,
}

impl BitWriter {
    /// Adds the lowest `count` bits of a value.
    pub(super) fn bits(&mut self, value: u64, count: u32) {
        for at in (0..count).rev() {
            if self.taken == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut().filter(|_| value >> at & 1 == 1) {
                *last |= 0x80 >> self.taken;
            }
            self.taken = (self.taken + 1) % 8;
        }
    }

    /// Adds a number in Exp-Golomb code, `ue(v)` of H.264, 9.1.
    pub(super) fn ue(&mut self, number: u32) {
        let code = u64::from(number) + 1;
        self.bits(code, 2 * code.ilog2() + 1);
    }

    /// Fills the last byte up with zeros or ones.
    pub(super) fn align(&mut self, ones: bool) {
        let missing = (8 - self.taken) % 8;
        self.bits(if ones { u64::MAX } else { 0 }, missing);
    }

    /// Adds bytes behind a full one.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.taken, 0, "the last byte isn't full");
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes so far, the last of which may not be full.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_codes_of_the_standard() {
        // H.264, table 9-2: 0 is 1, 1 is 010, 2 is 011, 3 is 00100, 8 is 0001001.
        let mut bits = BitWriter::default();
        [0, 1, 2, 3, 8].iter().for_each(|n| bits.ue(*n));
        bits.align(true);
        assert_eq!(bits.into_bytes(), [0b1010_0110, 0b0100_0001, 0b0011_1111]);
    }

    #[test]
    fn whole_bytes_follow_full_ones() {
        let mut bits = BitWriter::default();
        bits.bits(0b101, 3);
        bits.align(false);
        bits.bytes(&[7, 8]);
        assert_eq!(bits.len(), 3);
        assert_eq!(bits.into_bytes(), [0b1010_0000, 7, 8]);
    }
}
