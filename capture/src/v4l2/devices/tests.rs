//! Nodes in a folder that is made like sysfs and /dev, and the search for one of them.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// A machine's folders, made in a temporary one.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for path in ["class", "dev/v4l/by-id", "dev/v4l/by-path", "devices"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn places(&self) -> Places {
        Places { class: self.path("class"), dev: self.path("dev") }
    }

    /// A USB camera with a node for pictures and one for metadata, at a port.
    fn plug_in(&self, number: u32, port: &str, serial: Option<&str>) {
        let device = self.path(&format!("devices/{port}"));
        let interface = device.join(format!("{port}:1.0"));
        for (index, number) in [(0, number), (1, number + 1)] {
            let node = interface.join(format!("video4linux/video{number}"));
            fs::create_dir_all(&node).unwrap();
            fs::write(node.join("index"), format!("{index}\n")).unwrap();
            fs::write(node.join("name"), "HD Webcam\n").unwrap();
            symlink(&interface, node.join("device")).unwrap();
            symlink(&node, self.path(&format!("class/video{number}"))).unwrap();
            let dev = self.path(&format!("dev/video{number}"));
            fs::write(&dev, "").unwrap();
            let by_path = self.path(&format!("dev/v4l/by-path/usb-{port}-video-index{index}"));
            symlink(&dev, by_path).unwrap();
            // As udev does: the camera that came last has the link.
            let by_id =
                self.path(&format!("dev/v4l/by-id/usb-{}-video-index{index}", serial.unwrap_or("HD")));
            let _ = fs::remove_file(&by_id);
            symlink(&dev, by_id).unwrap();
        }
        fs::write(device.join("idVendor"), "046d\n").unwrap();
        fs::write(device.join("idProduct"), "082d\n").unwrap();
        fs::write(device.join("busnum"), "1\n").unwrap();
        if let Some(serial) = serial {
            fs::write(device.join("serial"), format!("{serial}\n")).unwrap();
        }
    }

    fn find(&self, device: &str, before: Option<&Node>) -> Result<Node, NotFound> {
        let canonical = |path: &Path| path.canonicalize().map_err(|_| Errno::NOENT);
        find(&DeviceName::of(device), &self.places().nodes(), before, canonical)
    }
}

#[test]
fn a_device_is_named_by_number_path_or_serial_number() {
    for (text, name) in [
        ("0", DeviceName::Path("/dev/video0".into())),
        ("12", DeviceName::Path("/dev/video12".into())),
        ("/dev/v4l/by-id/usb-x", DeviceName::Path("/dev/v4l/by-id/usb-x".into())),
        ("nodes/left", DeviceName::Path("nodes/left".into())),
        ("8F41A2", DeviceName::Serial("8F41A2".into())),
        ("20231127", DeviceName::Serial("20231127".into())),
    ] {
        assert_eq!(DeviceName::of(text), name, "{text}");
    }
}

#[test]
fn nodes_are_told_of_with_port_serial_number_and_links() {
    let machine = Machine::new();
    machine.plug_in(10, "1-1.2", Some("A1"));
    machine.plug_in(2, "1-3", None);
    let nodes = machine.places().nodes();
    let numbers: Vec<_> =
        nodes.iter().map(|node| (node.path.file_name().unwrap().to_str().unwrap(), node.index)).collect();
    assert_eq!(numbers, [("video2", 0), ("video3", 1), ("video10", 0), ("video11", 1)]);
    let usb = nodes[2].usb.as_ref().unwrap();
    assert_eq!((usb.port.as_str(), usb.interface.as_str(), usb.bus), ("1-1.2", "1.0", 1));
    assert_eq!(usb.serial.as_deref(), Some("A1"));
    assert!(nodes[2].by_id.as_ref().unwrap().ends_with("by-id/usb-A1-video-index0"));
    assert!(nodes[3].by_path.as_ref().unwrap().ends_with("by-path/usb-1-1.2-video-index1"));
    assert!(nodes[2].to_string().ends_with("video10 (HD Webcam, USB port 1-1.2)"), "{}", nodes[2]);
    let none = Places { class: machine.path("none"), dev: machine.path("none") };
    assert!(none.nodes().is_empty());
}

