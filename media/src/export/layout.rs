//! The places of cameras beside each other in one picture. Pure.

use super::font;
use super::sheet::Rect;

/// The widest and the highest picture, and the most pixels, that players decode by hardware (H.264, level 5.1).
const MAX_SIDE: usize = 4096;
const MAX_PIXELS: usize = 4096 * 2304;
/// The lines of a caption.
pub(crate) const LINES: usize = 4;
/// The narrowest caption: a date and a time in the smallest letters.
const NARROWEST: usize = 148;

/// A camera's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// The place of its picture. Odd only where the picture is, and is shown as it is.
    pub(crate) picture: Rect,
    /// The place of the words on it.
    pub(crate) caption: Option<Rect>,
    /// The size of a letter's pixels.
    pub(crate) scale: usize,
}

/// All places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) tiles: Vec<Tile>,
}

impl Layout {
    /// Cameras with pictures of these sizes, as they are shown: in rows of equal length, as they are if there is room, and all
    /// smaller by the same factor if not.
    pub(crate) fn of(sizes: &[(u32, u32)], with_captions: bool) -> Self {
        let mut factor = 1.0_f64;
        loop {
            let layout = Self::scaled(sizes, with_captions, factor);
            let (width, height) = (layout.width, layout.height);
            if width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS || factor < 0.001 {
                return layout;
            }
            factor *= 0.99;
        }
    }

    fn scaled(sizes: &[(u32, u32)], with_captions: bool, factor: f64) -> Self {
        let columns = (1..).find(|n| n * n >= sizes.len()).unwrap_or(1);
        let cells: Vec<Cell> = sizes.iter().map(|size| Cell::of(*size, with_captions, factor)).collect();
        let widest = |column: usize| cells.iter().skip(column).step_by(columns).map(|cell| cell.width).max();
        let widths: Vec<usize> = (0..columns).map_while(widest).collect();
        let heights: Vec<usize> =
            cells.chunks(columns).filter_map(|row| row.iter().map(|cell| cell.height()).max()).collect();
        let place = |(at, cell): (usize, &Cell)| {
            let (column, row) = (at % columns, at / columns);
            let left = widths[..column].iter().sum::<usize>() + middle(widths[column], cell.width);
            let top = heights[..row].iter().sum::<usize>() + middle(heights[row], cell.height());
            cell.at(left, top)
        };
        Self {
            width: widths.iter().sum(),
            height: heights.iter().sum(),
            tiles: cells.iter().enumerate().map(place).collect(),
        }
    }
}

/// The room that a camera takes.
struct Cell {
    picture: (usize, usize),
    width: usize,
    caption: usize,
    scale: usize,
}

impl Cell {
    fn of((width, height): (u32, u32), with_caption: bool, factor: f64) -> Self {
        let shrunk = |side: u32| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "smaller than it was"
            )]
            let side = (f64::from(side) * factor).round() as usize;
            if factor < 1.0 { even(side.max(2)) } else { side.max(1) }
        };
        let picture = (shrunk(width), shrunk(height));
        let scale = letters(picture.0);
        let caption = if with_caption { even(scale * (LINES * font::LINE + 2)) } else { 0 };
        let narrowest = if with_caption { NARROWEST } else { 2 };
        Self { picture, width: even(picture.0).max(narrowest), caption, scale }
    }

    fn height(&self) -> usize {
        even(self.picture.1) + self.caption
    }

    fn at(&self, x: usize, y: usize) -> Tile {
        let (width, height) = self.picture;
        let picture = Rect { x: x + middle(self.width, even(width)), y, width, height };
        let below = Rect { x, y: y + even(height), width: self.width, height: self.caption };
        Tile { picture, caption: (self.caption > 0).then_some(below), scale: self.scale }
    }
}

/// The size of the pixels of letters below or in a picture of this width: a date and a time have room.
fn letters(width: usize) -> usize {
    match width {
        0..300 => 1,
        300..500 => 2,
        500..1000 => 3,
        1000..2000 => 4,
        _ => 6,
    }
}

