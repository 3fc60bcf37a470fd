//! Log lines: `[INFO] what happened`, or a JSON object a line.

use std::fmt;
use std::io;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::time::{UtcTime, WallAnchor};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: `[INFO] Using video codec: H264 (extension: .mp4)`.
    #[default]
    Text,
    /// For machines.
    Json,
}

impl LogFormat {
    /// The name used on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Text, Self::Json].into_iter().find(|f| f.name() == name)
    }
}

/// Sends this process's log to its standard error. Called once, first thing.
pub fn start(format: LogFormat) {
    let lines = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        // Who reads the log may go at any time; that is no reason to go too.
        .log_internal_errors(false)
        .with_max_level(Level::INFO);
    // A second call would be a mistake in main; the first one's choice stays.
    let _ = match format {
        LogFormat::Text => {
            tracing::subscriber::set_global_default(lines.with_ansi(false).event_format(Plain).finish())
        }
        LogFormat::Json => tracing::subscriber::set_global_default(
            lines.json().flatten_event(true).with_target(false).with_timer(Utc).finish(),
        ),
    };
}

struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(to, "[{}] ", event.metadata().level())?;
        ctx.field_format().format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}

struct Utc;

impl tracing_subscriber::fmt::time::FormatTime for Utc {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        write!(to, "{}", UtcTime::from_unix_ns(WallAnchor::now().unix_ns))
    }
}
