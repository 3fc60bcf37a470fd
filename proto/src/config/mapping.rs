//! Reading a mapping of the file by its table of keys, which says what is allowed and of which type it is; and asking
//! a mapping for the value of a key. Whether a value makes sense is not looked at here.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::backend::ControlValue;
use super::key::{Key, KeyOr, Kind, Row, Shape, Table};
use super::value::{At, Mapping, Value};

impl Mapping {
    /// The value of a key, when it was typed.
    pub(super) fn get<T: Kind>(&self, key: &Key<T>) -> Option<At<T>> {
        self.of_row(&key.row)
    }

    /// The value of a key, when it was typed, although there is a default.
    pub(super) fn typed<T: Kind>(&self, key: &KeyOr<T>) -> Option<At<T>> {
        self.of_row(&key.row)
    }

    /// The value of a key: as typed, or its default.
    pub(super) fn or_default<T: Kind>(&self, key: &KeyOr<T>) -> T {
        self.typed(key).map_or_else(|| T::from_constant(key.default), |typed| typed.value)
    }

    fn of_row<T: Kind>(&self, row: &Row) -> Option<At<T>> {
        let (_, found) = self.values.iter().find(|(key, _)| *key == row.name)?;
        Some(At { value: T::from_value(&found.value)?, at: found.at })
    }
}

/// Reads a mapping by a table; `None` when there is a null instead.
pub(super) struct ByTable(pub(super) &'static Table);

impl<'de> DeserializeSeed<'de> for ByTable {
    type Value = Option<Mapping>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for ByTable {
    type Value = Option<Mapping>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        read(self.0, deserializer).map(Some)
    }
}

/// Reads a mapping by a table.
pub(super) fn read<'de, D: Deserializer<'de>>(
    table: &'static Table,
    deserializer: D,
) -> Result<Mapping, D::Error> {
    deserializer.deserialize_struct("mapping", table.names(), Entries(table))
}

struct Entries(&'static Table);

impl<'de> Visitor<'de> for Entries {
    type Value = Mapping;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mapping, A::Error> {
        let mut mapping = Mapping::default();
        while let Some(Spanned { value: key, referenced: at, .. }) = map.next_key::<Spanned<String>>()? {
            if let Some(row) = self.0.row(&key) {
                if let Some(value) = value(row, at, &mut map)? {
                    mapping.values.push((row.name, value));
                }
            } else if let Some(new) = self.0.new_name(&key) {
                let ignored = map.next_value::<Spanned<serde::de::IgnoredAny>>()?;
                mapping.renamed.get_or_insert((key, new, ignored.referenced));
            } else {
                return Err(A::Error::unknown_field(&key, self.0.names()));
            }
        }
        Ok(mapping)
    }
}

/// The value of a key; `None` for a null, which is as good as a key that is left out.
/// The place of a mapping is that of its key.
fn value<'de, A: MapAccess<'de>>(
    row: &'static Row,
    key_at: Location,
    map: &mut A,
) -> Result<Option<At<Value>>, A::Error> {
    fn of<T>(typed: Option<Spanned<T>>, value: impl Fn(T) -> Value) -> Option<At<Value>> {
        typed.map(|typed| At { at: typed.referenced, value: value(typed.value) })
    }
    Ok(match row.shape {
        Shape::Whole { .. } | Shape::Range { .. } => of(map.next_value()?, Value::Whole),
        Shape::Number { .. } => of(map.next_value()?, Value::Number),
        Shape::Flag => of(map.next_value()?, Value::Flag),
        Shape::Text { .. } | Shape::OneOf { .. } => of(map.next_value()?, Value::Text),
        Shape::NumberOrText { .. } => of(map.next_value()?, |value| match value {
            NumberOrText::Number(number) => Value::Text(number.to_string()),
            NumberOrText::Text(text) => Value::Text(text),
        }),
        // The one list of a config, `cameras`, is read by itself.
        Shape::List { .. } => {
            map.next_value::<serde::de::IgnoredAny>()?;
            None
        }
        Shape::Mapping { table, .. } => {
            let typed = map.next_value_seed(ByTable(table))?;
            typed.map(|mapping| At { at: key_at, value: Value::Mapping(mapping) })
        }
        Shape::Settings { .. } => {
            let typed = map.next_value::<Option<BTreeMap<String, Setting>>>()?;
            typed.map(|settings| {
                let settings = settings.into_iter().map(|(name, Setting(value))| (name, value));
                At { at: key_at, value: Value::Settings(settings.collect()) }
            })
        }
        Shape::Texts { .. } => {
            let typed = map.next_value::<Option<TextsInOrder>>()?;
            typed.map(|TextsInOrder(texts)| At { at: key_at, value: Value::Texts(texts) })
        }
    })
}

/// A number may be typed with quotes or without.
#[derive(Clone, serde::Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u32),
    Text(String),
}

/// Names and values, as they stand in the file.
struct TextsInOrder(Vec<(String, String)>);

impl<'de> serde::Deserialize<'de> for TextsInOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = TextsInOrder;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TextsInOrder, A::Error> {
        let mut texts = Vec::new();
        while let Some(entry) = map.next_entry()? {
            texts.push(entry);
        }
        Ok(TextsInOrder(texts))
    }
}

/// A whole number, a flag that stands for 1 or 0, or a word.
struct Setting(ControlValue);

impl<'de> serde::Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SettingVisitor)
    }
}

struct SettingVisitor;

impl Visitor<'_> for SettingVisitor {
    type Value = Setting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, true or false, or the name of a menu's choice")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Setting(ControlValue::Number(flag.into())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Setting(ControlValue::Number(number)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        i64::try_from(number)
            .map(|number| Setting(ControlValue::Number(number)))
            .map_err(|_| E::custom("it is too large for a control"))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        Ok(Setting(ControlValue::Choice(word.to_owned())))
    }
}
