//! A film of stamped pictures in a camera's codec, cut into access units: made once by the `ffmpeg` command, and kept in the
//! temporary folder for whoever needs the same one.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use oracle::stamp::{self, Stamp};

use super::words::Words;

/// To be raised when the films of an older build are no longer right.
const VERSION: u32 = 1;

/// The form of a film's pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Codec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// JPEG.
    Jpeg,
}

/// The pictures of a film.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pictures {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Frames a second.
    pub fps: u32,
    /// The film's length. A session that outlasts it sees the same stamps again.
    pub frames: u32,
    /// Frames from one key frame to the next.
    pub gop: u32,
    /// Kilobits a second; none: as few as a small picture needs.
    pub kbps: Option<u32>,
    /// The camera's index in the stamps.
    pub camera_index: u8,
}

/// Everything that a film is made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Recipe {
    pictures: Pictures,
    codec: Codec,
    b_frames: bool,
    refresh: bool,
    slices: bool,
}

/// The decoder's way into a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// No decoder can begin here.
    None,
    /// This frame, and all that follow, need no earlier one.
    Key,
    /// The same holds for the frame so many frames further on.
    Recovery(u32),
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its number in the order of display, from 0: the one in its stamp.
    pub number: u32,
    /// Can a decoder begin with it?
    pub start: Start,
    /// Its NAL units without start codes, or the one JPEG.
    pub pieces: Vec<Vec<u8>>,
}

/// A film.
#[derive(Debug)]
pub(super) struct Film {
    /// The form of its pictures.
    pub codec: Codec,
    /// Its frames, in the order in which a decoder needs them.
    pub units: Vec<Unit>,
    /// Frames that a camera has to be behind, to know a picture before those that are shown earlier.
    pub delay: u32,
}

impl Recipe {
    /// The film for these words.
    pub(super) fn of(words: &Words, pictures: &Pictures) -> Self {
        let mut pictures = pictures.clone();
        if words.has("noidr10") {
            pictures.gop = 10 * pictures.fps;
        }
        let codec = match () {
            () if words.has("h265") => Codec::H265,
            () if words.has("jpeg") => Codec::Jpeg,
            () => Codec::H264,
        };
        let (b_frames, refresh) = (words.has("bframes"), words.has("gdr"));
        Self { pictures, codec, b_frames, refresh, slices: words.has("slices") }
    }

    /// The same film with pictures of another size.
    #[must_use]
    pub(super) fn in_another_size(&self) -> Self {
        let (width, height) = self.pictures.size;
        let pictures = Pictures { size: (width + 64, height + 64), ..self.pictures.clone() };
        Self { pictures, ..self.clone() }
    }

    /// Makes the film, or finds it.
    ///
    /// # Errors
    /// When `ffmpeg` can't be run, or makes something else.
    pub(super) fn film(&self) -> anyhow::Result<Film> {
        let (bits, index) = self.places();
        if !index.is_file() {
            self.make(&bits, &index).context("a film")?;
        }
        let film = Film::cut(self.codec, &std::fs::read(&bits)?, &std::fs::read_to_string(&index)?)?;
        let frames = usize::try_from(self.pictures.frames)?;
        ensure!(film.units.len() == frames, "the film has {} frames, not {frames}", film.units.len());
        Ok(film)
    }

    /// The files that hold it: its bits, and the table of its frames.
    fn places(&self) -> (PathBuf, PathBuf) {
        let mut hasher = DefaultHasher::new();
        (VERSION, self).hash(&mut hasher);
        let name = format!("preroll-bad-camera-{:016x}", hasher.finish());
        let place = |ending: &str| std::env::temp_dir().join(format!("{name}.{ending}"));
        (place("bits"), place("frames"))
    }

    fn make(&self, bits: &Path, index: &Path) -> anyhow::Result<()> {
        let folder = tempfile::Builder::new().prefix("preroll-film-").tempdir()?;
        let (new_bits, new_index) = (folder.path().join("bits"), folder.path().join("frames"));
        let (width, height) = self.pictures.size;
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p"]);
        ffmpeg.args(["-s", &format!("{width}x{height}"), "-r", &self.pictures.fps.to_string()]);
        ffmpeg.args(["-i", "pipe:0", "-map", "0:v"]).args(self.encoder());
        let form = match self.codec {
            Codec::H264 => "h264",
            Codec::H265 => "hevc",
            Codec::Jpeg => "mjpeg",
        };
        let outputs = format!("[f={form}]{}|[f=framecrc]{}", new_bits.display(), new_index.display());
        ffmpeg.args(["-f", "tee", "-y", &outputs]).stdin(Stdio::piped());
        let mut encoding = ffmpeg.spawn().context("ffmpeg can't be started: is it installed?")?;
        let mut pipe = encoding.stdin.take().context("ffmpeg's input")?;
        let written = self.draw(&mut pipe);
        drop(pipe);
        ensure!(encoding.wait()?.success(), "ffmpeg makes no film: {ffmpeg:?}");
        written?;
        // Whole files take their places, the one that is looked for last.
        for (new, place) in [(&new_bits, bits), (&new_index, index)] {
            let beside = place.with_extension(format!("new-{}", std::process::id()));
            std::fs::copy(new, &beside)?;
            File::open(&beside)?.sync_all()?;
            std::fs::rename(&beside, place)?;
        }
        Ok(())
    }

