//! The keys that every camera has, and the checks of one camera. The keys of its backend are in
//! [`super::backend`].

use serde::{Deserialize, Deserializer};
use serde_saphyr::Location;

use super::backend::{self, Backend};
use super::camera_entry::{Camera, HEIGHT, WIDTH};
use super::checker::Checker;
use super::compressed;
use super::key::{Key, KeyOr, Row, Table};
use super::mapping;
use super::resolve::{Assumed, Typed};
use super::value::{At, Mapping};
use super::{CameraConfig, Mistake};
use crate::frame::{Fps, Geometry, PixelFormat};
use crate::name::Name;

/// The name that `supervisor restart` knows the recorder by.
const RECORDER: &str = "recorder";

static NAME: Key<String> = Key::text("name", "name").such_as("left").required().own();
static BACKEND: Key<String> = Key::one_of("backend", backend::names).required();
static FPS: Key<f64> =
    Key::number("fps", "frames a second").such_as("60 or 59.94").or_words("60, or what the camera says");
static PIXEL_FORMAT: Key<String> =
    Key::one_of("pixel_format", pixel_formats).or_words("I420, or what the camera says");
static LATENCY: KeyOr<f64> = Key::number("latency_ms", "milliseconds").such_as("40").or(0.0);
/// The keys that every camera has.
pub(super) static KEYS: &[&Row] =
    &[&NAME.row, &BACKEND.row, &WIDTH.row, &HEIGHT.row, &FPS.row, &PIXEL_FORMAT.row, &LATENCY.row];
/// The longest time that a camera may lie behind: a clip is kept open for so long.
const MAX_LATENCY_MS: f64 = 10_000.0;
/// The keys of a camera of any backend.
pub(super) static TABLE: Table = Table::of_two(&[KEYS, compressed::KEYS], backend::KEYS);

fn pixel_formats() -> Vec<&'static str> {
    PixelFormat::ALL.map(PixelFormat::name).to_vec()
}

/// A camera as it was typed, or the defaults for all cameras.
#[derive(Clone, Default)]
pub(super) struct TypedCamera(pub(super) Mapping);

impl<'de> Deserialize<'de> for TypedCamera {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mapping::read(&TABLE, deserializer).map(Self)
    }
}

impl TypedCamera {
    pub(super) fn is_named(&self, name: &Name) -> bool {
        self.0.get(&NAME).is_some_and(|typed| typed.value == name.as_str())
    }
}

