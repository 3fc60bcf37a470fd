//! The umask of this process and of its children. It may take rights from others, and none from the owner: a folder that its
//! owner can't open would be of no use, and could not even be cleared away.

use rustix::fs::Mode;
use rustix::process::umask;

/// Called first of all, before there is another thread: the umask can only be read by setting it.
pub(crate) fn spare_the_owner() {
    let asked = umask(Mode::RWXG | Mode::RWXO);
    umask(asked - Mode::RWXU);
}
