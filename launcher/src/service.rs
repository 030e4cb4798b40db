//! The systemd unit that a process belongs to, read from its control groups. Pure: the kernel's
//! text in, a name out. The rules are those of systemd's own `cgroup-util.c`: slices are skipped, a
//! name that would clash with a file of the hierarchy has a `_` in front, and a unit may have
//! groups of its own below it.

pub mod supervised;
pub mod systemctl;

/// A service of a systemd manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// `emqx.service`, with the escapes of unit names in it (`emqx@a\x2db.service`).
    pub name: String,
    /// Whose it is.
    pub manager: Manager,
}

/// A systemd that runs services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// The machine's.
    System,
    /// That of a user, by the user's id.
    User(u32),
}

impl Unit {
    /// The command that a person would type.
    pub fn command_line(&self, verb: &str) -> String {
        let manager = match self.manager {
            Manager::System => "",
            Manager::User(_) => "--user ",
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-@:".contains(c);
        if self.name.chars().all(plain) {
            format!("systemctl {manager}{verb} {}", self.name)
        } else {
            format!("systemctl {manager}{verb} '{}'", self.name)
        }
    }

    /// The service in `/proc/<pid>/cgroup`. `init` is the same file of process 1, where it can be
    /// read: a container without a control group namespace shows paths from outside of it. None for
    /// a process of a session, of a container or of no manager.
    pub fn parse(cgroups: &str, init: Option<&str>) -> Option<Unit> {
        let root = init.and_then(path_of).map(root_of).unwrap_or_default();
        let path = path_of(cgroups)?;
        let below = path.strip_prefix(root).filter(|rest| rest.starts_with('/'));
        Unit::at(below.unwrap_or(path))
    }

    fn at(path: &str) -> Option<Unit> {
        let mut names = path
            .split('/')
            .filter(|name| !name.is_empty())
            .map(|name| name.strip_prefix('_').unwrap_or(name))
            .skip_while(|name| is_slice(name));
        let first = names.next().filter(|name| is_service(name))?;
        let Some(uid) = user_manager(first) else {
            return Some(Unit {
                name: first.to_owned(),
                manager: Manager::System,
            });
        };
        let name = names
            .find(|name| !is_slice(name))
            .filter(|name| is_service(name))?;
        Some(Unit {
            name: name.to_owned(),
            manager: Manager::User(uid),
        })
    }
}

/// The path in systemd's own hierarchy: the named one, which also a hybrid system has, or else the
/// only one of the second version.
fn path_of(cgroups: &str) -> Option<&str> {
    let path = |hierarchy: &str| {
        cgroups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let path = rest.strip_prefix(hierarchy)?.strip_prefix(':')?;
            // A group that was removed while the process was ending.
            Some(path.strip_suffix(" (deleted)").unwrap_or(path))
        })
    };
    path("name=systemd")
        .filter(|path| *path != "/")
        .or_else(|| path(""))
}

/// Where a manager's own tree begins: process 1 is in `init.scope` directly below.
fn root_of(init: &str) -> &str {
    init.strip_suffix("/init.scope")
        .unwrap_or(init)
        .trim_end_matches('/')
}

/// `user@1000.service` is the manager of a user's services.
fn user_manager(name: &str) -> Option<u32> {
    let uid = name.strip_prefix("user@")?.strip_suffix(".service")?;
    uid.parse().ok()
}

fn is_slice(name: &str) -> bool {
    name.strip_suffix(".slice").is_some()
}