impl Checker<'_> {
    pub(super) fn camera(
        &self,
        own: &Mapping,
        all: &Mapping,
        here: Location,
        index: u8,
    ) -> Result<CameraConfig, Mistake> {
        let name = self.camera_name(own, here)?;
        let Some(backend) = own.get(&BACKEND).or_else(|| all.get(&BACKEND)) else {
            let names = backend::names().join(", ");
            return self.wrong(here, format!("backend: camera {name} needs one of {names}"));
        };
        let kind = self.backend(&backend)?;
        self.only_its_own_keys(own, kind)?;
        let assumed = if backend::is_live(kind) { Assumed::LIVE } else { Assumed::OTHERS };
        let size = self.size(&name, own, all, here, &assumed)?;
        let (geometry, has_typed_size) = (size.geometry, size.is_typed);
        let camera = Camera { name: &name, geometry, has_typed_size, here, own, all };
        let typed_fps = camera.get(&FPS).map(|typed| self.fps(&typed)).transpose()?;
        let (backend, rate) = backend::check(kind, self, &camera, typed_fps.unwrap_or(assumed.fps))?;
        let Some(fps) = Fps::new(rate) else {
            return self.wrong(here, format!("camera {name}: {rate} is no number of frames a second"));
        };
        self.no_other_pixel_format(&name, own, &backend)?;
        let (clip, compressed) = self.compressed(&camera)?;
        let typed = Typed {
            size: has_typed_size.then(|| (geometry.width(), geometry.height())),
            fps: typed_fps.map(|_| fps),
            pixel_format: backend.pixel_format().or(size.typed_format),
        };
        let latency_ns = camera.typed(&LATENCY).map_or(Ok(0), |typed| self.latency_ns(&typed))?;
        let camera = CameraConfig::new(name, index, geometry, fps, backend);
        Ok(CameraConfig { typed, clip, compressed, latency_ns, ..camera }.without_offer())
    }

    fn camera_name(&self, own: &Mapping, here: Location) -> Result<Name, Mistake> {
        let Some(typed) = own.get(&NAME) else {
            return self.wrong(here, "name: every camera needs one, such as { name: left, backend: sim }");
        };
        let name = self.name(&typed, "name")?;
        if name.as_str() == RECORDER {
            let message = "name: `recorder` is the recorder's own name, in the command `restart recorder`";
            return self.wrong(typed.at, message);
        }
        Ok(name)
    }

    /// Size and pixel format, and which of them were typed.
    fn size(
        &self,
        name: &Name,
        own: &Mapping,
        all: &Mapping,
        here: Location,
        assumed: &Assumed,
    ) -> Result<Size, Mistake> {
        let typed = |key: &'static Key<u64>| own.get(key).or_else(|| all.get(key));
        let (width, height) = (typed(&WIDTH), typed(&HEIGHT));
        if assumed.is_of_a_live_camera && width.is_some() != height.is_some() {
            let (there, missing) = if width.is_some() { (&width, "height") } else { (&height, "width") };
            let message =
                format!("camera {name}: it says its own size; write {missing} too, or neither of the two");
            return self.wrong(there.as_ref().map_or(here, |typed| typed.at), message);
        }
        let is_typed = width.is_some() || height.is_some();
        let side = |typed: Option<At<u64>>, assumed| typed.unwrap_or(At { value: assumed, at: here });
        let (width, height) = (side(width, assumed.width), side(height, assumed.height));
        let typed_format = own.get(&PIXEL_FORMAT).or_else(|| all.get(&PIXEL_FORMAT));
        let typed_format = typed_format.map(|typed| self.pixel_format(&typed)).transpose()?;
        let format = typed_format.unwrap_or(PixelFormat::I420);
        let geometry = Geometry::new(pixels(width.value), pixels(height.value), format).or_else(|e| {
            // With a height that every format takes: is it the width?
            let width_alone = Geometry::new(pixels(width.value), 2, format);
            let place = if width_alone.is_err() { width.at } else { height.at };
            self.wrong(place, format!("camera {name}: {e}"))
        })?;
        Ok(Size { geometry, is_typed, typed_format })
    }

    /// Refuses a pixel format beside a key that says another one: it would be passed over in silence. One among the defaults for
    /// all cameras is for those that don't say it themselves.
    fn no_other_pixel_format(&self, name: &Name, own: &Mapping, backend: &Backend) -> Result<(), Mistake> {
        let Some(typed) = own.get(&PIXEL_FORMAT) else { return Ok(()) };
        let found = self.pixel_format(&typed)?;
        match backend.pixel_format() {
            Some(format) if format != found => {
                let message = format!(
                    "pixel_format: camera {name} is asked for {format} by its key format, and {found} is another; leave \
                     pixel_format out"
                );
                self.wrong(typed.at, message)
            }
            _ => Ok(()),
        }
    }

    /// Checks the defaults one by one: a mistake in one that no camera takes is a mistake all the same. Whether they
    /// fit together is each camera's matter.
    pub(super) fn defaults(&self, all: &Mapping) -> Result<(), Mistake> {
        for (key, place) in all.keys() {
            if TABLE.row(key).is_some_and(|row| row.own) {
                return self.wrong(
                    place,
                    format!("{key}: each camera needs its own; it can't be a default for all of them"),
                );
            }
        }
        for key in [&WIDTH, &HEIGHT] {
            let Some(side) = all.get(key) else { continue };
            if Geometry::new(pixels(side.value), 1, PixelFormat::GRAY8).is_err() {
                let name = key.row.name;
                let most = crate::frame::MAX_SIDE_PIXELS;
                return self.wrong(side.at, format!("{name}: {} is not 1 to {most} pixels", side.value));
            }
        }
        all.get(&FPS).map_or(Ok(0.0), |typed| self.fps(&typed))?;
        all.typed(&LATENCY).map_or(Ok(0), |typed| self.latency_ns(&typed))?;
        self.compressed_defaults(all)?;
        if let Some(typed) = all.get(&PIXEL_FORMAT) {
            self.pixel_format(&typed)?;
        }
        if let Some(typed) = all.get(&BACKEND) {
            self.backend(&typed)?;
        }
        backend::check_defaults(self, all)
    }

    /// The backend's own name, whatever its case in the file.
    fn backend(&self, typed: &At<String>) -> Result<&'static str, Mistake> {
        let names = backend::names();
        match names.iter().find(|name| name.eq_ignore_ascii_case(&typed.value)) {
            Some(name) => Ok(name),
            None => {
                let message = format!("backend: {:?} is not one of {}", typed.value, names.join(", "));
                self.wrong(typed.at, message)
            }
        }
    }

    fn pixel_format(&self, typed: &At<String>) -> Result<PixelFormat, Mistake> {
        PixelFormat::from_name(&typed.value).map_or_else(
            || {
                let names = pixel_formats().join(", ");
                self.wrong(typed.at, format!("pixel_format: {:?} is not one of {names}", typed.value))
            },
            Ok,
        )
    }

    fn fps(&self, typed: &At<f64>) -> Result<f64, Mistake> {
        if Fps::new(typed.value).is_some() {
            return Ok(typed.value);
        }
        let message = format!("fps: {} is not more than 0 and at most {}", typed.value, Fps::MAX);
        self.wrong(typed.at, message)
    }

    pub(super) fn latency_ns(&self, typed: &At<f64>) -> Result<u64, Mistake> {
        if !(0.0..=MAX_LATENCY_MS).contains(&typed.value) {
            let name = LATENCY.row.name;
            return self.wrong(typed.at, format!("{name}: {} is not 0 to {MAX_LATENCY_MS}", typed.value));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked first")]
        let ns = (typed.value * 1e6).round() as u64;
        Ok(ns)
    }

    /// Refuses a key of another backend: it would be passed over in silence.
    fn only_its_own_keys(&self, own: &Mapping, backend: &str) -> Result<(), Mistake> {
        let takes = |backend: &str, key: &str| backend::keys(backend).iter().any(|row| row.name == key);
        for (key, place) in own.keys() {
            let is_every_cameras = KEYS.iter().chain(compressed::KEYS).any(|row| row.name == key);
            if !is_every_cameras && !takes(backend, key) {
                let whose: Vec<_> = backend::names().into_iter().filter(|name| takes(name, key)).collect();
                let whose = whose.join(" and ");
                return self.wrong(place, format!("{key}: a key of {whose} cameras; this one is {backend}"));
            }
        }
        Ok(())
    }
}

/// A camera's size as its entry has it.
struct Size {
    geometry: Geometry,
    is_typed: bool,
    typed_format: Option<PixelFormat>,
}

/// A side that no picture can have stays one.
fn pixels(typed: u64) -> u32 {
    u32::try_from(typed).unwrap_or(u32::MAX)
}

/// The place of the text that says where a camera's frames come from, in the config's own text.
pub(super) fn place_of_source(camera: &TypedCamera) -> Option<Location> {
    backend::source_keys().find_map(|key| camera.0.place(key))
}
