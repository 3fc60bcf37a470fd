//! The features of a config: each is set as the camera's own description has it (a number, a choice, a switch, a command), in
//! the config's order, and read back. The camera is behind a trait, so that all of it is tested without one.

use proto::config::Feature;

/// A feature that is a number with a fraction reads back as it was set if it differs by no more than this part: cameras count an
/// exposure in their own ticks.
const SAME_WITHIN: f64 = 1e-3;

/// The kind of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Whole,
    Number,
    Flag,
    Choice,
    Text,
    /// Something to do. A command has no value.
    Command,
}

/// A value of a feature.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Whole(i64),
    Number(f64),
    Flag(bool),
    Choice(String),
    Text(String),
    Do,
}

impl core::fmt::Display for Value {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Choice(word) | Self::Text(word) => f.write_str(word),
            Self::Do => f.write_str("true"),
        }
    }
}

/// A camera's answer to a feature that it won't set or show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// aravis' words.
    pub(crate) text: String,
    /// The camera gives no answer, rather than this one.
    pub(crate) is_lost: bool,
}

/// A camera with its features.
pub(crate) trait Features {
    /// The kind of a feature; `None` if there is no such feature.
    fn kind(&self, name: &str) -> Option<Kind>;
    /// Can the feature be set, as the camera is now?
    fn can_be_set(&self, name: &str) -> bool;
    /// Can the feature be read?
    fn can_be_read(&self, name: &str) -> bool;
    /// The words of a choice.
    fn choices(&self, name: &str) -> Vec<String>;
    /// The least and the most of a number, in words.
    fn bounds(&self, name: &str, kind: Kind) -> Option<String>;
    fn set(&self, name: &str, value: &Value) -> Result<(), Refusal>;
    fn get(&self, name: &str, kind: Kind) -> Result<Value, Refusal>;
}

/// A feature that can't be set as the config says. The text goes behind the camera's name and "it".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum NoFeature {
    /// No such feature.
    #[error("has no feature {0}; `arv-tool-0.8 features` lists those that it has, in their own spelling")]
    Unknown(String),
    /// The camera doesn't let it be set as it is now.
    #[error(
        "doesn't let its feature {0} be set as it is now; another feature has to be set before it, such as ExposureAuto: Off \
         before ExposureTime"
    )]
    Locked(String),
    /// The value isn't one of its values.
    #[error("takes {takes} for its feature {name}, and the config says {value:?}")]
    Value { name: String, value: String, takes: String },
    /// The camera refused it.
    #[error("refuses {value} for its feature {name}: {refusal}{takes}")]
    Refused {
        name: String,
        value: String,
        refusal: String,
        /// The values that it takes, as a sentence of its own, or nothing.
        takes: String,
    },
    /// The value that reads back is another.
    #[error(
        "was given {set} for its feature {name}, which reads back as {now}{when}: write {name}: {now}, or leave it out"
    )]
    Differs {
        name: String,
        set: String,
        now: String,
        /// The step after which it differs, if that isn't its own.
        when: &'static str,
    },
    /// The camera gives no answer.
    #[error("can't be asked for its feature {name}: {why}")]
    Failed { name: String, why: String },
}

/// Sets features in their order, and reads each back: at once, and when all are set.
///
/// # Errors
/// [`NoFeature`], of the first one that isn't as it should be.
pub(crate) fn set(camera: &dyn Features, wanted: &[Feature]) -> Result<(), NoFeature> {
    let mut values = Vec::new();
    for Feature { name, value } in wanted {
        let kind = camera.kind(name).ok_or_else(|| NoFeature::Unknown(name.clone()))?;
        let value = parsed(camera, name, value, kind)?;
        if !camera.can_be_set(name) {
            return Err(NoFeature::Locked(name.clone()));
        }
        camera.set(name, &value).map_err(|refusal| refused(camera, name, kind, &value, refusal))?;
        be_as_set(camera, name, kind, &value, "")?;
        values.push((name, kind, value));
    }
    for (name, kind, value) in values {
        be_as_set(camera, name, kind, &value, " when those behind it are set")?;
    }
    Ok(())
}

/// The value that a text stands for.
fn parsed(camera: &dyn Features, name: &str, text: &str, kind: Kind) -> Result<Value, NoFeature> {
    let flag = match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    };
    let value = match kind {
        Kind::Whole => whole(text).map(Value::Whole),
        Kind::Number => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Number),
        Kind::Flag => flag.map(Value::Flag),
        Kind::Choice => choice(&camera.choices(name), text, flag).map(Value::Choice),
        Kind::Text => Some(Value::Text(text.to_owned())),
        Kind::Command => flag.filter(|is_done| *is_done).map(|_| Value::Do),
    };
    value.ok_or_else(|| NoFeature::Value {
        name: name.to_owned(),
        value: text.to_owned(),
        takes: takes(camera, name, kind),
    })
}

/// A whole number; registers are often written in hexadecimal.
fn whole(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The word of a choice: as it is spelt, or else in any case; `On` and `Off` for true and false, which YAML takes for the same.
fn choice(words: &[String], text: &str, flag: Option<bool>) -> Option<String> {
    let same = words.iter().find(|word| *word == text);
    let other_case = || words.iter().find(|word| word.eq_ignore_ascii_case(text));
    let switch = || {
        let wanted = if flag? { "On" } else { "Off" };
        words.iter().find(|word| *word == wanted)
    };
    same.or_else(other_case).or_else(switch).cloned()
}

fn takes(camera: &dyn Features, name: &str, kind: Kind) -> String {
    match kind {
        Kind::Whole | Kind::Number => {
            let what = if kind == Kind::Whole { "a whole number" } else { "a number" };
            camera.bounds(name, kind).map_or(what.to_owned(), |bounds| format!("{what} from {bounds}"))
        }
        Kind::Flag => "true or false".to_owned(),
        Kind::Choice => match camera.choices(name) {
            words if words.is_empty() => "no value, as it is now,".to_owned(),
            words => words.join(", "),
        },
        Kind::Text => "a text".to_owned(),
        Kind::Command => "true, since it is a command,".to_owned(),
    }
}

fn refused(camera: &dyn Features, name: &str, kind: Kind, value: &Value, refusal: Refusal) -> NoFeature {
    let name_of = name.to_owned();
    if refusal.is_lost {
        return NoFeature::Failed { name: name_of, why: refusal.text };
    }
    let takes = match kind {
        Kind::Whole | Kind::Number | Kind::Choice => format!("; it takes {}", takes(camera, name, kind)),
        Kind::Flag | Kind::Text | Kind::Command => String::new(),
    };
    NoFeature::Refused { name: name_of, value: value.to_string(), refusal: refusal.text, takes }
}

fn be_as_set(
    camera: &dyn Features,
    name: &str,
    kind: Kind,
    set: &Value,
    when: &'static str,
) -> Result<(), NoFeature> {
    if kind == Kind::Command || !camera.can_be_read(name) {
        return Ok(());
    }
    let failed = |refusal: Refusal| NoFeature::Failed { name: name.to_owned(), why: refusal.text };
    let now = camera.get(name, kind).map_err(failed)?;
    if is_same(set, &now) {
        return Ok(());
    }
    Err(NoFeature::Differs { name: name.to_owned(), set: set.to_string(), now: now.to_string(), when })
}

fn is_same(set: &Value, now: &Value) -> bool {
    match (set, now) {
        (Value::Number(set), Value::Number(now)) => {
            (set - now).abs() <= set.abs().max(now.abs()) * SAME_WITHIN
        }
        (set, now) => set == now,
    }
}

#[cfg(test)]
mod tests;
