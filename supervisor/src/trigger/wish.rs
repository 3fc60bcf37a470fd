//! What a trigger asks for, checked: its texts, its cameras and its spans. Which window it gets is decided in
//! [`super::window`].

use std::time::Duration;

use proto::clip::{MOST_META, MOST_META_BYTES, MOST_NOTE_BYTES, Meta, TriggerKind, is_trigger_id};
use proto::config::Config;
use proto::control::TriggerRequest;
use proto::name::Name;
use proto::refusal::Refusal;
use proto::time::MonotonicNs;

use super::window::{Reach, millis};
use crate::rings::OneRing;

/// The longest post-roll: a day.
const LONGEST_POST_ROLL: Duration = Duration::from_secs(24 * 3600);
/// The part of an unknown name that a refusal repeats: enough to recognise it by.
const NAME_SHOWN: usize = 80;

/// What a trigger asks for.
pub(crate) struct Wish {
    /// The id that it brings.
    pub(crate) id: Option<String>,
    pub(crate) label: Option<Name>,
    pub(crate) meta: Option<Meta>,
    pub(crate) note: Option<String>,
    pub(crate) kind: TriggerKind,
    /// Its cameras, each with its ring.
    pub(crate) chosen: Vec<OneRing>,
    /// Does it name them?
    pub(crate) names_cameras: bool,
    pub(crate) at: MonotonicNs,
    /// The moment was typed in whole seconds.
    pub(crate) at_whole_second: bool,
    pub(crate) pre: Duration,
    /// Of a begun one: the longest time that it may last.
    pub(crate) post: Duration,
    /// The moment at which it came.
    pub(crate) came: MonotonicNs,
}

impl Wish {
    /// Checks a trigger that came at the moment `came`. `cameras`: those that there are.
    pub(crate) fn of(
        request: &TriggerRequest,
        config: &Config,
        cameras: Vec<OneRing>,
        came: MonotonicNs,
    ) -> Result<Self, Refusal> {
        let label = request.label.as_deref().map(Name::new).transpose();
        let label = label.map_err(|e| Refusal::BadLabel { why: e.to_string() })?;
        if let Some(id) = request.id.as_deref().filter(|id| !is_trigger_id(id)) {
            return Err(Refusal::BadId { id: beginning(id) });
        }
        let meta = meta(&request.meta)?;
        if let Some(note) = request.note.as_deref().filter(|note| note.len() > MOST_NOTE_BYTES) {
            return Err(Refusal::NoteTooLong { bytes: note.len(), at_most: MOST_NOTE_BYTES });
        }
        let chosen = choose(cameras, &request.cameras)?;
        let (kind, pre, post) = spans(request, config)?;
        Ok(Self {
            id: request.id.clone(),
            label,
            meta,
            note: request.note.clone(),
            kind,
            chosen,
            names_cameras: !request.cameras.is_empty(),
            at: request.at,
            at_whole_second: request.at_whole_second,
            pre,
            post,
            came,
        })
    }

    /// The start that it asks for.
    pub(crate) fn asked_start(&self) -> MonotonicNs {
        self.at.before(self.pre)
    }

    /// The reach of its cameras' rings.
    pub(crate) fn reaches(&self) -> Vec<Reach> {
        self.chosen.iter().map(|(_, ring)| Reach::of(ring, self.came)).collect()
    }
}

/// The keys and values as a manifest has them; none if there are none.
fn meta(typed: &[(String, String)]) -> Result<Option<Meta>, Refusal> {
    let bad = |why: String| Err(Refusal::BadMeta { why });
    if typed.len() > MOST_META {
        return bad(format!("{} values are too many; a trigger brings at most {MOST_META}", typed.len()));
    }
    let mut meta = Meta::new();
    for (key, value) in typed {
        let key = match Name::new(key) {
            Ok(key) => key,
            Err(e) => return bad(format!("key {e}")),
        };
        if value.len() > MOST_META_BYTES {
            return bad(format!(
                "{key}: {} bytes are too long; a value has at most {MOST_META_BYTES}",
                value.len()
            ));
        }
        if meta.insert(key.clone(), value.clone()).is_some() {
            return bad(format!("{key} is given twice"));
        }
    }
    Ok(Some(meta).filter(|meta| !meta.is_empty()))
}

/// The cameras that a trigger names; all of them when it names none.
fn choose(mut cameras: Vec<OneRing>, names: &[String]) -> Result<Vec<OneRing>, Refusal> {
    if let Some(name) = names.iter().find(|name| !cameras.iter().any(|(c, _)| c.name.as_str() == *name)) {
        return Err(Refusal::UnknownCamera {
            name: beginning(name),
            known: cameras.iter().map(|(c, _)| c.name.to_string()).collect(),
        });
    }
    cameras.retain(|(c, _)| names.is_empty() || names.iter().any(|n| n == c.name.as_str()));
    Ok(cameras)
}

/// The pre-roll and the post-roll that are asked for; of a begun trigger, the longest time that it may last.
fn spans(request: &TriggerRequest, config: &Config) -> Result<(TriggerKind, Duration, Duration), Refusal> {
    let recording = &config.recording;
    let pre = Duration::from_millis(request.pre_ms.unwrap_or(recording.pre_roll_ms));
    if request.begin {
        let longest = Duration::from_millis(recording.max_clip_ms);
        return match request.post_ms {
            Some(_) => Err(Refusal::PostRollOfBegun),
            None => Ok((TriggerKind::Begin, pre, longest)),
        };
    }
    let post = Duration::from_millis(request.post_ms.unwrap_or(recording.post_roll_ms));
    if (pre + post).is_zero() {
        return Err(Refusal::NoLength);
    }
    if post > LONGEST_POST_ROLL {
        return Err(Refusal::PostRollTooLong { at_most_ms: millis(LONGEST_POST_ROLL) });
    }
    Ok((TriggerKind::Trigger, pre, post))
}

/// The beginning of a name from outside, for a refusal.
pub(crate) fn beginning(name: &str) -> String {
    name.chars().take(NAME_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_come_with_a_trigger_within_limits() {
        assert_eq!(meta(&[]), Ok(None));
        let read = meta(&typed(&[("animal", "m12"), ("score", "0.9=high"), ("empty", "")])).unwrap().unwrap();
        let shown: Vec<_> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(shown, [("animal", "m12"), ("empty", ""), ("score", "0.9=high")]);
        let many: Vec<_> = (0..65).map(|n| (format!("k{n}"), String::new())).collect();
        let long = "x".repeat(1025);
        for (typed, says) in [
            (typed(&[("a b", "x")]), "key \"a b\" can't be a name"),
            (typed(&[("", "x")]), "it is empty"),
            (typed(&[("a", "x"), ("a", "y")]), "a is given twice"),
            (typed(&[("a", &long)]), "1025 bytes are too long"),
            (many.clone(), "65 values are too many"),
        ] {
            let refusal = meta(&typed).unwrap_err().to_string();
            assert!(refusal.starts_with("--meta: ") && refusal.contains(says), "{refusal}");
        }
        assert!(meta(&many[..64]).is_ok());
    }
}
