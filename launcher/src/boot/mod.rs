//! From a command to everything that a VM needs: refusals first, then the checks and look-ups of
//! the release's own tools, then the generated files. The result is one value.

pub mod config;
pub mod console_log;
pub mod cookie;
pub mod daemon;
pub mod helper;
pub mod hocon;
pub mod log_env;
pub mod refusal;
pub mod runtime_check;
pub mod vm;
pub mod vm_args;
pub mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use shims::node_name::NodeName;

use crate::boot::config::BootConfigs;
use crate::boot::cookie::resolve_cookie;
use crate::boot::log_env::Logging;
use crate::boot::refusal::{check_profile, refuse_second, warn};
use crate::boot::vm::VmFacts;
use crate::command::Command;
use crate::environment::Environment;
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::{Host, local_time_stamp};
use crate::message;
use crate::pipe;
use crate::release::Release;
use crate::shell::{elixir_program, wants_iex};
use crate::target::epmd_args;

/// Tells the console process that a `start` has prepared the boot: the time of the generated files.
pub const PREPARED: &str = "_EMQX_BOOT_PREPARED";

/// A boot that only needs its VM.
#[derive(Debug, Clone)]
pub struct Boot {
    /// The environment of every child, resolved settings included.
    pub env: Environment,
    /// The values that hocon gave.
    pub configs: BootConfigs,
    /// The node's name.
    pub name: NodeName,
    /// The cookie itself.
    pub cookie: String,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The distribution's transport.
    pub proto_dist: String,
    /// How nodes find each other, with the TLS options where TLS is used.
    pub epmd_args: Vec<String>,
}

impl Boot {
    /// Checks that a boot is possible and finds out with what.
    ///
    /// # Errors
    /// Everything that speaks against a boot, before anything was written.
    pub fn prepare(host: &Host, release: &Release, command: Command) -> Result<Boot, Error> {
        let mut env = release.child_environment(&host.env);
        check_profile(&env)?;
        if env.get("EMQX_FEATURES") == Some("ESSENTIAL") {
            env.set_default("CODE_LOADING_MODE", "interactive");
        }
        refuse_second(release, env.get("EMQX_NODE__NAME"), None, command)?;
        if !release.etc_dir.join("emqx.conf").is_file() {
            return Err(Error::NoEmqxConf {
                etc: release.etc_dir.clone(),
            });
        }
        let mut mnesia_hook = None;
        if env.get(PREPARED).is_none() {
            let runtime = runtime_check::check(release, &mut env)?;
            mnesia_hook = Some(runtime.mnesia_hook);
            if runtime.needs_dynlibs {
                message::warning(&format!(
                    "using libraries of {}, the system lacks them",
                    release.tree().dynlibs().display()
                ));
            }
        }
        let configs = match env.get("EMQX_BOOT_CONFIGS") {
            Some(preset) => BootConfigs::parse(preset),
            None => hocon::look_up(release, &env)?,
        };
        if mnesia_hook == Some(false) && configs.get("node.db_backend") == Some("rlog") {
            message::warning(
                "node.db_backend is rlog, which this Erlang/OTP cannot do: mnesia is used instead",
            );
            env.set("EMQX_NODE__DB_BACKEND", "mnesia");
            env.set("EMQX_NODE__ROLE", "core");
        }
        let name = node_name(&env, &configs)?;
        let data_dir = configs.data_dir(release.install.base.path())?;
        refuse_second(release, Some(&name.to_string()), Some(&data_dir), command)?;
        let cookie = resolve_cookie(release, &mut env, &configs)?;
        let proto_dist = configs
            .get("cluster.proto_dist")
            .unwrap_or("inet_tcp")
            .to_owned();
        env.set("EKKA_PROTO_DIST_MOD", &proto_dist);
        env.set("ESCRIPT_NAME", name.short());
        let mut epmd_args = epmd_args(&env);
        if proto_dist.ends_with("_tls") {
            epmd_args.extend(["-ssl_dist_optfile".to_owned(), ssl_options(release, &env)?]);
        }
        Ok(Boot {
            env,
            configs,
            name,
            cookie,
            data_dir,
            proto_dist,
            epmd_args,
        })
    }

    /// `<data>/configs`.
    pub fn configs_dir(&self) -> PathBuf {
        self.data_dir.join("configs")
    }

    /// The VM arguments that were generated at `time`.
    pub fn vm_args_file(&self, time: &str) -> PathBuf {
        self.configs_dir().join(format!("vm.{time}.args"))
    }

    /// The pipes of the daemon's console.
    pub fn pipe_dir(&self, user: &str) -> PathBuf {
        match self.env.get_os("PIPE_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => pipe::dir(&self.data_dir, user, &self.name.to_string()),
        }
    }

