//! Real Erlang nodes for the tests: on a free port, without epmd, gone when dropped.

use shims::cookie::Cookie;
use shims::dist::{Connection, DistError, Port, Target};
use shims::io_server::{Console, Input, Output};
use shims::node_name::NodeName;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Long enough for a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running node. It has the modules of `tests/dist/erl`.
pub struct Node {
    child: Child,
    pub target: Target,
}

impl Node {
    /// A node with a long name on the loopback interface.
    pub fn start() -> Node {
        Node::start_with(&[])
    }

    /// The same with more arguments for `erl`.
    pub fn start_with(args: &[&str]) -> Node {
        Node::start_as("-name", "127.0.0.1", args)
    }

    pub fn start_as(kind: &str, host: &str, args: &[&str]) -> Node {
        for _ in 0..5 {
            if let Some(node) = Node::try_start(kind, host, args) {
                return node;
            }
        }
        panic!("no node starts");
    }

    /// `None` when the port was taken in the meantime.
    fn try_start(kind: &str, host: &str, args: &[&str]) -> Option<Node> {
        let port = free_port();
        let short = format!("shims{}x", fastrand::u32(..));
        let name = if kind == "-sname" {
            short.clone()
        } else {
            format!("{short}@{host}")
        };
        let load = "lists:foreach(fun(F) -> {ok, M, B} = compile:file(F, [binary]), \
             {module, M} = code:load_binary(M, F, B) end, init:get_plain_arguments())";
        let port_text = port.to_string();
        let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/dist/erl");
        let mut command = Command::new("erl");
        command
            .args([
                "-noinput",
                kind,
                &name,
                "-setcookie",
                "biscuit",
                "-start_epmd",
                "false",
            ])
            .args(["-erl_epmd_port", &port_text, "-kernel"])
            .args([
                "inet_dist_listen_min",
                &port_text,
                "inet_dist_listen_max",
                &port_text,
            ])
            .args(args)
            .args(["-eval", load, "-extra"])
            .args([sources.join("emqx_ctl.erl"), sources.join("shims_test.erl")])
            .env("ERL_CRASH_DUMP_BYTES", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .expect("erl starts: Erlang/OTP is installed");
        let host = if kind == "-sname" {
            "localhost".to_owned()
        } else {
            host.to_owned()
        };
        let target = Target {
            name: NodeName::parse(&name).expect("a good name"),
            cookie: Cookie::new("biscuit".to_owned()),
            ipv6: host.contains(':'),
            tls: None,
            host,
            port: Port::Fixed(port),
        };
        let mut node = Node { child, target };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if node.is_ready() {
                return Some(node);
            }
            if node
                .child
                .try_wait()
                .expect("a child can be asked")
                .is_some()
            {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("node {name} does not come up");
    }

    /// Its modules are loaded last.
    fn is_ready(&self) -> bool {
        let Ok(mut connection) = Connection::connect(&self.target, PATIENCE) else {
            return false;
        };
        let args = vec![shims::term::atom("shims_test")];
        let loaded = connection.call(
            "code",
            "is_loaded",
            args,
            shims::dist::CallOptions::default(),
        );
        !matches!(
            loaded,
            Ok(shims::dist::CallOutcome::Return(shims::term::Term::Atom(_))) | Err(_)
        )
    }

    pub fn connect(&self) -> Connection {
        Connection::connect(&self.target, PATIENCE).expect("the node is up")
    }

    pub fn port(&self) -> u16 {
        match self.target.port {
            Port::Fixed(port) => port,
            Port::Epmd { .. } => unreachable!("these nodes have no epmd"),
        }
    }

    pub fn os_pid(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

pub fn connect_error(target: &Target, timeout: Duration) -> DistError {
    Connection::connect(target, timeout)
        .map(drop)
        .expect_err("it must not connect")
}

/// A console that remembers what was shown and types prepared lines.
#[derive(Clone, Default)]
pub struct Tape {
    pub shown: Arc<Mutex<Vec<u8>>>,
    pub lines: Arc<Mutex<Vec<String>>>,
    /// The output is gone after so many writes.
    pub closes_after: Option<usize>,
    /// How long each write takes.
    pub slowness: Duration,
    /// How long it takes to type a line.
    pub typing: Duration,
    pub geometry: Option<(u16, u16)>,
    pub writes: Arc<Mutex<usize>>,
}

impl Tape {
    pub fn typing(lines: &[&str]) -> Tape {
        let lines = lines.iter().rev().map(|line| (*line).to_owned()).collect();
        Tape {
            lines: Arc::new(Mutex::new(lines)),
            ..Tape::default()
        }
    }

    pub fn console(&self) -> Console {
        Console::new(self.clone(), self.clone())
    }

    pub fn shown(&self) -> String {
        let bytes = self.shown.lock().expect("no test panics with it").clone();
        String::from_utf8(bytes).expect("output is UTF-8")
    }
}

impl Output for Tape {
    fn write(&mut self, bytes: &[u8]) -> bool {
        std::thread::sleep(self.slowness);
        let mut writes = self.writes.lock().expect("no test panics with it");
        *writes += 1;
        if self.closes_after.is_some_and(|limit| *writes > limit) {
            return false;
        }
        self.shown
            .lock()
            .expect("no test panics with it")
            .extend_from_slice(bytes);
        true
    }

    fn geometry(&mut self) -> Option<(u16, u16)> {
        self.geometry
    }
}

impl Input for Tape {
    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        std::thread::sleep(self.typing);
        let line = self.lines.lock().expect("no test panics with it").pop();
        Ok(line.unwrap_or_default().into_bytes())
    }

    fn read_password(&mut self) -> io::Result<Vec<u8>> {
        self.read_line()
    }
}
