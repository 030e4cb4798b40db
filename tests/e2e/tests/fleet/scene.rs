//! Three nodes on 127.0.0.1 to 127.0.0.3, an inventory that names them, and `ansible-playbook`.
//!
//! The nodes' paths have blanks. Everything that Ansible writes stays in a throw-away directory; the
//! program is that of `dist/ansible`, which `tests/ansible/install` fills.

use e2e::error::{Error, Result};
use e2e::install::{Install, Recipe};
use e2e::ports::Slot;
use e2e::process::{self, Finished};
use e2e::sample::{V4, workspace};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long a playbook may take: each task of each host is a process of its own.
const LIMIT: Duration = Duration::from_secs(400);

/// The playbook of the collection.
pub const ROLLOUT: &str = "emqx_launcher.relup.rollout";

/// Three nodes, and Ansible.
#[derive(Debug)]
pub struct Fleet {
    pub nodes: Vec<Install>,
    pub ansible: Ansible,
}

/// `ansible-playbook` with the collection.
#[derive(Debug)]
pub struct Ansible {
    scratch: TempDir,
}

impl Fleet {
    /// Starts nodes of 5.10.4.
    pub fn start() -> Result<Self> {
        let ansible = Ansible::with_collection()?;
        let nodes = (1..=3).map(node).collect::<Result<Vec<_>>>()?;
        for node in &nodes {
            node.start()?;
        }
        Ok(Self { nodes, ansible })
    }

    /// Makes one cluster of them.
    pub fn connect(&self) -> Result<()> {
        let [first, others @ ..] = self.nodes.as_slice() else {
            return Ok(());
        };
        for other in others {
            let name = name_of(other);
            first
                .emqx(&["eval", &format!("net_kernel:connect_node('{name}')")])?
                .success()?
                .says("true")?;
        }
        // The nodes tell each other who there is.
        process::wait_until("the nodes to find each other", process::HANG, || {
            let seen = others
                .iter()
                .map(|node| node.emqx(&["eval", "length(nodes())"]));
            let seen = seen.collect::<Result<Vec<_>>>()?;
            Ok(seen.iter().all(|seen| seen.text() == "2"))
        })
    }

    /// Runs a playbook on all nodes, with variables for all and for single ones.
    pub fn play(&self, playbook: &str, more: &[&str], vars: &Value, of: &[Value]) -> Result<Play> {
        let hosts = self.nodes.iter().enumerate().map(|(at, node)| {
            let mut host = json!({
                "ansible_host": format!("127.0.0.{}", at + 1),
                "emqx_relup_program": node.path("bin/emqx"),
                "emqx_relup_stage_dir": staged(node),
                "emqx_relup_environment": node.environment(),
            });
            if let (Some(host), Some(Value::Object(of))) = (host.as_object_mut(), of.get(at)) {
                host.extend(of.clone());
            }
            (format!("node{}", at + 1), host)
        });
        self.ansible.play(playbook, more, vars, &hosts.collect())
    }
}

/// Where the tarball is put on a host.
pub fn staged(node: &Install) -> PathBuf {
    node.scratch().join("staged here")
}

fn node(at: usize) -> Result<Install> {
    let recipe = Recipe {
        prefix: "emqx fleet ".to_owned(),
        ..Recipe::sample(V4)?
    };
    let mut node = Install::unpack(&recipe, Slot::claim()?)?;
    let address = format!("127.0.0.{at}");
    let name = node.node_name().replace("127.0.0.1", &address);
    node.set_env("EMQX_NODE__NAME", name);
    let bind = format!("{address}:{}", node.mqtt_port());
    node.set_env("EMQX_LISTENERS__TCP__DEFAULT__BIND", bind);
    Ok(node)
}

/// The name that a node was started with.
pub fn name_of(node: &Install) -> String {
    node.environment()["EMQX_NODE__NAME"].clone()
}

