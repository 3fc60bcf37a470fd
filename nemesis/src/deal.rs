//! Deals blows to a running instance and sees it come back. Everything is seen from outside: the process table, the journals
//! of open clips, the truth logs. Costs are counted later (`report.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use proto::clip::{PARTIAL_DIR, Plan, plan_path};
use proto::instance::ChildId;
use proto::name::Name;
use proto::process::Pid;
use proto::time::MonotonicNs;
use rig::instance::Instance;
use rig::log::Line;
use rig::process;
use rig::supervisor::Supervisor;
use rig::wait::{self, CLOSE, PATIENCE};
use rustix::process::Signal;

use crate::failing;
use crate::neighbour;
use crate::strike::{Blow, Strike};

/// From one look to the next. Everything that is measured has its own time on it, so this needn't be often.
const GLANCE: Duration = Duration::from_millis(5);
/// Of a clip whose window ends so soon there may be nothing left to encode.
const AT_LEAST: Duration = Duration::from_millis(40);

/// A trigger or some beats fall into this time.
const FAILING: Duration = Duration::from_secs(2);

/// The log goes through a pipe to a thread of ours, which may be late.
const READING: Duration = Duration::from_millis(500);

/// The folders and cameras of the instance that is struck.
#[derive(Clone, Debug)]
pub struct Target {
    /// The config's `output_dir`.
    pub recordings: PathBuf,
    /// The cameras.
    pub cameras: Vec<Name>,
}

/// A blow that was dealt, and everything that was seen at once. Its cost is counted when all is over.
#[derive(Clone, Debug)]
pub struct Struck {
    /// The kind of blow.
    pub strike: Strike,
    /// The camera whose capture was hit.
    pub camera: Option<String>,
    /// The moment of the blow.
    pub at: MonotonicNs,
    /// The moment of the second kill or of the next start; else as `at`.
    pub last: MonotonicNs,
    /// From the blow to the supervisor's word of it.
    pub detected: Option<Duration>,
    /// From `last` to the first frame encoded after it, for each camera of which a clip was open.
    pub encoding: BTreeMap<String, Duration>,
    /// From a supervisor's start until it was ready.
    pub ready: Option<Duration>,
    /// The moment at which everything was there again.
    pub over: MonotonicNs,
    /// Things that should not have happened, in words.
    pub wrong: Vec<String>,
}

/// A clip that was being recorded just before a blow.
struct OpenClip {
    folder: PathBuf,
    plan: Plan,
    journals: BTreeSet<String>,
}

impl Target {
    fn truth(&self, camera: &str) -> PathBuf {
        self.recordings.with_file_name(format!("{camera}.truth"))
    }

    /// Deals a blow, and waits until everything is there again.
    ///
    /// # Errors
    /// When it can't be dealt, or something never comes back.
    pub fn deal(
        &self,
        supervisor: &mut Supervisor,
        neighbour: Option<&mut Supervisor>,
        blow: &Blow,
    ) -> anyhow::Result<Struck> {
        let capture = ChildId::Capture(self.camera(blow).clone());
        let mut struck = Struck::before(blow.strike);
        match blow.strike {
            Strike::RecorderKilled | Strike::RecorderStopped => {
                self.hit_recorder(&mut struck, supervisor.instance())?;
            }
            Strike::RecorderKilledTwice => {
                self.kill_recorder_twice(&mut struck, supervisor.instance(), blow)?
            }
            Strike::StandbyKilled => kill_standby(&mut struck, supervisor.instance())?,
            Strike::CaptureKilled | Strike::CaptureStopped => {
                self.hit_capture(&mut struck, supervisor.instance(), blow)?;
            }
            Strike::SupervisorKilled => kill_supervisor(&mut struck, supervisor, blow)?,
            Strike::SupervisorStopped => stop_supervisor(&mut struck, supervisor, blow)?,
            Strike::EverythingKilled => self.kill_everything(&mut struck, supervisor, blow)?,
            Strike::CommandKilled => kill_command(&mut struck, supervisor, blow)?,
            Strike::SeveralKilled => self.kill_several(&mut struck, supervisor, blow)?,
            Strike::SendsFailed => fail_sends(&mut struck, supervisor, blow)?,
            Strike::NeighbourKilled => {
                let neighbour = neighbour.context("there is no neighbour")?;
                self.kill_neighbour(&mut struck, supervisor.instance(), neighbour, blow)?;
            }
            Strike::MachineBusy => crowd(&mut struck, supervisor, blow)?,
        }
        struck.over = MonotonicNs::now();
        struck.detected = struck.noticed(supervisor, &capture);
        Ok(struck)
    }

