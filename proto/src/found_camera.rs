//! The cameras that this machine can see, as `capture --list-devices` and its like find them and `preroll cameras --json` prints
//! them: a list of [`FoundCamera`]s.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A camera, or a device of which no more can be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FoundCamera {
    /// The camera's own name.
    pub name: String,
    /// The node, `/dev/videoN`: the number may change. Empty of a camera that has none.
    pub node: PathBuf,
    /// The driver, such as `uvcvideo`, or `aravis`; empty if it can't be opened.
    pub driver: String,
    /// The USB port, such as `1-1.2`.
    pub usb_port: Option<String>,
    /// The serial number.
    pub serial: Option<String>,
    /// The IP address, or the place on USB, of a GigE Vision or USB3 Vision camera.
    pub address: Option<String>,
    /// The name that its owner has given a GigE Vision camera.
    pub owner_name: Option<String>,
    /// udev's link to it by model and serial number.
    pub by_id: Option<PathBuf>,
    /// udev's link to it by port.
    pub by_path: Option<PathBuf>,
    /// The reason why it can't be opened, for a person.
    pub problem: Option<String>,
    /// Everything that it offers.
    pub modes: Vec<FoundMode>,
    /// An entry for `cameras` in a config, ready to be copied; none for a camera that can't be recorded.
    pub config: Option<String>,
}

/// A pixel format at a size or at a row of sizes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FoundMode {
    /// The pixel format, as `format` in a config names it.
    pub format: String,
    /// False for a format that Preroll doesn't record.
    pub is_recorded: bool,
    /// The width in pixels; of a row of sizes, the most.
    pub width: u32,
    /// The height in pixels; of a row of sizes, the most.
    pub height: u32,
    /// Of a row of sizes: its least width and height, and the steps.
    pub row: Option<SizeRow>,
    /// Frames a second, the most first.
    pub fps: Vec<f64>,
}

/// A row of sizes: the least width and height, and the steps from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeRow {
    /// In pixels.
    pub least_width: u32,
    /// In pixels.
    pub least_height: u32,
    /// In pixels.
    pub width_step: u32,
    /// In pixels.
    pub height_step: u32,
}
