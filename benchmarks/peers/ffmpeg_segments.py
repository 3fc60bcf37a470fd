"""ffmpeg, encoding all the time into a ring of short segments; a clip is a few of them, joined without encoding again.

One ffmpeg a camera. A segment is a group of pictures long, in MPEG-TS, which needs no end to be readable, and in memory
(TMPDIR is). A trigger waits until the segment with the end of its post-roll is over. An ffmpeg that ends is started again
after 100 ms, as systemd does.
"""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import peer

SEGMENT_S = 0.25
# From a frame being due to its packet being in the file, with a margin: a frame can't be in a segment that is older.
LAG_S = 0.05
SETTINGS = ["-c:v", "libx264", "-preset", "superfast", "-crf", "23", "-bf", "0", "-threads", "1"]


class Camera:
    def __init__(self, name, fifo, call, memory):
        self.name, self.fifo, self.call = name, fifo, call
        self.folder = os.path.join(memory, name)
        os.makedirs(self.folder)
        self.kept = int((call.pre_s + call.post_s) / SEGMENT_S) + 40
        self.ffmpeg = None
        self.started = threading.Event()

    def keep_running(self):
        while True:
            names = self.segments()
            first = int(os.path.basename(names[-1])[:-3]) + 1 if names else 0
            group = str(max(1, round(SEGMENT_S * self.call.fps)))
            self.ffmpeg = subprocess.Popen(
                ["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "yuv4mpegpipe", "-probesize", "32"]
                + ["-i", self.fifo, *SETTINGS, "-g", group, "-x264-params", "rc-lookahead=0:scenecut=0"]
                + ["-f", "segment", "-segment_time", str(SEGMENT_S), "-segment_start_number", str(first)]
                + ["-segment_format", "mpegts", "-segment_format_options", "flush_packets=1"]
                + [os.path.join(self.folder, "%08d.ts")]
            )
            self.started.set()
            self.ffmpeg.wait()
            time.sleep(0.1)

    def segments(self):
        return sorted(glob.glob(os.path.join(self.folder, "*.ts")))

    def remove_old(self):
        for name in self.segments()[: -self.kept]:
            os.remove(name)

    def over(self):
        """Segments that are over, with the times at which they were."""
        found = [(name, os.stat(name)) for name in self.segments()[:-1]]
        # An ffmpeg that was killed may have left an empty one.
        return [(name, stat.st_mtime) for name, stat in found if stat.st_size > 0]

    def record(self, label, t, files):
        begin, end = t - self.call.pre_s, t + self.call.post_s + LAG_S
        while True:
            segments = self.over()
            if segments and segments[-1][1] >= end:
                break
            time.sleep(0.005)
        # Those that end in the window, and the first that ends after it.
        last = next(n for n, (_, over) in enumerate(segments) if over >= end)
        wanted = [name for name, over in segments[: last + 1] if over >= begin]
        names = os.path.join(self.folder, label + ".txt")
        with open(names, "w") as file:
            file.writelines(f"file '{name}'\n" for name in wanted)
        path = self.call.path(label, self.name, ".mp4")
        subprocess.run(
            ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "concat", "-safe", "0", "-i", names]
            + ["-c", "copy", "-movflags", "faststart", path],
            check=True,
        )
        files[self.name] = path


def remove_old(cameras):
    while True:
        time.sleep(1)
        for camera in cameras:
            camera.remove_old()


def main():
    if shutil.which("ffmpeg") is None:
        raise SystemExit("there is no ffmpeg")
    call = peer.called()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with tempfile.TemporaryDirectory(prefix="peers-") as memory:
        cameras = [Camera(name, fifo, call, memory) for name, fifo in call.fifos.items()]
        for camera in cameras:
            threading.Thread(target=camera.keep_running, daemon=True).start()
        for camera in cameras:
            camera.started.wait()
            while not camera.over():
                time.sleep(0.01)
        threading.Thread(target=remove_old, args=(cameras,), daemon=True).start()
        peer.ready(cameras[0].ffmpeg.pid, " ".join(SETTINGS))
        for label, _ in peer.triggers():
            t = time.time()  # as the files' times are
            threading.Thread(target=peer.record, args=(cameras, label, t), daemon=True).start()
        for camera in cameras:
            camera.ffmpeg.kill()


main()
