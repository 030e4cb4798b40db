//! Which node a command talks to, and how it is reached.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shims::cookie::Cookie;
use shims::dist::{Connection, DistError, Port, Target};
use shims::node_name::NodeName;

use crate::boot::config::absolute_dir;
use crate::environment::Environment;
use crate::error::Error;
use crate::host::{others_are_hidden, read_optional};
use crate::release::Release;
use crate::running::{RunningNode, nodes_of};
use crate::sourced::{Origin, Sourced};
use crate::stopped::{hint_of_vm_args, newest_vm_args, plain_lines};

/// The port from which EMQX counts up where there is no epmd.
pub const DIST_BASE_PORT: u16 = 4370;

/// How long a node may take to answer a connection: a healthy one takes milliseconds, one under
/// heavy load may take seconds.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A node and the way to it.
#[derive(Debug, Clone)]
pub struct Contact {
    /// The node's name as its operator writes it.
    pub name: Sourced<String>,
    /// The secret that it shares with other nodes.
    pub cookie: Sourced<Cookie>,
    /// The way to it.
    pub target: Target,
    /// Its process, where the process table shows it.
    pub process: Option<RunningNode>,
}

impl Contact {
    /// Finds the node that a runtime command is meant for: the one that runs, or the one that
    /// would, judging by its files.
    ///
    /// # Errors
    /// Several nodes and no name; a name that does not run; a cookie that is not the node's.
    pub fn find(release: &Release, env: &Environment) -> Result<Contact, Error> {
        let wanted = env.sourced("EMQX_NODE__NAME");
        let mut nodes = nodes_of(release);
        if let Some(name) = &wanted {
            nodes.retain(|node| node.name == **name);
        }
        match (nodes.len(), wanted) {
            // Where others' processes are hidden, their absence says nothing.
            (0, Some(name)) if !others_are_hidden() => Err(Error::NamedNodeNotRunning { name }),
            (0, _) => Contact::of_stopped(release, env),
            (1, _) => Contact::of_running(nodes.remove(0), release, env),
            (_, _) => Err(Error::SeveralNodes {
                root: release.install.base.path().to_path_buf(),
                names: nodes
                    .iter()
                    .map(|node| node.name.as_str())
                    .collect::<Vec<_>>()
                    .join(" "),
            }),
        }
    }

    fn of_running(
        process: RunningNode,
        release: &Release,
        env: &Environment,
    ) -> Result<Contact, Error> {
        let given = env
            .get("EMQX_NODE__COOKIE")
            .filter(|cookie| !cookie.starts_with("file://"));
        if let (Some(given), Some(used)) = (given, &process.cookie)
            && given != used
        {
            return Err(Error::CookieDiffers { name: process.name });
        }
        let of_process = Origin::Process(process.pid);
        let name = Sourced::new(process.name.clone(), of_process.clone()).decided("node name");
        let cookie = process.cookie.clone().map_or_else(
            || given_cookie(env).unwrap_or_else(|| release.default_cookie.clone()),
            |cookie| Sourced::new(Cookie::new(cookie), of_process),
        );
        let cookie = cookie.decided("cookie");
        let way = Way {
            proto_dist: &process.proto_dist,
            uses_epmd: process.uses_epmd,
            base_port: process.dist_base_port.unwrap_or(DIST_BASE_PORT),
        };
        let target = way.target(&process.name, cookie.expose())?;
        Ok(Contact {
            name,
            cookie,
            target,
            process: Some(process),
        })
    }

    fn of_stopped(release: &Release, env: &Environment) -> Result<Contact, Error> {
        let file = release.etc_dir.join("emqx.conf");
        let conf = read_optional(&file)?.unwrap_or_default();
        let conf = plain_lines(&String::from_utf8_lossy(&conf));
        let of_conf = |path: &str| {
            let (line, value) = conf.get(path)?;
            Some(Sourced::new(
                value.clone(),
                Origin::Conf(file.clone(), *line),
            ))
        };
        let (args_file, generated) =
            newest_generated(&configs_dir(release, env)).unwrap_or_default();
        let hint = hint_of_vm_args(&generated);
        let of_generated = |value| Sourced::new(value, Origin::Generated(args_file.clone()));
        let name = env
            .sourced("EMQX_NODE__NAME")
            .or_else(|| hint.name.map(of_generated))
            .or_else(|| of_conf("node.name"))
            .unwrap_or_else(|| Sourced::new("emqx@127.0.0.1".to_owned(), Origin::Default))
            .decided("node name");
        let of_files = || {
            hint.cookie
                .map(of_generated)
                .or_else(|| of_conf("node.cookie"))
        };
        let cookie = given_cookie(env)
            .or_else(|| of_files().map(|cookie| cookie.map(Cookie::new)))
            .unwrap_or_else(|| release.default_cookie.clone())
            .decided("cookie");
        let proto_dist = of_conf("cluster.proto_dist")
            .unwrap_or_else(|| Sourced::new("inet_tcp".to_owned(), Origin::Default))
            .decided("transport between nodes");
        let way = Way {
            proto_dist: &proto_dist,
            uses_epmd: epmd_is_used(env),
            base_port: hint.dist_base_port.unwrap_or(DIST_BASE_PORT),
        };
        let target = way.target(&name, cookie.expose())?;
        Ok(Contact {
            name,
            cookie,
            target,
            process: None,
        })
    }