    /// The camera whose capture a blow hits.
    fn camera(&self, blow: &Blow) -> &Name {
        &self.cameras[blow.camera % self.cameras.len()]
    }

    fn hit_recorder(&self, struck: &mut Struck, instance: &Instance) -> anyhow::Result<()> {
        let open = self.open_clips();
        let victim = struck.hit(instance, &ChildId::Recorder, signal_of(struck.strike))?;
        await_another(instance, &ChildId::Recorder, Some(victim))?;
        self.see_encoding(struck, &open)
    }

    fn kill_recorder_twice(
        &self,
        struck: &mut Struck,
        instance: &Instance,
        blow: &Blow,
    ) -> anyhow::Result<()> {
        let first = struck.hit(instance, &ChildId::Recorder, Signal::KILL)?;
        let at = struck.at;
        std::thread::sleep(blow.again);
        await_another(instance, &ChildId::Recorder, Some(first))?;
        let open = self.open_clips();
        let second = struck.hit(instance, &ChildId::Recorder, Signal::KILL)?;
        struck.at = at;
        await_another(instance, &ChildId::Recorder, Some(second))?;
        self.see_encoding(struck, &open)
    }

    fn hit_capture(&self, struck: &mut Struck, instance: &Instance, blow: &Blow) -> anyhow::Result<()> {
        let camera = self.camera(blow);
        struck.camera = Some(camera.to_string());
        let capture = ChildId::Capture(camera.clone());
        let victim = struck.hit(instance, &capture, signal_of(struck.strike))?;
        await_another(instance, &capture, Some(victim))?;
        self.see_frames(&[camera.as_str()], struck.at)
    }

    fn kill_everything(
        &self,
        struck: &mut Struck,
        supervisor: &mut Supervisor,
        blow: &Blow,
    ) -> anyhow::Result<()> {
        struck.is_hit(MonotonicNs::now());
        supervisor.kill()?;
        kill_all(supervisor.instance())?;
        let open = self.open_clips();
        std::thread::sleep(blow.away);
        struck.start_again(supervisor)?;
        let cameras: Vec<&str> = self.cameras.iter().map(Name::as_str).collect();
        self.see_frames(&cameras, struck.last)?;
        self.see_encoding(struck, &open)
    }

    fn kill_several(
        &self,
        struck: &mut Struck,
        supervisor: &mut Supervisor,
        blow: &Blow,
    ) -> anyhow::Result<()> {
        let chance = blow.again.as_millis();
        let mut victims = supervisor.instance().children();
        if victims.iter().enumerate().filter(|(place, _)| chance >> place & 1 == 1).count() >= 2 {
            let mut place = 0..;
            victims.retain(|_| place.next().is_some_and(|place: u32| chance >> place & 1 == 1));
        }
        let with_supervisor = chance.is_multiple_of(3);
        struck.is_hit(MonotonicNs::now());
        victims.iter().for_each(|(_, pid)| process::signal(*pid, Signal::KILL));
        if with_supervisor {
            supervisor.kill()?;
        }
        let open = self.open_clips();
        if with_supervisor {
            std::thread::sleep(blow.away);
            struck.start_again(supervisor)?;
        }
        for (id, pid) in &victims {
            await_another(supervisor.instance(), id, Some(*pid))?;
        }
        let cameras: Vec<&str> = self.cameras.iter().map(Name::as_str).collect();
        self.see_frames(&cameras, struck.last)?;
        self.see_encoding(struck, &open)
    }

