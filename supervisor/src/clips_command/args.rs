//! The command line of `clips`, as typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct ClipsArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(subcommand)]
    pub(crate) command: Option<ClipsCommand>,
}

/// The place of the clips.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The output folder: the one that run folders lie in. Default: that of the instance that runs, else ./recordings
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,
    /// The config whose output_dir is meant, and whose recording.keep counts for prune
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct ListArgs {
    /// Only clips of this label
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    pub(crate) label: Option<String>,
    /// Only clips of this verdict (may be repeated)
    #[arg(long = "verdict", value_enum, value_name = "VERDICT")]
    pub(crate) verdicts: Vec<Word>,
    /// Only clips whose trigger is not older: 90m, 24h, 7d; a date (2026-11-22, in UTC); or a time as trigger --at takes it
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Only clips one of whose triggers brought this (may be repeated: all of them)
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub(crate) meta: Vec<String>,
    /// As JSON: a list
    #[arg(long)]
    pub(crate) json: bool,
}

impl ListArgs {
    /// Was nothing typed?
    pub(crate) fn is_empty(&self) -> bool {
        let Self { label, verdicts, since, meta, json } = self;
        label.is_none() && verdicts.is_empty() && since.is_none() && meta.is_empty() && !json
    }
}

/// The standing of a clip, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Word {
    /// Every frame that was asked for is there
    Complete,
    /// The pre-roll is shorter than asked for
    Short,
    /// Preroll was stopped before its end
    EndedEarly,
    /// Frames are missing
    Gaps,
    /// Being recorded
    Open,
    /// Not readable: the manifest is damaged
    Unreadable,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClipsCommand {
    /// List clips, the newest first
    List(ListArgs),
    /// Show all that is known of a clip
    Show {
        /// The clip's id, a trigger's, or a short form that fits one clip: clip-0001 of the newest run
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep clips: neither retention nor `remove` takes them away
    Keep {
        /// The clips, as for show
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Undo keep
    Release {
        /// The clips, as for show
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Add a note to a clip
    Note {
        /// The clip, as for show
        #[arg(value_name = "ID")]
        id: String,
        /// The note: up to 4 KiB
        #[arg(value_name = "TEXT", allow_hyphen_values = true)]
        text: String,
    },
    /// Decode finished clips, and compare them with their timestamps, their manifests and their sums
    ///
    /// The exit code is 4 if anything is wrong, and the answer names the file or the camera. A clip that lacks frames and says so is
    /// not wrong, and nor is one whose sums are still to be made.
    Verify(VerifyArgs),
    /// Give a finished clip away: its files, one video of all cameras, its frames as pictures
    ///
    /// Without an option: a copy of its folder, compared with its sums. Whatever is made is there whole or not at all. Prints the
    /// paths. docs/clips.md shows what each option makes.
    Export(ExportArgs),
    /// Remove finished clips from the disk, for good
    ///
    /// Nothing is removed if one of them isn't known, is kept, or is still being recorded (exit code 2).
    Remove {
        /// The clips, as for show
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Remove the clips that the config's recording.keep leaves no room for, as a running instance does by itself
    Prune {
        /// Only list them
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The clip, as for show
    #[arg(value_name = "ID", required_unless_present = "all", allow_hyphen_values = true)]
    pub(crate) id: Option<String>,
    /// Every finished clip
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
    /// As JSON: what verify --json prints; with --all a list of that
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The clip, as for show
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// The folder that it goes to, outside of the clip's run folder
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// One archive of its files, ID.zip
    #[arg(long)]
    pub(crate) zip: bool,
    /// One video of all cameras beside each other on one clock, ID.mp4
    #[arg(long)]
    pub(crate) side_by_side: bool,
    /// Below each picture label, camera, frame number and time from the trigger, and wall time; the trigger's frame is marked.
    /// Without --frames it means --side-by-side too
    #[arg(long)]
    pub(crate) burn_in: bool,
    /// Each frame as a picture, in a folder a camera, in ID-frames
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) frames: Option<PictureFormat>,
}

/// The format of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PictureFormat {
    /// Without loss
    Png,
}
