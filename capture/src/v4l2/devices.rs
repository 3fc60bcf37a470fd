//! The video nodes of this machine, as sysfs and udev tell of them, and the search for the one that a config names. No node is
//! opened here.

use std::fmt;
use std::path::{Path, PathBuf};

use proto::source::VideoDevice;
use rustix::io::Errno;

mod sysfs;

pub(crate) use sysfs::Places;

/// A video node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// The path: `/dev/videoN`.
    pub(crate) path: PathBuf,
    /// The number among the nodes of its interface; from 1 on they hold data about pictures, mostly.
    pub(crate) index: u32,
    /// The camera's name.
    pub(crate) name: String,
    /// The place on USB of a USB camera.
    pub(crate) usb: Option<Usb>,
    /// udev's link by model and serial number.
    pub(crate) by_id: Option<PathBuf>,
    /// udev's link by the port.
    pub(crate) by_path: Option<PathBuf>,
}

/// A USB camera's identity and place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usb {
    /// The port, such as `1-1.2`: bus, then the ports of hubs.
    pub(crate) port: String,
    /// The interface within the device, such as `1.0`.
    pub(crate) interface: String,
    /// The bus.
    pub(crate) bus: u32,
    /// Vendor and product, in four hexadecimal digits each.
    pub(crate) model: (String, String),
    /// The serial number, if it has one.
    pub(crate) serial: Option<String>,
}

impl Usb {
    /// Can't be told from `other` by what it says of itself.
    fn is_twin_of(&self, other: &Self) -> bool {
        self.model == other.model && self.serial == other.serial
    }
}

impl Node {
    /// The nodes whose cameras can't be told from this one's by what they say of themselves, this one included.
    pub(crate) fn twins(&self, nodes: &[Self]) -> Vec<Self> {
        let Some(usb) = &self.usb else { return vec![self.clone()] };
        let is_twin = |other: &&Self| {
            other.index == self.index && other.usb.as_ref().is_some_and(|other| other.is_twin_of(usb))
        };
        nodes.iter().filter(is_twin).cloned().collect()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match &self.usb {
            Some(usb) => write!(f, " ({}, USB port {})", self.name, usb.port),
            None => write!(f, " ({})", self.name),
        }
    }
}

/// A config's `device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceName {
    /// A path: a node, or a link to one.
    Path(PathBuf),
    /// A USB camera's serial number.
    Serial(String),
}

impl DeviceName {
    /// The meaning of the text.
    pub(crate) fn of(text: &str) -> Self {
        match VideoDevice::of(text) {
            VideoDevice::Number(number) => Self::Path(format!("/dev/video{number}").into()),
            VideoDevice::Path(path) => Self::Path(path.to_owned()),
            VideoDevice::Serial(serial) => Self::Serial(serial.to_owned()),
        }
    }

    /// A path that says which node it is, and not which camera: after a replug another camera may have it.
    fn is_only_a_number(path: &Path) -> bool {
        path.to_str()
            .and_then(|path| path.strip_prefix("/dev/video"))
            .is_some_and(|n| n.parse::<u16>().is_ok())
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Serial(serial) => write!(f, "the camera with serial number {serial}"),
        }
    }
}

/// The reason why no node is the one that a config names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotFound {
    /// Nothing of that name is there.
    #[error("it isn't there; is it plugged in? {}", present(.0))]
    Missing(Vec<Node>),
    /// Several cameras have it.
    #[error(
        "{} cameras here can't be told apart by it: name the port instead, device: {}", .0.len(), ways(.0).join(" or ")
    )]
    Ambiguous(Vec<Node>),
    /// Another camera has taken the node's number.
    #[error(
        "it is another camera now, {now}, and not the one that was recorded ({before}); name the camera by \
         /dev/v4l/by-id or by-path, which don't change"
    )]
    Another {
        /// The node.
        now: Box<Node>,
        /// The camera's node before.
        before: Box<Node>,
    },
}

