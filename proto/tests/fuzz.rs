//! The entries of the fuzzers in `fuzz/`, for a few seconds and without a fuzzer: their seeds, and the seeds changed at random.
//!
//! ```text
//! cargo test -p proto --test fuzz
//! cargo test -p proto --test fuzz -- --ignored     # writes fuzz/seeds anew
//! ```
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod entry;

use std::path::{Path, PathBuf};

use entry::Damaged;
use proptest::prelude::*;
use proptest::sample::Index;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds")
}

fn seeds(of: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder().join(of)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Changes bytes as a fuzzer does.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    /// From there on, another seed.
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    // Values that mean something: ends of ranges, and what marks a longer number.
    let byte = prop_oneof![any::<u8>(), prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xff, 251, 252, 253])];
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<Index>(), byte).prop_map(|(at, value)| Change::Set(at, value)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..12))
            .prop_map(|(at, new)| Change::Insert(at, new)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

fn changed(seeds: &[Vec<u8>], seed: &Index, changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.get(seeds).clone();
    for change in changes {
        let end = bytes.len() + 1;
        match change {
            _ if bytes.is_empty() => bytes.push(0),
            Change::Flip(at, bit) => *at.get_mut(&mut bytes) ^= 1 << bit,
            Change::Set(at, value) => *at.get_mut(&mut bytes) = *value,
            Change::Insert(at, new) => drop(bytes.splice(at.index(end)..at.index(end), new.iter().copied())),
            Change::Remove(at, length) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Change::Repeat(at, length) => {
                let at = at.index(bytes.len());
                let piece = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            Change::Splice(at, other) => {
                let at = at.index(bytes.len());
                bytes.truncate(at);
                bytes.extend(other.get(seeds).iter().skip(at));
            }
        }
    }
    bytes
}

/// Runs what a fuzzer would for a while.
fn run(of: &str, cases: u32, entry: impl Fn(&[u8])) {
    let seeds = seeds(of);
    assert!(seeds.len() > 3, "the seeds of {of} are gone");
    seeds.iter().for_each(|seed| entry(seed));
    let bytes = (any::<Index>(), prop::collection::vec(change(), 1..8))
        .prop_map(|(seed, changes)| changed(&seeds, &seed, &changes));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = proptest::test_runner::TestRunner::new(config).run(&bytes, |bytes| {
        entry(&bytes);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn f40_no_bytes_at_the_control_socket_do_harm() {
    run("control", 150_000, entry::control);
}

#[test]
fn f42_no_text_of_a_config_does_harm() {
    run("config", 30_000, entry::config);
}

#[test]
fn f25_no_bytes_in_a_ring_do_harm() {
    for ring in [Damaged::new(), Damaged::compressed()] {
        run("ring", 10_000, |bytes| ring.ring(bytes));
    }
}

#[test]
fn the_seeds_are_what_this_version_says() {
    for (name, bytes) in entry::seeds::all() {
        let kept = std::fs::read(folder().join(&name)).unwrap_or_default();
        assert_eq!(kept, bytes, "{}: write them anew with -- --ignored", name.display());
    }
}

#[test]
#[ignore = "writes fuzz/seeds"]
fn write_the_seeds() {
    for (name, bytes) in entry::seeds::all() {
        let path = folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
