//! `<camera>_timestamps.csv`, read back. Pure.

use proto::clip::CSV_HEADER;

/// The columns of clips of schema 1, with which today's begin.
const OF_SCHEMA_1: &str = "camera_id,frame_index,t_capture_monotonic_ns";

/// A frame by its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) t_ns: u64,
    /// The ring's number of the frame; none in clips of schema 1.
    pub(crate) sequence: Option<u64>,
    /// The row says that the frame is not whole.
    pub(crate) damaged: bool,
    /// The frame is from before the clip's window.
    pub(crate) lead_in: bool,
}

/// Reads the rows of a camera. `trigger_ns`: the moment that times in the file are relative to.
///
/// # Errors
/// A sentence on the first line that is wrong.
pub(crate) fn read(text: &str, camera: &str, trigger_ns: u64) -> Result<Vec<Row>, String> {
    let header = text.lines().next().unwrap_or_default();
    if header != CSV_HEADER && header != OF_SCHEMA_1 {
        return Err("line 1 is not the header of a clip's timestamps".into());
    }
    if !text.ends_with('\n') {
        return Err(format!("line {} is cut off", text.lines().count()));
    }
    let mut rows: Vec<Row> = Vec::new();
    for (index, line) in (0_u64..).zip(text.lines().skip(1)) {
        let wrong = |what: &str| format!("line {} {what}", index + 2);
        let row = row(line, camera, index, trigger_ns, header == CSV_HEADER).map_err(wrong)?;
        if rows.last().is_some_and(|last| last.t_ns >= row.t_ns) {
            return Err(wrong("has a time that is no later than the row's before it"));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn row(line: &str, camera: &str, index: u64, trigger_ns: u64, is_whole: bool) -> Result<Row, &'static str> {
    const NO_ROW: &str = "is no row of timestamps";
    let mut cells = line.split(',');
    if cells.next() != Some(camera) {
        return Err("is of another camera");
    }
    if cells.next().and_then(|cell| cell.parse().ok()) != Some(index) {
        return Err("has another number than its place");
    }
    let t_ns: u64 = cells.next().and_then(|cell| cell.parse().ok()).ok_or(NO_ROW)?;
    let mut row = Row { t_ns, ..Row::default() };
    if is_whole {
        row.sequence = Some(cells.next().and_then(|cell| cell.parse().ok()).ok_or(NO_ROW)?);
        let relative: i128 = cells.next().and_then(|cell| cell.parse().ok()).ok_or(NO_ROW)?;
        if relative != (i128::from(t_ns) - i128::from(trigger_ns)).div_euclid(1000) {
            return Err("has a t_rel_us that doesn't follow from its time and the trigger's");
        }
        let flags = cells.next().ok_or(NO_ROW)?;
        (row.damaged, row.lead_in) = (flags.contains('d'), flags.contains('l'));
    }
    cells.next().is_none().then_some(row).ok_or(NO_ROW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_flags() {
        let text = format!("{CSV_HEADER}\nleft,0,1500,7,-1,l\nleft,1,4000,8,2,rd\n");
        let rows = read(&text, "left", 2000).unwrap();
        let first = Row { t_ns: 1500, sequence: Some(7), damaged: false, lead_in: true };
        assert_eq!(rows, [first, Row { t_ns: 4000, sequence: Some(8), damaged: true, lead_in: false }]);
        let old = format!("{OF_SCHEMA_1}\nleft,0,1500\n");
        assert_eq!(read(&old, "left", 0).unwrap(), [Row { t_ns: 1500, ..Row::default() }]);
        assert_eq!(read(&format!("{CSV_HEADER}\n"), "left", 0), Ok(vec![]));
    }

    #[test]
    fn the_first_line_that_is_wrong_is_named() {
        for (body, said) in [
            ("left,0,1500,7,-1,", "line 2 is cut off"),
            ("right,0,1500,7,-1,\n", "line 2 is of another camera"),
            ("left,0,1500,7,-1,\nleft,2,4000,8,2,\n", "line 3 has another number"),
            ("left,0,1500,7,-1,\nleft,1,1500,8,-1,\n", "line 3 has a time that is no later"),
            ("left,0,1500,7,5,\n", "line 2 has a t_rel_us"),
            ("left,0,1500,7,-1,,\n", "line 2 is no row"),
            ("left,0,1500\n", "line 2 is no row"),
        ] {
            let error = read(&format!("{CSV_HEADER}\n{body}"), "left", 2000).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        assert!(read("", "left", 0).unwrap_err().contains("header"));
    }
}
