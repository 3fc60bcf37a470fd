//! The user and the password of a camera in a network, from its config. How a camera is shown them is its backend's business.

use std::path::Path;

use proto::secret::Password;
use proto::source::CameraUrl;

/// A user, and the password.
#[derive(Debug)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// Never for a log, an argument list or a file.
    pub password: Password,
}

impl Login {
    /// The login in the URL, or that of `user` and `password_file`. The file is read each time, so that a new password needs
    /// no new start.
    ///
    /// # Errors
    /// The reason why there is no password, for a person.
    pub fn of(
        url: &CameraUrl,
        user: Option<&str>,
        password_file: Option<&Path>,
    ) -> Result<Option<Self>, String> {
        if let Some((user, password)) = &url.login {
            return Ok(Some(Self { user: user.clone(), password: Password::from(password.clone()) }));
        }
        let (Some(user), Some(file)) = (user, password_file) else { return Ok(None) };
        let password =
            Password::read(file).map_err(|why| format!("password_file: {} {why}", file.display()))?;
        Ok(Some(Self { user: user.to_owned(), password }))
    }
}

#[cfg(test)]
mod tests {
    use proto::source::Scheme;

    use super::*;

    #[test]
    fn the_login_is_the_urls_or_that_of_user_and_file_which_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let url = |text| CameraUrl::parse(Scheme::Rtsp, text).unwrap();
        let of = |text, user| {
            Login::of(&url(text), user, Some(&file))
                .map(|login| login.map(|login| (login.user, login.password.reveal().to_owned())))
        };
        let said = of("rtsp://h/", Some("me")).unwrap_err();
        assert!(said.starts_with("password_file: ") && said.contains("No such file"), "{said}");
        for password in ["first", "second"] {
            std::fs::write(&file, password).unwrap();
            assert_eq!(of("rtsp://h/", Some("me")), Ok(Some(("me".to_owned(), password.to_owned()))));
        }
        assert_eq!(of("rtsp://you:x%40@h/", None), Ok(Some(("you".to_owned(), "x@".to_owned()))));
        assert_eq!(of("rtsp://h/", None), Ok(None));
    }
}
