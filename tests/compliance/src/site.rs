//! An installation under test with what its own files say of it.

use crate::ensure;
use e2e::install::{self, Install};
use e2e::process::{self, Finished};
use e2e::sample::{Sample, V5};
use e2e::{Error, Result, node};
use std::ffi::OsStr;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What `releases/emqx_vars` says, read by a real shell: it is the judge of that file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `REL_VSN`.
    pub vsn: String,
    /// `ERTS_VSN`.
    pub erts: String,
    /// `EMQX_DESCRIPTION`.
    pub description: String,
    /// `EMQX_ETC_DIR`.
    pub etc_dir: String,
}

impl Facts {
    /// Reads the variables of a release tree.
    pub fn read(root: &Path) -> Result<Self> {
        let script = ". \"$RUNNER_ROOT_DIR/releases/emqx_vars\" && \
                      printf '%s\\n' \"$REL_VSN\" \"$ERTS_VSN\" \"$EMQX_DESCRIPTION\" \"$EMQX_ETC_DIR\"";
        let output = Command::new("sh")
            .args(["-c", script])
            .env_clear()
            .env("RUNNER_ROOT_DIR", root)
            .env("BASE_RUNNER_ROOT_DIR", root)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        match lines.as_slice() {
            [vsn, erts, description, etc_dir] => Ok(Self {
                vsn: (*vsn).to_owned(),
                erts: (*erts).to_owned(),
                description: (*description).to_owned(),
                etc_dir: (*etc_dir).to_owned(),
            }),
            _ => Err(Error::Unexpected(format!(
                "{}/releases/emqx_vars: {}",
                root.display(),
                String::from_utf8_lossy(&output.stderr)
            ))),
        }
    }
}

/// An installation of the program under test.
#[derive(Debug)]
pub struct Site {
    install: Install,
    /// What it says of itself.
    pub facts: Facts,
}

impl Site {
    /// An installation with the facts of its files.
    pub fn new(install: Install) -> Result<Self> {
        let facts = Facts::read(install.root())?;
        Ok(Self { install, facts })
    }

    /// The value of an Erlang expression on the node, as it is printed.
    pub fn eval(&self, expression: &str) -> Result<String> {
        node::eval(self, expression)
    }

    /// Demands that an expression's value on the node is a certain string.
    pub fn demand_string(&self, expression: &str, expected: impl AsRef<OsStr>) -> Result<()> {
        let expected = format!("{:?}", expected.as_ref().to_string_lossy());
        let value = self.eval(expression)?;
        ensure!(value == expected, "{expression} is {value}, not {expected}");
        Ok(())
    }

    /// Demands that a variable has a certain value in the node.
    pub fn demand_variable(&self, name: &str, expected: impl AsRef<OsStr>) -> Result<()> {
        self.demand_string(&format!("os:getenv({name:?})"), expected)
    }

    /// Runs `bin/emqx ARGS` with one more variable.
    pub fn emqx_with(&self, name: &str, value: &str, args: &[&str]) -> Result<Finished> {
        process::run(self.emqx_command(args).env(name, value), process::HANG)
    }

    /// Appends lines to `releases/emqx_vars`, as upgrades do.
    pub fn append_vars(&self, lines: &str) -> Result<()> {
        let vars = self.path("releases/emqx_vars");
        let text = fs_err::read_to_string(&vars)?;
        Ok(fs_err::write(&vars, format!("{text}\n{lines}\n"))?)
    }

    /// Appends lines to `etc/emqx.conf`.
    pub fn append_conf(&self, lines: &str) -> Result<()> {
        let conf = self.path("etc/emqx.conf");
        let text = fs_err::read_to_string(&conf)?;
        Ok(fs_err::write(&conf, format!("{text}\n{lines}\n"))?)
    }

    /// Appends lines to `etc/vm.args`.
    pub fn append_vm_args(&self, lines: &str) -> Result<()> {
        let file = self.path("etc/vm.args");
        let text = fs_err::read_to_string(&file)?;
        Ok(fs_err::write(&file, format!("{text}\n{lines}\n"))?)
    }

    /// Puts a module into `data/patches`, which goes before the release's own: what follows
    /// `-module(...).`.
    pub fn patch(&self, module: &str, code: &str) -> Result<()> {
        let dir = self.path("data/patches");
        fs_err::create_dir_all(&dir)?;
        let source = self.scratch().join(format!("{module}.erl"));
        fs_err::write(&source, format!("-module({module}).\n{code}"))?;
        let mut erlc = self.command("erlc");
        erlc.arg("-o").arg(&dir).arg(&source);
        process::run(&mut erlc, process::HANG)?.success()?;
        Ok(())
    }

    /// Lets other users of the machine in; the directory is private otherwise.
    pub fn open_to_all(&self) -> Result<()> {
        let everybody = PermissionsExt::from_mode(0o755);
        Ok(fs_err::set_permissions(self.scratch(), everybody)?)
    }

