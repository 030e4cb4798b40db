//! Which node a command talks to, and how it is reached.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use shims::cookie::Cookie;
use shims::dist::{Connection, DistError, Target};
use shims::node_name::NodeName;

use crate::boot::config::absolute_dir;
use crate::boot::cookie::{CookieSource, cookie_of_file};
use crate::error::Error;
use crate::host::environment::Environment;
use crate::host::process::others_are_hidden;
use crate::host::read_optional;
use crate::message;
use crate::node::distribution::{Distribution, way_to_nodes};
use crate::node::running::{RunningNode, nodes_of};
use crate::node::stopped::{newest_vm_args, plain_lines, vm_arguments};
use crate::node::vm_options::VmOptions;
use crate::release::Release;
use crate::release::dialect::Dialect;
use crate::sourced::{Origin, Sourced};

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
    /// What that way was found by.
    pub distribution: Distribution,
    /// Its process, where the process table shows it.
    pub process: Option<RunningNode>,
    /// What the release speaks.
    pub dialect: Dialect,
}

impl Contact {
    /// Finds the node that a runtime command is meant for: the one that runs, or the one that
    /// would, judging by its files.
    ///
    /// # Errors
    /// Several nodes and no name; a name that does not run; a cookie that is not the node's.
    pub fn find(release: &Release, env: &Environment) -> Result<Contact, Error> {
        let wanted = env.sourced("EMQX_NODE__NAME");
        if let Some(name) = &wanted
            && NodeName::parse(name).is_err()
        {
            return Err(Error::NodeName {
                name: name.to_string(),
                origin: Some(name.origin().clone()),
            });
        }
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

    /// The node that this process is, once it is one.
    pub fn of_process(pid: i32, release: &Release, env: &Environment) -> Option<Contact> {
        let node = nodes_of(release).into_iter().find(|node| node.pid == pid)?;
        Contact::of_running(node, release, env).ok()
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
        let distribution = process.distribution.clone();
        Ok(Contact {
            target: distribution.target(release, &name, cookie.expose())?,
            name,
            cookie,
            distribution,
            process: Some(process),
            dialect: release.dialect(),
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
        let arguments = vm_arguments(&generated);
        let options = VmOptions::of(&arguments);
        let of_generated = |option: &str| {
            let value = options.text(option)?;
            Some(Sourced::new(value, Origin::Generated(args_file.clone())))
        };
        let name = env
            .sourced("EMQX_NODE__NAME")
            .or_else(|| of_generated("-name"))
            .or_else(|| of_generated("-sname"))
            .or_else(|| of_conf("node.name"))
            .unwrap_or_else(|| Sourced::new("emqx@127.0.0.1".to_owned(), Origin::Default))
            .decided("node name");
        let cookie = given_cookie(env)
            .or_else(|| of_generated("-setcookie").map(|cookie| cookie.map(Cookie::new)))
            .or_else(|| of_conf("node.cookie").and_then(readable_cookie))
            .unwrap_or_else(|| release.default_cookie.clone())
            .decided("cookie");
        let proto_dist = env
            .sourced("EMQX_CLUSTER__PROTO_DIST")
            .map(|value| value.map(|value| value.trim_matches('"').to_owned()))
            .or_else(|| of_conf("cluster.proto_dist"))
            .unwrap_or_else(|| Sourced::new("inet_tcp".to_owned(), Origin::Default))
            .decided("transport between nodes");
        let way = way_to_nodes(release.dialect(), env, &proto_dist);
        let way = way.decided("arguments of the distribution");
        let mut distribution = Distribution::of_boot(env, &arguments, &way, &proto_dist);
        if distribution.is_tls() && distribution.ssl_options.is_none() {
            let file = release
                .ssl_options(env)?
                .decided("options of TLS between nodes");
            distribution.ssl_options = Some(file.into_value().into());
        }
        Ok(Contact {
            target: distribution.target(release, &name, cookie.expose())?,
            name,
            cookie,
            distribution,
            process: None,
            dialect: release.dialect(),
        })
    }

    /// Connects, or says that the node does not answer and why.
    ///
    /// # Errors
    /// The node does not answer, or not to this cookie.
    pub fn connect(&self) -> Result<Connection, Error> {
        let connected = Connection::connect(&self.target, CONNECT_TIMEOUT);
        warn_of_tls(&self.target);
        let mut connection = connected.map_err(|error| self.not_responding(error))?;
        connection.expect_ticks(self.distribution.tick_time);
        Ok(connection)
    }

    /// The error for a connection that failed.
    pub fn not_responding(&self, error: DistError) -> Error {
        let remedy = match error {
            DistError::TlsOptions(error) => return Error::TlsOptions(error),
            DistError::Tls { ref hint, .. } => Some(hint.clone()),
            DistError::Unreachable { ref address, .. } if address.starts_with("epmd at ") => {
                let port = "start epmd; where it is not at port 4369, ERL_EPMD_PORT tells";
                Some(port.to_owned())
            }
            _ => None,
        };
        let reason = match &self.process {
            Some(process) => format!("{error} (its process is {})", process.pid),
            None => format!("no process of this installation is running; {error}"),
        };
        Error::NotResponding {
            name: self.name.to_string(),
            reason,
            remedy,
        }
    }
}

/// Tells once which TLS options are left out. Not on standard output, which has answers.
pub fn warn_of_tls(target: &Target) {
    static TOLD: Once = Once::new();
    let warnings = target.tls.as_ref().map_or(&[][..], |tls| tls.warnings());
    if !warnings.is_empty() {
        TOLD.call_once(|| {
            for warning in warnings {
                message::warning_aside(warning);
            }
        });
    }
}

/// The cookie of the environment.
fn given_cookie(env: &Environment) -> Option<Sourced<Cookie>> {
    env.sourced("EMQX_NODE__COOKIE").and_then(readable_cookie)
}

/// A cookie that a setting gives: the text itself, or the line of a plain file. What a FIFO held is
/// among the generated arguments; it can be read once, and that is for the boot.
fn readable_cookie(setting: Sourced<String>) -> Option<Sourced<Cookie>> {
    match CookieSource::parse(&setting) {
        CookieSource::Literal(_) => Some(setting.map(Cookie::new)),
        CookieSource::File(path) => {
            let is_file = fs_err::metadata(&path).is_ok_and(|metadata| metadata.is_file());
            let content = is_file
                .then(|| fs_err::read_to_string(&path))
                .and_then(Result::ok)?;
            let cookie = cookie_of_file(&path, &content).ok()?;
            let origin = Origin::File(path, Box::new(setting.origin().clone()));
            Some(Sourced::new(Cookie::new(cookie), origin))
        }
    }
}

/// Where generated configurations are, judging by the environment and plain lines of emqx.conf.
fn configs_dir(release: &Release, env: &Environment) -> PathBuf {
    data_dir_hint(release, env).join("configs")
}

/// The data directory without asking hocon: for commands that find no running node.
pub fn data_dir_hint(release: &Release, env: &Environment) -> PathBuf {
    if let Some(fixed) = release.data_dir() {
        return fixed.to_path_buf();
    }
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
