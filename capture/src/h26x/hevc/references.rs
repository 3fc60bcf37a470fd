//! Passing over the sets of pictures that H.265's slices may refer to (ITU-T H.265, 7.3.7 and 7.4.8). A set may be written as a
//! difference from the one before, so each has to be worked out to know the length of the next.

use super::super::bits::Bits;

/// A set has at most so many pictures.
const MOST: usize = 16;

/// A set: the distances of its pictures in the order of showing, to earlier ones and to later ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Set {
    earlier: Vec<i32>,
    later: Vec<i32>,
}

/// Passes over all the sets of a sequence parameter set.
pub(super) fn pass_sets(bits: &mut Bits<'_>) -> Option<()> {
    let mut before = Set::default();
    for number in 0..bits.at_most(64)? {
        before = if number > 0 && bits.flag()? { changed(bits, &before)? } else { written_out(bits)? };
    }
    Some(())
}

fn written_out(bits: &mut Bits<'_>) -> Option<Set> {
    let most = u32::try_from(MOST).ok()?;
    let (earlier, later) = (bits.at_most(most)?, bits.at_most(most)?);
    let mut distances = |count: u32, sign: i32| -> Option<Vec<i32>> {
        let mut at = 0_i32;
        (0..count)
            .map(|_| {
                let step = i32::try_from(bits.at_most(0x7FFF)?).ok()? + 1;
                at = at.checked_add(sign * step)?;
                // Whether the picture itself refers to it.
                bits.flag()?;
                Some(at)
            })
            .collect()
    };
    Some(Set { earlier: distances(earlier, -1)?, later: distances(later, 1)? })
}

/// A set that is another one, moved, and with some of its pictures left out.
fn changed(bits: &mut Bits<'_>, of: &Set) -> Option<Set> {
    let is_back = bits.flag()?;
    let distance = i32::try_from(bits.at_most(0x7FFF)?).ok()? + 1;
    let moved = if is_back { -distance } else { distance };
    // Of each picture of the other set, and of that set's own: is it in this one?
    let kept = (0..=of.earlier.len() + of.later.len())
        .map(|_| Some(bits.flag()? || bits.flag()?))
        .collect::<Option<Vec<bool>>>()?;
    let all = of.earlier.iter().chain(&of.later).chain(&[0]);
    let mut all: Vec<i32> =
        all.zip(kept).filter(|(_, kept)| *kept).map(|(at, _)| at.saturating_add(moved)).collect();
    all.sort_unstable();
    let (mut earlier, mut later): (Vec<i32>, Vec<i32>) =
        all.into_iter().filter(|at| *at != 0).partition(|at| *at < 0);
    // The nearest first.
    earlier.reverse();
    earlier.truncate(MOST);
    later.truncate(MOST);
    Some(Set { earlier, later })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bits: &str) -> Vec<u8> {
        let digits: Vec<char> = bits.chars().filter(|c| *c != ' ').chain("0000000".chars()).collect();
        digits
            .chunks_exact(8)
            .map(|eight| u8::from_str_radix(&eight.iter().collect::<String>(), 2).unwrap())
            .collect()
    }

    #[test]
    fn a_set_that_is_written_as_a_difference_is_worked_out() {
        // Two earlier (1 and 3 back), one later (2 on).
        let written = bytes("011 010 1 1 010 1 010 1");
        let set = written_out(&mut Bits::of(&written)).unwrap();
        assert_eq!(set, Set { earlier: vec![-1, -3], later: vec![2] });
        // Moved by one back. The first is used; the second isn't and is left out; the third stays without use; so does the
        // other set's own picture.
        let change = bytes("1 1 1 00 01 1");
        let got = changed(&mut Bits::of(&change), &set).unwrap();
        assert_eq!(got, Set { earlier: vec![-1, -2], later: vec![1] });
        // Moved by two back, the third falls onto the picture itself.
        let change = bytes("1 010 1 1 1 1");
        let got = changed(&mut Bits::of(&change), &set).unwrap();
        assert_eq!(got, Set { earlier: vec![-2, -3, -5], later: vec![] });
    }
}