#[test]
fn twins_are_told_apart_by_port_alone() {
    let machine = Machine::new();
    machine.plug_in(0, "1-1", Some("A1"));
    let by_id = machine.path("dev/v4l/by-id/usb-A1-video-index0").display().to_string();
    assert!(machine.find(&by_id, None).is_ok(), "a single camera");
    assert!(machine.find("A1", None).unwrap().path.ends_with("dev/video0"));
    machine.plug_in(2, "1-2", Some("A1"));
    for name in ["A1", by_id.as_str()] {
        let refused = machine.find(name, None).unwrap_err().to_string();
        let both = ["by-path/usb-1-1-video-index0", "by-path/usb-1-2-video-index0"];
        assert!(
            both.iter().all(|path| refused.contains(path)) && refused.starts_with("2 cameras"),
            "{refused}"
        );
    }
    for (port, node) in [("1-1", "dev/video0"), ("1-2", "dev/video2")] {
        let by_path = machine.path(&format!("dev/v4l/by-path/usb-{port}-video-index0"));
        assert!(machine.find(by_path.to_str().unwrap(), None).unwrap().path.ends_with(node));
    }
}

#[test]
fn cameras_of_one_model_without_serial_numbers_are_twins_and_others_are_not() {
    let machine = Machine::new();
    machine.plug_in(0, "1-1", None);
    machine.plug_in(2, "1-2", Some("B2"));
    let link = |name: &str| machine.path(&format!("dev/v4l/by-id/{name}")).display().to_string();
    assert!(machine.find(&link("usb-HD-video-index0"), None).is_ok());
    assert!(machine.find(&link("usb-B2-video-index0"), None).is_ok());
    machine.plug_in(4, "1-4", None);
    let refused = machine.find(&link("usb-HD-video-index0"), None).unwrap_err();
    assert!(matches!(refused, NotFound::Ambiguous(ref nodes) if nodes.len() == 2), "{refused:?}");
}

fn node(number: u32, port: &str, serial: &str) -> Node {
    let usb = Usb { port: port.into(), serial: Some(serial.into()), ..Usb::default() };
    Node { path: format!("/dev/video{number}").into(), usb: Some(usb), ..Node::default() }
}

#[test]
fn a_camera_named_by_a_number_is_followed_when_its_number_changes() {
    let gone = |_: &Path| Err(Errno::NOENT);
    let wanted = DeviceName::of("0");
    let before = node(0, "1-1", "A1");
    let find_in = |nodes: &[Node]| find(&wanted, nodes, Some(&before), gone).map(|node| node.path);
    assert_eq!(find_in(&[node(1, "1-1", "A1")]), Ok("/dev/video1".into()), "replugged");
    assert_eq!(find_in(&[node(1, "1-9", "A1")]), Ok("/dev/video1".into()), "at another port");
    assert_eq!(
        find_in(&[node(0, "1-2", "A1"), node(1, "1-1", "A1")]),
        Ok("/dev/video1".into()),
        "its twin came first"
    );
    let swapped = find_in(&[node(0, "1-1", "B2")]).unwrap_err();
    assert!(swapped.to_string().starts_with("it is another camera now, /dev/video0"), "{swapped}");
    assert!(matches!(find_in(&[node(4, "1-2", "B2")]), Err(NotFound::Missing(_))));
    assert!(matches!(find_in(&[]), Err(NotFound::Missing(_))));
}

#[test]
fn a_missing_camera_is_told_with_those_that_are_there() {
    let machine = Machine::new();
    let refused = machine.find("A1", None).unwrap_err().to_string();
    assert_eq!(refused, "it isn't there; is it plugged in? No camera is plugged in here");
    machine.plug_in(0, "1-1", Some("B2"));
    let refused = machine.find("/dev/v4l/by-id/none", None).unwrap_err().to_string();
    assert!(
        refused.contains("Here are ") && refused.contains("video0 (HD Webcam, USB port 1-1)"),
        "{refused}"
    );
    assert!(!refused.contains("video1"), "no metadata: {refused}");
    let odd = machine.path("dev/odd");
    fs::write(&odd, "").unwrap();
    assert_eq!(machine.find(odd.to_str().unwrap(), None).unwrap().usb, None, "sysfs doesn't tell of it");
}
