//! Everything that makes a clip false, as a sentence that a person can act on.

use serde::Serialize;

/// A reason why a clip is false. Frames count from 0, in the order of play.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// The clip was begun and never finished.
    #[error("the folder has no manifest: the clip is unfinished")]
    Unfinished,
    /// The manifest can't be read.
    #[error("the manifest can't be read: {why}")]
    ManifestUnreadable {
        /// In words.
        why: String,
    },
    /// A manifest without cameras.
    #[error("the manifest names no camera")]
    NoCamera,
    /// The window ends before it starts.
    #[error("the window ends before it starts")]
    WindowBackwards,
    /// A camera that the clip owes, and that the clip doesn't mention.
    #[error(
        "camera `{camera}` is owed (it made {made} frames in the window), and the manifest doesn't name it"
    )]
    CameraLeftOut {
        /// The camera.
        camera: String,
        /// Frames in the truth log.
        made: usize,
    },
    /// A camera that the trigger didn't ask for.
    #[error("camera `{camera}` is in the clip, and the trigger didn't ask for it")]
    CameraNotAsked {
        /// The camera.
        camera: String,
    },
    /// Two cameras show the same stamps.
    #[error("`{camera}` and `{other}` both show frames of camera {index}")]
    SameCameraTwice {
        /// The first camera.
        camera: String,
        /// The second camera.
        other: String,
        /// The camera index in both's stamps.
        index: u8,
    },

    /// A name that leaves the clip's folder.
    #[error("`{name}` is not the plain name of a file in the clip's folder")]
    NotAPlainName {
        /// As it stands in the manifest.
        name: String,
    },
    /// The stretches that the manifest lists are not the video's frames in order.
    #[error("the stretches don't fit the frames, from frame {frame} on")]
    StretchesElsewhere {
        /// The first frame.
        frame: u64,
    },
    /// A video that is named and can't be decoded at all.
    #[error("{file} can't be decoded: {why}")]
    Undecodable {
        /// The file.
        file: String,
        /// In words.
        why: String,
    },
    /// Some of a video can't be decoded.
    #[error("{file} is damaged: {why}")]
    DecodeError {
        /// The file.
        file: String,
        /// In words.
        why: String,
    },
    /// The CSV can't be read.
    #[error("{file} can't be read: {why}")]
    TimestampsUnreadable {
        /// The file.
        file: String,
        /// In words.
        why: String,
    },

    /// Frames are missing and nobody says so.
    #[error("frames lost and not declared: {frames}")]
    SilentLoss {
        /// The number of frames.
        frames: u64,
    },
    /// More is declared missing than is.
    #[error("frames declared missing that are not: {frames}")]
    DeclaredTooMuch {
        /// The number of frames.
        frames: u64,
    },
    /// The declared sum is right, the places aren't: one hole is silent and another invented.
    #[error("the declared gaps don't fit the holes: missing {holes:?} in turn, declared {declared:?}")]
    GapsElsewhere {
        /// Sizes of the holes between the frames present.
        holes: Vec<u64>,
        /// Sizes of the declared gaps.
        declared: Vec<u64>,
    },
    /// The same frame twice.
    #[error("frame {frame} shows sequence {sequence} again")]
    Duplicate {
        /// The later of both frames.
        frame: usize,
        /// The camera's frame number.
        sequence: i64,
    },
    /// An earlier frame after a later one.
    #[error("frame {frame} shows sequence {sequence}, after {after}")]
    Reordered {
        /// The frame that comes too late.
        frame: usize,
        /// The camera's frame number.
        sequence: i64,
        /// The highest frame number before it.
        after: i64,
    },
    /// No stamp, or a torn one.
    #[error("frame {frame} has no readable stamp: torn, or not this camera's picture")]
    Torn {
        /// The frame.
        frame: usize,
    },
    /// The decoder concealed an error.
    #[error("frame {frame} is damaged: the decoder patched it up")]
    Damaged {
        /// The frame.
        frame: usize,
    },
    /// Another camera's frame.
    #[error("frame {frame} is of camera {found}, not {wanted}")]
    WrongCamera {
        /// The frame.
        frame: usize,
        /// In its stamp.
        found: u8,
        /// In the manifest, or in most stamps.
        wanted: u8,
    },
    /// A frame from before or after the window.
    #[error("frame {frame} (sequence {sequence}) is {by_us} us outside the window")]
    OutsideWindow {
        /// The frame.
        frame: usize,
        /// The camera's frame number.
        sequence: i64,
        /// The distance.
        by_us: u64,
    },
    /// A row of the CSV from before or after the window.
    #[error("the CSV's time at frame {frame} is {by_us} us outside the window")]
    RowOutsideWindow {
        /// The first such row.
        frame: usize,
        /// The distance.
        by_us: u64,
    },
    /// The frame that stood when the window began is not where it may be, or not as it is claimed.
    #[error(
        "lead_in_frames is {claimed}; frames before the window at its beginning: {found}, or their flags are wrong"
    )]
    LeadInDiffers {
        /// In the manifest.
        claimed: u64,
        /// By the CSV's times.
        found: usize,
    },
    /// Players are told to begin elsewhere than with the window's first frame.
    #[error("{file} shows {shown} frames to a player, and {due} are behind its lead-in")]
    LeadInShown {
        /// The video.
        file: String,
        /// By libav, which goes by what the file says of its beginning.
        shown: usize,
        /// Its frames without those before the window.
        due: usize,
    },
    /// The rows that the manifest calls damaged are not those that are marked so.
    #[error("the manifest's damaged rows and the CSV's flags differ, from frame {frame} on")]
    DamagedDiffers {
        /// The first such row.
        frame: usize,
    },
    /// A frame the camera never made.
    #[error("frame {frame} shows sequence {sequence}, which the truth log doesn't hold")]
    NeverMade {
        /// The frame.
        frame: usize,
        /// The camera's frame number.
        sequence: i64,
    },

    /// The manifest miscounts its frames.
    #[error("frames_written is {claimed}, the video holds {decoded}")]
    WrittenDiffers {
        /// In the manifest.
        claimed: u64,
        /// In the video.
        decoded: u64,
    },
    /// The manifest miscounts the frames due.
    #[error("frames_expected is {claimed}, {expected} were due")]
    ExpectedDiffers {
        /// In the manifest.
        claimed: u64,
        /// By the oracle's count.
        expected: u64,
    },
    /// The manifest calls the clip complete, and frames are missing.
    #[error("the clip is called complete; frames missing: {missing}")]
    CalledComplete {
        /// The number of frames.
        missing: u64,
    },

    /// The verdict isn't the one that the claims beside it amount to.
    #[error("the verdict is {claimed:?} (complete: {complete}), and by the rest of the manifest it is {due}")]
    VerdictDiffers {
        /// In the manifest.
        claimed: String,
        /// `complete` in the manifest.
        complete: bool,
        /// By its other fields.
        due: String,
    },

    /// The triggers don't agree with each other or with the window.
    #[error("the clip's triggers: {why}")]
    TriggersDiffer {
        /// In words.
        why: String,
    },
    /// A trigger's place in a video isn't where the times of its frames have it.
    #[error("trigger {trigger} is not at its offset_s in the video")]
    TriggerElsewhere {
        /// Its id.
        trigger: String,
    },

    /// A row a frame, or the CSV is of no use.
    #[error("the CSV has {rows} rows, the video {frames} frames")]
    RowsDiffer {
        /// In the CSV.
        rows: usize,
        /// In the video.
        frames: usize,
    },
    /// The CSV says other capture times than the camera.
    #[error(
        "{rows} CSV times are not the camera's: the first at frame {frame}, {csv_ns}, made at {truth_ns}"
    )]
    TimesDiffer {
        /// Rows that differ.
        rows: usize,
        /// The first such frame.
        frame: usize,
        /// In the CSV.
        csv_ns: u64,
        /// In the truth log.
        truth_ns: u64,
    },
    /// The columns behind the time are missing, or don't agree with it.
    #[error("the CSV's sequence, time from the trigger or flags at frame {frame} can't be right")]
    ColumnsDiffer {
        /// The first such row.
        frame: usize,
    },
    /// Capture times that stand still or go back.
    #[error("the CSV's time at frame {frame} is not after the one before it")]
    TimesNotIncreasing {
        /// The first such row.
        frame: usize,
    },
    /// A frame without a time of display.
    #[error("frame {frame} has no PTS")]
    PtsMissing {
        /// The first such frame.
        frame: usize,
    },
    /// Video time that stands still or goes back.
    #[error("frame {frame}'s PTS is not after the one before it")]
    PtsNotIncreasing {
        /// The frame.
        frame: usize,
    },
    /// The video plays at other times than the frames were captured at.
    #[error("{frames} PTS are off the CSV's times: the first at frame {frame}, by {by_us} us")]
    PtsOffCapture {
        /// The number of frames.
        frames: usize,
        /// The first such frame.
        frame: usize,
        /// The distance.
        by_us: i64,
    },
}
