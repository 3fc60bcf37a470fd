//! Real time for the thread that takes a camera's packets: aravis starts it, so it is found by its name.
#![expect(unsafe_code, reason = "no crate here has a safe call for it; the one block says why it may")]

use std::io;

/// The names that aravis gives its threads.
const THREADS: [&str; 2] = ["arv_gv_stream", "arv_uv_stream"];

/// Gives the threads of this process that take packets a real-time priority (sched(7)), and says how many there are.
///
/// # Errors
/// The system refuses: real time needs a right (`CAP_SYS_NICE`, or a limit of `rtprio`).
pub(crate) fn take(priority: u8) -> io::Result<usize> {
    let mut found = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?;
        let Ok(name) = std::fs::read_to_string(task.path().join("comm")) else { continue };
        let id = task.file_name().to_str().and_then(|id| id.parse().ok());
        if let Some(id) = id.filter(|_| THREADS.contains(&name.trim())) {
            be_real_time(id, priority)?;
            found += 1;
        }
    }
    Ok(found)
}

fn be_real_time(thread: libc::pid_t, priority: u8) -> io::Result<()> {
    let wanted = libc::sched_param { sched_priority: priority.into() };
    // SAFETY: the call reads `wanted`, which outlives it, and keeps no pointer; a wrong thread or priority is an error.
    let done = unsafe { libc::sched_setscheduler(thread, libc::SCHED_FIFO, &raw const wanted) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn only_the_thread_that_takes_packets_gets_real_time() {
        let (tell, told) = channel();
        let (end, ended) = channel::<()>();
        let stream = std::thread::Builder::new().name("arv_gv_stream".into()).spawn(move || {
            tell.send(()).unwrap();
            let _ = ended.recv();
            // The policy is the 41st field of proc(5)'s stat, and the third is the first behind the name.
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            stat.rsplit(") ").next().unwrap().split(' ').nth(38).unwrap().to_owned()
        });
        told.recv().unwrap();
        match take(1) {
            Ok(found) => {
                assert!(found >= 1, "{found}");
                end.send(()).unwrap();
                assert_eq!(stream.unwrap().join().unwrap(), libc::SCHED_FIFO.to_string());
            }
            // An ordinary user may not.
            Err(e) => assert_eq!(e.raw_os_error(), Some(libc::EPERM)),
        }
    }
}
