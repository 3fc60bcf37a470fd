//! The log: lines of `[INFO] message`, or a JSON object a line. All processes of an instance write to one standard
//! error, so all write in one format. What a panic writes is in [`crate::panics`].

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::VisitOutput;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{DefaultVisitor, FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::time::{UtcTime, WallAnchor};

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: `[INFO] Using video codec: H264 (extension: .mp4)`.
    #[default]
    Text,
    /// For machines: `{"timestamp":…,"level":"INFO","message":…}`.
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

/// The place of log lines once standard error is something else.
static KEPT: OnceLock<File> = OnceLock::new();

/// Has log lines written to `output` from here on, whatever becomes of standard error. The first call holds.
pub fn keep_output(output: File) {
    let _ = KEPT.set(output);
}

fn output() -> Box<dyn io::Write> {
    match KEPT.get() {
        Some(kept) => Box::new(kept),
        None => Box::new(io::stderr()),
    }
}

/// Sends this process's log to its standard error, at level INFO and above. Called once, before anything is logged.
pub fn start(format: LogFormat) {
    let lines = tracing_subscriber::fmt()
        .with_writer(output)
        // The reader of standard error may go at any time. Complaining about that on standard error helps nobody.
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

/// `[LEVEL] message`. Fields beside the message (camera, clip) are for machines: the message names them in words.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(to, "[{}] ", event.metadata().level())?;
        let mut message = MessageOnly(DefaultVisitor::new(to.by_ref(), true));
        event.record(&mut message);
        message.0.finish()?;
        writeln!(to)
    }
}

/// Writes an event's message as the library does, with control characters escaped, and passes the other fields over.
struct MessageOnly<'a>(DefaultVisitor<'a>);

impl Visit for MessageOnly<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.record_debug(field, value);
        }
    }
}

/// The time of a JSON line: UTC, to the millisecond.
struct Utc;

impl tracing_subscriber::fmt::time::FormatTime for Utc {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        write!(to, "{}", UtcTime::from_unix_ns(WallAnchor::now().unix_ns))
    }
}
