//! The video nodes by what sysfs and udev's links say.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Node, Usb};

/// The folders in which video nodes are told of.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// `/sys/class/video4linux`.
    pub(crate) class: PathBuf,
    /// `/dev`.
    pub(crate) dev: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { class: "/sys/class/video4linux".into(), dev: "/dev".into() }
    }
}

impl Places {
    /// The nodes that there are, in the order of their numbers. Without a folder there are none.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let links = |by: &str| -> Vec<(PathBuf, PathBuf)> {
            let folder = fs::read_dir(self.dev.join("v4l").join(by));
            let links = folder.into_iter().flatten().flatten().map(|entry| entry.path());
            let mut links: Vec<_> =
                links.filter_map(|link| Some((link.canonicalize().ok()?, link))).collect();
            links.sort();
            links
        };
        let (by_id, by_path) = (links("by-id"), links("by-path"));
        let to = |links: &[(PathBuf, PathBuf)], node: &Path| {
            let real = node.canonicalize().ok()?;
            links.iter().find(|(target, _)| *target == real).map(|(_, link)| link.clone())
        };
        let mut nodes: Vec<(u32, Node)> = fs::read_dir(&self.class)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let number: u32 = entry.file_name().to_str()?.strip_prefix("video")?.parse().ok()?;
                let about = entry.path();
                let path = self.dev.join(format!("video{number}"));
                let node = Node {
                    index: text(&about.join("index")).and_then(|index| index.parse().ok()).unwrap_or(0),
                    name: text(&about.join("name")).unwrap_or_else(|| "a device".to_owned()),
                    usb: usb(&about.join("device")),
                    by_id: to(&by_id, &path),
                    by_path: to(&by_path, &path),
                    path,
                };
                Some((number, node))
            })
            .collect();
        nodes.sort_by_key(|(number, _)| *number);
        nodes.into_iter().map(|(_, node)| node).collect()
    }
}

/// The USB device above a node's interface, `1-1.2:1.0`.
fn usb(interface: &Path) -> Option<Usb> {
    let interface = interface.canonicalize().ok()?;
    let device = interface.ancestors().find(|folder| folder.join("idVendor").is_file())?;
    let name = interface.file_name()?.to_str()?;
    Some(Usb {
        port: device.file_name()?.to_str()?.to_owned(),
        interface: name.split_once(':').map_or("", |(_, interface)| interface).to_owned(),
        bus: text(&device.join("busnum")).and_then(|bus| bus.parse().ok()).unwrap_or(0),
        model: (text(&device.join("idVendor"))?, text(&device.join("idProduct")).unwrap_or_default()),
        serial: text(&device.join("serial")),
    })
}

/// A file's only line, if there is something in it.
fn text(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
