//! Tests of setting features, on a camera that is a table.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;

/// A camera with a few features of each kind.
#[derive(Default)]
struct Table {
    values: RefCell<BTreeMap<&'static str, Value>>,
    /// The names of what was set, in order.
    order: RefCell<Vec<String>>,
    refuses: Option<Refusal>,
}

const MODES: [&str; 2] = ["Off", "On"];

impl Table {
    fn new() -> Self {
        let values = [
            ("Width", Value::Whole(640)),
            ("ExposureTime", Value::Number(10_000.0)),
            ("ReverseX", Value::Flag(false)),
            ("TriggerMode", Value::Choice("Off".into())),
            ("PixelFormat", Value::Choice("Mono8".into())),
            ("DeviceUserID", Value::Text(String::new())),
            ("UserSetLoad", Value::Do),
            ("DeviceTemperature", Value::Number(40.0)),
            ("Key", Value::Whole(0)),
        ];
        Self { values: RefCell::new(values.into()), ..Self::default() }
    }

    fn now(&self, name: &str) -> Value {
        self.values.borrow()[name].clone()
    }
}

impl Features for Table {
    fn kind(&self, name: &str) -> Option<Kind> {
        Some(match self.values.borrow().get(name)? {
            Value::Whole(_) => Kind::Whole,
            Value::Number(_) => Kind::Number,
            Value::Flag(_) => Kind::Flag,
            Value::Choice(_) => Kind::Choice,
            Value::Text(_) => Kind::Text,
            Value::Do => Kind::Command,
        })
    }

    fn can_be_set(&self, name: &str) -> bool {
        name != "DeviceTemperature"
    }

    fn can_be_read(&self, name: &str) -> bool {
        name != "Key"
    }

    fn choices(&self, name: &str) -> Vec<String> {
        let words: &[&str] = if name == "TriggerMode" { &MODES } else { &["Mono8", "Mono12"] };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn bounds(&self, name: &str, _: Kind) -> Option<String> {
        (name == "Width").then(|| "16 to 640".to_owned())
    }

    fn set(&self, name: &str, value: &Value) -> Result<(), Refusal> {
        if let Some(refusal) = &self.refuses {
            return Err(refusal.clone());
        }
        self.order.borrow_mut().push(name.to_owned());
        let taken = match value {
            // The camera has 16 pixels a step, and ticks of 3 microseconds.
            Value::Whole(width) if name == "Width" => Value::Whole(width / 16 * 16),
            Value::Number(time) => Value::Number((time / 3.0).round() * 3.0),
            value => value.clone(),
        };
        let mut values = self.values.borrow_mut();
        if name == "PixelFormat" {
            values.insert("ExposureTime", Value::Number(20_000.0));
        }
        let place = values.iter_mut().find(|(known, _)| **known == name).unwrap().1;
        *place = if name == "Key" { Value::Whole(0) } else { taken };
        Ok(())
    }

    fn get(&self, name: &str, _: Kind) -> Result<Value, Refusal> {
        Ok(self.now(name))
    }
}

fn features(wanted: &[(&str, &str)]) -> Vec<Feature> {
    wanted.iter().map(|(name, value)| Feature { name: (*name).into(), value: (*value).into() }).collect()
}

#[track_caller]
fn refusal(wanted: &[(&str, &str)], says: &str) {
    let why = set(&Table::new(), &features(wanted)).unwrap_err().to_string();
    assert!(why.contains(says), "{why}");
}

#[test]
fn features_of_every_kind_are_set_in_the_order_of_the_config() {
    let camera = Table::new();
    let wanted = [
        ("TriggerMode", "on"),
        ("ReverseX", "true"),
        ("Width", "0x140"),
        ("ExposureTime", "5001"),
        ("UserSetLoad", "true"),
        ("DeviceUserID", ""),
        ("Key", "7"),
    ];
    set(&camera, &features(&wanted)).unwrap();
    assert_eq!(*camera.order.borrow(), wanted.map(|(name, _)| name.to_owned()));
    assert_eq!(camera.now("Width"), Value::Whole(320));
    assert_eq!(camera.now("TriggerMode"), Value::Choice("On".into()));
    assert_eq!(camera.now("ReverseX"), Value::Flag(true));
}

#[test]
fn a_switch_may_be_typed_as_yaml_takes_it() {
    for (typed, word) in [("On", "On"), ("true", "On"), ("OFF", "Off"), ("false", "Off"), ("0", "Off")] {
        let camera = Table::new();
        set(&camera, &features(&[("TriggerMode", typed)])).unwrap();
        assert_eq!(camera.now("TriggerMode"), Value::Choice(word.into()), "{typed}");
    }
}

#[test]
fn a_value_that_the_camera_rounds_is_refused_with_what_to_write() {
    refusal(
        &[("Width", "333")],
        "was given 333 for its feature Width, which reads back as 320: write Width: 320",
    );
    refusal(&[("ExposureTime", "10")], "which reads back as 9: write ExposureTime: 9");
    // A thousandth is the camera's own tick.
    set(&Table::new(), &features(&[("ExposureTime", "5000")])).unwrap();
}

#[test]
fn a_feature_that_a_later_one_changes_is_refused() {
    refusal(
        &[("ExposureTime", "6000"), ("PixelFormat", "Mono12")],
        "reads back as 20000 when those behind it are set",
    );
    let camera = Table::new();
    set(&camera, &features(&[("PixelFormat", "Mono12"), ("ExposureTime", "6000")])).unwrap();
}

#[test]
fn what_is_no_value_and_what_cannot_be_set_are_told_with_what_can() {
    refusal(&[("Widht", "320")], "has no feature Widht");
    refusal(&[("Width", "wide")], "takes a whole number from 16 to 640 for its feature Width");
    refusal(&[("Width", "320.5")], "a whole number");
    refusal(&[("ExposureTime", "inf")], "takes a number for");
    refusal(&[("ReverseX", "maybe")], "true or false");
    refusal(&[("PixelFormat", "Mono9")], "takes Mono8, Mono12 for its feature PixelFormat");
    refusal(&[("PixelFormat", "true")], "takes Mono8, Mono12");
    refusal(&[("UserSetLoad", "false")], "it is a command");
    refusal(&[("DeviceTemperature", "20")], "doesn't let its feature DeviceTemperature be set");
}

#[test]
fn a_refusal_of_the_camera_is_told_from_a_camera_that_is_gone() {
    let refusing =
        |text: &str, is_lost| Table { refuses: Some(Refusal { text: text.into(), is_lost }), ..Table::new() };
    let wanted = features(&[("Width", "9000")]);
    let why = set(&refusing("out of range", false), &wanted).unwrap_err();
    assert_eq!(
        why.to_string(),
        "refuses 9000 for its feature Width: out of range; it takes a whole number from 16 to 640"
    );
    let why = set(&refusing("timeout", true), &wanted).unwrap_err();
    assert!(matches!(why, NoFeature::Failed { .. }), "{why:?}");
}
