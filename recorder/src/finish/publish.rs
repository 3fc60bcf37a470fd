//! Publishing a clip: its cameras are joined, the files put in place, and the manifest written last. Nothing of the
//! parts is removed before that, so every step can be repeated by another recorder, from the start, as often as it
//! takes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

use proto::by_camera::ByCamera;
use proto::clip::{MANIFEST, Manifest, PARTIAL_DIR, TRIGGERS};
use proto::durable;
use proto::failpoint;
use proto::name::Name;
use proto::opened;
use proto::panics;
use proto::storage;

use super::join::FinishedCamera;
use super::trigger_list::TriggerList;
use super::{clear, in_place, join, manifest};
use crate::assignment::Footage;
use crate::disk::{self, output::OutputFolder};
use crate::open_window::ClosedWindow;
use crate::part;
use crate::pulse::Pulse;

/// The folder, in the partial one, where joined files wait until all of them are on the disk.
const READY: &str = "ready";

/// Publishes a clip all of whose cameras' footage is there.
pub(super) fn publish(
    folder: &Path,
    set: &[Footage],
    window: &ClosedWindow,
    pulse: &Arc<Pulse>,
    output: &OutputFolder,
) -> io::Result<Manifest> {
    disk::ask(|| storage::no_link_to(folder))?;
    let ready = folder.join(PARTIAL_DIR).join(READY);
    disk::ask(|| make_empty(&ready))?;
    let bytes = disk::ask(|| link_parts(folder, set, &ready))?;
    output.has_room_for(folder, bytes)?;
    failpoint::pass("join.begun", folder.display());
    let cameras = join_cameras(folder, set, &ready, pulse)?;
    for FinishedCamera { clip, .. } in cameras.values() {
        for file in clip.files.iter().chain([&clip.timestamps]) {
            disk::ask(|| put_in_place(&ready.join(file), &folder.join(file)))?;
            failpoint::pass("publish.renamed", folder.join(file).display());
        }
    }
    let triggers = TriggerList::of(window, &cameras);
    if triggers.is_cut() {
        let listed = ready.join(TRIGGERS);
        disk::ask(|| triggers.write(&listed))?;
        failpoint::pass("finish.triggers", listed.display());
        disk::ask(|| put_in_place(&listed, &folder.join(TRIGGERS)))?;
    }
    let manifest = manifest::manifest(folder, set, window, &triggers, cameras);
    let (path, text) = (folder.join(MANIFEST), serde_json::to_vec_pretty(&manifest)?);
    disk::ask(|| replace_manifest(&path, &text)).inspect_err(|_| {
        // The manifest may have its name and not be on the disk. While the name is there nobody would try again.
        let _ = disk::ask(|| opened::remove_file(&path));
    })?;
    failpoint::pass("manifest.written", folder.display());
    disk::ask(|| clear::clear(folder));
    Ok(manifest)
}

/// Makes a folder, or empties the one that another recorder left.
fn make_empty(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        // A file has its place.
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => drop(opened::move_aside(folder)?),
        other => other?,
    }
    opened::create_folder(folder)
}

/// Renames a finished file to its place. A folder that has its name is moved out of the way.
fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    durable::rename(from, to).or_else(|e| out_of_the_way(to, e).and_then(|()| durable::rename(from, to)))
}

fn replace_manifest(path: &Path, text: &[u8]) -> io::Result<()> {
    let replace = || durable::replace_synced(path, text);
    replace().or_else(|e| out_of_the_way(path, e).and_then(|()| replace()))
}

/// Moves a folder in a file's place aside, if that is what an error comes from.
fn out_of_the_way(path: &Path, error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => opened::move_aside(path).map(drop),
        _ => Err(error),
    }
}

/// Links the parts that can become files where they are. Returns the bytes that have to be written: as many as the other
/// parts have, and the indices of these.
fn link_parts(folder: &Path, set: &[Footage], ready: &Path) -> io::Result<u64> {
    let partial = folder.join(PARTIAL_DIR);
    let bytes = set.iter().map(|footage| match in_place::link(&partial, ready, &footage.camera)? {
        Some(bytes) => Ok(bytes),
        None => part::bytes(&partial, &footage.camera.name),
    });
    bytes.sum()
}

/// Joins the cameras side by side, and returns them in the config's order: most of the time goes into waiting for the disk, which serves them together.
fn join_cameras(
    folder: &Path,
    set: &[Footage],
    ready: &Path,
    pulse: &Arc<Pulse>,
) -> io::Result<ByCamera<FinishedCamera>> {
    std::thread::scope(|scope| {
        let join = |footage: &Footage| {
            panics::set_camera(footage.camera.name.as_str());
            let _on = panics::on_clip(&footage.plan.clip_id);
            let finished = join::join_camera(footage, folder, ready, pulse)?;
            Ok((footage.camera.name.clone(), finished))
        };
        let threads: Vec<_> =
            set.iter().map(|footage| (footage, spawn(scope, move || join(footage)))).collect();
        let joined = threads.into_iter().map(|(footage, thread)| {
            let panicked = || format!("the thread that joins camera {} panicked", footage.camera.name);
            match thread {
                Ok(thread) => thread.join().unwrap_or_else(|_| Err(io::Error::other(panicked()))),
                // Out of threads: this one joins the camera itself, after those that have one.
                Err(_) => join(footage),
            }
        });
        let mut cameras: Vec<(Name, FinishedCamera)> = joined.collect::<io::Result<_>>()?;
        cameras.sort_by_key(|(_, camera)| camera.clip.camera_index);
        Ok(cameras.into_iter().collect())
    })
}

/// A thread of a scope, or the system's error where `Scope::spawn` would panic.
fn spawn<'scope, 'env, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    failpoint::check("thread.join", "")?;
    std::thread::Builder::new().spawn_scoped(scope, work)
}
