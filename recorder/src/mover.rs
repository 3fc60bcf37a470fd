//! The mover: one thread for all cameras, which copies frames of open clips out of the rings before they are overwritten,
//! and gives segments back whose frames are all written. It encodes nothing, asks no disk, and sleeps while no clip is open.
//!
//! A frame is moved when its room (see [`proto::ring::Endangered`]) falls below the ring's reserve, so an outage of the
//! recorder keeps the whole reserve. While nothing is late nothing is moved: docs/decisions/backlog.md.

mod stock;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use proto::backlog::BacklogWriter;
use proto::failpoint;
use proto::priority;
use proto::ring::{Endangered, Lease, ReaderBit, Ring, RingReader};

use crate::backlog::{Backlog, CameraBacklog, Need, View, remove};
use stock::Stock;

/// The shortest sleep between two looks at the rings: a shorter one would cost more than it gains.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest: a worker that gets stuck says nothing, so the rings are looked at.
const LONGEST: Duration = Duration::from_millis(10);
/// The least time before it is overwritten at which a frame is moved, however short the reserve is: a busy machine may let
/// the mover wait for its turn so long.
const LEAST_ROOM: Duration = Duration::from_millis(50);
/// So many frames of one camera are moved before the others are looked at.
const AT_ONCE: usize = 8;

/// Moves frames of all cameras.
pub(crate) struct Mover {
    backlog: Arc<Backlog>,
    /// One for each camera of the backlog, in its order.
    stocks: Vec<(Stock, View)>,
}

/// The outcome of a look at one camera's ring.
struct Look {
    /// The time in which the next frame may have to be moved.
    next: Duration,
    /// A frame found no room.
    no_room: bool,
}

/// The outcome of moving a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    Done,
    /// It was overwritten before it could be held, or its ring is broken.
    Gone,
    NoRoom,
}

impl Mover {
    pub(crate) fn new(backlog: &Arc<Backlog>) -> Self {
        let stocks = backlog.cameras().map(|_| <(Stock, View)>::default()).collect();
        Self { backlog: Arc::clone(backlog), stocks }
    }

    /// Starts the mover's thread, which lasts as long as the process.
    pub(crate) fn start(backlog: &Arc<Backlog>) -> std::io::Result<()> {
        let mut mover = Self::new(backlog);
        let totals = Arc::clone(&backlog.totals);
        std::thread::Builder::new().name("mover".into()).spawn(move || {
            // Where it may: what it comes too late for is lost, as for a capture.
            priority::set(priority::MOVER);
            priority::take_short_turns();
            loop {
                totals.wait(mover.pass());
            }
        })?;
        Ok(())
    }

    /// Looks at every camera once: moves what has to be moved, and gives back what nobody needs. Returns the time until the
    /// next look; none while no clip is open.
    pub(crate) fn pass(&mut self) -> Option<Duration> {
        let mut pause: Option<Duration> = None;
        for (camera, (stock, view)) in self.backlog.cameras().zip(&mut self.stocks) {
            let is_fresh = camera.refresh(view);
            let look = match view.ring().filter(|_| !view.needs.is_empty()) {
                Some(ring) => look(&self.backlog, camera, stock, &ring, view),
                None => Look { next: LONGEST, no_room: false },
            };
            if !is_fresh {
                // Something may have changed, so it is looked at again soon.
                pause = Some(pause.unwrap_or(SHORTEST).min(SHORTEST).min(look.next));
                continue;
            }
            if !view.needs.is_empty() {
                pause = Some(pause.map_or(look.next, |pause| pause.min(look.next)));
            }
            let waiting = give_back(&self.backlog, camera, stock, view);
            camera.show(waiting, look.no_room);
        }
        pause
    }
}

