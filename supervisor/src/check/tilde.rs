//! A look for paths that begin with `~`. Only a shell puts a home folder in its place; in a config it is a folder of that
//! name, which hardly anybody wants.

use std::path::{Component, Path};

use proto::config::{Backend, Config};

/// A warning for each path of the config that begins so.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let films = config.cameras.iter().filter_map(|camera| match &camera.backend {
        Backend::File(file) => Some((format!("camera {}: path", camera.name), file.path.as_path())),
        Backend::Pipe(pipe) => Some((format!("camera {}: path", camera.name), pipe.path.as_path())),
        network @ (Backend::Mjpeg(_) | Backend::Rtsp(_)) => {
            Some((format!("camera {}: password_file", camera.name), network.password_file()?))
        }
        Backend::Sim(_) | Backend::Opencv(_) | Backend::V4l2(_) | Backend::Gige(_) => None,
    });
    let output_dir = ("recording.output_dir".to_owned(), config.recording.output_dir.as_path());
    let paths = std::iter::once(output_dir).chain(films);
    paths.filter_map(|(key, path)| Some(format!("{key}: {}", hint(path)?))).collect()
}

/// The path that such a path stands for.
fn hint(path: &Path) -> Option<String> {
    let Some(Component::Normal(first)) = path.components().next() else { return None };
    let absolute = std::path::absolute(path).ok()?;
    first.to_string_lossy().starts_with('~').then(|| {
        format!(
            "only a shell replaces the ~ in {}; here it is {}; write the path out, from / on",
            path.display(),
            absolute.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_that_begins_with_a_tilde_is_told_of() {
        for path in ["~", "~/clips", "~rig/clips"] {
            let said = hint(Path::new(path)).unwrap();
            assert!(said.contains(&format!("/{path};")), "{said}");
        }
        for path in ["clips", "/home/rig/~", "./~", "", "a/~/b"] {
            assert_eq!(hint(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn the_key_is_named() {
        let text =
            "cameras: [{ name: left, backend: file, path: ~/a.mp4 }]\nrecording: { output_dir: ~/clips }\n";
        let said = warnings(&Config::parse(Path::new("x.yaml"), text).unwrap());
        let [output, film] = &said[..] else { panic!("{said:?}") };
        assert!(
            output.starts_with("recording.output_dir: ") && film.starts_with("camera left: path: "),
            "{said:?}"
        );
    }
}
