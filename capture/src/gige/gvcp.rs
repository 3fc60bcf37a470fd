//! Two questions to a GigE Vision camera by a datagram each, which need no control of it and disturb nobody who has it: is it
//! there, and what name has its owner given it? aravis tells neither. GVCP's packets are made and read here; the numbers are
//! those of the GigE Vision standard.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

/// The port of every camera.
const PORT: u16 = 3956;
/// The first byte of each command.
const KEY: u8 = 0x42;
/// An answer is wanted.
const ACKNOWLEDGE: u8 = 0x01;
const READ_MEMORY: u16 = 0x0084;
const MEMORY: u16 = 0x0085;
/// The register of the name that the owner has given, and its length.
const NAME: (u32, u16) = (0x00E8, 16);
/// The register of the standard's version: every camera has it.
const VERSION: (u32, u16) = (0x0000, 4);
/// The bytes of an answer before the memory: a head, and the address.
const BEFORE_MEMORY: usize = 12;

/// A camera that is asked.
pub(crate) struct Gvcp {
    socket: UdpSocket,
    id: u16,
}

impl Gvcp {
    /// The way to the camera at an address.
    ///
    /// # Errors
    /// There is no way to it, such as without any network.
    pub(crate) fn to(camera: Ipv4Addr) -> io::Result<Self> {
        Self::to_port(SocketAddrV4::new(camera, PORT))
    }

    fn to_port(camera: SocketAddrV4) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(camera)?;
        Ok(Self { socket, id: 0 })
    }

    /// Does the camera answer within this time? It may refuse: whoever refuses is there.
    pub(crate) fn answers(&mut self, within: Duration) -> bool {
        self.memory(VERSION, within).is_some()
    }

    /// The name that its owner has given the camera, unless it has none or gives no answer.
    pub(crate) fn name(&mut self, within: Duration) -> Option<String> {
        let memory = self.memory(NAME, within)?;
        let name = memory.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(name).trim().to_owned()).filter(|name| !name.is_empty())
    }

    /// A part of the camera's memory; empty if it refuses to show it.
    fn memory(&mut self, (address, bytes): (u32, u16), within: Duration) -> Option<Vec<u8>> {
        // 0 is no id of a question.
        self.id = self.id.checked_add(1).unwrap_or(1);
        self.socket.send(&question(self.id, address, bytes)).ok()?;
        let until = Instant::now() + within;
        let mut answer = [0; 64];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.set_read_timeout(Some(left)).ok()?;
            match self.socket.recv(&mut answer) {
                Ok(length) => {
                    if let Some(memory) = memory_in(&answer[..length], self.id) {
                        return Some(memory.to_vec());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The port is closed, or the time is over.
                Err(_) => return None,
            }
        }
    }
}

fn question(id: u16, address: u32, bytes: u16) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[0] = KEY;
    packet[1] = ACKNOWLEDGE;
    packet[2..4].copy_from_slice(&READ_MEMORY.to_be_bytes());
    packet[4..6].copy_from_slice(&8_u16.to_be_bytes());
    packet[6..8].copy_from_slice(&id.to_be_bytes());
    packet[8..12].copy_from_slice(&address.to_be_bytes());
    packet[14..16].copy_from_slice(&bytes.to_be_bytes());
    packet
}

/// The memory in the answer to a question; `None` of anything else. An answer with an error has none.
fn memory_in(packet: &[u8], id: u16) -> Option<&[u8]> {
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    if word(2)? != MEMORY || word(6)? != id {
        return None;
    }
    let is_error = word(0)? != 0;
    Some(if is_error { &[] } else { packet.get(BEFORE_MEMORY..).unwrap_or(&[]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A camera that answers each question as this function says.
    fn camera(answer: fn(&[u8]) -> Vec<Vec<u8>>, questions: usize) -> Gvcp {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for _ in 0..questions {
                let mut question = [0; 64];
                let (length, from) = socket.recv_from(&mut question).unwrap();
                for packet in answer(&question[..length]) {
                    socket.send_to(&packet, from).unwrap();
                }
            }
        });
        Gvcp::to_port(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).unwrap()
    }

    fn acknowledged(question: &[u8], status: u16, memory: &[u8]) -> Vec<u8> {
        let mut packet = status.to_be_bytes().to_vec();
        packet.extend(MEMORY.to_be_bytes());
        packet.extend(u16::try_from(4 + memory.len()).unwrap().to_be_bytes());
        packet.extend(&question[6..12]);
        packet.extend(memory);
        packet
    }

    #[test]
    fn a_camera_tells_the_name_that_its_owner_has_given_it() {
        let mut gvcp = camera(
            |question| {
                // From the standard's example of READMEM_CMD: key, flags, command, length, id, address, count.
                assert_eq!(question[..8], [0x42, 0x01, 0x00, 0x84, 0x00, 0x08, 0x00, 0x01]);
                assert_eq!(question[8..], [0x00, 0x00, 0x00, 0xE8, 0x00, 0x00, 0x00, 0x10]);
                vec![acknowledged(question, 0, b"gate left\0\0\0\0\0\0\0")]
            },
            1,
        );
        assert_eq!(gvcp.name(PATIENCE).as_deref(), Some("gate left"));
    }

    #[test]
    fn a_camera_without_a_name_has_none_and_is_there() {
        let mut gvcp = camera(|question| vec![acknowledged(question, 0, &[0; 16])], 2);
        assert_eq!(gvcp.name(PATIENCE), None);
        assert!(gvcp.answers(PATIENCE));
    }

    #[test]
    fn a_camera_that_refuses_is_there_and_late_answers_are_passed_over() {
        let mut gvcp = camera(
            |question| {
                let mut late = acknowledged(question, 0, b"another name");
                late[7] = late[7].wrapping_sub(1);
                vec![late, b"x".to_vec(), acknowledged(question, 0x8006, &[])]
            },
            2,
        );
        assert!(gvcp.answers(PATIENCE));
        assert_eq!(gvcp.name(PATIENCE), None);
    }

    #[test]
    fn nobody_answers_where_nobody_is() {
        let mut silent = camera(|_| Vec::new(), 1);
        assert!(!silent.answers(Duration::from_millis(20)));
        let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut gvcp = Gvcp::to_port(SocketAddrV4::new(Ipv4Addr::LOCALHOST, closed)).unwrap();
        assert!(!gvcp.answers(PATIENCE));
    }
}
