//! The keys of `recording.keep`: for how long clips stay on the disk by themselves. Which of them go is the supervisor's business.

use serde::{Deserialize, Serialize};

use super::Mistake;
use super::checker::Checker;
use super::key::{Key, Row, Table};
use super::value::{At, Mapping};

static MAX_BYTES: Key<u64> = Key::whole("max_bytes", "bytes").such_as("500000000000");
static MAX_AGE_H: Key<f64> = Key::number("max_age_h", "hours").such_as("720");
static FREE_BYTES: Key<u64> = Key::whole("free_bytes", "bytes").such_as("20000000000");
static KEYS: &[&Row] = &[&MAX_BYTES.row, &MAX_AGE_H.row, &FREE_BYTES.row];
/// The keys of `keep`.
pub(super) static TABLE: Table = Table::new(&[KEYS]);

/// A hundred years: longer is a mistake, or means for ever, which leaving the key out does.
const LONGEST_H: f64 = 100.0 * 365.0 * 24.0;

/// The limits that clips on the disk are to keep; one that isn't set is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeepConfig {
    /// The most that the clips of this rig may take.
    pub max_bytes: Option<u64>,
    /// The greatest age of a clip, in hours.
    pub max_age_h: Option<f64>,
    /// The least room that is to be left on their disk.
    pub free_bytes: Option<u64>,
}

impl Checker<'_> {
    /// `min_free_bytes` is the room below which the disk counts as full.
    pub(super) fn keep(&self, typed: &Mapping, min_free_bytes: u64) -> Result<KeepConfig, Mistake> {
        let max_bytes = typed.get(&MAX_BYTES);
        if let Some(At { value: 0, at }) = max_bytes {
            return self.wrong(
                at,
                "max_bytes: with 0 every clip would be removed as soon as it is finished; leave it out",
            );
        }
        let max_age_h = typed.get(&MAX_AGE_H);
        if let Some(At { value, at }) = max_age_h
            && !(value > 0.0 && value <= LONGEST_H)
        {
            return self
                .wrong(at, format!("max_age_h: {value} is not more than 0 and at most {LONGEST_H} hours"));
        }
        let free_bytes = typed.get(&FREE_BYTES);
        if let Some(At { value, at }) = free_bytes
            && value <= min_free_bytes
        {
            let message = format!(
                "free_bytes: {value} is not more than min_free_bytes ({min_free_bytes}), below which nothing is written, so room \
                 would be made too late; give it more"
            );
            return self.wrong(at, message);
        }
        Ok(KeepConfig {
            max_bytes: max_bytes.map(|typed| typed.value),
            max_age_h: max_age_h.map(|typed| typed.value),
            free_bytes: free_bytes.map(|typed| typed.value),
        })
    }
}
