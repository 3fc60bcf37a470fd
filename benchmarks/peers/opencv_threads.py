"""A deque of frames and OpenCV, done as well as threads can: capturing waits neither for a file nor for an encoder.

Each camera has a capture thread, which puts its frames into a deque and, while a clip is open, into its queue too. A clip
has an encoder thread for each camera, which opens the file, writes the pre-roll and then what comes through the queue. The
file is opened by way of GStreamer: with OpenCV's own way to libx264 nobody can choose its preset (it is medium).
"""

import os
import queue
import threading
import time
from collections import deque

import cv2

import peer


class Camera:
    def __init__(self, name, fifo, call):
        self.name, self.fifo, self.call = name, fifo, call
        # Held for an append, or for a copy of the deque; never while anything is encoded.
        self.lock = threading.Lock()
        self.pre_roll = deque(maxlen=call.pre_frames)
        self.clips = []
        self.first = threading.Event()

    def capture(self):
        source = cv2.VideoCapture(self.fifo, cv2.CAP_FFMPEG)
        while True:
            there, frame = source.read()
            if not there:
                return
            t = time.monotonic()
            with self.lock:
                self.pre_roll.append(frame)
                for clip in self.clips:
                    clip.put((t, frame))
            self.first.set()

    def record(self, label, t, files):
        frames = queue.SimpleQueue()
        with self.lock:
            pre_roll = list(self.pre_roll)
            self.clips.append(frames)
        path = self.call.path(label, self.name, ".mkv")
        size = (self.call.width, self.call.height)
        pipeline = f"appsrc ! videoconvert ! video/x-raw,format=I420 ! {peer.X264} ! {peer.MATROSKA} location={path}"
        writer = cv2.VideoWriter(pipeline, cv2.CAP_GSTREAMER, 0, self.call.fps, size)
        if not writer.isOpened():
            raise RuntimeError("OpenCV can't write by way of GStreamer")
        while pre_roll:
            writer.write(pre_roll.pop(0))
        while True:
            captured, frame = frames.get()
            if captured > t + self.call.post_s:
                break
            writer.write(frame)
        with self.lock:
            self.clips.remove(frames)
        writer.release()
        files[self.name] = path


def main():
    call = peer.called()
    cameras = [Camera(name, fifo, call) for name, fifo in call.fifos.items()]
    for camera in cameras:
        threading.Thread(target=camera.capture, daemon=True).start()
    for camera in cameras:
        camera.first.wait()
    peer.ready(os.getpid(), peer.X264)
    for label, t in peer.triggers():
        threading.Thread(target=peer.record, args=(cameras, label, t)).start()
    os._exit(0)  # the capture threads are inside OpenCV and would be taken by surprise


main()
