//! From a command to everything that a VM needs: refusals first, then what the release's own code
//! is asked in one helper VM, then the generated files. The result is one value.

pub mod authority;
pub mod config;
pub mod console_log;
pub mod cookie;
pub mod cuttlefish;
pub mod daemon;
pub mod generated;
pub mod helper;
pub mod hocon;
pub mod keeper;
pub mod log_env;
pub mod nodetool;
pub mod probe;
pub mod refusal;
pub mod runtime_check;
mod settings;
pub mod siz;
pub mod vm;
pub mod vm_args;
pub mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use shims::cookie::Cookie;
use shims::node_name::NodeName;

use crate::boot::authority::Authority;
use crate::boot::config::BootConfigs;
use crate::boot::cookie::{Reading, resolve_cookie};
use crate::boot::generated::Generated;
use crate::boot::log_env::Logging;
use crate::boot::refusal::{check_profile, check_writable, refuse_second, security_profile, warn};
use crate::boot::settings::{code_loading_mode, node_name};
use crate::boot::siz::remove_siz_files;
use crate::boot::vm::{VmFacts, boot_file};
use crate::command::Command;
use crate::elixir::{elixir_program, wants_iex};
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::Host;
use crate::host::environment::Environment;
use crate::message;
use crate::node::distribution::way_to_nodes;
use crate::node::pipe;
use crate::release::Release;
use crate::release::dialect::Dialect;
use crate::sourced::{Origin, Sourced};

/// Tells the console process that a `start` has prepared the boot: the time of the generated files.
pub const PREPARED: &str = "_EMQX_BOOT_PREPARED";

/// What the generated files hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The applications' configuration.
    pub app_config: Vec<u8>,
    /// The VM's arguments.
    pub vm_args: String,
}

/// A boot that is possible.
#[derive(Debug)]
pub struct Boot {
    /// The environment of every child, resolved settings included.
    pub env: Environment,
    /// The values that the release's own code gave.
    pub configs: BootConfigs,
    /// The node's name.
    pub name: Sourced<NodeName>,
    /// The cookie itself.
    pub cookie: Sourced<Cookie>,
    /// The data directory.
    pub data_dir: Sourced<PathBuf>,
    /// The distribution's transport.
    pub proto_dist: Sourced<String>,
    /// How nodes find each other, with the TLS options where TLS is used.
    pub epmd_args: Sourced<Vec<String>>,
    /// When the VM loads code.
    pub mode: Sourced<String>,
    /// Who knows the configuration; `None` where the process that started this one has asked
    /// already, and after the last question.
    authority: Option<Authority>,
}

impl Boot {
    /// Checks that a boot is possible and finds out with what.
    ///
    /// # Errors
    /// Everything that speaks against a boot, before anything was written.
    pub fn prepare(host: &Host, release: &Release, command: Command) -> Result<Boot, Error> {
        // A check is no boot: what can be read once is left to that.
        let reading = match command {
            Command::CheckConfig => Reading::FilesOnly,
            _ => Reading::Everything,
        };
        Boot::prepare_reading(host, release, command, reading)
    }

