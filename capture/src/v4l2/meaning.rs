//! The kernel's structures as the plain values of [`super::kernel`]. Pure.

use proto::time::MonotonicNs;

use super::format::FourCc;
use super::kernel::{
    Capability, ControlInfo, ControlKind, Filled, Fraction, FrameInterval, FrameSize, NodeKind, Picture,
};
use super::structs::{
    DISCRETE, EXTENDED, HAS_A_CHOICE_OF_RATES, V4l2Buffer, V4l2Capability, V4l2Fract, V4l2FrmIvalEnum,
    V4l2FrmSizeEnum, V4l2PixFormat, V4l2QueryCtrl, V4l2QueryMenu, V4l2StreamParm,
};

/// `V4L2_CTRL_FLAG_NEXT_CTRL`.
pub(super) const NEXT_CONTROL: u32 = 0x8000_0000;
/// `V4L2_CTRL_FLAG_DISABLED`.
const CONTROL_DISABLED: u32 = 0x0001;
/// `V4L2_CTRL_FLAG_READ_ONLY`.
const CONTROL_READ_ONLY: u32 = 0x0004;
/// `V4L2_BUF_FLAG_KEYFRAME`.
const KEY_FRAME: u32 = 0x0008;
/// `V4L2_BUF_FLAG_ERROR`.
const DAMAGED: u32 = 0x0040;
/// `V4L2_BUF_FLAG_TIMESTAMP_MASK`, and its value of the monotonic clock.
const CLOCK_OF_TIMES: (u32, u32) = (0xe000, 0x2000);

/// Are a buffer's times of the monotonic clock?
pub(super) fn is_monotonic(flags: u32) -> bool {
    let (mask, monotonic) = CLOCK_OF_TIMES;
    flags & mask == monotonic
}

/// A device as `VIDIOC_QUERYCAP` describes it.
pub(super) fn capability(found: &V4l2Capability) -> Capability {
    Capability {
        driver: text(&found.driver),
        card: text(&found.card),
        bus: text(&found.bus_info),
        kind: node_kind(found),
    }
}

/// A row of sizes.
pub(super) fn frame_size(found: &V4l2FrmSizeEnum) -> FrameSize {
    let [a, b, c, d, e, f] = found.size;
    if found.typ == DISCRETE {
        FrameSize::Discrete(a, b)
    } else {
        FrameSize::Stepwise { least: (a, d), most: (b, e), step: (c, f) }
    }
}

/// A row of times from frame to frame.
pub(super) fn frame_interval(found: &V4l2FrmIvalEnum) -> FrameInterval {
    let [shortest, longest, _] = found.interval.map(fraction);
    if found.typ == DISCRETE {
        FrameInterval::Discrete(shortest)
    } else {
        FrameInterval::Between { shortest, longest }
    }
}

/// A node's kind, by what it can do itself; by what its whole device can, where the driver doesn't say more.
fn node_kind(found: &V4l2Capability) -> NodeKind {
    const HAS_DEVICE_CAPS: u32 = 0x8000_0000;
    let can = if found.capabilities & HAS_DEVICE_CAPS == 0 { found.capabilities } else { found.device_caps };
    const CAPTURES: u32 = 0x0000_0001;
    const CAPTURES_IN_PLANES: u32 = 0x0000_1000;
    const CAPTURES_METADATA: u32 = 0x0080_0000;
    const STREAMS: u32 = 0x0400_0000;
    if can & CAPTURES != 0 && can & STREAMS != 0 {
        NodeKind::Capture
    } else if can & CAPTURES_IN_PLANES != 0 {
        NodeKind::MultiPlanar
    } else if can & CAPTURES_METADATA != 0 {
        NodeKind::Metadata
    } else {
        NodeKind::Other
    }
}

fn control_kind(typ: u32) -> ControlKind {
    match typ {
        1 => ControlKind::Integer,
        2 => ControlKind::Flag,
        3 => ControlKind::Menu,
        9 => ControlKind::NumberMenu,
        // A set of bits is a number too.
        8 => ControlKind::Integer,
        _ => ControlKind::Other,
    }
}

/// A picture format.
pub(super) fn picture(pix: &V4l2PixFormat) -> Picture {
    let is_extended = pix.private == EXTENDED;
    let extended = |value| if is_extended { value } else { 0 };
    Picture {
        format: FourCc(pix.pixelformat),
        size: (pix.width, pix.height),
        stride_bytes: pix.bytesperline,
        most_bytes: pix.sizeimage,
        field: pix.field,
        colorspace: pix.colorspace,
        encoding: extended(pix.ycbcr_enc),
        quantization: extended(pix.quantization),
        transfer: extended(pix.xfer_func),
    }
}

/// A fraction.
pub(super) fn fraction(of: V4l2Fract) -> Fraction {
    Fraction { numerator: of.numerator, denominator: of.denominator }
}

/// The time from frame to frame, if the device says it.
pub(super) fn interval_of(found: &V4l2StreamParm) -> Option<Fraction> {
    let interval = fraction(found.timeperframe);
    let says_it = found.capability & HAS_A_CHOICE_OF_RATES != 0 || interval.numerator > 0;
    Some(interval).filter(|interval| says_it && interval.numerator > 0 && interval.denominator > 0)
}

