//! Where the things under test come from: the binary and the release tarballs.
//!
//! `EMQX_BIN` and `EMQX_SAMPLE` override the places that `make build` and `make sample` fill.
//! Whatever is missing is an error that names the command which makes it; nothing is built here.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The version that every scenario starts from.
pub const V4: &str = "5.10.4";
/// The version of the first hop.
pub const V5: &str = "5.10.5";
/// The version of the second hop.
pub const V6: &str = "5.10.6";

/// The version of the 4.x sample that a scenario starts from.
pub const FOUR_0: &str = "4.4.0";
/// The version of its first upgrade.
pub const FOUR_16: &str = "4.4.16";
/// The version of its second upgrade.
pub const FOUR_17: &str = "4.4.17";

/// The workspace that this crate is a member of.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The launcher under test: `EMQX_BIN`, else `dist/emqx` of the workspace.
pub fn launcher() -> Result<PathBuf> {
    let path = std::env::var_os("EMQX_BIN").map_or_else(
        || workspace().join("dist/emqx"),
        |path| workspace().join(path),
    );
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Missing {
        what: format!("the launcher {} does not exist", path.display()),
        remedy: "run `make build`, or set EMQX_BIN to the binary".to_owned(),
    })
}

/// A place with release tarballs, their digests and a catalog of hops.
#[derive(Debug, Clone)]
pub struct Sample {
    dir: PathBuf,
}

impl Sample {
    /// The sample releases: `EMQX_SAMPLE`, else `dist/sample` of the workspace.
    pub fn find() -> Result<Self> {
        let dir = std::env::var_os("EMQX_SAMPLE").map_or_else(
            || workspace().join("dist/sample"),
            |path| workspace().join(path),
        );
        let sample = Self { dir };
        sample.tarball(V4)?;
        Ok(sample)
    }

    /// The sample in the size of a real release: `EMQX_SAMPLE_BIG`, else `dist/sample-big` of the
    /// workspace; `None` where it was not made.
    pub fn big() -> Result<Option<Self>> {
        let dir = std::env::var_os("EMQX_SAMPLE_BIG").map_or_else(
            || workspace().join("dist/sample-big"),
            |path| workspace().join(path),
        );
        if !dir.is_dir() {
            return Ok(None);
        }
        let sample = Self { dir };
        sample.tarball(V4)?;
        Ok(Some(sample))
    }

    /// The tarball of a version, whatever system it was packaged for.
    pub fn tarball(&self, vsn: &str) -> Result<PathBuf> {
        let prefix = format!("emqx-enterprise-{vsn}-");
        let found = fs_err::read_dir(&self.dir).ok().and_then(|entries| {
            entries.flatten().map(|entry| entry.path()).find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&prefix) && name.ends_with(".tar.gz")
            })
        });
        found.ok_or_else(|| Error::Missing {
            what: format!("no {prefix}*.tar.gz in {}", self.dir.display()),
            remedy: "run `make sample`, or set EMQX_SAMPLE to the directory".to_owned(),
        })
    }

    /// The hops between the sample's versions, ready to be copied to `relup/catalog`.
    #[must_use]
    pub fn catalog(&self) -> PathBuf {
        self.dir.join("catalog")
    }
}

/// The packages of the sample in the shape of 4.x.
#[derive(Debug, Clone)]
pub struct Sample4 {
    dir: PathBuf,
}

impl Sample4 {
    /// `EMQX_SAMPLE4`, else `dist/sample4` of the workspace.
    pub fn find() -> Result<Self> {
        let dir = std::env::var_os("EMQX_SAMPLE4").map_or_else(
            || workspace().join("dist/sample4"),
            |path| workspace().join(path),
        );
        let sample = Self { dir };
        sample.tarball(FOUR_0)?;
        Ok(sample)
    }

    /// The tarball of a version, in the form that OTP's release handler unpacks.
    pub fn tarball(&self, vsn: &str) -> Result<PathBuf> {
        self.package(|name| name == format!("emqx-{vsn}.tar.gz"))
    }

    /// The zip archive of a version, as it is downloaded.
    pub fn zip(&self, vsn: &str) -> Result<PathBuf> {
        let prefix = format!("emqx-{vsn}-otp");
        self.package(|name| {
            let rest = name.strip_prefix(&prefix);
            rest.is_some_and(|rest| rest.strip_suffix(".zip").is_some())
        })
    }

    fn package(&self, is_meant: impl Fn(&str) -> bool) -> Result<PathBuf> {
        let entries = fs_err::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut paths = entries.map(|entry| entry.path());
        let found = paths.find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            is_meant(&name)
        });
        found.ok_or_else(|| Error::Missing {
            what: format!("packages of 4.x are missing in {}", self.dir.display()),
            remedy: "run `make sample`, or set EMQX_SAMPLE4 to the directory".to_owned(),
        })
    }
}

/// The digest file that belongs to a tarball.
#[must_use]
pub fn sidecar_of(tarball: &Path) -> PathBuf {
    with_suffix(tarball, ".sha256")
}

/// A path with something put behind its last character.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
