"""What the peers have in common: how they are called, and what they answer.

    PEER LEFT RIGHT OUTPUT WIDTH HEIGHT FPS PRE_MS POST_MS

LEFT and RIGHT are FIFOs with a camera's frames as YUV4MPEG2. `trigger LABEL` on the standard input asks for a clip of the
PRE_MS before and the POST_MS after. On the standard output there is a line of JSON when the peer is ready, and one for
each clip when its files are finished and closed.

    PEER check      ends at once, well if all that the peer needs is there
"""

import json
import os
import sys
import threading
import time

CAMERAS = ("left", "right")
FPS = round(float(sys.argv[6])) if len(sys.argv) > 6 else 60
# libx264 as Preroll's recorder has it, in GStreamer's words. A bit rate is a cap here, and 2 Mbit/s unless it is said.
X264 = (
    f"x264enc speed-preset=superfast pass=qual quantizer=23 bitrate=200000 bframes=0 key-int-max={FPS} threads=1 "
    "rc-lookahead=0 sync-lookahead=0"
)
# A Matroska file that can be played to where it stops, whatever stopped it.
MATROSKA = "h264parse ! matroskamux streamable=true min-cluster-duration=0 ! filesink buffer-mode=unbuffered"
_lock = threading.Lock()


class Call:
    def __init__(self, arguments):
        self.fifos = dict(zip(CAMERAS, arguments[:2]))
        self.output = arguments[2]
        self.width, self.height = int(arguments[3]), int(arguments[4])
        self.fps = float(arguments[5])
        self.pre_s, self.post_s = float(arguments[6]) / 1e3, float(arguments[7]) / 1e3
        # As the recorder that Preroll began from sizes it: with a fifth to spare.
        self.pre_frames = int(self.pre_s * self.fps * 1.2)

    def path(self, label, camera, extension):
        folder = os.path.join(self.output, label)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, camera + extension)


def called():
    if sys.argv[1:] == ["check"]:
        sys.exit(0)
    return Call(sys.argv[1:])


def say(**answer):
    with _lock:
        print(json.dumps(answer), flush=True)


def ready(encoder, codec):
    say(ready=True, encoder=encoder, codec=codec)


def finished(label, files):
    say(label=label, files={camera: [files[camera]] for camera in CAMERAS})


def record(cameras, label, t):
    """Each camera's part of a clip in a thread of its own, and the word that it is finished."""
    files = {}
    threads = [threading.Thread(target=camera.record, args=(label, t, files)) for camera in cameras]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finished(label, files)


def triggers():
    """Each trigger's label and time, until the standard input ends."""
    for line in sys.stdin:
        word, _, label = line.strip().partition(" ")
        if word == "trigger":
            yield label, time.monotonic()
