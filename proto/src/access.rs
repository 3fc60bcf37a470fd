//! The groups of `access`: which group a config means, whether this process may give files to it, and whether its members
//! reach a folder. What is given to them is said where it is made: clips in [`crate::opened`], the control socket in
//! [`crate::instance`].

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The list of this machine's own groups. Asking a directory service could take for ever.
const GROUPS: &str = "/etc/group";
/// The number by which chown(2) means "as before".
const NO_GID: u32 = u32::MAX;
/// Permission to pass through a folder, for its group and for everybody.
const PASSES: [u32; 2] = [0o010, 0o001];

/// The reason why nothing can be given to a group.
#[derive(Debug, thiserror::Error)]
pub enum NoGroup {
    /// This machine has no group of that name.
    #[error(
        "there is no group {0} in {GROUPS}; name one that is there, or make it with: groupadd {0}. A group of a \
         directory service is named by its number (getent group {0})"
    )]
    Unknown(String),
    /// Only root may give files to a group that it isn't in.
    #[error(
        "this user (uid {uid}) is not in the group {group}, so it can give nothing to it; add it with: usermod -aG {group} \
         USER, and log in again (a service: SupplementaryGroups={group})"
    )]
    NotAMember {
        /// The group as the config names it.
        group: String,
        /// This user.
        uid: u32,
    },
    /// The list of groups can't be read.
    #[error("{GROUPS} can't be read: {0}; name the group by its number")]
    Unreadable(io::Error),
}

/// The number of a group that is named by its name or its number, and to which this process may give files.
///
/// # Errors
/// [`NoGroup`].
pub fn find(group: &str) -> Result<u32, NoGroup> {
    let gid = match group.parse() {
        Ok(NO_GID) => return Err(NoGroup::Unknown(group.to_owned())),
        Ok(gid) => gid,
        Err(_) => {
            let list = std::fs::read(GROUPS).map_err(NoGroup::Unreadable)?;
            gid_of(group, &String::from_utf8_lossy(&list))
                .ok_or_else(|| NoGroup::Unknown(group.to_owned()))?
        }
    };
    let uid = rustix::process::geteuid();
    if uid.is_root() || is_member(gid) {
        return Ok(gid);
    }
    Err(NoGroup::NotAMember { group: group.to_owned(), uid: uid.as_raw() })
}

/// Is this process in the group? The kernel's word counts: a user who was added to a group is in it from the next login on.
#[must_use]
pub fn is_member(gid: u32) -> bool {
    let also = rustix::process::getgroups().unwrap_or_default();
    rustix::process::getegid().as_raw() == gid || also.iter().any(|also| also.as_raw() == gid)
}

/// The first folder on the way to `path` through which the members of a group can't pass, as far as modes tell.
#[must_use]
pub fn closed_on_the_way(path: &Path, gid: u32) -> Option<PathBuf> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let is_closed = |folder: &&Path| {
        let Ok(there) = folder.metadata() else { return false };
        let [by_group, by_all] = PASSES;
        there.mode() & if there.gid() == gid { by_group } else { by_all } == 0
    };
    above.into_iter().find(is_closed).map(Path::to_owned)
}

/// The number of a group in the text of group(5): `name:password:number:members`.
fn gid_of(name: &str, list: &str) -> Option<u32> {
    let line = list.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_group_is_found_by_its_name_and_by_its_number() {
        let list = "root:x:0:\nvideo:x:44:ann,bob\nvideo2:x:45:\nbroken:x\n";
        for (name, gid) in
            [("root", Some(0)), ("video", Some(44)), ("video2", Some(45)), ("vid", None), ("broken", None)]
        {
            assert_eq!(gid_of(name, list), gid, "{name}");
        }
        let own = rustix::process::getegid().as_raw();
        assert_eq!(find(&own.to_string()).unwrap(), own);
        assert!(is_member(own));
    }

    #[test]
    fn a_group_that_is_not_there_is_named() {
        for group in ["no such group", "4294967295"] {
            let said = find(group).unwrap_err().to_string();
            assert!(said.contains(&format!("no group {group}")), "{said}");
        }
    }

    #[test]
    fn a_folder_that_keeps_the_group_out_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (outer, own) = (folder.path().join("outer"), folder.path().metadata().unwrap().gid());
        std::fs::create_dir_all(outer.join("inner")).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let found = |gid| closed_on_the_way(&outer.join("inner/clips"), gid).map(|at| at.ends_with("outer"));
        set(folder.path(), 0o711);
        for (mode, of_group, of_others) in [
            (0o755, None, None),
            (0o710, None, Some(true)),
            (0o701, Some(true), None),
            (0o700, Some(true), Some(true)),
        ] {
            set(&outer, mode);
            assert_eq!((found(own), found(own + 1)), (of_group, of_others), "{mode:o}");
        }
    }
}