/// Moves the frames of one camera that are needed and soon overwritten, the soonest first.
fn look(backlog: &Backlog, camera: &CameraBacklog, stock: &mut Stock, ring: &Arc<Ring>, view: &View) -> Look {
    let needs: Vec<&Need> = view.needs.iter().filter(|need| need.ring_id == ring.id()).collect();
    let mut look = Look { next: LONGEST, no_room: false };
    if needs.is_empty() {
        return look;
    }
    let (threshold, period) = (threshold(ring), ring.spec().fps.period());
    // As far as the longest sleep reaches, and a frame more.
    let horizon =
        usize::try_from(ring.spec().fps.frames_in(proto::time::nanos(LONGEST * 2))).unwrap_or(0) + 1;
    let Ok(reader) = ring.reader(ReaderBit::MOVER) else { return look };
    let mut moved = 0;
    for Endangered { sequence, room } in ring.endangered(threshold + horizon) {
        let Some(limit) = limit(ring, &needs, sequence, threshold) else { continue };
        if view.holds(ring.id(), sequence) || stock.holds(ring.id(), sequence) {
            continue;
        }
        if room >= limit {
            let frames = u32::try_from(room - limit + 1).unwrap_or(u32::MAX);
            look.next = look.next.min(period.saturating_mul(frames) / 2).max(SHORTEST);
            continue;
        }
        if moved == AT_ONCE {
            return Look { next: Duration::ZERO, ..look };
        }
        match move_frame(backlog, camera, stock, &reader, sequence) {
            Moved::Done => moved += 1,
            Moved::Gone => {}
            Moved::NoRoom => {
                camera.refuse(sequence);
                look.no_room = true;
            }
        }
    }
    look
}

/// The room under which frames are moved.
fn threshold(ring: &Ring) -> usize {
    let size = ring.spec().size;
    let least = usize::try_from(ring.spec().fps.frames_in(proto::time::nanos(LEAST_ROOM))).unwrap_or(0) + 1;
    // A ring of few slots would otherwise move every frame.
    size.reserve_slots.max(least.min(size.slots() / 4))
}

/// The room under which a frame is moved; none if no clip needs it.
fn limit(ring: &Ring, needs: &[&Need], sequence: u64, threshold: usize) -> Option<usize> {
    let frame = ring.frame_info(sequence)?;
    let before = || ring.frame_info(sequence.checked_sub(1)?);
    needs.iter().filter(|need| need.wants(&frame, before)).map(|need| need.limit(threshold)).max()
}

/// Copies a frame into the backlog. Until it is committed there the ring's slot is held, so the frame is in one of the two
/// at every moment, whenever this process is killed: a held slot is freed only by the sweep, and its room is what it was.
fn move_frame(
    backlog: &Backlog,
    camera: &CameraBacklog,
    stock: &mut Stock,
    reader: &RingReader,
    sequence: u64,
) -> Moved {
    let ring = reader.ring();
    let Ok(lease) = reader.lease(sequence) else { return Moved::Gone };
    let length = lease.bytes().len();
    let Some(writer) = stock.writer(backlog, camera, ring, length) else { return Moved::NoRoom };
    failpoint::pass("mover.leased", &camera.camera);
    match copy(writer, &lease, camera) {
        Ok(true) => {
            backlog.totals.count(writer.segment());
            stock.works();
        }
        Ok(false) => return Moved::Gone,
        Err(e) => {
            stock.has_failed(camera, &e);
            return Moved::NoRoom;
        }
    }
    failpoint::pass("mover.committed", &camera.camera);
    drop(lease);
    failpoint::pass("mover.released", &camera.camera);
    Moved::Done
}

/// Copies a frame and commits it. False when its ring is broken by now: the bytes may be anything's.
fn copy(writer: &mut BacklogWriter, lease: &Lease, camera: &CameraBacklog) -> io::Result<bool> {
    let from = lease.bytes();
    let place = writer.place(from.len());
    let mut place = place.ok_or_else(|| io::Error::other("the segment is full"))?;
    let (first, second) = from.split_at(from.len() / 2);
    place.write(first)?;
    failpoint::pass("mover.half_copied", &camera.camera);
    place.write(second)?;
    if lease.ring().check().is_err() {
        return Ok(false);
    }
    place.commit(lease.frame_info())?;
    Ok(true)
}

/// Gives back the segments whose frames nobody needs any more. Returns how many frames wait in the others.
fn give_back(backlog: &Backlog, camera: &CameraBacklog, stock: &mut Stock, view: &mut View) -> usize {
    let (mut waiting, no_clip_is_open) = (0, view.needs.is_empty());
    for segment in view.segments.clone() {
        let needed = view.needed_in(&segment);
        waiting += needed;
        // The one that is being filled goes on being filled while a clip is open.
        let is_kept =
            needed > 0 || !backlog.may_give_back(&segment) || (stock.uses(&segment) && !no_clip_is_open);
        if !is_kept && camera.give_back(&segment) {
            remove(segment.name());
            stock.forget(&segment);
            view.segments.retain(|one| !Arc::ptr_eq(one, &segment));
            failpoint::pass("mover.given_back", &camera.camera);
        }
    }
    waiting
}

#[cfg(test)]
mod tests;
