//! The keys of `recording`: where clips go, how long they are, how they are encoded.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::checker::Checker;
use super::keep::{self, KeepConfig};
use super::key::{Key, KeyOr, Row, Table};
use super::mapping;
use super::value::Mapping;
use super::{CameraConfig, Mistake};
use crate::codec::{Codec, X264_PRESETS};
use crate::name::Name;
use crate::ring::{RingSize, RingSpec};

/// The bytes that stay free for the rest of the system by default: enough for a person to log in and for the system to
/// log why, and small beside any disk that clips are recorded on.
const MIN_FREE_BYTES: u64 = 64 << 20;
/// A clip may last for no longer than a post-roll may: a day.
const LONGEST_CLIP_MS: u64 = 24 * 3600 * 1000;
/// The word that leaves a choice to Preroll.
const AUTO: &str = "auto";

static OUTPUT_DIR: KeyOr<String> = Key::text("output_dir", "folder's path").or("recordings");
static RUN_NAME: KeyOr<String> = Key::text("run_name", "name").such_as("practice").or("run");
static PRE_ROLL: KeyOr<u64> = Key::whole("pre_roll_ms", "milliseconds").or(500);
static POST_ROLL: KeyOr<u64> = Key::whole("post_roll_ms", "milliseconds").or(500);
static LATE: KeyOr<u64> = Key::whole("late_ms", "milliseconds").such_as("2000").or(0);
static RESERVE: KeyOr<u64> = Key::whole("reserve_ms", "milliseconds").or(200);
static BACKLOG: Key<u64> =
    Key::whole("backlog_bytes", "bytes").such_as("1073741824").or_words("what the machine affords");
static PREFERRED_CODEC: KeyOr<String> = Key::one_of("preferred_codec", codecs).or(AUTO);
static CODEC_QUALITY: KeyOr<u64> = Key::range("codec_quality", 0, 51, "best").or(23);
static PRESET: KeyOr<String> = Key::one_of("preset", presets).or(AUTO);
static JPEG_CONTAINER: KeyOr<String> =
    Key::one_of("jpeg_container", containers).or(JpegContainer::Mov.name());
static OVERLAP: KeyOr<String> = Key::one_of("overlap", overlaps).or(Overlap::Separate.name());
static MAX_CLIP: KeyOr<u64> = Key::range("max_clip_ms", 1, LONGEST_CLIP_MS, "").or(600_000);
static MAX_OPEN_CLIPS: KeyOr<u64> = Key::range("max_open_clips", 1, 64, "").or(16);
static POSTER: KeyOr<bool> = Key::flag("poster").or(true);
static STANDBY_RECORDER: KeyOr<bool> = Key::flag("standby_recorder").or(true);
static MIN_FREE: KeyOr<u64> = Key::whole("min_free_bytes", "bytes").or(MIN_FREE_BYTES);
static KEEP: Key<Mapping> = Key::mapping("keep", &keep::TABLE, "{ max_bytes: 500000000000 }");
static KEYS: &[&Row] = &[
    &OUTPUT_DIR.row,
    &RUN_NAME.row,
    &PRE_ROLL.row,
    &POST_ROLL.row,
    &LATE.row,
    &RESERVE.row,
    &BACKLOG.row,
    &PREFERRED_CODEC.row,
    &CODEC_QUALITY.row,
    &PRESET.row,
    &JPEG_CONTAINER.row,
    &OVERLAP.row,
    &MAX_CLIP.row,
    &MAX_OPEN_CLIPS.row,
    &POSTER.row,
    &STANDBY_RECORDER.row,
    &MIN_FREE.row,
    &KEEP.row,
];
/// The keys of `recording`. `session` was the name of `run_name` before 0.2.
pub(super) static TABLE: Table = Table::with_renamed(&[KEYS], &[("session", "run_name")]);

fn codecs() -> Vec<&'static str> {
    std::iter::once(AUTO).chain(Codec::ALL.map(Codec::name)).collect()
}

fn presets() -> Vec<&'static str> {
    std::iter::once(AUTO).chain(X264_PRESETS).collect()
}

fn containers() -> Vec<&'static str> {
    JpegContainer::ALL.map(JpegContainer::name).to_vec()
}

fn overlaps() -> Vec<&'static str> {
    Overlap::ALL.map(Overlap::name).to_vec()
}

