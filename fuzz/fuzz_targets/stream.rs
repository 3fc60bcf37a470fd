//! See `capture/tests/entry`.
#![no_main]

#[path = "../../capture/tests/entry/mod.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::stream(bytes));
