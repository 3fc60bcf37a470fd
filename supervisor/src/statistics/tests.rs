//! Readings that are too old.

use std::collections::HashSet;

use super::*;
use crate::clips::Counts;

#[test]
fn readings_that_are_too_old_are_shown_as_none() {
    let text = "cameras: [{ name: left, backend: sim, width: 256, height: 64, fps: 60 }]\n";
    let config = Arc::new(Config::parse("test.yaml".as_ref(), text).unwrap());
    let clips = Arc::new(Clips::new("/nowhere".into(), 1, HashSet::new(), Counts::default()));
    let (statistics, start) = (Statistics::new(config, clips), Instant::now());
    let processes = HashMap::from([(Pid::this(), Reading::default())]);
    let readings = Readings { at: Some(start), processes, ..Readings::default() };
    *lock(&statistics.readings) = Arc::new(readings);
    assert_eq!(statistics.readings(start + STALE).processes.len(), 1);
    assert!(statistics.readings(start + STALE + EVERY).processes.is_empty());
}
