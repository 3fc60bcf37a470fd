//! Tests of a window's closing: who comes first, what stands in the way of its lines, and what a finisher does.

use proto::clip::growth::AddedTrigger;
use proto::clip::{PARTIAL_DIR, TriggerSource};
use proto::frame::{Fps, Geometry, PixelFormat};

use super::*;
use crate::fakes::{ms, plan, planned_camera};

fn clip() -> (tempfile::TempDir, Arc<Plan>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(PARTIAL_DIR)).unwrap();
    let camera = planned_camera(Geometry::new(64, 64, PixelFormat::GRAY8).unwrap(), Fps::new(100.0).unwrap());
    let window = Window { start_ns: ms(1000), end_ns: ms(2000) };
    (folder, Arc::new(plan(window, vec![camera])))
}

fn trigger(end_ms: u64) -> Line {
    Line::Trigger(AddedTrigger {
        id: format!("t{end_ms}"),
        start_ns: ms(1400),
        t_ns: ms(1500),
        end_ns: ms(end_ms),
        label: None,
        meta: None,
        note: None,
        source: TriggerSource::Command,
    })
}

#[test]
fn a_window_is_closed_once_and_two_recorders_agree_on_it() {
    let (folder, plan) = clip();
    let [one, other] = [1, 2].map(|_| OpenWindow::read(folder.path(), &plan, None).unwrap());
    GrowthFile::of(folder.path(), &plan).append(&[trigger(2500)]).unwrap();
    assert_eq!(one.close(ms(2000)).unwrap(), Closing::Moved, "a trigger came first");
    assert_eq!((one.now().end_ns, other.now().end_ns), (ms(2500), ms(2000)));
    assert_eq!(one.close(ms(2500)).unwrap(), Closing::Closed);
    assert_eq!(other.close(ms(2000)).unwrap(), Closing::Moved);
    assert_eq!(other.close(ms(2500)).unwrap(), Closing::Closed);
    let text = std::fs::read_to_string(file::path(folder.path())).unwrap();
    assert_eq!(text.matches("closed").count(), 1, "{text}");
    GrowthFile::of(folder.path(), &plan).append(&[trigger(9000)]).unwrap();
    assert_eq!(other.close_for_good().unwrap().recorded.end_ns, ms(2500));
}

#[test]
fn a_finisher_closes_what_no_take_has_closed_with_all_that_came() {
    let (folder, plan) = clip();
    let window = OpenWindow::read(folder.path(), &plan, None).unwrap();
    GrowthFile::of(folder.path(), &plan).append(&[trigger(2500), trigger(3000)]).unwrap();
    let closed = window.close_for_good().unwrap();
    assert_eq!(closed.recorded, Window { start_ns: ms(1000), end_ns: ms(3000) });
    assert_eq!((closed.moments().to_vec(), closed.ended_early()), (vec![ms(1000), ms(1500)], false));
}

#[test]
fn what_was_stopped_ends_there_whatever_its_triggers_ask_for() {
    let (folder, plan) = clip();
    let window = OpenWindow::read(folder.path(), &plan, Some(ms(1400))).unwrap();
    assert!(window.is_cut_short() && !window.waits_for_an_end());
    GrowthFile::of(folder.path(), &plan).append(&[trigger(2500)]).unwrap();
    let closed = window.close_for_good().unwrap();
    assert_eq!((closed.recorded.end_ns, closed.growth.end_ns()), (ms(1400), ms(2500)));
    assert!(closed.ended_early());
    // A later stop changes nothing of it.
    assert!(!window.lasts_beyond(ms(1500)) && window.lasts_beyond(ms(1400)));
}

#[test]
fn what_a_stranger_puts_in_the_place_of_the_lines_holds_up_no_clip() {
    let plant: [fn(&Path); 3] = [
        |path| std::fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("/dev/null", path).unwrap(),
        |path| std::os::unix::fs::symlink("/nowhere", path).unwrap(),
    ];
    for plant in plant {
        for is_there_first in [true, false] {
            let (folder, plan) = clip();
            let path = file::path(folder.path());
            let planted = |is_now: bool| is_now.then(|| plant(&path));
            planted(is_there_first);
            let window = OpenWindow::read(folder.path(), &plan, None).unwrap();
            planted(!is_there_first);
            let closed = window.close_for_good().unwrap();
            assert_eq!(closed.recorded, plan.window);
            assert!(path.symlink_metadata().unwrap().is_file());
        }
    }
}

#[test]
fn a_window_that_cannot_be_closed_now_stays_open() {
    let (folder, plan) = clip();
    let window = OpenWindow::read(folder.path(), &plan, None).unwrap();
    let partial = folder.path().join(PARTIAL_DIR);
    std::fs::rename(&partial, folder.path().join("away")).unwrap();
    assert!(window.close(ms(2000)).is_err());
    std::fs::rename(folder.path().join("away"), &partial).unwrap();
    assert_eq!(window.close(ms(2000)).unwrap(), Closing::Closed);
}
