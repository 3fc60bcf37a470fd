//! The files that a clip consists of, by its manifest, and what tells each of them from another file of its name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use proto::clip::{MANIFEST, Manifest};
use proto::opened;
use serde::Deserialize;

use crate::disk;

/// The first manifests of clips that get sums. Older clips stay as they are.
const FIRST_SCHEMA: u32 = 2;

/// The files of a finished clip.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recorded {
    files: BTreeMap<OsString, Is>,
}

/// As much as is known of a file that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    /// The file is this one.
    File(Identity),
    /// The manifest that an earlier recorder wrote names it.
    Named,
}

/// A file, as it stands on the disk: another one of its name differs in this, and so does the same one after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    pub(super) bytes: u64,
    modified: (i64, i64),
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// As much of a manifest as names files.
#[derive(Deserialize)]
struct Names {
    schema: u32,
    cameras: BTreeMap<String, NamesOfCamera>,
}

#[derive(Deserialize)]
struct NamesOfCamera {
    files: Vec<String>,
    timestamps: String,
}

impl Recorded {
    /// The files of a clip that this recorder has just finished, as they are at this moment.
    pub(super) fn now(folder: &Path, manifest: &Manifest) -> Self {
        let of_cameras =
            manifest.cameras.values().flat_map(|camera| camera.files.iter().chain([&camera.timestamps]));
        let names = of_cameras.map(String::as_str).chain([MANIFEST]);
        let is = |name: &str| {
            let there = disk::ask(|| folder.join(name).symlink_metadata());
            there.map_or(Is::Named, |metadata| Is::File(Identity::of(&metadata)))
        };
        Self { files: names.map(|name| (name.into(), is(name))).collect() }
    }

    /// The files of a clip that an earlier recorder finished. `None` for a clip that gets no sums: it isn't finished, or is
    /// of a version that made none.
    pub(super) fn by_manifest(folder: &Path) -> io::Result<Option<Self>> {
        let text = match opened::read(&folder.join(MANIFEST)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound || opened::is_foreign(&e) => return Ok(None),
            other => other?,
        };
        let Ok(Names { schema: FIRST_SCHEMA.., cameras }) = serde_json::from_slice(&text) else {
            return Ok(None);
        };
        let of_cameras =
            cameras.into_values().flat_map(|camera| camera.files.into_iter().chain([camera.timestamps]));
        let names = of_cameras.chain([MANIFEST.to_owned()]);
        Ok(Some(Self { files: names.map(|name| (name.into(), Is::Named)).collect() }))
    }

    /// The names of the clip's files.
    pub(super) fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.files.keys().map(OsString::as_os_str)
    }

    /// Is a file of this name one that was recorded?
    pub(super) fn has(&self, name: &OsStr) -> bool {
        self.files.contains_key(name)
    }

    /// Can this file be the one of its name that was recorded? Of a file that wasn't recorded nothing is known.
    pub(super) fn can_be(&self, name: &OsStr, found: Identity) -> bool {
        match self.files.get(name) {
            Some(Is::File(recorded)) => *recorded == found,
            Some(Is::Named) | None => true,
        }
    }
}
