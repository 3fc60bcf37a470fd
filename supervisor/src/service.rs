//! Messages to systemd in the protocol of sd_notify(3): lines in a datagram to the socket that `NOTIFY_SOCKET` names.
//! No call here waits: the loop makes them, and systemd may be stuck.

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// The variables that systemd sets for the process that it starts. They are removed for children, which have nothing to
/// tell systemd.
pub(crate) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Signs of life in each interval of the watchdog: one or two may be late or lost.
const SIGNS_EACH_INTERVAL: u32 = 6;

/// The service manager that has started this supervisor.
pub(crate) struct Service {
    socket: UnixDatagram,
    manager: SocketAddr,
    /// The time between two signs of life, if the manager wants any.
    every: Option<Duration>,
    last_sign: Option<Instant>,
    ready: bool,
    status: String,
}

/// Has a service manager started this process?
pub(crate) fn is_asked_for() -> bool {
    manager().is_some()
}

fn manager() -> Option<OsString> {
    std::env::var_os(VARIABLES[0]).filter(|name| !name.is_empty())
}

impl Service {
    /// Reads the environment. `None` when no service manager has started this supervisor.
    pub(crate) fn from_environment() -> Option<Self> {
        let name = manager()?;
        let made = address(&name).and_then(|manager| {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok((socket, manager))
        });
        let (socket, manager) = made
            .inspect_err(|e| {
                tracing::warn!("can't send states to systemd: NOTIFY_SOCKET={}: {e}", name.display())
            })
            .ok()?;
        let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
        let ours = number(VARIABLES[2]).is_none_or(|pid| pid == u64::from(std::process::id()));
        let interval = number(VARIABLES[1]).filter(|us| ours && *us > 0).map(Duration::from_micros);
        Some(Self {
            socket,
            manager,
            every: interval.map(|interval| interval / SIGNS_EACH_INTERVAL),
            last_sign: None,
            ready: false,
            status: String::new(),
        })
    }

    /// Sends the status if it is new, and a sign of life if one is due: the loop that calls this is alive. `up`: every
    /// camera has come up, or is known not to.
    pub(crate) fn tell(&mut self, now: Instant, up: bool, status: String) {
        let mut lines = String::new();
        if up && !self.ready {
            lines += "READY=1\n";
        }
        if status != self.status {
            // A line break would begin another assignment.
            lines += &format!("STATUS={}\n", status.replace('\n', "; "));
        }
        let due = |every| self.last_sign.is_none_or(|last| now.saturating_duration_since(last) >= every);
        let sign = self.every.is_some_and(due);
        if sign {
            lines += "WATCHDOG=1\n";
        }
        // A message that could not be sent is sent at the next call.
        if !lines.is_empty() && self.send(&lines) {
            self.ready |= up;
            self.status = status;
            if sign {
                self.last_sign = Some(now);
            }
        }
    }

    /// Says that the end has begun.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping: closing open clips\n");
    }

    fn send(&self, lines: &str) -> bool {
        self.socket.send_to_addr(lines.as_bytes(), &self.manager).is_ok()
    }
}

/// A path, or with `@` in front the name of an abstract socket.
fn address(name: &OsStr) -> std::io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(manager: &str, every: Option<Duration>) -> Service {
        let socket = UnixDatagram::unbound().unwrap();
        socket.set_nonblocking(true).unwrap();
        let manager = address(OsStr::new(manager)).unwrap();
        Service { socket, manager, every, last_sign: None, ready: false, status: String::new() }
    }

    #[test]
    fn it_tells_what_is_new_and_that_it_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let heard = || {
            let mut bytes = [0; 200];
            let length = manager.recv(&mut bytes).ok()?;
            Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
        };
        let mut service = service(path.to_str().unwrap(), Some(Duration::from_millis(500)));
        let start = Instant::now();
        let mut tell = |ms, up, status: &str| {
            service.tell(start + Duration::from_millis(ms), up, status.to_owned());
            heard()
        };
        assert_eq!(tell(0, false, "starting").as_deref(), Some("STATUS=starting\nWATCHDOG=1\n"));
        assert_eq!(tell(100, false, "starting"), None);
        assert_eq!(tell(200, true, "ready\nREADY=0").as_deref(), Some("READY=1\nSTATUS=ready; READY=0\n"));
        assert_eq!(tell(600, true, "ready\nREADY=0").as_deref(), Some("WATCHDOG=1\n"));
    }

    #[test]
    fn a_manager_that_reads_nothing_holds_nobody_up() {
        let name = format!("preroll-test-{}", std::process::id());
        let deaf = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut service = service(&format!("@{name}"), None);
        // Many more than any queue holds: this would never end if one of them waited.
        for n in 0..5_000 {
            service.tell(Instant::now(), true, n.to_string());
        }
        drop(deaf);
        service.stopping();
    }
}
