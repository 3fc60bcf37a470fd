//! The control socket, by hand: requests that are cut off, slow, nonsense, or a thousand at a time, and clients that don't
//! read.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proto::control::{Asked, Request, Response, Told, TriggerRequest};
use proto::process::Pid;
use proto::refusal::Refusal;
use proto::time::MonotonicNs;
use proto::wire::{self, Arriving, FRAME_DEADLINE, FrameError, Hello, hello};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::Value;
use trials::{Dice, Rig, TWO_CAMERAS, kill, process, program};

/// How long an answer may take before it is taken for none.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that has said nothing yet.
fn silent(rig: &Rig) -> UnixStream {
    UnixStream::connect(rig.path("run/control.sock")).unwrap()
}

/// A connection on which both sides have greeted each other.
pub(crate) fn connect(rig: &Rig) -> UnixStream {
    let mut stream = silent(rig);
    hello::exchange(&mut stream, PATIENCE).unwrap();
    stream
}

/// A request as it is sent.
pub(crate) fn frame(request: &Request) -> Vec<u8> {
    wire::encode(&Asked { id: 1, request: request.clone() }).unwrap()
}

/// Reads an answer.
fn read(stream: &mut UnixStream, within: Duration) -> Result<Response, FrameError> {
    wire::read(stream, Some(within)).map(|told: Told| told.response)
}

/// Asks without the command line, and so without what it checks itself.
pub(crate) fn ask(rig: &Rig, request: &Request) -> Result<Response, FrameError> {
    let mut stream = connect(rig);
    stream.write_all(&frame(request))?;
    read(&mut stream, PATIENCE)
}

pub(crate) fn trigger(label: Option<&str>) -> TriggerRequest {
    TriggerRequest { label: label.map(str::to_owned), ..TriggerRequest::of(MonotonicNs::now()) }
}

/// Lets this test have so many descriptors. False, and said, where it may not.
fn may_hold(descriptors: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.current.map(|now| now.max(descriptors)), ..limit };
    let may = setrlimit(Resource::Nofile, raised).is_ok();
    if !may {
        println!("skipped: this needs {descriptors} descriptors, and ulimit -Hn is less");
    }
    may
}

fn count(pid: Pid, what: &str) -> usize {
    std::fs::read_dir(pid.proc(what)).unwrap().count()
}

#[test]
fn f07_a_request_cut_off_after_any_byte_has_no_effect_and_the_whole_one_has_all_of_it() {
    let rig = Rig::start(TWO_CAMERAS);
    let (greeting, request) = (Hello::own().encode(), frame(&Request::Trigger(trigger(Some("whole")))));
    let whole = [&greeting[..], &request].concat();
    for n in 0..whole.len() {
        let mut stream = silent(&rig);
        stream.write_all(&whole[..n]).unwrap();
        match n % 3 {
            0 => drop(stream),
            1 => stream.shutdown(Shutdown::Both).unwrap(),
            // Still there, and silent.
            _ => {
                stream.shutdown(Shutdown::Write).unwrap();
                let mut said = Vec::new();
                stream.read_to_end(&mut said).unwrap();
                let greeted = if n < greeting.len() { &[][..] } else { &greeting };
                assert_eq!(said, greeted, "{n}");
            }
        }
        assert!(matches!(ask(&rig, &Request::Stats), Ok(Response::Stats(_))), "after {n} bytes");
    }
    assert!(rig.clips().is_empty(), "{:?}", rig.clips());
    // All of it, by somebody who doesn't wait for an answer.
    silent(&rig).write_all(&whole).unwrap();
    let clip = trials::until("its clip", || rig.clips().pop());
    assert!(clip.ends_with("clip-0001-whole"), "{}", clip.display());
    rig.await_manifest(&clip);
    assert_eq!(rig.assert_complete().clips.len(), 1);
}

#[test]
fn f07_a_slow_request_is_served_and_keeps_nobody_waiting() {
    let rig = Rig::start(TWO_CAMERAS);
    let whole = frame(&Request::Trigger(trigger(Some("slow"))));
    let mut slow = connect(&rig);
    for byte in whole {
        slow.write_all(&[byte]).unwrap();
        assert!(matches!(ask(&rig, &Request::Stats), Ok(Response::Stats(_))));
    }
    let answer = read(&mut slow, PATIENCE).unwrap();
    let Response::Accepted(accepted) = answer else { panic!("{answer:?}") };
    rig.await_manifest(&PathBuf::from(accepted.path));
    // One that never comes to its end is sent away, and told so.
    let mut stuck = connect(&rig);
    stuck.write_all(&[9]).unwrap();
    let answer = read(&mut stuck, FRAME_DEADLINE * 4).unwrap();
    assert!(matches!(&answer, Response::Refused(Refusal::RequestTooSlow { .. })), "{answer:?}");
    rig.assert_complete();
}

