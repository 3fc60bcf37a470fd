//! The meaning of a picture's numbers, and conversions: to those of a JPEG (BT.601 in full range), of another picture, and to red,
//! green and blue. Pure: only numbers are here.

use proto::frame::PictureTags;

/// The meaning of a picture's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// The matrix of YUV, by its number in H.273.
    pub(crate) matrix: u8,
    /// Black is 0 and white 255, rather than 16 and 235.
    pub(crate) full_range: bool,
}

impl Meaning {
    /// The meaning of a JPEG's numbers (JFIF).
    pub(crate) const JPEG: Self = Self { matrix: PictureTags::BT601, full_range: true };

    /// Black, the steps of brightness to white, and the steps of a colour.
    fn steps(self) -> (f32, f32, f32) {
        if self.full_range { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) }
    }

    /// Are equal numbers equal colours in both?
    pub(crate) fn is_like(self, other: Self) -> bool {
        self.full_range == other.full_range && self.weights() == other.weights()
    }

    /// A grey, from 0 (black) to 1 (white).
    pub(crate) fn grey(self, light: f32) -> [u8; 3] {
        let (black, white, _) = self.steps();
        [byte(black + white * light), 128, 128]
    }

    /// The weights of red and blue in brightness. An unknown matrix counts as BT.601, as libswscale has it.
    fn weights(self) -> (f32, f32) {
        match self.matrix {
            PictureTags::BT709 => (0.2126, 0.0722),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            PictureTags::BT2020 | 10 => (0.2627, 0.0593),
            _ => (0.299, 0.114),
        }
    }
}

/// A conversion of pixels from one meaning to another, or to red, green and blue: a matrix, since every step on the way is linear.
pub(crate) struct Conversion {
    black: f32,
    /// The results of one step of brightness, and of one of each colour.
    columns: [[f32; 3]; 3],
    /// The results of black.
    zeros: [f32; 3],
}

impl Conversion {
    /// To a JPEG's.
    pub(crate) fn from(meaning: Meaning) -> Self {
        Self::between(meaning, Meaning::JPEG)
    }

    /// From one meaning to another.
    pub(crate) fn between(from: Meaning, to: Meaning) -> Self {
        let (zero, luma, chroma) = to.steps();
        let (red, blue) = to.weights();
        let mixed = |[r, g, b]: [f32; 3]| {
            let y = red * r + (1.0 - red - blue) * g + blue * b;
            [y * luma, (b - y) / (2.0 * (1.0 - blue)) * chroma, (r - y) / (2.0 * (1.0 - red)) * chroma]
        };
        Self { zeros: [zero, 128.0, 128.0], ..Self::through(from, mixed) }
    }

    /// To red, green and blue, from 0 to 255.
    pub(crate) fn to_rgb(from: Meaning) -> Self {
        Self { zeros: [0.0; 3], ..Self::through(from, |rgb| rgb.map(|part| part * 255.0)) }
    }

    /// By way of red, green and blue, from 0 to 1.
    fn through(from: Meaning, then: impl Fn([f32; 3]) -> [f32; 3]) -> Self {
        let (black, white, colour) = from.steps();
        let (red, blue) = from.weights();
        let of = |y: f32, cb: f32, cr: f32| {
            let r = y + 2.0 * (1.0 - red) * cr;
            let b = y + 2.0 * (1.0 - blue) * cb;
            then([r, (y - red * r - blue * b) / (1.0 - red - blue), b])
        };
        let columns = [of(1.0 / white, 0.0, 0.0), of(0.0, 1.0 / colour, 0.0), of(0.0, 0.0, 1.0 / colour)];
        Self { black, columns, zeros: [0.0; 3] }
    }

    /// Converts the colours of some pixels at once: what becomes of their brightness *y* is `gain` *y* + `offset`, rounded by
    /// [`byte`], and of their colours the last two.
    pub(crate) fn of_block(&self, cb: u8, cr: u8) -> (f32, f32, [u8; 2]) {
        let [gain, by_blue, by_red] = self.columns.map(|column| column[0]);
        let (blue, red) = (f32::from(cb) - 128.0, f32::from(cr) - 128.0);
        let offset = self.zeros[0] - gain * self.black + by_blue * blue + by_red * red;
        // Grey stays grey, so a colour doesn't depend on the brightness.
        let colour = |n: usize| byte(self.columns[1][n] * blue + self.columns[2][n] * red + self.zeros[n]);
        (gain, offset, [colour(1), colour(2)])
    }

