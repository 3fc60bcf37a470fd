//! The bound of the backlog: the most memory that frames of open clips may take which the encoder hasn't reached when
//! the ring needs their place. Pure; what the machine has is read in [`room`]. Moving frames is the recorder's part.

mod control_group;
pub(crate) mod left_over;
pub(crate) mod needed;
pub(crate) mod pace;
pub(crate) mod room;
pub(crate) mod segments;

use std::fmt;

use proto::storage::mb;
use room::Room;

/// The most that is taken unasked: some 1500 frames of 1280x720 in I420, or 12 s of two such cameras at 60 frames/s that
/// nothing encodes at all. Whoever wants more has thought about what else needs the memory, and names it.
const MOST_BY_DEFAULT: u64 = 2 << 30;

/// A bound, and what was asked for if that is more than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The bytes that the backlog may take; 0 when there is to be none.
    pub(crate) bytes: u64,
    /// The config's own bound, where it is larger than the room there is.
    too_large: Option<u64>,
}

impl Bound {
    /// The bound on a machine with so much room beside the rings. `asked`: the config's own.
    pub(crate) fn of(asked: Option<u64>, room: &Room) -> Self {
        match asked {
            None => Self { bytes: by_default(room), too_large: None },
            Some(asked) if asked > room.all() => Self { bytes: room.all(), too_large: Some(asked) },
            Some(asked) => Self { bytes: asked, too_large: None },
        }
    }

    /// A sentence for a person who has asked for more than there is.
    pub(crate) fn warning(&self) -> Option<String> {
        let asked = self.too_large?;
        Some(format!(
            "recording.backlog_bytes: {asked} bytes ({:.0} MB) are more than the {} bytes ({:.0} MB) that are available \
             beside the rings; {} bytes are the bound. Name less, or leave the key out",
            mb(asked),
            self.bytes,
            mb(self.bytes),
            self.bytes
        ))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes == 0 {
            return f.write_str("none: frames that the encoder doesn't reach within the ring are lost");
        }
        let megabytes = mb(self.bytes);
        write!(
            f,
            "up to {megabytes:.1} MB more, only while a clip's frames wait longer than the ring holds them"
        )
    }
}

/// A quarter of the memory leaves the most of it to the encoders and to whatever else runs, and half of /dev/shm leaves
/// room for a second instance. A control group's limit is this instance's own.
fn by_default(room: &Room) -> u64 {
    let own = room.control_group.unwrap_or(u64::MAX);
    (room.memory / 4).min(room.shm / 2).min(own).min(MOST_BY_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_default_is_the_least_of_four() {
        let room = |memory, shm, control_group| Room { memory, shm, control_group };
        for (has, bytes) in [
            (room(64 * GIB, 32 * GIB, None), 2 * GIB),
            (room(4 * GIB, 32 * GIB, None), GIB),
            (room(64 * GIB, GIB, None), GIB / 2),
            (room(64 * GIB, 32 * GIB, Some(300)), 300),
            (room(64 * GIB, 32 * GIB, Some(u64::MAX)), 2 * GIB),
            (room(0, 32 * GIB, None), 0),
            (room(64 * GIB, 0, None), 0),
            (room(64 * GIB, 32 * GIB, Some(0)), 0),
        ] {
            assert_eq!(Bound::of(None, &has), Bound { bytes, too_large: None }, "{has:?}");
        }
    }

    #[test]
    fn a_bound_of_the_config_holds_as_far_as_there_is_room() {
        let room = Room { memory: 10 * GIB, shm: 8 * GIB, control_group: None };
        for asked in [0, 1, 3 * GIB, 8 * GIB] {
            let bound = Bound::of(Some(asked), &room);
            assert_eq!((bound.bytes, bound.warning()), (asked, None));
        }
        let bound = Bound::of(Some(8 * GIB + 1), &room);
        assert_eq!(bound.bytes, 8 * GIB);
        assert!(bound.to_string().starts_with("up to 8589.9 MB more"), "{bound}");
        assert!(Bound::of(Some(0), &room).to_string().starts_with("none"));
        let said = bound.warning().unwrap();
        assert!(said.contains("recording.backlog_bytes") && said.contains("8589934593 bytes"), "{said}");
        let in_a_group = Room { control_group: Some(GIB), ..room };
        assert_eq!(Bound::of(Some(2 * GIB), &in_a_group).bytes, GIB);
    }
}
