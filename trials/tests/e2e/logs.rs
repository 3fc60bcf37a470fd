//! Where log lines go and what they carry: their time for people, fields for machines, priority and fields in the journal.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, clip_of, kill, until};

#[test]
fn lines_for_people_begin_with_their_time() {
    let rig = Rig::start(TWO_CAMERAS);
    rig.command(&["trigger", "--wait"]).code(0);
    rig.await_log(": complete: ");
    for line in rig.log() {
        let (time, rest) = line.split_once(' ').unwrap();
        let shape = time.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{line}");
        assert!(["[INFO] ", "[WARN] ", "[ERROR] "].iter().any(|level| rest.starts_with(level)), "{line}");
    }
}

#[test]
fn lines_for_machines_name_process_camera_and_clip() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    rig.launch(&["--log-format", "json"]);
    rig.await_ready();
    let clip = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    let clip = clip.file_name().unwrap().to_str().unwrap();
    let line = |says: &str| serde_json::from_str::<Value>(&rig.await_log(says)).unwrap();
    let live = line("camera left is live");
    assert_eq!((&live["process"], &live["camera"]), (&"capture".into(), &"left".into()), "{live}");
    let done = line(": complete: ");
    assert_eq!((&done["process"], &done["clip"]), (&"recorder".into(), &clip.into()), "{done}");
    let ring = line("camera right: 320x192");
    assert_eq!((&ring["process"], &ring["camera"]), (&"supervisor".into(), &"right".into()), "{ring}");
}

/// An entry of the journal, by its fields' names.
type Entry = BTreeMap<String, String>;

/// Reads an entry as journald does (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
fn entry(mut bytes: &[u8]) -> Entry {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut fields = Entry::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        if let Some(equals) = line.iter().position(|byte| *byte == b'=') {
            fields.insert(text(&line[..equals]), text(&line[equals + 1..]));
            bytes = rest;
        } else {
            let (length, rest) = rest.split_first_chunk::<8>().unwrap();
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
            fields.insert(text(line), text(&rest[..length]));
            bytes = &rest[length + 1..];
        }
    }
    fields
}

/// Listens in the place of journald.
fn listen(socket: UnixDatagram) -> Arc<Mutex<Vec<Entry>>> {
    let entries = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&entries);
    std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 18];
        while let Ok(length) = socket.recv(&mut bytes) {
            // Empty is how a process asks whether anybody listens. journald passes over it too.
            if length > 0 {
                heard.lock().unwrap().push(entry(&bytes[..length]));
            }
        }
    });
    entries
}

#[test]
fn the_journal_gets_priorities_and_fields() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    let folder = rig.path("journal");
    std::fs::create_dir(&folder).unwrap();
    let entries = listen(UnixDatagram::bind(folder.join("socket")).unwrap());
    let mounts = format!(
        "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind '{}' /run/systemd/journal",
        folder.display()
    );
    let allowed = Command::new("unshare").args(["--mount", "sh", "-c", &mounts]).output();
    if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: a mount namespace with a journal of its own can't be made here: {allowed:?}");
        return;
    }
    // systemd sets it so for a service whose standard error is the journal.
    let stream = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)";
    let script = format!("{mounts} && {stream} && exec \"$0\" \"$@\"");
    rig.launch_through(&["unshare", "--mount", "sh", "-c", &script]);
    rig.await_ready();
    let find = |says: &str| {
        until(says, || entries.lock().unwrap().iter().find(|entry| entry["MESSAGE"].contains(says)).cloned())
    };
    let clip = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    let clip = clip.file_name().unwrap().to_str().unwrap();
    let is = |entry: &Entry, priority: &str, fields: &[(&str, &str)]| {
        let known = [("PRIORITY", priority), ("SYSLOG_IDENTIFIER", "preroll")];
        for (field, value) in known.iter().chain(fields) {
            assert_eq!(entry.get(*field).map(String::as_str), Some(*value), "{field}: {entry:?}");
        }
    };
    is(&find("ready: 2 cameras"), "6", &[("PREROLL_PROCESS", "supervisor")]);
    is(&find("camera left is live"), "6", &[("PREROLL_PROCESS", "capture"), ("PREROLL_CAMERA", "left")]);
    is(&find(": complete: "), "6", &[("PREROLL_PROCESS", "recorder"), ("PREROLL_CLIP", clip)]);
    kill(rig.pid_of("left"), Signal::KILL);
    let ended = find("capture left ended after");
    is(&ended, "4", &[("PREROLL_PROCESS", "supervisor"), ("PREROLL_CAMERA", "left")]);
    assert!(
        ended["MESSAGE"].starts_with("capture left"),
        "the journal has its own time and level: {ended:?}"
    );
    assert!(rig.log().is_empty(), "nothing goes there twice: {:#?}", rig.log());
}
