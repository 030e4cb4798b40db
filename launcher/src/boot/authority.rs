//! Who knows what the configuration means: the release's own hocon, or its cuttlefish. The rest of a
//! boot asks here and is the same for both.

use std::path::Path;

use crate::boot::config::BootConfigs;
use crate::boot::cuttlefish::Cuttlefish;
use crate::boot::hocon::Hocon;
use crate::boot::runtime_check::{self, Runtime};
use crate::error::Error;
use crate::host::environment::Environment;
use crate::release::Release;
use crate::release::dialect::Configuration;

/// The release's own reader of its configuration.
#[derive(Debug)]
pub enum Authority {
    /// Of 5.0 and later.
    Hocon(Hocon),
    /// Of releases before.
    Cuttlefish(Cuttlefish),
}

impl Authority {
    /// Checks that a VM of the release runs on this machine, and finds the reader. Also tells whether
    /// the VM has `mnesia_hook`. Where `dynlibs` is needed, `env` gets it.
    ///
    /// # Errors
    /// No VM runs, or the reader is missing.
    pub fn open(release: &Release, env: &mut Environment) -> Result<(Authority, bool), Error> {
        match &release.configuration {
            Configuration::Hocon {
                schema_mod,
                is_enterprise,
            } => {
                let Runtime { vm, mnesia_hook } = runtime_check::start(release, env)?;
                let hocon = Hocon::open(release, schema_mod, is_enterprise, vm);
                Ok((Authority::Hocon(hocon), mnesia_hook))
            }
            Configuration::Cuttlefish { .. } => {
                let cuttlefish = Cuttlefish::open(release)?;
                let Runtime { mnesia_hook, .. } = runtime_check::start(release, env)?;
                Ok((Authority::Cuttlefish(cuttlefish), mnesia_hook))
            }
        }
    }

    /// The values that decide how to boot.
    ///
    /// # Errors
    /// What it says against the configuration.
    pub fn look_up(&mut self, env: &Environment) -> Result<BootConfigs, Error> {
        match self {
            Authority::Hocon(hocon) => hocon.look_up(env),
            Authority::Cuttlefish(cuttlefish) => cuttlefish.look_up(env),
        }
    }

    /// The applications' configuration and the VM's arguments, for a release whose licence is good.
    /// A program that has to write them does so in a directory below `scratch` that is gone afterwards.
    ///
    /// # Errors
    /// What it says against the configuration or the licence.
    pub fn generate(
        &mut self,
        env: &Environment,
        configs: &BootConfigs,
        configs_dir: &Path,
        scratch: &Path,
    ) -> Result<(Vec<u8>, String), Error> {
        match self {
            Authority::Hocon(hocon) => {
                hocon.check_license(env, configs)?;
                hocon.generate(env, configs_dir, scratch)
            }
            Authority::Cuttlefish(cuttlefish) => cuttlefish.generate(env),
        }
    }

    /// Checks the whole configuration; nothing stays written.
    ///
    /// # Errors
    /// What it says against the configuration.
    pub fn check(&mut self, env: &Environment, configs_dir: &Path) -> Result<(), Error> {
        match self {
            Authority::Hocon(hocon) => hocon.check_schema(env, configs_dir),
            Authority::Cuttlefish(cuttlefish) => cuttlefish.generate(env).map(drop),
        }
    }
}
