//! The answer to DESCRIBE: what the camera says of its stream (SDP). Pure.

use super::film::{Codec, Film};
use super::words::Words;

/// The payload type of a film's packets.
pub(super) fn payload_type(codec: Codec) -> u8 {
    if codec == Codec::Jpeg { 26 } else { 96 }
}

/// The description of a film.
pub(super) fn of(film: &Film, words: &Words) -> String {
    let mut lines: Vec<String> =
        ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "t=0 0", "a=control:*"].map(Into::into).into();
    if words.has("audio") {
        lines.extend(["m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=control:audio"].map(Into::into));
    }
    let number = payload_type(film.codec);
    lines.extend([
        format!("m=video 0 RTP/AVP {number}"),
        "c=IN IP4 0.0.0.0".into(),
        "a=control:video".into(),
    ]);
    let sets: Vec<String> = film.parameter_sets().into_iter().map(base64).collect();
    let are_told = !words.has("nosdpsps");
    match film.codec {
        _ if words.has("vp8") => lines.push(format!("a=rtpmap:{number} VP8/90000")),
        Codec::Jpeg => lines.push(format!("a=rtpmap:{number} JPEG/90000")),
        Codec::H264 => {
            let sps = film.parameter_sets()[0];
            let profile = format!("profile-level-id={:02X}{:02X}{:02X}", sps[1], sps[2], sps[3]);
            let told =
                if are_told { format!(";sprop-parameter-sets={}", sets.join(",")) } else { String::new() };
            lines.push(format!("a=rtpmap:{number} H264/90000"));
            lines.push(format!("a=fmtp:{number} packetization-mode=1;{profile}{told}"));
        }
        Codec::H265 => {
            lines.push(format!("a=rtpmap:{number} H265/90000"));
            if let ([vps, sps, pps], true) = (&sets[..], are_told) {
                lines.push(format!("a=fmtp:{number} sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}"));
            }
        }
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        let letter = |at: usize| char::from(LETTERS[bits >> (18 - 6 * at) & 63]);
        (0..4).for_each(|at| text.push(if at <= three.len() { letter(at) } else { '=' }));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::film::{Start, Unit};
    use super::*;

    fn film(codec: Codec, pieces: &[&[u8]]) -> Film {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        Film { codec, units: vec![Unit { number: 0, start: Start::Key, pieces }], delay: 0 }
    }

    #[test]
    fn base64_is_the_standards() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }

    #[test]
    fn parameter_sets_are_told_or_left_out() {
        let film = film(Codec::H264, &[&[0x67, 0x42, 0xC0, 0x0D], &[0x68, 1], &[0x65]]);
        let says = |words| of(&film, &Words::parse(words).unwrap());
        assert!(says("ok").contains("profile-level-id=42C00D;sprop-parameter-sets=Z0LADQ==,aAE=\r\n"));
        assert!(!says("nosdpsps").contains("sprop"));
        assert!(says("vp8").contains("VP8/90000") && !says("vp8").contains("H264"));
        assert!(says("audio").find("m=audio").unwrap() < says("audio").find("m=video").unwrap());
    }
}
