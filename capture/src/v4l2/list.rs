//! Every camera with a device of Video4Linux, with all that it offers and an entry for the config: what `capture --list-devices`
//! prints.

use std::collections::BTreeSet;

use proto::found_camera::{FoundCamera, FoundMode, SizeRow};

use super::choose::{self, Mode, Offered, Wanted};
use super::devices::Node;
use super::format::Format;
use super::kernel::{Fraction, FrameInterval, FrameSize, Kernel, NodeKind, NotOpened};
use super::menu;
use super::open::Place;
use super::refused::Refused;
use super::system::System;
use crate::list::free_name;

/// The cameras of this machine.
#[must_use]
pub fn all() -> Vec<FoundCamera> {
    cameras(&System::default())
}

/// The cameras that there are, in the order of their nodes.
pub(super) fn cameras(kernel: &dyn Kernel) -> Vec<FoundCamera> {
    let nodes = kernel.nodes();
    let mut names = BTreeSet::new();
    nodes.iter().filter_map(|node| camera(kernel, node, &nodes, &mut names)).collect()
}

/// A node's camera; `None` for a node that gives no pictures.
fn camera(
    kernel: &dyn Kernel,
    node: &Node,
    nodes: &[Node],
    names: &mut BTreeSet<String>,
) -> Option<FoundCamera> {
    let mut found = FoundCamera {
        name: node.name.clone(),
        node: node.path.clone(),
        usb_port: node.usb.as_ref().map(|usb| usb.port.clone()),
        serial: node.usb.as_ref().and_then(|usb| usb.serial.clone()),
        by_id: node.by_id.clone(),
        by_path: node.by_path.clone(),
        ..FoundCamera::default()
    };
    let place = Place { kernel, node };
    let looked = kernel.open(&node.path).map_err(|why| match why {
        NotOpened::NoVideoDevice(thing) => Refused::NoVideoDevice(thing),
        NotOpened::Refused(error) => place.failed("open it", error),
    });
    let looked = looked.and_then(|device| {
        let capability = device.capability().map_err(|error| place.failed("ask it for its kind", error))?;
        let offered = match capability.kind {
            NodeKind::Capture => menu::offered(device.as_ref(), None)
                .map_err(|error| place.failed("ask it for its formats", error))?,
            other => return Err(Refused::NoPictures(other)),
        };
        let current = device.current().map_or((640, 480), |picture| picture.size);
        Ok((capability, offered, current))
    });
    match looked {
        Ok((capability, offered, current)) => {
            (found.name, found.driver) = (capability.card, capability.driver);
            found.modes = offered.iter().flat_map(modes).collect();
            found.config =
                mode(&offered, current).map(|mode| entry(node, nodes, &mode, free_name(&found.name, names)));
        }
        Err(Refused::NoPictures(NodeKind::MultiPlanar)) => {
            found.problem = Some(Refused::NoPictures(NodeKind::MultiPlanar).to_string());
        }
        Err(Refused::NoPictures(_) | Refused::Unplugged) => return None,
        // The nodes of metadata would say the same once more.
        Err(_) if node.index > 0 => return None,
        Err(why) => found.problem = Some(why.to_string()),
    }
    Some(found)
}

/// The mode that a config's entry should name: the one of `format: auto`, or else one of a format that has to be asked for.
fn mode(offered: &[Offered], current: (u32, u32)) -> Option<Mode> {
    let by = |format| choose::choose(&Wanted { format, ..Wanted::default() }, offered, current).ok();
    let asked_for =
        || offered.iter().filter_map(|offer| Format::of(offer.format)).find_map(|format| by(Some(format)));
    by(None).or_else(asked_for)
}

fn modes(offer: &Offered) -> Vec<FoundMode> {
    let format = offer.format.to_string();
    let is_recorded = Format::of(offer.format).is_some();
    let plain = FoundMode { format, is_recorded, ..FoundMode::default() };
    if offer.sizes.is_empty() {
        return vec![plain];
    }
    let mode = |size: &choose::OfferedSize| {
        let ((width, height), row) = match size.size {
            FrameSize::Discrete(w, h) => ((w, h), None),
            FrameSize::Stepwise { least, most, step } => {
                let row = SizeRow {
                    least_width: least.0,
                    least_height: least.1,
                    width_step: step.0,
                    height_step: step.1,
                };
                (most, Some(row))
            }
        };
        FoundMode { width, height, row, fps: rates(&size.intervals), ..plain.clone() }
    };
    offer.sizes.iter().map(mode).collect()
}

fn rates(intervals: &[FrameInterval]) -> Vec<f64> {
    let thousandths = |interval: Fraction| (interval.fps() * 1_000.0).round() / 1_000.0;
    let mut rates: Vec<f64> = intervals
        .iter()
        .flat_map(|row| match row {
            FrameInterval::Discrete(interval) => vec![thousandths(*interval)],
            FrameInterval::Between { shortest, longest } => {
                vec![thousandths(*shortest), thousandths(*longest)]
            }
        })
        .collect();
    rates.sort_by(|one, other| other.total_cmp(one));
    rates.dedup();
    rates
}

