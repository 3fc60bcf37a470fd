//! A short run of `make nemesis`: cameras that this machine can surely encode, a reserve that outlasts any restart.

use std::process::Command;

use trials::{program, take_turn};

#[test]
fn f15_whoever_is_struck_next_the_promise_holds() {
    let _turn = take_turn();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("report.json");
    let run = Command::new(program("nemesis"))
        .args(["--seed", "3", "--blows", "14", "--every-ms", "200-1500", "--size", "320x192"])
        .args(["--reserve-ms", "15000", "--trigger-every-ms", "300-1500", "--output"])
        .arg(&output)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.starts_with("seed 3\n") && said.contains("The promise held."), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(output).unwrap()).unwrap();
    assert!(report["clips"].as_u64() >= Some(8) && report["clips"] == report["clips_true"], "{report:#}");
    let strikes = report["strikes"].as_object().unwrap();
    assert_eq!(strikes.values().filter_map(|s| s["tries"].as_u64()).sum::<u64>(), 14);
    assert!(strikes.len() >= 5, "many kinds: {report:#}");
    // With such a reserve nothing that was captured may be lost, not even to a recorder that stands still.
    for (name, strike) in strikes.iter().filter(|(name, _)| name.starts_with("recorder")) {
        assert_eq!(strike["captured_and_lost"], 0, "{name}: {strike:#}");
    }
}
