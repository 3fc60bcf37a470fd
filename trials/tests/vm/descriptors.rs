//! What the USB camera says of itself, by the USB Video Class 1.1: one format of Motion JPEG, one of YUYV, each in one size at one
//! rate; exposure as its only controls.

/// The camera's make.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) serial: &'static str,
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) fps: u32,
}

impl Model {
    /// The bytes of a YUYV frame.
    pub(crate) fn raw_bytes(&self) -> usize {
        usize::from(self.width) * usize::from(self.height) * 2
    }

    /// The bytes of its largest frame.
    pub(crate) fn most_bytes(&self, is_jpeg: bool) -> u32 {
        if is_jpeg { 2_000_000 } else { u32::try_from(self.raw_bytes()).unwrap() }
    }
}

pub(crate) fn little_16(value: u16) -> [u8; 2] {
    value.to_le_bytes()
}

pub(crate) fn little_32(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

/// The device descriptor: a composite device of the Linux Foundation's test numbers.
pub(crate) fn device() -> Vec<u8> {
    vec![18, 1, 0, 2, 0xef, 2, 1, 64, 0x6b, 0x1d, 2, 1, 0, 1, 1, 2, 3, 1]
}

/// What it would say at another speed.
pub(crate) fn qualifier() -> Vec<u8> {
    vec![10, 6, 0, 2, 0xef, 2, 1, 64, 1, 0]
}

/// A string descriptor.
pub(crate) fn string(text: &str) -> Vec<u8> {
    let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut descriptor = vec![2 + u8::try_from(text.len()).unwrap(), 3];
    descriptor.extend(text);
    descriptor
}

/// The configuration with its two interfaces: control and streaming.
pub(crate) fn configuration(model: &Model) -> Vec<u8> {
    let (control, streaming) = (control(), streaming(model));
    let mut all = vec![9, 2, 0, 0, 2, 1, 0, 0x80, 250];
    // The two interfaces belong together.
    all.extend([8, 0x0b, 0, 2, 0x0e, 3, 0, 0]);
    all.extend([9, 4, 0, 0, 0, 0x0e, 1, 0, 0]);
    all.extend(control);
    all.extend([9, 4, 1, 0, 1, 0x0e, 2, 0, 0]);
    all.extend(streaming);
    // The bulk endpoint: 512 bytes a packet.
    all.extend([7, 5, 0x81, 2, 0, 2, 0]);
    with_length(all, 2)
}

/// Writes a descriptor's whole length where it belongs.
fn with_length(mut descriptor: Vec<u8>, at: usize) -> Vec<u8> {
    let length = little_16(u16::try_from(descriptor.len()).unwrap());
    descriptor[at..at + 2].copy_from_slice(&length);
    descriptor
}

fn control() -> Vec<u8> {
    let mut header = vec![13, 0x24, 1, 0, 1, 0, 0];
    header.extend(little_32(1_000_000));
    header.extend([1, 1]);
    // The lens, with its two controls of exposure; and the way to the host.
    header.extend([17, 0x24, 2, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x0a, 0]);
    header.extend([9, 0x24, 3, 3, 1, 1, 0, 1, 0]);
    with_length(header, 5)
}

fn streaming(model: &Model) -> Vec<u8> {
    let mut all = vec![15, 0x24, 1, 2, 0, 0, 0x81, 0, 3, 0, 0, 0, 1, 0, 0];
    all.extend([11, 0x24, 6, 1, 1, 0, 1, 0, 0, 0, 0]);
    all.extend(frame(model, 7, true));
    all.extend([6, 0x24, 0x0d, 1, 1, 4]);
    all.extend([27, 0x24, 4, 2, 1]);
    all.extend(b"YUY2\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71");
    all.extend([16, 1, 0, 0, 0, 0]);
    all.extend(frame(model, 5, false));
    all.extend([6, 0x24, 0x0d, 1, 1, 4]);
    with_length(all, 4)
}

fn frame(model: &Model, kind: u8, is_jpeg: bool) -> Vec<u8> {
    let interval = little_32(10_000_000 / model.fps);
    let mut frame = vec![30, 0x24, kind, 1, 0];
    frame.extend(little_16(model.width));
    frame.extend(little_16(model.height));
    frame.extend(little_32(1_000_000));
    frame.extend(little_32(800_000_000));
    frame.extend(little_32(model.most_bytes(is_jpeg)));
    frame.extend(interval);
    frame.push(1);
    frame.extend(interval);
    frame
}
