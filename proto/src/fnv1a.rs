//! FNV-1a with 64 bits: names an instance by its path, and seals the lines of a journal. It is no protection against a
//! person who forges bytes.

/// FNV's offset basis: the sum over no bytes.
pub const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
/// FNV's prime.
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The sum over these bytes behind those that `sum` is of. For constants; [`Fnv1a`] is the same for all else.
#[must_use]
pub const fn sum(mut sum: u64, bytes: &[u8]) -> u64 {
    let mut next = 0;
    while next < bytes.len() {
        // A widening cast: `From` isn't const.
        sum = (sum ^ bytes[next] as u64).wrapping_mul(PRIME);
        next += 1;
    }
    sum
}

/// A running FNV-1a sum: for each byte, exclusive-or and then multiply by the FNV prime
/// (Fowler, Noll and Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>). Quick beside encoding,
/// and enough to notice bytes that a disk has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv1a(pub u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(BASIS)
    }
}

impl Fnv1a {
    /// Goes on with these bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0 = sum(self.0, bytes);
    }
}

/// The words that a [`WideSum`] takes at once.
const LANES: usize = 4;
/// The bytes of a word.
const WORD_BYTES: usize = 8;
/// The bytes that a [`WideSum`] takes at once.
const BLOCK_BYTES: usize = LANES * WORD_BYTES;

/// A running sum like [`Fnv1a`] that is quick beside copying memory: four sums side by side, each over every fourth word of
/// eight bytes (in the order of a little-endian machine). At the end the four, and the bytes that filled no block, are summed as [`Fnv1a`] does. How the
/// bytes were split between calls makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WideSum {
    lanes: [u64; LANES],
    /// The beginning of a block.
    rest: [u8; BLOCK_BYTES],
    rest_bytes: usize,
}

impl Default for WideSum {
    fn default() -> Self {
        Self { lanes: [BASIS, BASIS + 1, BASIS + 2, BASIS + 3], rest: [0; BLOCK_BYTES], rest_bytes: 0 }
    }
}

impl WideSum {
    /// Goes on with these bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        if self.rest_bytes > 0 {
            let taken = bytes.len().min(BLOCK_BYTES - self.rest_bytes);
            let (filling, behind) = bytes.split_at(taken);
            self.rest[self.rest_bytes..self.rest_bytes + taken].copy_from_slice(filling);
            self.rest_bytes += taken;
            bytes = behind;
            if self.rest_bytes < BLOCK_BYTES {
                return;
            }
            let block = self.rest;
            self.add_block(&block);
            self.rest_bytes = 0;
        }
        let (blocks, behind) = bytes.as_chunks::<BLOCK_BYTES>();
        blocks.iter().for_each(|block| self.add_block(block));
        self.rest[..behind.len()].copy_from_slice(behind);
        self.rest_bytes = behind.len();
    }

    fn add_block(&mut self, block: &[u8; BLOCK_BYTES]) {
        let (words, _) = block.as_chunks::<WORD_BYTES>();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            *lane = (*lane ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME);
        }
    }

    /// The sum over everything that was added.
    #[must_use]
    pub fn end(&self) -> u64 {
        let folded = self.lanes.iter().fold(BASIS, |so_far, lane| sum(so_far, &lane.to_le_bytes()));
        sum(folded, &self.rest[..self.rest_bytes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_sums_come_out() {
        for (text, sum) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            let mut hash = Fnv1a::default();
            text.bytes().for_each(|byte| hash.add(&[byte]));
            assert_eq!(hash.0, sum, "{text:?}");
        }
    }
    #[test]
    fn a_wide_sum_depends_on_every_byte_and_not_on_the_calls() {
        let bytes: Vec<u8> = (0..200_u32).map(|n| (n * 37 % 251).to_le_bytes()[0]).collect();
        let of = |bytes: &[u8]| {
            let mut sum = WideSum::default();
            sum.add(bytes);
            sum.end()
        };
        let whole = of(&bytes);
        for at in 0..bytes.len() {
            let mut split = WideSum::default();
            split.add(&bytes[..at]);
            split.add(&[]);
            split.add(&bytes[at..]);
            assert_eq!(split.end(), whole);
            let mut other = bytes.clone();
            other[at] ^= 0x80;
            assert_ne!(of(&other), whole, "byte {at}");
            assert_ne!(of(&bytes[..at]), whole);
        }
        let mut each = WideSum::default();
        bytes.iter().for_each(|byte| each.add(&[*byte]));
        assert_eq!(each.end(), whole);
        // What is in files must come out the same in every version.
        assert_eq!(of(b""), 0x1ae4_3839_ddd1_6471);
        assert_eq!(whole, 0x0edc_6da7_7f5e_a1a0);
    }
}
