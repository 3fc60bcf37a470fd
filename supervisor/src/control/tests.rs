//! The control socket with requests in pieces, nonsense and silence, several at once, and clients that don't read, in
//! milliseconds.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{Sender, channel};

use proto::clip::Verdict;
use proto::control::{Asked, Request, Response, Told, WHOLE_CONNECTION};
use proto::event::{Event, LoggedEvent, TriggerOp};
use proto::wire::{self, FRAME_DEADLINE, hello};

use super::waiting::Waiting;
use super::*;
use crate::loop_events::{Answer, LoopEvent, LoopRequest};
use crate::settled::Settled;
use crate::statistics::Statistics;
use crate::trigger::Triggers;
use crate::trigger::tests::{Instance, request};

const PATIENCE: Duration = Duration::from_secs(20);

/// A control socket and a loop that answers each restart by its name, but for those that a test lets wait. The loop ends with
/// the last sender.
struct Served {
    socket: std::path::PathBuf,
    instance: Instance,
    under_way: Arc<UnderWay>,
}

/// A restart of this name is answered when the test says so.
const SLOW: &str = "slow";

impl Served {
    fn new() -> Self {
        Self::answering_slowly().0
    }

    fn answering_slowly() -> (Self, std::sync::mpsc::Receiver<Sender<Answer>>) {
        let instance = Instance::new();
        let (events, happening) = channel();
        let statistics =
            Statistics::start(Arc::clone(&instance.config), Arc::clone(&instance.clips)).unwrap();
        let under_way = Arc::<UnderWay>::default();
        let settled = Arc::new(Settled::new(&instance.dir));
        let shared = Shared {
            triggers: Arc::new(
                Triggers::start(instance.planning(), Vec::new(), events.clone(), settled).unwrap(),
            ),
            clips: Arc::clone(&instance.clips),
            statistics,
            events,
            under_way: Arc::clone(&under_way),
            waiting: Waiting::start(&instance.clips).unwrap(),
        };
        let socket = instance.folder.path().join("control.sock");
        open(&socket, None, shared).unwrap();
        let (hold, held) = channel();
        std::thread::spawn(move || {
            for event in happening {
                match event {
                    LoopEvent::Request { request: LoopRequest::Restart(what), reply } if what == SLOW => {
                        drop(hold.send(reply));
                    }
                    LoopEvent::Request { request: LoopRequest::Restart(what), reply } => {
                        drop(reply.send(Ok(Response::Done(what))));
                    }
                    _ => {}
                }
            }
        });
        (Self { socket, instance, under_way }, held)
    }

    /// A connection that has said nothing.
    fn silent(&self) -> UnixStream {
        UnixStream::connect(&self.socket).unwrap()
    }

    fn connect(&self) -> UnixStream {
        let mut stream = self.silent();
        hello::exchange(&mut stream, PATIENCE).unwrap();
        stream
    }

    fn ask(&self, request: &Request) -> Response {
        let mut stream = self.connect();
        send(&mut stream, 1, request);
        let Told { id, response } = read(&mut stream);
        assert_eq!(id, 1);
        response
    }
}

fn frame(id: u64, request: &Request) -> Vec<u8> {
    wire::encode(&Asked { id, request: request.clone() }).unwrap()
}

fn send(stream: &mut UnixStream, id: u64, request: &Request) {
    stream.write_all(&frame(id, request)).unwrap();
}

fn read(stream: &mut UnixStream) -> Told {
    wire::read(stream, Some(PATIENCE)).unwrap()
}

fn restart() -> Request {
    Request::Restart("left".into())
}

fn done() -> Response {
    Response::Done("left".into())
}

fn told(id: u64, response: Response) -> Told {
    Told { id, response }
}

#[test]
fn a_request_cut_off_after_any_byte_does_nothing_and_the_whole_one_is_answered() {
    let served = Served::new();
    let whole = [Hello::own().encode(), frame(1, &Request::Trigger(request()))].concat();
    for n in 0..whole.len() {
        served.silent().write_all(&whole[..n]).unwrap();
    }
    assert_eq!(served.ask(&restart()), done());
    assert_eq!(served.instance.clips.open_count(), 0);
    assert!(matches!(served.ask(&Request::Trigger(request())), Response::Accepted(_)));
    assert_eq!(served.instance.clips.open_count(), 1);
}

