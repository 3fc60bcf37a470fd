//! An open clip that may grow: whether a trigger can join it, which of its triggers an id means, and the lines that end or
//! extend one. What lines come to is folded by [`proto::clip::growth`]; when they are written is decided in
//! [`super::taking`].

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::clip::growth::file::GrowthFile;
use proto::clip::growth::{AddedTrigger, ClipTrigger, Ending, Growth, Line};
use proto::clip::{self, PARTIAL_DIR, Plan, STOPPED, TriggerKind, TriggerSource, clip_name, plan_path};
use proto::control::{Accepted, EndRequest, ExtendRequest};
use proto::opened;
use proto::refusal::Refusal;
use proto::time::{MonotonicNs, nanos};

use super::Taken;
use super::planning::whole_second_note;
use super::queue::Job;
use super::window::{Reach, millis};
use super::wish::Wish;

/// A clip that has so many triggers takes no other. Supervisor and recorder keep all of them in memory until it is finished.
const MOST_TRIGGERS: usize = 20_000;
/// A clip that has lines of so many bytes takes no other trigger: their values may be long.
const MOST_LINE_BYTES: u64 = 16 << 20;

/// An open clip.
pub(super) struct OpenClip {
    pub(super) folder: PathBuf,
    pub(super) plan: Plan,
    pub(super) file: GrowthFile,
    /// Lines that are to be appended, in this order.
    pub(super) pending: Vec<Pending>,
    /// The ids that they are about.
    pub(super) pending_ids: HashSet<String>,
    /// Nothing is known of its file any more, since a flush has failed: no further trigger is entrusted to it.
    pub(super) is_doubtful: bool,
}

/// A line that is to be appended, and what follows if it counts.
pub(super) struct Pending {
    pub(super) line: Line,
    pub(super) job: Arc<Job>,
    pub(super) taken: Taken,
    /// Of a trigger: what it asks for, should the line not count.
    pub(super) wish: Option<Box<Wish>>,
}

/// The clips that may grow, by their folders: the newest last.
pub(super) type OpenClips = BTreeMap<PathBuf, OpenClip>;

/// One trigger of an open clip.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meant<'a> {
    pub(super) folder: &'a Path,
    pub(super) id: String,
}

impl OpenClip {
    /// A clip whose plan was just written.
    pub(super) fn new(folder: &Path, plan: Plan) -> Self {
        Self {
            folder: folder.to_owned(),
            file: GrowthFile::of(folder, &plan),
            plan,
            pending: Vec::new(),
            pending_ids: HashSet::new(),
            is_doubtful: false,
        }
    }

