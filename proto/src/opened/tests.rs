//! Files that another user has planted, in each place where a file or folder of ours should be.

use std::os::unix::fs::{MetadataExt, symlink};
use std::time::Duration;

use super::*;

/// A run folder with a clip's partial folder in it, in an output folder.
fn clip() -> (tempfile::TempDir, PathBuf) {
    let output = tempfile::tempdir().unwrap();
    let partial = output.path().join("run/clip-0001").join(PARTIAL_DIR);
    std::fs::create_dir_all(&partial).unwrap();
    (output, partial)
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// Runs what may not wait. A FIFO that is waited for would hold up the whole test.
fn at_once<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(act()));
    told.recv_timeout(Duration::from_secs(20)).expect("it waits for what another user has planted")
}

#[test]
fn each_kind_of_thing_in_a_files_place_is_named_and_nothing_waits() {
    let (_output, partial) = clip();
    let elsewhere = partial.join("elsewhere");
    std::fs::write(&elsewhere, "another's").unwrap();
    let path = partial.join("left.part1.mp4");
    let plant: [(&str, &dyn Fn()); 5] = [
        ("a FIFO", &|| fifo(&path)),
        ("a symbolic link", &|| symlink(&elsewhere, &path).unwrap()),
        ("a symbolic link", &|| symlink(partial.join("nowhere"), &path).unwrap()),
        ("a folder", &|| std::fs::create_dir(&path).unwrap()),
        ("a socket", &|| drop(std::os::unix::net::UnixListener::bind(&path).unwrap())),
    ];
    for (words, plant) in plant {
        plant();
        for act in [|p: &Path| file(p).map(drop), |p: &Path| read(p).map(drop)] {
            let asked = path.clone();
            let error = at_once(move || act(&asked)).unwrap_err();
            assert!(is_foreign(&error) && error.to_string().contains(words), "{error}");
        }
        assert_eq!(create_new(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let aside = move_aside(&path).unwrap();
        assert_eq!(aside.is_none(), words == "a folder", "an empty folder holds nothing to be kept");
        assert!(path.symlink_metadata().is_err());
    }
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "another's");
    assert_eq!(std::fs::read_dir(&partial).unwrap().count(), 5, "four were moved aside");
}

#[test]
fn a_file_is_appended_to_by_several_and_nothing_else_in_its_place_is() {
    let (_output, partial) = clip();
    let path = partial.join("triggers.jsonl");
    let (ours, is_new) = file_to_append(&path).unwrap();
    assert!(is_new);
    let (theirs, is_new) = file_to_append(&path).unwrap();
    assert!(!is_new);
    for (mut file, text) in [(&ours, "a\n"), (&theirs, "b\n"), (&ours, "c\n")] {
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\nc\n");
    std::fs::hard_link(&path, partial.join("another")).unwrap();
    assert!(file_to_append(&path).unwrap_err().to_string().contains("second name"));
    std::fs::remove_file(&path).unwrap();
    symlink(partial.join("another"), &path).unwrap();
    assert!(is_foreign(&file_to_append(&path).unwrap_err()));
    std::fs::remove_file(&path).unwrap();
    fifo(&path);
    assert!(is_foreign(&at_once(move || file_to_append(&path)).unwrap_err()));
}

#[test]
fn no_folder_on_the_way_may_be_a_link() {
    let (output, partial) = clip();
    std::fs::write(partial.join("plan.json"), "{}").unwrap();
    assert_eq!(read(&partial.join("plan.json")).unwrap(), b"{}");
    let ours = output.path().join("run");
    let hidden = output.path().join("hidden");
    for folder in [ours.clone(), ours.join("clip-0001"), partial.clone()] {
        std::fs::rename(&folder, &hidden).unwrap();
        symlink(&hidden, &folder).unwrap();
        let path = partial.join("plan.json");
        assert!(is_foreign(&read(&path).unwrap_err()), "{}", folder.display());
        assert!(is_foreign(&create_new(&partial.join("new")).unwrap_err()));
        assert!(is_foreign(&remove_file(&path).unwrap_err()));
        assert!(is_foreign(&rename(&path, &partial.join("other")).unwrap_err()));
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&hidden, &folder).unwrap();
    }
    // A link above the output folder is the person's own.
    let link = output.path().join("link");
    symlink(output.path(), &link).unwrap();
    assert_eq!(read(&link.join("run/clip-0001/.partial/plan.json")).unwrap(), b"{}");
}

#[test]
fn what_belongs_to_another_user_is_not_ours() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a file away.
        return;
    }
    let (output, partial) = clip();
    let path = partial.join("plan.json");
    std::fs::write(&path, "{}").unwrap();
    std::os::unix::fs::chown(&path, Some(4711), None).unwrap();
    let error = read(&path).unwrap_err();
    assert!(is_foreign(&error) && error.to_string().contains("4711"), "{error}");
    std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    std::os::unix::fs::chown(&partial, Some(4711), None).unwrap();
    assert!(is_foreign(&read(&path).unwrap_err()), "whoever owns the folder can put anything in it");
    let run = output.path().join("run");
    assert_eq!(folders_of_ours(output.path()).unwrap(), std::slice::from_ref(&run));
    std::os::unix::fs::chown(&run, Some(4711), None).unwrap();
    assert!(folders_of_ours(output.path()).unwrap().is_empty());
    assert_eq!(run.metadata().unwrap().uid(), 4711);
    assert_eq!(std::fs::read_dir(&run).unwrap().count(), 1, "the look at the owner leaves nothing");
}