impl Ansible {
    /// Builds the collection and installs it, as a user does.
    pub fn with_collection() -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("emqx-ansible-").tempdir()?;
        let ansible = Self { scratch };
        let source = workspace().join("packaging/ansible");
        let dir = ansible.scratch.path();
        let mut build = ansible.command("ansible-galaxy")?;
        build.args(["collection", "build", "--output-path"]);
        build.arg(dir).current_dir(source);
        process::run(&mut build, LIMIT)?.success()?;
        let mut install = ansible.command("ansible-galaxy")?;
        install.args(["collection", "install", "--offline", "-p"]);
        install.arg(dir.join("collections"));
        let built = fs_err::read_dir(dir)?.flatten().map(|entry| entry.path());
        install.args(built.filter(|path| path.extension() == Some("gz".as_ref())));
        process::run(&mut install, LIMIT)?.success()?;
        Ok(ansible)
    }

    /// The installed collection.
    pub fn collection(&self) -> PathBuf {
        let collections = self.scratch.path().join("collections");
        collections.join("ansible_collections/emqx_launcher/relup")
    }

    /// A program of Ansible, at home in the throw-away directory.
    pub fn command(&self, program: &str) -> Result<Command> {
        let dir = self.scratch.path();
        let mut command = Command::new(self::program(program)?);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("ANSIBLE_") || name.starts_with("EMQX_") {
                command.env_remove(name.as_ref());
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(bin()).chain(std::env::split_paths(&path)))
            .unwrap_or(path);
        Ok({
            command.env("PATH", path).env("HOME", dir);
            command.env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1");
            command.env("ANSIBLE_COLLECTIONS_PATH", dir.join("collections"));
            command.env("ANSIBLE_PIPELINING", "1");
            command.env("ANSIBLE_DISPLAY_SKIPPED_HOSTS", "0");
            command.current_dir(dir);
            command
        })
    }

    /// Runs a playbook on hosts, which are all of this machine.
    pub fn play(
        &self,
        playbook: &str,
        more: &[&str],
        vars: &Value,
        hosts: &Map<String, Value>,
    ) -> Result<Play> {
        let inventory = json!({ "emqx": {
            "hosts": hosts,
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            },
        }});
        let file = self.scratch.path().join("inventory.json");
        fs_err::write(&file, inventory.to_string())?;
        let mut command = self.command("ansible-playbook")?;
        command.arg("-i").arg(file).arg(playbook);
        command.arg("-e").arg(vars.to_string()).args(more);
        let finished = process::run(&mut command, LIMIT)?;
        println!("{finished}");
        Ok(Play { finished })
    }
}

fn bin() -> PathBuf {
    workspace().join("dist/ansible/bin")
}

/// A program that `tests/ansible/install` has installed.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = bin().join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Missing {
        what: format!("{} does not exist", path.display()),
        remedy: "run tests/ansible/install".to_owned(),
    })
}

/// A playbook that has ended.
#[derive(Debug)]
pub struct Play {
    pub finished: Finished,
}

impl Play {
    /// A figure of a host in the recap, such as `changed`; `None` where the host was never begun.
    pub fn figure(&self, host: &str, what: &str) -> Option<u32> {
        let recap = self.finished.stdout.split_once("PLAY RECAP")?.1;
        let line = recap.lines().find(|line| line.starts_with(host))?;
        let text = line.split_whitespace().find_map(|word| {
            let (name, value) = word.split_once('=')?;
            (name == what).then_some(value)
        })?;
        text.parse().ok()
    }

    /// Demands that all hosts came to the end, with so many changes each.
    pub fn ended_with_changes(self, changes: [u32; 3]) -> Result<Self> {
        let finished = self.finished.success()?;
        let play = Self { finished };
        for (at, changes) in changes.into_iter().enumerate() {
            let host = format!("node{}", at + 1);
            assert_eq!(
                play.figure(&host, "changed"),
                Some(changes),
                "{}",
                play.finished
            );
        }
        Ok(play)
    }
}

/// The sample's tarball with a byte changed in the middle, and the digest of before.
pub fn broken(tarball: &Path, into: &Path) -> Result<PathBuf> {
    let name = tarball.file_name().unwrap_or_default();
    let to = into.join(name);
    let mut bytes = fs_err::read(tarball)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::write(&to, bytes)?;
    fs_err::copy(
        e2e::sample::sidecar_of(tarball),
        e2e::sample::sidecar_of(&to),
    )?;
    Ok(to)
}
