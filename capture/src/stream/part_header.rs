//! The headers between two JPEGs of a stream, as far as they matter: `X-Timestamp`, the time that ESP32 cameras, mjpg-streamer and others
//! send with each picture. Pure.

use memchr::memmem;

/// The headers of a picture are shorter; of more bytes the last count.
const LONGEST: usize = 1024;
const NAME: &[u8] = b"x-timestamp:";

/// The bytes since the last picture.
#[derive(Clone, Debug, Default)]
pub(super) struct PartHeader {
    bytes: Vec<u8>,
}

impl PartHeader {
    /// Adds bytes that belong to no picture.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let keep = &bytes[bytes.len().saturating_sub(LONGEST)..];
        self.bytes.extend(keep.iter().map(u8::to_ascii_lowercase));
        let over = self.bytes.len().saturating_sub(LONGEST);
        self.bytes.drain(..over);
    }

    /// The picture's time, in nanoseconds, if its headers have one. Forgets them.
    pub(super) fn take_ns(&mut self) -> Option<i64> {
        let place = memmem::rfind(&self.bytes, NAME).map(|place| place + NAME.len());
        let ns = place.and_then(|place| ns(&self.bytes[place..]));
        self.bytes.clear();
        ns
    }
}

/// Seconds with a fraction, at the beginning of some bytes.
fn ns(bytes: &[u8]) -> Option<i64> {
    let text = bytes.trim_ascii_start();
    let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(text.len());
    let text = str::from_utf8(&text[..end]).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let seconds: i64 = seconds.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(header: &str) -> Option<i64> {
        let mut part = PartHeader::default();
        // In pieces, as they arrive.
        header.as_bytes().chunks(5).for_each(|piece| part.add(piece));
        part.take_ns()
    }

    #[test]
    fn the_time_of_a_picture_is_read_however_servers_write_it() {
        for (header, ns) in [
            ("--frame\r\nContent-Type: image/jpeg\r\nX-Timestamp: 12.000345\r\n\r\n", Some(12_000_345_000)),
            ("--b\nx-timestamp:1764124320.5\nContent-Length: 7\n\n", Some(1_764_124_320_500_000_000)),
            ("X-TimeStamp:   7\r\n\r\n", Some(7_000_000_000)),
            ("X-Timestamp: 1.1234567899\r\n", Some(1_123_456_789)),
            ("X-Timestamp: 1.0\r\nX-Timestamp: 2.0\r\n", Some(2_000_000_000)),
            ("X-Timestamp: \r\n", None),
            ("X-Timestamp: -3.0\r\n", None),
            ("X-Timestamp: 1.2.3\r\n", None),
            ("X-Timestamp: 99999999999999999999\r\n", None),
            ("X-Timestamp: 9999999999999\r\n", None),
            ("Content-Type: image/jpeg\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(time(header), ns, "{header:?}");
        }
    }

    #[test]
    fn only_the_last_kilobyte_before_a_picture_is_kept_and_only_for_that_picture() {
        let mut part = PartHeader::default();
        part.add(b"X-Timestamp: 5.0\r\n");
        part.add(&[b'x'; 5_000]);
        assert_eq!((part.bytes.len(), part.take_ns()), (LONGEST, None));
        part.add(b"X-Timestamp: 5.0\r\n");
        assert_eq!([part.take_ns(), part.take_ns()], [Some(5_000_000_000), None]);
    }
}
