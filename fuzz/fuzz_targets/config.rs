//! See `proto/tests/entry`.
#![no_main]

#[path = "../../proto/tests/entry/mod.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::config(bytes));
