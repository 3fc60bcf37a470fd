//! The life of backlog segments: the recorder makes them and gives them back, and this module removes those that a recorder
//! left behind. Every start keeps the ones that an open clip needs, the end of a run all those that it leaves clips to.

use proto::backlog::{self, Listed};
use proto::config::Config;
use proto::instance::RuntimeDir;

use super::needed::Needed;

/// Removes the segments that nobody can need: those whose ring no open clip names, and those of cameras that the config
/// doesn't have, for which no frame is encoded. Returns the memory of the others.
pub(crate) fn keep_needed(config: &Config, dir: &RuntimeDir, needed: &Needed) -> u64 {
    let (kept, others): (Vec<Listed>, Vec<Listed>) =
        list(dir).into_iter().partition(|segment| is_needed(segment, config, needed));
    remove(&others);
    kept.iter().map(|segment| segment.bytes).sum()
}

/// Removes every segment of this instance.
pub(crate) fn remove_all(dir: &RuntimeDir) {
    remove(&list(dir));
}

fn is_needed(segment: &Listed, config: &Config, needed: &Needed) -> bool {
    // A segment without a ring's id may be one that a living recorder is just making.
    let by_id = |id: Option<u64>| id.map_or(!needed.is_nothing(), |id| needed.has(id));
    config.camera(&segment.camera).is_some() && by_id(backlog::ring_id(&segment.segment))
}

fn list(dir: &RuntimeDir) -> Vec<Listed> {
    backlog::list(dir).unwrap_or_else(|e| {
        tracing::warn!("/dev/shm can't be listed: {e}; backlog segments of earlier runs stay there");
        Vec::new()
    })
}

fn remove(segments: &[Listed]) {
    for Listed { camera, segment, .. } in segments {
        match backlog::remove(segment) {
            Ok(()) => tracing::debug!("camera {camera}: backlog segment {segment} was no clip's any more"),
            Err(e) => tracing::warn!(
                camera = camera.as_str(),
                "camera {camera}: its backlog segment can't be removed: {e}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proto::backlog::layout::{CheckedHeader, Shape};
    use proto::backlog::{BacklogSegment, segment_name};
    use proto::name::Name;

    use super::*;

    fn make(dir: &RuntimeDir, camera: &str, number: u32, ring_id: u64) {
        let name = segment_name(dir, &Name::new(camera).unwrap(), number);
        let header = CheckedHeader { shape: Shape::of(2, 100).unwrap(), ring_id, number };
        drop(BacklogSegment::create(&name, &header).unwrap());
    }

    fn there(dir: &RuntimeDir) -> Vec<(String, u32)> {
        let listed = backlog::list(dir).unwrap();
        listed.into_iter().map(|segment| (segment.camera.to_string(), segment.number)).collect()
    }

    #[test]
    fn segments_stay_as_long_as_an_open_clip_names_their_ring() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(&folder.path().join("run")).unwrap();
        let text = "cameras: [{ name: left, backend: sim, width: 256, height: 64 }]\n";
        let config = Config::parse(Path::new("test.yaml"), text).unwrap();
        make(&dir, "left", 1, 7);
        make(&dir, "left", 2, 8);
        make(&dir, "gone", 1, 7);
        let no_segment = segment_name(&dir, &Name::new("left").unwrap(), 3);
        std::fs::write(no_segment.path(), "being made").unwrap();
        let bytes = keep_needed(&config, &dir, &Needed::of_rings([7]));
        assert_eq!(there(&dir), [("left".to_owned(), 1), ("left".to_owned(), 3)]);
        assert!(bytes > 4096, "{bytes}");
        assert_eq!(keep_needed(&config, &dir, &Needed::default()), 0);
        assert!(there(&dir).is_empty(), "no clip is open");
        make(&dir, "left", 1, 7);
        remove_all(&dir);
        assert!(there(&dir).is_empty());
    }
}
