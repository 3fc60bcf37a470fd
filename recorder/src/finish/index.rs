//! The index (`moov` box) of an ordinary MP4 or QuickTime file with one video track, laid out so that its tables can be filled in one pass
//! however long the clip is (ISO/IEC 14496-12). Pure: numbers go in, bytes and places come out. What is written into a
//! file, and when, is [`super::in_place`]'s subject.

use proto::clip::PlannedCamera;
use proto::frame::{PixelShape, Rotation};

use crate::container::display_matrix;

/// Everything that must be known of a track's samples before their tables are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) samples: u32,
    /// Runs of samples that last alike.
    pub(super) runs: u32,
    pub(super) keys: u32,
    /// The duration in microseconds.
    pub(super) duration_us: u64,
}

/// The place and the turn that a player gives the pictures, in the track header's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    matrix: [u32; 9],
    /// Width and height in square pixels, 16 bits behind the point.
    size: [u32; 2],
}

impl Shown {
    /// A camera's pictures.
    pub(super) fn of(camera: &PlannedCamera) -> Self {
        let (width, height) = (camera.geometry.width(), camera.geometry.height());
        let wide = |shape: PixelShape| {
            let wide = (u64::from(width) << 16) * u64::from(shape.width()) / u64::from(shape.height());
            u32::try_from(wide).unwrap_or(u32::MAX)
        };
        let size = [camera.picture.pixel_shape.map_or(width << 16, wide), height << 16];
        Self { matrix: display_matrix(camera.picture.rotation, (width, height)), size }
    }
}

/// The kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Mp4,
    /// QuickTime's: its handlers say that they are a media's or a data's, and their names begin with their length (QuickTime
    /// File Format Specification, "Handler Reference Atoms").
    Mov,
}

impl Kind {
    fn media_handler(self, out: &mut Pieces) -> Option<()> {
        let (media, name) = match self {
            Self::Mp4 => (b"\0\0\0\0", b"VideoHandler\0"),
            Self::Mov => (b"mhlr", b"\x0cVideoHandler"),
        };
        let handler = out.begin(b"hdlr", HDLR)?.words(&[0]).bytes(media);
        handler.bytes(b"vide").words(&[0, 0, 0]).bytes(name);
        Some(())
    }

    fn data_handler(self, out: &mut Pieces) -> Option<()> {
        if self == Self::Mov {
            let handler = out.begin(b"hdlr", DATA_HDLR)?.words(&[0]).bytes(b"dhlrurl ");
            handler.words(&[0, 0, 0]).bytes(b"\x0bDataHandler");
        }
        Some(())
    }
}

/// Everything that the index says of the track besides its samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track<'a> {
    pub(super) kind: Kind,
    pub(super) shown: Shown,
    /// Players begin at this time, in microseconds: what comes before is there to decode the rest.
    pub(super) hidden_us: u32,
    /// The inside of the sample description's box.
    pub(super) stsd: &'a [u8],
}

/// So many samples that last so many microseconds each.
pub(super) type Run = (u32, u32);

/// The durations of samples, from one's time to the next one's, as runs.
#[derive(Debug, Default)]
pub(super) struct Durations {
    last: Option<u64>,
    run: Option<Run>,
    total_us: u64,
}

impl Durations {
    /// Adds the next sample's time. Returns a run that has ended.
    pub(super) fn add(&mut self, at_us: u64) -> Option<Run> {
        let before = self.last.replace(at_us)?;
        self.lasts(at_us.saturating_sub(before))
    }

    /// Ends the last sample, whose duration goes by its time. Returns the runs that are left, and the duration of all.
    pub(super) fn end(mut self, lasts_us: impl FnOnce(u64) -> u64) -> ([Option<Run>; 2], u64) {
        let ended = self.last.and_then(|at_us| self.lasts(lasts_us(at_us)));
        ([ended, self.run], self.total_us)
    }

    fn lasts(&mut self, us: u64) -> Option<Run> {
        // A table's entry has 32 bits: a hole of more than 71 minutes is shorter in the video than in the timestamps.
        let us = u32::try_from(us).unwrap_or(u32::MAX);
        self.total_us += u64::from(us);
        match &mut self.run {
            Some((samples, each)) if *each == us => {
                *samples += 1;
                None
            }
            run => run.replace((1, us)),
        }
    }
}

