//! Installing and taking out, on an installation that is only files.

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::Value;

use super::cli::{Command, parse};
use super::*;
use crate::testing::{NEW, OLD, Release, Site, write};

const SCRIPT: &str = "#!/bin/sh\n";
const CTL: &str = "#!/bin/sh\n# ctl\n";

/// What stands for the launcher in these tests.
fn launcher(version: &str) -> String {
    format!("launcher {version}")
}

fn version_of(path: &Path) -> std::io::Result<Option<String>> {
    let text = fs::read_to_string(path)?;
    Ok(text.strip_prefix("launcher ").map(str::to_owned))
}

/// An installation with a launcher beside it.
struct Place {
    site: Site,
    program: PathBuf,
    version: &'static str,
}

impl Place {
    fn new() -> Place {
        let site = Site::new();
        write(&site.base().tree().second_seat().path(), CTL);
        let mut place = Place {
            program: site.outside().join("the launcher"),
            site,
            version: "",
        };
        place.have("1.0.0");
        place
    }

    /// Another version of the program.
    fn have(&mut self, version: &'static str) {
        self.version = version;
        write(&self.program, &launcher(version));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.site.base().tree().bin().join(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    fn run(&self, words: &[&str]) -> Result<Value, (String, String)> {
        let root = self.site.base().path().to_string_lossy().into_owned();
        let mut words: Vec<OsString> = words.iter().map(OsString::from).collect();
        if words.len() == 1 {
            words.extend([OsString::from("--root"), OsString::from(root)]);
        }
        let program = Program {
            path: &self.program,
            version: self.version,
            version_of: &version_of,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut out, &mut err, false);
        let done = match parse(&words).expect("good usage") {
            Command::Install(args) => install::run(&args, &program, &mut console),
            Command::Uninstall(args) => uninstall::run(&args, &program, &mut console),
            Command::PackageInstalled(_) => unreachable!("it needs no program"),
        };
        done.map(|answer| Value::Object(answer.fields))
            .map_err(|error| (error.name().to_owned(), error.to_string()))
    }

    /// Runs a command that is refused and changes nothing.
    fn refused(&self, words: &[&str], name: &str, part: &str) {
        let before = self.site.snapshot();
        let (actual, text) = self.run(words).expect_err("refused");
        assert_eq!(actual, name, "{text}");
        assert!(text.contains(part), "{text}");
        assert_eq!(self.site.snapshot(), before);
    }

    fn check_installed(&self, kept: &str) {
        assert_eq!(self.text("emqx"), Some(launcher(self.version)));
        assert_eq!(self.text("emqx.sh").as_deref(), Some(kept));
        let link = fs::read_link(self.path("emqx_ctl")).expect("a link");
        assert_eq!(link, Path::new("emqx"));
        assert_eq!(self.text("emqx_ctl.sh").as_deref(), Some(CTL));
        for temp in [".emqx.new", ".emqx_ctl.new", ".emqx.sh.new"] {
            assert!(self.path(temp).symlink_metadata().is_err(), "{temp}");
        }
    }
}

#[test]
fn the_script_is_kept_and_given_back_as_it_was() {
    let place = Place::new();
    fs::set_permissions(place.path("emqx"), PermissionsExt::from_mode(0o750)).expect("allowed");
    let before = place.site.snapshot();
    let script = fs::metadata(place.path("emqx")).expect("there").ino();

    assert_eq!(
        place.run(&["install"]).expect("done")["change"],
        "installed"
    );
    place.check_installed(SCRIPT);
    let mode = fs::metadata(place.path("emqx")).expect("there").mode() & 0o7777;
    assert_eq!(mode, 0o750, "the rights of what it replaces");
    let kept = fs::metadata(place.path("emqx.sh")).expect("there").ino();
    assert_eq!(kept, script, "the very file");

    let again = place.run(&["install"]).expect("done");
    assert_eq!(again["change"], "none");
    assert_eq!(again["kept"].as_array().map(Vec::len), Some(2));

    place.run(&["uninstall"]).expect("done");
    assert_eq!(place.site.snapshot(), before);
}

#[test]
fn a_newer_launcher_replaces_the_older_one_and_keeps_the_script() {
    let mut place = Place::new();
    place.run(&["install"]).expect("done");
    place.have("1.1.0");
    assert_eq!(place.run(&["install"]).expect("done")["change"], "replaced");
    place.check_installed(SCRIPT);
    place.run(&["uninstall"]).expect("done");
    assert_eq!(place.text("emqx").as_deref(), Some(SCRIPT));
}

#[test]
fn a_script_that_a_package_has_put_there_since_is_the_one_to_keep() {
    let place = Place::new();
    place.run(&["install"]).expect("done");
    fs::remove_file(place.path("emqx")).expect("removed");
    write(&place.path("emqx"), "#!/bin/sh\n# newer\n");
    place.refused(&["uninstall"], "not_installed", "bin/emqx is no launcher");
    place.run(&["install"]).expect("done");
    place.check_installed("#!/bin/sh\n# newer\n");
}

#[test]
fn a_link_is_kept_as_a_link_and_what_it_leads_to_is_left_alone() {
    let place = Place::new();
    fs::rename(place.path("emqx"), place.path("emqx-5.10.4")).expect("renamed");
    symlink("emqx-5.10.4", place.path("emqx")).expect("linked");
    place.run(&["install"]).expect("done");
    place.check_installed(SCRIPT);
    assert_eq!(place.text("emqx-5.10.4").as_deref(), Some(SCRIPT));
    place.run(&["uninstall"]).expect("done");
    let link = fs::read_link(place.path("emqx")).expect("a link");
    assert_eq!(link, Path::new("emqx-5.10.4"));

    // A launcher behind a link would belong to where it stands.
    fs::remove_file(place.path("emqx")).expect("removed");
    write(&place.path("emqx.sh"), SCRIPT);
    symlink(&place.program, place.path("emqx")).expect("linked");
    assert_eq!(place.run(&["install"]).expect("done")["change"], "replaced");
    place.check_installed(SCRIPT);

    // Somebody has put the script aside by hand.
    fs::remove_file(place.path("emqx")).expect("removed");
    symlink("emqx.sh", place.path("emqx")).expect("linked");
    place.run(&["install"]).expect("done");
    place.check_installed(SCRIPT);
}

#[test]
fn a_release_without_a_second_name_has_none_afterwards() {
    let place = Place::new();
    fs::remove_file(place.path("emqx_ctl")).expect("removed");
    let before = place.site.snapshot();
    place.run(&["install"]).expect("done");
    assert_eq!(place.text("emqx_ctl"), Some(launcher("1.0.0")));
    place.run(&["uninstall"]).expect("done");
    assert_eq!(place.site.snapshot(), before);
}

#[test]
fn what_a_killed_run_has_left_is_brought_to_its_end() {
    let place = Place::new();
    let link = |from: &str, to: &str| fs::hard_link(place.path(from), place.path(to)).expect(to);
    write(&place.path(".emqx.new"), "half");
    link("emqx", "emqx.sh");
    place.run(&["uninstall"]).expect("done");
    assert_eq!(place.text("emqx").as_deref(), Some(SCRIPT));
    assert_eq!(place.text("emqx.sh"), None);
    write(&place.path(".emqx.new"), "half");
    symlink("emqx", place.path(".emqx_ctl.new")).expect("linked");
    link("emqx", "emqx.sh");
    place.run(&["install"]).expect("done");
    place.check_installed(SCRIPT);
    fs::rename(place.path("emqx_ctl.sh"), place.path("emqx_ctl")).expect("renamed");
    place.run(&["uninstall"]).expect("done");
    assert_eq!(place.text("emqx_ctl").as_deref(), Some(CTL));
    assert_eq!(place.text("emqx").as_deref(), Some(SCRIPT));
}

#[test]
fn what_is_no_place_for_it_is_refused_and_left_as_it_is() {
    let place = Place::new();
    place.refused(&["uninstall"], "no_script_kept", "emqx.sh does not exist");
    let outside = place.site.outside();
    let no_release = outside.to_string_lossy().into_owned();
    let check = |root: &str, part: &str| {
        place.refused(&["install", "--root", root], "no_installation", part);
    };
    check(&no_release, "releases/emqx_vars: no such file");
    check(&format!("{no_release}/nothing"), "not found");
    let bin = place.path("").to_string_lossy().into_owned();
    check(&bin, "releases/emqx_vars: no such file");
    let other = outside.join("other");
    Release::of(OLD).without("lib/").unpack(&other);
    check(&other.to_string_lossy(), "lib is missing");
    let other = outside.join("another");
    Release::of(OLD)
        .without("lib/")
        .with("lib/vernemq-1/x", "")
        .unpack(&other);
    check(&other.to_string_lossy(), "lib has no emqx-*");
    let other = outside.join("third");
    Release::of(OLD).without("bin/emqx").unpack(&other);
    check(&other.to_string_lossy(), "bin/emqx is missing");
    let vsn = NEW.parse().expect("a version");
    let deployed = place.site.base().deployed(&vsn);
    Release::of(NEW).unpack(deployed.path());
    check(&deployed.path().to_string_lossy(), "deployed below");
    place.run(&["install"]).expect("done");
    fs::write(place.path("emqx.sh"), launcher("0.9.0")).expect("written");
    place.refused(&["uninstall"], "no_script_kept", "nothing to put back");
}
