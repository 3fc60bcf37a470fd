//! The cameras that there are, as aravis hears of them, and the one that a config means. Choosing is pure.

use std::net::Ipv4Addr;
use std::time::Duration;

use aravis::prelude::*;
use aravis::{GvInterface, Interface, UvInterface};

use super::gvcp::Gvcp;

/// A camera has this long to tell its name. Those that were heard of are on this network.
const TELLS_WITHIN: Duration = Duration::from_millis(200);

/// A camera that was heard of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// aravis' name for it, by which it is opened.
    pub(crate) id: String,
    pub(crate) vendor: String,
    pub(crate) model: String,
    pub(crate) serial: String,
    /// The IP address, or the place on USB.
    pub(crate) address: String,
    /// The MAC address, or USB's GUID.
    pub(crate) physical: String,
    /// The name that its owner has given it, of a GigE camera that has one.
    pub(crate) owner_name: Option<String>,
    pub(crate) is_on_usb: bool,
}

impl Heard {
    /// The IP address; `None` of a camera on USB.
    pub(crate) fn ip(&self) -> Option<Ipv4Addr> {
        self.address.parse().ok().filter(|_| !self.is_on_usb)
    }

    /// Vendor and model.
    pub(crate) fn title(&self) -> String {
        let (vendor, model) = (self.vendor.trim(), self.model.trim());
        if model.starts_with(vendor) { model.to_owned() } else { format!("{vendor} {model}") }
            .trim()
            .to_owned()
    }

    fn is_called(&self, wanted: &str) -> bool {
        let own = [&self.serial, &self.id, &self.address];
        let vendor_and_serial = format!("{}-{}", self.vendor, self.serial);
        own.into_iter().any(|name| name == wanted)
            || vendor_and_serial == wanted
            || self.physical.eq_ignore_ascii_case(wanted)
            || self.owner_name.as_deref() == Some(wanted)
    }

    /// The words by which it can be told from others.
    fn words(&self) -> String {
        let name = self.owner_name.as_ref().map_or(String::new(), |name| format!(", named {name}"));
        format!("{} (serial number {}, {}{name})", self.title(), self.serial, self.address)
    }
}

/// No camera is the one that a config means. The text goes behind the config's word and a colon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotFound {
    /// No camera has that name.
    #[error("{}", nobody(.0))]
    Nobody(Vec<Heard>),
    /// Several have it.
    #[error("several cameras are called so: {}; name one by its serial number or its IP address", list(.0))]
    Several(Vec<Heard>),
}

fn nobody(there: &[Heard]) -> String {
    match there {
        [] => "no GigE Vision or USB3 Vision camera answers; is it powered, on this network, with an address of it, and does the \
               firewall let UDP from it in?"
            .to_owned(),
        there => format!("no camera of this serial number, name or address answers; there are {}", list(there)),
    }
}

fn list(cameras: &[Heard]) -> String {
    cameras.iter().map(Heard::words).collect::<Vec<_>>().join(", ")
}

/// Chooses the camera that a config means.
///
/// # Errors
/// [`NotFound`].
pub(crate) fn choose(mut there: Vec<Heard>, wanted: &str) -> Result<Heard, NotFound> {
    let mut called: Vec<Heard> = there.iter().filter(|camera| camera.is_called(wanted)).cloned().collect();
    match called.len() {
        0 => {
            there.sort_by(|one, other| one.id.cmp(&other.id));
            Err(NotFound::Nobody(there))
        }
        1 => Ok(called.remove(0)),
        _ => {
            called.sort_by(|one, other| one.address.cmp(&other.address));
            Err(NotFound::Several(called))
        }
    }
}

/// Every camera that answers: takes a second, in which aravis listens. Not for two threads at a time.
pub(crate) fn heard() -> Vec<Heard> {
    let interfaces = [(GvInterface::instance(), false), (UvInterface::instance(), true)];
    let there = interfaces.into_iter().filter_map(|(interface, is_on_usb)| Some((interface?, is_on_usb)));
    there.flat_map(|(interface, is_on_usb)| heard_by(&interface, is_on_usb)).collect()
}

fn heard_by(interface: &Interface, is_on_usb: bool) -> Vec<Heard> {
    interface.update_device_list();
    let text = |text: Option<aravis::glib::GString>| text.map(String::from).unwrap_or_default();
    let one = |index| {
        let mut camera = Heard {
            id: text(interface.device_id(index)),
            vendor: text(interface.device_vendor(index)),
            model: text(interface.device_model(index)),
            serial: text(interface.device_serial_nbr(index)),
            address: text(interface.device_address(index)),
            physical: text(interface.device_physical_id(index)),
            owner_name: None,
            is_on_usb,
        };
        camera.owner_name = camera.ip().and_then(|address| Gvcp::to(address).ok()?.name(TELLS_WITHIN));
        camera
    };
    (0..interface.n_devices()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(model: &str, serial: &str, address: &str) -> Heard {
        Heard {
            id: format!("Maker-{model}-{serial}"),
            vendor: "Maker".into(),
            model: model.into(),
            serial: serial.into(),
            address: address.into(),
            physical: format!("00:11:22:aa:bb:{serial}"),
            ..Heard::default()
        }
    }

    fn there() -> Vec<Heard> {
        let named = Heard { owner_name: Some("gate".into()), ..camera("M1", "02", "10.0.0.2") };
        vec![camera("M1", "01", "10.0.0.1"), named, camera("M2", "01", "10.0.0.3")]
    }

    #[test]
    fn a_camera_is_known_by_each_of_its_names() {
        for wanted in ["02", "gate", "10.0.0.2", "Maker-02", "Maker-M1-02", "00:11:22:AA:BB:02"] {
            assert_eq!(choose(there(), wanted).map(|found| found.address), Ok("10.0.0.2".into()), "{wanted}");
        }
    }

    #[test]
    fn a_name_of_several_is_refused_with_all_of_them() {
        let why = choose(there(), "01").unwrap_err().to_string();
        assert!(
            why.starts_with("several cameras are called so: Maker M1 (serial number 01, 10.0.0.1), "),
            "{why}"
        );
        assert!(why.contains("Maker M2 (serial number 01, 10.0.0.3)") && !why.contains("10.0.0.2"), "{why}");
        let twins = vec![
            Heard { owner_name: Some("gate".into()), ..camera("M1", "03", "10.0.0.4") },
            there().remove(1),
        ];
        let why = choose(twins, "gate").unwrap_err().to_string();
        assert!(why.contains("named gate") && why.contains("10.0.0.2") && why.contains("10.0.0.4"), "{why}");
    }

    #[test]
    fn a_name_of_nobody_is_told_with_who_is_there() {
        let why = choose(there(), "99").unwrap_err().to_string();
        assert!(why.contains("there are Maker M1 (serial number 01, 10.0.0.1), "), "{why}");
        let why = choose(Vec::new(), "99").unwrap_err().to_string();
        assert!(why.contains("no GigE Vision or USB3 Vision camera answers"), "{why}");
    }

    #[test]
    fn a_title_names_the_maker_once() {
        assert_eq!(camera("M1", "", "").title(), "Maker M1");
        assert_eq!(Heard { model: "Maker M1".into(), ..camera("", "", "") }.title(), "Maker M1");
        assert_eq!(Heard::default().title(), "");
    }
}
