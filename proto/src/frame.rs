//! A frame: the kind of its payload, the format of its pixels, its rate, the clock of its time, and what is known of it besides. Where frames are kept is in
//! [`crate::ring`].

mod capture_time;
mod decoding;
mod geometry;
mod info;
mod payload;
mod rate;
mod tags;

pub use capture_time::{CaptureTime, TimeOfSource};
pub use decoding::{DecodesFrom, Decoding};
pub use geometry::{Geometry, GeometryError, MAX_SIDE_PIXELS, PixelFormat, Plane, ROW_ALIGN_BYTES};
pub use info::{FrameFlags, FrameInfo, LossBefore};
pub use payload::Payload;
pub use rate::Fps;
pub use tags::{FieldOrder, PictureTags, PixelShape, Range, Rotation};
