//! Archives, read by other programs.

use std::fs::File;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use super::*;

const TIME: u64 = 1_795_342_501;

/// Asks another program; none if it isn't here.
fn ask(program: &str, args: &[&str]) -> Option<(bool, String)> {
    match Command::new(program).args(args).output() {
        Ok(said) => Some((said.status.success(), String::from_utf8_lossy(&said.stdout).into_owned())),
        Err(_) => {
            println!("not asked: there is no {program}");
            None
        }
    }
}

fn in_python(archive: &Path, program: &str) -> Option<String> {
    let program = format!("import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\n{program}");
    let (good, said) = ask("python3", &["-c", &program, archive.to_str().unwrap()])?;
    assert!(good, "{said}");
    Some(said.trim().to_owned())
}

#[test]
fn other_programs_read_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.zip");
    let mut zip = Zip::new(File::create(&path).unwrap());
    let long: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    for (name, bytes) in [("manifest.json", &b"{}\n"[..]), ("leer", b""), ("k\u{e4}mera.mp4", &long)] {
        zip.add(name, bytes.len() as u64, TIME, bytes).unwrap();
    }
    zip.end().unwrap();
    if let Some((good, said)) = ask("unzip", &["-t", path.to_str().unwrap()]) {
        assert!(good && said.contains("No errors detected"), "{said}");
    }
    let list = "print(z.testzip(), [(i.filename, i.file_size, i.date_time[:6], i.compress_type) for i in z.infolist()])";
    if let Some(said) = in_python(&path, list) {
        let date = "(2026, 11, 22, 10, 15, 0)";
        let entry = |name: &str, bytes: usize| format!("('{name}', {bytes}, {date}, 0)");
        let entries = [entry("manifest.json", 3), entry("leer", 0), entry("k\u{e4}mera.mp4", long.len())];
        assert_eq!(said, format!("None [{}]", entries.join(", ")));
    }
    if let Some(said) = in_python(&path, "print(sum(z.read('k\u{e4}mera.mp4')))") {
        assert_eq!(said, long.iter().map(|byte| u64::from(*byte)).sum::<u64>().to_string());
    }
}

/// An archive with a file of 5 GiB in front of a small one. The large one is a hole in the file: only its place counts here.
fn large_archive(path: &Path) {
    let large = Entry { name: "large".into(), bytes: 5 << 30, sum: 0, offset: 0, modified: TIME };
    let mut zip = Zip::new(File::create(path).unwrap());
    zip.put(&large.header()).unwrap();
    zip.at += large.bytes;
    zip.to.seek(SeekFrom::Start(zip.at)).unwrap();
    zip.entries.push(large);
    zip.add("small", 5, TIME, &b"small"[..]).unwrap();
    zip.end().unwrap();
}

#[test]
fn more_than_4_gib_are_read_by_other_programs_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.zip");
    large_archive(&path);
    let list = "print([(i.filename, i.file_size, i.header_offset) for i in z.infolist()], z.read('small'))";
    if let Some(said) = in_python(&path, list) {
        let header = 30 + 5 + 20 + 9;
        assert_eq!(
            said,
            format!("[('large', {}, 0), ('small', 5, {})] b'small'", 5_u64 << 30, header + (5_u64 << 30))
        );
    }
    if let Some((good, said)) = ask("unzip", &["-p", path.to_str().unwrap(), "small"]) {
        assert!(good && said == "small", "{said}");
    }
}

#[test]
fn as_many_files_as_there_are_have_room() {
    let mut zip = Zip::new(Cursor::new(Vec::new()));
    for number in 0..70_000 {
        zip.add(&number.to_string(), 0, 0, io::empty()).unwrap();
    }
    let bytes = zip.end().unwrap().into_inner();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.zip");
    std::fs::write(&path, bytes).unwrap();
    if let Some(said) = in_python(&path, "print(len(z.namelist()), z.namelist()[-1])") {
        assert_eq!(said, "70000 69999");
    }
}

#[test]
fn a_file_that_grows_or_shrinks_meanwhile_is_no_part_of_an_archive() {
    for bytes in [4, 6] {
        let mut zip = Zip::new(Cursor::new(Vec::new()));
        let error = zip.add("left.mp4", bytes, TIME, &b"small"[..]).unwrap_err();
        assert!(error.to_string().contains("left.mp4 was changed"), "{error}");
    }
    assert_eq!((dos(0), dos(u64::MAX)), ((33, 0), (33, 0)), "DOS knows no such year");
}
