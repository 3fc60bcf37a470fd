//! The GigE Vision and USB3 Vision cameras that answer, for `preroll cameras`. None is opened: whoever has it keeps it.

use std::collections::BTreeSet;

use capture::list::free_name;
use proto::found_camera::FoundCamera;

use super::cameras::{self, Heard};

/// The cameras that answer, in the order of their addresses.
pub(crate) fn cameras() -> Vec<FoundCamera> {
    described(cameras::heard())
}

fn described(mut heard: Vec<Heard>) -> Vec<FoundCamera> {
    heard.sort_by(|one, other| {
        (one.is_on_usb, one.ip(), &one.id).cmp(&(other.is_on_usb, other.ip(), &other.id))
    });
    let mut names = BTreeSet::new();
    let described = heard.iter().map(|camera| FoundCamera {
        name: camera.title(),
        driver: "aravis".into(),
        serial: Some(camera.serial.clone()).filter(|serial| !serial.is_empty()),
        address: Some(camera.address.clone()).filter(|address| !address.is_empty()),
        owner_name: camera.owner_name.clone(),
        config: Some(entry(camera, &heard, free_name(&camera.title(), &mut names))),
        ..FoundCamera::default()
    });
    described.collect()
}

/// An entry for a config's `cameras`: by the serial number, unless another camera has the same.
fn entry(camera: &Heard, all: &[Heard], name: String) -> String {
    let has_twin = all.iter().filter(|other| other.serial == camera.serial).count() > 1;
    let is_by_serial = !camera.serial.is_empty() && !has_twin;
    let key = match (is_by_serial, camera.is_on_usb) {
        (true, _) => &camera.serial,
        (false, true) => &camera.id,
        (false, false) => &camera.address,
    };
    // A serial number may look like a number, and is a text.
    format!("- {{ name: {name}, backend: gige, camera: '{}' }}", key.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proto::config::{Backend, Config};

    use super::*;

    fn heard(model: &str, serial: &str, address: &str) -> Heard {
        Heard {
            id: format!("Maker-{model}-{serial}"),
            vendor: "Maker".into(),
            model: model.into(),
            serial: serial.into(),
            address: address.into(),
            ..Heard::default()
        }
    }

    /// The camera that the entry names, as the config reads it.
    fn camera_of(found: &FoundCamera) -> String {
        let text = format!("cameras:\n  {}\n", found.config.as_ref().unwrap());
        let config = Config::parse(Path::new("rig.yaml"), &text).unwrap();
        let Backend::Gige(gige) = &config.cameras[0].backend else { panic!("{:?}", config.cameras[0]) };
        gige.camera.clone()
    }

    #[test]
    fn cameras_are_listed_with_an_entry_that_the_config_takes_and_that_means_one_camera() {
        let usb = Heard { is_on_usb: true, address: "USB3".into(), ..heard("U3", "0012", "") };
        let all = vec![
            usb,
            heard("M1", "01", "10.0.0.10"),
            heard("M1", "01", "10.0.0.9"),
            heard("M1", "", "10.0.0.8"),
        ];
        let listed = described(all.clone());
        let names: Vec<_> = listed.iter().map(|camera| camera.config.as_ref().unwrap()).collect();
        assert!(names[1].starts_with("- { name: maker-m1-2, backend: gige, camera: '"), "{names:?}");
        let cameras: Vec<_> = listed.iter().map(camera_of).collect();
        assert_eq!(cameras, ["10.0.0.8", "10.0.0.9", "10.0.0.10", "0012"]);
        for camera in cameras {
            assert!(cameras::choose(all.clone(), &camera).is_ok(), "{camera}");
        }
        assert_eq!((listed[3].serial.as_deref(), listed[0].serial.as_deref()), (Some("0012"), None));
    }
}
