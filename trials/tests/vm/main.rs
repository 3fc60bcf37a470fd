//! Cameras of the V4L2 kind, in a virtual machine: the kernel's test driver vivid, and USB cameras that are programs. `make vm` runs
//! them; elsewhere they are passed over, since they need root and change the machine's USB bus.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod descriptors;
mod numbered_jpeg;
mod usb;
mod usb_camera;
mod vivid;
