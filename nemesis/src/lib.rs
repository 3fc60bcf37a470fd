//! The nemesis strikes a running Preroll at random, for as long as one likes, and counts the cost.
//!
//! The promise is judged by the oracle and by the cameras' own truth logs. Times are taken from the moments at which blows
//! were dealt and things were seen from outside. Of Preroll's own words only its log is used, for the moment at which it
//! noticed a blow.
//!
//! | module | subject |
//! |---|---|
//! | [`strike`] | kinds of blows, their victims, and their order by chance |
//! | [`deal`] | dealing a blow to a running instance, and seeing it come back |
//! | [`failing`] | sends and receives that fail |
//! | [`neighbour`] | another instance beside it |
//! | [`triggers`] | asking for clips all the while |
//! | [`clips`] | every clip's verdict, and its missing frames |
//! | [`blame`] | laying missing frames to blows |
//! | [`meter`] | memory, descriptors and threads over time |
//! | [`slope`] | a straight line through points |
//! | [`run`] | a whole run, from the start of a Preroll to its end |
//! | [`report`] | every blow, everything expected, everything found |
//! | `table` | the same, as a person reads it |

pub mod blame;
pub mod clips;
pub mod deal;
pub mod failing;
pub mod meter;
pub mod neighbour;
pub mod report;
pub mod run;
pub mod slope;
pub mod strike;
mod table;
pub mod triggers;
