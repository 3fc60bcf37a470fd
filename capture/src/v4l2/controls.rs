//! A camera's controls by the names that `v4l2-ctl` gives them: found, set and read back.

use std::collections::BTreeMap;

use proto::config::ControlValue;
use rustix::io::Errno;

use super::choose::list;
use super::kernel::{ControlInfo, ControlKind, Device};

/// More controls than any camera has: a driver that never comes to an end isn't followed further.
const MOST: usize = 512;

/// More choices than any menu has.
const MOST_CHOICES: usize = 256;

/// A control that can't be set as the config says. The text goes behind the device's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoControl {
    /// No such control.
    #[error("has no control {name}; it has {}", list(there))]
    Unknown {
        /// The name in the config.
        name: String,
        /// The names that there are.
        there: Vec<String>,
    },
    /// A control that is there, and can't be set to a number.
    #[error("has a control {0} that can only be read; leave it out of controls")]
    ReadOnly(String),
    /// The value isn't one of its values.
    #[error("takes {} for its control {name}, and the config says {value}", values(*range))]
    Value {
        /// The control's name.
        name: String,
        /// The value in the config.
        value: ControlValue,
        /// Least, most, step.
        range: (i32, i32, i32),
    },
    /// A menu has no such choice.
    #[error("has no choice {choice:?} for its control {name}; it has {}", list(there))]
    Choice {
        /// The control's name.
        name: String,
        /// The name in the config.
        choice: String,
        /// The names that there are.
        there: Vec<String>,
    },
    /// The driver refused it.
    #[error(
        "refuses {value} for its control {name} ({error}); another control may have to be set first, such as \
         auto_exposure: 1 for an exposure of your own"
    )]
    Refused {
        /// The control's name.
        name: String,
        /// The value in the config.
        value: i64,
        /// The driver's answer.
        error: Errno,
    },
    /// The device is gone, or fails.
    #[error("can't be asked for its controls: {0}")]
    Failed(Errno),
}

fn values((least, most, step): (i32, i32, i32)) -> String {
    if step > 1 { format!("{least} to {most} in steps of {step}") } else { format!("{least} to {most}") }
}

/// The name that `v4l2-ctl` gives a control: in lower case, with one `_` for whatever is neither letter nor digit.
pub(crate) fn name(of: &str) -> String {
    let mut name = String::new();
    for c in of.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.trim_end_matches('_').to_owned()
}

/// Sets a device's controls, and returns a sentence for each that reads back as another value.
///
/// # Errors
/// [`NoControl`].
pub(crate) fn set(
    device: &mut dyn Device,
    wanted: &BTreeMap<String, ControlValue>,
) -> Result<Vec<String>, NoControl> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let there = all(device).map_err(NoControl::Failed)?;
    let mut settings = wanted
        .iter()
        .map(|(name, value)| setting(device, name, value, &there))
        .collect::<Result<Vec<_>, NoControl>>()?;
    // Choices and switches first: an exposure can't be set before its automatic is off.
    settings.sort_by_key(|(control, _)| control.kind == ControlKind::Integer);
    for (control, value) in &settings {
        device.set_control(control.id, *value).map_err(|error| refused(control, *value, error))?;
    }
    let mut others = Vec::new();
    for (control, value) in &settings {
        let name = name(&control.name);
        match device.control(control.id) {
            Ok(now) if now != *value => {
                others.push(format!("its control {name} was set to {value} and reads back as {now}"));
            }
            // Some can only be written.
            Ok(_) | Err(Errno::ACCESS) => {}
            Err(error) => return Err(refused(control, *value, error)),
        }
    }
    Ok(others)
}

/// The controls of a device that have values.
fn all(device: &dyn Device) -> Result<Vec<ControlInfo>, Errno> {
    let mut found: Vec<ControlInfo> = Vec::new();
    let mut id = 0;
    while found.len() < MOST {
        match device.next_control(id) {
            Ok(control) if control.id > id => {
                id = control.id;
                found.push(control);
            }
            // Numbers that don't rise would be followed for ever; ENOTTY is a device without controls.
            Ok(_) | Err(Errno::INVAL | Errno::NOTTY) => break,
            Err(error) => return Err(error),
        }
    }
    found.retain(|control| control.kind != ControlKind::Other);
    Ok(found)
}

fn setting(
    device: &dyn Device,
    wanted: &str,
    value: &ControlValue,
    there: &[ControlInfo],
) -> Result<(ControlInfo, i32), NoControl> {
    let Some(control) = there.iter().find(|control| name(&control.name) == wanted) else {
        let there = there.iter().map(|control| name(&control.name)).collect();
        return Err(NoControl::Unknown { name: wanted.to_owned(), there });
    };
    if !control.can_be_set {
        return Err(NoControl::ReadOnly(wanted.to_owned()));
    }
    let found = match value {
        ControlValue::Number(number) => numbered(control, *number),
        ControlValue::Choice(choice) if is_menu(control) => Some(chosen(device, control, choice)?),
        ControlValue::Choice(_) => None,
    };
    let range = (control.least, control.most, control.step);
    match found {
        Some(value) => Ok((control.clone(), value)),
        None => Err(NoControl::Value { name: wanted.to_owned(), value: value.clone(), range }),
    }
}

fn is_menu(control: &ControlInfo) -> bool {
    matches!(control.kind, ControlKind::Menu | ControlKind::NumberMenu)
}

/// A number, if it is one of the control's. Drivers clamp without a word. A menu's choices may have holes, which the driver itself
/// refuses.
fn numbered(control: &ControlInfo, number: i64) -> Option<i32> {
    let (least, most) = (control.least, control.most);
    let fits = i32::try_from(number).ok().filter(|value| (least..=most).contains(value));
    fits.filter(|value| {
        control.kind != ControlKind::Integer
            || control.step <= 1
            || (i64::from(*value) - i64::from(least)) % i64::from(control.step) == 0
    })
}

/// The number of a menu's choice by its name: as it is spelt, or else as the names of controls are compared.
fn chosen(device: &dyn Device, control: &ControlInfo, wanted: &str) -> Result<i32, NoControl> {
    let mut there: Vec<(i32, String)> = Vec::new();
    for value in (control.least.max(0)..=control.most).take(MOST_CHOICES) {
        match device.choice(control, value.unsigned_abs()) {
            Ok(name) => there.push((value, name)),
            Err(error @ (Errno::NODEV | Errno::IO)) => return Err(NoControl::Failed(error)),
            // A menu may have holes.
            Err(_) => {}
        }
    }
    let same = there.iter().find(|(_, choice)| choice == wanted);
    let similar = || there.iter().find(|(_, choice)| name(choice) == name(wanted));
    match same.or_else(similar) {
        Some((value, _)) => Ok(*value),
        None => Err(NoControl::Choice {
            name: name(&control.name),
            choice: wanted.to_owned(),
            there: there.into_iter().map(|(_, choice)| choice).collect(),
        }),
    }
}

fn refused(control: &ControlInfo, value: i32, error: Errno) -> NoControl {
    match error {
        Errno::NODEV | Errno::IO => NoControl::Failed(error),
        _ => NoControl::Refused { name: name(&control.name), value: value.into(), error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_have_the_names_that_v4l2_ctl_gives_them() {
        for (of, is) in [
            ("Brightness", "brightness"),
            ("White Balance, Automatic", "white_balance_automatic"),
            ("Exposure (Absolute)", "exposure_absolute"),
            ("Exposure, Dynamic Framerate", "exposure_dynamic_framerate"),
            ("Gain, Auto", "gain_auto"),
        ] {
            assert_eq!(name(of), is);
        }
    }
}
