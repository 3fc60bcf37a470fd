//! The first half of a trigger's way, on one thread: requests are taken in groups, each is decided on in the order in which
//! they came, and what a group comes to is written together. So a thousand triggers a second cost few flushes and no thread
//! each. The second half is in [`super::flushing`].

use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::clip;
use proto::clip::growth::Line;
use proto::config::Overlap;
use proto::control::{EndRequest, ExtendRequest, TriggerRequest};
use proto::failpoint;
use proto::refusal::Refusal;

use super::Taken;
use super::growing::{self, Meant, OpenClip, OpenClips, Pending};
use super::ids::Ids;
use super::planning::Planning;
use super::queue::{Batch, Job, Queue, Wanted};
use super::window::Reach;
use super::wish::{Wish, beginning};
use crate::clips::Phase;

/// A trigger that brings an id waits so long for the ids of clips on the disk to be read.
const IDS_PATIENCE: Duration = Duration::from_secs(3);
/// The time between two looks whether they are.
const GLANCE: Duration = Duration::from_millis(20);
/// A refusal names no more triggers than this.
const NAMED: usize = 8;

/// Takes requests about triggers.
pub(super) struct Taking {
    pub(super) planning: Planning,
    pub(super) ids: Arc<Ids>,
    pub(super) doubtful: Arc<Mutex<HashSet<PathBuf>>>,
    /// The clips that may grow, the newest last.
    growing: OpenClips,
    /// Folders of earlier runs that may hold unfinished clips.
    earlier_runs: Vec<PathBuf>,
    /// Clips that take nothing more although they are open.
    settled: HashSet<PathBuf>,
    /// Triggers that wait for the ids to be read.
    waiting: Vec<Arc<Job>>,
    written: BTreeMap<PathBuf, Batch>,
}

/// What is to be done about a request.
enum Decision {
    /// It gets this answer, once what it is about is on the disk.
    Known(Taken),
    /// It has a clip of its own now, whose plan is written.
    NewClip(Taken),
    /// A line has to be appended.
    Line(Box<Pending>),
    /// It can't be decided on yet.
    Later,
}

impl Taking {
    pub(super) fn new(
        planning: Planning,
        earlier_runs: Vec<PathBuf>,
        ids: Arc<Ids>,
        doubtful: Arc<Mutex<HashSet<PathBuf>>>,
    ) -> Self {
        Self {
            planning,
            ids,
            doubtful,
            earlier_runs,
            growing: BTreeMap::new(),
            settled: HashSet::new(),
            waiting: Vec::new(),
            written: BTreeMap::new(),
        }
    }

    /// The thread.
    pub(super) fn run(mut self, queue: &Queue) {
        let mut written = Vec::new();
        loop {
            let at_most = (!self.waiting.is_empty()).then_some(GLANCE);
            let group = queue.next_group(written, at_most);
            let jobs: Vec<_> = self.waiting.iter().chain(&group).cloned().collect();
            // A request that trips over a bug must not keep all further ones without an answer.
            written = catch_unwind(AssertUnwindSafe(|| self.take(&group))).unwrap_or_else(|_| {
                jobs.iter().for_each(|job| job.answer(Err(Refusal::PlanFailed)));
                // What is known of clips may be half true. It is read again.
                self.growing.clear();
                std::mem::take(&mut self.written).into_values().collect()
            });
        }
    }

    /// Takes a group of requests. Refused ones are answered; the others are answered when what is returned is flushed.
    pub(super) fn take(&mut self, group: &[Arc<Job>]) -> Vec<Batch> {
        self.look_at_open_clips();
        let waited = std::mem::take(&mut self.waiting);
        for job in waited.iter().chain(group) {
            self.take_one(job);
        }
        self.append_all();
        std::mem::take(&mut self.written).into_values().collect()
    }

