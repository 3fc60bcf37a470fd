//! A camera's features by aravis: [`Features`] of a real device.

use aravis::glib::prelude::ObjectExt as _;
use aravis::prelude::*;
use aravis::{
    Device, DeviceError, GcAccessMode, GcBoolean, GcCommand, GcEnumeration, GcFloat, GcInteger, GcString,
};

use super::features::{Features, Kind, Refusal, Value};

/// A number beyond this is no bound that a person could go by.
const NO_BOUND: f64 = 1e15;

/// The features of a device.
pub(crate) struct Nodes<'a>(pub(crate) &'a Device);

/// Does the camera give no answer, rather than this one?
pub(crate) fn is_lost(error: &aravis::glib::Error) -> bool {
    let kind = error.kind::<DeviceError>();
    matches!(kind, Some(DeviceError::Timeout | DeviceError::NotConnected | DeviceError::TransferError))
}

fn refusal(error: &aravis::glib::Error) -> Refusal {
    Refusal { text: error.message().to_owned(), is_lost: is_lost(error) }
}

impl Features for Nodes<'_> {
    fn kind(&self, name: &str) -> Option<Kind> {
        let node = self.0.feature(name)?;
        // A choice has a number and a word too, so it is looked for first.
        if node.is::<GcEnumeration>() {
            Some(Kind::Choice)
        } else if node.is::<GcBoolean>() {
            Some(Kind::Flag)
        } else if node.is::<GcCommand>() {
            Some(Kind::Command)
        } else if node.is::<GcFloat>() {
            Some(Kind::Number)
        } else if node.is::<GcInteger>() {
            Some(Kind::Whole)
        } else if node.is::<GcString>() {
            Some(Kind::Text)
        } else {
            None
        }
    }

    fn can_be_set(&self, name: &str) -> bool {
        // The camera itself tells of what can't even be asked.
        self.0.is_feature_available(name).unwrap_or(true)
    }

    fn can_be_read(&self, name: &str) -> bool {
        self.0.feature_access_mode(name) != GcAccessMode::Wo
    }

    fn choices(&self, name: &str) -> Vec<String> {
        let words = self.0.dup_available_enumeration_feature_values_as_strings(name);
        words.unwrap_or_default().into_iter().map(String::from).collect()
    }

    fn bounds(&self, name: &str, kind: Kind) -> Option<String> {
        if kind == Kind::Whole {
            let (least, most) = self.0.integer_feature_bounds(name).ok()?;
            return Some(format!("{least} to {most}"));
        }
        let (least, most) = self.0.float_feature_bounds(name).ok()?;
        (least.abs() < NO_BOUND && most.abs() < NO_BOUND).then(|| format!("{least} to {most}"))
    }

    fn set(&self, name: &str, value: &Value) -> Result<(), Refusal> {
        let done = match value {
            Value::Whole(number) => self.0.set_integer_feature_value(name, *number),
            Value::Number(number) => self.0.set_float_feature_value(name, *number),
            Value::Flag(flag) => self.0.set_boolean_feature_value(name, *flag),
            Value::Choice(text) | Value::Text(text) => self.0.set_string_feature_value(name, text),
            Value::Do => self.0.execute_command(name),
        };
        done.map_err(|error| refusal(&error))
    }

    fn get(&self, name: &str, kind: Kind) -> Result<Value, Refusal> {
        let text = || self.0.string_feature_value(name).map(String::from);
        let value = match kind {
            Kind::Whole => self.0.integer_feature_value(name).map(Value::Whole),
            Kind::Number => self.0.float_feature_value(name).map(Value::Number),
            Kind::Flag => self.0.boolean_feature_value(name).map(Value::Flag),
            Kind::Choice => text().map(Value::Choice),
            Kind::Text => text().map(Value::Text),
            Kind::Command => Ok(Value::Do),
        };
        value.map_err(|error| refusal(&error))
    }
}