/// A dequeued buffer.
pub(super) fn filled(found: &V4l2Buffer) -> Filled {
    let stamp = is_monotonic(found.flags).then(|| {
        let seconds = u64::try_from(found.seconds).unwrap_or(0);
        let microseconds = u64::try_from(found.microseconds).unwrap_or(0);
        MonotonicNs(seconds.saturating_mul(1_000_000_000).saturating_add(microseconds.saturating_mul(1_000)))
    });
    Filled {
        index: found.index,
        used_bytes: found.bytesused,
        sequence: found.sequence,
        stamp,
        is_damaged: found.flags & DAMAGED != 0,
        is_key: found.flags & KEY_FRAME != 0,
    }
}

/// The first 32 bits of the union of a buffer's place: the offset to map.
pub(super) fn low_half(place: u64) -> u32 {
    let [a, b, c, d, ..] = place.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// A control as `VIDIOC_QUERYCTRL` describes it.
pub(super) fn control(found: &V4l2QueryCtrl) -> ControlInfo {
    ControlInfo {
        id: found.id,
        name: text(&found.name),
        kind: control_kind(found.typ),
        least: found.minimum,
        most: found.maximum,
        step: found.step,
        can_be_set: found.flags & (CONTROL_DISABLED | CONTROL_READ_ONLY) == 0,
    }
}

/// A menu's choice as `VIDIOC_QUERYMENU` names it.
pub(super) fn choice(found: &V4l2QueryMenu, kind: ControlKind) -> String {
    let [a, b, c, d, e, f, g, h, ..] = found.choice;
    match kind {
        ControlKind::NumberMenu => i64::from_ne_bytes([a, b, c, d, e, f, g, h]).to_string(),
        _ => text(&found.choice),
    }
}

/// A text that ends at its first zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_what_it_can_do_itself_and_not_what_its_device_can() {
        let kind = |capabilities, device_caps| {
            node_kind(&V4l2Capability { capabilities, device_caps, ..V4l2Capability::default() })
        };
        // A UVC camera's two nodes: pictures, and metadata.
        assert_eq!(kind(0x84a0_0001, 0x0420_0001), NodeKind::Capture);
        assert_eq!(kind(0x84a0_0001, 0x04a0_0000), NodeKind::Metadata);
        assert_eq!(kind(0x8420_1000, 0x0420_1000), NodeKind::MultiPlanar);
        assert_eq!(kind(0x0400_0001, 0), NodeKind::Capture, "an old driver");
        assert_eq!(kind(0x8420_0002, 0x0420_0002), NodeKind::Other);
    }

    #[test]
    fn a_time_of_another_clock_is_none() {
        let buffer = V4l2Buffer { seconds: 3, microseconds: 500_001, ..V4l2Buffer::default() };
        let uvc = V4l2Buffer { flags: 0x1_2001, ..buffer };
        assert_eq!(filled(&uvc).stamp, Some(MonotonicNs(3_500_001_000)));
        for flags in [0, 0x4000, 0x6000] {
            assert_eq!(filled(&V4l2Buffer { flags, ..buffer }).stamp, None, "{flags:#x}");
        }
        let negative = V4l2Buffer { flags: 0x2000, seconds: -1, microseconds: -1, ..buffer };
        assert_eq!(filled(&negative).stamp, Some(MonotonicNs(0)));
        assert!(filled(&V4l2Buffer { flags: 0x40, ..buffer }).is_damaged);
    }

    #[test]
    fn a_choice_is_a_name_or_a_number() {
        let named = |bytes: &[u8]| {
            let mut found = V4l2QueryMenu::default();
            found.choice[..bytes.len()].copy_from_slice(bytes);
            found
        };
        assert_eq!(choice(&named(b"Manual Mode"), ControlKind::Menu), "Manual Mode");
        assert_eq!(choice(&named(&(-250_i64).to_ne_bytes()), ControlKind::NumberMenu), "-250");
    }

    #[test]
    fn the_rows_of_sizes_and_rates_are_read_by_their_kind() {
        let row = V4l2FrmSizeEnum { typ: 3, size: [64, 1920, 8, 48, 1080, 4], ..V4l2FrmSizeEnum::default() };
        let stepwise = FrameSize::Stepwise { least: (64, 48), most: (1920, 1080), step: (8, 4) };
        assert_eq!(frame_size(&row), stepwise);
        assert_eq!(frame_size(&V4l2FrmSizeEnum { typ: 1, ..row }), FrameSize::Discrete(64, 1920));
        let third = V4l2Fract { numerator: 1, denominator: 3 };
        let row = V4l2FrmIvalEnum { typ: 1, interval: [third; 3], ..V4l2FrmIvalEnum::default() };
        let discrete = FrameInterval::Discrete(Fraction { numerator: 1, denominator: 3 });
        assert_eq!(frame_interval(&row), discrete);
        assert!(matches!(frame_interval(&V4l2FrmIvalEnum { typ: 2, ..row }), FrameInterval::Between { .. }));
    }

    #[test]
    fn a_device_without_a_choice_of_rates_may_still_say_its_rate() {
        let parm = |capability, numerator, denominator| {
            let mut parm = V4l2StreamParm::of(V4l2Fract { numerator, denominator });
            parm.capability = capability;
            interval_of(&parm)
        };
        let third = Some(Fraction { numerator: 1, denominator: 3 });
        assert_eq!(parm(0x1000, 1, 3), third);
        assert_eq!(parm(0, 1, 3), third);
        assert_eq!((parm(0x1000, 0, 0), parm(0, 1, 0)), (None, None));
    }
}
