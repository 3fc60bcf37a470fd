//! The reasons why a camera isn't opened, as sentences that say what to do. Pure.

use proto::frame::{Fps, LossBefore};
use rustix::io::Errno;

use super::choose::NoMode;
use super::controls::NoControl;
use super::devices::{Node, NotFound};
use super::format::{Format, FourCc};
use super::kernel::{Holder, NodeKind, Thing};
use crate::source::SourceError;

/// The reason. The text goes behind the device's name and a colon.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// No node is the one that the config names.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// Something else has the name.
    #[error("{}", thing(*.0))]
    NoVideoDevice(Thing),
    /// A video device that gives no pictures that can be fetched.
    #[error("{}", no_pictures(*.0))]
    NoPictures(NodeKind),
    /// No right to open it.
    #[error(
        "the user {user} may not open it; it belongs to the group {group}: sudo usermod -aG {group} {user}, then log in \
         again (or restart the service)"
    )]
    Permission {
        /// The user of this process.
        user: String,
        /// The node's group.
        group: String,
    },
    /// Another program has it.
    #[error("it is in use by {}; end that program, or let it give the camera away", holders(.0))]
    Busy(Vec<Holder>),
    /// The USB bus can't carry it too.
    #[error(
        "USB bus {bus} has no room left for it{}: take format: MJPG, a smaller size or a lower rate, plug one of them into \
         another bus (lsusb -t shows them), or let uvcvideo ask for no more than it needs (options uvcvideo quirks=128 \
         in /etc/modprobe.d)",
        beside(others)
    )]
    NoBandwidth {
        /// The bus's number.
        bus: u32,
        /// The other cameras on the bus.
        others: Vec<Node>,
    },
    /// Nothing that it offers is what the config says.
    #[error("it {0}")]
    NoMode(#[from] NoMode),
    /// The device took another format or size than it offers.
    #[error(
        "it was asked for {} {}x{} and gives {} {}x{}: write format: {}, width: {} and height: {}", asked.0.name, asked.1.0,
        asked.1.1, given.0, given.1.0, given.1.1, given.0, given.1.0, given.1.1
    )]
    OtherFormat {
        /// Format and size that it was asked for.
        asked: (Format, (u32, u32)),
        /// Format and size that it gives.
        given: (FourCc, (u32, u32)),
    },
    /// The device took another rate than it was asked for.
    #[error("it was asked for {asked} frames a second and gives {given}: write fps: {given}")]
    OtherRate {
        /// The rate that it was asked for.
        asked: Fps,
        /// The rate that it gives.
        given: Fps,
    },
    /// The device doesn't say its rate.
    #[error("it doesn't say how many frames a second it makes: write fps: N")]
    NoRate,
    /// The pictures come as single fields.
    #[error(
        "it gives the fields of its pictures one by one, which Preroll doesn't weave; use backend: opencv"
    )]
    SingleFields,
    /// A control can't be set.
    #[error("it {0}")]
    NoControl(#[from] NoControl),
    /// The camera was unplugged.
    #[error("it is unplugged")]
    Unplugged,
    /// A call failed.
    #[error("can't {doing}: {error}; see what the kernel says of it (dmesg)")]
    Failed {
        /// The attempt, in the words behind "can't".
        doing: &'static str,
        /// The kernel's answer.
        error: Errno,
    },
}

fn thing(thing: Thing) -> &'static str {
    match thing {
        Thing::File => "it is a plain file, and no video device",
        Thing::Folder => "it is a folder, and no video device",
        Thing::OtherDevice => "it is a device of another kind, and no video device",
        Thing::Pipe => "it is a pipe or a socket, and no video device; use backend: pipe",
    }
}

fn no_pictures(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Metadata => {
            "it gives data about pictures and no pictures; the camera's other node does, mostly the one with the number below, \
             or the link that ends in -index0"
        }
        NodeKind::MultiPlanar => {
            "it has only V4L2's multi-planar interface, which Preroll doesn't speak; let a program such as ffmpeg or \
             rpicam-vid read it and use backend: pipe"
        }
        NodeKind::Capture | NodeKind::Other => "it gives no pictures: it is an output, a codec or a radio",
    }
}

fn holders(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "a program that this user can't see (sudo fuser -v DEVICE names it)".to_owned();
    }
    let words: Vec<String> =
        holders.iter().map(|Holder { pid, name }| format!("{name} (pid {pid})")).collect();
    words.join(" and ")
}

fn beside(others: &[Node]) -> String {
    match others {
        [] => String::new(),
        others => {
            let names: Vec<String> = others.iter().map(Node::to_string).collect();
            format!(" beside {}", names.join(" and "))
        }
    }
}

impl Refused {
    /// Will it be the same until somebody changes the config or the device?
    fn is_permanent(&self) -> bool {
        match self {
            Self::NoVideoDevice(_)
            | Self::NoPictures(_)
            | Self::NoMode(_)
            | Self::OtherFormat { .. }
            | Self::OtherRate { .. }
            | Self::NoRate
            | Self::SingleFields => true,
            Self::NoControl(why) => !matches!(why, NoControl::Failed(_)),
            Self::NotFound(_)
            | Self::Permission { .. }
            | Self::Busy(_)
            | Self::NoBandwidth { .. }
            | Self::Unplugged
            | Self::Failed { .. } => false,
        }
    }

    /// The error of a source. `input` is the device as the config names it.
    pub(crate) fn of(self, input: &str) -> SourceError {
        let (input, reason) = (input.to_owned(), self.to_string());
        if self.is_permanent() {
            return SourceError::Unusable { input, reason };
        }
        let is_there = matches!(
            self,
            Self::Permission { .. } | Self::Busy(_) | Self::NoBandwidth { .. } | Self::Failed { .. }
        );
        let cause = if is_there { LossBefore::CameraStall } else { LossBefore::Unplugged };
        SourceError::Lost { input, reason, cause, refused: false }
    }
}
