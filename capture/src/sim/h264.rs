//! A simulated camera's H.264, put together from pieces that are made once: Constrained Baseline, one slice a picture, no
//! B-pictures. The stamp's macroblocks, and others here and there, hold their pixels as they are (I_PCM). The rest of a key
//! frame is predicted without anything left over, and the rest of the others is the picture before it (P_Skip).
//!
//! A frame is one copy of its kind's template, with the pixels of its macroblocks written over it. Templates hold no byte
//! that would have to be escaped: pixels are never 0, and all else is too short for 22 zero bits in a row.

use proto::frame::Fps;

use super::bits::BitWriter;
use super::scene;
use super::stamp;

/// Pixels of a macroblock's side, and its samples: luma, then each colour at half size.
const SIDE: usize = 16;
const SAMPLES: usize = 384;
const LUMA_SAMPLES: usize = 256;
/// The most that a frame grows by with another macroblock of samples.
const PCM_BYTES: usize = SAMPLES + 8;
/// Different macroblocks of the scene.
const TEXTURES: u32 = 64;
/// Sizes of a frame between key frames, in hundredths of `frame_bytes`: real ones differ too.
const SIZES: [usize; 3] = [80, 90, 100];
/// Pictures are counted modulo this, from the last key frame on.
const FRAME_NUMBERS: u64 = 256;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// An access unit begins here: any kind of slice may follow.
const DELIMITER: [u8; 6] = [0, 0, 0, 1, 9, 0xF0];
/// The first bytes of the four kinds of unit.
const PARAMETERS_OF_SEQUENCE: u8 = 0x67;
const PARAMETERS_OF_PICTURE: u8 = 0x68;
const KEY_SLICE: u8 = 0x65;
const OTHER_SLICE: u8 = 0x61;
/// `mb_type` of a macroblock of samples, in a key frame and in others, and of one that is predicted by its neighbours' mean.
const KEY_PCM: u32 = 25;
const OTHER_PCM: u32 = 30;
const KEY_MEAN: u32 = 3;

/// The pieces of one camera's H.264.
pub struct H264Pieces {
    size: (usize, usize),
    /// Pictures from one key frame to the next.
    gop: u64,
    key: Template,
    others: Vec<Template>,
    textures: Vec<[u8; SAMPLES]>,
}

/// A frame whose pixels are still to be written.
struct Template {
    bytes: Vec<u8>,
    /// The first byte of the slice.
    slice: usize,
    macroblocks: Vec<Pcm>,
}

/// A macroblock of samples: its place in the picture, in pixels, and the place of its samples in the frame.
struct Pcm {
    x: usize,
    y: usize,
    at: usize,
    in_stamp: bool,
}

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Key,
    Other,
}

impl H264Pieces {
    /// The pieces of the camera of this name: a key frame every `gop` frames, and `frame_bytes` or less in each; more only if
    /// the stamp alone takes more.
    #[must_use]
    pub fn new(size: (u32, u32), fps: Fps, name: &str, gop: u64, frame_bytes: usize) -> Self {
        let parameters = [parameters_of_sequence(size, fps), parameters_of_picture()].concat();
        let size = (size.0 as usize, size.1 as usize);
        let others =
            SIZES.map(|hundredths| Template::new(Kind::Other, size, &[], frame_bytes / 100 * hundredths));
        let textures = (0..TEXTURES).map(|n| scene::macroblock(name, n % 8 * 40, n / 8 * 40));
        Self {
            size,
            gop: gop.max(1),
            key: Template::new(Kind::Key, size, &parameters, frame_bytes),
            others: others.into(),
            textures: textures.collect(),
        }
    }

    /// True if frame `number` is a key frame.
    #[must_use]
    pub fn is_key(&self, number: u64) -> bool {
        number.is_multiple_of(self.gop)
    }

    /// The bytes of frame `number`.
    #[must_use]
    pub fn bytes(&self, number: u64) -> usize {
        self.template(number).bytes.len()
    }

