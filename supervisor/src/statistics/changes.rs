//! Changes of how things stand that are worth an event: of a camera's state, of the instance's health, of the disk. Pure.

use proto::event::{DiskState, Event};
use proto::stats::Health;
use proto::status::HealthStatus;

use super::view::View;

/// The events of cameras whose state differs between two views; of every camera where there was no view before.
pub(super) fn of_cameras(before: Option<&View>, now: &View) -> Vec<Event> {
    let last = |name: &str| before?.cameras.iter().find(|camera| camera.name == name).map(|c| c.status);
    let changed = now.cameras.iter().filter(|camera| last(&camera.name) != Some(camera.status));
    let event = changed.map(|camera| Event::CameraState {
        camera: camera.name.clone(),
        state: camera.status,
        reason: camera.reason.clone(),
    });
    event.collect()
}

/// The watch over what is judged once a second.
#[derive(Default)]
pub(super) struct Watch {
    /// The last verdict, and its reasons without their figures.
    health: Option<(HealthStatus, Vec<String>)>,
    disk: Option<DiskState>,
}

impl Watch {
    /// The event of a verdict that differs from the last one, or has other reasons. Figures in them change all the time, and
    /// are no change.
    pub(super) fn health(&mut self, health: &Health) -> Option<Event> {
        let without_figures =
            |reason: &String| reason.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect();
        let seen = (health.status, health.reasons.iter().map(without_figures).collect());
        (self.health.replace(seen.clone()) != Some(seen))
            .then(|| Event::Health { status: health.status, reasons: health.reasons.clone() })
    }

    /// The event of a disk whose state differs from the last.
    pub(super) fn disk(&mut self, free_bytes: Option<u64>, min_free_bytes: u64) -> Option<Event> {
        let state = match free_bytes {
            None => DiskState::NoAnswer,
            Some(free) if free < min_free_bytes => DiskState::Full,
            Some(_) => DiskState::Room,
        };
        (self.disk.replace(state) != Some(state)).then_some(Event::Disk { state, free_bytes, min_free_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_told_when_it_or_a_reason_changes_and_not_with_each_figure() {
        let mut watch = Watch::default();
        let mut told = |status, reasons: &[&str]| {
            let reasons: Vec<String> = reasons.iter().map(|reason| (*reason).to_owned()).collect();
            watch.health(&Health { status, reasons }).is_some()
        };
        assert!(told(HealthStatus::Good, &[]), "the first");
        assert!(!told(HealthStatus::Good, &[]));
        assert!(told(HealthStatus::Attention, &["left: silent for 9 s"]));
        assert!(!told(HealthStatus::Attention, &["left: silent for 10.5 s"]));
        assert!(told(HealthStatus::Attention, &["left: silent for 11 s", "disk: 3 MB left"]));
        assert!(told(HealthStatus::Good, &[]));
    }

    #[test]
    fn a_disk_is_told_of_when_it_fills_when_it_is_away_and_when_there_is_room_again() {
        let mut watch = Watch::default();
        let states = [Some(10), Some(9), Some(4), Some(3), None, None, Some(5)];
        let told: Vec<_> = states.into_iter().map(|free| watch.disk(free, 5)).collect();
        let event = |state, free_bytes| Some(Event::Disk { state, free_bytes, min_free_bytes: 5 });
        assert_eq!(
            told,
            [
                event(DiskState::Room, Some(10)),
                None,
                event(DiskState::Full, Some(4)),
                None,
                event(DiskState::NoAnswer, None),
                None,
                event(DiskState::Room, Some(5))
            ]
        );
    }
}