fn present(nodes: &[Node]) -> String {
    let cameras: Vec<String> = nodes.iter().filter(|node| node.index == 0).map(Node::to_string).collect();
    match cameras.len() {
        0 => "No camera is plugged in here".to_owned(),
        _ => format!("Here are {}", cameras.join(", ")),
    }
}

fn ways(nodes: &[Node]) -> Vec<String> {
    let way = |node: &Node| match (&node.by_path, &node.usb) {
        (Some(path), _) => path.display().to_string(),
        // Without udev there are no links: the port says at least which camera it is now.
        (None, Some(usb)) => format!("{} (USB port {})", node.path.display(), usb.port),
        (None, None) => node.path.display().to_string(),
    };
    nodes.iter().map(way).collect()
}

/// Finds the node that a config names. `before` is the node that it was last time in this process, and `canonical` resolves
/// links.
///
/// # Errors
/// [`NotFound`].
pub(crate) fn find(
    wanted: &DeviceName,
    nodes: &[Node],
    before: Option<&Node>,
    canonical: impl Fn(&Path) -> Result<PathBuf, Errno>,
) -> Result<Node, NotFound> {
    match wanted {
        DeviceName::Serial(serial) => {
            let has_it = |node: &&Node| {
                node.usb.as_ref().is_some_and(|usb| usb.serial.as_ref() == Some(serial)) && node.index == 0
            };
            the_only(nodes.iter().filter(has_it).cloned().collect(), nodes)
        }
        DeviceName::Path(path) if DeviceName::is_only_a_number(path) => {
            let now = nodes.iter().find(|node| node.path == *path);
            match before.and_then(|before| Some((before, before.usb.as_ref()?))) {
                Some((before, usb)) => again(before, usb, now, nodes),
                None => now.cloned().map_or_else(|| by_link(path, nodes, canonical), Ok),
            }
        }
        DeviceName::Path(path) => {
            let node = by_link(path, nodes, canonical)?;
            if !is_by_id(path) {
                return Ok(node);
            }
            // udev makes one link for all of them, to the one that came last.
            let twins = node.twins(nodes);
            if twins.len() > 1 { Err(NotFound::Ambiguous(twins)) } else { Ok(node) }
        }
    }
}

fn is_by_id(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("v4l/by-id"))
}

fn by_link(
    path: &Path,
    nodes: &[Node],
    canonical: impl Fn(&Path) -> Result<PathBuf, Errno>,
) -> Result<Node, NotFound> {
    let real = canonical(path).map_err(|_| NotFound::Missing(nodes.to_vec()))?;
    // In a container a node may be there of which sysfs doesn't tell.
    let unknown = || Node { path: real.clone(), name: "a device".to_owned(), ..Node::default() };
    Ok(nodes.iter().find(|node| node.path == real).cloned().unwrap_or_else(unknown))
}

fn the_only(mut found: Vec<Node>, all: &[Node]) -> Result<Node, NotFound> {
    match found.len() {
        0 => Err(NotFound::Missing(all.to_vec())),
        1 => Ok(found.remove(0)),
        _ => Err(NotFound::Ambiguous(found)),
    }
}

/// The same camera again, under any number: at its port, or at another if it can be told from all others.
fn again(before: &Node, usb: &Usb, now: Option<&Node>, nodes: &[Node]) -> Result<Node, NotFound> {
    let is_same = |node: &&Node| {
        node.index == before.index
            && node
                .usb
                .as_ref()
                .is_some_and(|other| other.is_twin_of(usb) && other.interface == usb.interface)
    };
    let same: Vec<&Node> = nodes.iter().filter(is_same).collect();
    let at_its_port = same.iter().find(|node| node.usb.as_ref().is_some_and(|other| other.port == usb.port));
    match (at_its_port, same.as_slice(), now) {
        (Some(node), ..) | (None, [node], _) => Ok((*node).clone()),
        (None, _, Some(now)) => {
            Err(NotFound::Another { now: Box::new(now.clone()), before: Box::new(before.clone()) })
        }
        (None, _, None) => Err(NotFound::Missing(nodes.to_vec())),
    }
}

#[cfg(test)]
mod tests;
