//! One camera's last moments in shared memory: one writer, up to sixteen readers, no locks.
//!
//! From the inside out:
//! - [`state`]: the 64-bit word that tells which frame a slot holds and who leases it;
//! - `step`: between two steps of publishing, where the writer may die;
//! - `order`: the memory orderings, by the name of their synchronisation point;
//! - [`protocol`]: who may touch which slot when; atomics only, so loom can check it;
//! - `overwriting`: which frames the writer comes to next, and how soon;
//! - [`place`]: where a frame lies, by its slot;
//! - [`arena`]: how the writer shares the arena among frames that differ in length;
//! - `contradiction`: what no writer and reader can have left behind;
//! - [`layout`]: the number of slots, and the place of everything in the segment; [`header`]: its first page;
//! - [`time`]: the capture's word on its frames' times;
//! - [`lost_pages`]: how a process survives a segment that was cut short;
//! - [`segment`]: the named shared memory itself;
//! - [`shared`]: the ring in that memory: [`Ring`]; [`error`]: what may be wrong with it;
//! - `slot_header`: a frame's numbers, in its place before its bytes;
//! - `starts`: the key frame from which each frame decodes;
//! - `waking`: sleeping until there is a newer frame;
//! - [`writer`]: the capture's end: [`RingWriter`], [`WriteSlot`];
//! - [`reader`]: the recorder's end: [`RingReader`], [`Lease`]; `reader_locks`: who has which reader bit;
//! - [`viewer`]: [`Viewer`], which only looks; `read_only`: the memory that it looks at.

pub mod arena;
mod contradiction;
pub mod header;
pub mod layout;
mod order;
mod overwriting;
pub mod place;
pub mod protocol;
pub mod state;
mod step;
pub mod time;

#[cfg(feature = "host")]
pub mod error;
#[cfg(feature = "host")]
pub mod lost_pages;
#[cfg(feature = "host")]
mod read_only;
#[cfg(feature = "host")]
pub mod reader;
#[cfg(feature = "host")]
mod reader_locks;
#[cfg(feature = "host")]
pub mod segment;
#[cfg(feature = "host")]
pub mod shared;
#[cfg(feature = "host")]
mod slot_header;
#[cfg(feature = "host")]
mod starts;
#[cfg(feature = "host")]
pub mod viewer;
#[cfg(feature = "host")]
mod waking;
#[cfg(feature = "host")]
pub mod writer;

#[cfg(feature = "host")]
pub use error::{Broken, RingError};
#[cfg(feature = "host")]
pub use reader::{Lease, RingReader};
#[cfg(feature = "host")]
pub use segment::SegmentName;
#[cfg(feature = "host")]
pub use shared::Ring;
#[cfg(feature = "host")]
pub use viewer::Viewer;
#[cfg(feature = "host")]
pub use writer::{RingWriter, WriteSlot};

pub use layout::{Arena, RingSize, RingSpec, Stream};
pub use overwriting::Endangered;
pub use protocol::Miss;
pub use state::ReaderBit;
pub use time::RingTime;
