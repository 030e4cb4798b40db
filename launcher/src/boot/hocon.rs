//! The release's own hocon: it alone knows what a configuration means. Asked in the helper VM
//! where its public functions are as expected, else through `nodetool`, one VM a question.

pub mod refusal;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use shims::boot_helper::Answer;

use crate::boot::config::{BootConfigs, KEYS, LICENSE_KEY};
use crate::boot::helper::HelperVm;
use crate::boot::hocon::refusal::Refusal;
use crate::boot::nodetool;
use crate::error::Error;
use crate::host::environment::Environment;
use crate::redact::REDACTED;
use crate::release::Release;

/// The way to the release's hocon.
#[derive(Debug)]
pub struct Hocon {
    release: Release,
    schema_mod: String,
    needs_license: bool,
    /// `None` where every question needs `nodetool`.
    vm: Option<HelperVm>,
}

impl Hocon {
    /// Prepares a helper VM for questions. `is_enterprise` is `yes` where a licence is asked for.
    pub fn open(
        release: &Release,
        schema_mod: &str,
        is_enterprise: &str,
        mut vm: HelperVm,
    ) -> Hocon {
        let tree = release.tree().path().as_os_str();
        let usable = match vm.ask("libs", &[tree.as_bytes(), release.vsn.as_str().as_bytes()]) {
            Ok(Answer::Done(missing)) if missing.is_empty() => true,
            Ok(Answer::Done(missing)) => {
                let missing = missing.iter().map(|name| String::from_utf8_lossy(name));
                let missing: Vec<_> = missing.collect();
                tracing::debug!(missing = missing.join(" "), "hocon of another kind");
                false
            }
            Ok(Answer::Refused(lines)) => {
                tracing::debug!(reason = lines.join(" "), "no libraries in the helper VM");
                false
            }
            Ok(Answer::Failed(reason)) => {
                tracing::debug!(reason, "no libraries in the helper VM");
                false
            }
            Err(ended) => {
                tracing::debug!(output = ended.0, "the helper VM ended");
                false
            }
        };
        Hocon {
            release: release.clone(),
            schema_mod: schema_mod.to_owned(),
            needs_license: is_enterprise == "yes",
            vm: usable.then_some(vm),
        }
    }

    /// Looks up the values that decide how to boot.
    ///
    /// # Errors
    /// What hocon says against the configuration.
    pub fn look_up(&mut self, env: &Environment) -> Result<BootConfigs, Error> {
        let mut keys = KEYS.to_vec();
        if self.needs_license {
            keys.push(LICENSE_KEY);
        }
        let file = self.release.etc_dir.join("emqx.conf");
        let count = keys.len().to_string();
        let schema = self.schema_mod.clone();
        let words = [schema.as_str(), &count].into_iter().chain(keys.clone());
        let mut args: Vec<&[u8]> = words.map(str::as_bytes).collect();
        args.push(file.as_os_str().as_bytes());
        if let Some(lines) = self.ask(env, "multi_get", "values", &args)? {
            let lines: Vec<_> = lines.iter().map(|l| String::from_utf8_lossy(l)).collect();
            return Ok(with_origin(&lines.join("\n"), file));
        }
        nodetool::multi_get(&self.release, &schema, env, &file, &keys)
            .map(|text| with_origin(&text, file))
    }

    /// Generates what the VM gets: the applications' configuration and the VM's arguments. What it
    /// prints (which environment variables override what) goes to standard output. Where `nodetool`
    /// has to do it, it does so in a directory below `scratch`.
    ///
    /// # Errors
    /// What hocon says against the configuration.
    pub fn generate(
        &mut self,
        env: &Environment,
        configs_dir: &Path,
        scratch: &Path,
    ) -> Result<(Vec<u8>, String), Error> {
        let sources = self.sources(configs_dir);
        let schema = self.schema_mod.clone();
        let args = with_schema(&schema, &sources);
        if let Some(contents) = self.ask(env, "generate", "generate", &args)?
            && let [app_config, vm_args] = contents.as_slice()
        {
            let vm_args = String::from_utf8_lossy(vm_args).into_owned();
            return Ok((app_config.clone(), vm_args));
        }
        nodetool::generate(&self.release, &schema, env, &sources, scratch)
    }

    /// Checks the whole configuration without writing anything.
    ///
    /// # Errors
    /// What hocon says against it.
    pub fn check_schema(&mut self, env: &Environment, configs_dir: &Path) -> Result<(), Error> {
        let sources = self.sources(configs_dir);
        let schema = self.schema_mod.clone();
        let args = with_schema(&schema, &sources);
        match self.ask(env, "check_schema", "check", &args)? {
            Some(_) => Ok(()),
            None => nodetool::check_schema(&self.release, &schema, env, &sources),
        }
    }

    /// Checks the licence's key through the release's own code, where it asks for one.
    ///
    /// # Errors
    /// No key, or one that the release refuses.
    pub fn check_license(&mut self, env: &Environment, configs: &BootConfigs) -> Result<(), Error> {
        if !self.needs_license {
            return Ok(());
        }
        let key = env.sourced("EMQX_LICENSE__KEY");
        let key = key.or_else(|| configs.sourced(env, LICENSE_KEY));
        let key = key.ok_or(Error::NoLicense)?;
        tracing::debug!("license key = {REDACTED} (from {})", key.origin());
        match self.ask(env, "check_license_key", "license", &[key.as_bytes()]) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => nodetool::check_license(&self.release, env, &key),
            Err(Error::Hocon(refusal)) => Err(Error::License {
                reason: refusal.lines.join(" "),
            }),
            Err(error) => Err(error),
        }
    }

    /// Asks the helper VM. `None` when it cannot tell: then `nodetool` has to.
    fn ask(
        &mut self,
        env: &Environment,
        command: &'static str,
        verb: &str,
        args: &[&[u8]],
    ) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let Some(vm) = &mut self.vm else {
            return Ok(None);
        };
        let answer = vm
            .update_environment(env)
            .and_then(|()| vm.ask(verb, args))
            .unwrap_or_else(|ended| Answer::Failed(ended.0));
        match answer {
            Answer::Done(words) => Ok(Some(words)),
            Answer::Refused(lines) => Err(Error::Hocon(Refusal { command, lines })),
            Answer::Failed(reason) => {
                tracing::debug!(command, reason, "the helper VM cannot tell");
                self.vm = None;
                Ok(None)
            }
        }
    }

    /// The files, in the order in which later ones override earlier ones.
    fn sources(&self, configs_dir: &Path) -> [PathBuf; 3] {
        [
            self.release.etc_dir.join("base.hocon"),
            configs_dir.join("cluster.hocon"),
            self.release.etc_dir.join("emqx.conf"),
        ]
    }
}

/// The values with the lines that they stand in, for those who want to know where they came from.
fn with_origin(values: &str, file: PathBuf) -> BootConfigs {
    let content = fs_err::read(&file).unwrap_or_default();
    BootConfigs::parse(values).of_conf(file, &String::from_utf8_lossy(&content))
}

fn with_schema<'a>(schema: &'a str, files: &'a [PathBuf]) -> Vec<&'a [u8]> {
    let mut args = vec![schema.as_bytes()];
    args.extend(files.iter().map(|file| file.as_os_str().as_bytes()));
    args
}
