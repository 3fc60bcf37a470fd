//! The limits of this process that its children inherit, compared with what a config needs: the size of a file
//! (`ulimit -f`) and the address space (`ulimit -v`). Descriptors are in [`crate::descriptors`]; threads are found short
//! when one is started.

use proto::config::{CameraConfig, Config};
use proto::storage::mb;
use rustix::process::{Resource, getrlimit};

use super::price;
use crate::failure::Failure;

/// Address space that a recorder takes beside the rings: its libraries and the stacks of its threads. Measured with two
/// cameras of 640x480, whose rings take 50 MB: 376 MB at its peak. Under a limit of 400 MB clips came out complete, under
/// 350 MB a ring couldn't be mapped. Larger pictures take more, so a limit just above this may still be too low.
const SPACE_FOR_THE_REST: u64 = 320_000_000;

/// The limits of this process in bytes; none is "unlimited".
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    file: Option<u64>,
    space: Option<u64>,
}

/// Refuses a config that can't work under the limits of this process, and warns about one whose clips may not.
pub(crate) fn look(config: &Config) -> Result<Option<String>, Failure> {
    let limit = |resource| getrlimit(resource).current;
    let limits = Limits { file: limit(Resource::Fsize), space: limit(Resource::As) };
    limits.allow(config).map_err(Failure::failed)
}

impl Limits {
    fn allow(self, config: &Config) -> Result<Option<String>, String> {
        let rings = || config.cameras.iter().filter_map(|camera| Some((camera, ring_bytes(config, camera)?)));
        let needed = rings().map(|(_, bytes)| bytes).sum::<u64>().saturating_add(SPACE_FOR_THE_REST);
        if let Some(limit) = self.space.filter(|limit| *limit < needed) {
            return Err(format!(
                "a process may have {:.0} MB of address space, and one that maps every ring needs {:.0} MB or more; raise \
                 the limit (ulimit -v unlimited, or LimitAS= of the unit), or ask for less pre-roll",
                mb(limit),
                mb(needed)
            ));
        }
        let Some(limit) = self.file else { return Ok(None) };
        if let Some((camera, bytes)) = rings().find(|(_, bytes)| limit < *bytes) {
            return Err(format!(
                "a file may have {:.1} MB, and the ring of camera {} is one of {:.1} MB in shared memory; raise the limit \
                 (ulimit -f unlimited, or LimitFSIZE= of the unit), or ask for less pre-roll",
                mb(limit),
                camera.name,
                mb(bytes)
            ));
        }
        let too_large = config.cameras.iter().map(|camera| (camera, clip_bytes(config, camera)));
        let too_large = too_large.filter(|(_, bytes)| limit < *bytes).max_by_key(|(_, bytes)| *bytes);
        Ok(too_large.map(|(camera, bytes)| {
            format!(
                "a file may have {:.1} MB, and a clip of camera {} takes about {:.1} MB (a guess); raise the limit (ulimit \
                 -f unlimited, or LimitFSIZE= of the unit)",
                mb(limit),
                camera.name,
                mb(bytes)
            )
        }))
    }
}

fn ring_bytes(config: &Config, camera: &CameraConfig) -> Option<u64> {
    Some(config.ring_spec(camera)?.layout()?.total_bytes as u64)
}

/// The size of a clip of the config's own length, by a guess.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a guess, of positive numbers")]
fn clip_bytes(config: &Config, camera: &CameraConfig) -> u64 {
    let ms = config.recording.pre_roll_ms.saturating_add(config.recording.post_roll_ms);
    (price::camera_bytes_per_s(camera, price::codec(camera, config))
        * std::time::Duration::from_millis(ms).as_secs_f64()) as u64
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config() -> Config {
        let text = "cameras:\n  - { name: left, backend: sim, width: 640, height: 480, fps: 60 }\n\
                    recording: { post_roll_ms: 600000 }\n";
        Config::parse(Path::new("one.yaml"), text).unwrap()
    }

    #[test]
    fn no_limit_is_no_matter() {
        assert_eq!(Limits::default().allow(&config()), Ok(None));
    }

    #[test]
    fn a_limit_below_a_ring_is_refused_and_one_below_a_clip_is_a_warning() {
        let config = config();
        let ring = ring_bytes(&config, &config.cameras[0]).unwrap();
        let under = |file| Limits { file: Some(file), space: None }.allow(&config);
        let refused = under(ring - 1).unwrap_err();
        assert!(refused.contains("ring of camera left") && refused.contains("ulimit -f"), "{refused}");
        let warned = under(ring).unwrap().unwrap();
        assert!(warned.contains("a clip of camera left") && warned.contains("ulimit -f"), "{warned}");
        assert_eq!(under(1 << 40), Ok(None));
    }

    #[test]
    fn an_address_space_too_small_for_the_rings_is_refused() {
        let under = |space| Limits { file: None, space: Some(space) }.allow(&config());
        let refused = under(SPACE_FOR_THE_REST).unwrap_err();
        assert!(refused.contains("address space") && refused.contains("ulimit -v"), "{refused}");
        assert_eq!(under(1 << 40), Ok(None));
    }
}
