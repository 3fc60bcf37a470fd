//! Two ends of links in one process: counts, holes, closed ends and strangers.

use super::*;
use crate::clip::CaptureTime;
use crate::frame::{Payload, PixelFormat};
use crate::instance::RuntimeDir;
use crate::messages::{CameraState, CaptureReport};
use crate::offer::Offer;

type Strings = Visitor<String, String>;

fn child(rendezvous: &Path) -> Link<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(folder.path()).unwrap();
    start(rendezvous, Parent::new(None, &dir)).unwrap()
}

fn connection(visitor: Strings) -> Connection<String, String> {
    match visitor {
        Visitor::Child(connection) => connection,
        stranger @ Visitor::Stranger { .. } => panic!("{stranger:?}"),
    }
}

fn rendezvous() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rendezvous");
    (folder, path)
}

#[test]
fn each_report_says_how_many_orders_were_heard_and_how_many_reports_there_were() {
    let (_folder, path) = rendezvous();
    let link = child(&path);
    let supervisor = connection(meet(&path).unwrap());
    assert_eq!(supervisor.pid, Pid::this());
    link.reports.send("first".into());
    let first = supervisor.reports.next().unwrap();
    assert_eq!((first.orders_heard, first.report.as_str()), (0, "first"));
    for order in ["a", "b"] {
        supervisor.orders.send(&order.to_owned()).unwrap();
        assert_eq!(link.orders.recv().unwrap(), order);
    }
    // The count follows the order's delivery.
    let heard = (1..).find_map(|more| {
        link.reports.send(format!("report {more}"));
        let next = supervisor.reports.next().unwrap();
        assert_eq!(next.number, first.number + more);
        (next.orders_heard == 2).then_some(())
    });
    assert!(heard.is_some());
}

#[test]
fn what_a_camera_offers_comes_through_a_link() {
    let (_folder, path) = rendezvous();
    let folder = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::create(folder.path()).unwrap();
    let link: Link<String, CaptureReport> = start(&path, Parent::new(None, &dir)).unwrap();
    let Visitor::Child(supervisor) = meet::<String, CaptureReport>(&path).unwrap() else { panic!() };
    for reorders in [false, true] {
        let offer = Offer {
            payload: Payload::H264,
            pixel_format: PixelFormat::I420,
            width: 1280,
            height: 720,
            fps: 30.0,
            variable_rate: false,
            capture_time: CaptureTime::Rtp,
            reorders,
        };
        let camera = CameraState::Opening;
        link.reports.send(CaptureReport::Beat { progress: 1, camera, offer: Some(offer), transport: None });
        let CaptureReport::Beat { offer: told, .. } = supervisor.reports.next().unwrap().report;
        assert_eq!(told, Some(offer));
    }
}

#[test]
fn a_report_that_finds_the_queue_full_leaves_a_hole_in_the_numbers() {
    let (queue, queued) = sync_channel(1);
    let reports = Reports { queue, next: Arc::default() };
    ["kept", "dropped", "dropped too"].into_iter().for_each(|report| reports.send(report.to_owned()));
    let (sender, receiver) = ipc::channel::<Numbered<String>>().unwrap();
    let upward = Arc::new(Mutex::new(Some(Way { sender, orders_heard: Arc::default() })));
    let numbers = Arc::clone(&reports.next);
    let forwards = std::thread::spawn(move || forward(&queued, &numbers, &upward));
    let kept = receiver.recv().unwrap();
    assert_eq!(
        (kept.number, kept.report.as_str()),
        (2, "kept"),
        "two of three were dropped before it was sent"
    );
    drop(reports);
    forwards.join().unwrap();
}

#[test]
fn a_child_whose_orders_are_closed_comes_again_and_counts_afresh() {
    let (_folder, path) = rendezvous();
    let link = child(&path);
    let first = connection(meet(&path).unwrap());
    first.orders.send(&"a".to_owned()).unwrap();
    assert_eq!(link.orders.recv().unwrap(), "a");
    drop(first.orders);
    let second = connection(meet(&path).unwrap());
    assert_eq!(first.reports.next().unwrap_err(), LinkError::Closed);
    second.orders.send(&"b".to_owned()).unwrap();
    assert_eq!(link.orders.recv().unwrap(), "b");
    link.reports.send("after".into());
    assert!(second.reports.next().unwrap().orders_heard <= 1);
}

#[test]
fn a_child_whose_reports_nobody_takes_closes_its_way() {
    let (queue, queued) = sync_channel(4);
    let reports = Reports { queue, next: Arc::default() };
    let (sender, receiver) = ipc::channel::<Numbered<String>>().unwrap();
    drop(receiver);
    let upward = Arc::new(Mutex::new(Some(Way { sender, orders_heard: Arc::default() })));
    reports.send("nobody hears it".to_owned());
    drop(reports.queue);
    forward(&queued, &reports.next, &upward);
    assert!(upward.lock().unwrap().is_none());
}

#[test]
fn a_greeting_of_another_version_is_told_from_a_child_and_names_its_version() {
    let (_folder, path) = rendezvous();
    let at = path.clone();
    let meets = std::thread::spawn(move || meet::<String, String>(&at).unwrap());
    let name = await_name(&path);
    let mut text = serde_json::to_value(Version::own()).unwrap();
    text["language"][0] = serde_json::json!(text["language"][0].as_u64().unwrap() ^ 1);
    text["program"] = "9.9.9".into();
    let version: Version = serde_json::from_value(text).unwrap();
    let ((orders, _heard), (_reports, reports)) =
        (ipc::channel::<String>().unwrap(), ipc::channel::<Numbered<String>>().unwrap());
    let to = IpcSender::<Greeting<String, String>>::connect(name).unwrap();
    to.send(Greeting { version, pid: Pid::this(), orders, reports }).unwrap();
    match meets.join().unwrap() {
        Visitor::Stranger { said: Some((pid, version)) } => {
            assert_eq!(pid, Pid::this());
            assert!(version.to_string().starts_with("9.9.9 (messages "), "{version}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_greeting_that_can_not_be_read_is_a_strangers() {
    let (_folder, path) = rendezvous();
    let at = path.clone();
    let meets = std::thread::spawn(move || meet::<String, String>(&at).unwrap());
    let to = IpcSender::<String>::connect(await_name(&path)).unwrap();
    to.send("hello".to_owned()).unwrap();
    assert!(matches!(meets.join().unwrap(), Visitor::Stranger { said: None }));
}

/// Waits for the name at a rendezvous.
fn await_name(path: &Path) -> String {
    loop {
        match std::fs::read_to_string(path) {
            Ok(name) if !name.is_empty() => return name,
            _ => std::thread::yield_now(),
        }
    }
}