/// The fate of a trigger whose window begins in that of an open clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The open clip grows, and lists the trigger.
    Extend,
    /// It gets a clip of its own, which shares frames with the other.
    #[default]
    Separate,
}

impl Overlap {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Extend, Self::Separate];

    /// The name used in configs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Extend => "extend",
            Self::Separate => "separate",
        }
    }
}

/// The file that JPEGs are put into as their camera sends them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JpegContainer {
    /// QuickTime: each frame has its own time, in microseconds.
    #[default]
    Mov,
    /// AVI, which has a constant rate.
    Avi,
}

impl JpegContainer {
    /// Every container.
    pub const ALL: [Self; 2] = [Self::Mov, Self::Avi];

    /// The name used in configs, and the end of the file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mov => "mov",
            Self::Avi => "avi",
        }
    }
}

/// `recording` as it was typed.
#[derive(Clone, Default)]
pub(super) struct TypedRecording(pub(super) Mapping);

impl<'de> Deserialize<'de> for TypedRecording {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mapping::read(&TABLE, deserializer).map(Self)
    }
}

/// The settings of `recording`, checked. Its eighteen fields are the keys of one mapping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingConfig {
    /// The folder in which run folders are made.
    pub output_dir: PathBuf,
    /// The name that run folders begin with.
    pub run_name: Name,
    /// Before the trigger.
    pub pre_roll_ms: u64,
    /// After the trigger.
    pub post_roll_ms: u64,
    /// The time that a trigger may come late by and still get its whole pre-roll.
    pub late_ms: u64,
    /// The time that an encoder may be late by, or away for, without losing a frame.
    pub reserve_ms: u64,
    /// The most memory that frames may take which the encoder hasn't reached in time, all cameras together; 0 keeps none.
    /// `None` takes what the machine affords.
    pub backlog_bytes: Option<u64>,
    /// A codec by name; `None` goes down the chain.
    pub preferred_codec: Option<Codec>,
    /// CRF, 0 (lossless) to 51; lower is better and larger.
    pub codec_quality: u8,
    /// An x264 preset by name; `None` takes the best that keeps up.
    pub preset: Option<String>,
    /// The file for JPEGs that are copied.
    #[serde(default)]
    pub jpeg_container: JpegContainer,
    /// The fate of a trigger whose window begins in that of an open clip.
    #[serde(default)]
    pub overlap: Overlap,
    /// A clip that nobody ends is ended so long after its first trigger.
    #[serde(default = "max_clip")]
    pub max_clip_ms: u64,
    /// Clips that may be open at once.
    pub max_open_clips: usize,
    /// Finished clips get posters: the trigger's frame of each camera as a JPEG.
    #[serde(default = "yes")]
    pub poster: bool,
    /// Keep a second recorder waiting, started and idle, to take over from one that ends.
    pub standby_recorder: bool,
    /// With less than this free, the disk counts as full.
    pub min_free_bytes: u64,
    /// For how long clips stay on the disk by themselves.
    #[serde(default)]
    pub keep: KeepConfig,
}

/// The default in a config that an older version has checked.
fn yes() -> bool {
    true
}

/// The default in a config that an older version has checked.
fn max_clip() -> u64 {
    MAX_CLIP.default
}

impl RecordingConfig {
    /// The shape of a camera's ring; `None` if no ring can be so large.
    #[must_use]
    pub fn ring_spec(&self, camera: &CameraConfig) -> Option<RingSpec> {
        let (geometry, fps) = (camera.geometry, camera.fps);
        let (pre_roll, late, reserve) = (self.pre_roll_ms, self.late_ms, self.reserve_ms);
        if let Some(stream) = camera.stream() {
            let (size, arena) = stream.size(pre_roll, late, reserve, fps)?;
            return Some(RingSpec::compressed(geometry, fps, size, camera.payload, arena));
        }
        let size = RingSize::for_camera(pre_roll, late, reserve, fps)?;
        Some(RingSpec::planes(geometry, fps, size))
    }
}

