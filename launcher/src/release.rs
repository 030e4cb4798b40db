//! What `releases/emqx_vars` says of the release in force. When a deployed tree is booted, code
//! and versions come from the tree's own file, directories and user from the base's: the base may
//! be a package and the tree a tarball, which would look for its configuration elsewhere.

pub mod dialect;
pub mod install;
pub mod permanent;
pub mod variables;

use std::path::{Path, PathBuf};

use relup::layout::Tree;
use relup::vars::EmqxVars;
use relup::vsn::ReleaseVsn;
use shims::cookie::Cookie;

use crate::error::Error;
use crate::host::Host;
use crate::host::environment::Environment;
use crate::release::dialect::{Configuration, Dialect, set_environment};
use crate::release::install::Install;
use crate::release::permanent::Permanent;
use crate::sourced::{Origin, Sourced};

/// The release in force, as everything after this module knows it.
#[derive(Debug, Clone)]
pub struct Release {
    /// The installation.
    pub install: Install,
    /// The launcher that belongs to the root: this one, unless it was handed the command.
    pub launcher: PathBuf,
    /// The version of the tree in force.
    pub vsn: Sourced<ReleaseVsn>,
    /// The ERTS version of the tree in force.
    pub erts_vsn: Sourced<String>,
    /// The release's name, which names its boot file.
    pub name: String,
    /// Where emqx.conf is.
    pub etc_dir: Sourced<PathBuf>,
    /// Where the logs go.
    pub log_dir: Sourced<PathBuf>,
    /// The user that the node runs as; `None` for "whoever calls".
    pub runner_user: Option<Sourced<String>>,
    /// What it is configured by.
    pub configuration: Configuration,
    /// The cookie where none is configured.
    pub default_cookie: Sourced<Cookie>,
    /// The product's name for people.
    pub description: String,
}

impl Release {
    /// Reads the files of the base and of the tree in force.
    ///
    /// # Errors
    /// A missing file, a line outside the grammar, a variable that is not there.
    pub fn observe(host: &Host, install: Install) -> Result<Release, Error> {
        let of_tree = Vars::observe(host, &install.tree, install.base.path())?;
        // A base that `BASE_RUNNER_ROOT_DIR` names need not hold a release of its own.
        let original = match install.base.tree() {
            base if base.emqx_vars().exists() => base,
            _ => install.home.tree(),
        };
        let of_base = if *install.tree == original {
            of_tree.clone()
        } else {
            Vars::observe(host, &original, install.base.path())?
        };
        let dialect = Dialect::of(&of_tree.vars);
        let Permanent { vsn, erts_vsn } = of_tree.permanent(&install.tree, dialect)?;
        let dir = |name| {
            Ok::<_, Error>(
                of_base
                    .sourced(name)?
                    .map(|dir| install.base.path().join(dir)),
            )
        };
        let runner_user = of_base.optional("RUNNER_USER");
        let name = match dialect {
            Dialect::Hocon => of_tree.get("REL_NAME")?,
            // It was never called anything else, and does not tell.
            Dialect::Cuttlefish => of_tree.vars.get("REL_NAME").unwrap_or("emqx"),
        };
        let configuration = match dialect {
            Dialect::Hocon => Configuration::Hocon {
                schema_mod: of_tree.sourced("SCHEMA_MOD")?.decided("schema module"),
                is_enterprise: of_tree.get("IS_ENTERPRISE")?.to_owned(),
            },
            Dialect::Cuttlefish => Configuration::Cuttlefish {
                data_dir: dir("RUNNER_DATA_DIR")?.decided("data directory"),
            },
        };
        Ok(Release {
            launcher: host.exe.clone(),
            vsn: vsn.decided("version"),
            erts_vsn: erts_vsn.decided("ERTS version"),
            name: name.to_owned(),
            etc_dir: dir(dialect.etc_dir_variable())?.decided("configuration directory"),
            log_dir: dir(dialect.log_dir_variable(&of_base.vars))?.decided("log directory"),
            runner_user: runner_user.map(|user| user.decided("runner user")),
            configuration,
            default_cookie: of_tree
                .sourced("EMQX_DEFAULT_ERLANG_COOKIE")?
                .map(Cookie::new),
            description: of_tree.get("EMQX_DESCRIPTION")?.to_owned(),
            install,
        })
    }

    /// The tree in force.
    pub fn tree(&self) -> &Tree {
        &self.install.tree
    }

    /// `erts-<vsn>` of the tree in force.
    pub fn erts_dir(&self) -> PathBuf {
        self.tree().erts(&self.erts_vsn)
    }

    /// `erts-<vsn>/bin`.
    pub fn bindir(&self) -> PathBuf {
        self.tree().erts_bin(&self.erts_vsn)
    }

    /// `releases/<vsn>`.
    pub fn rel_dir(&self) -> PathBuf {
        self.tree().release(&self.vsn)
    }

