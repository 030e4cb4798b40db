//! One running node for all cases that only look, although each case is a process of its own.
//!
//! The first case that needs the node starts a keeper: this program again, which installs, boots,
//! lends the node out, and ends it when the test runner is gone. Who the keeper is, is settled by
//! the kernel: it listens on an abstract socket whose name belongs to the runner, so there can be
//! one only, and nothing is left behind in the file system.

use crate::subject::Subject;
use e2e::ports::Slot;
use e2e::process;
use e2e::{Error, Result};
use std::io::{BufRead, BufReader, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The first argument of a keeper.
const KEEP: &str = "--keep-a-shared-node";

/// How often a keeper looks whether the runner is still there.
const LOOK: Duration = Duration::from_millis(200);

/// The root and the ports of the shared node of a subject, one for each suite that asks; boots it
/// when this is the first need.
pub fn join(suite: &str, subject: &Subject) -> Result<(PathBuf, Slot)> {
    let owner = format!("{}-{suite}", owner());
    let address = address(&owner, subject)?;
    let mut stream = None;
    process::wait_until("a shared node", process::HANG, || {
        if stream.is_none() {
            stream = UnixStream::connect_addr(&address).ok();
        }
        if stream.is_none() {
            start_keeper(&owner, subject)?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(stream.is_some())
    })?;
    let Some(stream) = stream else {
        return Err(Error::Unexpected("no shared node".to_owned()));
    };
    stream.set_read_timeout(Some(process::HANG))?;
    let mut lines = BufReader::new(stream).lines();
    let mut line = || lines.next().unwrap_or_else(|| Ok(String::new()));
    match (line()?.as_str(), line()?.parse()) {
        ("", _) => Err(Error::Unexpected(
            "the keeper of the shared node ended".to_owned(),
        )),
        ("failed", _) => {
            let text: std::io::Result<Vec<String>> = lines.collect();
            Err(Error::Unexpected(text?.join("\n")))
        }
        (root, Ok(index)) => Ok((PathBuf::from(root), Slot::of_index(index))),
        (root, Err(_)) => Err(Error::Unexpected(format!("no slot for {root}"))),
    }
}

/// Whether this process is to be a keeper; it is one until the runner is gone, then this returns.
#[must_use]
pub fn keep_if_asked() -> bool {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [keep, owner, program, tree] = args.as_slice() else {
        return false;
    };
    if keep != KEEP {
        return false;
    }
    let subject = Subject::of_words(program, tree);
    // Another one may have been first, and nobody reads what this one says.
    if let Ok(Ok(listener)) = address(owner, &subject).map(|a| UnixListener::bind_addr(&a)) {
        keep_node(owner, &subject, &listener);
    }
    true
}

fn keep_node(owner: &str, subject: &Subject, listener: &UnixListener) {
    let running = subject.running();
    let answer = match &running {
        Ok(site) => format!("{}\n{}\n", site.root().display(), site.slot().index()),
        Err(error) => format!("failed\n0\n{error}\n"),
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming() {
                // A case that went away needs no answer.
                let _ = stream.and_then(|mut stream| stream.write_all(answer.as_bytes()));
            }
        });
        let runner = owner.rsplit_once('-').map(|(runner, _)| runner);
        let pid = owner.split('-').next().unwrap_or_default();
        while identity(pid).as_deref() == runner {
            std::thread::sleep(LOOK);
        }
        drop(running);
        std::process::exit(0);
    });
}

fn start_keeper(owner: &str, subject: &Subject) -> Result<()> {
    let [program, tree] = subject.to_words();
    Command::new(std::env::current_exe()?)
        .args([KEEP, owner, &program, &tree])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok(())
}

/// The process that stands for the whole run: the runner where each case is a process of its own.
/// With the suite's name behind it, it is whom a keeper works for.
fn owner() -> String {
    let pid = if std::env::var_os("NEXTEST").is_some() {
        std::os::unix::process::parent_id()
    } else {
        std::process::id()
    };
    identity(&pid.to_string()).unwrap_or_default()
}

/// A process id with its start time, which no other process shares; `None` when it is gone.
fn identity(pid: &str) -> Option<String> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(") ")?;
    let mut fields = after.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(|started| format!("{pid}-{started}"))
}

fn address(owner: &str, subject: &Subject) -> Result<SocketAddr> {
    let [program, _] = subject.to_words();
    let name = format!("emqx-compliance-{owner}-{program}");
    Ok(SocketAddr::from_abstract_name(name)?)
}
