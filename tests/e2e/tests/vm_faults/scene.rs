//! A node of 5.10.4 with idle clients, hops to 5.10.5 that are written for one test, and targets that
//! something is wrong with.

use super::idle::IdleClients;
use super::values::{self, Values};
use e2e::install::Install;
use e2e::journal;
use e2e::node;
use e2e::process::{self, Finished, Running};
use e2e::sample::{Sample, V4, V5, workspace};
use e2e::tarball::Edit;
use e2e::witness::{error_name, relup_json};
use e2e::workshop::Workshop;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Instructions of every kind that go well.
pub(super) const CHANGES: &str = "{load_module, emqx_release}, {load_module, emqx_topic}, \
    {update, emqx_stats, {advanced, []}}, {update, emqx_connection, {advanced, []}}";

pub(super) struct Scene {
    pub(super) install: Install,
    pub(super) clients: IdleClients,
    pub(super) before: Values,
    tarball: PathBuf,
}

impl Scene {
    pub(super) fn new() -> e2e::Result<Self> {
        Self::prepared(|_| Ok(()))
    }

    /// A node of an installation that was made ready before its start.
    pub(super) fn prepared(
        prepare: impl FnOnce(&mut Install) -> e2e::Result<()>,
    ) -> e2e::Result<Self> {
        let mut install = Install::sample(V4)?;
        prepare(&mut install)?;
        install.start()?;
        let clients = IdleClients::connect(install.mqtt_port(), 20)?;
        let before = values::of(&install)?;
        let tarball = Sample::find()?.tarball(V5)?;
        Ok(Self {
            install,
            clients,
            before,
            tarball,
        })
    }

    /// A target whose file `lib/<file>` is another one.
    pub(super) fn replace(&mut self, file: &str, content: Vec<u8>) -> e2e::Result<()> {
        let edit = Edit::Replace(PathBuf::from("lib").join(file), content);
        self.edit(&[edit])
    }

    pub(super) fn edit(&mut self, edits: &[Edit]) -> e2e::Result<()> {
        let workshop = Workshop::new(&self.install)?;
        self.tarball = workshop.edited(&format!("{V5}-odd"), edits)?;
        Ok(())
    }

    /// The source of a module as it is since 5.10.5.
    pub(super) fn source(path: &str) -> e2e::Result<String> {
        let since = workspace().join("tests/sample/since").join(V5);
        Ok(fs_err::read_to_string(since.join(path))?)
    }

    /// Compiles a module as the sample's builder does.
    pub(super) fn compile(&self, module: &str, source: &str) -> e2e::Result<Vec<u8>> {
        let dir = self.install.scratch().join("compiled");
        compile(&self.install, &dir, module, source)?;
        Ok(fs_err::read(dir.join(format!("{module}.beam")))?)
    }

    /// A hop with these instructions and callbacks, which brings a module of gates along.
    pub(super) fn hop(&self, changes: &str, callbacks: &str) -> e2e::Result<PathBuf> {
        let hop = self.install.scratch().join("fault.relup");
        let text = format!(
            "#{{from_version => \"{V4}\", target_version => \"{V5}\",\n  code_changes => \
             [{changes}],\n  post_upgrade_callbacks => [{callbacks}]}}.\n"
        );
        fs_err::write(&hop, text)?;
        let source = format!(
            "-module('emqx_post_upgrade_{V5}').\n-export([wait/1, gate/1, boom/1, gate_boom/1, fine/1]).\n\
             wait(File) -> ok = file:write_file([File, \".reached\"], []), gate(File, 6000).\n\
             gate(_File, 0) -> ok;\n\
             gate(File, N) -> case filelib:is_regular(File) of true -> ok; \
             false -> timer:sleep(20), gate(File, N - 1) end.\n\
             gate(_FromVsn) -> wait(\"{}\").\nboom(FromVsn) -> error({{boom, FromVsn}}).\n\
             gate_boom(FromVsn) -> gate(FromVsn), boom(FromVsn).\nfine(_FromVsn) -> ok.\n",
            self.gate().display()
        );
        let module = format!("emqx_post_upgrade_{V5}");
        compile(&self.install, &hop.with_extension(""), &module, &source)?;
        Ok(hop)
    }

    /// The same with a load of that module, which has the callbacks.
    pub(super) fn hop_with_callbacks(
        &self,
        changes: &str,
        callbacks: &str,
    ) -> e2e::Result<PathBuf> {
        let module = format!("{{load_module, 'emqx_post_upgrade_{V5}'}}");
        self.hop(&format!("{module}, {changes}"), callbacks)
    }

    /// An instruction that waits until [`Scene::open_gate`], and needs nothing loaded.
    pub(super) fn gate_instruction(&self) -> String {
        format!(
            "{{apply, erlang, apply, [fun(File) -> ok = file:write_file([File, \".reached\"], []), \
             Gate = fun Gate(0) -> ok; Gate(N) -> case filelib:is_regular(File) of true -> ok; \
             false -> timer:sleep(20), Gate(N - 1) end end, Gate(6000) end, [\"{}\"]]}}",
            self.gate().display()
        )
    }

    /// A target whose connections wait in their `code_change`, and do something after that.
    pub(super) fn wait_in_code_change(&mut self, then: &str) -> e2e::Result<()> {
        let source = Self::source("emqx/src/emqx_connection.erl")?;
        let head = "code_change(FromVsn, {1, Socket, Peer, Buffer, Channel, Seen}, _Extra) ->";
        let source = self.waiting(&source, head, then);
        let beam = self.compile("emqx_connection", &source)?;
        self.replace("emqx-5.10.5/ebin/emqx_connection.beam", beam)
    }