    fn kill_neighbour(
        &self,
        struck: &mut Struck,
        instance: &Instance,
        neighbour: &mut Supervisor,
        blow: &Blow,
    ) -> anyhow::Result<()> {
        let children = lasting(instance);
        struck.is_hit(MonotonicNs::now());
        neighbour.kill()?;
        kill_all(neighbour.instance())?;
        std::thread::sleep(blow.away);
        struck.start_again(neighbour)?;
        struck.must_be_the_same(&children, instance);
        self.see_frames(&[neighbour::CAMERA], struck.last)
    }

    /// The clips that are being recorded.
    fn open_clips(&self) -> Vec<OpenClip> {
        let read = |folder: PathBuf| {
            let plan: Plan = serde_json::from_slice(&std::fs::read(plan_path(&folder)).ok()?).ok()?;
            let journals = journals(&folder).collect();
            Some(OpenClip { folder, plan, journals })
        };
        super::clips::folders(&self.recordings).into_iter().filter_map(read).collect()
    }

    /// Waits for the first frame that is encoded after the last blow, of every camera that has one to come.
    fn see_encoding(&self, struck: &mut Struck, open: &[OpenClip]) -> anyhow::Result<()> {
        let since = struck.last;
        let more_to_come = |clip: &&OpenClip| {
            let window = clip.plan.window;
            window.start_ns <= struck.at && window.end_ns > since + AT_LEAST
        };
        let open: Vec<_> = open.iter().filter(more_to_come).collect();
        let until = Instant::now() + PATIENCE;
        let mut waits = true;
        while waits && !open.is_empty() && Instant::now() < until {
            // Journals of a clip that was finished between two looks are gone.
            waits = open.iter().any(|clip| clip.folder.join(PARTIAL_DIR).exists());
            for clip in &open {
                for camera in &self.cameras {
                    if let Some(at) = clip.encoded_anew(camera.as_str()) {
                        let took = at.since(since);
                        let seen = struck.encoding.entry(camera.to_string()).or_insert(took);
                        *seen = took.min(*seen);
                    }
                }
            }
            waits &= struck.encoding.len() < self.cameras.len();
            std::thread::sleep(GLANCE);
        }
        ensure!(Instant::now() < until, "{}: nothing was encoded any more", struck.strike.name());
        Ok(())
    }

    /// Waits for a frame of each of these that was made after a moment.
    fn see_frames(&self, cameras: &[&str], since: MonotonicNs) -> anyhow::Result<()> {
        wait::until_every(GLANCE, &format!("a frame of {cameras:?}"), || {
            cameras.iter().all(|camera| last_made(&self.truth(camera)) > since.0).then_some(())
        })
    }
}

/// The column of a journal's line with the time at which its frame was encoded.
const ENCODED: usize = 5;

impl OpenClip {
    /// The moment at which another recorder encoded its first frame of a camera. A recorder begins a part of its own.
    fn encoded_anew(&self, camera: &str) -> Option<MonotonicNs> {
        let begins = format!("{camera}.part");
        let new =
            journals(&self.folder).filter(|name| name.starts_with(&begins) && !self.journals.contains(name));
        let first = |name: String| {
            let text = std::fs::read_to_string(self.folder.join(PARTIAL_DIR).join(name)).ok()?;
            // The last line may be half written.
            let line = text.rsplit_once('\n')?.0.lines().nth(1)?;
            line.split(',').nth(ENCODED)?.parse().ok()
        };
        new.filter_map(first).min().map(MonotonicNs)
    }
}

fn kill_standby(struck: &mut Struck, instance: &Instance) -> anyhow::Result<()> {
    // Just after a take-over there is none.
    await_another(instance, &ChildId::Standby, None)?;
    let victim = struck.hit(instance, &ChildId::Standby, Signal::KILL)?;
    await_another(instance, &ChildId::Standby, Some(victim))
}

