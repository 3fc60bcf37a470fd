//! The keys of a config as data: a key's name, the values it takes, its default. One table for each mapping of the
//! file. From the tables come the keys that are allowed, the words for a value that is none ("it takes …"), and a test
//! that holds docs/config.md against them. Reading the file is [`super::mapping`]'s subject.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::backend::ControlValue;
use super::value::{Mapping, Value};

/// A key, without the type of its value.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) absent: Absent,
    /// A value for whoever typed one that is none, if the default is no good example; else empty.
    pub(super) example: &'static str,
    /// Only a camera's own entry may have it; it can't be a default for all cameras.
    pub(super) own: bool,
}

/// The values that a key takes.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A whole number of a unit, such as `pixels`.
    Whole { unit: &'static str },
    /// A whole number from the first to the last, and what the first is.
    Range { first: u64, last: u64, first_is: &'static str },
    /// A number with or without a fraction.
    Number { unit: &'static str },
    /// `true` or `false`.
    Flag,
    /// A text, and what it is: a path, a name.
    Text { what: &'static str },
    /// A word of a list.
    OneOf { words: fn() -> Vec<&'static str> },
    /// A number or a text, such as a device's number or its path.
    NumberOrText { what: &'static str },
    /// A mapping with keys of its own.
    Mapping { table: &'static Table, example: &'static str },
    /// A mapping whose keys are the camera's: a whole number, true or false for 1 or 0, or a word, by name.
    Settings { example: &'static str },
    /// A mapping whose keys are the camera's, in the order of the file: a number, a word, true or false, as it was typed.
    Texts { example: &'static str },
    /// A list of mappings.
    List { example: &'static str },
}

/// The meaning of a key that is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Absent {
    /// Nothing: the key has to be there.
    Required,
    /// Nothing is set: `none` in the docs.
    None,
    /// A value that depends on the machine, in words.
    Words(&'static str),
    Whole(u64),
    Number(f64),
    Flag(bool),
    Text(&'static str),
}

/// A type that a key's value can have.
pub(super) trait Kind: Clone + 'static {
    /// The same type as a constant.
    type Constant: Copy + 'static;
    fn from_constant(constant: Self::Constant) -> Self;
    /// The value as read; `None` for a value of another type, which the key's shape has kept out.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! kind {
    ($kind:ty, $constant:ty, $value:ident) => {
        impl Kind for $kind {
            type Constant = $constant;
            fn from_constant(constant: $constant) -> Self {
                constant.into()
            }
            fn from_value(value: &Value) -> Option<Self> {
                if let Value::$value(value) = value { Some(value.clone()) } else { None }
            }
        }
    };
}

kind!(u64, u64, Whole);
kind!(f64, f64, Number);
kind!(bool, bool, Flag);
kind!(String, &'static str, Text);

impl Kind for BTreeMap<String, ControlValue> {
    type Constant = ();
    fn from_constant((): ()) -> Self {
        Self::new()
    }
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Settings(value) = value { Some(value.clone()) } else { None }
    }
}

impl Kind for Vec<(String, String)> {
    type Constant = ();
    fn from_constant((): ()) -> Self {
        Self::new()
    }
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Texts(value) = value { Some(value.clone()) } else { None }
    }
}

impl Kind for Mapping {
    type Constant = ();
    fn from_constant((): ()) -> Self {
        Self::default()
    }
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Mapping(value) = value { Some(value.clone()) } else { None }
    }
}

/// A key whose value is a `T`.
pub(super) struct Key<T> {
    pub(super) row: Row,
    value: PhantomData<fn() -> T>,
}

/// A key whose value is a `T`, and the value that holds when the key is left out.
pub(super) struct KeyOr<T: Kind> {
    pub(super) row: Row,
    pub(super) default: T::Constant,
}

impl<T> Key<T> {
    const fn new(name: &'static str, shape: Shape) -> Self {
        Self { row: Row { name, shape, absent: Absent::None, example: "", own: false }, value: PhantomData }
    }

    /// The key has to be there.
    pub(super) const fn required(self) -> Self {
        Self { row: Row { absent: Absent::Required, ..self.row }, ..self }
    }

    /// A value as an example.
    pub(super) const fn such_as(self, example: &'static str) -> Self {
        Self { row: Row { example, ..self.row }, ..self }
    }

    /// Only a camera's own entry may have it.
    pub(super) const fn own(self) -> Self {
        Self { row: Row { own: true, ..self.row }, ..self }
    }

    /// A default that only the machine knows, in words.
    pub(super) const fn or_words(self, words: &'static str) -> Self {
        Self { row: Row { absent: Absent::Words(words), ..self.row }, ..self }
    }
}

impl Key<u64> {
    pub(super) const fn whole(name: &'static str, unit: &'static str) -> Self {
        Self::new(name, Shape::Whole { unit })
    }

    /// A number from the first to the last; `first_is` says in brackets what the first means, or is empty.
    pub(super) const fn range(name: &'static str, first: u64, last: u64, first_is: &'static str) -> Self {
        Self::new(name, Shape::Range { first, last, first_is })
    }

    pub(super) const fn or(self, default: u64) -> KeyOr<u64> {
        KeyOr { row: Row { absent: Absent::Whole(default), ..self.row }, default }
    }
}

impl Key<f64> {
    pub(super) const fn number(name: &'static str, unit: &'static str) -> Self {
        Self::new(name, Shape::Number { unit })
    }

    pub(super) const fn or(self, default: f64) -> KeyOr<f64> {
        KeyOr { row: Row { absent: Absent::Number(default), ..self.row }, default }
    }
}

impl Key<bool> {
    pub(super) const fn flag(name: &'static str) -> Self {
        Self::new(name, Shape::Flag)
    }

    pub(super) const fn or(self, default: bool) -> KeyOr<bool> {
        KeyOr { row: Row { absent: Absent::Flag(default), ..self.row }, default }
    }
}

impl Key<String> {
    pub(super) const fn text(name: &'static str, what: &'static str) -> Self {
        Self::new(name, Shape::Text { what })
    }

    pub(super) const fn one_of(name: &'static str, words: fn() -> Vec<&'static str>) -> Self {
        Self::new(name, Shape::OneOf { words })
    }

    pub(super) const fn number_or_text(name: &'static str, what: &'static str) -> Self {
        Self::new(name, Shape::NumberOrText { what })
    }

    pub(super) const fn or(self, default: &'static str) -> KeyOr<String> {
        KeyOr { row: Row { absent: Absent::Text(default), ..self.row }, default }
    }
}

impl Key<Mapping> {
    pub(super) const fn mapping(name: &'static str, table: &'static Table, example: &'static str) -> Self {
        Self::new(name, Shape::Mapping { table, example })
    }

    pub(super) const fn list(name: &'static str, example: &'static str) -> Self {
        Self::new(name, Shape::List { example })
    }
}

impl Key<BTreeMap<String, ControlValue>> {
    pub(super) const fn settings(name: &'static str, example: &'static str) -> Self {
        Self::new(name, Shape::Settings { example })
    }
}

impl Key<Vec<(String, String)>> {
    pub(super) const fn texts(name: &'static str, example: &'static str) -> Self {
        Self::new(name, Shape::Texts { example })
    }
}

impl Row {
    /// The values that this key takes, for a person who typed something else.
    pub(super) fn takes(&self) -> String {
        let example = match self.absent {
            _ if !self.example.is_empty() => self.example.to_owned(),
            Absent::Whole(default) => default.to_string(),
            Absent::Number(default) => default.to_string(),
            Absent::Text(default) => default.to_owned(),
            _ => String::new(),
        };
        let such_as = if example.is_empty() { example } else { format!(" such as {example}") };
        match self.shape {
            Shape::Whole { unit } => format!("{unit}, a whole number{such_as}"),
            Shape::Range { first, last, .. } => format!("a whole number from {first} to {last}"),
            Shape::Number { unit } => format!("{unit}, a number{such_as}"),
            Shape::Flag => "true or false".to_owned(),
            Shape::Text { what } => format!("a {what}, a text{such_as}"),
            Shape::OneOf { words } => format!("one of {}", words().join(", ")),
            Shape::NumberOrText { what } => what.to_owned(),
            Shape::Mapping { example, .. } | Shape::Settings { example } | Shape::Texts { example } => {
                format!("a mapping such as {example}")
            }
            Shape::List { example } => format!("a list such as {example}"),
        }
    }
}

impl Row {
    /// The keys of the mapping that is this key's value.
    pub(super) fn below(&self) -> impl Iterator<Item = &'static Self> {
        let table = if let Shape::Mapping { table, .. } = self.shape { Some(table) } else { None };
        table.into_iter().flat_map(Table::rows)
    }
}

/// The keys of one mapping.
pub(super) struct Table {
    parts: &'static [&'static [&'static Row]],
    /// The keys that stand in another list: those of every backend.
    more: &'static [&'static [&'static Row]],
    /// Keys that are refused in words of their own: most have another name now, the second.
    renamed: &'static [(&'static str, &'static str)],
    names: OnceLock<Vec<&'static str>>,
}

impl Table {
    pub(super) const fn new(parts: &'static [&'static [&'static Row]]) -> Self {
        Self::with_renamed(parts, &[])
    }

    /// A table some of whose keys had another name once.
    pub(super) const fn with_renamed(
        parts: &'static [&'static [&'static Row]],
        renamed: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { parts, more: &[], renamed, names: OnceLock::new() }
    }

    /// A table of the first list's keys with those of the second behind them.
    pub(super) const fn of_two(
        parts: &'static [&'static [&'static Row]],
        more: &'static [&'static [&'static Row]],
    ) -> Self {
        Self { parts, more, renamed: &[], names: OnceLock::new() }
    }

    pub(super) fn row(&self, name: &str) -> Option<&'static Row> {
        self.rows().find(|row| row.name == name)
    }

    /// Every key. One that several parts have in common comes several times.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'static Row> {
        self.parts.iter().chain(self.more).copied().flatten().copied()
    }

    /// Every key's name, once.
    pub(super) fn names(&'static self) -> &'static [&'static str] {
        self.names.get_or_init(|| {
            let mut names = Vec::new();
            for row in self.rows() {
                if !names.contains(&row.name) {
                    names.push(row.name);
                }
            }
            names
        })
    }

    /// The name that a key has now.
    pub(super) fn new_name(&self, old: &str) -> Option<&'static str> {
        self.renamed.iter().find(|(name, _)| *name == old).map(|(_, new)| *new)
    }
}
