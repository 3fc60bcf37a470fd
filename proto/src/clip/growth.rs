//! How a clip grows after its plan was written: the lines that triggers, ends and extensions add to it, and the fold of the
//! plan and these lines to the clip's end and its triggers. All of it is pure; the file that holds the lines is in [`file`].
//!
//! Supervisor and recorder append lines without asking each other, and the order of the lines decides. Both fold the same
//! lines, so both come to the same end. The protocol, and why there is no lock, is in `docs/decisions/growing-clips.md`.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::plan_check::LONGEST_WINDOW;
use super::trigger::{Meta, TriggerKind, TriggerSource, is_trigger_id};
use super::{Plan, Window};
use crate::name::Name;
use crate::time::MonotonicNs;

pub mod file;

/// A line: something that came to a clip after its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Line {
    /// A further trigger, whose window ends when it is said to.
    Trigger(AddedTrigger),
    /// A further trigger that is begun: it ends with a line of its own, or at `end_ns` if there is none.
    Begin(AddedTrigger),
    /// A begun trigger ends.
    End {
        /// The trigger's id.
        id: String,
        /// The end of its window.
        end_ns: MonotonicNs,
        /// It was to end later than a clip may last.
        #[serde(default)]
        cut: bool,
    },
    /// A trigger's window, which has an end, gets a later one.
    Extend {
        /// The trigger's id.
        id: String,
        /// The time that was asked for, for whoever reads the file.
        by_ns: u64,
        /// The new end of its window.
        end_ns: MonotonicNs,
        /// It was to end later than a clip may last.
        #[serde(default)]
        cut: bool,
    },
    /// The recorder ends the clip. The line counts if no line before it asks for more than `end_ns`.
    Closed {
        /// The end that the recorder knows of.
        end_ns: MonotonicNs,
        /// Preroll was stopped in the clip, or its machine: it ends here whatever was asked for, and the line counts.
        #[serde(default)]
        early: bool,
    },
}

/// A trigger that a line adds. Its window begins within the clip's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedTrigger {
    /// The trigger's id.
    pub id: String,
    /// The start of its window, which lies within the clip's.
    pub start_ns: MonotonicNs,
    /// The moment that it named.
    pub t_ns: MonotonicNs,
    /// The end of its window; of a begun one, the latest end that it may have.
    pub end_ns: MonotonicNs,
    /// The label that it gave.
    #[serde(default)]
    pub label: Option<Name>,
    /// The values that came with it.
    #[serde(default)]
    pub meta: Option<Meta>,
    /// The note that came with it.
    #[serde(default)]
    pub note: Option<String>,
    /// The way on which it came.
    pub source: TriggerSource,
}

/// A trigger of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipTrigger {
    /// Its id; none in a plan of a version whose triggers had none.
    pub id: Option<String>,
    /// The way on which it came; none where the plan doesn't say.
    pub source: Option<TriggerSource>,
    /// Was it begun?
    pub kind: TriggerKind,
    /// The label that it gave.
    pub label: Option<Name>,
    /// The values that came with it.
    pub meta: Option<Meta>,
    /// The note that came with it.
    pub note: Option<String>,
    /// The start of its window, as it was asked for.
    pub start_ns: MonotonicNs,
    /// The moment that it named.
    pub t_ns: MonotonicNs,
    /// The end of its window: of a begun one that nobody has ended, the latest that it may have.
    pub end_ns: MonotonicNs,
    /// How it ends.
    pub ending: Ending,
}

/// How a trigger ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is begun, and nobody has ended it.
    Open,
    /// As it was asked to.
    Asked,
    /// It was asked to end later than a clip may last.
    Cut,
}

/// A clip as its plan and the lines so far make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    window: Window,
    triggers: Vec<ClipTrigger>,
    by_id: HashMap<String, usize>,
    /// The ends of the begun triggers that nobody has ended, each with the trigger's place.
    open: BTreeSet<(MonotonicNs, usize)>,
    /// The latest end of all others.
    asked_end: Option<MonotonicNs>,
    closed: bool,
}