fn kill_supervisor(struck: &mut Struck, supervisor: &mut Supervisor, blow: &Blow) -> anyhow::Result<()> {
    let children = lasting(supervisor.instance());
    struck.is_hit(MonotonicNs::now());
    supervisor.kill()?;
    std::thread::sleep(blow.away);
    struck.start_again(supervisor)?;
    struck.must_be_the_same(&children, supervisor.instance());
    Ok(())
}

fn stop_supervisor(struck: &mut Struck, supervisor: &mut Supervisor, blow: &Blow) -> anyhow::Result<()> {
    let children = lasting(supervisor.instance());
    let pid = supervisor.pid().context("there is no supervisor")?;
    process::send(pid, Signal::STOP)?;
    struck.is_hit(MonotonicNs::now());
    std::thread::sleep(blow.away);
    process::send(pid, Signal::CONT)?;
    supervisor.wait_until_ready()?;
    struck.must_be_the_same(&children, supervisor.instance());
    Ok(())
}

/// Lets up to six calls fail, one after the other: they are made again within the shortest reserve.
fn fail_sends(struck: &mut Struck, supervisor: &mut Supervisor, blow: &Blow) -> anyhow::Result<()> {
    let folder = failing::folder().context("started without --failing-calls")?;
    let chance = usize::try_from(blow.again.as_millis()).unwrap_or(0);
    let recorder = supervisor.instance().child(&ChildId::Recorder);
    let pid = if blow.camera == 0 { supervisor.pid() } else { recorder }
        .context("nobody whose sends could fail")?;
    struck.is_hit(MonotonicNs::now());
    failing::fail(&folder, struck.at.0, pid, 1 + chance as u64 % 6, chance)?;
    std::thread::sleep(FAILING);
    std::fs::remove_file(folder.join("order"))?;
    supervisor.wait_until_ready()?;
    Ok(())
}

/// Lets busy programs compete with Preroll, none of them less important.
fn crowd(struck: &mut Struck, supervisor: &mut Supervisor, blow: &Blow) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let busy = || {
        let mut command = Command::new("nice");
        // Root's Preroll has made itself more important by as much; an ordinary user's can't.
        let niceness = if rustix::process::getuid().is_root() { "-10" } else { "0" };
        command.args(["-n", niceness, "sh", "-c", "while :; do :; done"]).stderr(Stdio::null());
        command.spawn()
    };
    struck.is_hit(MonotonicNs::now());
    let mut crowd: Vec<_> = (0..4 * cores).map(|_| busy()).collect::<Result<_, _>>()?;
    std::thread::sleep(blow.away);
    for one in &mut crowd {
        one.kill()?;
        one.wait()?;
    }
    struck.last = MonotonicNs::now();
    supervisor.wait_until_ready()?;
    Ok(())
}

