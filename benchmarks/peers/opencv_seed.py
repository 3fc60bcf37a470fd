"""A deque of frames and OpenCV, as the recorder that Preroll began from does it.

Each camera has a capture thread. While armed its frames go into a deque. With a trigger the next frame's callback opens the
video files and writes the pre-roll into them, under the lock that both cameras' callbacks take; from then on each callback
encodes its frame. The codecs are tried in the order that recorder's note gives, with OpenCV's own settings.
"""

import os
import threading
import time
from collections import deque

import cv2

import peer

CODECS = (("H264", ".mp4"), ("avc1", ".mp4"), ("MJPG", ".avi"))


class Recorder:
    def __init__(self, call):
        self.call = call
        self.lock = threading.Lock()
        self.pre_roll = {camera: deque(maxlen=call.pre_frames) for camera in peer.CAMERAS}
        self.label = None
        self.until = 0.0
        self.writers = {}
        self.files = {}
        self.done = set()

    def trigger(self, label, t):
        with self.lock:
            self.label, self.until, self.done = label, t + self.call.post_s, set()

    def on_frame(self, camera, frame, t):
        with self.lock:
            if self.label is None:
                self.pre_roll[camera].append(frame)
                return
            if not self.writers:
                self.begin()
            if t <= self.until:
                self.writers[camera].write(frame)
            else:
                self.pre_roll[camera].append(frame)
                self.done.add(camera)
                if len(self.done) == len(peer.CAMERAS):
                    self.end()

    def begin(self):
        for camera in peer.CAMERAS:
            self.writers[camera] = self.open(camera)
            for frame in self.pre_roll[camera]:
                self.writers[camera].write(frame)
            self.pre_roll[camera].clear()

    def open(self, camera):
        for codec, extension in CODECS:
            path = self.call.path(self.label, camera, extension)
            size = (self.call.width, self.call.height)
            writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*codec), self.call.fps, size, True)
            if writer.isOpened():
                self.files[camera] = path
                return writer
        raise RuntimeError("no codec can be opened")

    def end(self):
        for writer in self.writers.values():
            writer.release()
        peer.finished(self.label, self.files)
        self.label, self.writers, self.files = None, {}, {}


def capture(camera, fifo, recorder, first):
    source = cv2.VideoCapture(fifo, cv2.CAP_FFMPEG)
    while True:
        there, frame = source.read()
        if not there:
            return
        recorder.on_frame(camera, frame, time.monotonic())
        first.set()


def main():
    call = peer.called()
    recorder = Recorder(call)
    firsts = []
    for camera, fifo in call.fifos.items():
        firsts.append(threading.Event())
        threading.Thread(target=capture, args=(camera, fifo, recorder, firsts[-1]), daemon=True).start()
    for first in firsts:
        first.wait()
    peer.ready(os.getpid(), "the first that opens of H264, avc1, MJPG; OpenCV's settings")
    for label, t in peer.triggers():
        recorder.trigger(label, t)
    os._exit(0)  # the capture threads are inside OpenCV and would be taken by surprise


main()
