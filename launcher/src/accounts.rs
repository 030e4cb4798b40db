//! Users and their groups. A static binary must not ask the C library for them: it would load the
//! system's name service modules, which belong to another C library, and crash. So the files are
//! read here, and who is not in them is asked of the system's own `getent` and `id`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
    /// The login shell.
    pub shell: PathBuf,
}

impl Account {
    /// The user of that name, or whose number it is.
    pub fn find(name_or_uid: &str) -> Option<Account> {
        let local = fs_err::read_to_string(PASSWD).unwrap_or_default();
        let account = |text: &str| text.lines().filter_map(parse).find(|a| a.is(name_or_uid));
        account(&local).or_else(|| account(&run("getent", &["passwd", name_or_uid])?))
    }

    /// All groups of the user, the primary one first.
    pub fn groups(&self) -> Vec<u32> {
        let local = fs_err::read_to_string(PASSWD).unwrap_or_default();
        let mut groups = vec![self.gid];
        if local
            .lines()
            .filter_map(parse)
            .any(|account| account.name == self.name)
        {
            let text = fs_err::read_to_string(Path::new(GROUP)).unwrap_or_default();
            groups.extend(groups_of(&text, &self.name));
        } else if let Some(text) = run("id", &["-G", &self.name]) {
            groups.extend(
                text.split_whitespace()
                    .filter_map(|gid| gid.parse::<u32>().ok()),
            );
        }
        let mut seen = Vec::new();
        groups.retain(|gid| {
            !seen.contains(gid) && {
                seen.push(*gid);
                true
            }
        });
        groups
    }

    fn is(&self, name_or_uid: &str) -> bool {
        self.name == name_or_uid || self.uid.to_string() == name_or_uid
    }
}

/// A line of passwd(5).
fn parse(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields.as_slice() else {
        return None;
    };
    Some(Account {
        name: (*name).to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: PathBuf::from(home),
        shell: PathBuf::from(if shell.is_empty() { "/bin/sh" } else { shell }),
    })
}

/// The groups that list the user as a member, by group(5).
fn groups_of(text: &str, user: &str) -> Vec<u32> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [_, _, gid, members] = fields.as_slice() else {
                return None;
            };
            members
                .split(',')
                .any(|member| member == user)
                .then(|| gid.parse().ok())?
        })
        .collect()
}

/// What a program of the system prints; nothing where it is missing or fails.
fn run(program: &str, args: &[&str]) -> Option<String> {
    let program = which::which(program).ok()?;
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_passwd_are_accounts_and_others_are_not() {
        let check = |line: &str, expected: Option<(&str, u32, u32, &str)>| {
            let account = parse(line);
            let seen = account
                .as_ref()
                .map(|a| (a.name.as_str(), a.uid, a.gid, a.shell.to_str()));
            assert_eq!(
                seen,
                expected.map(|(n, u, g, s)| (n, u, g, Some(s))),
                "{line}"
            );
        };
        check(
            "emqx:x:101:102:EMQX:/var/lib/emqx:/bin/bash",
            Some(("emqx", 101, 102, "/bin/bash")),
        );
        check(
            "emqx:x:101:102::/var/lib/emqx:",
            Some(("emqx", 101, 102, "/bin/sh")),
        );
        check("+::::::", None);
        check("# comment", None);
    }

    #[test]
    fn groups_are_those_that_list_the_user() {
        let text = "root:x:0:\nadm:x:4:emqx,other\nssl:x:104:emqx2\ntls:x:105:emqx\n";
        assert_eq!(groups_of(text, "emqx"), [4, 105]);
    }

    #[test]
    fn root_is_found_by_name_and_by_number() {
        assert_eq!(Account::find("root"), Account::find("0"));
        assert_eq!(Account::find("root").map(|account| account.uid), Some(0));
        assert_eq!(Account::find("no-such-user-here"), None);
    }
}
