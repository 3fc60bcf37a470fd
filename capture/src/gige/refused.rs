//! The reasons why a camera isn't opened, as sentences that say what to do. Pure.

use std::net::Ipv4Addr;

use capture::source::SourceError;
use proto::config::Contradiction;
use proto::frame::{Fps, LossBefore};

use super::cameras::NotFound;
use super::features::NoFeature;
use super::pixels::NotRecorded;

/// The reason. The text goes behind the camera as the config names it, and a colon.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// No camera is the one that the config names.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// No answer comes from its address.
    #[error(
        "no camera answers at {0}; is it powered, has this machine an address of its network, and does the firewall let UDP \
         from it in?"
    )]
    NoAnswer(Ipv4Addr),
    /// aravis doesn't open it.
    #[error("it can't be opened: {0}")]
    NotOpened(String),
    /// Another program has it.
    #[error(
        "it is in use: another program controls it, or one did that ended less than three seconds ago; a camera has one \
         reader at a time"
    )]
    InUse,
    /// The frames have a format that isn't recorded.
    #[error("it {0}")]
    NotRecorded(#[from] NotRecorded),
    /// A feature can't be set.
    #[error("it {0}")]
    NoFeature(#[from] NoFeature),
    /// The camera takes another size than it was asked for.
    #[error(
        "it was asked for frames of {}x{} and gives {}x{}: write width: {} and height: {}", asked.0, asked.1, given.0,
        given.1, given.0, given.1
    )]
    OtherSize {
        /// Width and height that it was asked for.
        asked: (u32, u32),
        /// Width and height that it gives.
        given: (u32, u32),
    },
    /// The camera takes another rate than it was asked for.
    #[error("it was asked for {asked} frames a second and gives {given}: write fps: {given}")]
    OtherRate {
        /// The rate that it was asked for.
        asked: Fps,
        /// The rate that it gives.
        given: Fps,
    },
    /// No rate is told.
    #[error("it doesn't say how many frames a second it makes: write fps: N, the most that it makes")]
    NoRate,
    /// The config says something else than the camera gives.
    #[error("it {0}")]
    Contradiction(#[from] Contradiction),
    /// A step of opening it failed.
    #[error("can't {doing}: {why}")]
    Failed {
        /// The attempt, in the words behind "can't".
        doing: &'static str,
        /// aravis' words.
        why: String,
    },
}

impl Refused {
    /// Will it be the same until somebody changes the config or the camera?
    fn is_permanent(&self) -> bool {
        match self {
            Self::NotRecorded(_)
            | Self::OtherSize { .. }
            | Self::OtherRate { .. }
            | Self::NoRate
            | Self::Contradiction(_) => true,
            Self::NoFeature(why) => !matches!(why, NoFeature::Failed { .. }),
            Self::NotFound(_)
            | Self::NoAnswer(_)
            | Self::NotOpened(_)
            | Self::InUse
            | Self::Failed { .. } => false,
        }
    }

    /// The error of a source. `input` is the camera as the config names it; `is_on_usb`: what is known of its last time.
    pub(crate) fn of(self, input: &str, is_on_usb: bool) -> SourceError {
        let (input, reason) = (input.to_owned(), self.to_string());
        if self.is_permanent() {
            return SourceError::Unusable { input, reason };
        }
        let cause = match self {
            Self::InUse | Self::Failed { .. } => LossBefore::CameraStall,
            _ if is_on_usb => LossBefore::Unplugged,
            _ => LossBefore::Network,
        };
        SourceError::Lost { input, reason, cause, refused: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(refused: Refused, is_on_usb: bool) -> (bool, Option<LossBefore>) {
        let error = refused.of("F1", is_on_usb);
        let cause = if let SourceError::Lost { cause, .. } = &error { Some(*cause) } else { None };
        (error.is_permanent(), cause)
    }

    #[test]
    fn a_camera_that_may_come_back_is_lost_by_its_cable_and_a_wrong_config_is_for_good() {
        let nobody = || Refused::NotFound(NotFound::Nobody(Vec::new()));
        assert_eq!(of(nobody(), false), (false, Some(LossBefore::Network)));
        assert_eq!(of(nobody(), true), (false, Some(LossBefore::Unplugged)));
        assert_eq!(of(Refused::InUse, false), (false, Some(LossBefore::CameraStall)));
        assert_eq!(of(Refused::NoRate, false), (true, None));
        let unknown = NoFeature::Unknown("Gaim".into());
        assert_eq!(of(Refused::NoFeature(unknown), false), (true, None));
        let failed = NoFeature::Failed { name: "Gain".into(), why: "timeout".into() };
        assert_eq!(of(Refused::NoFeature(failed), false), (false, Some(LossBefore::Network)));
    }
}