    fn template(&self, number: u64) -> &Template {
        if self.is_key(number) {
            return &self.key;
        }
        // Less than their number, which is a usize.
        let which = scene::mix(number) % self.others.len() as u64;
        &self.others[usize::try_from(which).unwrap_or(0)]
    }

    /// Writes frame `number`, which shows the scene of frame `shown` and these bits as its stamp, and says how many bytes it
    /// has.
    ///
    /// # Panics
    /// When `frame` has less than [`H264Pieces::bytes`].
    pub fn draw(&self, frame: &mut [u8], number: u64, shown: u64, bits: u64) -> usize {
        let frame = self.begin(frame, number);
        for (n, pcm) in (0_u64..).zip(&self.template(number).macroblocks) {
            let samples = &mut frame[pcm.at..pcm.at + SAMPLES];
            if pcm.in_stamp {
                self.draw_stamp(samples, pcm, bits);
            } else {
                let which = (n + shown) % self.textures.len() as u64;
                samples.copy_from_slice(&self.textures[usize::try_from(which).unwrap_or(0)]);
            }
        }
        frame.len()
    }

    /// Writes the frame of a camera with its lens cap on: black where its other frames have pixels.
    ///
    /// # Panics
    /// When `frame` has less than [`H264Pieces::bytes`].
    pub fn draw_black(&self, frame: &mut [u8], number: u64) -> usize {
        let frame = self.begin(frame, number);
        for pcm in &self.template(number).macroblocks {
            let (luma, colours) = frame[pcm.at..pcm.at + SAMPLES].split_at_mut(LUMA_SAMPLES);
            luma.fill(scene::BLACK);
            colours.fill(stamp::NEUTRAL);
        }
        frame.len()
    }

    /// Writes the frame of a camera that looks into a flash of light, with these bits as its stamp: white where its other frames
    /// have pixels.
    ///
    /// # Panics
    /// When `frame` has less than [`H264Pieces::bytes`].
    pub fn draw_lit(&self, frame: &mut [u8], number: u64, bits: u64) -> usize {
        let frame = self.begin(frame, number);
        for pcm in &self.template(number).macroblocks {
            let samples = &mut frame[pcm.at..pcm.at + SAMPLES];
            if pcm.in_stamp {
                self.draw_stamp(samples, pcm, bits);
            } else {
                let (luma, colours) = samples.split_at_mut(LUMA_SAMPLES);
                luma.fill(scene::WHITE);
                colours.fill(stamp::NEUTRAL);
            }
        }
        frame.len()
    }

    /// Copies the template of frame `number`, and numbers its picture.
    fn begin<'a>(&self, frame: &'a mut [u8], number: u64) -> &'a mut [u8] {
        let Template { bytes, slice, .. } = self.template(number);
        let frame = &mut frame[..bytes.len()];
        frame.copy_from_slice(bytes);
        if self.is_key(number) {
            // Two key frames in a row must differ in idr_pic_id: bit 19 of the slice.
            if number / self.gop % 2 == 1 {
                frame[slice + 2] |= 0x10;
            }
        } else {
            let [picture, ..] = (number % self.gop % FRAME_NUMBERS).to_le_bytes();
            // frame_num: bits 7 to 14 of the slice.
            frame[*slice] |= picture >> 7;
            frame[slice + 1] |= picture << 1;
        }
        frame
    }

    /// Draws the part of a stamp that lies in a macroblock.
    fn draw_stamp(&self, samples: &mut [u8], pcm: &Pcm, bits: u64) {
        let (luma, colours) = samples.split_at_mut(LUMA_SAMPLES);
        luma.fill(stamp::NEUTRAL);
        colours.fill(stamp::NEUTRAL);
        for (left, top) in stamp::corners(self.size) {
            for (n, to) in luma.iter_mut().enumerate() {
                let place = (pcm.x + n % SIDE).checked_sub(left).zip((pcm.y + n / SIDE).checked_sub(top));
                if let Some(bit) = place.and_then(|place| stamp::bit(bits, place)) {
                    *to = if bit { stamp::ONE } else { stamp::ZERO };
                }
            }
        }
    }
}

