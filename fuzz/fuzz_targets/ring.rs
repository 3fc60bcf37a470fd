//! See `proto/tests/entry`.
#![no_main]

#[path = "../../proto/tests/entry/mod.rs"]
mod entry;

thread_local! {
    /// One of planes, and one of compressed frames.
    static RINGS: [entry::Damaged; 2] = [entry::Damaged::new(), entry::Damaged::compressed()];
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RINGS.with(|rings| rings.iter().for_each(|ring| ring.ring(bytes))));
