//! The entry of the fuzzer of streams, for seconds and without a fuzzer: whole streams, cut and changed at random.
//!
//! ```text
//! cargo test -p capture --test streams
//! cargo test -p capture --test streams -- --ignored     # writes fuzz/seeds/stream anew
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod entry;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proto::config::PipeFormat;

fn seeds_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/stream")
}

fn seeds() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(seeds_folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn seeds_do_no_harm() {
    let seeds = seeds();
    assert!(seeds.len() >= PipeFormat::ALL.len());
    seeds.iter().for_each(|seed| entry::stream(seed));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn streams_that_are_cut_and_changed_do_no_harm(
        seed: Index,
        other: Index,
        places in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..12),
        cut: Index,
        at: Index,
        form: u8,
        piece: u8,
    ) {
        let seeds = seeds();
        let (mut bytes, other) = (seed.get(&seeds).clone(), other.get(&seeds));
        for (place, byte) in places {
            *place.get_mut(&mut bytes) = byte;
        }
        // From the middle of another one on.
        bytes.splice(cut.index(bytes.len()).., other[at.index(other.len())..].iter().copied());
        if form % 3 == 0 {
            bytes.splice(..bytes.len().min(2), [form, piece]);
        }
        entry::stream(&bytes);
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        entry::stream(&bytes);
    }
}

#[test]
#[ignore = "writes the seeds"]
fn write_the_seeds() {
    let streams = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/h26x/streams");
    let number = |format: PipeFormat| PipeFormat::ALL.iter().position(|known| *known == format).unwrap();
    let write = |name: &str, format: PipeFormat, bytes: &[u8]| {
        let form = u8::try_from(number(format)).unwrap();
        std::fs::write(seeds_folder().join(name), [&[form, 5], bytes].concat()).unwrap();
    };
    std::fs::create_dir_all(seeds_folder()).unwrap();
    for entry in std::fs::read_dir(streams).unwrap() {
        let path = entry.unwrap().path();
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("h264") => PipeFormat::H264,
            Some("h265") => PipeFormat::H265,
            _ => continue,
        };
        // The beginning says as much as the whole.
        let bytes = std::fs::read(&path).unwrap();
        write(path.file_name().unwrap().to_str().unwrap(), format, &bytes[..bytes.len().min(3500)]);
    }
    let y4m = [
        b"YUV4MPEG2 W16 H8 F25:1 Ip A1:1 C420jpeg\n".to_vec(),
        [b"FRAME\n".to_vec(), vec![9; 192]].concat().repeat(2),
    ];
    write("y4m", PipeFormat::Y4m, &y4m.concat());
    write("raw", PipeFormat::Raw, &[7; 400]);
    let jpeg = [
        &[0xff, 0xd8, 0xff, 0xdb, 0, 67, 0][..],
        &[1; 64],
        &[0xff, 0xc0, 0, 11, 8, 0, 8, 0, 16, 1, 1, 0x11, 0],
        &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 5, 0xff, 0, 5, 0xff, 0xd0, 5, 0xff, 0xd9],
    ];
    let boundary = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n";
    write("mjpeg", PipeFormat::Mjpeg, &[boundary, &jpeg.concat()[..], b"\r\n"].concat().repeat(2));
}