    /// Connects, or says that the node does not answer and why.
    ///
    /// # Errors
    /// The node does not answer, or not to this cookie.
    pub fn connect(&self) -> Result<Connection, Error> {
        Connection::connect(&self.target, CONNECT_TIMEOUT)
            .map_err(|error| self.not_responding(&error))
    }

    /// The error for a connection that failed.
    pub fn not_responding(&self, error: &DistError) -> Error {
        let reason = match &self.process {
            Some(process) => format!("{error} (its process is {})", process.pid),
            None => format!("no process of this installation is running; {error}"),
        };
        Error::NotResponding {
            name: self.name.to_string(),
            reason,
        }
    }
}

/// The cookie of the environment.
fn given_cookie(env: &Environment) -> Option<Sourced<Cookie>> {
    // What a file held at boot is among the generated arguments; a FIFO cannot be read again.
    env.sourced("EMQX_NODE__COOKIE")
        .filter(|cookie| !cookie.starts_with("file://"))
        .map(|cookie| cookie.map(Cookie::new))
}

/// How a node's name becomes an address.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The distribution's transport.
    pub proto_dist: &'a str,
    /// True where epmd knows the port.
    pub uses_epmd: bool,
    /// The port from which names count up.
    pub base_port: u16,
}

impl Way<'_> {
    /// The target of that name.
    ///
    /// # Errors
    /// A name that is none; a transport that needs TLS.
    pub fn target(&self, name: &str, cookie: &str) -> Result<Target, Error> {
        let name = NodeName::parse(name).map_err(|_| Error::NodeName {
            name: name.to_owned(),
            origin: None,
        })?;
        if self.proto_dist.ends_with("_tls") {
            return Err(Error::TlsDistribution {
                name: name.to_string(),
            });
        }
        let host = match name.host() {
            Some(host) => host.to_owned(),
            None => own_host_name(),
        };
        let port = if self.uses_epmd {
            Port::Epmd {
                host: host.clone(),
                port: 4369,
            }
        } else {
            Port::Fixed(name.dist_port(self.base_port))
        };
        Ok(Target {
            cookie: Cookie::new(cookie.to_owned()),
            ipv6: self.proto_dist.starts_with("inet6"),
            name,
            host,
            port,
        })
    }
}

/// The machine's name without its domain, as short node names have it.
fn own_host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_else(|_| "localhost".into());
    let name = name.to_string_lossy();
    name.split('.').next().unwrap_or("localhost").to_owned()
}

/// How nodes find each other; `EPMD_ARGS` replaces EMQX's own way.
pub fn epmd_args(env: &Environment) -> Vec<String> {
    sourced_epmd_args(env).into_value()
}

/// The same with where it came from.
pub fn sourced_epmd_args(env: &Environment) -> Sourced<Vec<String>> {
    const OWN: &str = "-start_epmd false -epmd_module ekka_epmd -proto_dist ekka";
    env.sourced("EPMD_ARGS")
        .unwrap_or_else(|| Sourced::new(OWN.to_owned(), Origin::Default))
        .map(|args| args.split_whitespace().map(str::to_owned).collect())
}

/// True where the distribution's arguments leave epmd in charge.
pub fn epmd_is_used(env: &Environment) -> bool {
    !epmd_args(env).iter().any(|arg| arg == "-epmd_module")
}

/// Where generated configurations are, judging by the environment and plain lines of emqx.conf.
fn configs_dir(release: &Release, env: &Environment) -> PathBuf {
    data_dir_hint(release, env).join("configs")
}

/// The data directory without asking hocon: for commands that find no running node.
pub fn data_dir_hint(release: &Release, env: &Environment) -> PathBuf {
    let file = release.etc_dir.join("emqx.conf");
    let conf = read_optional(&file).ok().flatten().unwrap_or_default();
    let conf = plain_lines(&String::from_utf8_lossy(&conf));
    let of_conf = || {
        let (line, dir) = conf.get("node.data_dir")?;
        Some(Sourced::new(dir.clone(), Origin::Conf(file.clone(), *line)))
    };
    env.sourced("EMQX_NODE__DATA_DIR")
        .or_else(of_conf)
        .unwrap_or_else(|| Sourced::new("data".to_owned(), Origin::Default))
        .map(|dir| absolute_dir(&dir, release.install.base.path()))
        .decided("data directory")
        .into_value()
}

fn newest_generated(configs: &Path) -> Option<(PathBuf, String)> {
    let names = fs_err::read_dir(configs).ok()?.filter_map(Result::ok);
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let newest = newest_vm_args(names)?;
    let file = configs.join(newest);
    let text = fs_err::read_to_string(&file).ok()?;
    Some((file, text))
}