    /// Has clips of earlier runs count as open that this instance has planned and nobody has finished: their triggers may still be
    /// begun. Once, and not before somebody asks for one: a trigger waits for no other run's disk.
    fn look_at_earlier_runs(&mut self) {
        for run in std::mem::take(&mut self.earlier_runs) {
            for folder in clip::unfinished_clips(&run).unwrap_or_default() {
                let clip = OpenClip::read(&folder).ok().flatten();
                if let Some(clip) =
                    clip.filter(|clip| clip.plan.origin.as_ref() == Some(&self.planning.origin))
                {
                    self.planning.clips.adopt(&folder);
                    self.growing.insert(folder, clip);
                }
            }
        }
    }

    /// Forgets clips that are finished, and reads those that an earlier supervisor has planned.
    fn look_at_open_clips(&mut self) {
        let open: HashSet<PathBuf> = self.planning.clips.open().into_iter().collect();
        self.growing.retain(|folder, _| open.contains(folder));
        self.settled.retain(|folder| open.contains(folder));
        let mut doubtful = self.doubtful.lock().unwrap_or_else(PoisonError::into_inner);
        doubtful.retain(|folder| open.contains(folder));
        for (folder, clip) in &mut self.growing {
            clip.is_doubtful |= doubtful.contains(folder);
        }
        drop(doubtful);
        for folder in open {
            if self.growing.contains_key(&folder) || self.settled.contains(&folder) {
                continue;
            }
            match OpenClip::read(&folder) {
                Ok(Some(clip)) => drop(self.growing.insert(folder, clip)),
                Ok(None) => drop(self.settled.insert(folder)),
                // The disk may be away; it is looked at again with the next request.
                Err(_) => {}
            }
        }
    }

    fn take_one(&mut self, job: &Arc<Job>) {
        let decided = match &job.wanted {
            wanted if self.is_behind(wanted) => Ok(Decision::Later),
            Wanted::Trigger(request) => self.trigger(job, request),
            Wanted::End(request) => self.end(job, request),
            Wanted::Extend(request) => self.extend(job, request),
        };
        match decided {
            Ok(Decision::Known(taken)) => {
                self.batch(&taken.folder.clone()).jobs.push((Arc::clone(job), taken))
            }
            Ok(Decision::NewClip(taken)) => self.wrote_plan(job, taken),
            Ok(Decision::Line(pending)) => {
                if let Some(clip) = self.growing.get_mut(&pending.taken.folder) {
                    clip.pending_ids.insert(pending.taken.accepted.trigger_id.clone());
                    clip.pending.push(*pending);
                }
            }
            Ok(Decision::Later) => self.waiting.push(Arc::clone(job)),
            Err(refusal) => job.answer(Err(refusal)),
        }
    }

    /// Is this the end or the extension of a trigger that still waits?
    fn is_behind(&self, wanted: &Wanted) -> bool {
        let id = match wanted {
            Wanted::Trigger(_) => return false,
            Wanted::End(EndRequest { id, .. }) | Wanted::Extend(ExtendRequest { id, .. }) => id,
        };
        let brings_it = |job: &Arc<Job>| matches!(&job.wanted, Wanted::Trigger(TriggerRequest { id: Some(brought), .. }) if brought == id);
        self.waiting.iter().any(brings_it)
    }

    fn trigger(&mut self, job: &Arc<Job>, request: &TriggerRequest) -> Result<Decision, Refusal> {
        if self.planning.clips.phase() > Phase::Running {
            return Err(Refusal::EndingTrigger);
        }
        let wish = self.planning.wish(request, job.came)?;
        let mut notes = self.planning.notes(&wish);
        if let Some(id) = &wish.id {
            if let Some(taken) = self.known(id) {
                return Ok(Decision::Known(taken));
            }
            if !self.ids.are_read() {
                if job.since.elapsed() < IDS_PATIENCE {
                    return Ok(Decision::Later);
                }
                notes.push(
                    "the ids of the clips on the disk are still being read, so whether this one was given before isn't known"
                        .to_owned(),
                );
            }
        }
        if self.planning.config.recording.overlap == Overlap::Extend {
            let (longest, reaches) = (self.longest(), wish.reaches());
            let run_folder = self.planning.clips.run_folder();
            let joined = |clip: &OpenClip| clip.join(&wish, longest, &reaches, notes.clone());
            let mut of_this_run =
                self.growing.values().rev().filter(|clip| clip.folder.starts_with(run_folder));
            if let Some((line, taken)) = of_this_run.find_map(joined) {
                return Ok(Decision::Line(Box::new(Pending {
                    line,
                    job: Arc::clone(job),
                    taken,
                    wish: Some(Box::new(wish)),
                })));
            }
        }
        self.new_clip(&wish, notes).map(Decision::NewClip)
    }

