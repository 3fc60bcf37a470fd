//! The control socket with requests in pieces, nonsense and silence, in milliseconds.

use std::io::Write;
use std::sync::mpsc::channel;

use proto::control::Response;
use proto::wire;

use super::*;
use crate::events::{Event, LoopRequest};
use crate::settled::Settled;
use crate::statistics::Statistics;
use crate::trigger::tests::{Instance, request};

const PATIENCE: Duration = Duration::from_secs(20);

/// A control socket and a loop that answers each request by a sentence. The loop ends with the last sender.
struct Served {
    socket: std::path::PathBuf,
    instance: Instance,
}

impl Served {
    fn new() -> Self {
        let instance = Instance::new();
        let (events, happening) = channel();
        let statistics =
            Statistics::start(Arc::clone(&instance.config), Arc::clone(&instance.clips)).unwrap();
        let shared = Shared {
            triggers: Arc::clone(&instance.triggers),
            clips: Arc::clone(&instance.clips),
            statistics,
            events,
            answering: Arc::default(),
            settled: Arc::new(Settled::new(&instance.dir)),
        };
        let socket = instance.folder.path().join("control.sock");
        open(&socket, None, shared).unwrap();
        std::thread::spawn(move || {
            for event in happening {
                if let Event::Request { request: LoopRequest::Restart(what), reply } = event {
                    drop(reply.send(Ok(Response::Done(what))));
                }
            }
        });
        Self { socket, instance }
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).unwrap()
    }

    fn ask(&self, request: &Request) -> Response {
        let mut stream = self.connect();
        wire::write(&mut stream, request).unwrap();
        read(&mut stream)
    }
}

fn read(stream: &mut UnixStream) -> Response {
    wire::read(stream, Some(PATIENCE)).unwrap()
}

fn restart() -> Request {
    Request::Restart("left".into())
}

fn done() -> Response {
    Response::Done("left".into())
}

#[test]
fn a_request_cut_off_after_any_byte_does_nothing_and_the_whole_one_is_answered() {
    let served = Served::new();
    let whole = wire::encode(&Request::Trigger(request())).unwrap();
    for n in 0..whole.len() {
        served.connect().write_all(&whole[..n]).unwrap();
    }
    assert_eq!(served.ask(&restart()), done());
    assert_eq!(served.instance.clips.open_count(), 0);
    assert!(matches!(served.ask(&Request::Trigger(request())), Response::Accepted(_)));
    assert_eq!(served.instance.clips.open_count(), 1);
}

#[test]
fn a_request_in_two_pieces_keeps_no_other_command_waiting() {
    let served = Served::new();
    let whole = wire::encode(&restart()).unwrap();
    let mut slow = served.connect();
    slow.write_all(&whole[..3]).unwrap();
    assert_eq!(served.ask(&restart()), done());
    slow.write_all(&whole[3..]).unwrap();
    assert_eq!(read(&mut slow), done());
}

#[test]
fn nonsense_is_refused_with_a_reason() {
    let served = Served::new();
    for bytes in [&u32::MAX.to_le_bytes()[..], &[1, 0, 0, 0, 99]] {
        let mut stream = served.connect();
        stream.write_all(bytes).unwrap();
        let answer = read(&mut stream);
        assert!(matches!(&answer, Response::Refused(Refusal::NotUnderstood { .. })), "{answer:?}");
    }
}

#[test]
fn the_oldest_silent_connection_makes_room_for_one_more() {
    let served = Served::new();
    let mut silent: Vec<UnixStream> = (0..MAX_CONNECTIONS).map(|_| served.connect()).collect();
    std::thread::sleep(GRACE);
    assert_eq!(served.ask(&restart()), done());
    assert_eq!(read(&mut silent[0]), Response::Refused(Refusal::TooManyConnections));
}

#[test]
fn children_outlive_a_supervisor_before_anybody_hears_that_a_trigger_was_accepted() {
    let served = Served::new();
    let mark = served.instance.dir.settled_mark();
    assert_eq!(served.ask(&restart()), done());
    assert!(!mark.exists(), "it is starting");
    assert!(matches!(served.ask(&Request::Trigger(request())), Response::Accepted(_)));
    assert!(mark.exists());
}

#[test]
fn a_trigger_while_everything_ends_is_refused_for_what_it_is() {
    let served = Served::new();
    served.instance.clips.close(Duration::ZERO);
    let refused = served.ask(&Request::Trigger(request()));
    assert_eq!(refused, Response::Refused(Refusal::EndingTrigger));
}
