//! Kills whatever there is, for as long as one likes, and finds out what it cost.
//!
//! The promise is judged by the oracle and by the cameras' own truth logs, the times by the moments at which things
//! were done and seen from outside; of what Preroll says of itself only its log is used, for when it noticed.
//!
//! | module | subject |
//! |---|---|
//! | [`strike`] | what can be done to whom, and the order in which chance has it |
//! | [`hand`] | doing it to a real Preroll, and seeing it come back |
//! | [`triggers`] | asking for clips all the while |
//! | [`clips`] | every clip's verdict, and what is missing in it |
//! | [`blame`] | whose doing a missing frame was |
//! | [`meter`] | memory, descriptors and threads over time |
//! | [`slope`] | a straight line through points |
//! | [`run`] | a whole run, from the start of a Preroll to its end |
//! | [`report`] | what was done, what was expected, what was found |

pub mod blame;
pub mod clips;
pub mod hand;
pub mod meter;
pub mod report;
pub mod run;
pub mod slope;
pub mod strike;
pub mod triggers;
