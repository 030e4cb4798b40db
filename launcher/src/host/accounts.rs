//! Users and their groups. A static binary must not ask the C library for them: it would load the
//! system's name service modules, which belong to another C library, and crash. So the files are
//! read here, and who is not in them is asked of the system's own `getent` and `id`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const SWITCH: &str = "/etc/nsswitch.conf";

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
    /// The user of that name; where nobody is called so, a number stands for itself.
    pub fn by_name(name: &str) -> Option<Account> {
        let is_named = |account: &Account| account.name == name;
        local(is_named)
            .or_else(|| parse(run("getent", &["passwd", name])?.lines().next()?))
            .filter(|account| is_named(account) || account.uid.to_string() == name)
    }

    /// The user of that number.
    pub fn by_uid(uid: u32) -> Option<Account> {
        let is_it = |account: &Account| account.uid == uid;
        local(is_it).or_else(|| {
            let answer = run("getent", &["passwd", &uid.to_string()])?;
            answer.lines().filter_map(parse).find(is_it)
        })
    }

    /// All groups of the user, the primary one first. A name service may add groups to a user of
    /// the local file as well, and only the system's own tool asks it.
    pub fn groups(&self) -> Vec<u32> {
        let mut groups = vec![self.gid];
        let told = if local(|account| account.name == self.name).is_some() && groups_are_local() {
            None
        } else {
            run("id", &["-G", &self.name])
        };
        match told {
            Some(text) => groups.extend(text.split_whitespace().filter_map(|gid| {
                // `id` prints numbers only.
                gid.parse::<u32>().ok()
            })),
            None => groups.extend(groups_of(&lines_of(GROUP), &self.name)),
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
}

/// The first user of the local file that is the one.
fn local(is_it: impl Fn(&Account) -> bool) -> Option<Account> {
    lines_of(PASSWD).lines().filter_map(parse).find(is_it)
}

/// A file of the system as text: somebody's real name may be in an old encoding.
fn lines_of(path: &str) -> String {
    String::from_utf8_lossy(&fs_err::read(Path::new(path)).unwrap_or_default()).into_owned()
}

/// Whether the local file is all there is about a local user's groups. Systemd's own source knows
/// the members of groups that it makes itself.
fn groups_are_local() -> bool {
    let text = lines_of(SWITCH);
    let line = |database: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(database))
    };
    let Some(sources) = line("initgroups:").or_else(|| line("group:")) else {
        return true;
    };
    let mut words = sources
        .split('#')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    words.all(|word| word == "files")
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
        let root = Account::by_name("root");
        assert_eq!(root.as_ref().map(|account| account.uid), Some(0));
        assert_eq!(Account::by_uid(0), root);
        assert_eq!(Account::by_name("no-such-user-here"), None);
    }
}
