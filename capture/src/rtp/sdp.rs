//! The parameter sets of H.264 and H.265 in a description of streams (SDP): `sprop-parameter-sets` (RFC 6184, 8.2.1),
//! `sprop-vps`, `sprop-sps` and `sprop-pps` (RFC 7798, 7.1). Pure. Nothing else of a description is read here.

/// Put before each set.
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// No set is longer: the rest is passed over.
const LONGEST: usize = 4096;

/// The parameter sets that the description has for its stream number `index` (from 0), each behind a start code; in the order
/// in which they are needed. A set that can't be read is left out: most cameras send theirs among the frames too.
#[must_use]
pub fn parameter_sets(description: &str, index: usize) -> Vec<u8> {
    let lines = description.lines().map(str::trim_end);
    let mut streams = 0;
    let of_stream = lines.filter(|line| {
        streams += usize::from(line.starts_with("m="));
        streams == index + 1
    });
    let parameters = of_stream
        .filter_map(|line| line.strip_prefix("a=fmtp:")?.split_once(' '))
        .flat_map(|(_, parameters)| parameters.split(';'))
        .filter_map(|parameter| parameter.trim().split_once('='));
    let mut sets = [Vec::new(), Vec::new(), Vec::new()];
    for (name, value) in parameters {
        let place = match name.to_ascii_lowercase().as_str() {
            "sprop-vps" => 0,
            "sprop-sps" | "sprop-parameter-sets" => 1,
            "sprop-pps" => 2,
            _ => continue,
        };
        for set in value.split(',').filter_map(|set| decoded(set.trim())) {
            // Some cameras put start codes into them (the depacketizer of frames takes those too).
            let set = set.strip_prefix(&START_CODE).unwrap_or(&set);
            if !set.is_empty() && set.len() <= LONGEST {
                sets[place].extend(START_CODE.iter().chain(set));
            }
        }
    }
    sets.concat()
}

/// Base64 (RFC 4648, 4) undone; `None` for what is none.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFF_FFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.extend(u8::try_from(bits >> count & 0xFF));
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTION: &str = "v=0\r\ns=x\r\nm=audio 0 RTP/AVP 0\r\na=fmtp:0 sprop-sps=AAAA\r\n\
        m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
        a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0IAKeKQFAe2AtwEBAaQeJEV,aM48gA==; profile-level-id=420029\r\n\
        m=video 0 RTP/AVP 97\r\na=fmtp:97 sprop-pps=RAHA; sprop-vps=QAEM,; sprop-sps=AAAAAUIBAQ==\r\n";

    #[test]
    fn the_sets_of_one_stream_are_found() {
        let sps = [0x67, 0x42, 0, 0x29, 0xE2, 0x90, 0x14, 7, 0xB6, 2, 0xDC, 4, 4, 6, 0x90, 0x78, 0x91, 0x15];
        let expected = [&START_CODE[..], &sps, &START_CODE, &[0x68, 0xCE, 0x3C, 0x80]].concat();
        assert_eq!(parameter_sets(DESCRIPTION, 1), expected);
        let h265 =
            [&[0, 0, 0, 1, 0x40, 1, 0x0C][..], &[0, 0, 0, 1, 0x42, 1, 1], &[0, 0, 0, 1, 0x44, 1, 0xC0]];
        assert_eq!(parameter_sets(DESCRIPTION, 2), h265.concat());
    }

    #[test]
    fn what_is_no_set_is_left_out() {
        for description in [
            "",
            "m=video 0 RTP/AVP 96",
            "m=video 0 RTP/AVP 96\na=fmtp:96",
            "m=video 0 RTP/AVP 96\na=fmtp:96 sprop-parameter-sets",
            "m=video 0 RTP/AVP 96\na=fmtp:96 sprop-parameter-sets=Z0*A,=",
        ] {
            assert!(parameter_sets(description, 0).is_empty(), "{description:?}");
        }
        assert!(parameter_sets(DESCRIPTION, 3).is_empty());
    }
}
