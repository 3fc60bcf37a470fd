//! Kinds of blows, their victims, and their order by chance. Pure: from a seed to a list of blows.

use std::time::Duration;

use rig::dice::Dice;
use serde::Serialize;

use crate::neighbour;

/// A fault, by its victim and how it is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strike {
    /// SIGKILL.
    RecorderKilled,
    /// And its successor too, 0 to 200 ms later.
    RecorderKilledTwice,
    /// SIGSTOP, until it is replaced.
    RecorderStopped,
    /// SIGKILL.
    StandbyKilled,
    /// SIGKILL, of one camera's.
    CaptureKilled,
    /// SIGSTOP, of one camera's, until it is replaced.
    CaptureStopped,
    /// SIGKILL; started again after a while.
    SupervisorKilled,
    /// SIGSTOP for a while.
    SupervisorStopped,
    /// Every process, SIGKILL; the supervisor is started again after a while.
    EverythingKilled,
    /// A command, while it asks.
    CommandKilled,
    /// Two processes or more, the supervisor perhaps among them, SIGKILL at one instant.
    SeveralKilled,
    /// Some sends or receives of the supervisor or the recorder, one after the other; see [`crate::failing`].
    SendsFailed,
    /// Every process of another instance that records into the same folder, SIGKILL; started again after a while.
    NeighbourKilled,
    /// Four busy programs a core, no less important than Preroll's processes, as beside an ordinary user's; for a while.
    MachineBusy,
}

/// Frames that a fault may cost. They have to be declared in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// No frame.
    Nothing,
    /// Frames that no recorder comes to within the reserve: a recorder that stands still is not found out sooner, and one
    /// that is killed before there is another standby takes longer to replace.
    BeyondTheReserve,
    /// Frames that the struck camera makes while no capture runs.
    WhileAway,
    /// Frames made while nothing ran, and frames that the ring could not hold until there was a recorder again.
    WhileAllAreAway,
}

impl Strike {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::RecorderKilled,
        Self::RecorderKilledTwice,
        Self::RecorderStopped,
        Self::StandbyKilled,
        Self::CaptureKilled,
        Self::CaptureStopped,
        Self::SupervisorKilled,
        Self::SupervisorStopped,
        Self::EverythingKilled,
        Self::CommandKilled,
        Self::SeveralKilled,
        Self::SendsFailed,
        Self::NeighbourKilled,
        Self::MachineBusy,
    ];

    /// The name on the command line: the victim's first.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RecorderKilled => "recorder-killed",
            Self::RecorderKilledTwice => "recorder-killed-twice",
            Self::RecorderStopped => "recorder-stopped",
            Self::StandbyKilled => "standby-killed",
            Self::CaptureKilled => "capture-killed",
            Self::CaptureStopped => "capture-stopped",
            Self::SupervisorKilled => "supervisor-killed",
            Self::SupervisorStopped => "supervisor-stopped",
            Self::EverythingKilled => "everything-killed",
            Self::CommandKilled => "command-killed",
            Self::SeveralKilled => "several-killed",
            Self::SendsFailed => "sends-failed",
            Self::NeighbourKilled => "neighbour-killed",
            Self::MachineBusy => "machine-busy",
        }
    }

    /// The price that it may have.
    #[must_use]
    pub fn price(self) -> Price {
        match self {
            Self::RecorderKilled
            | Self::StandbyKilled
            | Self::SupervisorKilled
            | Self::SupervisorStopped
            | Self::CommandKilled
            | Self::SendsFailed => Price::Nothing,
            Self::RecorderKilledTwice | Self::RecorderStopped => Price::BeyondTheReserve,
            Self::CaptureKilled | Self::CaptureStopped | Self::MachineBusy => Price::WhileAway,
            Self::EverythingKilled | Self::SeveralKilled | Self::NeighbourKilled => Price::WhileAllAreAway,
        }
    }

    /// Does nobody encode for a while?
    #[must_use]
    pub fn stops_the_recorder(self) -> bool {
        matches!(
            self,
            Self::RecorderKilled
                | Self::RecorderKilledTwice
                | Self::RecorderStopped
                | Self::EverythingKilled
                | Self::SeveralKilled
                | Self::NeighbourKilled
        )
    }

    /// Are this camera's frames not captured for a while?
    #[must_use]
    pub fn stops_a_capture(self) -> bool {
        matches!(self, Self::CaptureKilled | Self::CaptureStopped) || self.hits_all_cameras()
    }

    /// Is any camera's capture away for a while, or late?
    #[must_use]
    pub fn hits_all_cameras(self) -> bool {
        matches!(
            self,
            Self::EverythingKilled | Self::SeveralKilled | Self::NeighbourKilled | Self::MachineBusy
        )
    }

    /// Can it cost this camera anything? The neighbour's camera is struck with the neighbour alone, and no other is.
    #[must_use]
    pub fn reaches(self, camera: &str) -> bool {
        match self {
            Self::MachineBusy => true,
            Self::NeighbourKilled => camera == neighbour::CAMERA,
            _ => camera != neighbour::CAMERA,
        }
    }

    /// The blows of this name: one by its whole name, or all of a victim's (`recorder` has three).
    ///
    /// # Errors
    /// When nothing is called so.
    pub fn called(name: &str) -> Result<Vec<Self>, String> {
        let is_it =
            |s: &Self| s.name() == name || s.name().split_once('-').is_some_and(|(victim, _)| victim == name);
        let found: Vec<Self> = Self::ALL.into_iter().filter(is_it).collect();
        if found.is_empty() && name != "none" {
            let names = Self::ALL.map(Self::name).join(", ");
            return Err(format!("{name:?} is nobody; there are {names}, each victim's name alone, and none"));
        }
        Ok(found)
    }
}