impl Template {
    /// A frame of a kind behind these parameter sets, with as many macroblocks of the scene as fit into so many bytes.
    fn new(kind: Kind, size: (usize, usize), parameters: &[u8], frame_bytes: usize) -> Self {
        let bare = Self::with(kind, size, parameters, 0);
        Self::with(kind, size, parameters, frame_bytes.saturating_sub(bare.bytes.len()) / PCM_BYTES)
    }

    /// A frame with so many macroblocks of the scene.
    fn with(kind: Kind, size: (usize, usize), parameters: &[u8], of_scene: usize) -> Self {
        let (columns, rows) = (size.0.div_ceil(SIDE), size.1.div_ceil(SIDE));
        let mut bytes = [&DELIMITER, parameters, &START_CODE[..]].concat();
        bytes.push(if kind == Kind::Key { KEY_SLICE } else { OTHER_SLICE });
        let slice = bytes.len();
        let mut bits = BitWriter::default();
        slice_header(&mut bits, kind);
        let pcm = choose_pcm(size, (columns, rows), of_scene);
        let mut macroblocks: Vec<Pcm> = Vec::new();
        let mut skipped = 0;
        for number in 0..columns * rows {
            let Some(in_stamp) = pcm[number] else {
                match kind {
                    Kind::Key => mean(&mut bits, &pcm, number, columns),
                    Kind::Other => skipped += 1,
                }
                continue;
            };
            if kind == Kind::Other {
                bits.ue(std::mem::take(&mut skipped));
            }
            bits.ue(if kind == Kind::Key { KEY_PCM } else { OTHER_PCM });
            bits.align(false);
            let (x, y, at) = (number % columns * SIDE, number / columns * SIDE, slice + bits.len());
            macroblocks.push(Pcm { x, y, at, in_stamp });
            bits.bytes(&[stamp::NEUTRAL; SAMPLES]);
        }
        if skipped > 0 {
            bits.ue(skipped);
        }
        end(&mut bits);
        bytes.extend(bits.into_bytes());
        Self { bytes, slice, macroblocks }
    }
}

/// The macroblocks of samples among all: those that a stamp touches (`true`), and so many others spread over the picture.
fn choose_pcm(size: (usize, usize), (columns, rows): (usize, usize), of_scene: usize) -> Vec<Option<bool>> {
    let mut pcm = vec![None; columns * rows];
    for (left, top) in stamp::corners(size) {
        for row in top / SIDE..(top + stamp::HEIGHT).div_ceil(SIDE) {
            for column in left / SIDE..(left + stamp::WIDTH).div_ceil(SIDE) {
                pcm[row * columns + column] = Some(true);
            }
        }
    }
    let free = pcm.iter().filter(|kind| kind.is_none()).count();
    let more = of_scene.min(free);
    let others = pcm.iter_mut().filter(|kind| kind.is_none()).enumerate();
    // The nth of the free ones if `n * more / free` is a new number there.
    others.filter(|(n, _)| (n + 1) * more / free > n * more / free).for_each(|(_, kind)| *kind = Some(false));
    pcm
}

/// A macroblock of a key frame that is its neighbours' mean: Intra_16x16 with prediction by DC and no residual.
fn mean(bits: &mut BitWriter, pcm: &[Option<bool>], number: usize, columns: usize) {
    bits.ue(KEY_MEAN);
    // intra_chroma_pred_mode: DC.
    bits.ue(0);
    // mb_qp_delta: 0.
    bits.ue(0);
    // No coefficients. The code for that goes by the neighbours', and samples count as 16 of them.
    let left = !number.is_multiple_of(columns) && pcm[number - 1].is_some();
    let above = number >= columns && pcm[number - columns].is_some();
    if left || above { bits.bits(0b00_0011, 6) } else { bits.bits(1, 1) }
}