    /// Makes every start of a VM run a line of shell first.
    pub fn wrap_erlexec(&self, line: &str) -> Result<()> {
        let erlexec = self.path(format!("erts-{}/bin/erlexec", self.facts.erts));
        let real = erlexec.with_file_name("erlexec.real");
        fs_err::rename(&erlexec, &real)?;
        let script = format!("#!/bin/sh\n{line}\nexec '{}' \"$@\"\n", real.display());
        fs_err::write(&erlexec, script)?;
        Ok(fs_err::set_permissions(
            &erlexec,
            PermissionsExt::from_mode(0o755),
        )?)
    }

    /// Demands that no process of the installation is left. The children of a VM that ended need a
    /// moment to see that.
    pub fn demand_nothing_runs(&self) -> Result<()> {
        process::wait_until("every process to be gone", Duration::from_secs(20), || {
            Ok(self.processes().is_empty())
        })
    }

    /// From now on the VM of a node writes down how it was started, and ends at once. Helper VMs run
    /// as ever.
    pub fn capture_node(&self) -> Result<Captured> {
        let captured = Captured {
            dir: fs_err::canonicalize(self.scratch())?,
        };
        let dir = captured.dir.display();
        self.wrap_erlexec(&format!(
            "case \" $* \" in *' -emqx_data_dir '*)\n\
             printf '%s\\0' \"$@\" >'{dir}/node.args'\n\
             cat /proc/$$/environ >'{dir}/node.env'\n\
             pwd >'{dir}/node.cwd'; exit 0;;\nesac"
        ))?;
        Ok(captured)
    }

    /// Waits until the node says that it is ready.
    pub fn wait_ready(&self) -> Result<()> {
        process::wait_until("the node to be ready", process::HANG, || {
            let finished = self.emqx(&["eval", "emqx_machine:is_ready()"])?;
            Ok(finished.code == Some(0) && finished.text() == "true")
        })
    }

    /// Puts a release tree below `relup/` and names it in the marker: of the sample the next
    /// version, of another release a copy of itself. Gives the version.
    pub fn deploy(&self) -> Result<String> {
        let vsn = self.deploy_below(&self.path("relup"))?;
        fs_err::write(self.path("relup/current"), format!("{vsn}\n"))?;
        Ok(vsn)
    }

    /// Puts that tree below a directory, without a marker.
    pub fn deploy_below(&self, dir: &Path) -> Result<String> {
        if !self.is_sample() {
            let tree = dir.join(&self.facts.vsn);
            for part in [
                "bin",
                "lib",
                "releases",
                &format!("erts-{}", self.facts.erts),
            ] {
                install::copy_tree(&self.path(part), &tree.join(part))?;
            }
            return Ok(self.facts.vsn.clone());
        }
        let tree = dir.join(V5);
        fs_err::create_dir_all(&tree)?;
        let mut tar = self.command("tar");
        tar.arg("-xzf").arg(Sample::find()?.tarball(V5)?);
        tar.arg("--no-same-owner").arg("-C").arg(&tree);
        process::run(&mut tar, process::HANG)?.success()?;
        Ok(V5.to_owned())
    }

    /// Whether the release is this project's own.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.path("relup/catalog").is_dir()
    }

    /// A text with what stands for something of this installation filled in.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        let root = self.root().to_string_lossy();
        let mut filled = text.to_owned();
        for (place, value) in [
            ("{name}", self.node_name().as_str()),
            ("{root}", &root),
            ("{vsn}", &self.facts.vsn),
            ("{erts}", &self.facts.erts),
            ("{description}", &self.facts.description),
        ] {
            filled = filled.replace(place, value);
        }
        if filled.contains("{pid}") {
            let pid = self.vms().first().map(|vm| vm.pid).unwrap_or_default();
            filled = filled.replace("{pid}", &pid.to_string());
        }
        filled
    }
}

/// How the VM of a node was started.
#[derive(Debug)]
pub struct Captured {
    dir: PathBuf,
}

impl Captured {
    /// The arguments of its program.
    pub fn args(&self) -> Result<Vec<String>> {
        self.words("node.args")
    }

    /// A variable of its environment.
    pub fn variable(&self, name: &str) -> Result<Option<String>> {
        let variables = self.words("node.env")?;
        let mut found = variables.iter().filter_map(|text| text.split_once('='));
        Ok(found.find_map(|(key, value)| (key == name).then(|| value.to_owned())))
    }

    /// The directory that it works in.
    pub fn working_dir(&self) -> Result<PathBuf> {
        let text = fs_err::read_to_string(self.dir.join("node.cwd"))?;
        Ok(PathBuf::from(text.trim_end_matches('\n')))
    }

    /// Forgets what was written down.
    pub fn clear(&self) -> Result<()> {
        for name in ["node.args", "node.env", "node.cwd"] {
            let path = self.dir.join(name);
            if path.exists() {
                fs_err::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn words(&self, name: &str) -> Result<Vec<String>> {
        let bytes = fs_err::read(self.dir.join(name))?;
        let words = bytes.split(|byte| *byte == 0);
        let mut words: Vec<String> = words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        // Each word ends in a NUL.
        words.pop();
        Ok(words)
    }
}

impl Deref for Site {
    type Target = Install;

    fn deref(&self) -> &Install {
        &self.install
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Install {
        &mut self.install
    }
}
