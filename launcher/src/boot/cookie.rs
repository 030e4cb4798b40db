//! Where the cookie comes from, and the words about cookies that everybody knows.

use std::path::{Path, PathBuf};

use shims::cookie::Cookie;

use crate::boot::config::BootConfigs;
use crate::error::Error;
use crate::host::environment::Environment;
use crate::release::Release;
use crate::sourced::{Origin, Sourced};

/// The cookie of EMQX's example configurations, as well known as the default one.
const SAMPLE_COOKIE: &str = "emqxsecretcookie";

/// What a cookie setting says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CookieSource {
    /// The cookie itself.
    Literal(String),
    /// A file or FIFO that holds it: `file://PATH`. A FIFO can be read once.
    File(PathBuf),
}

impl CookieSource {
    /// Reads a setting.
    pub fn parse(setting: &str) -> CookieSource {
        match setting.strip_prefix("file://") {
            Some(path) => CookieSource::File(PathBuf::from(path)),
            None => CookieSource::Literal(setting.to_owned()),
        }
    }
}

/// What may be read to find out the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Whatever the setting names.
    Everything,
    /// Files alone: what a FIFO holds is gone when it was read, and is for a boot.
    FilesOnly,
}

/// Stands for a cookie that was not read.
const UNREAD: &str = "unread";

fn is_no_file(path: &Path) -> bool {
    fs_err::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// The cookie itself. One that was read from a file is handed on in the environment, because a
/// FIFO cannot be read a second time.
///
/// # Errors
/// A cookie file that cannot be read or holds no usable cookie.
pub fn resolve_cookie(
    release: &Release,
    env: &mut Environment,
    configs: &BootConfigs,
    reading: Reading,
) -> Result<Sourced<Cookie>, Error> {
    let default = || {
        release
            .default_cookie
            .clone()
            .map(|cookie| cookie.expose().to_owned())
    };
    let setting = env
        .sourced("EMQX_NODE__COOKIE")
        .or_else(|| configs.sourced(env, "node.cookie"))
        .unwrap_or_else(default);
    match CookieSource::parse(&setting) {
        CookieSource::Literal(cookie) => {
            check_characters(&cookie)?;
            Ok(setting.map(|_| Cookie::new(cookie)))
        }
        CookieSource::File(path) if reading == Reading::FilesOnly && is_no_file(&path) => {
            // In place of what would be read.
            env.set("EMQX_NODE__COOKIE", UNREAD);
            let origin = Origin::File(path, Box::new(setting.origin().clone()));
            Ok(Sourced::new(Cookie::new(UNREAD.to_owned()), origin))
        }
        CookieSource::File(path) => {
            let content = fs_err::read_to_string(&path).map_err(|error| {
                Error::Cookie(format!("node.cookie file cannot be read: {error}"))
            })?;
            let cookie = cookie_of_file(&path, &content)?;
            check_characters(&cookie)?;
            env.set("EMQX_NODE__COOKIE", &cookie);
            let origin = Origin::File(path, Box::new(setting.origin().clone()));
            Ok(Sourced::new(Cookie::new(cookie), origin))
        }
    }
}

/// A letter outside of ASCII is another byte for a VM in another locale, so that nodes with the same
/// cookie would refuse each other; a control character breaks the file of arguments.
fn check_characters(cookie: &str) -> Result<(), Error> {
    let is_usable = |c: char| c.is_ascii() && !c.is_ascii_control();
    if cookie.chars().all(is_usable) {
        return Ok(());
    }
    Err(Error::Cookie(
        "the cookie holds a character that is not printable ASCII, which nodes do not agree on"
            .into(),
    ))
}

/// Checks what a cookie file holds and gives the cookie.
///
/// # Errors
/// When it is empty or holds a character that no command line can carry.
pub fn cookie_of_file(path: &Path, content: &str) -> Result<String, Error> {
    let cookie = content.trim_end_matches(['\n', '\r']);
    if cookie.is_empty() {
        return Err(Error::Cookie(format!(
            "node.cookie file '{}' is empty",
            path.display()
        )));
    }
    if cookie.contains(|c: char| matches!(c, '\\' | '\'' | '"') || c.is_whitespace()) {
        return Err(Error::Cookie(format!(
            "the cookie in '{}' holds a backslash, a quote or a blank, which is not allowed",
            path.display()
        )));
    }
    Ok(cookie.to_owned())
}

/// Warnings for a cookie that everybody knows; a refusal where the profile forbids it.
///
/// # Errors
/// A well-known cookie under a profile other than `legacy`.
pub fn check_default_cookie(
    cookie: &str,
    default: &str,
    etc: &Path,
    profile: &str,
) -> Result<Vec<String>, Error> {
    if cookie != default && cookie != SAMPLE_COOKIE {
        return Ok(Vec::new());
    }
    if profile != "legacy" {
        return Err(Error::DefaultCookie {
            profile: profile.to_owned(),
        });
    }
    Ok(vec![
        "the default (insecure) Erlang cookie is in use.".into(),
        format!(
            "Configure node.cookie in {}/emqx.conf or set EMQX_NODE__COOKIE.",
            etc.display()
        ),
        "All nodes of a cluster must have the same cookie.".into(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_file_holds_one_usable_word() {
        let check = |content: &str, expected: Option<&str>| {
            let cookie = cookie_of_file(Path::new("/c"), content);
            assert_eq!(cookie.ok().as_deref(), expected, "{content:?}");
        };
        check("secret\n", Some("secret"));
        check("secret", Some("secret"));
        check("", None);
        check("\n", None);
        check("a b", None);
        check("a\\b", None);
        check("a'b", None);
    }

    #[test]
    fn well_known_cookies_warn_and_are_refused_by_a_hardened_profile() {
        let check = |cookie: &str, profile: &str, expected: Option<usize>| {
            let warnings = check_default_cookie(cookie, "emqx50elixir", Path::new("/etc"), profile);
            assert_eq!(warnings.ok().map(|lines| lines.len()), expected);
        };
        check("emqx50elixir", "legacy", Some(3));
        check("emqxsecretcookie", "legacy", Some(3));
        check("mine", "legacy", Some(0));
        check("mine", "hardened", Some(0));
        check("emqx50elixir", "hardened", None);
    }
}
