//! A look at who else may write where clips go: they could put files and folders of theirs in the place of ours. It is
//! warned of and not refused: see docs/decisions/opened.md.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use proto::config::Config;

use super::output_dir;

/// Write permission for the group.
const WRITE_BY_GROUP: u32 = 0o020;
/// Write permission for everybody.
const WRITE_BY_OTHERS: u32 = 0o002;
/// Nobody may rename or remove what belongs to others.
const STICKY: u32 = 0o1000;

/// As much of a folder as says who may write to it.
#[derive(Clone, Copy, Debug)]
struct Access {
    owner: u32,
    group: u32,
    mode: u32,
}

/// The warning about an output folder in which other users may replace our clips.
pub(crate) fn warning(config: &Config) -> Option<String> {
    let absolute = output_dir::plain(config).ok()?;
    // A folder that isn't there yet will be ours, in the nearest one that is.
    let folder = absolute.ancestors().find(|folder| folder.exists())?;
    let there = folder.metadata().ok()?;
    let access = Access { owner: there.uid(), group: there.gid(), mode: there.mode() };
    let us = rustix::process::geteuid().as_raw();
    Some(sentence(folder, &why(access, us, folder == absolute)?))
}

/// The reason why others may write to a folder. `None` if they may not, or can do no harm there.
fn why(folder: Access, us: u32, is_output_dir: bool) -> Option<(String, &'static str)> {
    let Access { owner, group, mode } = folder;
    if owner != us && owner != 0 {
        return Some((
            format!("it belongs to another user (uid {owner})"),
            "name a folder of this user, or give it to this user with chown",
        ));
    }
    // With the sticky bit others may only add to it.
    if mode & STICKY != 0 {
        return None;
    }
    let writers = match mode & (WRITE_BY_GROUP | WRITE_BY_OTHERS) {
        0 => return None,
        // Many systems give each user a group of its own, with the user's number.
        WRITE_BY_GROUP if group == owner => return None,
        WRITE_BY_GROUP => "its group may write to it",
        _ => "every user of this machine may write to it",
    };
    let advice = if is_output_dir {
        "chmod go-w takes that away, and chmod +t lets others only add files of their own"
    } else {
        "make the folder yourself, so that it is this user's alone"
    };
    Some((writers.to_owned(), advice))
}

fn sentence(folder: &Path, (why, advice): &(String, &str)) -> String {
    format!(
        "recording.output_dir: others can remove or replace clips in {}: {why}; {advice}. Clips are recorded there all \
         the same",
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_in_which_others_may_replace_clips_is_warned_of() {
        let (us, root, other) = (1000, 0, 1001);
        for (owner, mode, words) in [
            (us, 0o755, None),
            (us, 0o700, None),
            (root, 0o755, None),
            (us, 0o775, Some("its group may")),
            (root, 0o770, Some("its group may")),
            (us, 0o777, Some("every user")),
            (us, 0o757, Some("every user")),
            (root, 0o1777, None),
            (us, 0o1775, None),
            (other, 0o755, Some("uid 1001")),
            // Its owner may remove anything, sticky or not.
            (other, 0o1777, Some("uid 1001")),
        ] {
            for is_output_dir in [true, false] {
                let found = why(Access { owner, group: 100, mode }, us, is_output_dir);
                assert_eq!(found.is_some(), words.is_some(), "{owner} {mode:o}");
                assert!(found.is_none_or(|(why, _)| why.contains(words.unwrap())), "{owner} {mode:o}");
            }
        }
        let own_group = |mode| why(Access { owner: us, group: us, mode }, us, true).is_some();
        assert_eq!((own_group(0o775), own_group(0o777)), (false, true));
    }
}