    /// Writes the generated files and checks the licence. Gives the time that names the files.
    ///
    /// # Errors
    /// What hocon or the licence check says, or a file that cannot be written.
    pub fn generate(&self, release: &Release) -> Result<String, Error> {
        let configs_dir = self.configs_dir();
        fs_err::create_dir_all(&configs_dir)?;
        let temp =
            tempfile::NamedTempFile::new_in(&configs_dir).map_err(|source| Error::NotWritable {
                dir: configs_dir.clone(),
                reason: source.kind().to_string(),
            })?;
        remove_siz_files(&release.log_dir);
        let time = local_time_stamp();
        hocon::generate(release, &self.env, &configs_dir, &time)?;
        let installed = fs_err::read_to_string(release.etc_dir.join("vm.args"))?;
        let target = self.vm_args_file(&time);
        let name = self.name.to_string();
        let own = vm_args::Own {
            consolidated: &release.rel_dir().join("consolidated"),
            name_flag: if self.name.is_long() {
                "-name"
            } else {
                "-sname"
            },
            name: &name,
            cookie: &self.cookie,
            mnesia_dir: &self.data_dir.join("mnesia").join(&name),
        };
        let merged = vm_args::merge(&installed, &fs_err::read_to_string(&target)?, &own);
        fs_err::write(temp.path(), merged)?;
        fs_err::set_permissions(temp.path(), fs_err::metadata(&target)?.permissions())?;
        temp.persist(&target).map_err(|error| error.error)?;
        hocon::check_license(release, &self.env, &self.configs)?;
        Ok(time)
    }

    /// The command that becomes the VM, with the files that were generated at `time`.
    pub fn plan_vm(
        &self,
        release: &Release,
        command: Command,
        iex: Option<PathBuf>,
        words: &[OsString],
        time: &str,
    ) -> ExecSpec {
        let mut env = self.env.clone();
        // What one process of this launcher tells the next is not for the node: a restart by heart
        // would take it for the operator's wish.
        if env.take(PREPARED).is_some() {
            env.take("EMQX_BOOT_CONFIGS");
        }
        vm::plan_vm(VmFacts {
            release,
            command,
            iex,
            words,
            mode: env
                .get("CODE_LOADING_MODE")
                .unwrap_or("embedded")
                .to_owned(),
            debug_init: env.get("DEBUG") == Some("2"),
            env,
            config: self.configs_dir().join(format!("app.{time}.config")),
            args_file: self.vm_args_file(time),
            epmd_args: self.epmd_args.clone(),
            proto_dist: self.proto_dist.clone(),
            data_dir: &self.data_dir,
        })
    }
}

/// `console`, `console_clean` and `foreground`: everything up to the command that becomes the VM.
///
/// # Errors
/// Everything that speaks against the boot.
pub fn plan_foreground(
    host: &Host,
    release: &Release,
    command: Command,
    words: &[OsString],
) -> Result<ExecSpec, Error> {
    let iex = match command {
        Command::Foreground => None,
        _ if wants_iex(&host.env, command, words)? => Some(elixir_program(release, "iex")?),
        _ => None,
    };
    message::answer(&format!("Starting {} {}", release.description, release.vsn));
    let mut boot = Boot::prepare(host, release, command)?;
    if let Some(features) = boot.env.get("EMQX_FEATURES") {
        message::answer(&format!("EMQX_FEATURES={features}"));
    }
    let time = match boot.env.get(PREPARED).map(str::to_owned) {
        Some(time) => time,
        None => {
            if let Some(warning) = log_env::translate(&mut boot.env, Logging::Console) {
                message::warning(&warning);
            }
            warn(release, &boot)?;
            boot.generate(release)?
        }
    };
    // The VM shows in the process list what it was called with.
    let shown = host.args.get(1..).unwrap_or_default();
    Ok(boot.plan_vm(release, command, iex, shown, &time))
}

fn node_name(env: &Environment, configs: &BootConfigs) -> Result<NodeName, Error> {
    let name = env
        .get("EMQX_NODE__NAME")
        .or_else(|| configs.get("node.name"))
        .unwrap_or("emqx");
    NodeName::parse(name).map_err(|_| Error::NodeName {
        name: name.to_owned(),
    })
}

fn ssl_options(release: &Release, env: &Environment) -> Result<String, Error> {
    let path = match env.get("EMQX_SSL_DIST_OPTFILE") {
        Some(path) => path.to_owned(),
        None => release
            .etc_dir
            .join("ssl_dist.conf")
            .to_string_lossy()
            .into_owned(),
    };
    if path.contains(char::is_whitespace) {
        return Err(Error::BlankInSslOptions { path });
    }
    Ok(path)
}

/// The disk log of older log settings would keep the node from starting under new ones.
fn remove_siz_files(log_dir: &Path) {
    let Ok(entries) = fs_err::read_dir(log_dir) else {
        return;
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "siz") {
            // What cannot be removed, the node will complain about in its own words.
            let _ = fs_err::remove_file(&path);
        }
    }
}
