"""A GStreamer pipeline: raw frames in a leaky buffer, and a branch that encodes for each trigger.

The buffer is an appsink of so many frames that drops the oldest, so nothing of Python is at work while armed. A trigger
makes a pipeline of its own for each camera, appsrc ! x264enc ! matroskamux ! filesink, into which a thread moves what is in
the buffer and what comes until the end of the post-roll. Frames are handed over by reference. A Matroska file that nobody
ended can be played to where it stops.
"""

import os
import threading
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

import peer

NEEDED = ("fdsrc", "y4mdec", "appsink", "appsrc", "x264enc", "h264parse", "matroskamux", "filesink")


class Camera:
    def __init__(self, name, fifo, call):
        self.name, self.call = name, call
        fd = os.open(fifo, os.O_RDONLY)
        self.pipeline = Gst.parse_launch(
            f"fdsrc fd={fd} blocksize=1048576 ! y4mdec ! "
            f"appsink name=buffer sync=false max-buffers={call.pre_frames} drop=true"
        )
        self.buffer = self.pipeline.get_by_name("buffer")
        self.recording = threading.Lock()
        self.pipeline.set_state(Gst.State.PLAYING)

    def wait_for_a_frame(self):
        while self.buffer.emit("try-pull-sample", Gst.SECOND) is None:
            pass

    def record(self, label, t, files):
        # One clip after the other: the buffer can be emptied only once.
        with self.recording:
            path = self.call.path(label, self.name, ".mkv")
            branch = Gst.parse_launch(
                f"appsrc name=frames format=time max-bytes=0 ! {peer.X264} ! {peer.MATROSKA} name=file"
            )
            branch.get_by_name("file").set_property("location", path)
            frames = branch.get_by_name("frames")
            branch.set_state(Gst.State.PLAYING)
            while time.monotonic() <= t + self.call.post_s:
                sample = self.buffer.emit("try-pull-sample", 10 * Gst.MSECOND)
                if sample is not None:
                    frames.emit("push-sample", sample)
            frames.emit("end-of-stream")
            branch.get_bus().timed_pop_filtered(
                30 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR
            )
            branch.set_state(Gst.State.NULL)
            files[self.name] = path


def main():
    Gst.init(None)
    for element in NEEDED:
        if Gst.ElementFactory.find(element) is None:
            raise SystemExit(f"GStreamer has no {element}")
    call = peer.called()
    cameras = [Camera(name, fifo, call) for name, fifo in call.fifos.items()]
    for camera in cameras:
        camera.wait_for_a_frame()
    peer.ready(os.getpid(), peer.X264)
    for label, t in peer.triggers():
        threading.Thread(target=peer.record, args=(cameras, label, t)).start()


main()
