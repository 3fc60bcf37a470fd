//! The words for how things stand: the instance, its cameras, its processes, its health. They are printed by `stats`
//! and `status`, and told to systemd. How a state is found out is the supervisor's business.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares an enum whose variants have one word each: in JSON, in tables and in log lines.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

words! {
    /// The state of an instance.
    InstanceState {
        /// Not everything has come up yet.
        #[default]
        Starting = "starting",
        /// Every camera delivers, and clips can be recorded.
        Ready = "ready",
        /// A camera or the recorder is in trouble.
        Degraded = "degraded",
        /// `stop` or a signal has begun its end.
        Stopping = "stopping",
    }
}

words! {
    /// The state of a camera, its capture process included.
    CameraStatus {
        /// Being opened.
        #[default]
        Starting = "starting",
        /// Delivers frames.
        Live = "live",
        /// Delivers the same picture again and again.
        Frozen = "frozen",
        /// Open, but delivers no frames.
        Silent = "silent",
        /// A file that has played to its end.
        Ended = "ended",
        /// Can't be opened or read.
        Failed = "failed",
        /// The last capture has ended, and the next one is not up yet.
        Restarting = "restarting",
    }
}

impl CameraStatus {
    /// Does it do what it should?
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Live | Self::Ended)
    }

    /// Is it on its way to its first frame?
    #[must_use]
    pub fn is_coming_up(self) -> bool {
        matches!(self, Self::Starting | Self::Restarting)
    }
}

words! {
    /// The work of a process in an instance.
    ProcessRole {
        /// Starts and watches the others.
        #[default]
        Supervisor = "supervisor",
        /// Brings one camera's frames into its ring.
        Capture = "capture",
        /// Makes clips.
        Recorder = "recorder",
        /// A recorder that waits to take the recorder's place.
        Standby = "standby",
    }
}

words! {
    /// The state of a process.
    ProcessState {
        /// Runs, and has not come to its rendezvous yet.
        #[default]
        Starting = "starting",
        /// Runs, and can be given orders.
        Running = "running",
        /// Runs as a standby that has its encoders open.
        Warm = "warm",
        /// Ended; the next one is started in a while.
        Waiting = "waiting",
        /// Ended, and no other is wanted: its camera is a file that has played to its end.
        Ended = "ended",
        /// The supervisor itself, while everything ends.
        Stopping = "stopping",
    }
}

words! {
    /// A verdict on an instance's health.
    HealthStatus {
        /// Nothing to do.
        #[default]
        Good = "good",
        /// More is used than is good.
        Fair = "fair",
        /// A person should look.
        Attention = "attention",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_the_same_word_in_json_and_in_a_table() {
        let json = serde_json::to_string(&CameraStatus::Restarting).unwrap();
        assert_eq!(json, "\"restarting\"");
        assert_eq!(serde_json::from_str::<CameraStatus>(&json).unwrap(), CameraStatus::Restarting);
        assert_eq!(format!("{:12}|", CameraStatus::Restarting), "restarting  |");
    }

    #[test]
    fn an_unknown_word_is_refused() {
        assert!(serde_json::from_str::<InstanceState>("\"fine\"").is_err());
    }
}
