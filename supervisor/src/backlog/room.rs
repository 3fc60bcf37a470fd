//! The memory that this machine has for frames in shared memory, read from the system.

use proto::ring::segment;

use super::control_group;

/// Memory that has to stay free beside the rings, for the processes and for everything else on a small machine.
pub(crate) const MEMORY_FOR_THE_REST: u64 = 128 << 20;

/// The room for more frames in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// The memory of the machine that is free or can be freed, less what has to stay so.
    pub(crate) memory: u64,
    /// The free space of /dev/shm.
    pub(crate) shm: u64,
    /// The memory that the control group's limit leaves, shared memory included; `None` without a limit.
    pub(crate) control_group: Option<u64>,
}

impl Room {
    /// The room at this moment: whatever is there already, rings included, is not in it.
    pub(crate) fn now() -> Self {
        let shm = segment::available_bytes().unwrap_or(0);
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        // A system that doesn't say what is available has what fits into /dev/shm.
        let memory = available(&text).map_or(shm, less_the_rest);
        Self { memory, shm, control_group: control_group::left().map(less_the_rest) }
    }

    /// The room beside rings that are still to be made.
    pub(crate) fn beside(self, rings_bytes: u64) -> Self {
        Self {
            memory: self.memory.saturating_sub(rings_bytes),
            shm: self.shm.saturating_sub(rings_bytes),
            control_group: self.control_group.map(|left| left.saturating_sub(rings_bytes)),
        }
    }

    /// The room when so many bytes that are taken count as room too: those of a backlog that is there already.
    pub(crate) fn and(self, bytes: u64) -> Self {
        Self {
            memory: self.memory.saturating_add(bytes),
            shm: self.shm.saturating_add(bytes),
            control_group: self.control_group.map(|left| left.saturating_add(bytes)),
        }
    }

    /// All that there is.
    pub(crate) fn all(&self) -> u64 {
        self.memory.min(self.shm).min(self.control_group.unwrap_or(u64::MAX))
    }
}

fn less_the_rest(bytes: u64) -> u64 {
    bytes.saturating_sub(MEMORY_FOR_THE_REST)
}

/// The available memory in the text of /proc/meminfo.
fn available(text: &str) -> Option<u64> {
    let kib = text.lines().find_map(|l| l.strip_prefix("MemAvailable:")?.split_whitespace().next())?;
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read() {
        let text = "MemTotal:       24684132 kB\nMemAvailable:   23999999 kB\nSwapTotal: 0 kB\n";
        assert_eq!(available(text), Some(23_999_999 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(available("MemAvailable: 99999999999999999999 kB\n"), None);
    }

    #[test]
    fn rings_to_come_take_from_every_room() {
        let room = Room { memory: 10, shm: 20, control_group: Some(5) };
        assert_eq!(room.beside(7), Room { memory: 3, shm: 13, control_group: Some(0) });
        assert_eq!(room.and(7), Room { memory: 17, shm: 27, control_group: Some(12) });
        assert_eq!((room.all(), Room { control_group: None, ..room }.all()), (5, 10));
    }
}
