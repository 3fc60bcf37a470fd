//! Reading a plan: what the file says, then whether a clip can be recorded by it. A plan is a file in a folder that people
//! and programs can write to, so it is checked as a config is.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::{PLAN_SCHEMA, Plan, PlannedCamera};
use crate::frame::{Fps, Geometry};

/// The longest window: a day of post-roll, and an hour for the pre-roll.
pub(super) const LONGEST_WINDOW: Duration = Duration::from_secs(25 * 3600);
/// More cameras than any config may have.
const MOST_CAMERAS: usize = 256;

/// The reason why a plan can't be recorded.
#[derive(Debug, thiserror::Error)]
pub enum BadPlan {
    /// The text is no plan.
    #[error("its plan can't be read: {0}")]
    Text(#[from] serde_json::Error),
    /// The plan says something that can't be.
    #[error("its plan can't be right: {0}")]
    Value(String),
}

impl Plan {
    /// Reads the plan of the clip in this folder.
    ///
    /// # Errors
    /// [`BadPlan`].
    pub fn read(text: &[u8], clip_folder: &Path) -> Result<Self, BadPlan> {
        let plan: Self = serde_json::from_slice(text)?;
        plan.check(clip_folder).map_err(BadPlan::Value)?;
        Ok(plan)
    }

    fn check(&self, clip_folder: &Path) -> Result<(), String> {
        let Self { schema, clip_id, window, cameras, .. } = self;
        if *schema == 0 || *schema > PLAN_SCHEMA {
            return Err(format!("schema is {schema}, and this version knows up to {PLAN_SCHEMA}"));
        }
        if clip_folder.file_name().is_none_or(|name| name.to_str() != Some(clip_id)) {
            return Err(format!("clip_id is {:.80?}, which is not its folder's name", clip_id));
        }
        if window.start_ns > window.end_ns {
            return Err("its window ends before it starts".into());
        }
        if window.span() > LONGEST_WINDOW {
            return Err(format!("its window is {} s long", window.span().as_secs()));
        }
        if self.asked_start_ns > window.end_ns {
            return Err("asked_start_ns is after the window's end".into());
        }
        if self.origin.as_ref().is_some_and(|origin| !origin.is_sane()) {
            return Err("origin names no instance".into());
        }
        if cameras.is_empty() || cameras.len() > MOST_CAMERAS {
            return Err(format!("it names {} cameras", cameras.len()));
        }
        let names: BTreeSet<_> = cameras.iter().map(|camera| &camera.name).collect();
        if names.len() < cameras.len() {
            return Err("it names a camera twice".into());
        }
        cameras.iter().try_for_each(PlannedCamera::check)
    }
}

impl PlannedCamera {
    fn check(&self) -> Result<(), String> {
        let no = |why: String| Err(format!("camera {}: {why}", self.name));
        if Fps::from_milli(u64::from(self.fps.milli())).is_none() {
            return no(format!("fps is {} thousandths", self.fps.milli()));
        }
        match Geometry::new(self.geometry.width(), self.geometry.height(), self.geometry.format()) {
            Ok(_) => Ok(()),
            Err(e) => no(e.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "schema": 1, "clip_id": "clip-0001", "label": null, "boot_id": "b",
            "wall": { "monotonic_ns": 0, "unix_ns": 0 }, "trigger_ns": 5,
            "window": { "start_ns": 4, "end_ns": 6 }, "asked_start_ns": 4, "notes": [],
            "cameras": [{
                "name": "left", "index": 0, "ring_id": 7, "fps": 60_000, "capture_time": "device",
                "geometry": { "width": 320, "height": 192, "format": "I420" },
            }],
        })
    }

    fn read(plan: &Value) -> Result<Plan, BadPlan> {
        Plan::read(plan.to_string().as_bytes(), Path::new("/recordings/run_1/clip-0001"))
    }

    #[test]
    fn a_plan_of_an_older_version_is_read_with_what_it_did_not_know() {
        let plan = read(&good()).unwrap();
        assert_eq!((plan.origin, plan.cameras[0].variable_rate), (None, false));
    }

    #[test]
    fn a_plan_that_can_not_be_right_is_refused_with_the_reason() {
        let camera = |key: &str, value: Value| {
            let mut plan = good();
            plan["cameras"][0][key] = value;
            plan
        };
        let with = |key: &str, value: Value| {
            let mut plan = good();
            plan[key] = value;
            plan
        };
        let two = json!([good()["cameras"][0], good()["cameras"][0]]);
        let origin = json!({ "instance": "../..", "runtime_dir": null, "machine": "m" });
        for (plan, words) in [
            (camera("fps", json!(0)), "fps"),
            (camera("fps", json!(4_000_000_000_u32)), "fps"),
            (camera("geometry", json!({ "width": 0, "height": 192, "format": "I420" })), "0x192"),
            (camera("geometry", json!({ "width": 70_000, "height": 1, "format": "I420" })), "70000x1"),
            (camera("name", json!("../left")), "name"),
            (with("cameras", json!([])), "0 cameras"),
            (with("cameras", two), "twice"),
            (with("window", json!({ "start_ns": 6, "end_ns": 4 })), "ends before"),
            (with("window", json!({ "start_ns": 0, "end_ns": u64::MAX })), "s long"),
            (with("asked_start_ns", json!(7)), "asked_start_ns"),
            (with("clip_id", json!("clip-0002")), "clip_id"),
            (with("clip_id", json!("../x")), "clip_id"),
            (with("schema", json!(99)), "schema"),
            (with("schema", json!(0)), "schema"),
            (with("origin", origin), "origin"),
            (json!([]), "can't be read"),
        ] {
            let why = read(&plan).unwrap_err().to_string();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn a_plan_cut_or_changed_anywhere_is_read_or_refused_and_never_panics() {
        let text = good().to_string().into_bytes();
        let folder = Path::new("/recordings/run_1/clip-0001");
        for at in 0..text.len() {
            let _ = Plan::read(&text[..at], folder);
            for bit in 0..8 {
                let mut changed = text.clone();
                changed[at] ^= 1 << bit;
                if let Ok(plan) = Plan::read(&changed, folder) {
                    assert!(plan.window.span() <= LONGEST_WINDOW);
                    plan.cameras.iter().for_each(|camera| assert!(!camera.fps.period().is_zero()));
                }
            }
        }
    }
}