impl Growth {
    /// A clip with its plan alone.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let planned = plan.trigger.as_ref();
        let kind = planned.map_or(TriggerKind::Trigger, |planned| planned.kind);
        let first = ClipTrigger {
            id: planned.map(|planned| planned.id.clone()),
            source: planned.map(|planned| planned.source),
            kind,
            label: plan.label.clone(),
            meta: planned.and_then(|planned| planned.meta.clone()),
            note: planned.and_then(|planned| planned.note.clone()),
            start_ns: plan.asked_start_ns,
            t_ns: plan.trigger_ns,
            end_ns: plan.window.end_ns,
            ending: Ending::of_new(kind),
        };
        let mut growth = Self {
            window: plan.window,
            triggers: Vec::new(),
            by_id: HashMap::new(),
            open: BTreeSet::new(),
            asked_end: None,
            closed: false,
        };
        growth.add(first);
        growth
    }

    /// The clip's end: the latest of its triggers' ends.
    #[must_use]
    pub fn end_ns(&self) -> MonotonicNs {
        let open = self.open.last().map(|(end, _)| *end);
        let end = open.max(self.asked_end).unwrap_or(self.window.end_ns);
        end.max(self.window.start_ns)
    }

    /// The clip's window, with the end that it has now.
    #[must_use]
    pub fn window(&self) -> Window {
        Window { start_ns: self.window.start_ns, end_ns: self.end_ns() }
    }

    /// The triggers: the plan's first, the others in the order of their lines.
    #[must_use]
    pub fn triggers(&self) -> &[ClipTrigger] {
        &self.triggers
    }

    /// The trigger of this id.
    #[must_use]
    pub fn trigger(&self, id: &str) -> Option<&ClipTrigger> {
        self.by_id.get(id).map(|place| &self.triggers[*place])
    }

    /// The number of triggers that are begun and that nobody has ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Has the recorder ended the clip? Nothing changes it then.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The ends of triggers that a clip's longest length has cut, as sentences for the manifest. `recorded_until`: where the
    /// clip ends, which is sooner than [`end_ns`](Self::end_ns) if Preroll was stopped in it.
    #[must_use]
    pub fn cut_notes(&self, recorded_until: MonotonicNs) -> Vec<String> {
        let cut = self.triggers.iter().filter(|trigger| trigger.end_ns <= recorded_until);
        let sentence = |trigger: &ClipTrigger| {
            let why = match trigger.ending {
                Ending::Asked => return None,
                Ending::Open => "was begun, and nobody ended it",
                Ending::Cut => "was to end later",
            };
            let id = trigger.id.as_deref().unwrap_or("of this clip");
            let after = trigger.end_ns - trigger.t_ns;
            Some(format!(
                "trigger {id} {why}: it ends {} ms after its moment (max_clip_ms)",
                after.as_millis()
            ))
        };
        cut.filter_map(sentence).collect()
    }

    /// Takes lines as they stand in the file. Whatever is no line counts for nothing.
    pub fn take_text(&mut self, text: &[u8]) {
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(line) = serde_json::from_slice(line) {
                self.take(&line);
            }
        }
    }

    /// Takes the next line. False if it counts for nothing: the clip is closed, or the line says something that can't be.
    pub fn take(&mut self, line: &Line) -> bool {
        if self.closed {
            return false;
        }
        match line {
            Line::Trigger(trigger) => self.take_trigger(trigger, TriggerKind::Trigger),
            Line::Begin(trigger) => self.take_trigger(trigger, TriggerKind::Begin),
            Line::End { id, end_ns, cut } => self.end(id, *end_ns, *cut),
            Line::Extend { id, end_ns, cut, .. } => self.extend(id, *end_ns, *cut),
            Line::Closed { end_ns, early } => {
                self.closed = *early || *end_ns >= self.end_ns();
                self.closed
            }
        }
    }

    fn take_trigger(&mut self, added: &AddedTrigger, kind: TriggerKind) -> bool {
        let AddedTrigger { id, start_ns, t_ns, end_ns, label, meta, note, source } = added;
        let is_known = self.by_id.contains_key(id);
        if is_known || !is_trigger_id(id) || !self.may_end_at(*end_ns) || end_ns < t_ns {
            return false;
        }
        self.add(ClipTrigger {
            id: Some(id.clone()),
            source: Some(*source),
            kind,
            label: label.clone(),
            meta: meta.clone(),
            note: note.clone(),
            start_ns: *start_ns,
            t_ns: *t_ns,
            end_ns: *end_ns,
            ending: Ending::of_new(kind),
        });
        true
    }

    fn add(&mut self, trigger: ClipTrigger) {
        let place = self.triggers.len();
        match trigger.ending {
            Ending::Open => drop(self.open.insert((trigger.end_ns, place))),
            Ending::Asked | Ending::Cut => self.asked_end = self.asked_end.max(Some(trigger.end_ns)),
        }
        self.by_id.extend(trigger.id.clone().map(|id| (id, place)));
        self.triggers.push(trigger);
    }

    /// Ends a begun trigger. No sooner than at its own moment, and no later than it may.
    fn end(&mut self, id: &str, end_ns: MonotonicNs, cut: bool) -> bool {
        let Some(place) = self.by_id.get(id).copied() else { return false };
        let trigger = &mut self.triggers[place];
        if trigger.ending != Ending::Open {
            return false;
        }
        self.open.remove(&(trigger.end_ns, place));
        trigger.ending = Ending::asked(cut || end_ns > trigger.end_ns);
        trigger.end_ns = end_ns.min(trigger.end_ns).max(trigger.t_ns);
        self.asked_end = self.asked_end.max(Some(trigger.end_ns));
        true
    }

    /// Moves the end of a trigger that has one. An extension never shortens.
    fn extend(&mut self, id: &str, end_ns: MonotonicNs, cut: bool) -> bool {
        let Some(place) = self.by_id.get(id).copied() else { return false };
        let may_end = self.may_end_at(end_ns);
        let trigger = &mut self.triggers[place];
        if trigger.ending == Ending::Open || end_ns < trigger.end_ns || !may_end {
            return false;
        }
        trigger.end_ns = end_ns;
        trigger.ending = Ending::asked(cut);
        self.asked_end = self.asked_end.max(Some(end_ns));
        true
    }

    /// A line that would keep a clip open for days is a mistake, whoever wrote it.
    fn may_end_at(&self, end_ns: MonotonicNs) -> bool {
        end_ns.since(self.window.start_ns) <= LONGEST_WINDOW
    }
}

impl Ending {
    fn of_new(kind: TriggerKind) -> Self {
        match kind {
            TriggerKind::Trigger => Self::Asked,
            TriggerKind::Begin => Self::Open,
        }
    }

    fn asked(cut: bool) -> Self {
        if cut { Self::Cut } else { Self::Asked }
    }
}

#[cfg(test)]
mod tests;