#[test]
fn a_request_is_done_although_whoever_sent_it_is_gone() {
    let served = Served::new();
    let whole = [Hello::own().encode(), frame(1, &Request::Trigger(request()))].concat();
    served.silent().write_all(&whole).unwrap();
    while served.instance.clips.open_count() == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_request_in_two_pieces_keeps_no_other_command_waiting() {
    let served = Served::new();
    let whole = frame(1, &restart());
    let mut slow = served.connect();
    slow.write_all(&whole[..3]).unwrap();
    assert_eq!(served.ask(&restart()), done());
    slow.write_all(&whole[3..]).unwrap();
    assert_eq!(read(&mut slow), told(1, done()));
}

#[test]
fn several_requests_of_a_connection_are_answered_each_when_it_is_done() {
    let (served, held) = Served::answering_slowly();
    let mut stream = served.connect();
    let slow = Request::Restart(SLOW.into());
    let requests = [frame(7, &slow), frame(8, &restart()), frame(9, &slow), frame(10, &restart())].concat();
    stream.write_all(&requests).unwrap();
    // The client says nothing more, and still reads.
    stream.shutdown(Shutdown::Write).unwrap();
    let mut first = [read(&mut stream), read(&mut stream)];
    first.sort_by_key(|told| told.id);
    assert_eq!(first, [told(8, done()), told(10, done())]);
    for answer in ["one", "the other"] {
        held.recv().unwrap().send(Ok(Response::Done(answer.into()))).unwrap();
    }
    let mut last = [read(&mut stream), read(&mut stream)];
    last.sort_by_key(|told| told.id);
    assert_eq!(last.map(|told| told.id), [7, 9]);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "all is answered, and no more is asked");
}

