//! `<camera>_timestamps.csv`: one row for each frame of the video, in the video's order.

/// The header of the recorder Preroll began from; its users' tools read these names.
pub const HEADER: &str = "camera_id,frame_index,t_capture_monotonic_ns,sequence,t_rel_us,flags";
/// The header of clips with a manifest of schema 1: today's begins with it.
pub const HEADER_OF_SCHEMA_1: &str = "camera_id,frame_index,t_capture_monotonic_ns";

/// A row of the CSV. The camera's name and the count of frames in it are the recorder's own affair: the oracle
/// compares the number of rows and their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The camera, as the recorder names it.
    pub camera_id: String,
    /// The recorder's number for the frame.
    pub frame_index: u64,
    /// The capture time, CLOCK_MONOTONIC.
    pub t_ns: u64,
    /// The columns behind it; `None` in a clip of schema 1.
    pub more: Option<More>,
}

/// What a row says since schema 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct More {
    /// The ring's number of the frame, as gaps name it.
    pub sequence: u64,
    /// The capture time minus the trigger's moment, in microseconds, rounded down.
    pub t_rel_us: i64,
    /// A letter for each thing that is special about the frame.
    pub flags: String,
}

/// A reason why a CSV can't be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampsError {
    /// The first line is neither [`HEADER`] nor [`HEADER_OF_SCHEMA_1`].
    #[error("line 1: expected `{HEADER}`, found `{found}`")]
    Header {
        /// The line as it stands.
        found: String,
    },
    /// A line isn't a row.
    #[error("line {line}: not a row: `{found}`")]
    Row {
        /// Counted from 1, the header being line 1.
        line: usize,
        /// The line as it stands.
        found: String,
    },
    /// The last line has no end.
    #[error("line {line}: torn, it has no line end")]
    Torn {
        /// Counted from 1, the header being line 1.
        line: usize,
    },
}

/// Parses a whole file.
pub fn parse(text: &str) -> Result<Vec<Row>, TimestampsError> {
    let header = text.lines().next().unwrap_or_default();
    if header != HEADER && header != HEADER_OF_SCHEMA_1 {
        return Err(TimestampsError::Header { found: header.to_owned() });
    }
    if !text.ends_with('\n') {
        return Err(TimestampsError::Torn { line: text.lines().count() });
    }
    (2..)
        .zip(text.lines().skip(1))
        .map(|(line, found)| {
            parse_row(found, header == HEADER)
                .ok_or_else(|| TimestampsError::Row { line, found: found.to_owned() })
        })
        .collect()
}

fn parse_row(line: &str, has_more: bool) -> Option<Row> {
    let mut cells = line.split(',');
    let mut row = Row {
        camera_id: cells.next()?.to_owned(),
        frame_index: cells.next()?.parse().ok()?,
        t_ns: cells.next()?.parse().ok()?,
        more: None,
    };
    if has_more {
        row.more = Some(More {
            sequence: cells.next()?.parse().ok()?,
            t_rel_us: cells.next()?.parse().ok()?,
            flags: cells.next()?.to_owned(),
        });
    }
    cells.next().is_none().then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_in_order() {
        let rows = parse(&format!("{HEADER}\nleft,0,100,7,-3,\nleft,1,200,8,-2,rd\n")).unwrap();
        assert_eq!(rows.len(), 2);
        let more = Some(More { sequence: 8, t_rel_us: -2, flags: "rd".into() });
        assert_eq!(rows[1], Row { camera_id: "left".into(), frame_index: 1, t_ns: 200, more });
    }

    #[test]
    fn rows_of_schema_1_are_read_too() {
        let rows = parse(&format!("{HEADER_OF_SCHEMA_1}\nleft,0,100\nleft,1,200\n")).unwrap();
        assert_eq!(rows[1], Row { camera_id: "left".into(), frame_index: 1, t_ns: 200, more: None });
        assert!(parse(&format!("{HEADER_OF_SCHEMA_1}\nleft,0,100,7,-3,\n")).is_err());
    }

    #[test]
    fn a_header_alone_is_a_clip_without_frames() {
        assert_eq!(parse(&format!("{HEADER}\n")), Ok(vec![]));
    }

    #[test]
    fn anything_else_is_named() {
        assert!(matches!(parse(""), Err(TimestampsError::Header { .. })));
        assert!(matches!(parse("left,0,100\n"), Err(TimestampsError::Header { .. })));
        assert!(matches!(parse(&format!("{HEADER}\nleft,0\n")), Err(TimestampsError::Row { line: 2, .. })));
        assert!(matches!(parse(&format!("{HEADER}\nleft,0,1,2\n")), Err(TimestampsError::Row { .. })));
        assert!(matches!(parse(&format!("{HEADER}\nleft,0,1,2,3,,\n")), Err(TimestampsError::Row { .. })));
        assert!(matches!(
            parse(&format!("{HEADER}\nleft,0,10,1,1,")),
            Err(TimestampsError::Torn { line: 2 })
        ));
    }
}