    /// A clip that this supervisor hasn't planned, with all that came to it. `None` if it takes nothing more: it was stopped, is
    /// of another boot, or its plan can't be right.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let text = match opened::read(&plan_path(folder)) {
            // It is finished, or only just being planned.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let is_stopped = folder.join(PARTIAL_DIR).join(STOPPED).try_exists()?;
        let plan = Plan::read(&text, folder).ok().filter(|plan| plan.boot_id == proto::instance::boot_id());
        let Some(plan) = plan.filter(|_| !is_stopped) else { return Ok(None) };
        let mut clip = Self::new(folder, plan);
        clip.file.read_on()?;
        Ok(Some(clip))
    }

    pub(super) fn growth(&self) -> &Growth {
        self.file.growth()
    }

    /// The moment at which a clip ends that grows and grows.
    fn latest_end(&self, longest: Duration) -> MonotonicNs {
        self.plan.trigger_ns + longest
    }

    /// The end of a trigger's window if it can join this clip; of a begun one the latest end. The start that it asks for lies in
    /// the clip's window, of which every ring must still hold the end.
    fn end_if_joined(&self, wish: &Wish, longest: Duration, reaches: &[Reach]) -> Option<MonotonicNs> {
        let (growth, start) = (self.growth(), wish.asked_start());
        let window = growth.window();
        let is_recorded = |(camera, ring): &crate::rings::OneRing| {
            self.plan.cameras.iter().any(|c| c.name == camera.name && c.ring_id == ring.id())
        };
        let may_join = !growth.is_closed()
            && !self.is_doubtful
            && growth.triggers().len() + self.pending.len() < MOST_TRIGGERS
            && self.file.read_bytes() < MOST_LINE_BYTES
            && window.start_ns <= start
            && start <= window.end_ns
            && reaches.iter().all(|reach| reach.holds(window.end_ns))
            && wish.chosen.iter().all(is_recorded);
        let latest = self.latest_end(longest);
        match wish.kind {
            TriggerKind::Trigger => Some(wish.at + wish.post).filter(|end| may_join && *end <= latest),
            // It ends with the clip at the latest. One that would have less than half of the time gets a clip of its own.
            TriggerKind::Begin => Some(latest).filter(|end| may_join && wish.at + longest / 2 <= *end),
        }
    }

    /// Does this line count, now that the clip was read on?
    pub(super) fn holds(&self, line: &Line) -> bool {
        let trigger = |id: &str| self.growth().trigger(id);
        match line {
            Line::Trigger(added) | Line::Begin(added) => {
                trigger(&added.id).is_some_and(|t| t.t_ns == added.t_ns)
            }
            Line::End { id, end_ns, .. } => {
                trigger(id).is_some_and(|t| t.ending != Ending::Open && t.end_ns == *end_ns)
            }
            Line::Extend { id, end_ns, .. } => trigger(id).is_some_and(|t| t.end_ns == *end_ns),
            Line::Closed { .. } => false,
        }
    }

    /// The line with which a trigger joins this clip, and the answer to it.
    pub(super) fn join(
        &self,
        wish: &Wish,
        longest: Duration,
        reaches: &[Reach],
        mut notes: Vec<String>,
    ) -> Option<(Line, Taken)> {
        let end_ns = self.end_if_joined(wish, longest, reaches)?;
        let joining = self.pending.iter().filter(|pending| pending.wish.is_some()).count();
        let nth = self.growth().triggers().len() + joining + 1;
        let added = AddedTrigger {
            id: wish.id.clone().unwrap_or_else(|| clip::trigger_id(&self.folder, nth)),
            start_ns: wish.asked_start(),
            t_ns: wish.at,
            end_ns,
            label: wish.label.clone(),
            meta: wish.meta.clone(),
            note: wish.note.clone(),
            source: TriggerSource::Command,
        };
        if wish.kind == TriggerKind::Begin {
            notes.push(format!(
                "the trigger joins clip {}, so it ends {} ms after its moment at the latest (max_clip_ms)",
                clip::clip_id(&self.folder),
                millis(end_ns - wish.at)
            ));
        }
        let accepted = Accepted {
            trigger_id: added.id.clone(),
            pre_roll_ms: millis(wish.pre),
            asked_pre_roll_ms: millis(wish.pre),
            end_ns: (wish.kind == TriggerKind::Trigger).then_some(end_ns),
            notes,
            ..self.answer_of_clip()
        };
        let line = match wish.kind {
            TriggerKind::Trigger => Line::Trigger(added),
            TriggerKind::Begin => Line::Begin(added),
        };
        Some((line, Taken { accepted, folder: self.folder.clone() }))
    }

    /// The line that ends a begun trigger, and the answer to it.
    pub(super) fn end(&self, id: &str, request: &EndRequest) -> Result<(Line, Taken), Refusal> {
        let Some(trigger) = self.growth().trigger(id) else { return Err(ended(id)) };
        match (trigger.ending, trigger.kind) {
            _ if self.growth().is_closed() => return Err(ended(id)),
            (Ending::Open, _) => {}
            (_, TriggerKind::Begin) => return Err(ended(id)),
            (_, TriggerKind::Trigger) => return Err(Refusal::NotBegun { id: id.to_owned() }),
        }
        if request.at < trigger.t_ns {
            let by_ms = millis(trigger.t_ns - request.at).max(1);
            return Err(Refusal::EndBeforeBegin { id: id.to_owned(), by_ms });
        }
        let asked = request.at + Duration::from_millis(request.post_ms.unwrap_or(0));
        let (end_ns, cut) = (asked.min(trigger.end_ns), asked > trigger.end_ns);
        let mut notes: Vec<String> = whole_second_note(request.at_whole_second).into_iter().collect();
        notes.extend(cut.then(|| cut_note(trigger.t_ns, end_ns)));
        let taken = self.answer(trigger, end_ns, notes);
        Ok((Line::End { id: id.to_owned(), end_ns, cut }, taken))
    }

    /// The line that gives a trigger a later end, and the answer to it. `oldest`: what the rings of the clip's cameras hold.
    pub(super) fn extend(
        &self,
        id: &str,
        request: &ExtendRequest,
        longest: Duration,
        reaches: &[Reach],
    ) -> Result<(Line, Taken), Refusal> {
        let growth = self.growth();
        let Some(trigger) = growth.trigger(id) else { return Err(ended(id)) };
        if growth.is_closed() || !reaches.iter().all(|reach| reach.holds(growth.end_ns())) {
            return Err(ended(id));
        }
        if trigger.ending == Ending::Open {
            return Err(Refusal::NotEnded { id: id.to_owned() });
        }
        let by = Duration::from_millis(request.by_ms);
        let asked = trigger.end_ns + by;
        let end_ns = asked.min(self.latest_end(longest).max(trigger.end_ns));
        let cut = asked > end_ns;
        let notes = cut.then(|| cut_note(self.plan.trigger_ns, end_ns)).into_iter().collect();
        let taken = self.answer(trigger, end_ns, notes);
        Ok((Line::Extend { id: id.to_owned(), by_ns: nanos(by), end_ns, cut }, taken))
    }

    /// The answer to a trigger that this clip has already.
    pub(super) fn answer_again(&self, id: &str) -> Option<Taken> {
        let trigger = self.growth().trigger(id)?;
        let is_first = std::ptr::eq(trigger, &raw const self.growth().triggers()[0]);
        let notes = if is_first { self.plan.notes.clone() } else { Vec::new() };
        let mut taken = self.answer(trigger, trigger.end_ns, notes);
        if trigger.ending == Ending::Open {
            taken.accepted.end_ns = None;
        }
        Some(taken)
    }

    fn answer(&self, trigger: &ClipTrigger, end_ns: MonotonicNs, notes: Vec<String>) -> Taken {
        let given = trigger.start_ns.max(self.plan.window.start_ns);
        let accepted = Accepted {
            trigger_id: trigger.id.clone().unwrap_or_default(),
            pre_roll_ms: millis(trigger.t_ns - given),
            asked_pre_roll_ms: millis(trigger.t_ns - trigger.start_ns),
            end_ns: Some(end_ns),
            notes,
            ..self.answer_of_clip()
        };
        Taken { accepted, folder: self.folder.clone() }
    }

    fn answer_of_clip(&self) -> Accepted {
        Accepted {
            trigger_id: String::new(),
            clip_id: clip::clip_id(&self.folder),
            path: self.folder.display().to_string(),
            pre_roll_ms: 0,
            asked_pre_roll_ms: 0,
            end_ns: None,
            notes: Vec::new(),
        }
    }

    /// Is this the clip's id, or a short form of it: its folder's name, or that without the label?
    fn is_called(&self, id: &str) -> bool {
        let name = clip_name(&self.folder);
        let number = clip::clip_number(&self.folder).map(|number| format!("clip-{number:04}"));
        id == name || number.as_deref() == Some(id) || id == clip::clip_id(&self.folder)
    }

    /// The triggers that are begun and not ended.
    pub(super) fn begun(&self) -> impl Iterator<Item = &str> {
        let open = self.growth().triggers().iter().filter(|trigger| trigger.ending == Ending::Open);
        open.filter_map(|trigger| trigger.id.as_deref())
    }
}