    /// Converts one pixel, of which brightness and both colours are given.
    pub(crate) fn of(&self, pixel: [u8; 3]) -> [u8; 3] {
        let steps =
            [f32::from(pixel[0]) - self.black, f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0];
        let part = |n: usize| {
            let sum: f32 = self.columns.iter().zip(steps).map(|(column, steps)| column[n] * steps).sum();
            byte(sum + self.zeros[n])
        };
        [part(0), part(1), part(2)]
    }
}

/// Rounded, as far as a byte reaches.
pub(crate) fn byte(value: f32) -> u8 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "such a cast ends at a byte's range"
    )]
    let byte = (value + 0.5) as u8;
    byte
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversion(matrix: u8, full_range: bool) -> Conversion {
        Conversion::from(Meaning { matrix, full_range })
    }

    #[test]
    fn a_jpegs_own_colours_stay_as_they_are() {
        let same = conversion(PictureTags::BT601, true);
        for pixel in [[0, 128, 128], [255, 128, 128], [76, 85, 255], [29, 255, 107], [120, 90, 200]] {
            assert_eq!(same.of(pixel), pixel);
        }
    }

    #[test]
    fn limited_range_is_stretched_and_grey_stays_grey() {
        for matrix in [PictureTags::BT709, PictureTags::BT601, PictureTags::BT2020, 4, 7, 99] {
            let limited = conversion(matrix, false);
            assert_eq!(limited.of([16, 128, 128]), [0, 128, 128], "{matrix}");
            assert_eq!(limited.of([235, 128, 128]), [255, 128, 128], "{matrix}");
            assert_eq!(limited.of([0, 128, 128]), [0, 128, 128], "{matrix}: blacker than black");
            assert_eq!(limited.of([126, 128, 128]), [128, 128, 128], "{matrix}");
        }
    }

    #[test]
    fn colours_are_told_in_red_green_and_blue_and_come_back_from_another_matrix() {
        let hd = Meaning { matrix: PictureTags::BT709, full_range: false };
        for (pixel, rgb) in
            [([16, 128, 128], [0; 3]), ([235, 128, 128], [255; 3]), ([63, 102, 240], [255, 0, 0])]
        {
            let told = Conversion::to_rgb(hd).of(pixel);
            assert!(told.iter().zip(rgb).all(|(told, right)| told.abs_diff(right) <= 1), "{told:?} {rgb:?}");
            let there = Conversion::between(hd, Meaning::JPEG).of(pixel);
            let back = Conversion::between(Meaning::JPEG, hd).of(there);
            assert!(back.iter().zip(pixel).all(|(back, was)| back.abs_diff(was) <= 1), "{back:?} {pixel:?}");
        }
        let conversion = Conversion::between(hd, Meaning::JPEG);
        for pixel in [[63, 102, 240], [200, 90, 130], [16, 128, 128]] {
            let (gain, offset, colours) = conversion.of_block(pixel[1], pixel[2]);
            let of_block = [byte(gain * f32::from(pixel[0]) + offset), colours[0], colours[1]];
            let alone = conversion.of(pixel);
            assert!(of_block.iter().zip(alone).all(|(a, b)| a.abs_diff(b) <= 1), "{of_block:?} {alone:?}");
        }
        assert_eq!((hd.grey(0.0), hd.grey(1.0)), ([16, 128, 128], [235, 128, 128]));
        assert!(!hd.is_like(Meaning::JPEG));
        let unsaid = Meaning { matrix: PictureTags::UNSPECIFIED, full_range: true };
        assert!(unsaid.is_like(Meaning::JPEG), "an unknown matrix counts as BT.601");
    }

    #[test]
    fn red_of_bt_709_is_red_in_a_jpeg() {
        // 255, 0, 0 in BT.709 of limited range, and in JFIF.
        let [y, cb, cr] = conversion(PictureTags::BT709, false).of([63, 102, 240]);
        assert!(y.abs_diff(76) <= 1 && cb.abs_diff(85) <= 1 && cr >= 254, "{y} {cb} {cr}");
    }
}
