//! The log: lines of `TIME [INFO] message`, or a JSON object a line, on standard error, which all processes of an
//! instance share. Where standard error is the journal's, lines for people go to the journal's own socket instead
//! ([`journal`]), with priority and fields. What a panic writes is in [`crate::panics`].

mod journal;
mod json;

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::VisitOutput;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{DefaultVisitor, FormatEvent, FormatFields, Writer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::time::{UtcTime, WallAnchor};
use json::Json;

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: `2026-11-22T10:15:00.250Z [INFO] Using video codec: H264 (extension: .mp4)`.
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

/// True where standard error is the journal's: its lines have a time already.
static IS_JOURNAL: AtomicBool = AtomicBool::new(false);

/// Is this process's standard error the journal's? Known once the log is started.
#[must_use]
pub fn is_journal() -> bool {
    IS_JOURNAL.load(Ordering::Relaxed)
}

/// Sends this process's log to its standard error or to the journal, at level INFO and above. Called once, before
/// anything is logged.
///
/// `process` is what a person calls the process ("recorder"); `camera` is the one that the whole process serves, if it
/// serves one. Both stand beside each line as fields.
pub fn start(format: LogFormat, process: &str, camera: Option<&str>) {
    let is_journal = journal::is_standard_error();
    IS_JOURNAL.store(is_journal, Ordering::Relaxed);
    // JSON was asked for by name, so whoever reads the journal expects it there.
    if format == LogFormat::Text && is_journal {
        // Without the socket, standard error leads there too.
        if let Ok(layer) = journal::layer(process, camera) {
            let lines = tracing_subscriber::registry().with(LevelFilter::INFO).with(layer);
            // A second call would be a mistake in main; the first one's choice stays.
            let _ = tracing::subscriber::set_global_default(lines);
            return;
        }
    }
    let lines = tracing_subscriber::fmt()
        .with_writer(output)
        // The reader of standard error may go at any time. Complaining about that on standard error helps nobody.
        .log_internal_errors(false)
        .with_max_level(Level::INFO);
    let _ = match format {
        LogFormat::Text => {
            tracing::subscriber::set_global_default(lines.with_ansi(false).event_format(Plain).finish())
        }
        LogFormat::Json => {
            let json = Json::of(process, camera);
            tracing::subscriber::set_global_default(lines.with_ansi(false).event_format(json).finish())
        }
    };
}

/// The beginning of a line for people: the time, except in the journal, and the level.
#[must_use]
pub fn beginning(level: Level) -> String {
    if is_journal() { format!("[{level}] ") } else { format!("{} [{level}] ", now()) }
}

/// The time of a line: UTC, to the millisecond.
fn now() -> UtcTime {
    UtcTime::from_unix_ns(WallAnchor::now().unix_ns)
}

/// `TIME [LEVEL] message`. Fields beside the message (camera, clip) are for machines: the message names them in words.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(to, "{}", beginning(*event.metadata().level()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_people_begins_with_its_time_and_level() {
        let beginning = beginning(Level::WARN);
        let (time, level) = beginning.split_once(' ').unwrap();
        assert_eq!(level, "[WARN] ");
        let shape = time.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{time}");
    }
}
