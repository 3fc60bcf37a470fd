//! Starts an instance of Preroll and looks at it from outside: the one harness of everything that shows, tries, kills or
//! measures a running Preroll. It judges no clip (the oracle does) and measures no figure (the benchmarks do).
//!
//! | module | subject |
//! |---|---|
//! | [`supervisor`] | a supervisor of our own: started, waited for, stopped |
//! | [`log`] | its log, with the time of each line |
//! | [`instance`] | an instance by its runtime directory: its commands, its children, its rings |
//! | [`leftovers`] | the processes and the shared memory of an instance |
//! | [`process`] | one process, as the kernel describes it |
//! | [`program`] | where the executables lie |
//! | [`ordinary_user`] | this program run again as an ordinary user |
//! | [`wait`] | looking again until something is so |
//! | [`dice`] | numbers that look random and can be had again |
//! | [`spread`] | median, 99th percentile and worst of many numbers |

pub mod dice;
pub mod instance;
pub mod leftovers;
pub mod log;
pub mod ordinary_user;
pub mod process;
pub mod program;
pub mod spread;
pub mod supervisor;
pub mod wait;
