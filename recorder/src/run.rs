//! The recorder's process: it arms itself, takes orders until it is told to stop, and starts the probe. Plans are
//! handed out by [`crate::intake`].

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;

use anyhow::Context;
use proto::access;
use proto::config::Config;
use proto::failpoint;
use proto::instance::{ChildId, Rendezvous, RuntimeDir};
use proto::ladder::Ladders;
use proto::link::{self, Link, Reports};
use proto::messages::{BEAT, RecorderOrder, RecorderReport};
use proto::opened;
use proto::parent::{self, Parent};
use proto::process::Pid;
use proto::titles;

use crate::backlog::Backlog;
use crate::crash_note;
use crate::disk::output::OutputFolder;
use crate::intake::Intake;
use crate::ladder::{AfterArming, SharedLadders};
use crate::mover::Mover;
use crate::probe;
use crate::pulse::Pulse;
use crate::rings::open_rings;
use crate::worker::Job;

/// `recorder --probe`: tries every codec and prints each camera's ladder as JSON.
pub(crate) fn probe(runtime_dir: &Path, recorder: Option<Pid>) -> anyhow::Result<()> {
    // The probe must not outlive the recorder that asks.
    recorder.map_or(Ok(()), parent::end_with)?;
    let dir = RuntimeDir::open(runtime_dir)?;
    let config = load_config(&dir)?;
    let scratch = dir.probe_dir().join(Pid::this().to_string());
    std::fs::create_dir(&scratch)
        .with_context(|| format!("the codec probe can't make {}", scratch.display()))?;
    // A line for each kind of camera: a driver that crashes or hangs at a later one leaves those before it.
    let mut print = |ladders: &Ladders| -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(ladders)?;
        line.push(b'\n');
        Ok(std::io::stdout().write_all(&line)?)
    };
    probe::probe(&config, &open_rings(&config, &dir), &scratch, &mut print)
}