/// Finds the trigger that `--end` means by its own id, or by that of its clip.
pub(super) fn to_end<'a>(clips: &'a OpenClips, id: &str) -> Option<Result<Meant<'a>, Refusal>> {
    if let Some(meant) = by_trigger(clips, id) {
        return Some(Ok(meant));
    }
    let clip = clips.values().rev().find(|clip| clip.is_called(id))?;
    let begun: Vec<&str> = clip.begun().collect();
    Some(match begun[..] {
        [only] => Ok(Meant { folder: &clip.folder, id: only.to_owned() }),
        // Some were begun and have ended, or none was begun at all: the first trigger's refusal says which.
        [] => first_begun(clip).map(|id| Meant { folder: &clip.folder, id }),
        _ => Err(Refusal::AmbiguousTrigger {
            id: super::wish::beginning(id),
            candidates: begun.iter().map(|id| (*id).to_owned()).collect(),
        }),
    })
}

fn first_begun(clip: &OpenClip) -> Result<String, Refusal> {
    let triggers = clip.growth().triggers();
    let begun = triggers.iter().find(|trigger| trigger.kind == TriggerKind::Begin);
    begun
        .or(triggers.first())
        .and_then(|trigger| trigger.id.clone())
        .ok_or_else(|| ended(&clip_name(&clip.folder)))
}

/// Finds the trigger that `--extend` means. By its clip's id it is the one that ends last.
pub(super) fn to_extend<'a>(clips: &'a OpenClips, id: &str) -> Option<Result<Meant<'a>, Refusal>> {
    if let Some(meant) = by_trigger(clips, id) {
        return Some(Ok(meant));
    }
    let clip = clips.values().rev().find(|clip| clip.is_called(id))?;
    let triggers = clip.growth().triggers().iter();
    let last = triggers.max_by_key(|trigger| (trigger.ending != Ending::Open, trigger.end_ns));
    let id = last.and_then(|trigger| trigger.id.clone());
    Some(id.map(|id| Meant { folder: &clip.folder, id }).ok_or_else(|| ended(&clip_name(&clip.folder))))
}

/// The trigger with this id, or with the run's time before it.
fn by_trigger<'a>(clips: &'a OpenClips, id: &str) -> Option<Meant<'a>> {
    clips.values().rev().find_map(|clip| {
        let own = clip::clip_id(&clip.folder);
        let time = own.strip_suffix(&*clip_name(&clip.folder)).unwrap_or_default();
        let known = |id: &str| clip.growth().trigger(id).is_some();
        let full = format!("{time}{id}");
        let id = if known(id) { id.to_owned() } else { Some(full).filter(|full| known(full))? };
        Some(Meant { folder: &clip.folder, id })
    })
}

pub(super) fn ended(id: &str) -> Refusal {
    Refusal::TriggerEnded { id: super::wish::beginning(id) }
}

fn cut_note(from: MonotonicNs, end: MonotonicNs) -> String {
    format!(
        "the end lies beyond what a clip may last, so it ends {} ms after its moment (max_clip_ms)",
        millis(end - from)
    )
}