    /// The same, with the cookie read from what may be read.
    ///
    /// # Errors
    /// Everything that speaks against a boot, before anything was written.
    pub fn prepare_reading(
        host: &Host,
        release: &Release,
        command: Command,
        reading: Reading,
    ) -> Result<Boot, Error> {
        let (mut env, mode) = Boot::environment(host, release)?;
        if release.dialect() == Dialect::Cuttlefish && env.get(PREPARED).is_none() {
            log_env::of_cuttlefish(&mut env, Logging::of(command));
        }
        refuse_second(release, env.get("EMQX_NODE__NAME"), None, command)?;
        if !release.etc_dir.join("emqx.conf").is_file() {
            return Err(Error::NoEmqxConf {
                etc: release.etc_dir.clone(),
            });
        }
        let mut mnesia_hook = None;
        let mut authority = None;
        if env.get(PREPARED).is_none() {
            let (found, has_hook) = Authority::open(release, &mut env)?;
            mnesia_hook = Some(has_hook);
            authority = Some(found);
        }
        let configs = match (env.get("EMQX_BOOT_CONFIGS"), &mut authority) {
            (None, Some(authority)) => authority.look_up(&env)?,
            (preset, _) => BootConfigs::parse(preset.unwrap_or_default()),
        };
        if mnesia_hook == Some(false) && configs.get("node.db_backend") == Some("rlog") {
            message::warning(
                "node.db_backend is rlog, which this Erlang/OTP cannot do: mnesia is used instead",
            );
            env.set("EMQX_NODE__DB_BACKEND", "mnesia");
            env.set("EMQX_NODE__ROLE", "core");
        }
        let name = node_name(&env, &configs)?.decided("node name");
        let data_dir = match release.data_dir() {
            Some(fixed) => fixed.clone(),
            None => configs.data_dir(&env, release.install.base.path())?,
        };
        let data_dir = data_dir.decided("data directory");
        refuse_second(release, Some(&name.to_string()), Some(&data_dir), command)?;
        let cookie = resolve_cookie(release, &mut env, &configs, reading)?.decided("cookie");
        let proto_dist = configs
            .sourced(&env, "cluster.proto_dist")
            .unwrap_or_else(|| Sourced::new("inet_tcp".to_owned(), Origin::Default))
            .decided("transport between nodes");
        env.set("EKKA_PROTO_DIST_MOD", &proto_dist);
        env.set("ESCRIPT_NAME", name.short());
        let way = way_to_nodes(release.dialect(), &env, &proto_dist);
        let mut epmd_args = way.decided("arguments of the distribution");
        // Where cuttlefish reads the configuration, that or vm.args gives the file; a VM refuses two.
        if proto_dist.ends_with("_tls") && release.dialect() == Dialect::Hocon {
            let options = release
                .ssl_options(&env)?
                .decided("options of TLS between nodes");
            epmd_args = epmd_args.map(|mut args| {
                args.extend(["-ssl_dist_optfile".to_owned(), options.into_value()]);
                args
            });
        }
        Ok(Boot {
            env,
            configs,
            name,
            cookie,
            data_dir,
            proto_dist,
            epmd_args,
            mode,
            authority,
        })
    }

    /// What every child of a boot finds in its environment, as far as it is known before the release
    /// is asked, and when the VM loads code.
    ///
    /// # Errors
    /// A security profile that does not exist.
    pub fn environment(
        host: &Host,
        release: &Release,
    ) -> Result<(Environment, Sourced<String>), Error> {
        let mut env = release.child_environment(&host.env);
        if release.dialect() == Dialect::Hocon {
            let _ = security_profile(&host.env).decided("security profile");
            check_profile(&env)?;
        }
        let mode = code_loading_mode(&mut env).decided("code loading mode");
        Ok((env, mode))
    }

    /// `<data>/configs`.
    pub fn configs_dir(&self) -> PathBuf {
        self.data_dir.join("configs")
    }

    /// The pipes of the daemon's console.
    pub fn pipe_dir(&self, user: &str) -> Sourced<PathBuf> {
        pipe::sourced_dir(&self.env, &self.data_dir, user, &self.name.to_string())
            .decided("console pipes")
    }

    /// Checks the licence and writes the generated files. Nothing is written where the release
    /// refuses either.
    ///
    /// # Errors
    /// What the release's own code says, or a file that cannot be written.
    pub fn generate(&mut self, release: &Release) -> Result<Generated, Error> {
        check_writable(release, self)?;
        let files = Generated::now(self.configs_dir())?;
        remove_siz_files(&release.log_dir);
        let contents = self.contents(release, &files.dir)?;
        files.write_app_config(&contents.app_config)?;
        files.write_vm_args(contents.vm_args.as_bytes())?;
        Ok(files)
    }

