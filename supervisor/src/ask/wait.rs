//! `preroll wait --ready`: waits until every camera delivers and clips can be recorded.

use std::time::{Duration, Instant};

use proto::exit;
use proto::stats::Stats;
use proto::status::InstanceState;

use super::ask_for_stats;
use super::client::Address;
use crate::failure::Failure;

/// Without a time-out, a supervisor that doesn't run, or doesn't answer, is waited for as long as this: a `start` of the same
/// moment, or a service that is started again, needs less.
const TO_COME: Duration = Duration::from_secs(10);
/// The time between two questions.
const BETWEEN: Duration = Duration::from_millis(200);

/// Waits until the instance is ready.
pub(crate) fn ready(address: &Address, at_most: Option<Duration>) -> Result<u8, Failure> {
    let begun = Instant::now();
    let mut heard = begun;
    loop {
        let failure = match ask_for_stats(address) {
            Ok(stats) if stats.state == InstanceState::Ready => return Ok(exit::DONE),
            Ok(stats) => {
                heard = Instant::now();
                Failure::TimedOut(not_ready(&stats))
            }
            Err(failure @ (Failure::NotRunning { .. } | Failure::Failed(_))) => failure,
            Err(other) => return Err(other),
        };
        let (waited, at_most) = match at_most {
            Some(at_most) => (begun.elapsed(), at_most),
            None => (heard.elapsed(), TO_COME),
        };
        let left = at_most.saturating_sub(waited);
        if left.is_zero() {
            return Err(failure);
        }
        std::thread::sleep(left.min(BETWEEN));
    }
}

/// A sentence on what an instance still lacks.
fn not_ready(stats: &Stats) -> String {
    let cameras = stats.cameras.iter().filter(|camera| !camera.state.is_well());
    let mut why: Vec<String> = cameras
        .map(|camera| {
            let reason = camera.reason.as_deref().map_or(String::new(), |reason| format!(" ({reason})"));
            format!("camera {} is {}{reason}", camera.name, camera.state)
        })
        .collect();
    why.extend(stats.recorder.trouble.clone());
    if why.is_empty() {
        why.push("the recorder is not ready".to_owned());
    }
    format!("not ready when the time was over, but {}: {}", stats.state, why.join("; "))
}

#[cfg(test)]
mod tests {
    use proto::stats::CameraStats;
    use proto::status::CameraStatus;

    use super::*;

    #[test]
    fn what_is_not_ready_is_named() {
        let camera = |name: &str, state, reason: Option<&str>| CameraStats {
            name: name.into(),
            state,
            reason: reason.map(str::to_owned),
            ..CameraStats::default()
        };
        let mut stats = Stats {
            state: InstanceState::Degraded,
            cameras: vec![
                camera("left", CameraStatus::Failed, Some("no such device")),
                camera("right", CameraStatus::Live, None),
            ],
            ..Stats::default()
        };
        assert_eq!(
            not_ready(&stats),
            "not ready when the time was over, but degraded: camera left is failed (no such device)"
        );
        stats.cameras.remove(0);
        assert!(not_ready(&stats).ends_with("the recorder is not ready"));
        stats.recorder.trouble = Some("disk full".into());
        assert!(not_ready(&stats).ends_with(": disk full"));
    }
}
