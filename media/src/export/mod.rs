//! `export`: a finished clip for somebody else. Its files as they are, in a folder or an archive; one video of all cameras beside
//! each other; its frames as pictures. Everything is made in a hidden folder at its place first, and gets its names when it is
//! whole.
//!
//! - [`copy`], [`zip`], [`crc32`]: the files as they are.
//! - [`timeline`]: which frame stands when; [`layout`]: where it is shown; [`caption`]: what is written below. All pure.
//! - [`pictures`]: the decoded frames and their rows; [`ahead`]: decoded by a thread a camera.
//! - [`sheet`], [`font`]: drawing. [`movie`]: the video. [`side_by_side`], [`frames`]: how it comes together.

mod ahead;
mod caption;
mod copy;
mod crc32;
mod font;
mod frames;
mod layout;
mod movie;
mod pictures;
mod sheet;
mod side_by_side;
mod timeline;
mod zip;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use proto::clip::{CameraClip, MANIFEST, Manifest, clip_name};
use proto::exit;
use proto::failpoint;
use proto::storage;

use crate::clip;
use crate::rows::Row;
use crate::unfinished::{self, CantBegin, Unfinished};
use copy::CantCopy;
use pictures::Video;

/// The export that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The clip's folder.
    pub(crate) folder: PathBuf,
    /// The name of the clip that its exports get.
    pub(crate) clip_id: Option<String>,
    /// The folder that they go to.
    pub(crate) to: PathBuf,
    pub(crate) zip: bool,
    pub(crate) side_by_side: bool,
    pub(crate) burn_in: bool,
    pub(crate) frames: bool,
}

impl Asked {
    /// The things to make: the files as they are, if nothing else is asked for.
    fn forms(&self) -> Vec<Form> {
        let side_by_side = self.side_by_side || self.burn_in && !self.frames;
        let asked = [(self.zip, Form::Zip), (side_by_side, Form::SideBySide), (self.frames, Form::Frames)];
        let forms: Vec<Form> =
            asked.into_iter().filter_map(|(is_asked, form)| is_asked.then_some(form)).collect();
        if forms.is_empty() { vec![Form::Folder] } else { forms }
    }
}

/// A thing to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Folder,
    Zip,
    SideBySide,
    Frames,
}

impl Form {
    /// The name of the file or folder.
    fn name(self, clip_id: &str) -> String {
        match self {
            Self::Folder => clip_id.to_owned(),
            Self::Zip => format!("{clip_id}.zip"),
            Self::SideBySide => format!("{clip_id}.mp4"),
            Self::Frames => format!("{clip_id}-frames"),
        }
    }
}

/// An export that was not made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) code: u8,
    pub(crate) why: String,
}

impl Failed {
    fn refused(why: String) -> Self {
        Self { code: exit::BAD_INPUT, why }
    }

    fn tried(why: String) -> Self {
        Self { code: exit::FAILED, why }
    }
}

impl From<CantCopy> for Failed {
    fn from(cant: CantCopy) -> Self {
        let code = if matches!(cant, CantCopy::Wrong(..)) { exit::INCOMPLETE } else { exit::FAILED };
        Self { code, why: cant.to_string() }
    }
}

/// A clip whose documents have been read.
pub(crate) struct Source {
    folder: PathBuf,
    manifest: Manifest,
    rows: Vec<Vec<Row>>,
    /// Keeps the clip where it is.
    _held: Option<File>,
}

impl Source {
    fn open(folder: &Path) -> Result<Self, Failed> {
        let text = clip::read(&folder.join(MANIFEST)).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Failed::refused(format!(
                "{} is no finished clip: there is no {MANIFEST} in it",
                folder.display()
            )),
            _ => Failed::tried(format!("{MANIFEST} can't be read: {e}")),
        })?;
        let held = clip::hold(folder).map_err(Failed::tried)?;
        let wrong = |why: String| Failed { code: exit::INCOMPLETE, why };
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|e| wrong(format!("{MANIFEST} can't be understood: {e}")))?;
        let mut rows = Vec::new();
        for (name, camera) in manifest.cameras.iter() {
            let read = clip::timestamps(folder, &manifest, name, camera);
            rows.push(read.map_err(|why| wrong(format!("camera {name}: {}: {why}", camera.timestamps)))?);
        }
        Ok(Self { folder: folder.to_owned(), manifest, rows, _held: held })
    }

    /// The cameras, each with its rows.
    fn cameras(&self) -> impl Iterator<Item = (&str, &CameraClip, &[Row])> {
        let cameras = self.manifest.cameras.iter().zip(&self.rows);
        cameras.map(|((name, camera), rows)| (name.as_str(), camera, rows.as_slice()))
    }

    /// The videos of the cameras.
    fn videos(&self) -> impl Iterator<Item = (&str, Video<'_>)> {
        let window_start = self.manifest.window.start_ns;
        self.cameras().map(move |(name, camera, rows)| {
            (name, Video { folder: &self.folder, camera, rows, window_start })
        })
    }
}

