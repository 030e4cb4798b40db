//! Which nodes of this installation are running, read from the process table: the arguments of a
//! running VM are the truth about its name, cookie, transport and data directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::host::Process;

/// A VM that runs a release below the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningNode {
    /// Its process id.
    pub pid: i32,
    /// `emqx@127.0.0.1`, or without `@` for a short name.
    pub name: String,
    /// The root of the tree that it was booted from.
    pub root: PathBuf,
    /// Its cookie, where the command line has one.
    pub cookie: Option<String>,
    /// `inet_tcp`, `inet6_tcp`, `inet_tls` or `inet6_tls`.
    pub proto_dist: String,
    /// The TLS options' file.
    pub ssl_dist_optfile: Option<PathBuf>,
    /// `kernel net_ticktime` in seconds.
    pub net_ticktime: Option<String>,
    /// The base port of `kernel inet_dist_base_port`, where it was given.
    pub dist_base_port: Option<u16>,
    /// True where the node found its peers through epmd.
    pub uses_epmd: bool,
    /// The data directory.
    pub data_dir: Option<PathBuf>,
}

/// The nodes among the processes whose `-root` is the base or below it.
pub fn running_nodes(processes: &[Process], base: &Path) -> Vec<RunningNode> {
    let mut nodes: Vec<RunningNode> = processes
        .iter()
        .filter_map(|process| node_of(process, base))
        .collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name).then(a.pid.cmp(&b.pid)));
    nodes
}

fn node_of(process: &Process, base: &Path) -> Option<RunningNode> {
    let args = Args(&process.args);
    let root = PathBuf::from(args.value("-root")?);
    // Whole components are compared: /opt/emqx2 is not below /opt/emqx.
    if !root.starts_with(base) || args.has("-remsh") || args.has("-escript") {
        return None;
    }
    let name = args.text("-name").or_else(|| args.text("-sname"))?;
    if name.starts_with("remsh") {
        return None;
    }
    Some(RunningNode {
        pid: process.pid,
        name,
        root,
        cookie: args.text("-setcookie").map(|cookie| unquote(&cookie)),
        proto_dist: args
            .text("-ekka_proto_dist")
            .unwrap_or_else(|| "inet_tcp".into()),
        ssl_dist_optfile: args.value("-ssl_dist_optfile").map(PathBuf::from),
        net_ticktime: args.text2("-kernel", "net_ticktime"),
        dist_base_port: args
            .text2("-kernel", "inet_dist_base_port")
            .and_then(|port| port.parse().ok()),
        uses_epmd: args.text("-start_epmd").as_deref() != Some("false"),
        data_dir: args.rest("-emqx_data_dir").map(PathBuf::from),
    })
}

/// The arguments of a VM; where an option is given twice the last one counts, as it was put there
/// to override the first.
struct Args<'a>(&'a [OsString]);

impl Args<'_> {
    fn has(&self, option: &str) -> bool {
        self.0.iter().any(|arg| arg == option)
    }

    fn value(&self, option: &str) -> Option<&OsStr> {
        let at = self.0.iter().rposition(|arg| arg == option)?;
        self.0.get(at + 1).map(OsString::as_os_str)
    }

    fn text(&self, option: &str) -> Option<String> {
        self.value(option)
            .and_then(OsStr::to_str)
            .map(str::to_owned)
    }

    /// The value of an application's parameter: `-kernel net_ticktime 120`.
    fn text2(&self, application: &str, parameter: &str) -> Option<String> {
        let at = self
            .0
            .windows(2)
            .rposition(|pair| pair[0] == application && pair[1] == parameter)?;
        self.0.get(at + 2)?.to_str().map(str::to_owned)
    }

    /// The last option's value, which a blank may have split where a shell started the VM.
    fn rest(&self, option: &str) -> Option<OsString> {
        let at = self.0.iter().rposition(|arg| arg == option)?;
        let words: Vec<&[u8]> = self.0[at + 1..]
            .iter()
            .map(|word| word.as_bytes())
            .take_while(|word| *word != b"--")
            .collect();
        (!words.is_empty()).then(|| OsStr::from_bytes(&words.join(&b' ')).to_owned())
    }
}

/// An atom as the args file writes it, without its quotes.
fn unquote(atom: &str) -> String {
    atom.strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .unwrap_or(atom)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, args: &[&str]) -> Process {
        Process {
            pid,
            args: args.iter().map(OsString::from).collect(),
        }
    }

    fn vm(pid: i32, root: &str, name: &str) -> Process {
        process(
            pid,
            &[
                "emqx",
                "--",
                "-root",
                root,
                "-name",
                name,
                "-setcookie",
                "'a-b'",
                "-kernel",
                "net_ticktime",
                "120",
                "-start_epmd",
                "false",
                "--",
                "-ekka_proto_dist",
                "inet_tcp",
                "-emqx_data_dir",
                "/var/lib/e mqx",
            ],
        )
    }

    #[test]
    fn only_nodes_at_or_below_the_base_count() {
        let check = |process: Process, base: &str, expected: Option<&str>| {
            let nodes = running_nodes(&[process], Path::new(base));
            assert_eq!(nodes.first().map(|node| node.name.as_str()), expected);
        };
        check(vm(1, "/opt/emqx", "emqx@h"), "/opt/emqx", Some("emqx@h"));
        check(
            vm(1, "/opt/emqx/relup/5.10.5", "emqx@h"),
            "/opt/emqx",
            Some("emqx@h"),
        );
        check(vm(1, "/opt/emqx2", "emqx@h"), "/opt/emqx", None);
        check(vm(1, "/opt/e mqx", "emqx@h"), "/opt/e mqx", Some("emqx@h"));
        check(vm(1, "/opt/emqx", "remsh12@h"), "/opt/emqx", None);
        check(
            process(1, &["beam.smp", "-root", "/opt/emqx"]),
            "/opt/emqx",
            None,
        );
        check(process(1, &["sh", "-c", "x"]), "/opt/emqx", None);
    }

    #[test]
    fn the_arguments_tell_all_that_a_connection_needs() {
        let nodes = running_nodes(&[vm(7, "/opt/emqx", "emqx@h")], Path::new("/opt/emqx"));
        assert_eq!(
            nodes,
            [RunningNode {
                pid: 7,
                name: "emqx@h".into(),
                root: "/opt/emqx".into(),
                cookie: Some("a-b".into()),
                proto_dist: "inet_tcp".into(),
                ssl_dist_optfile: None,
                net_ticktime: Some("120".into()),
                dist_base_port: None,
                uses_epmd: false,
                data_dir: Some("/var/lib/e mqx".into()),
            }]
        );
    }
}
