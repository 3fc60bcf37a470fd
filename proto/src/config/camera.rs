//! The keys that every camera has, and the checks of one camera. The keys of its backend are in
//! [`super::backend`].

use serde::{Deserialize, Deserializer};
use serde_saphyr::Location;

use super::backend;
use super::camera_entry::{Camera, HEIGHT, WIDTH};
use super::checker::Checker;
use super::key::{Key, KeyOr, Row, Table};
use super::mapping;
use super::value::{At, Mapping};
use super::{CameraConfig, Mistake};
use crate::frame::{Fps, Geometry, PixelFormat};
use crate::name::Name;

/// The name that `supervisor restart` knows the recorder by.
const RECORDER: &str = "recorder";

static NAME: Key<String> = Key::text("name", "name").such_as("left").required().own();
static BACKEND: Key<String> = Key::one_of("backend", backend::names).required();
static FPS: KeyOr<f64> = Key::number("fps", "frames a second").such_as("60 or 59.94").or(60.0);
static PIXEL_FORMAT: KeyOr<String> = Key::one_of("pixel_format", pixel_formats).or("I420");
/// The keys that every camera has.
pub(super) static KEYS: &[&Row] =
    &[&NAME.row, &BACKEND.row, &WIDTH.row, &HEIGHT.row, &FPS.row, &PIXEL_FORMAT.row];
/// The keys of a camera of any backend.
pub(super) static TABLE: Table = Table::of_two(&[KEYS], backend::KEYS);

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
        let geometry = self.geometry(&name, own, all, here)?;
        let camera = Camera { name: &name, geometry, here, own, all };
        let kind = self.backend(&backend)?;
        self.only_its_own_keys(own, kind)?;
        let fps = self.fps(&camera.typed(&FPS).unwrap_or(At { value: FPS.default, at: here }))?;
        let (backend, rate) = backend::check(kind, self, &camera, fps)?;
        let Some(fps) = Fps::new(rate) else {
            return self.wrong(here, format!("camera {name}: {rate} is no number of frames a second"));
        };
        Ok(CameraConfig { name, index, geometry, fps, backend })
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

    fn geometry(
        &self,
        name: &Name,
        own: &Mapping,
        all: &Mapping,
        here: Location,
    ) -> Result<Geometry, Mistake> {
        let side = |key: &'static KeyOr<u64>| {
            let default = At { value: key.default, at: here };
            own.typed(key).or_else(|| all.typed(key)).unwrap_or(default)
        };
        let (width, height) = (side(&WIDTH), side(&HEIGHT));
        let format = match own.typed(&PIXEL_FORMAT).or_else(|| all.typed(&PIXEL_FORMAT)) {
            Some(typed) => self.pixel_format(&typed)?,
            None => PixelFormat::I420,
        };
        Geometry::new(pixels(width.value), pixels(height.value), format).or_else(|e| {
            // With a height that every format takes: is it the width?
            let width_alone = Geometry::new(pixels(width.value), 2, format);
            let place = if width_alone.is_err() { width.at } else { height.at };
            self.wrong(place, format!("camera {name}: {e}"))
        })
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
            let Some(side) = all.typed(key) else { continue };
            if Geometry::new(pixels(side.value), 1, PixelFormat::GRAY8).is_err() {
                let name = key.row.name;
                let most = crate::frame::MAX_SIDE_PIXELS;
                return self.wrong(side.at, format!("{name}: {} is not 1 to {most} pixels", side.value));
            }
        }
        all.typed(&FPS).map_or(Ok(0.0), |typed| self.fps(&typed))?;
        if let Some(typed) = all.typed(&PIXEL_FORMAT) {
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

    /// Refuses a key of another backend: it would be passed over in silence.
    fn only_its_own_keys(&self, own: &Mapping, backend: &str) -> Result<(), Mistake> {
        let takes = |backend: &str, key: &str| backend::keys(backend).iter().any(|row| row.name == key);
        for (key, place) in own.keys() {
            if !KEYS.iter().any(|row| row.name == key) && !takes(backend, key) {
                let whose: Vec<_> = backend::names().into_iter().filter(|name| takes(name, key)).collect();
                let whose = whose.join(" and ");
                return self.wrong(place, format!("{key}: a key of {whose} cameras; this one is {backend}"));
            }
        }
        Ok(())
    }
}

/// A side that no picture can have stays one.
fn pixels(typed: u64) -> u32 {
    u32::try_from(typed).unwrap_or(u32::MAX)
}

/// The place of the text that says where a camera's frames come from, in the config's own text.
pub(super) fn place_of_source(camera: &TypedCamera) -> Option<Location> {
    backend::source_keys().find_map(|key| camera.0.place(key))
}
