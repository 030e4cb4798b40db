//! Where the tarballs are made that something is wrong with.
//!
//! All of them are copies of the sample's 5.10.5 with one difference.

use crate::error::Result;
use crate::install::Install;
use crate::sample::{Sample, V5};
use crate::tarball::{Addition, Edit, rewrite, seal};
use std::path::PathBuf;

/// A workshop for wrong tarballs beside an installation.
#[derive(Debug)]
pub struct Workshop {
    /// Where everything is made.
    pub dir: PathBuf,
    /// The tarball that nothing is wrong with, 5.10.5.
    pub right: PathBuf,
}

impl Workshop {
    /// A workshop that goes with the installation.
    pub fn new(install: &Install) -> Result<Self> {
        let dir = install.scratch().join("tarballs");
        fs_err::create_dir_all(&dir)?;
        Ok(Self {
            dir,
            right: Sample::find()?.tarball(V5)?,
        })
    }

    /// The path of a tarball that may not exist.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("emqx-enterprise-{name}.tar.gz"))
    }

    /// A copy of the right tarball with edits.
    pub fn edited(&self, name: &str, edits: &[Edit]) -> Result<PathBuf> {
        let path = self.path(name);
        rewrite(&self.right, &path, edits)?;
        Ok(path)
    }

    /// A copy with one more entry.
    pub fn added(&self, name: &str, addition: Addition) -> Result<PathBuf> {
        // The libraries are of no interest here, and without them the cases are quick.
        self.edited(name, &[Edit::Drop("lib".into()), Edit::Add(addition)])
    }

    /// An untouched copy without a digest.
    pub fn copy(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs_err::copy(&self.right, &path)?;
        Ok(path)
    }

    /// Other bytes under the name of a tarball, with a right digest.
    pub fn bytes(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.path(name);
        fs_err::write(&path, content)?;
        seal(&path)?;
        Ok(path)
    }

    /// A copy that says it is another version.
    pub fn version(&self, vsn: &str) -> Result<PathBuf> {
        let old = format!("releases/{V5}");
        let new = format!("releases/{vsn}");
        let text = |file: String| Edit::Substitute(file.into(), V5.to_owned(), vsn.to_owned());
        self.edited(
            vsn,
            &[
                Edit::Rename(old.into(), new.clone().into()),
                text("releases/emqx_vars".to_owned()),
                text("releases/RELEASES".to_owned()),
                text("releases/start_erl.data".to_owned()),
                text(format!("{new}/emqx.rel")),
                text(format!("{new}/start_clean.rel")),
            ],
        )
    }
}
