//! A camera's entry as its backend's check sees it: the common keys are checked, and a key's value is the camera's own,
//! else the default for all cameras.

use serde_saphyr::Location;

use super::key::{Key, KeyOr, Kind};
use super::value::{At, Mapping};
use crate::frame::Geometry;
use crate::name::Name;

pub(super) static WIDTH: Key<u64> =
    Key::whole("width", "pixels").such_as("1280").or_words("1280, or what the camera says");
pub(super) static HEIGHT: Key<u64> =
    Key::whole("height", "pixels").such_as("720").or_words("720, or what the camera says");

/// A camera whose common keys are checked: what its backend's check goes by.
pub(super) struct Camera<'a> {
    pub(super) name: &'a Name,
    pub(super) geometry: Geometry,
    /// The config says width and height.
    pub(super) has_typed_size: bool,
    /// The place of its entry.
    pub(super) here: Location,
    pub(super) own: &'a Mapping,
    pub(super) all: &'a Mapping,
}

impl Camera<'_> {
    /// The value of a key: its own, else that for all cameras.
    pub(super) fn get<T: Kind>(&self, key: &Key<T>) -> Option<At<T>> {
        self.own.get(key).or_else(|| self.all.get(key))
    }

    /// The value of a key: its own, else that for all cameras, when either was typed.
    pub(super) fn typed<T: Kind>(&self, key: &KeyOr<T>) -> Option<At<T>> {
        self.own.typed(key).or_else(|| self.all.typed(key))
    }

    /// The value of a key: its own, else that for all cameras, else the default.
    pub(super) fn or_default<T: Kind>(&self, key: &KeyOr<T>) -> T {
        self.typed(key).map_or_else(|| T::from_constant(key.default), |typed| typed.value)
    }

    /// The place of a key's value; of the whole entry when it wasn't typed.
    pub(super) fn place<T: Kind>(&self, key: &Key<T>) -> Location {
        self.get(key).map_or(self.here, |typed| typed.at)
    }
}
