//! Opening a camera, step by step: found, asked for size and rate, given its features, and asked what it gives now.

use std::net::Ipv4Addr;
use std::time::Duration;

use aravis::glib::prelude::Cast as _;
use aravis::prelude::*;
use aravis::{
    AccessCheckPolicy, AcquisitionMode, Camera, Device, GvDevice, GvPacketSizeAdjustment, GvStreamOption,
    RangeCheckPolicy,
};
use capture::source::CameraSetup;
use proto::config::{CameraConfig, Feature, GigeConfig};
use proto::frame::{CaptureTime, Fps, Payload};
use proto::offer::Offer;

use super::cameras::{self, Heard};
use super::features;
use super::gvcp::Gvcp;
use super::nodes::Nodes;
use super::pixels::{Format, Layout};
use super::refused::Refused;

/// A camera whose address is known has this long to answer, each time of two.
const ANSWERS_WITHIN: Duration = Duration::from_millis(250);
/// Rates within this part of each other are one: cameras round to their own clock.
const SAME_RATE: f64 = 0.01;
/// The features that say how large packets are: whoever sets one wants no other.
const PACKET_SIZES: [&str; 2] = ["GevSCPSPacketSize", "ArvGevSCPSPacketSize"];
/// The features that this module sets unless the config does.
const PIXEL_FORMAT: &str = "PixelFormat";
const ACQUISITION_MODE: &str = "AcquisitionMode";

/// The wishes of a config.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The camera as the config names it.
    pub(crate) camera: String,
    pub(crate) features: Vec<Feature>,
    /// Width and height, if the config says them.
    pub(crate) size: Option<(u32, u32)>,
    /// The rate, if the config says it.
    pub(crate) fps: Option<Fps>,
}

impl Request {
    pub(crate) fn new(camera: &CameraConfig, config: &GigeConfig) -> Self {
        Self {
            camera: config.camera.clone(),
            features: config.features.clone(),
            size: camera.typed.size,
            fps: camera.typed.fps,
        }
    }

    fn sets(&self, name: &str) -> bool {
        self.features.iter().any(|feature| feature.name == name)
    }
}

/// A camera that is open and doesn't stream yet.
pub(crate) struct Opened {
    pub(crate) camera: Camera,
    pub(crate) device: Device,
    /// As it was found.
    pub(crate) heard: Heard,
    pub(crate) layout: Layout,
    pub(crate) fps: Fps,
    /// Frames come when it is triggered, and none otherwise.
    pub(crate) is_triggered: bool,
    /// Frames carry times of the camera's own clock.
    pub(crate) has_own_clock: bool,
}

impl Opened {
    /// The frames that it gives.
    pub(crate) fn offer(&self) -> Offer {
        Offer {
            payload: Payload::Planes,
            pixel_format: self.layout.format.in_ring,
            width: self.layout.width,
            height: self.layout.height,
            fps: self.fps.as_f64(),
            variable_rate: self.is_triggered,
            reorders: false,
            capture_time: if self.has_own_clock { CaptureTime::Device } else { CaptureTime::Arrival },
        }
    }

    /// Is the ring of this setup made for its frames?
    pub(crate) fn fits(&self, setup: &CameraSetup) -> bool {
        let (offer, ring) = (self.offer(), setup.ring.spec());
        (ring.payload, ring.geometry.format()) == (offer.payload, offer.pixel_format)
            && (ring.geometry.width(), ring.geometry.height()) == (offer.width, offer.height)
    }
}

/// Opens a camera. `before`: as it was found the last time, which saves a second of listening.
///
/// # Errors
/// [`Refused`].
pub(crate) fn open(request: &Request, before: Option<&Heard>) -> Result<Opened, Refused> {
    let (camera, heard) = find(&request.camera, before)?;
    let device = camera.device().ok_or_else(|| Refused::NotOpened("aravis shows no device of it".into()))?;
    let of_network = device.downcast_ref::<GvDevice>();
    if of_network.is_some_and(|device| !device.is_controller()) {
        return Err(Refused::InUse);
    }
    // aravis sends whatever it is told to otherwise, and the camera's refusal is a number.
    camera.set_range_check_policy(RangeCheckPolicy::Enable);
    camera.set_access_check_policy(AccessCheckPolicy::Enable);
    if of_network.is_some() {
        // Every user receives in one way: packet sockets need root, and double what comes over the loopback interface.
        camera.gv_set_stream_options(GvStreamOption::PACKET_SOCKET_DISABLED);
        let is_typed = PACKET_SIZES.iter().any(|name| request.sets(name));
        let adjustment = if is_typed { GvPacketSizeAdjustment::Never } else { GvPacketSizeAdjustment::Once };
        camera.gv_set_packet_size_adjustment(adjustment);
    }
    ask_for(&camera, request)?;
    features::set(&Nodes(&device), &request.features)?;
    let layout = layout(&camera, request)?;
    Ok(Opened {
        layout,
        fps: rate(&camera, request)?,
        is_triggered: is_triggered(&device),
        has_own_clock: of_network
            .is_none_or(|device| device.timestamp_tick_frequency().is_ok_and(|ticks| ticks > 0)),
        camera,
        device,
        heard,
    })
}