/// A blow, with everything about it that is left to chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blow {
    /// From the end of the blow before it.
    pub after: Duration,
    /// The kind of blow.
    pub strike: Strike,
    /// Which camera's capture, of so many.
    pub camera: usize,
    /// From the first kill to the second.
    pub again: Duration,
    /// The time for which the supervisor is away or stands still.
    pub away: Duration,
}

/// Blows without end.
#[derive(Clone, Debug)]
pub struct Blows {
    dice: Dice,
    strikes: Vec<Strike>,
    every_ms: (u64, u64),
    cameras: usize,
}

impl Blows {
    /// Some of `strikes`, at random intervals between these two; none if there are no strikes.
    #[must_use]
    pub fn new(seed: u64, strikes: Vec<Strike>, every_ms: (u64, u64), cameras: usize) -> Self {
        Self { dice: Dice::new(seed, 1), strikes, every_ms, cameras }
    }
}

impl Iterator for Blows {
    type Item = Blow;

    fn next(&mut self) -> Option<Blow> {
        let pick = |dice: &mut Dice, of: usize| usize::try_from(dice.below(of as u64)).unwrap_or(0);
        let after = Duration::from_millis(self.dice.between(self.every_ms.0, self.every_ms.1));
        let strike = *self.strikes.get(pick(&mut self.dice, self.strikes.len()))?;
        let camera = pick(&mut self.dice, self.cameras);
        let again = Duration::from_millis(self.dice.below(201));
        let away = Duration::from_millis(self.dice.between(100, 4000));
        Some(Blow { after, strike, camera, again, away })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_strikes_the_same_at_the_same_intervals() {
        let blows = |seed| Blows::new(seed, Strike::ALL.to_vec(), (2000, 10_000), 2).take(200);
        assert!(blows(7).eq(blows(7)));
        assert!(!blows(7).eq(blows(8)));
        for strike in Strike::ALL {
            assert!(blows(7).any(|blow| blow.strike == strike), "{strike:?}");
        }
        assert!(blows(7).all(|blow| (2000..=10_000).contains(&blow.after.as_millis()) && blow.camera < 2));
        assert!(blows(7).any(|blow| blow.camera == 1) && blows(7).any(|blow| blow.camera == 0));
    }

    #[test]
    fn a_neighbour_s_camera_is_struck_with_the_neighbour_and_with_no_other() {
        let reached = |camera| Strike::ALL.into_iter().filter(move |strike| strike.reaches(camera));
        assert!(reached(neighbour::CAMERA).eq([Strike::NeighbourKilled, Strike::MachineBusy]));
        assert!(reached("left").all(|strike| strike != Strike::NeighbourKilled));
    }

    #[test]
    fn victims_are_called_by_a_whole_name_or_by_whom_it_hits() {
        assert_eq!(Strike::called("recorder").unwrap().len(), 3);
        assert_eq!(Strike::called("recorder-killed").unwrap(), [Strike::RecorderKilled]);
        assert_eq!(Strike::called("standby").unwrap(), [Strike::StandbyKilled]);
        assert_eq!(Strike::called("none").unwrap(), []);
        assert!(Strike::called("record").unwrap_err().contains("recorder-killed, "));
        assert_eq!(Blows::new(1, vec![], (1, 2), 2).next(), None);
    }
}