    /// The answer to a trigger that has this id already, and whose clip is on the disk.
    fn known(&mut self, id: &str) -> Option<Taken> {
        self.look_at_earlier_runs();
        if self.growing.values().any(|clip| clip.pending_ids.contains(id)) {
            self.append_all();
        }
        let open = self.growing.values().find_map(|clip| clip.answer_again(id));
        open.or_else(|| self.ids.find(id))
    }

    fn new_clip(&mut self, wish: &Wish, notes: Vec<String>) -> Result<Taken, Refusal> {
        let (taken, plan) = self.planning.new_clip(wish, notes)?;
        failpoint::pass("plan.written", taken.folder.display());
        self.growing.insert(taken.folder.clone(), OpenClip::new(&taken.folder, plan));
        Ok(taken)
    }

    fn wrote_plan(&mut self, job: &Arc<Job>, taken: Taken) {
        self.remember(job, &taken);
        let batch = self.batch(&taken.folder.clone());
        batch.has_plan = true;
        batch.jobs.push((Arc::clone(job), taken));
    }

    /// Remembers the id that a trigger has brought.
    fn remember(&self, job: &Job, taken: &Taken) {
        if let Wanted::Trigger(TriggerRequest { id: Some(id), .. }) = &job.wanted {
            self.ids.add(id, &taken.folder);
        }
    }

    fn end(&mut self, job: &Arc<Job>, request: &EndRequest) -> Result<Decision, Refusal> {
        let (folder, id) = self.find(&request.id, growing::to_end)?;
        let (line, taken) = self.open_clip(&folder, &id)?.end(&id, request)?;
        Ok(Decision::Line(Box::new(Pending { line, job: Arc::clone(job), taken, wish: None })))
    }

    fn extend(&mut self, job: &Arc<Job>, request: &ExtendRequest) -> Result<Decision, Refusal> {
        let (folder, id) = self.find(&request.id, growing::to_extend)?;
        let longest = self.longest();
        let rings = self.planning.rings.now();
        let clip = self.open_clip(&folder, &id)?;
        let recorded =
            rings.iter().filter(|(camera, _)| clip.plan.cameras.iter().any(|c| c.name == camera.name));
        let reaches: Vec<Reach> = recorded.map(|(_, ring)| Reach::of(ring, job.came)).collect();
        let (line, taken) = clip.extend(&id, request, longest, &reaches)?;
        Ok(Decision::Line(Box::new(Pending { line, job: Arc::clone(job), taken, wish: None })))
    }