    /// A target whose dashboard waits while it is started.
    pub(super) fn wait_in_dashboard(&mut self) -> e2e::Result<()> {
        let source = Self::source("emqx_dashboard/src/emqx_dashboard_app.erl")?;
        let source = self.waiting(&source, "start(_Type, _Args) ->", "");
        let beam = self.compile("emqx_dashboard_app", &source)?;
        self.replace("emqx_dashboard-5.2.7/ebin/emqx_dashboard_app.beam", beam)
    }

    /// A source with a wait behind the head of a function.
    fn waiting(&self, source: &str, head: &str, then: &str) -> String {
        assert!(source.contains(head), "the sample has changed");
        let gate = self.gate().display().to_string();
        let wait = format!(
            "{head}\n    ok = file:write_file(\"{gate}.reached\", []),\n    Gate = fun Gate(0) -> ok; \
             Gate(N) -> case filelib:is_regular(\"{gate}\") of true -> ok; \
             false -> timer:sleep(20), Gate(N - 1) end end,\n    ok = Gate(6000),\n    {then}"
        );
        source.replace(head, &wait)
    }

    fn gate(&self) -> PathBuf {
        self.install.scratch().join("gate")
    }

    pub(super) fn open_gate(&self) -> e2e::Result<()> {
        Ok(fs_err::write(self.gate(), "")?)
    }

    /// Waits until the node waits at the gate.
    pub(super) fn gate_is_reached(&self) -> e2e::Result<()> {
        let mark = self.install.scratch().join("gate.reached");
        process::wait_until("the gate", process::HANG, || Ok(mark.exists()))
    }

    pub(super) fn spawn(&self, hop: &Path) -> e2e::Result<Running> {
        let mut command = self.install.emqx_command(&["relup", "upgrade"]);
        command.arg(&self.tarball).arg("--relup").arg(hop);
        Running::spawn(command.stdin(Stdio::null()))
    }

    /// Upgrades, and demands an exit code and the name of an error.
    pub(super) fn refuse(&self, hop: &Path, code: i32, error: &str) -> e2e::Result<Finished> {
        self.refuse_with(hop, &[], code, error)
    }

    /// The same with more options.
    pub(super) fn refuse_with(
        &self,
        hop: &Path,
        options: &[&str],
        code: i32,
        error: &str,
    ) -> e2e::Result<Finished> {
        let (tarball, hop) = (self.tarball.to_string_lossy(), hop.to_string_lossy());
        let args = ["upgrade", &tarball, "--relup", &hop];
        let (finished, json) = relup_json(&self.install, &[&args[..], options].concat())?;
        assert_eq!(
            (finished.code, error_name(&json)),
            (Some(code), error),
            "{finished}"
        );
        Ok(finished)
    }

    pub(super) fn tarball(&self) -> &Path {
        &self.tarball
    }

    /// Demands that the VM is what it was before, that everybody is still connected, that no marker
    /// was written, and that status and logs tell the truth.
    pub(super) fn is_as_before(&mut self) -> e2e::Result<()> {
        let after = values::of(&self.install)?;
        assert_eq!(
            values::differences(&self.before, &after),
            Vec::<String>::new()
        );
        self.clients.all_answer()?;
        assert!(!self.install.path("relup/current").exists(), "a marker");
        self.install
            .emqx(&["relup", "status"])?
            .success()?
            .says("idle")?;
        Ok(())
    }

    /// `kill -9`, of the VM alone.
    pub(super) fn kill_vm(&self) -> e2e::Result<()> {
        for vm in self.install.vms() {
            let pid = Pid::from_raw(i32::try_from(vm.pid).unwrap_or(i32::MAX));
            kill(pid, Signal::SIGKILL)
                .map_err(|error| e2e::Error::Unexpected(format!("cannot kill {pid}: {error}")))?;
        }
        process::wait_until("the VM to vanish", process::HANG, || {
            Ok(self.install.vms().is_empty())
        })
    }

    /// Demands what the journal says of the end of the last attempt.
    pub(super) fn ended_with(&self, result: &str) -> e2e::Result<()> {
        let records = journal::last_attempt(self.install.root())?;
        let end = records.last().expect("an attempt");
        assert_eq!(
            (end.step.as_str(), end.result.as_deref()),
            ("finished", Some(result))
        );
        Ok(())
    }

    /// The sample's own hop on the sample's own target: what went before is not in its way.
    pub(super) fn upgrades_after_all(&self) -> e2e::Result<()> {
        let target = Sample::find()?.tarball(V5)?;
        self.install
            .emqx(&["relup", "upgrade", &target.to_string_lossy()])?
            .success()?
            .says("upgrade complete")?;
        assert_eq!(node::version(&self.install)?, V5);
        Ok(())
    }
}

fn compile(install: &Install, dir: &Path, module: &str, source: &str) -> e2e::Result<()> {
    fs_err::create_dir_all(dir)?;
    let file = dir.join(format!("{module}.erl"));
    fs_err::write(&file, source)?;
    let mut erlc = install.command("erlc");
    erlc.arg("+deterministic").arg("-o").arg(dir).arg(&file);
    process::run(&mut erlc, process::HANG)?.success()?;
    Ok(())
}