fn kill_command(struck: &mut Struck, supervisor: &Supervisor, blow: &Blow) -> anyhow::Result<()> {
    let commands: [&[&str]; 4] = [&["trigger"], &["trigger", "--wait"], &["stats"], &["codecs"]];
    let chance = usize::try_from(blow.again.as_millis()).unwrap_or(0);
    let mut command = supervisor.instance().command()?;
    command.args(commands[chance % commands.len()]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut command = command.spawn()?;
    std::thread::sleep(blow.again / 8);
    struck.is_hit(MonotonicNs::now());
    command.kill()?;
    command.wait()?;
    supervisor.stats().context("after a command was killed")?;
    Ok(())
}

impl Struck {
    /// A blow that is about to be dealt.
    fn before(strike: Strike) -> Self {
        let now = MonotonicNs::now();
        Self {
            strike,
            camera: None,
            at: now,
            last: now,
            detected: None,
            encoding: BTreeMap::new(),
            ready: None,
            over: now,
            wrong: Vec::new(),
        }
    }

    fn is_hit(&mut self, at: MonotonicNs) {
        (self.at, self.last) = (at, at);
    }

    /// Hits the process that is this child by now. Right after another blow it may not be there yet.
    fn hit(&mut self, instance: &Instance, id: &ChildId, signal: Signal) -> anyhow::Result<Pid> {
        let (pid, at) = wait::until_every(CLOSE, &format!("{id}, to hit it"), || {
            let pid = instance.child(id).filter(|pid| process::is_alive(*pid))?;
            let at = MonotonicNs::now();
            process::send(pid, signal).ok().map(|()| (pid, at))
        })?;
        self.is_hit(at);
        Ok(pid)
    }

    fn start_again(&mut self, supervisor: &mut Supervisor) -> anyhow::Result<()> {
        self.last = MonotonicNs::now();
        supervisor.start_again()?;
        supervisor.wait_until_ready()?;
        self.ready = Some(MonotonicNs::now().since(self.last));
        Ok(())
    }

    fn must_be_the_same(&mut self, children: &[(ChildId, Pid)], instance: &Instance) {
        for (id, pid) in children {
            if instance.child(id) != Some(*pid) {
                self.wrong.push(format!("{}: {id} was replaced", self.strike.name()));
            }
        }
    }

    /// From the first blow to the supervisor's word of it.
    fn noticed(&self, supervisor: &Supervisor, capture: &ChildId) -> Option<Duration> {
        let (who, what) = match self.strike {
            Strike::RecorderKilled | Strike::RecorderKilledTwice => (&ChildId::Recorder, "ended after"),
            Strike::StandbyKilled => (&ChildId::Standby, "ended after"),
            Strike::CaptureKilled => (capture, "ended after"),
            Strike::RecorderStopped => (&ChildId::Recorder, "was stopped"),
            Strike::CaptureStopped => (capture, "was stopped"),
            Strike::SupervisorKilled
            | Strike::SupervisorStopped
            | Strike::EverythingKilled
            | Strike::CommandKilled
            | Strike::SeveralKilled
            | Strike::SendsFailed
            | Strike::NeighbourKilled
            | Strike::MachineBusy => return None,
        };
        let who = format!("] {who} ");
        let is_it = |line: &Line| line.text.contains(&who) && line.text.contains(what);
        let until = Instant::now() + READING;
        loop {
            let said = supervisor.log().since(self.at).into_iter().find(is_it);
            if said.is_some() || Instant::now() > until {
                return Some(said?.at.since(self.at));
            }
            std::thread::sleep(GLANCE);
        }
    }
}

fn signal_of(strike: Strike) -> Signal {
    match strike {
        Strike::RecorderStopped | Strike::CaptureStopped => Signal::STOP,
        _ => Signal::KILL,
    }
}

fn await_another(instance: &Instance, id: &ChildId, than: Option<Pid>) -> anyhow::Result<()> {
    wait::until_every(CLOSE, &format!("another {id} than the one that was struck"), || {
        instance.child(id).filter(|pid| Some(*pid) != than && process::is_alive(*pid))
    })?;
    Ok(())
}

/// The children that have to outlive a supervisor. A standby may just be being started.
fn lasting(instance: &Instance) -> Vec<(ChildId, Pid)> {
    instance.children().into_iter().filter(|(id, _)| *id != ChildId::Standby).collect()
}

fn kill_all(instance: &Instance) -> anyhow::Result<()> {
    wait::until_every(CLOSE, "every process to be gone after SIGKILL", || {
        let left = instance.processes();
        left.iter().for_each(|pid| process::signal(*pid, Signal::KILL));
        left.is_empty().then_some(())
    })
}

/// The names of a clip's journals.
fn journals(clip: &Path) -> impl Iterator<Item = String> {
    let files = std::fs::read_dir(clip.join(PARTIAL_DIR)).into_iter().flatten().filter_map(Result::ok);
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".journal"))
}

/// The time of the last whole line of a truth log; 0 if there is none.
fn last_made(truth: &Path) -> u64 {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let read = || -> Option<u64> {
        let mut file = std::fs::File::open(truth).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(200))).ok()?;
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        text.rsplit_once('\n')?.0.lines().last()?.split_once(',')?.1.parse().ok()
    };
    read().unwrap_or(0)
}
