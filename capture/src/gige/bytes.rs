//! The bytes of a frame that a camera has filled. The one place where memory of aravis is looked at.
#![expect(
    unsafe_code,
    reason = "aravis' bindings give a pointer and a length; the one block says why they hold"
)]

use aravis::{Buffer, BufferStatus};

/// A buffer that aravis has filled and handed out: a whole frame is in it.
pub(crate) struct Filled(Buffer);

impl Filled {
    /// The frame in a buffer that a stream has handed out; the buffer itself if no whole frame is in it.
    pub(crate) fn new(buffer: Buffer) -> Result<Self, Buffer> {
        if buffer.status() == BufferStatus::Success { Ok(Self(buffer)) } else { Err(buffer) }
    }

    /// The buffer, for what it says of its frame.
    pub(crate) fn buffer(&self) -> &Buffer {
        &self.0
    }

    /// The buffer, to be given back.
    pub(crate) fn into_buffer(self) -> Buffer {
        self.0
    }

    /// The bytes that came.
    pub(crate) fn bytes(&self) -> &[u8] {
        let (data, length) = self.0.data();
        if data.is_null() {
            return &[];
        }
        // SAFETY: `data` points to the `length` bytes that a frame has in the buffer's own memory, which lives as long as the
        // buffer, and the buffer as long as `self`, from which the slice borrows. Nobody writes there meanwhile: the stream's
        // thread has given the buffer away, and gets it back by `into_buffer` alone, which takes `self`. All of them were
        // written, since the frame is whole.
        unsafe { std::slice::from_raw_parts(data, length) }
    }
}
