//! From a host's name to addresses, within a deadline.
//!
//! A node that is administered from its own machine mostly has an address, `localhost` or a line of
//! `/etc/hosts` as its host: those are answered here. The system's resolver is asked for the rest,
//! through `getent`: a static binary that asked its C library would make it load name service modules
//! of another C library, and crash. The resolver cannot be given a deadline, so it is asked on a
//! thread that is left behind when it is too slow.

use super::deadline::Deadline;
use super::error::DistError;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const HOSTS: &str = "/etc/hosts";

/// The addresses of `host`, of one family only: a node listens on one.
pub(crate) fn resolve(
    host: &str,
    port: u16,
    ipv6: bool,
    deadline: Deadline,
) -> Result<Vec<SocketAddr>, DistError> {
    let unknown = |reason: String| DistError::NameUnknown {
        name: host.to_owned(),
        reason,
    };
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // An unreadable file is as good as an empty one: the system's resolver decides then.
    let hosts = fs_err::read_to_string(HOSTS).unwrap_or_default();
    let mut known = in_hosts(&hosts, host, ipv6);
    if known.is_empty() && host.eq_ignore_ascii_case("localhost") {
        known.push(if ipv6 {
            Ipv6Addr::LOCALHOST.into()
        } else {
            Ipv4Addr::LOCALHOST.into()
        });
    }
    if !known.is_empty() {
        return Ok(known
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect());
    }
    let found = ask_system(host.to_owned(), port, deadline)
        .map_err(|error| unknown(format!("the host name does not resolve: {error}")))?;
    let found: Vec<_> = found
        .into_iter()
        .filter(|address| address.is_ipv6() == ipv6)
        .collect();
    if found.is_empty() {
        let family = if ipv6 { "IPv6" } else { "IPv4" };
        return Err(unknown(format!("the host has no {family} address")));
    }
    Ok(found)
}

fn ask_system(host: String, port: u16, deadline: Deadline) -> io::Result<Vec<SocketAddr>> {
    let (answer, answered) = mpsc::channel();
    std::thread::Builder::new()
        .name("resolver".into())
        .spawn(move || {
            // Nobody listens any more when the deadline has passed.
            let _ = answer.send(look_up(&host, port));
        })?;
    let timed_out = || {
        io::Error::new(
            io::ErrorKind::TimedOut,
            "the resolver did not answer in time",
        )
    };
    let left = deadline
        .left()
        .map_err(|_| timed_out())?
        .unwrap_or(Duration::MAX);
    answered.recv_timeout(left).map_err(|_| timed_out())?
}

fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let output = Command::new("getent")
        .args(["ahosts", host])
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(of_getent(&String::from_utf8_lossy(&output.stdout), port))
        }
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no address is known for it",
        )),
        // A system without getent is one of a single C library, whose own resolver is safe.
        Err(_) => (host, port).to_socket_addrs().map(Iterator::collect),
    }
}

/// Lines of `getent ahosts`: an address, a socket type, and in the first one the name.
fn of_getent(output: &str, port: u16) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for line in output.lines() {
        let address = line
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok());
        if let Some(address) = address.map(|ip: IpAddr| SocketAddr::new(ip, port))
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

fn in_hosts(content: &str, host: &str, ipv6: bool) -> Vec<IpAddr> {
    let lines = content
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address: IpAddr = words.next()?.parse().ok()?;
            let named = words.any(|name| name.eq_ignore_ascii_case(host));
            (named && address.is_ipv6() == ipv6).then_some(address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_hosts_file_answers_for_its_family_only() {
        let content =
            "127.0.0.1 localhost\n::1 localhost ip6 # Node.x\n10.0.0.7\tNode.x node\n\nx y\n";
        let cases: [(&str, bool, &[&str]); 5] = [
            ("localhost", false, &["127.0.0.1"]),
            ("localhost", true, &["::1"]),
            ("node.X", false, &["10.0.0.7"]),
            ("node.x", true, &[]),
            ("y", false, &[]),
        ];
        for (host, ipv6, expected) in cases {
            let found = in_hosts(content, host, ipv6);
            let found: Vec<_> = found.iter().map(IpAddr::to_string).collect();
            assert_eq!(found, expected, "{host} ipv6={ipv6}");
        }
    }

    #[test]
    fn each_address_of_the_system_counts_once() {
        let output = "10.0.0.7 STREAM node.x\n10.0.0.7 DGRAM\nfd00::7 STREAM\nnonsense\n";
        let found: Vec<_> = of_getent(output, 4370)
            .iter()
            .map(SocketAddr::to_string)
            .collect();
        assert_eq!(found, ["10.0.0.7:4370", "[fd00::7]:4370"]);
    }

    #[test]
    fn an_unknown_host_is_named_in_the_error() {
        let deadline = Deadline::after(Some(Duration::from_secs(5)));
        let error = resolve("no-such-host.invalid", 1, false, deadline).expect_err("it resolves");
        assert!(
            matches!(&error, DistError::NameUnknown { name, .. } if name == "no-such-host.invalid")
        );
    }
}
