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
