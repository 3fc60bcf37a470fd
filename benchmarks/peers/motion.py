"""Motion, which keeps pre_capture frames of each camera and is told by its web control when an event begins and ends.

Its capture thread keeps the last frame, at which its main loop looks `framerate` times a second: some frames are missed. (At
100 a second, the most it takes, more were missed when this was tried, and others were there twice.) It opens a camera's FIFO
as a file that it plays (netcam_url file://). Nothing in the picture starts an event. Its encoder's preset can't be chosen
(ultrafast); its quality is the one that comes to CRF 23. Motion that ends is started again after 100 ms, as systemd does.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import peer

MAIN = """
daemon off
setup_mode off
log_level 5
native_language off
webcontrol_port {port}
webcontrol_localhost on
webcontrol_parms 1
webcontrol_interface 1
stream_port 0
camera {folder}/left.conf
camera {folder}/right.conf
"""

CAMERA = """
camera_id {id}
camera_name {name}
netcam_url file://{fifo}
netcam_params capture_rate={capture_rate}
width {width}
height {height}
framerate {fps}
minimum_frame_time 0
emulate_motion off
threshold 2147483647
noise_tune off
event_gap 1
pre_capture {pre_capture}
post_capture {post_capture}
text_left
text_right
text_changes off
locate_motion_mode off
picture_output off
movie_output on
movie_codec mkv
movie_quality {quality}
movie_duplicate_frames off
target_dir {output}
movie_filename %$-%v
on_movie_end echo %f >> {folder}/{name}.done
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Motion:
    def __init__(self, call, folder):
        self.folder, self.port = folder, free_port()
        with open(os.path.join(folder, "motion.conf"), "w") as file:
            file.write(MAIN.format(port=self.port, folder=folder))
        for n, (name, fifo) in enumerate(call.fifos.items(), 1):
            with open(os.path.join(folder, name + ".conf"), "w") as file:
                file.write(
                    CAMERA.format(
                        id=n,
                        name=name,
                        fifo=os.path.abspath(fifo),
                        # The guide: slightly more than the camera's.
                        capture_rate=int(call.fps) + 5,
                        width=call.width,
                        height=call.height,
                        fps=int(call.fps),
                        pre_capture=call.pre_frames,
                        post_capture=0,
                        # It makes CRF (100 - quality) * 51 / 100 of it.
                        quality=54,
                        output=os.path.abspath(call.output),
                        folder=folder,
                    )
                )
        self.process = None
        self.up = threading.Event()

    def keep_running(self):
        while True:
            self.process = subprocess.Popen(
                ["motion", "-n", "-c", os.path.join(self.folder, "motion.conf")], stdout=subprocess.DEVNULL
            )
            self.up.set()
            self.process.wait()
            time.sleep(0.1)

    def tell(self, what):
        # 0: every camera.
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/0/action/{what}", timeout=5).read()

    def done(self, camera):
        try:
            with open(os.path.join(self.folder, camera + ".done")) as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def wait_until_it_answers(self):
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/0/detection/status", timeout=1).read()
                return
            except OSError:
                time.sleep(0.1)


def record(motion, call, label, t):
    known = {camera: len(motion.done(camera)) for camera in peer.CAMERAS}
    motion.tell("eventstart")
    time.sleep(max(0.0, t + call.post_s - time.monotonic()))
    motion.tell("eventend")
    while any(len(motion.done(camera)) <= known[camera] for camera in peer.CAMERAS):
        time.sleep(0.005)
    peer.finished(label, {camera: motion.done(camera)[known[camera]] for camera in peer.CAMERAS})


def main():
    if shutil.which("motion") is None:
        raise SystemExit("there is no motion")
    call = peer.called()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        motion = Motion(call, folder)
        threading.Thread(target=motion.keep_running, daemon=True).start()
        motion.up.wait()
        motion.wait_until_it_answers()
        time.sleep(3)  # until its cameras are open; it says so only in its log
        peer.ready(motion.process.pid, "libx264 preset ultrafast, CRF 23")
        for label, t in peer.triggers():
            threading.Thread(target=record, args=(motion, call, label, t), daemon=True).start()
        motion.process.kill()


main()
