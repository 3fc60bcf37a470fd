//! The clips on the disk as things that are managed, whether an instance runs or not: which there are, what is known of each, how
//! a person names one, what was said of it since, and how one is removed whole.
//!
//! The commands for people are in [`crate::clips_command`]; which clips go by themselves is in [`crate::retention`]; the clips of
//! the instance that runs, from trigger to manifest, are in [`crate::clips`].
//!
//! | module | subject |
//! |---|---|
//! | [`row`] | what is known of one clip, read from its folder |
//! | [`listing`] | every clip in an output folder |
//! | [`index`] | the rows of earlier looks, which can be thrown away |
//! | [`naming`] | the clip that a person means by a text |
//! | [`hold`] | the lock on a finished clip, for whoever reads it and whoever removes it |
//! | [`notes`] | notes, and whether a clip is kept |
//! | [`removal`] | removing a clip whole, and clearing away what was left of one |

pub(crate) mod hold;
pub(crate) mod index;
pub(crate) mod listing;
pub(crate) mod naming;
pub(crate) mod notes;
pub(crate) mod removal;
pub(crate) mod row;
