//! A rig of one's own: starts an instance of Preroll and looks at it from outside, for everything that shows, tries,
//! kills or measures one. Holds no judgement of clips: that is the oracle's.
//!
//! | module | subject |
//! |---|---|
//! | [`supervisor`] | starting an instance, asking it, stopping it |
//! | [`dice`] | numbers that look random, and can be had again |
//! | [`spread`] | many numbers in a few |

pub mod dice;
pub mod spread;
pub mod supervisor;