impl Checker<'_> {
    pub(super) fn recording(&self, typed: &Mapping) -> Result<RecordingConfig, Mistake> {
        let preferred_codec = self.preferred_codec(typed)?;
        let preset = self.preset(typed)?;
        let jpeg_container = self.word(typed, &JPEG_CONTAINER, &JpegContainer::ALL.map(|c| (c.name(), c)))?;
        let overlap = self.word(typed, &OVERLAP, &Overlap::ALL.map(|o| (o.name(), o)))?;
        let codec_quality = self.in_range(typed, &CODEC_QUALITY)?;
        let max_open_clips = self.in_range(typed, &MAX_OPEN_CLIPS)?;
        if let Some((old, new, at)) = &typed.renamed {
            let message =
                format!("{old}: this key is called {new} now: it is the name that run folders begin with");
            return self.wrong(*at, message);
        }
        let run_name = match typed.typed(&RUN_NAME) {
            Some(name) => self.name(&name, "run_name")?,
            None => Name::default_run(),
        };
        let output_dir = match typed.typed(&OUTPUT_DIR) {
            Some(folder) => self.path(&folder, "output_dir")?,
            None => OUTPUT_DIR.default.into(),
        };
        let (pre_roll_ms, post_roll_ms) = self.rolls(typed)?;
        let min_free_bytes = typed.or_default(&MIN_FREE);
        let keep = self.keep(&typed.get(&KEEP).map(|keep| keep.value).unwrap_or_default(), min_free_bytes)?;
        Ok(RecordingConfig {
            output_dir,
            run_name,
            pre_roll_ms,
            post_roll_ms,
            late_ms: self.span_or_default(typed, &LATE)?,
            reserve_ms: self.span_or_default(typed, &RESERVE)?,
            backlog_bytes: typed.get(&BACKLOG).map(|bytes| bytes.value),
            preferred_codec,
            codec_quality: u8::try_from(codec_quality).unwrap_or(u8::MAX),
            preset,
            jpeg_container,
            overlap,
            max_clip_ms: self.in_range(typed, &MAX_CLIP)?,
            max_open_clips: usize::try_from(max_open_clips).unwrap_or(usize::MAX),
            poster: typed.or_default(&POSTER),
            standby_recorder: typed.or_default(&STANDBY_RECORDER),
            min_free_bytes,
            keep,
        })
    }

    /// Pre-roll and post-roll, which may not both be nothing: every trigger that names no span of its own would be refused.
    fn rolls(&self, typed: &Mapping) -> Result<(u64, u64), Mistake> {
        let rolls = (self.span_or_default(typed, &PRE_ROLL)?, self.span_or_default(typed, &POST_ROLL)?);
        if rolls == (0, 0)
            && let Some(at) = typed.place("post_roll_ms")
        {
            let message = "pre_roll_ms and post_roll_ms are both 0, and a clip of no length holds no frame; let one of them \
                           be more than 0";
            return self.wrong(at, message);
        }
        Ok(rolls)
    }

    fn preferred_codec(&self, typed: &Mapping) -> Result<Option<Codec>, Mistake> {
        let Some(typed) = typed.typed(&PREFERRED_CODEC) else { return Ok(None) };
        if typed.value.eq_ignore_ascii_case(AUTO) {
            return Ok(None);
        }
        if let Some(codec) = Codec::from_name(&typed.value) {
            return Ok(Some(codec));
        }
        let message = format!("preferred_codec: {:?} is not one of {}", typed.value, codecs().join(", "));
        self.wrong(typed.at, message)
    }

    fn preset(&self, typed: &Mapping) -> Result<Option<String>, Mistake> {
        let Some(typed) = typed.typed(&PRESET) else { return Ok(None) };
        if typed.value == AUTO {
            return Ok(None);
        }
        if X264_PRESETS.contains(&typed.value.as_str()) {
            return Ok(Some(typed.value));
        }
        let message = format!("preset: {:?} is not auto or one of {}", typed.value, X264_PRESETS.join(", "));
        self.wrong(typed.at, message)
    }

    /// The value that a word of a key's own stands for, upper or lower case.
    fn word<T: Copy + Default>(
        &self,
        typed: &Mapping,
        key: &'static KeyOr<String>,
        words: &[(&'static str, T)],
    ) -> Result<T, Mistake> {
        let Some(typed) = typed.typed(key) else { return Ok(T::default()) };
        if let Some((_, value)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&typed.value)) {
            return Ok(*value);
        }
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("{}: {:?} is not one of {}", key.row.name, typed.value, words.join(", "));
        self.wrong(typed.at, message)
    }
}