    /// Writes every raw picture.
    fn draw(&self, to: &mut impl Write) -> anyhow::Result<()> {
        let (width, height) =
            (usize::try_from(self.pictures.size.0)?, usize::try_from(self.pictures.size.1)?);
        let is_small = self.pictures.kbps.is_none();
        let mut picture = vec![128; width * height * 3 / 2];
        for number in 0..self.pictures.frames {
            let luma = &mut picture[..width * height];
            // A slope that moves: each picture needs the one before it. A large one gets grain too, so that its encoder has
            // to spend the bits that it may.
            let shift = usize::try_from(number)? * 3;
            for (y, row) in luma.chunks_exact_mut(width).enumerate() {
                for (x, pixel) in row.iter_mut().enumerate() {
                    let grain = if is_small { 0 } else { ((x * 31) ^ ((y + shift) * 17)) % 23 };
                    *pixel = u8::try_from((x + y * 2 + shift) / 4 % 180 + grain + 20)?;
                }
            }
            let stamp = Stamp { camera_index: self.pictures.camera_index, source_sequence: number };
            stamp::draw(luma, width, width, height, stamp);
            to.write_all(&picture)?;
        }
        Ok(())
    }

    fn encoder(&self) -> Vec<String> {
        let Pictures { gop, kbps, .. } = self.pictures;
        let b_frames = if self.b_frames { 2 } else { 0 };
        let common =
            format!("keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:bframes={b_frames}:b-adapt=0");
        let mut args: Vec<String> = match self.codec {
            Codec::H264 => {
                let refresh = if self.refresh { ":intra-refresh=1:ref=1" } else { "" };
                let slices = if self.slices { ":slices=4" } else { "" };
                let params = format!("{common}:bpyramid=none{refresh}{slices}");
                ["-c:v", "libx264", "-preset", "ultrafast", "-x264-params", &params].map(Into::into).into()
            }
            Codec::H265 => {
                let params = format!("{common}:open-gop=0:log-level=none");
                ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", &params].map(Into::into).into()
            }
            // As RFC 2435 needs it: the standard's Huffman tables, and tables of quantization for both.
            Codec::Jpeg => {
                let fixed = ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "5", "-huffman", "default"];
                fixed.iter().chain(&["-force_duplicated_matrix", "1"]).map(|arg| (*arg).to_owned()).collect()
            }
        };
        if let Some(kbps) = kbps {
            let rate = format!("{kbps}k");
            args.extend(["-b:v", &rate, "-maxrate", &rate, "-bufsize", &rate].map(Into::into));
        }
        args
    }
}

impl Film {
    /// Cuts a film by the table of its packets, one a line: `stream, dts, pts, duration, size, …`.
    fn cut(codec: Codec, bits: &[u8], table: &str) -> anyhow::Result<Self> {
        let mut rest = bits;
        let mut units = Vec::new();
        let mut times: Vec<i64> = Vec::new();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let [_, _, pts, _, size, ..] = fields[..] else { bail!("a line of the film's table: {line}") };
            let (unit, after) = rest.split_at_checked(size.parse()?).context("the film is cut off")?;
            rest = after;
            times.push(pts.parse()?);
            let pieces = if codec == Codec::Jpeg { vec![unit.to_vec()] } else { nal_units(codec, unit) };
            units.push(Unit { number: 0, start: start_of(codec, &pieces), pieces });
        }
        ensure!(rest.is_empty(), "{} bytes of the film are no frame's", rest.len());
        let mut in_order = times.clone();
        in_order.sort_unstable();
        let mut delay = 0;
        for (position, (unit, time)) in (0..).zip(units.iter_mut().zip(&times)) {
            unit.number = u32::try_from(in_order.partition_point(|earlier| earlier < time))?;
            delay = delay.max(unit.number.saturating_sub(position));
        }
        Ok(Self { codec, units, delay })
    }

    /// The frame at a place of the film that goes on for ever, and its number there.
    pub(super) fn unit(&self, position: u64) -> (&Unit, u64) {
        let length = self.units.len() as u64;
        let unit = &self.units[usize::try_from(position % length).unwrap()];
        (unit, position / length * length + u64::from(unit.number))
    }

    /// The parameter sets, in the order of their kinds.
    pub(super) fn parameter_sets(&self) -> Vec<&[u8]> {
        let pieces = self.units.iter().flat_map(|unit| &unit.pieces);
        let mut sets: Vec<&[u8]> = Vec::new();
        for piece in pieces.take(16).filter(|piece| is_parameter_set(self.codec, piece)) {
            if !sets.contains(&piece.as_slice()) {
                sets.push(piece);
            }
        }
        sets
    }
}

