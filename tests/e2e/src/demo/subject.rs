//! What the demo is shown on: the sample release, or two tarballs of the user.

use crate::error::{Error, Result};
use crate::install::{Install, Recipe};
use crate::ports::{Slot, is_free};
use crate::sample::{self, Sample, V4, V5, V6};
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Listeners that a full EMQX opens besides MQTT over TCP: their variable and default port.
const OTHER_LISTENERS: [(&str, u16); 4] = [
    ("EMQX_LISTENERS__SSL__DEFAULT__BIND", 8883),
    ("EMQX_LISTENERS__WS__DEFAULT__BIND", 8083),
    ("EMQX_LISTENERS__WSS__DEFAULT__BIND", 8084),
    ("EMQX_DASHBOARD__LISTENERS__HTTP__BIND", 18083),
];

/// A release with its version.
#[derive(Debug, Clone)]
pub struct Release {
    /// The tarball.
    pub tarball: PathBuf,
    /// `REL_VSN` of its `releases/emqx_vars`.
    pub vsn: String,
}

/// The releases of one demo.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What is installed first.
    pub first: Release,
    /// What it is upgraded to, one after the other.
    pub targets: Vec<Release>,
    /// The hops that the user has beside the tarballs.
    pub catalog: Option<PathBuf>,
    /// Whether these are releases of this project, whose inside is known.
    pub is_sample: bool,
}

impl Subject {
    /// The sample releases.
    pub fn sample() -> Result<Self> {
        let sample = Sample::find()?;
        let release = |vsn: &str| -> Result<Release> {
            Ok(Release {
                tarball: sample.tarball(vsn)?,
                vsn: vsn.to_owned(),
            })
        };
        let catalog = Some(sample.catalog());
        let targets = vec![release(V5)?, release(V6)?];
        Ok(Self {
            first: release(V4)?,
            targets,
            catalog,
            is_sample: true,
        })
    }

    /// Two tarballs of the user; hops are looked for in `catalog/` beside either of them. A hop
    /// beside or inside the target, or of an installed plugin, is found by the launcher itself.
    pub fn of_tarballs(release: &Path, target: &Path) -> Result<Self> {
        let open = |path: &Path| -> Result<Release> {
            let tarball = fs_err::canonicalize(path)?;
            Ok(Release {
                vsn: version_in(&tarball)?,
                tarball,
            })
        };
        let (first, target) = (open(release)?, open(target)?);
        let beside = |release: &Release| release.tarball.parent().map(|dir| dir.join("catalog"));
        let places = [beside(&target), beside(&first)];
        let catalog = places.into_iter().flatten().find(|place| place.is_dir());
        Ok(Self {
            first,
            targets: vec![target],
            catalog,
            is_sample: false,
        })
    }

    /// Installs the first release: under the default names and ports when they are free.
    pub fn install(&self) -> Result<Install> {
        let recipe = Recipe {
            tarball: self.first.tarball.clone(),
            catalog: self.catalog.clone(),
            launcher: sample::launcher()?,
            prefix: "emqx-demo-".to_owned(),
        };
        let slot = match Slot::defaults() {
            Some(slot) => slot,
            None => Slot::claim()?,
        };
        let mut install = Install::unpack(&recipe, slot)?;
        // Only what is in the way is moved: a release may not know every listener.
        for (nth, (variable, port)) in (1..).zip(OTHER_LISTENERS) {
            if !self.is_sample && !is_free(port) {
                install.set_env(variable, format!("127.0.0.1:{}", install.slot().port(nth)));
            }
        }
        Ok(install)
    }
}

/// The version that a tarball says it is.
fn version_in(tarball: &Path) -> Result<String> {
    let mut archive = tar::Archive::new(GzDecoder::new(fs_err::File::open(tarball)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.ends_with("releases/emqx_vars") {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            let mut lines = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("REL_VSN="));
            if let Some(value) = lines.next_back() {
                return Ok(value.trim_matches(['"', '\'']).to_owned());
            }
        }
    }
    Err(Error::Missing {
        what: format!("no REL_VSN in releases/emqx_vars of {}", tarball.display()),
        remedy: "give tarballs of EMQX releases (emqx-enterprise-<vsn>-<os>-<arch>.tar.gz)"
            .to_owned(),
    })
}