#[test]
fn f07_a_command_killed_at_any_moment_leaves_a_whole_clip_or_none() {
    let rig = Rig::start(&format!("{TWO_CAMERAS}  max_open_clips: 32\n"));
    let mut dice = Dice::of_environment();
    for _ in 0..20 {
        let mut command = Command::new(program("supervisor"))
            .args(["trigger", "--pre-ms", "50", "--post-ms", "50", "--wait"])
            .env("PREROLL_RUNTIME_DIR", rig.path("run"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        dice.pause(30);
        kill(Pid::of(&command), Signal::KILL);
        command.wait().unwrap();
        rig.stats();
    }
    rig.await_stats("all clips to be finished", |s| s["recorder"]["clips_open"] == 0);
    println!("{} of 20 came to a clip", rig.clips().len());
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}

#[test]
fn f38_of_a_thousand_triggers_at_once_each_is_answered_and_each_accepted_one_has_its_clip() {
    if !may_hold(2000) {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    let begun = Instant::now();
    let asked: Vec<(bool, UnixStream)> = (0..1000)
        .map(|n| {
            let (mut stream, known) = (connect(&rig), n % 10 != 9);
            let mut request = trigger(Some(&format!("t{n}")));
            request.cameras = if known { Vec::new() } else { vec!["middle".to_owned()] };
            stream.write_all(&frame(&Request::Trigger(request))).unwrap();
            (known, stream)
        })
        .collect();
    let mut accepted = HashSet::new();
    for (known, mut stream) in asked {
        match read(&mut stream, PATIENCE).unwrap() {
            Response::Accepted(clip) if known => assert!(accepted.insert(PathBuf::from(clip.path))),
            Response::Refused(why) if known => {
                assert!(why.exit_code() == 1 && why.to_string().contains("max_open_clips"), "{why:?}");
            }
            Response::Refused(why) => {
                assert!(
                    why.exit_code() == 2 && why.to_string().contains("there is no such camera"),
                    "{why:?}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    println!("1000 triggers answered in {:?}, {} of them accepted", begun.elapsed(), accepted.len());
    assert!(accepted.len() >= 4, "four may be open at once");
    accepted.iter().for_each(|clip| drop(rig.await_manifest(clip)));
    assert_eq!(accepted, rig.clips().into_iter().collect());
    rig.assert_complete();
    rig.command(&["trigger", "--wait"]).code(0);
}

#[test]
fn f40_a_thousand_idle_connections_that_keep_coming_lock_nobody_out() {
    if !may_hold(2000) {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    let supervisor = rig.supervisor_pid();
    let before = ["fd", "task"].map(|what| count(supervisor, what));
    let half = [Hello::own().encode(), frame(&Request::Trigger(trigger(Some("half"))))].concat();
    let idle = || {
        let mut stream = silent(&rig);
        // Of some, half a request. The door may have closed already.
        let _ = stream.write_all(&half[..half.len() * 3 / 4]);
        stream
    };
    let (over, mut others): (AtomicBool, Vec<UnixStream>) =
        (AtomicBool::new(false), (0..1100).map(|n| if n % 2 == 0 { silent(&rig) } else { idle() }).collect());
    // The first had to make room, before its own time was over.
    hello::exchange(&mut others[0], PATIENCE).unwrap();
    let first = read(&mut others[0], PATIENCE).unwrap();
    assert!(matches!(&first, Response::Refused(Refusal::TooManyConnections)), "{first:?}");
    let slowest = std::thread::scope(|scope| {
        let come_again = scope.spawn(|| {
            let mut turns = 0;
            while !over.load(Ordering::Relaxed) {
                let n = turns % others.len();
                others[n] = silent(&rig);
                turns += 1;
            }
            turns
        });
        let mut slowest = Duration::ZERO;
        for _ in 0..100 {
            let asked = Instant::now();
            assert!(matches!(ask(&rig, &Request::Stats), Ok(Response::Stats(_))));
            slowest = slowest.max(asked.elapsed());
        }
        rig.command(&["status"]).code(0);
        rig.command(&["trigger", "--wait"]).code(0);
        let now = ["fd", "task"].map(|what| count(supervisor, what));
        assert!(now[0] < before[0] + 600 && now[1] < before[1] + 20, "{before:?}, now {now:?}");
        over.store(true, Ordering::Relaxed);
        println!(
            "{} connections came; {before:?} descriptors and threads, then {now:?}",
            come_again.join().unwrap()
        );
        slowest
    });
    println!("slowest of 100 answers: {slowest:?}");
    assert_eq!(process(&rig.stats(), "supervisor")["pid"], supervisor.as_u32());
    rig.assert_complete();
}

#[test]
fn f40_nonsense_is_refused_and_disturbs_nobody() {
    let rig = Rig::start(TWO_CAMERAS);
    let mut dice = Dice::of_environment();
    let mut byte = || u8::try_from(dice.below(256)).unwrap();
    for n in 0..400_usize {
        let mut bytes = match n % 4 {
            // A length that nobody has room for.
            0 => [&u32::MAX.to_le_bytes()[..], &[7; 100]].concat(),
            1 => [(97 * 1024_u32).to_le_bytes().to_vec(), vec![b'x'; 97 * 1024]].concat(),
            2 => {
                let body: Vec<u8> = (0..n).map(|_| byte()).collect();
                [&u32::try_from(n).unwrap().to_le_bytes(), &body[..]].concat()
            }
            _ => frame(&Request::Trigger(trigger(Some("mutant")))),
        };
        if n % 4 == 3 {
            let at = n % bytes.len();
            bytes[at] ^= 1 << (n % 8);
        }
        // What happens to be a request (`Stop`, say) is none of this test's business.
        let mut arriving = Arriving::<Asked>::default();
        let mut rest = &bytes[..];
        let makes_sense = loop {
            let (piece, after) = rest.split_at(arriving.missing().min(rest.len()));
            match arriving.take(piece) {
                Ok(None) if !after.is_empty() => rest = after,
                Ok(None) | Err(_) => break false,
                Ok(Some(_)) => break true,
            }
        };
        if makes_sense {
            continue;
        }
        let mut stream = connect(&rig);
        // It may be refused before it is all said.
        let _ = stream.write_all(&bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        match read(&mut stream, PATIENCE) {
            Ok(Response::Refused(why)) => {
                let said = why.to_string();
                assert!(said.contains("can't be understood") && said.len() < 1000, "{said}");
            }
            Err(FrameError::Closed | FrameError::System(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(rig.clips().is_empty());
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}

/// Has so many triggers refused, over one connection, and waits for each answer.
fn refuse(rig: &Rig, times: u64) {
    let mut stream = connect(rig);
    let request = Request::Trigger(TriggerRequest { cameras: vec!["middle".to_owned()], ..trigger(None) });
    let mut unanswered = 0;
    for id in 1..=times {
        wire::write(&mut stream, &Asked { id, request: request.clone() }).unwrap();
        unanswered += 1;
        // So many fit into a socket, whoever reads.
        while unanswered > if id == times { 0 } else { 50 } {
            let refused = read(&mut stream, PATIENCE).unwrap();
            assert!(matches!(refused, Response::Refused(Refusal::UnknownCamera { .. })), "{refused:?}");
            unanswered -= 1;
        }
    }
}

#[test]
fn f40_one_who_follows_the_events_and_is_stopped_costs_nobody_anything() {
    let rig = Rig::start(TWO_CAMERAS);
    let memory = || process(&rig.stats(), "supervisor")["pss_bytes"].as_u64().unwrap();
    let mut follower = Command::new(program("supervisor"))
        .args(["events", "--follow"])
        .env("PREROLL_RUNTIME_DIR", rig.path("run"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let mut seq = next()["seq"].as_u64().unwrap();
    // The first thousand are kept for everybody, whoever follows.
    refuse(&rig, 1000);
    let before = memory();
    kill(Pid::of(&follower), Signal::STOP);
    let trigger = rig.ask(&["trigger", "--post-ms", "1500", "--wait"]);
    // More than the socket, the pipe and the log hold.
    refuse(&rig, 6000);
    let clip = trigger.answer().code(0).json();
    rig.command(&["status"]).code(0);
    let held = memory().saturating_sub(before);
    assert!(held < 8_000_000, "{held} bytes more");
    kill(Pid::of(&follower), Signal::CONT);
    rig.command(&["trigger", "--wait", "--label", "last"]).code(0);
    let (mut missed, mut last) = (0, Value::Null);
    while last["event"] != "clip_finished" || last["path"] == clip["path"] {
        last = next();
        if last["event"] == "lagged" {
            missed += last["missed"].as_u64().unwrap();
            seq += last["missed"].as_u64().unwrap() - 1;
        }
        seq += 1;
        assert_eq!(last["seq"], seq, "each event, or that it is missing");
    }
    assert!(missed > 1000, "{missed}");
    println!("{missed} events missed, {held} bytes held");
    kill(Pid::of(&follower), Signal::KILL);
    follower.wait().unwrap();
    rig.assert_complete();
}

#[test]
fn f40_a_stop_ends_although_clients_are_connected_that_do_not_read() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let mut connected: Vec<UnixStream> = (0..20)
        .map(|_| {
            let mut stream = connect(&rig);
            wire::write(&mut stream, &Asked { id: 1, request: Request::Subscribe { since: None } }).unwrap();
            stream
        })
        .collect();
    connected.extend((0..20).map(|_| silent(&rig)));
    let waiting = rig.ask(&["trigger", "--wait", "--post-ms", "60000"]);
    rig.await_stats("the clip to be open", |stats| stats["recorder"]["clips_open"] == 1);
    rig.command(&["stop"]).code(0);
    assert_eq!(waiting.answer().code(4).json()["verdict"], "ended_early");
    assert!(rig.await_end().success());
    drop(connected);
}