/// The slice's header, with the number of the picture still to be written.
fn slice_header(bits: &mut BitWriter, kind: Kind) {
    // first_mb_in_slice, slice_type (all slices of the picture are of it), pic_parameter_set_id, frame_num.
    bits.ue(0);
    bits.ue(if kind == Kind::Key { 7 } else { 5 });
    bits.ue(0);
    bits.bits(0, 8);
    match kind {
        // idr_pic_id, which is 1 or 2, and no marking of pictures.
        Kind::Key => {
            bits.ue(1);
            bits.bits(0b00, 2);
        }
        // num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0, adaptive_ref_pic_marking_mode_flag.
        Kind::Other => bits.bits(0b000, 3),
    }
    // slice_qp_delta; disable_deblocking_filter_idc: pixels stay as they are.
    bits.ue(0);
    bits.ue(1);
}

/// The sequence parameter set, with its start code.
fn parameters_of_sequence((width, height): (u32, u32), fps: Fps) -> Vec<u8> {
    let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
    let mut bits = BitWriter::default();
    // profile_idc and constraint flags: Constrained Baseline.
    bits.bits(66, 8);
    bits.bits(0b1100_0000, 8);
    bits.bits(level(columns * rows), 8);
    // seq_parameter_set_id; log2_max_frame_num_minus4; pic_order_cnt_type: order of display is order of decoding;
    // max_num_ref_frames.
    [0, 4, 2, 1].iter().for_each(|number| bits.ue(*number));
    bits.bits(0, 1);
    bits.ue(columns - 1);
    bits.ue(rows - 1);
    // frame_mbs_only_flag, direct_8x8_inference_flag.
    bits.bits(0b11, 2);
    // Cropping, in units of two pixels.
    let (right, bottom) = ((columns * 16 - width) / 2, (rows * 16 - height) / 2);
    let cropped = right + bottom > 0;
    bits.bits(u64::from(cropped), 1);
    if cropped {
        [0, right, 0, bottom].iter().for_each(|number| bits.ue(*number));
    }
    // VUI: no aspect ratio, no overscan; video signal: unspecified format, limited range, BT.601 by its matrix.
    bits.bits(0b1_0_0_1, 4);
    bits.bits(0b10101, 5);
    bits.bits(2 << 16 | 2 << 8 | 6, 24);
    // No chroma location; timing: two ticks a frame; no HRD; no picture structure.
    bits.bits(0b0_1, 2);
    bits.bits(1_000, 32);
    bits.bits(2 * u64::from(fps.milli()), 32);
    bits.bits(0b1000, 4);
    // Restrictions: none on sizes, no picture is held back.
    bits.bits(0b1_1, 2);
    [0, 0, 10, 10, 0, 1].iter().for_each(|number| bits.ue(*number));
    end(&mut bits);
    unit(PARAMETERS_OF_SEQUENCE, &bits.into_bytes())
}

/// The picture parameter set, with its start code.
fn parameters_of_picture() -> Vec<u8> {
    let mut bits = BitWriter::default();
    // pic_parameter_set_id, seq_parameter_set_id; CAVLC; one slice group; one reference; no weights; QP 26.
    [0, 0].iter().for_each(|number| bits.ue(*number));
    bits.bits(0b00, 2);
    [0, 0, 0].iter().for_each(|number| bits.ue(*number));
    bits.bits(0b000, 3);
    [0, 0, 0].iter().for_each(|number| bits.ue(*number));
    // deblocking_filter_control_present_flag.
    bits.bits(0b100, 3);
    end(&mut bits);
    unit(PARAMETERS_OF_PICTURE, &bits.into_bytes())
}

/// The lowest of a few levels that allows pictures of so many macroblocks, at 60 a second.
fn level(macroblocks: u32) -> u64 {
    match macroblocks {
        0..=1_620 => 31,
        1_621..=3_600 => 32,
        3_601..=8_704 => 42,
        _ => 52,
    }
}

/// The end of a unit: a one, and zeros up to a byte.
fn end(bits: &mut BitWriter) {
    bits.bits(1, 1);
    bits.align(false);
}

/// A unit with its start code, escaped: a 3 follows each two zero bytes that a small one follows.
fn unit(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut unit = START_CODE.to_vec();
    unit.push(kind);
    let mut zeros = 0;
    for byte in payload {
        if zeros == 2 && *byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        unit.push(*byte);
    }
    unit
}
