//! Tests of the list: how many triggers a manifest lists, and where the others are.

use std::sync::Arc;

use proto::clip::growth::file::GrowthFile;
use proto::clip::growth::{AddedTrigger, Line};
use proto::clip::{Meta, PARTIAL_DIR, TriggerKind, TriggerSource, Window};
use proto::frame::{Fps, Geometry, PixelFormat};
use proto::name::Name;

use super::*;
use crate::fakes::{ms, plan, planned_camera};
use crate::open_window::OpenWindow;

/// A closed clip to which so many triggers came after its first, each with this meta data.
fn closed(more: u64, meta: Option<&Meta>) -> (tempfile::TempDir, ClosedWindow) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(PARTIAL_DIR)).unwrap();
    let geometry = Geometry::new(64, 64, PixelFormat::GRAY8).unwrap();
    let window = Window { start_ns: ms(1000), end_ns: ms(2000) };
    let plan = Arc::new(plan(window, vec![planned_camera(geometry, Fps::new(100.0).unwrap())]));
    let trigger = |n| {
        Line::Trigger(AddedTrigger {
            id: format!("t{n}"),
            start_ns: ms(1000),
            t_ns: ms(1000 + n),
            end_ns: ms(2000 + n),
            label: None,
            meta: meta.cloned(),
            note: None,
            source: TriggerSource::Command,
        })
    };
    let lines: Vec<Line> = (1..=more).map(trigger).collect();
    GrowthFile::of(folder.path(), &plan).append(&lines).unwrap();
    let closed = OpenWindow::read(folder.path(), &plan, None).unwrap().close_for_good().unwrap();
    (folder, closed)
}

fn places() -> ByCamera<Option<TriggerPlaces>> {
    let clock = Some(TriggerPlaces::ByTheClock { begins: ms(1000) });
    [("left", clock), ("right", None)]
        .map(|(name, places)| (Name::new(name).unwrap(), places))
        .into_iter()
        .collect()
}

#[test]
fn a_manifest_lists_each_trigger_with_its_end_and_its_place_in_each_video() {
    let meta: Meta = [(Name::new("animal").unwrap(), "m12".to_owned())].into();
    let (_folder, closed) = closed(2, Some(&meta));
    let list = TriggerList::with(&closed, places());
    assert!(!list.is_cut());
    let [first, second, _] = list.listed() else { panic!("{:?}", list.listed()) };
    assert_eq!(
        (&first.id[..], first.end_ns, first.kind),
        ("clip-0001", Some(ms(2000)), TriggerKind::Trigger)
    );
    assert_eq!((&second.id[..], second.t_ns, second.end_ns), ("t1", ms(1001), Some(ms(2001))));
    assert_eq!((&second.meta, &first.meta), (&Some(meta), &None));
    let offsets: Vec<_> = second.offset_s.values().copied().collect();
    assert_eq!(offsets, [Some(0.001), None]);
}

#[test]
fn more_triggers_than_a_manifest_lists_are_in_a_file_a_line_each() {
    let long: Meta = (0..64).map(|n| (Name::new(&format!("key{n}")).unwrap(), "x".repeat(1024))).collect();
    for (more, meta, listed) in
        [(999, None, 1000), (1000, None, 1000), (2500, None, 1000), (200, Some(&long), 64)]
    {
        let (folder, closed) = closed(more, meta);
        let list = TriggerList::with(&closed, places());
        assert_eq!((list.listed().len(), list.is_cut()), (listed, more + 1 > listed as u64), "{more}");
        let path = folder.path().join("all");
        list.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let all: Vec<ManifestTrigger> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(all.len() as u64, more + 1);
        assert_eq!(&all[..listed], list.listed());
        assert_eq!(all.last().unwrap().id, format!("t{more}"));
    }
}