/// Makes an export. Returns the paths of what it has made, and remarks.
///
/// # Errors
/// A sentence and an exit code. Nothing was made then.
pub(crate) fn make(asked: &Asked) -> Result<(Vec<PathBuf>, Vec<String>), Failed> {
    let source = Source::open(&asked.folder)?;
    let clip_id = asked.clip_id.clone().unwrap_or_else(|| clip_name(&asked.folder).into_owned());
    clip::be_plain(&clip_id).map_err(|_| Failed::refused(format!("{clip_id:?} is no name of a clip")))?;
    be_elsewhere(&asked.to, &asked.folder)?;
    let forms: Vec<(Form, String)> =
        asked.forms().into_iter().map(|form| (form, form.name(&clip_id))).collect();
    for (_, name) in &forms {
        let place = asked.to.join(name);
        if place.symlink_metadata().is_ok() {
            return Err(already_there(&place));
        }
    }
    let made = begin(&asked.to, &clip_id)?;
    failpoint::pass("export.begun", &clip_id);
    let mut remarks = Vec::new();
    for (form, name) in &forms {
        one(&source, *form, asked.burn_in, &made.path().join(name), &mut remarks)?;
    }
    let cant = |e: io::Error| Failed::tried(format!("{} can't be written to: {e}", asked.to.display()));
    made.sync().map_err(cant)?;
    failpoint::pass("export.made", &clip_id);
    let names: Vec<String> = forms.into_iter().map(|(_, name)| name).collect();
    let places = name_all(&made, &names, &asked.to)?;
    failpoint::pass("export.named", &clip_id);
    unfinished::sync_names(&asked.to).map_err(cant)?;
    Ok((places, remarks))
}

/// A clip's own folder and the folders of its run are no place for an export, which would be taken for a clip there.
fn be_elsewhere(to: &Path, clip: &Path) -> Result<(), Failed> {
    let place = to.canonicalize().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            Failed::refused(format!("{} isn't there; make the folder first, or mount its disk", to.display()))
        }
        _ => Failed::refused(format!("{} can't be used: {e}", to.display())),
    })?;
    if !place.is_dir() {
        return Err(Failed::refused(format!("{} is no folder", to.display())));
    }
    let run = clip.canonicalize().ok().and_then(|clip| clip.parent().map(Path::to_owned));
    if run.is_some_and(|run| place.starts_with(run)) {
        return Err(Failed::refused(format!(
            "{} is a folder that clips are recorded in; name another one",
            to.display()
        )));
    }
    Ok(())
}

fn already_there(place: &Path) -> Failed {
    Failed::refused(format!("{} is there already; move it away, or name another folder", place.display()))
}

fn begin(to: &Path, clip_id: &str) -> Result<Unfinished, Failed> {
    Unfinished::begin(&to.join(format!(".{clip_id}.exporting"))).map_err(|cant| match cant {
        CantBegin::Taken => Failed::tried(format!("{}: {cant}", to.display())),
        CantBegin::System(e) => Failed::tried(format!("{} can't be written to: {e}", to.display())),
    })
}

/// Makes one thing.
fn one(
    source: &Source,
    form: Form,
    burn_in: bool,
    path: &Path,
    remarks: &mut Vec<String>,
) -> Result<(), Failed> {
    match form {
        Form::Folder | Form::Zip => {
            let files = copy::files(&source.folder)?;
            // The hidden folder's name says nothing to a person.
            let room = path.ancestors().nth(2).unwrap_or(path);
            storage::has_room(room, 0, copy::bytes(&files)).map_err(|e| Failed::tried(e.to_string()))?;
            let summed = if form == Form::Zip {
                let summed = copy::verify(&source.folder)?;
                copy::to_zip(files, path)?;
                summed
            } else {
                copy::to_folder(files, path)?;
                copy::verify(path)?
            };
            remarks.extend(summed.is_none().then(copy::unsummed));
            Ok(())
        }
        Form::SideBySide => side_by_side::make(source, burn_in, path).map_err(Failed::tried),
        Form::Frames => frames::make(source, burn_in, path).map_err(Failed::tried),
    }
}

/// Gives all things their names, or none.
fn name_all(made: &Unfinished, names: &[String], to: &Path) -> Result<Vec<PathBuf>, Failed> {
    let mut named: Vec<PathBuf> = Vec::new();
    for name in names {
        let place = to.join(name);
        if let Err(e) = made.put(Path::new(name), &place) {
            named.iter().zip(names).for_each(|(place, name)| made.take_back(place, Path::new(name)));
            return Err(match e.kind() {
                io::ErrorKind::AlreadyExists => already_there(&place),
                _ => Failed::tried(format!("{} can't get its name: {e}", place.display())),
            });
        }
        named.push(place);
    }
    Ok(named)
}

#[cfg(test)]
mod tests;
