//! One thing of each camera, by the camera's name, in the config's order: so documents that have cameras as keys show them as
//! the config and `stats` do. What the things are is said where they are kept.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::Name;

/// One thing of each camera, in an order that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByCamera<T>(Vec<(Name, T)>);

impl<T> ByCamera<T> {
    /// The thing of this camera.
    #[must_use]
    pub fn get(&self, camera: &Name) -> Option<&T> {
        self.0.iter().find(|(name, _)| name == camera).map(|(_, thing)| thing)
    }

    /// The cameras' names and their things.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &T)> {
        self.0.iter().map(|(name, thing)| (name, thing))
    }

    /// The things alone.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, thing)| thing)
    }
}

impl<T> Default for ByCamera<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> FromIterator<(Name, T)> for ByCamera<T> {
    fn from_iter<I: IntoIterator<Item = (Name, T)>>(things: I) -> Self {
        Self(things.into_iter().collect())
    }
}

impl<T> IntoIterator for ByCamera<T> {
    type Item = (Name, T);
    type IntoIter = std::vec::IntoIter<(Name, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Serialize> Serialize for ByCamera<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByCamera<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

/// Reads the keys of an object in the order of its text.
struct InOrder<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
    type Value = ByCamera<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with cameras as keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut things = Vec::new();
        while let Some(thing) = map.next_entry()? {
            things.push(thing);
        }
        Ok(ByCamera(things))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_keep_their_order_on_their_way_through_json() {
        let [left, right] = ["left", "right"].map(|name| Name::new(name).unwrap());
        let things: ByCamera<u8> = [(right, 1), (left.clone(), 2)].into_iter().collect();
        let text = serde_json::to_string(&things).unwrap();
        assert_eq!(text, r#"{"right":1,"left":2}"#);
        let read: ByCamera<u8> = serde_json::from_str(&text).unwrap();
        assert_eq!((read.get(&left), &read), (Some(&2), &things));
        assert!(serde_json::from_str::<ByCamera<u8>>("[1]").is_err());
    }
}
