//! The oracle judges Preroll, so it must share no code with it. Cargo's own list of what it depends on is read.

#![expect(clippy::expect_used, reason = "a test that can't ask cargo fails")]

use std::path::Path;
use std::process::Command;

/// The crates of this workspace that `package` depends on, itself included: for its build, its code and its tests.
fn ours(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--frozen", "--all-features", "--edges", "normal,build,dev", "--prefix", "none"])
        .args(["--format", "{p}", "--package", package])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("cargo tree prints UTF-8");
    // A line is `name v1.2.3`, and `name v1.2.3 (/path)` for a crate that lies in a folder.
    let mut ours: Vec<String> = tree
        .lines()
        .filter(|line| line.contains(" (/"))
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    ours.sort();
    ours.dedup();
    ours
}

#[test]
fn the_oracle_depends_on_no_crate_of_preroll() {
    assert_eq!(ours("oracle"), ["oracle"], "the oracle shares code with what it judges");
    // The same question finds crates of ours where there are some.
    assert!(ours("rig").contains(&"proto".to_owned()));
}