/// An index that is laid out. All places are counted from the file's beginning.
pub(super) struct Index {
    /// The boxes' heads, each with its place: all but the tables' entries.
    pub(super) heads: Vec<(u64, Vec<u8>)>,
    /// The place of the runs: the number of samples, then the duration of each, in 4 bytes.
    pub(super) runs_at: u64,
    /// The place of the key frames' numbers, from 1, in 4 bytes. `None` when every sample is one.
    pub(super) keys_at: Option<u64>,
    /// The place of the sizes, in 4 bytes.
    pub(super) sizes_at: u64,
    /// The place of the offsets.
    pub(super) offsets_at: u64,
    /// The bytes of an offset: 4, or 8 in a file of more than 4 GiB.
    pub(super) offset_bytes: u64,
    counts: Counts,
}

impl Index {
    /// The places behind the last entries: of the runs, the key frames, the sizes and the offsets. The last is the end of the
    /// file.
    pub(super) fn table_ends(&self) -> (u64, Option<u64>, u64, u64) {
        let Counts { samples, runs, keys, .. } = self.counts;
        let [samples, runs, keys] = [samples, runs, keys].map(u64::from);
        (
            self.runs_at + 8 * runs,
            self.keys_at.map(|at| at + 4 * keys),
            self.sizes_at + 4 * samples,
            self.offsets_at + self.offset_bytes * samples,
        )
    }
}

/// Sizes of boxes with all their heads.
const MVHD: u64 = 108;
const TKHD: u64 = 92;
const EDTS: u64 = 36;
const MDHD: u64 = 44;
const HDLR: u64 = 45;
/// QuickTime's second handler.
const DATA_HDLR: u64 = 44;
const VMHD: u64 = 20;
const DINF: u64 = 36;
const STSC: u64 = 28;

/// Lays an index out that begins at `at`, behind all samples. `None` when it would be larger than a box may be.
pub(super) fn lay_out(counts: Counts, track: &Track<'_>, at: u64) -> Option<Index> {
    let Track { kind, shown, hidden_us, stsd } = *track;
    let Counts { samples, runs, keys, duration_us } = counts;
    // As in libav, the movie's own clock counts milliseconds.
    let shown_us = duration_us.saturating_sub(hidden_us.into());
    let duration_ms = u32::try_from(shown_us.div_ceil(1000)).ok()?;
    let offset_bytes = if u32::try_from(at).is_ok() { 4 } else { 8 };
    let with_keys = keys < samples;
    let stss = if with_keys { 16 + 4 * u64::from(keys) } else { 0 };
    let (stts, stsz) = (16 + 8 * u64::from(runs), 20 + 4 * u64::from(samples));
    let offsets = 16 + offset_bytes * u64::from(samples);
    let stsd_size = 8 + stsd.len() as u64;
    let stbl = 8 + stsd_size + stts + stss + STSC + stsz + offsets;
    let data_hdlr = if kind == Kind::Mov { DATA_HDLR } else { 0 };
    let minf = 8 + VMHD + data_hdlr + DINF + stbl;
    let mdia = 8 + MDHD + HDLR + minf;
    let trak = 8 + TKHD + EDTS + mdia;
    let moov = 8 + MVHD + trak;

    let mut out = Pieces { at, heads: vec![(at, Vec::new())] };
    out.begin(b"moov", moov)?;
    out.begin(b"mvhd", MVHD)?.words(&[0, 0, 0, 1000, duration_ms, 0x1_0000, 0x100_0000, 0, 0]);
    out.words(&display_matrix(Rotation::None, (0, 0))).words(&[0, 0, 0, 0, 0, 0, 2]);
    out.begin(b"trak", trak)?;
    // Enabled, and in the movie.
    out.begin(b"tkhd", TKHD)?.words(&[3, 0, 0, 1, 0, duration_ms, 0, 0, 0, 0]);
    out.words(&shown.matrix).words(&shown.size);
    out.begin(b"edts", EDTS)?.begin(b"elst", EDTS - 8)?.words(&[0, 1, duration_ms, hidden_us, 0x1_0000]);
    out.begin(b"mdia", mdia)?;
    let [high, low] =
        [duration_us >> 32, duration_us & u64::from(u32::MAX)].map(|half| u32::try_from(half).ok());
    // Version 1, for a duration of more than 71 minutes; the language is undetermined.
    out.begin(b"mdhd", MDHD)?.words(&[0x100_0000, 0, 0, 0, 0, 1_000_000, high?, low?, 0x55c4_0000]);
    kind.media_handler(&mut out)?;
    out.begin(b"minf", minf)?;
    out.begin(b"vmhd", VMHD)?.words(&[1, 0, 0]);
    kind.data_handler(&mut out)?;
    // The samples are in this very file.
    out.begin(b"dinf", DINF)?.begin(b"dref", DINF - 8)?.words(&[0, 1]).begin(b"url ", 12)?.words(&[1]);
    out.begin(b"stbl", stbl)?;
    out.begin(b"stsd", stsd_size)?.bytes(stsd);
    out.begin(b"stts", stts)?.words(&[0, runs]);
    let runs_at = out.skip(8 * u64::from(runs));
    let mut keys_at = None;
    if with_keys {
        out.begin(b"stss", stss)?.words(&[0, keys]);
        keys_at = Some(out.skip(4 * u64::from(keys)));
    }
    // Each sample is a chunk of its own: there is a fragment's head before it.
    out.begin(b"stsc", STSC)?.words(&[0, 1, 1, 1, 1]);
    out.begin(b"stsz", stsz)?.words(&[0, 0, samples]);
    let sizes_at = out.skip(4 * u64::from(samples));
    out.begin(if offset_bytes == 4 { b"stco" } else { b"co64" }, offsets)?.words(&[0, samples]);
    let (heads, offsets_at) = (out.heads, out.at);
    Some(Index { heads, runs_at, keys_at, sizes_at, offsets_at, offset_bytes, counts })
}