    /// The clip and the trigger that an id means. What is still to be appended to the clip is appended.
    fn find(
        &mut self,
        id: &str,
        by: for<'a> fn(&'a OpenClips, &str) -> Option<Result<Meant<'a>, Refusal>>,
    ) -> Result<(PathBuf, String), Refusal> {
        self.look_at_earlier_runs();
        if self.growing.values().any(|clip| !clip.pending.is_empty()) {
            // The one that is meant may be among them, or have been changed by them.
            self.append_all();
        }
        match by(&self.growing, id) {
            Some(meant) => meant.map(|Meant { folder, id }| (folder.to_owned(), id)),
            None if self.is_of_ended_clip(id) => Err(growing::ended(id)),
            None => {
                let begun = self.growing.values().rev().flat_map(OpenClip::begun);
                let begun = begun.take(NAMED).map(str::to_owned).collect();
                Err(Refusal::UnknownTrigger { id: beginning(id), begun })
            }
        }
    }

    /// Is this the id of a clip of this run, or of a trigger of one, that takes nothing more?
    fn is_of_ended_clip(&self, id: &str) -> bool {
        let run_folder = self.planning.clips.run_folder();
        let run_time = clip::clip_id(&run_folder.join("clip"));
        let short = run_time.strip_suffix("clip").and_then(|time| id.strip_prefix(time)).unwrap_or(id);
        let number = short.strip_prefix("trigger-").map_or_else(
            || clip::clip_number(Path::new(short)),
            |number| number.split('-').next().and_then(|number| number.parse().ok()),
        );
        let is_clip = |number: u32| {
            let folders = proto::opened::folders_of_ours(run_folder).unwrap_or_default();
            folders.iter().any(|folder| clip::clip_number(folder) == Some(number))
        };
        number.is_some_and(is_clip) || self.ids.find(id).is_some()
    }

    fn open_clip(&self, folder: &Path, id: &str) -> Result<&OpenClip, Refusal> {
        self.growing.get(folder).ok_or_else(|| growing::ended(id))
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.planning.config.recording.max_clip_ms)
    }

    /// Appends the lines that are due, to every clip.
    fn append_all(&mut self) {
        let due: Vec<PathBuf> = self
            .growing
            .iter()
            .filter(|(_, clip)| !clip.pending.is_empty())
            .map(|(f, _)| f.clone())
            .collect();
        for folder in due {
            self.append(&folder);
        }
    }

    /// Appends the lines that are due to a clip. A trigger whose line comes too late gets a clip of its own.
    fn append(&mut self, folder: &Path) {
        let Some(clip) = self.growing.get_mut(folder) else { return };
        let pending = std::mem::take(&mut clip.pending);
        clip.pending_ids.clear();
        let lines: Vec<Line> = pending.iter().map(|pending| pending.line.clone()).collect();
        failpoint::pass("grow.append", folder.display());
        let appended = clip.file.append(&lines);
        failpoint::pass("grow.appended", folder.display());
        let is_new = *appended.as_ref().unwrap_or(&false);
        let error = appended.err();
        // A clip that is finished, or whose file can't be written, is asked no more often than it has to be.
        clip.is_doubtful |= error.is_some();
        let error = error.filter(|e| e.kind() != ErrorKind::NotFound);
        let mut counts = Vec::new();
        let mut others = Vec::new();
        for pending in pending {
            if clip.holds(&pending.line) { counts.push(pending) } else { others.push(pending) }
        }
        if !counts.is_empty() {
            let batch = self.batch(folder);
            batch.has_lines = Some(batch.has_lines.unwrap_or(false) | is_new);
        }
        for pending in counts {
            self.remember(&pending.job, &pending.taken);
            self.batch(folder).jobs.push((pending.job, pending.taken));
        }
        for pending in others {
            self.came_too_late(pending, error.as_ref());
        }
    }

    /// A line doesn't count, since the clip has ended, or since it could not be written.
    fn came_too_late(&mut self, pending: Pending, error: Option<&io::Error>) {
        let Pending { job, taken, wish, .. } = pending;
        match (wish, error) {
            (Some(wish), _) => match self.new_clip(&wish, self.planning.notes(&wish)) {
                Ok(taken) => self.wrote_plan(&job, taken),
                Err(refusal) => job.answer(Err(refusal)),
            },
            (None, None) => job.answer(Err(growing::ended(&taken.accepted.trigger_id))),
            (None, Some(e)) => job.answer(Err(Refusal::LineNotWritten {
                clip_id: taken.accepted.clip_id,
                folder: taken.folder,
                error: e.to_string(),
            })),
        }
    }

    fn batch(&mut self, folder: &Path) -> &mut Batch {
        self.written.entry(folder.to_owned()).or_insert_with(|| Batch::new(folder.to_owned()))
    }
}
