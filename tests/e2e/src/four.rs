//! Installations of the sample in the shape of 4.x: below a directory with a blank in its name, on a
//! node number and an MQTT port of their own.

use crate::error::Result;
use crate::install::{Install, Recipe};
use crate::ports::Slot;
use crate::sample::{self, Sample4};

impl Recipe {
    /// The 4.x sample of a version with the launcher under test.
    pub fn four(vsn: &str) -> Result<Self> {
        Ok(Self {
            tarball: Sample4::find()?.tarball(vsn)?,
            catalog: None,
            launcher: sample::launcher()?,
            prefix: "emqx e2e ".to_owned(),
        })
    }
}

impl Install {
    /// The 4.x sample of a version.
    pub fn four(vsn: &str) -> Result<Self> {
        let mut install = Self::unpack(&Recipe::four(vsn)?, Slot::claim()?)?;
        let bind = format!("127.0.0.1:{}", install.mqtt_port());
        install.set_env("EMQX_LISTENER__TCP__EXTERNAL", bind);
        Ok(install)
    }
}