/// Finds a camera and opens it.
fn find(wanted: &str, before: Option<&Heard>) -> Result<(Camera, Heard), Refused> {
    if let Ok(address) = wanted.parse::<Ipv4Addr>() {
        if !is_there(address) {
            return Err(Refused::NoAnswer(address));
        }
        let camera = opened(wanted)?;
        let heard = described(&camera, address);
        return Ok((camera, heard));
    }
    // Another camera may have the address now.
    if let Some((before, address)) = before.and_then(|before| Some((before, before.ip()?)))
        && is_there(address)
        && let Ok(camera) = opened(&before.address)
        && described(&camera, address).serial == before.serial
    {
        return Ok((camera, before.clone()));
    }
    let heard = cameras::choose(cameras::heard(), wanted)?;
    Ok((opened(&heard.id)?, heard))
}

fn is_there(address: Ipv4Addr) -> bool {
    Gvcp::to(address).is_ok_and(|mut camera| camera.answers(ANSWERS_WITHIN) || camera.answers(ANSWERS_WITHIN))
}

fn opened(name: &str) -> Result<Camera, Refused> {
    Camera::new(Some(name)).map_err(|error| Refused::NotOpened(error.message().to_owned()))
}

/// A camera that was opened by its address, in its own words.
fn described(camera: &Camera, address: Ipv4Addr) -> Heard {
    let text = |text: Result<aravis::glib::GString, _>| text.map(String::from).unwrap_or_default();
    Heard {
        vendor: text(camera.vendor_name()),
        model: text(camera.model_name()),
        serial: text(camera.device_serial_number()),
        address: address.to_string(),
        ..Heard::default()
    }
}

fn failed(doing: &'static str) -> impl Fn(aravis::glib::Error) -> Refused {
    move |error| Refused::Failed { doing, why: error.message().to_owned() }
}

/// Asks for what the config says of every camera. Its features come behind that, and so they count.
fn ask_for(camera: &Camera, request: &Request) -> Result<(), Refused> {
    if !request.sets(ACQUISITION_MODE) {
        let mode = camera.set_acquisition_mode(AcquisitionMode::Continuous);
        mode.map_err(failed("let it give frames until it is stopped"))?;
    }
    if let Some((width, height)) = request.size
        && size(camera)? != (width, height)
    {
        let pixels = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
        let set = camera.set_region(0, 0, pixels(width), pixels(height));
        set.map_err(failed("set its width and height"))?;
    }
    if let Some(fps) = request.fps
        && camera.is_frame_rate_available().unwrap_or(false)
    {
        camera.set_frame_rate(fps.as_f64()).map_err(failed("set its frames a second"))?;
    }
    Ok(())
}

fn size(camera: &Camera) -> Result<(u32, u32), Refused> {
    let (_, _, width, height) = camera.region().map_err(failed("ask it for its width and height"))?;
    Ok((u32::try_from(width).unwrap_or(0), u32::try_from(height).unwrap_or(0)))
}

/// The form of its frames: as it gives them, or the nearest that is recorded.
fn layout(camera: &Camera, request: &Request) -> Result<Layout, Refused> {
    let given = camera.pixel_format().map_err(failed("ask it for its pixel format"))?.raw();
    let available: Vec<u32> = camera
        .dup_available_pixel_formats()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|code| u32::try_from(code).ok())
        .collect();
    let format = Format::choose(given, &available, request.sets(PIXEL_FORMAT))?;
    if format.code != given {
        let set = camera.set_pixel_format(aravis::PixelFormat::from_raw(format.code));
        set.map_err(failed("set its pixel format"))?;
    }
    let (width, height) = size(camera)?;
    match request.size {
        Some(asked) if asked != (width, height) => Err(Refused::OtherSize { asked, given: (width, height) }),
        _ => Ok(Layout { format, width, height }),
    }
}

/// The frames a second that it makes: of a camera that is triggered, the most.
fn rate(camera: &Camera, request: &Request) -> Result<Fps, Refused> {
    let given = match camera.is_frame_rate_available() {
        Ok(true) => camera.frame_rate().ok().and_then(Fps::new),
        _ => None,
    };
    match (request.fps, given) {
        (Some(asked), Some(given)) if !is_same(asked, given) => Err(Refused::OtherRate { asked, given }),
        (Some(asked), _) => Ok(asked),
        (None, Some(given)) => Ok(given),
        (None, None) => Err(Refused::NoRate),
    }
}

fn is_same(asked: Fps, given: Fps) -> bool {
    (given.as_f64() / asked.as_f64() - 1.0).abs() <= SAME_RATE
}

fn is_triggered(device: &Device) -> bool {
    device.string_feature_value("TriggerMode").is_ok_and(|mode| mode == "On")
}