/// The kind of a NAL unit.
fn kind(codec: Codec, nal: &[u8]) -> u8 {
    match codec {
        Codec::H264 => nal[0] & 31,
        Codec::H265 => nal[0] >> 1 & 63,
        Codec::Jpeg => 0,
    }
}

/// Is it a parameter set?
pub(super) fn is_parameter_set(codec: Codec, nal: &[u8]) -> bool {
    match codec {
        Codec::H264 => matches!(kind(codec, nal), 7 | 8),
        Codec::H265 => matches!(kind(codec, nal), 32..=34),
        Codec::Jpeg => false,
    }
}

/// Does it hold a part of a picture?
pub(super) fn is_picture(codec: Codec, nal: &[u8]) -> bool {
    match codec {
        Codec::H264 => matches!(kind(codec, nal), 1..=5),
        Codec::H265 => kind(codec, nal) < 32,
        Codec::Jpeg => true,
    }
}

fn start_of(codec: Codec, pieces: &[Vec<u8>]) -> Start {
    let is_key = |nal: &Vec<u8>| match codec {
        Codec::H264 => kind(codec, nal) == 5,
        Codec::H265 => matches!(kind(codec, nal), 19 | 20),
        Codec::Jpeg => true,
    };
    if pieces.iter().any(is_key) {
        return Start::Key;
    }
    // An SEI unit of H.264 whose first message is a recovery point.
    let point = pieces.iter().find(|nal| codec == Codec::H264 && nal.starts_with(&[6, 6]));
    point.and_then(|nal| exp_golomb(nal.get(3..)?)).map_or(Start::None, Start::Recovery)
}

/// The number that some bytes begin with, as H.264 codes it: ue(v).
fn exp_golomb(bytes: &[u8]) -> Option<u32> {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1)));
    let zeros = bits.by_ref().take_while(|bit| *bit == 0).count();
    let mut value = 1_u32;
    for _ in 0..zeros {
        value = value.checked_mul(2)? + bits.next()?;
    }
    Some(value - 1)
}

/// The NAL units between start codes, without those that only mark where an access unit begins.
fn nal_units(codec: Codec, unit: &[u8]) -> Vec<Vec<u8>> {
    let mut nals = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while at < unit.len() {
        if unit[at..].starts_with(&[0, 0, 1]) {
            nals.extend(begin.map(|begin| &unit[begin..at]));
            at += 3;
            begin = Some(at);
        } else {
            at += 1;
        }
    }
    nals.extend(begin.map(|begin| &unit[begin..]));
    let is_mark = |nal: &[u8]| kind(codec, nal) == if codec == Codec::H264 { 9 } else { 35 };
    // Zeros before the next start code belong to it.
    let trimmed =
        nals.iter().map(|nal| &nal[..nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]);
    trimmed.filter(|nal| !nal.is_empty() && !is_mark(nal)).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(words: &str) -> Film {
        let pictures =
            Pictures { size: (256, 128), fps: 15, frames: 48, gop: 8, kbps: None, camera_index: 7 };
        Recipe::of(&Words::parse(words).unwrap(), &pictures).film().unwrap()
    }

    fn starts(film: &Film) -> Vec<usize> {
        let starts = film.units.iter().enumerate().filter(|(_, unit)| unit.start == Start::Key);
        starts.map(|(at, _)| at).collect()
    }

    #[test]
    fn a_film_is_cut_into_its_frames_and_knows_where_a_decoder_can_begin() {
        for words in ["ok", "h265", "slices"] {
            let film = film(words);
            assert_eq!(film.units.len(), 48, "{words}");
            assert_eq!(starts(&film), [0, 8, 16, 24, 32, 40], "{words}");
            assert!(film.units.iter().enumerate().all(|(at, unit)| unit.number as usize == at), "{words}");
            assert_eq!(film.parameter_sets().len(), if words == "h265" { 3 } else { 2 });
        }
        assert_eq!(starts(&film("noidr10")), [0]);
        assert_eq!(starts(&film("jpeg")).len(), 48);
    }

    #[test]
    fn a_refresh_has_recovery_points_and_no_key_frame_but_the_first() {
        let film = film("gdr");
        assert_eq!(starts(&film), [0]);
        let points = film.units.iter().filter(|unit| matches!(unit.start, Start::Recovery(1..))).count();
        assert!(points >= 3, "{points}");
    }

    #[test]
    fn frames_that_are_shown_earlier_come_later() {
        let film = film("bframes");
        let numbers: Vec<u32> = film.units.iter().map(|unit| unit.number).collect();
        assert_eq!(numbers[..4], [0, 3, 1, 2]);
        assert_eq!(film.delay, 2);
        assert_eq!(film.unit(48 + 1).1, 48 + 3);
    }

    #[test]
    fn a_number_is_read_as_it_is_coded() {
        for (bits, number) in [(0b1000_0000, 0), (0b0100_0000, 1), (0b0110_0000, 2), (0b0010_1000, 4)] {
            assert_eq!(exp_golomb(&[bits]), Some(number));
        }
        assert_eq!(exp_golomb(&[0]), None);
    }
}