/// Runs until it is told to stop. A standby differs only in where it meets the supervisor: it is idle until it is armed,
/// and is the recorder from then on.
pub(crate) fn run(runtime_dir: &Path, standby: bool, parent: Option<Pid>) -> anyhow::Result<()> {
    let dir = RuntimeDir::open(runtime_dir)?;
    let id = if standby { ChildId::Standby } else { ChildId::Recorder };
    titles::show(&id);
    let Link { orders, reports } =
        link::start(&dir.rendezvous(&Rendezvous::of(&id)), Parent::new(parent, &dir))?;
    let pulse = Arc::new(Pulse::default());
    beat(&reports, &pulse)?;
    if let Err(e) = crash_note::install(&dir.crash_notes()) {
        tracing::warn!("crashes of encoders can't be noted in {}: {e}", dir.crash_notes().display());
    }
    let config = load_config(&dir)?;
    let_readers_in(&config, &dir);
    let ladders = SharedLadders::assumed(&config);
    let output = OutputFolder::watch(&config.recording)?;
    pulse.show_output(&output);
    let backlog = Backlog::new(&dir, config.cameras.iter().map(|camera| camera.name.clone()));
    pulse.show_backlog(&backlog);
    Mover::start(&backlog)?;
    let mut intake = Intake::open(&config, &dir, &ladders, &reports, &pulse, &output, &backlog)?;
    loop {
        let order = match intake.next(&orders) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => {
                intake.try_again();
                give_back(&intake, &backlog);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        match order {
            RecorderOrder::Arm { ladders: known, run_folders, backlog_bytes, after_crash } => {
                titles::show(&ChildId::Recorder);
                match ladders.arm(known, backlog_bytes) {
                    AfterArming::Report(ladders) => reports.send(RecorderReport::Ladders(ladders)),
                    AfterArming::Probe => start_probe(&dir, &config, &ladders, &reports),
                    AfterArming::Wait => {}
                }
                intake.tell_all(|| Job::Arm);
                backlog.set_bound(backlog_bytes);
                backlog.adopt();
                intake.arm(after_crash);
                take_on_all(&mut intake, &output, &run_folders);
                give_back(&intake, &backlog);
            }
            RecorderOrder::Warm(known) => {
                ladders.learn(known);
                intake.tell_all(|| Job::Warm);
            }
            RecorderOrder::Cool => intake.tell_all(|| Job::Cool),
            RecorderOrder::Clip(folder) => {
                failpoint::pass("clip.told", folder.display());
                intake.take_on(&folder);
                intake.show_waiting();
            }
            RecorderOrder::Rings => intake.tell_all(|| Job::LookAtRing),
            RecorderOrder::Stop => break,
        }
    }
    intake.close();
    Ok(())
}

/// Gives the clips to the group that may read them. A group that is gone by now costs no clip.
fn let_readers_in(config: &Config, dir: &RuntimeDir) {
    match config.access.clips_group.as_deref().map(access::find) {
        Some(Ok(gid)) => opened::let_in(gid, dir.path()),
        Some(Err(e)) => tracing::warn!("access.clips_group: {e}. Clips are their owner's alone until then"),
        None => {}
    }
}

fn load_config(dir: &RuntimeDir) -> anyhow::Result<Config> {
    let path = dir.config_path();
    Config::load_checked(&path)
        .with_context(|| format!("the instance's config {} can't be used", path.display()))
}

fn take_on_all(intake: &mut Intake, output: &OutputFolder, run_folders: &[PathBuf]) {
    if let Some(newest) = run_folders.first() {
        output.use_run_folder(newest);
    }
    run_folders.iter().for_each(|run_folder| intake.take_on_all(run_folder));
    intake.show_waiting();
    intake.sum_all_earlier(output);
    // The open clips have taken the warm encoders they need by now.
    intake.tell_all(|| Job::Cool);
}

/// Lets go of what no open clip needs of an earlier recorder's backlog, once every plan has been read.
fn give_back(intake: &Intake, backlog: &Backlog) {
    if intake.knows_all() {
        backlog.all_are_known();
    }
}

/// Probes beside everything else. A trigger that comes meanwhile is recorded with what works nearly everywhere.
fn start_probe(
    dir: &RuntimeDir,
    config: &Config,
    ladders: &SharedLadders,
    reports: &Reports<RecorderReport>,
) {
    let (dir, config) = (dir.clone(), config.clone());
    let (of_all, to_supervisor) = (ladders.clone(), reports.clone());
    let probing = std::thread::Builder::new().name("probe".into()).spawn(move || {
        let (found, ended) = probe::child::run(&dir);
        if let Err(e) = ended {
            tracing::warn!("{e:#}; cameras without a result get what works nearly everywhere");
        }
        // The probe has ended, in whatever way, so its leases are nobody's. They are in the rings that are there now, which
        // may be others than those of the workers.
        let _ = open_rings(&config, &dir)
            .iter()
            .flatten()
            .map(|ring| ring.sweep(probe::reader_bit()))
            .sum::<usize>();
        let known = of_all.tried(found);
        probe::say::say(&known, &config);
        to_supervisor.send(RecorderReport::Ladders(known));
    });
    // The recorder goes on: a clip may be open, and no encoder is at fault.
    if let Err(e) = probing {
        tracing::warn!(
            "the codec probe can't be started: {e}; clips are encoded with what works nearly everywhere"
        );
        reports.send(RecorderReport::Ladders(ladders.tried(Ladders::new())));
    }
}

fn beat(reports: &Reports<RecorderReport>, pulse: &Arc<Pulse>) -> std::io::Result<()> {
    let (reports, pulse) = (reports.clone(), Arc::clone(pulse));
    std::thread::Builder::new().name("beat".into()).spawn(move || {
        loop {
            reports.send(RecorderReport::Beat(pulse.beat()));
            std::thread::sleep(BEAT);
        }
    })?;
    Ok(())
}