fn is_service(name: &str) -> bool {
    name.strip_suffix(".service")
        .is_some_and(|stem| !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cgroups: &str, init: Option<&str>, expected: Option<(&str, Manager)>) {
        let found = Unit::parse(cgroups, init);
        let found = found
            .as_ref()
            .map(|unit| (unit.name.as_str(), unit.manager));
        assert_eq!(found, expected, "{cgroups:?} {init:?}");
    }

    fn check_path(path: &str, expected: Option<&str>) {
        let expected = expected.map(|name| (name, Manager::System));
        check(&format!("0::{path}\n"), Some("0::/init.scope\n"), expected);
    }

    #[test]
    fn a_service_is_found_in_each_layout_of_hierarchies() {
        let emqx = Some(("emqx.service", Manager::System));
        let v1 =
            "9:name=systemd:/system.slice/emqx.service\n4:memory:/system.slice/other.service\n";
        check(v1, Some("9:name=systemd:/init.scope\n"), emqx);
        let hybrid = format!("{v1}0::/system.slice/emqx.service\n");
        check(
            &hybrid,
            Some("9:name=systemd:/init.scope\n0::/init.scope\n"),
            emqx,
        );
        check(
            "0::/system.slice/emqx.service\n",
            Some("0::/init.scope\n"),
            emqx,
        );
        check("0::/system.slice/emqx.service\n", None, emqx);
        // A named hierarchy that nobody uses, on a machine of the second version.
        check(
            "9:name=systemd:/\n0::/system.slice/emqx.service\n",
            None,
            emqx,
        );
        check("1:name=openrc:/emqx\n", None, None);
        check("4:memory:/system.slice/emqx.service\n", None, None);
        check("", None, None);
        check("9:name=systemd:/\n0::/\n", Some("0::/\n"), None);
    }

    #[test]
    fn slices_are_skipped_and_groups_below_the_unit_are_its_own() {
        check_path("/emqx.service", Some("emqx.service"));
        check_path("/a.slice/a-b.slice/emqx.service", Some("emqx.service"));
        check_path("/system.slice/emqx.service/.control", Some("emqx.service"));
        check_path(
            "/system.slice/emqx.service/payload/x.scope",
            Some("emqx.service"),
        );
        check_path(
            "/system.slice/system-emqx.slice/emqx@a\\x2db.service",
            Some("emqx@a\\x2db.service"),
        );
        check_path(
            "/system.slice/e mqx.service (deleted)",
            Some("e mqx.service"),
        );
    }

    #[test]
    fn names_that_clash_with_files_of_the_hierarchy_are_unescaped() {
        check_path("/system.slice/_cgroup.x.service", Some("cgroup.x.service"));
        check_path("/system.slice/__x.service", Some("_x.service"));
    }

    #[test]
    fn sessions_containers_and_bare_slices_are_no_services() {
        check_path("/user.slice/user-1000.slice/session-3.scope", None);
        check_path("/system.slice/docker-0123.scope", None);
        check_path(
            "/kubepods.slice/kubepods-pod1.slice/cri-containerd-1.scope",
            None,
        );
        check_path("/system.slice", None);
        check_path("/system.slice/emqx.service.d", None);
        check_path("/system.slice/.service", None);
        check_path("/docker/0123", None);
        check_path("/../system.slice/emqx.service", None);
    }

    #[test]
    fn a_service_of_a_user_is_told_from_the_manager_that_runs_it() {
        let user = "/user.slice/user-1000.slice/user@1000.service";
        let check = |rest: &str, expected: Option<&str>| {
            let expected = expected.map(|name| (name, Manager::User(1000)));
            check(&format!("0::{user}{rest}\n"), None, expected);
        };
        check("/app.slice/emqx.service", Some("emqx.service"));
        check("/emqx.service/below", Some("emqx.service"));
        check("/app.slice/app-x.slice/run-1.scope", None);
        check("/init.scope", None);
        check("", None);
    }

    #[test]
    fn a_manager_inside_a_container_has_its_tree_below_process_1() {
        let init = Some("0::/machine.slice/systemd-nspawn@a.service/payload/init.scope\n");
        let path = "0::/machine.slice/systemd-nspawn@a.service/payload/system.slice/emqx.service\n";
        check(path, init, Some(("emqx.service", Manager::System)));
        // Process 1 of a container without a manager.
        let docker = "0::/docker/0123\n";
        check(docker, Some(docker), None);
        // The root of one container is no prefix of another's name.
        check(
            "0::/a.service\n",
            Some("0::/a\n"),
            Some(("a.service", Manager::System)),
        );
    }
}
