//! FNV-1a with 64 bits: names an instance by its path, and seals the lines of a journal. It is no protection against a
//! person who forges bytes.

/// FNV's offset basis: the sum over no bytes.
pub const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// The sum over these bytes behind those that `sum` is of. For constants; [`Fnv1a`] is the same for all else.
#[must_use]
pub const fn sum(mut sum: u64, bytes: &[u8]) -> u64 {
    let mut next = 0;
    while next < bytes.len() {
        // A widening cast: `From` isn't const.
        sum = (sum ^ bytes[next] as u64).wrapping_mul(0x0000_0100_0000_01b3);
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
}
