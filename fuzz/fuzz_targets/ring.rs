//! See `proto/tests/entry`.
#![no_main]

#[path = "../../proto/tests/entry/mod.rs"]
mod entry;

thread_local! {
    static RING: entry::Damaged = entry::Damaged::new();
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RING.with(|ring| ring.ring(bytes)));
