//! `Transfer-Encoding: chunked`, undone: an ESP32 sends its stream in chunks, asked to or not, and a chunk's end may lie in the
//! middle of a JPEG.

/// The place in a chunked body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In the line before a chunk.
    #[default]
    BeforeLength,
    /// In its number.
    Length(usize),
    /// Behind its number.
    AfterLength(usize),
    /// In a chunk that has so many bytes left.
    Data(usize),
    /// At the line's end behind a chunk.
    AfterData,
    /// Behind the last chunk.
    End,
}

/// A body that says that it is chunked and isn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotChunked;

/// No chunk is longer: a larger number is no length.
const MOST: usize = 1 << 30;

impl Chunked {
    /// Appends what the chunks hold to `content`.
    pub(super) fn undo(&mut self, mut bytes: &[u8], content: &mut Vec<u8>) -> Result<(), NotChunked> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Self::Data(left) = *self {
                let here = left.min(bytes.len());
                content.extend_from_slice(&bytes[..here]);
                bytes = &bytes[here..];
                *self = if here < left { Self::Data(left - here) } else { Self::AfterData };
                continue;
            }
            bytes = rest;
            *self = self.after(byte)?;
        }
        Ok(())
    }

    /// The place behind a byte that is not data.
    fn after(self, byte: u8) -> Result<Self, NotChunked> {
        let digit = char::from(byte).to_digit(16).map(|digit| digit as usize);
        match (self, byte, digit) {
            (Self::End, ..) => Ok(Self::End),
            (Self::BeforeLength, _, Some(digit)) => Ok(Self::Length(digit)),
            (Self::Length(length), _, Some(digit)) => {
                let length = length * 16 + digit;
                if length <= MOST { Ok(Self::Length(length)) } else { Err(NotChunked) }
            }
            (Self::Length(0) | Self::AfterLength(0), b'\n', _) => Ok(Self::End),
            (Self::Length(length) | Self::AfterLength(length), b'\n', _) => Ok(Self::Data(length)),
            (Self::Length(length) | Self::AfterLength(length), ..) => Ok(Self::AfterLength(length)),
            (Self::AfterData, b'\r', _) => Ok(Self::AfterData),
            (Self::AfterData, b'\n', _) => Ok(Self::BeforeLength),
            _ => Err(NotChunked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn undone(pieces: &[&[u8]]) -> Result<Vec<u8>, NotChunked> {
        let (mut chunked, mut content) = (Chunked::default(), Vec::new());
        pieces.iter().try_for_each(|piece| chunked.undo(piece, &mut content))?;
        Ok(content)
    }

    #[test]
    fn chunks_are_put_together() {
        let body = b"4\r\nWiki\r\n7;name=value\r\npedia i\r\nB\nn \r\nchunks.\n0\r\nExpires: never\r\n\r\n";
        assert_eq!(undone(&[body]).unwrap(), b"Wikipedia in \r\nchunks.");
    }

    #[test]
    fn a_body_that_is_not_chunked_is_told_from_one_that_is() {
        for body in [&b"--frame\r\n"[..], b"4\r\nWikix", b"\r\n", b"fffffffff\r\n"] {
            assert_eq!(undone(&[body]), Err(NotChunked), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            size in 1_usize..9,
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
            }
            body.extend(b"0\r\n\r\n");
            let pieces: Vec<&[u8]> = body.chunks(size).collect();
            prop_assert_eq!(undone(&pieces), Ok(chunks.concat()));
        }
    }
}
