//! A GigE Vision camera for tests: the program `fake-gige-camera`, with the lock that lets one run at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::program;

/// A camera at the loopback interface. Its picture shows its frame ids; it sends frames of 512x512 in Mono8, 25 a second.
pub struct FakeGige {
    camera: Option<Child>,
    serial: String,
    /// Held as long as this camera may run: there is one port for all of them.
    _turn: File,
}

impl FakeGige {
    /// Starts a camera that loses so many of a thousand packets, as soon as no other test has one.
    pub fn start(serial: &str, lost_per_mille: u32) -> Self {
        let path = std::env::temp_dir().join("preroll-fake-gige-camera");
        let turn = File::options().create(true).append(true).open(path).unwrap();
        rustix::fs::flock(&turn, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let mut this = Self { camera: None, serial: serial.to_owned(), _turn: turn };
        this.come_back(lost_per_mille);
        this
    }

    /// Starts it again.
    pub fn come_back(&mut self, lost_per_mille: u32) {
        self.kill();
        let mut camera = Command::new(program("fake-gige-camera"))
            .args([&self.serial, &lost_per_mille.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(camera.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the fake camera doesn't run");
        self.camera = Some(camera);
    }

    /// Loses so many of a thousand packets from now on.
    pub fn lose(&mut self, per_mille: u32) {
        self.tell(&per_mille.to_string());
    }

    /// Triggers it: it makes one picture, if its features say that it is triggered by software.
    pub fn trigger(&mut self) {
        self.tell("trigger");
    }

    fn tell(&mut self, line: &str) {
        let input = self.camera.as_mut().unwrap().stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// Takes it away, as a cut cable does: it says nothing more.
    pub fn kill(&mut self) {
        let Some(mut camera) = self.camera.take() else { return };
        let pid = rustix::process::Pid::from_child(&camera);
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
        camera.wait().unwrap();
    }
}

impl Drop for FakeGige {
    fn drop(&mut self) {
        self.kill();
    }
}