    /// Checks the licence and finds out what the generated files hold. Writes nothing but what
    /// the release's programs may need below `scratch` for a moment.
    ///
    /// # Errors
    /// What the release's own code says.
    pub fn contents(&mut self, release: &Release, scratch: &Path) -> Result<Contents, Error> {
        let Some(mut authority) = self.authority.take() else {
            return Err(Error::ConfigValue { key: PREPARED });
        };
        let configs_dir = self.configs_dir();
        let (app_config, generated) =
            authority.generate(&self.env, &self.configs, &configs_dir, scratch)?;
        let installed = fs_err::read_to_string(release.etc_dir.join("vm.args"))?;
        let name = self.name.to_string();
        let own = vm_args::Own {
            consolidated: &release.rel_dir().join("consolidated"),
            name_flag: if self.name.is_long() {
                "-name"
            } else {
                "-sname"
            },
            name: &name,
            cookie: self.cookie.expose(),
            mnesia_dir: &self.data_dir.join("mnesia").join(&name),
        };
        Ok(Contents {
            app_config,
            vm_args: vm_args::merge(&installed, &generated, &own),
        })
    }

    /// Checks the whole configuration; writes nothing.
    ///
    /// # Errors
    /// What the release's own code says against it.
    pub fn check_config(&mut self) -> Result<(), Error> {
        let configs_dir = self.configs_dir();
        match &mut self.authority {
            Some(authority) => authority.check(&self.env, &configs_dir),
            None => Err(Error::ConfigValue { key: PREPARED }),
        }
    }

    /// The command that becomes the VM, with the generated files.
    ///
    /// # Errors
    /// A boot file that does not exist.
    pub fn plan_vm(
        &self,
        release: &Release,
        command: Command,
        iex: Option<PathBuf>,
        words: &[OsString],
        files: &Generated,
    ) -> Result<ExecSpec, Error> {
        let mut env = self.env.clone();
        // What one process of this launcher tells the next is not for the node: a restart by heart
        // would take it for the operator's wish.
        if env.take(PREPARED).is_some() {
            env.take("EMQX_BOOT_CONFIGS");
        }
        Ok(vm::plan_vm(VmFacts {
            release,
            command,
            // The command's own name is the first of the words that the VM shows.
            boot: boot_file(release, command, words.get(1..).unwrap_or_default())?,
            iex,
            words,
            mode: self.mode.to_string(),
            debug_init: env.get("DEBUG") == Some("2"),
            env,
            config: files.app_config(),
            args_file: files.vm_args(),
            epmd_args: self.epmd_args.to_vec(),
            proto_dist: self.proto_dist.to_string(),
            data_dir: &self.data_dir,
        }))
    }

    /// Adapts the settings of the log to how the node is started.
    pub fn translate_logging(&mut self, release: &Release, logging: Logging) {
        if release.dialect() == Dialect::Hocon
            && let Some(warning) = log_env::translate(&mut self.env, logging)
        {
            message::warning(&warning);
        }
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
        Command::Foreground | Command::ConsoleBoot => None,
        _ if wants_iex(&host.env, command, words)? => Some(elixir_program(release, "iex")?),
        _ => None,
    };
    message::answer(&format!("Starting {} {}", release.description, release.vsn));
    boot_file(release, command, words)?;
    let mut boot = Boot::prepare(host, release, command)?;
    if let Some(features) = boot.env.get("EMQX_FEATURES") {
        message::answer(&format!("EMQX_FEATURES={features}"));
    }
    let files = match boot.env.get(PREPARED) {
        Some(time) => Generated::at(boot.configs_dir(), time),
        None => {
            boot.translate_logging(release, Logging::Console);
            warn(release, &boot)?;
            boot.generate(release)?
        }
    };
    // The VM shows in the process list what it was called with.
    let shown = host.args.get(1..).unwrap_or_default();
    boot.plan_vm(release, command, iex, shown, &files)
}