#[test]
fn a_connection_with_many_unanswered_requests_is_heard_no_further_and_others_are() {
    let (served, held) = Served::answering_slowly();
    let mut many = served.connect();
    let slow = Request::Restart(SLOW.into());
    let all = MAX_ASKED_EACH + 9;
    (0..all).for_each(|n| send(&mut many, 1 + n as u64, &slow));
    let mut replies: Vec<_> = (0..MAX_ASKED_EACH).map(|_| held.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(served.ask(&restart()), done());
    // The thread of the other's request may still be about to end.
    while served.under_way.count() > MAX_ASKED_EACH {
        std::thread::yield_now();
    }
    assert!(held.try_recv().is_err(), "the rest waits in the socket");
    // With each answer one more is heard.
    for n in 0..all {
        replies.remove(0).send(Ok(done())).unwrap();
        if n + MAX_ASKED_EACH < all {
            replies.push(held.recv_timeout(PATIENCE).unwrap());
        }
        read(&mut many);
    }
}

#[test]
fn nonsense_is_refused_with_a_reason() {
    let served = Served::new();
    for bytes in [&u32::MAX.to_le_bytes()[..], &[2, 0, 0, 0, 1, 99]] {
        let mut stream = served.connect();
        stream.write_all(bytes).unwrap();
        let Told { id, response } = read(&mut stream);
        assert_eq!(id, WHOLE_CONNECTION);
        assert!(matches!(&response, Response::Refused(Refusal::NotUnderstood { .. })), "{response:?}");
    }
}

#[test]
fn a_program_of_another_version_is_told_which_version_this_is_and_nothing_of_it_is_done() {
    let served = Served::new();
    let mut other = Hello::own().encode();
    other[8] += 1;
    let mut stream = served.silent();
    stream.write_all(&[other, frame(1, &Request::Trigger(request()))].concat()).unwrap();
    let mut said = Vec::new();
    // The connection is closed with the request unread.
    let _ = stream.read_to_end(&mut said);
    assert_eq!(said, Hello::own().encode());
    // Version 1 had no greeting; this is its request for the stats.
    let mut stream = served.silent();
    stream.write_all(&[1, 0, 0, 0, 1]).unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert_eq!(said, hello::for_version_1());
    assert_eq!(served.ask(&restart()), done());
    assert_eq!(served.instance.clips.open_count(), 0);
}

#[test]
fn the_oldest_silent_connection_makes_room_for_one_more() {
    let served = Served::new();
    // A connection that has asked is spared as long as others are silent.
    let mut asked = served.connect();
    send(&mut asked, 1, &restart());
    read(&mut asked);
    let mut silent: Vec<UnixStream> = (1..MAX_CONNECTIONS).map(|_| served.silent()).collect();
    std::thread::sleep(GRACE);
    assert_eq!(served.ask(&restart()), done());
    hello::exchange(&mut silent[0], PATIENCE).unwrap();
    let refused = told(WHOLE_CONNECTION, Response::Refused(Refusal::TooManyConnections));
    assert_eq!(read(&mut silent[0]), refused);
    send(&mut asked, 2, &restart());
    assert_eq!(read(&mut asked), told(2, done()));
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

/// The next event of a subscription that has this number.
fn event(stream: &mut UnixStream, id: u64) -> LoggedEvent {
    match read(stream) {
        Told { id: of, response: Response::Event(event) } if of == id => event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trigger_is_told_to_those_who_follow_and_to_whoever_waits_for_its_clip() {
    let served = Served::new();
    let mut stream = served.connect();
    send(&mut stream, 5, &Request::Subscribe { since: Some(0) });
    assert_eq!(read(&mut stream), told(5, Response::Subscribed { newest: 0 }));
    let mut waits = served.connect();
    let label = Some("goal".to_owned());
    let asked = proto::control::TriggerRequest { wait: true, label: label.clone(), ..request() };
    send(&mut waits, 1, &Request::Trigger(asked));
    let Response::Accepted(accepted) = read(&mut waits).response else { panic!("accepted") };
    let accepted_event = event(&mut stream, 5);
    let Event::TriggerAccepted { path, op, label: told_label, .. } = &accepted_event.event else {
        panic!("{accepted_event:?}")
    };
    assert_eq!((path, *op, told_label), (&accepted.path, TriggerOp::Trigger, &label));
    // Only one clip may be open.
    assert!(matches!(served.ask(&Request::Trigger(request())), Response::Refused(_)));
    let refused = event(&mut stream, 5);
    assert!(
        matches!(&refused.event, Event::TriggerRefused { reason, .. } if reason == "too_many_open_clips"),
        "{refused:?}"
    );
    // A recorder that gives it up.
    let folder = Path::new(&accepted.path);
    served.instance.clips.give_up(folder, "it is lost");
    assert!(matches!(event(&mut stream, 5).event, Event::ClipLost { .. }));
    let last = read(&mut waits);
    assert!(
        matches!(&last, Told { id: 1, response: Response::Refused(Refusal::ClipLost { .. }) }),
        "{last:?}"
    );
    assert_eq!(served.under_way.count(), 0);
}

#[test]
fn one_who_follows_and_does_not_read_holds_nobody_up_and_is_told_how_many_events_it_has_missed() {
    let served = Served::new();
    let mut stopped = served.connect();
    send(&mut stopped, 1, &Request::Subscribe { since: Some(0) });
    assert_eq!(read(&mut stopped), told(1, Response::Subscribed { newest: 0 }));
    let mut reads = served.connect();
    send(&mut reads, 1, &Request::Subscribe { since: Some(0) });
    read(&mut reads);
    let all = 20_000;
    for n in 1..=all {
        served.instance.clips.finish(Path::new(&format!("/run_0/clip-{n}")), Verdict::Complete, None);
        assert_eq!(event(&mut reads, 1).seq, n);
    }
    assert_eq!(served.ask(&restart()), done());
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < all {
        let logged = event(&mut stopped, 1);
        match logged.event {
            Event::Lagged { missed: more } => missed += more,
            _ => seen += 1,
        }
        assert_eq!(logged.seq, seen + missed);
    }
    assert!(missed > 0 && seen >= 1000, "{seen} seen, {missed} missed");
}

#[test]
fn no_more_follow_than_may() {
    let served = Served::new();
    let mut following: Vec<UnixStream> = (0..MAX_FOLLOWERS)
        .map(|_| {
            let mut stream = served.connect();
            send(&mut stream, 1, &Request::Subscribe { since: Some(0) });
            assert!(matches!(read(&mut stream).response, Response::Subscribed { .. }));
            stream
        })
        .collect();
    let one_more = Request::Subscribe { since: Some(0) };
    assert_eq!(
        served.ask(&one_more),
        Response::Refused(Refusal::TooManySubscribers { at_most: MAX_FOLLOWERS })
    );
    // A client that goes makes room.
    following.pop();
    while matches!(served.ask(&one_more), Response::Refused(_)) {
        std::thread::yield_now();
    }
}

#[test]
fn a_request_that_never_comes_to_its_end_is_sent_away() {
    let served = Served::new();
    let mut idle = served.connect();
    send(&mut idle, 1, &restart());
    assert_eq!(read(&mut idle), told(1, done()));
    let mut stuck = served.connect();
    stuck.write_all(&[9]).unwrap();
    let refused = Refusal::RequestTooSlow { at_most_s: FRAME_DEADLINE.as_secs() };
    assert_eq!(read(&mut stuck), told(WHOLE_CONNECTION, Response::Refused(refused)));
    // A client that has asked may be silent for as long as it likes.
    send(&mut idle, 2, &restart());
    assert_eq!(read(&mut idle), told(2, done()));
}