fn even(side: usize) -> usize {
    side.next_multiple_of(2)
}

/// The even place that puts something in the middle.
fn middle(room: usize, side: usize) -> usize {
    (room - side) / 4 * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(sizes: &[(u32, u32)]) -> Vec<(usize, usize, usize, usize)> {
        let tiles = Layout::of(sizes, false).tiles;
        tiles.iter().map(|tile| tile.picture).map(|r| (r.x, r.y, r.width, r.height)).collect()
    }

    #[test]
    fn cameras_lie_in_rows_each_as_it_is() {
        assert_eq!(places(&[(1280, 720)]), [(0, 0, 1280, 720)]);
        assert_eq!(places(&[(320, 192); 2]), [(0, 0, 320, 192), (320, 0, 320, 192)]);
        assert_eq!(places(&[(100, 50); 3])[2], (0, 50, 100, 50));
        assert_eq!(places(&[(100, 50); 5])[4], (100, 50, 100, 50));
        // A small one in the middle of its column's room; odd ones as they are.
        assert_eq!(
            places(&[(640, 480), (320, 240), (33, 21)]),
            [(0, 0, 640, 480), (640, 120, 320, 240), (302, 480, 33, 21)]
        );
    }

    #[test]
    fn nothing_lies_over_anything_and_all_is_even_but_the_pictures() {
        let all = [(640, 480), (1280, 720), (33, 21), (4096, 2304), (2, 2), (720, 1280), (7680, 4320)];
        for count in 1..=16 {
            for with_captions in [false, true] {
                let sizes: Vec<_> = all.iter().cycle().take(count).copied().collect();
                let layout = Layout::of(&sizes, with_captions);
                assert!(
                    layout.width * layout.height <= MAX_PIXELS && layout.width.max(layout.height) <= MAX_SIDE
                );
                let rects: Vec<Rect> = layout
                    .tiles
                    .iter()
                    .flat_map(|tile| [Some(tile.picture), tile.caption])
                    .flatten()
                    .collect();
                for (at, one) in rects.iter().enumerate() {
                    assert!(one.x % 2 == 0 && one.y % 2 == 0);
                    assert!(one.x + one.width <= layout.width && one.y + one.height <= layout.height);
                    let lies_over = |two: &Rect| {
                        one.x < two.x + two.width
                            && two.x < one.x + one.width
                            && one.y < two.y + two.height
                            && two.y < one.y + one.height
                    };
                    assert!(!rects[at + 1..].iter().any(lies_over), "{count}: {layout:?}");
                }
                assert_eq!((layout.width % 2, layout.height % 2, layout.tiles.len()), (0, 0, count));
                assert_eq!(
                    layout.tiles.iter().filter(|tile| tile.caption.is_some()).count() > 0,
                    with_captions
                );
            }
        }
    }

    #[test]
    fn sixteen_large_cameras_are_all_smaller_by_one_factor() {
        let layout = Layout::of(&[(1280, 720); 16], false);
        let first = layout.tiles[0].picture;
        assert!(
            layout
                .tiles
                .iter()
                .all(|tile| (tile.picture.width, tile.picture.height) == (first.width, first.height))
        );
        assert!(
            (990..=1024).contains(&first.width) && (first.width * 9 / 16).abs_diff(first.height) < 4,
            "{first:?}"
        );
    }

    #[test]
    fn a_caption_has_room_for_a_date_and_a_time() {
        for width in [64, 160, 299, 300, 499, 500, 999, 1000, 1280, 1999, 2000, 3840] {
            let tile = Layout::of(&[(width, 480)], true).tiles[0];
            let needed = tile.scale * (24 * font::ADVANCE + 2);
            assert!(tile.caption.unwrap().width >= needed, "{width}: {needed}");
        }
    }
}
