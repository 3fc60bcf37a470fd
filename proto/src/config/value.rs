//! The values of the file as they were typed, each with the place where it stands, so that a mistake can be shown
//! there. Reading them is [`super::mapping`]'s subject.

use std::collections::BTreeMap;

use serde_saphyr::{Location, Spanned};

use super::backend::ControlValue;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Location,
}

impl<T> From<Spanned<T>> for At<T> {
    fn from(typed: Spanned<T>) -> Self {
        Self { value: typed.value, at: typed.referenced }
    }
}

/// A value of any type.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Whole(u64),
    Number(f64),
    Flag(bool),
    Text(String),
    Mapping(Mapping),
    /// By names that are the camera's own.
    Settings(BTreeMap<String, ControlValue>),
    /// By names that are the camera's own, in the file's order.
    Texts(Vec<(String, String)>),
}

/// The keys that were typed in one mapping, and their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapping {
    pub(super) values: Vec<(&'static str, At<Value>)>,
    /// The first key that has another name now, and its new name.
    pub(super) renamed: Option<(String, &'static str, Location)>,
}

impl Mapping {
    /// The place of a key's value, when it was typed.
    pub(super) fn place(&self, name: &str) -> Option<Location> {
        self.values.iter().find(|(key, _)| *key == name).map(|(_, value)| value.at)
    }

    /// Every key that was typed, with its value's place.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&'static str, Location)> {
        self.values.iter().map(|(key, value)| (*key, value.at))
    }
}