    /// The data directory, where the release and not its configuration tells it.
    pub fn data_dir(&self) -> Option<&Sourced<PathBuf>> {
        match &self.configuration {
            Configuration::Hocon { .. } => None,
            Configuration::Cuttlefish { data_dir } => Some(data_dir),
        }
    }

    /// How it is configured and spoken to.
    pub fn dialect(&self) -> Dialect {
        self.configuration.dialect()
    }

    /// The file of TLS options that a node of this release is given.
    ///
    /// # Errors
    /// A path that no VM takes.
    pub fn ssl_options(&self, env: &Environment) -> Result<Sourced<String>, Error> {
        let default = || {
            let path = self.etc_dir.join("ssl_dist.conf");
            let origin = self.etc_dir.origin().clone();
            Sourced::new(path.to_string_lossy().into_owned(), origin)
        };
        let path = env.sourced("EMQX_SSL_DIST_OPTFILE");
        let path = path.unwrap_or_else(default);
        if path.contains(char::is_whitespace) {
            return Err(Error::BlankInSslOptions { path });
        }
        Ok(path)
    }

    /// The caller's environment with what every child of the launcher finds in it.
    pub fn child_environment(&self, caller: &Environment) -> Environment {
        let mut env = caller.clone();
        let erts_lib = self.tree().erts_lib(&self.erts_vsn);
        if erts_lib.is_dir() {
            prepend_path(&mut env, "LD_LIBRARY_PATH", &erts_lib);
        }
        let root = self.tree().path();
        let (etc_dir, log_dir) = (self.etc_dir.as_path(), self.log_dir.as_path());
        set_environment(&self.configuration, &mut env, root, etc_dir, log_dir);
        env.set("RUNNER_ROOT_DIR", root);
        env.set("REL_VSN", self.vsn.as_str());
        env.set("EMQX_DESCRIPTION", &self.description);
        env.set("ERTS_DIR", self.erts_dir());
        env.set("BINDIR", self.bindir());
        env.set("EMU", "beam");
        env.set("PROGNAME", "erl");
        env.set("ERTS_LIB_DIR", self.tree().lib());
        if self.install.hot.is_some() {
            env.set("BASE_RUNNER_ROOT_DIR", self.install.base.path());
        }
        env
    }
}

/// Puts a directory in front of a colon-separated list.
pub fn prepend_path(env: &mut Environment, name: &str, dir: &Path) {
    let mut value = dir.as_os_str().to_owned();
    if let Some(old) = env.get_os(name) {
        value.push(":");
        value.push(old);
    }
    env.set(name, value);
}

#[derive(Clone)]
struct Vars {
    file: PathBuf,
    vars: EmqxVars,
}

impl Vars {
    fn observe(host: &Host, tree: &Tree, base: &Path) -> Result<Vars, Error> {
        let file = tree.emqx_vars();
        let text = fs_err::read_to_string(&file).map_err(|error| Error::NotARelease {
            root: tree.path().to_path_buf(),
            reason: error.to_string(),
        })?;
        let lookup = |name: &str| match name {
            "RUNNER_ROOT_DIR" => Some(tree.path().to_string_lossy().into_owned()),
            "BASE_RUNNER_ROOT_DIR" => Some(base.to_string_lossy().into_owned()),
            other => host.env.get(other).map(str::to_owned),
        };
        let vars = EmqxVars::parse(&text, &lookup).map_err(|error| Error::Vars {
            file: file.clone(),
            line: error.line,
            reason: error.reason,
        })?;
        Ok(Vars { file, vars })
    }

    fn get(&self, name: &'static str) -> Result<&str, Error> {
        self.vars
            .get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Error::VarMissing {
                file: self.file.clone(),
                name,
            })
    }

    fn sourced(&self, name: &'static str) -> Result<Sourced<String>, Error> {
        let line = self.vars.line(name).unwrap_or_default();
        let origin = Origin::Vars(self.file.clone(), line);
        Ok(Sourced::new(self.get(name)?.to_owned(), origin))
    }

    /// Which release of a tree is to be booted. In a tree that the release handler manages its own
    /// file tells; upgrades append the same to this one.
    fn permanent(&self, tree: &Tree, dialect: Dialect) -> Result<Permanent, Error> {
        if dialect == Dialect::Cuttlefish {
            let instead = self.vars.get("REL_VSN").unwrap_or("nothing");
            if let Some(permanent) = permanent::observe(tree, &format!("REL_VSN={instead}"))? {
                return Ok(permanent);
            }
        }
        let vsn = self.sourced("REL_VSN")?.try_map(|vsn, origin| {
            vsn.parse::<ReleaseVsn>().map_err(|error| Error::Vars {
                file: self.file.clone(),
                line: origin.line(),
                reason: error.to_string(),
            })
        })?;
        let erts_vsn = self.sourced("ERTS_VSN")?;
        Ok(Permanent { vsn, erts_vsn })
    }

    fn optional(&self, name: &'static str) -> Option<Sourced<String>> {
        self.sourced(name).ok()
    }
}