/// An entry for a config's `cameras`.
fn entry(node: &Node, nodes: &[Node], mode: &Mode, name: String) -> String {
    // A link that twins share leads to any of them.
    let by_id = node.by_id.as_ref().filter(|_| node.twins(nodes).len() < 2);
    let device = by_id.or(node.by_path.as_ref()).unwrap_or(&node.path).display();
    let Mode { format, size: (width, height), interval } = mode;
    let fps = interval
        .map_or(String::new(), |interval| format!(", fps: {}", (interval.fps() * 1_000.0).round() / 1_000.0));
    format!(
        "- {{ name: {name}, backend: v4l2, device: {device}, format: {}, width: {width}, height: {height}{fps} }}",
        format.name
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::v4l2::fake_kernel::{FakeCamera, FakeKernel};
    use crate::v4l2::tests::{node, offer, webcam};
    use proto::config::{Backend, Config};
    use rustix::io::Errno;

    fn device_of(camera: &FoundCamera) -> String {
        let text = format!("cameras:\n  {}\n", camera.config.as_ref().unwrap());
        let config = Config::parse(Path::new("rig.yaml"), &text).unwrap();
        let Backend::V4l2(v4l2) = &config.cameras[0].backend else { panic!("{:?}", config.cameras[0]) };
        v4l2.device.clone()
    }

    #[test]
    fn a_camera_is_listed_with_its_modes_and_an_entry_that_the_config_takes() {
        let listed = cameras(&FakeKernel::with([webcam()]));
        let [camera] = listed.as_slice() else { panic!("{listed:?}") };
        assert_eq!((camera.name.as_str(), camera.driver.as_str()), ("HD Webcam", "uvcvideo"));
        assert_eq!((camera.usb_port.as_deref(), camera.serial.as_deref()), (Some("1-1"), Some("A1")));
        let modes: Vec<_> =
            camera.modes.iter().map(|mode| (mode.format.as_str(), mode.width, mode.fps.len())).collect();
        assert_eq!(modes, [("MJPG", 640, 3), ("GREY", 64, 1), ("H264", 640, 1)]);
        assert_eq!(
            camera.config.as_deref(),
            Some(
                "- { name: hd-webcam, backend: v4l2, device: /dev/v4l/by-id/usb-HD_A1-video-index0, format: MJPG, \
                 width: 640, height: 480, fps: 50 }"
            )
        );
        assert_eq!(device_of(camera), "/dev/v4l/by-id/usb-HD_A1-video-index0");
    }

    #[test]
    fn twins_are_listed_by_port_and_have_names_of_their_own() {
        let mut twin = webcam();
        twin.node = node(2, "1-2", "A1");
        twin.node.by_path = Some("/dev/v4l/by-path/pci-0000:00:14.0-usb-0:2:1.0-video-index0".into());
        let listed = cameras(&FakeKernel::with([webcam(), twin]));
        assert!(listed[0].config.as_ref().unwrap().contains("name: hd-webcam,"));
        assert!(listed[1].config.as_ref().unwrap().contains("name: hd-webcam-2,"));
        assert_eq!(device_of(&listed[0]), "/dev/v4l/by-path/usb-1-1-video-index0");
        assert_eq!(device_of(&listed[1]), "/dev/v4l/by-path/pci-0000:00:14.0-usb-0:2:1.0-video-index0");
    }

    #[test]
    fn nodes_without_pictures_are_left_out_and_cameras_that_cannot_be_opened_are_told() {
        let mut metadata = webcam();
        metadata.node = Node { index: 1, ..node(1, "1-1", "A1") };
        metadata.kind = NodeKind::Metadata;
        let mut locked = webcam();
        locked.node = node(2, "1-2", "B2");
        locked.refusals.insert("open", Errno::ACCESS);
        let mut planar = webcam();
        planar.kind = NodeKind::MultiPlanar;
        let odd = FakeCamera::new(
            Node { name: "!".into(), ..node(8, "1-8", "X") },
            vec![offer("BAYER_RGGB8", (64, 48), &[50])],
        );
        let listed = cameras(&FakeKernel::with([metadata, locked, planar, odd]));
        assert_eq!(listed.len(), 3, "{listed:?}");
        assert!(listed[0].problem.as_ref().unwrap().contains("usermod -aG video"), "{listed:?}");
        assert!(listed[1].problem.as_ref().unwrap().contains("multi-planar"), "{listed:?}");
        assert!(listed[2].config.as_ref().unwrap().contains("format: BAYER_RGGB8, width: 64"), "{listed:?}");
        assert!(listed[2].modes[0].is_recorded, "{listed:?}");
        assert!(cameras(&FakeKernel::default()).is_empty());
    }
}