#[test]
fn a_document_that_is_too_long_is_not_read() {
    let (_output, partial) = clip();
    let path = partial.join("plan.json");
    File::create(&path).unwrap().set_len(MAX_DOCUMENT_BYTES + 1).unwrap();
    let error = read(&path).unwrap_err();
    assert!(is_foreign(&error) && error.to_string().contains("bytes"), "{error}");
}

/// Calls that open, make, replace or list by a path alone, which may lead anywhere.
const BY_PATH: [&str; 13] = [
    "File::open",
    "File::create",
    "OpenOptions",
    "fs::read",
    "fs::write",
    "fs::rename",
    "fs::copy",
    "fs::hard_link",
    "fs::remove_file",
    "create_dir",
    "DirBuilder",
    "remove_dir_all",
    "rustix::fs::open",
];

/// Sources that use such calls for what doesn't lie below the output folder, or for what follows no link.
const ELSEWHERE: [(&str, &str); 43] = [
    ("proto/src/opened.rs", "is this module"),
    ("proto/src/access.rs", "/etc/group"),
    ("proto/src/backlog/mod.rs", "shared memory"),
    ("proto/src/config/mod.rs", "the runtime directory"),
    ("proto/src/config/read.rs", "the config, which a person names"),
    ("proto/src/failpoint.rs", "tests"),
    ("proto/src/instance.rs", "the runtime directory"),
    ("proto/src/link.rs", "the runtime directory"),
    ("proto/src/new_folders.rs", "makes and removes the folders that a person names"),
    ("proto/src/origin.rs", "/etc/machine-id"),
    ("proto/src/opened/append.rs", "is a part of this module"),
    ("proto/src/opened/listed.rs", "is a part of this module"),
    ("proto/src/opened/rename.rs", "is a part of this module"),
    ("proto/src/ring/read_only.rs", "shared memory"),
    ("proto/src/ring/segment.rs", "shared memory"),
    ("proto/src/secret/password.rs", "a password's file, which a person names"),
    ("proto/src/signals.rs", "/proc"),
    ("proto/src/storage.rs", "reads where a link leads, to name it"),
    ("recorder/src/finish/clear.rs", "removes a folder: std does that without following links"),
    ("recorder/src/finish/publish.rs", "removes a folder: std does that without following links"),
    ("recorder/src/probe/child.rs", "the runtime directory"),
    ("recorder/src/run.rs", "the runtime directory"),
    ("recorder/src/crash_note.rs", "the runtime directory"),
    ("recorder/src/finish/in_place.rs", "gives a file a second name, and opens it by proto::opened"),
    ("proto/src/crash_note.rs", "the runtime directory"),
    ("proto/src/priority.rs", "/proc"),
    ("supervisor/src/mappers.rs", "/proc"),
    ("recorder/src/probe/mod.rs", "the runtime directory"),
    ("supervisor/src/backlog/control_group.rs", "/proc and /sys"),
    ("supervisor/src/backlog/room.rs", "/proc"),
    ("supervisor/src/child/proc.rs", "/proc"),
    ("supervisor/src/control.rs", "the runtime directory"),
    ("supervisor/src/descriptors.rs", "/dev/null"),
    ("supervisor/src/lock.rs", "the runtime directory"),
    ("supervisor/src/rings.rs", "shared memory"),
    ("supervisor/src/settled.rs", "the runtime directory"),
    ("supervisor/src/start.rs", "the runtime directory"),
    ("supervisor/src/start/run_folder.rs", "makes the folders that all else lies in"),
    ("supervisor/src/statistics/meter.rs", "/proc"),
    ("supervisor/src/stop_signals.rs", "/dev/tty"),
    ("supervisor/src/trigger/plan.rs", "removes what it has made itself, also where no descriptor is left"),
    ("supervisor/src/world/system.rs", "/proc"),
    ("supervisor/src/check/probe_run.rs", "/proc"),
];

#[test]
fn nothing_below_the_output_folder_is_opened_by_its_path_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut using: Vec<String> = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["proto/src", "recorder/src", "supervisor/src"].map(|f| root.join(f)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if name.ends_with(".rs") && !["tests.rs", "fakes.rs", "memory_tests.rs"].contains(&name) {
                let source = std::fs::read_to_string(&path).unwrap();
                let tests = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(crate) mod tests {"];
                let ends = tests.iter().filter_map(|tests| source.find(tests)).min();
                let product = &source[..ends.unwrap_or(source.len())];
                let uses = |line: &str| {
                    !line.trim_start().starts_with("//") && BY_PATH.iter().any(|call| line.contains(call))
                };
                if product.lines().any(uses) {
                    using.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
    }
    let stale: Vec<_> = ELSEWHERE.iter().filter(|(file, _)| !using.iter().any(|used| used == file)).collect();
    assert!(stale.is_empty(), "in ELSEWHERE, and open nothing by path: {stale:?}");
    using.retain(|file| !ELSEWHERE.iter().any(|(elsewhere, why)| elsewhere == file && !why.is_empty()));
    assert!(using.is_empty(), "open it by proto::opened, or say in ELSEWHERE why it need not be: {using:?}");
}
