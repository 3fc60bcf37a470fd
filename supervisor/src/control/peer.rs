//! The process at the other end of a connection, as the kernel noted it when the connection was made, and whether it may
//! give commands.
#![expect(
    unsafe_code,
    reason = "rustix has no pid 0, which a peer of another pid namespace has, and no groups of a peer; both blocks say why \
              they may"
)]

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use proto::process::Pid;

/// The groups that are asked for at first. Most processes are in fewer.
const FEW_GROUPS: usize = 32;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// 0 for a process that this pid namespace doesn't know.
    pid: u32,
    uid: u32,
    /// Its effective group and all others.
    groups: Vec<u32>,
}

/// The word on whether a peer may give commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Granted,
    /// Another user, who is in no group that is let in.
    Stranger,
    /// A process of another pid namespace: neither side knows the other's processes.
    OtherPidNamespace,
}

impl Peer {
    pub(crate) fn of(stream: &UnixStream) -> io::Result<Self> {
        let libc::ucred { pid, uid, gid } = credentials(stream)?;
        let mut groups = groups(stream);
        groups.push(gid);
        Ok(Self { pid: pid.unsigned_abs(), uid, groups })
    }

    /// The process; on a command's side of the connection that is the one that listens.
    pub(crate) fn pid(&self) -> Option<Pid> {
        Pid::new(self.pid)
    }

    /// May it give commands to an instance of the user `owner`, which lets a group in or none?
    pub(super) fn admission(&self, owner: u32, group: Option<u32>) -> Admission {
        let is_known = self.uid == owner || self.uid == 0;
        if !is_known && !group.is_some_and(|group| self.groups.contains(&group)) {
            Admission::Stranger
        } else if self.pid == 0 {
            Admission::OtherPidNamespace
        } else {
            Admission::Granted
        }
    }
}

fn credentials(stream: &UnixStream) -> io::Result<libc::ucred> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut bytes = libc::socklen_t::try_from(size_of::<libc::ucred>()).map_err(io::Error::other)?;
    // SAFETY: `stream` is open for as long as it is borrowed. The kernel writes at most `bytes` bytes to `found`, which is a
    // struct of that size in which every pattern of bits is a value, and the length to `bytes`.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut bytes,
        )
    };
    if done == 0 { Ok(found) } else { Err(io::Error::last_os_error()) }
}

/// Its supplementary groups. None where the kernel doesn't tell (Linux before 4.13).
fn groups(stream: &UnixStream) -> Vec<u32> {
    let mut found = vec![0_u32; FEW_GROUPS];
    // A process keeps its groups of the moment of the connection, so the second try has the right length.
    for _ in 0..2 {
        let size = size_of_val(found.as_slice());
        let Ok(mut bytes) = libc::socklen_t::try_from(size) else { return Vec::new() };
        // SAFETY: `stream` is open for as long as it is borrowed. The kernel writes at most `bytes` bytes to `found`, which
        // has that many and holds plain numbers, and the length to `bytes`.
        let done = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                found.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let error = io::Error::last_os_error();
        let length = bytes as usize / size_of::<u32>();
        if done == 0 {
            found.truncate(length);
            return found;
        }
        if error.raw_os_error() != Some(libc::ERANGE) {
            return Vec::new();
        }
        found.resize(length, 0);
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(pid: u32, uid: u32, groups: &[u32]) -> Peer {
        Peer { pid, uid, groups: groups.to_vec() }
    }

    #[test]
    fn the_kernel_names_this_process_as_its_own_peer() {
        let (one, _other) = UnixStream::pair().unwrap();
        let found = Peer::of(&one).unwrap();
        assert_eq!(found.pid, std::process::id());
        assert_eq!(found.uid, rustix::process::geteuid().as_raw());
        let mut groups: Vec<u32> =
            rustix::process::getgroups().unwrap().iter().map(|gid| gid.as_raw()).collect();
        groups.push(rustix::process::getegid().as_raw());
        assert_eq!(found.groups, groups);
    }

    #[test]
    fn a_peer_in_many_groups_has_all_of_them() {
        let us = rustix::process::geteuid();
        if !us.is_root() {
            println!("skipped: only root may have other groups");
            return;
        }
        // Groups belong to a thread, as far as the kernel is concerned.
        let found = std::thread::spawn(|| {
            let many: Vec<_> = (1000..1100).map(rustix::process::Gid::from_raw).collect();
            rustix::thread::set_thread_groups(&many).unwrap();
            let (one, _other) = UnixStream::pair().unwrap();
            Peer::of(&one).unwrap()
        });
        let found = found.join().unwrap();
        assert_eq!(found.groups[..100], (1000..1100).collect::<Vec<u32>>()[..]);
    }

    #[test]
    fn the_user_root_and_the_group_are_admitted_and_nobody_else() {
        use Admission::{Granted, OtherPidNamespace, Stranger};
        for (peer, group, admission) in [
            (peer(7, 1000, &[1000]), None, Granted),
            (peer(7, 0, &[0]), None, Granted),
            (peer(7, 1001, &[1001]), None, Stranger),
            (peer(7, 1001, &[44, 1001]), None, Stranger),
            (peer(7, 1001, &[1001]), Some(44), Stranger),
            (peer(7, 1001, &[44, 1001]), Some(44), Granted),
            (peer(7, 1001, &[44]), Some(44), Granted),
            (peer(0, 1000, &[1000]), None, OtherPidNamespace),
            (peer(0, 1001, &[1001]), None, Stranger),
        ] {
            assert_eq!(peer.admission(1000, group), admission, "{peer:?} {group:?}");
        }
    }
}
