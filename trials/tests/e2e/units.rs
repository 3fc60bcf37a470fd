//! The systemd unit and the examples beside it, as `systemd-analyze verify` reads them. Nothing is started.

use std::path::Path;
use std::process::Command;

use trials::clip::entries;

/// The unit, and what is put beside it: all but the executables, which are not installed where a test runs.
fn copy_units(to: &Path) {
    let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd"));
    let drop_ins = to.join("preroll.service.d");
    std::fs::create_dir(&drop_ins).unwrap();
    for file in entries(shipped).into_iter().chain(entries(&shipped.join("examples"))) {
        let (name, kind) = (file.file_name().unwrap(), file.extension().unwrap_or_default());
        match kind.to_str().unwrap() {
            "conf" => drop(std::fs::copy(&file, drop_ins.join(name)).unwrap()),
            "service" | "timer" => {
                let text = std::fs::read_to_string(&file).unwrap();
                let line = |line: &str| match line.split_once(' ') {
                    Some((start, arguments)) if start.starts_with("ExecStart=") => {
                        format!("ExecStart=/bin/true {arguments}\n")
                    }
                    None if line.starts_with("ExecStart=") => "ExecStart=/bin/true\n".to_owned(),
                    _ => format!("{line}\n"),
                };
                std::fs::write(to.join(name), text.lines().map(line).collect::<String>()).unwrap();
            }
            _ => {}
        }
    }
}

/// Asks `systemd-analyze` about all units in a folder. `None` without that command.
fn complaints(folder: &Path) -> Option<String> {
    let units = entries(folder).into_iter().filter(|path| path.is_file());
    let mut command = Command::new("systemd-analyze");
    // The system's own units are found behind ours.
    command.env("SYSTEMD_UNIT_PATH", format!("{}:/lib/systemd/system", folder.display()));
    let Ok(output) = command.arg("verify").args(units).output() else {
        println!("skipped: there is no systemd-analyze command");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() { said } else { format!("{said}{}", output.status) })
}

#[test]
fn the_unit_and_every_example_are_accepted_by_systemd() {
    let folder = tempfile::Builder::new().prefix("preroll-").tempdir().unwrap();
    copy_units(folder.path());
    let Some(said) = complaints(folder.path()) else { return };
    assert_eq!(said, "");
    // It reads the additions too.
    let groups = folder.path().join("preroll.service.d/20-access.conf");
    let text = std::fs::read_to_string(&groups).unwrap();
    assert!(text.contains("SupplementaryGroups=preroll-clips"), "{text}");
    std::fs::write(&groups, text.replace("SupplementaryGroups=", "SupplementaryGrops=")).unwrap();
    let said = complaints(folder.path()).unwrap();
    assert!(said.contains("20-access.conf") && said.contains("SupplementaryGrops"), "{said}");
}