/// Bytes with holes.
struct Pieces {
    at: u64,
    heads: Vec<(u64, Vec<u8>)>,
}

impl Pieces {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        if let Some((_, piece)) = self.heads.last_mut() {
            piece.extend_from_slice(bytes);
        }
        self.at += bytes.len() as u64;
        self
    }

    fn words(&mut self, words: &[u32]) -> &mut Self {
        words.iter().for_each(|word| {
            self.bytes(&word.to_be_bytes());
        });
        self
    }

    fn begin(&mut self, name: &[u8; 4], size: u64) -> Option<&mut Self> {
        Some(self.words(&[u32::try_from(size).ok()?]).bytes(name))
    }

    /// Leaves room. Returns its place.
    fn skip(&mut self, bytes: u64) -> u64 {
        let room = self.at;
        self.at += bytes;
        self.heads.push((self.at, Vec::new()));
        room
    }
}

#[cfg(test)]
mod tests {
    use proto::frame::{Fps, Geometry, PixelFormat};

    use super::*;
    use crate::fakes::planned_camera;
    use crate::fragment::find;

    fn track(kind: Kind, stsd: &[u8]) -> Track<'_> {
        let geometry = Geometry::new(1280, 720, PixelFormat::I420).unwrap();
        let shown = Shown::of(&planned_camera(geometry, Fps::new(60.0).unwrap()));
        Track { kind, shown, hidden_us: 0, stsd }
    }

    /// The index as it stands in a file, with tables of zeros.
    fn text(index: &Index, at: u64) -> Vec<u8> {
        let mut text = vec![0; usize::try_from(index.table_ends().3 - at).unwrap()];
        for (place, bytes) in &index.heads {
            let place = usize::try_from(place - at).unwrap();
            text[place..place + bytes.len()].copy_from_slice(bytes);
        }
        text
    }

    fn stbl(moov: &[u8]) -> &[u8] {
        let names = [b"moov", b"trak", b"mdia", b"minf", b"stbl"];
        names.iter().fold(moov, |inside, name| find(inside, name).unwrap())
    }

    #[test]
    fn every_box_ends_where_the_next_begins_and_the_tables_have_their_room() {
        [Kind::Mp4, Kind::Mov].into_iter().for_each(every_box_ends_where_the_next_begins);
    }

    fn every_box_ends_where_the_next_begins(kind: Kind) {
        let counts = Counts { samples: 7, runs: 3, keys: 2, duration_us: 116_667 };
        let at = 5000;
        let index = lay_out(counts, &track(kind, &[9; 30]), at).unwrap();
        let text = text(&index, at);
        let stbl = stbl(&text);
        for (name, length) in
            [(b"stsd", 30), (b"stts", 32), (b"stss", 16), (b"stsc", 20), (b"stsz", 40), (b"stco", 36)]
        {
            assert_eq!(find(stbl, name).map(<[u8]>::len), Some(length), "{}", String::from_utf8_lossy(name));
        }
        let (runs, keys, sizes, offsets) = index.table_ends();
        let moov = u64::from(u32::from_be_bytes(*text.first_chunk().unwrap()));
        assert_eq!(at + moov, offsets);
        // Between two tables stand the heads of the next one and of the boxes between.
        let places =
            (index.keys_at.unwrap() - runs, index.sizes_at - keys.unwrap(), index.offsets_at - sizes);
        assert_eq!(places, (16, 28 + 20, 16));
    }

    #[test]
    fn players_are_told_to_begin_behind_what_is_hidden() {
        let counts = Counts { samples: 7, runs: 3, keys: 2, duration_us: 116_667 };
        let track = Track { hidden_us: 33_333, ..track(Kind::Mp4, &[]) };
        let text = text(&lay_out(counts, &track, 0).unwrap(), 0);
        let inside = |names: &[&[u8; 4]]| {
            let found = names.iter().fold(&text[..], |inside, name| find(inside, name).unwrap());
            found.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)).collect::<Vec<_>>()
        };
        // The rest in milliseconds, rounded up, from that time on.
        assert_eq!(inside(&[b"moov", b"trak", b"edts", b"elst"]), [0, 1, 84, 33_333, 0x1_0000]);
        assert_eq!(inside(&[b"moov", b"mvhd"])[4], 84);
        assert_eq!(inside(&[b"moov", b"trak", b"mdia", b"mdhd"])[6..8], [0, 116_667]);
    }

    #[test]
    fn a_file_of_more_than_4_gib_has_offsets_of_eight_bytes() {
        let counts = Counts { samples: 10, runs: 1, keys: 10, duration_us: 1 };
        for (at, name, bytes) in
            [(u64::from(u32::MAX), b"stco", 4), (1 << 32, b"co64", 8), (1 << 40, b"co64", 8)]
        {
            let index = lay_out(counts, &track(Kind::Mp4, &[]), at).unwrap();
            let text = text(&index, at);
            assert_eq!(find(stbl(&text), name).map(<[u8]>::len), Some(8 + 10 * bytes));
            assert_eq!(index.offset_bytes, bytes as u64);
            assert_eq!((index.keys_at, find(stbl(&text), b"stss")), (None, None), "all are key frames");
        }
    }

    #[test]
    fn a_day_fits_and_more_than_a_box_holds_is_refused() {
        let day = Counts { samples: 5_184_000, runs: 5_184_000, keys: 86_400, duration_us: 86_400_000_000 };
        assert!(lay_out(day, &track(Kind::Mov, &[]), 1 << 36).is_some());
        let endless = Counts { samples: u32::MAX, runs: u32::MAX, ..day };
        assert!(lay_out(endless, &track(Kind::Mp4, &[]), 1 << 36).is_none());
    }

    #[test]
    fn durations_go_from_one_time_to_the_next_and_the_last_is_given() {
        let mut durations = Durations::default();
        let ended: Vec<Run> = [0, 10, 20, 35, 50, 60].into_iter().filter_map(|t| durations.add(t)).collect();
        assert_eq!(ended, [(2, 10), (2, 15)]);
        assert_eq!(durations.end(|at| at - 50), ([None, Some((2, 10))], 70));
        let mut other = Durations::default();
        assert_eq!(other.add(5), None);
        assert_eq!(other.end(|_| 8), ([None, Some((1, 8))], 8));
        assert_eq!(Durations::default().end(|_| 8), ([None, None], 0));
        let mut hole = Durations::default();
        hole.add(0);
        hole.add(1 << 40);
        assert_eq!(hole.end(|_| 8), ([Some((1, u32::MAX)), Some((1, 8))], u64::from(u32::MAX) + 8));
    }
}
