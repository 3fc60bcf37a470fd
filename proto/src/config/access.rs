//! The keys of `access`: the groups whose members may use what is otherwise the instance's user's alone. Whether a group
//! is there on this machine is found out by [`crate::access`].

use serde::{Deserialize, Deserializer, Serialize};

use super::Mistake;
use super::checker::Checker;
use super::key::{Key, Row, Table};
use super::mapping;
use super::value::Mapping;

/// The words for a value that is none.
const GROUP: &str = "a group's name or number";

static CLIPS_GROUP: Key<String> = Key::number_or_text("clips_group", GROUP);
static CONTROL_GROUP: Key<String> = Key::number_or_text("control_group", GROUP);
static RINGS_GROUP: Key<String> = Key::number_or_text("rings_group", GROUP);
static KEYS: &[&Row] = &[&CLIPS_GROUP.row, &CONTROL_GROUP.row, &RINGS_GROUP.row];
/// The keys of `access`.
pub(super) static TABLE: Table = Table::new(&[KEYS]);

/// `access` as it was typed.
#[derive(Clone, Default)]
pub(super) struct TypedAccess(pub(super) Mapping);

impl<'de> Deserialize<'de> for TypedAccess {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mapping::read(&TABLE, deserializer).map(Self)
    }
}

/// The groups that are let in, by name or number as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessConfig {
    /// Its members may read clips.
    pub clips_group: Option<String>,
    /// Its members may give commands.
    pub control_group: Option<String>,
    /// Its members may look at the cameras' frames while they are in memory.
    #[serde(default)]
    pub rings_group: Option<String>,
}

impl Checker<'_> {
    pub(super) fn access(&self, typed: &Mapping) -> Result<AccessConfig, Mistake> {
        let group =
            |key: &Key<String>| typed.get(key).map(|group| self.text(&group, key.row.name)).transpose();
        Ok(AccessConfig {
            clips_group: group(&CLIPS_GROUP)?,
            control_group: group(&CONTROL_GROUP)?,
            rings_group: group(&RINGS_GROUP)?,
        })
    }
}
