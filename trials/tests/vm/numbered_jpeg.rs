//! JPEGs that differ in a number only, which stands in a comment: a clip that holds them as they were sent can be read without
//! decoding anything.

use std::process::Command;

const START: [u8; 2] = [0xff, 0xd8];
const END: [u8; 2] = [0xff, 0xd9];
/// A comment of JPEG: its marker, and its length with the two bytes that hold it. The number follows in decimal.
const COMMENT: [u8; 4] = [0xff, 0xfe, 0, 14];
const DIGITS: usize = 12;

/// A picture to be numbered.
pub(crate) struct NumberedJpeg {
    picture: Vec<u8>,
}

impl NumberedJpeg {
    /// A test picture, drawn by ffmpeg.
    pub(crate) fn of_size(width: u32, height: u32) -> Self {
        let source = format!("testsrc=size={width}x{height}");
        let arguments = ["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", "1", "-f", "mjpeg", "-"];
        let picture = Command::new("ffmpeg").args(arguments).output().unwrap().stdout;
        assert!(picture.starts_with(&START) && picture.ends_with(&END), "a JPEG of ffmpeg");
        Self { picture }
    }

    /// The picture with this number in it.
    pub(crate) fn numbered(&self, number: u64) -> Vec<u8> {
        let number = format!("{number:0DIGITS$}");
        [&START, &COMMENT[..], number.as_bytes(), &self.picture[2..]].concat()
    }

    /// The numbers of all such pictures in a file, each checked to be there to its last byte.
    pub(crate) fn numbers_in(&self, file: &[u8]) -> Vec<u64> {
        let head = [&START[..], &COMMENT[..]].concat();
        let starts = (0..file.len()).filter(|at| file[*at..].starts_with(&head));
        starts
            .map(|at| {
                let digits = &file[at + head.len()..][..DIGITS];
                let number = std::str::from_utf8(digits).unwrap().parse().unwrap();
                assert!(file[at..].starts_with(&self.numbered(number)), "picture {number} is as it was sent");
                number
            })
            .collect()
    }
}
