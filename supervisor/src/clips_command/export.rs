//! `clips export`: a finished clip for somebody else, made by a child.

use proto::clip::MANIFEST;

use super::args::ExportArgs;
use super::library::Library;
use crate::ask::media;
use crate::failure::Failure;

/// Exports the clip that is meant.
pub(super) fn export(library: &Library, args: &ExportArgs) -> Result<u8, Failure> {
    let row = library.find(&args.id)?;
    let folder = library.folder(row);
    if !folder.join(MANIFEST).exists() {
        return Err(Failure::bad_input(format!("{} is not finished; export it when it is", row.clip_id())));
    }
    let ExportArgs { to, zip, side_by_side, burn_in, frames, .. } = args;
    let asked = [(*zip, "--zip"), (*side_by_side, "--side-by-side"), (*burn_in, "--burn-in")];
    let options = asked.into_iter().filter_map(|(is_asked, option)| is_asked.then_some(option));
    let pictures = frames.map(|_| ["--frames", "png"]);
    media::export(&folder, &row.clip_id(), to, options.chain(pictures.into_iter().flatten()))
}
