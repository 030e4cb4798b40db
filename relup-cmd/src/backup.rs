//! `upgrade --backup DIR`: copies of data, etc and log as they are before anything is changed.
//!
//! A plain directory, `DIR/emqx-<version>-<time>/{data,etc,log}`: putting it back is `cp -a`. The node
//! runs meanwhile, so files of its databases change: the copy is what a power cut would leave, from which
//! they recover. mnesia needs one thing more: its tables must not be written anew between the copy of a
//! table and the copy of its log; where they were, they are copied again.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use fs_err as fs;

use crate::durable;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::output::Console;

/// How often mnesia's files are copied until they hold still.
const ATTEMPTS: u32 = 5;

/// How long mnesia is left alone before its files are copied again.
const PAUSE: Duration = Duration::from_millis(500);

/// What is copied: name in the backup and where it is.
type Part<'a> = (&'static str, &'a Path);

/// A finished backup.
#[derive(Debug)]
struct Backup {
    /// The directory.
    path: PathBuf,
    /// Whether mnesia wrote its tables every time while they were copied.
    restless: bool,
}

/// The backup that the operator has asked for. `data_dir` is the running node's, where it has told.
///
/// # Errors
/// It cannot be made.
pub(crate) fn back_up(
    dir: Option<&Path>,
    install: &Install,
    data_dir: Option<PathBuf>,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Option<PathBuf>, Error> {
    let Some(dir) = dir else {
        return Ok(None);
    };
    console.stage(
        &format!("copying data, etc and log to {}", dir.display()),
        None,
    );
    let data = data_dir.or_else(|| install.data_dir.clone());
    let data = data.unwrap_or_else(|| install.base.default_data());
    let parts: [Part<'_>; 3] = [
        ("data", &data),
        ("etc", &install.etc_dir),
        ("log", &install.log_dir),
    ];
    let made = make(dir, install.booted_vsn.as_str(), &parts, interrupt)?;
    if made.restless {
        console.warn(format!(
            "mnesia wrote its tables each time while they were copied to {}: its last changes may be missing there",
            made.path.display()
        ));
    }
    console.step(&format!("  backup {}", made.path.display()));
    Ok(Some(made.path))
}

/// Copies the parts into a new directory below `dir`, which is made when it is missing.
///
/// # Errors
/// Something cannot be read or written; what was copied is removed again.
fn make(dir: &Path, vsn: &str, parts: &[Part<'_>], interrupt: &Interrupt) -> Result<Backup, Error> {
    fs::create_dir_all(dir).map_err(|error| Error::io(dir, "create", error))?;
    let dir = fs::canonicalize(dir).map_err(|error| Error::io(dir, "open", error))?;
    for (_, part) in parts {
        if fs::canonicalize(part).is_ok_and(|part| dir.starts_with(part)) {
            return Err(Error::BackupInside {
                dir,
                part: (*part).to_owned(),
            });
        }
    }
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H.%M.%SZ");
    let path = dir.join(format!("emqx-{vsn}-{now}"));
    let temp = dir.join(format!(".emqx-backup-{}", crate::stage::random()));
    fs::create_dir(&temp).map_err(|error| Error::io(&temp, "create", error))?;
    let copied = copy_all(parts, &temp, interrupt).and_then(|restless| {
        durable::sync_file_system(&temp)?;
        // Nobody's other backup is replaced: that of the same second has files in it.
        fs::rename(&temp, &path).map_err(|error| Error::io(&path, "create", error))?;
        durable::sync_dir(&dir)?;
        Ok(restless)
    });
    match copied {
        Ok(restless) => Ok(Backup { path, restless }),
        Err(error) => {
            // Half a backup is none.
            let _ = fs::remove_dir_all(&temp);
            Err(error)
        }
    }
}

fn copy_all(parts: &[Part<'_>], into: &Path, interrupt: &Interrupt) -> Result<bool, Error> {
    let mut restless = false;
    for (name, from) in parts {
        // A node that was never started has none yet.
        if from
            .symlink_metadata()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            continue;
        }
        let to = into.join(name);
        let mnesia = from.join("mnesia");
        copy_tree(from, &to, interrupt, &|path| path != mnesia)?;
        if mnesia.is_dir() {
            restless |= !copy_tables(&mnesia, &to.join("mnesia"), interrupt)?;
        }
    }
    Ok(restless)
}

/// Copies mnesia's directory, logs last, until its tables did not change meanwhile. False where they
/// always did.
fn copy_tables(from: &Path, to: &Path, interrupt: &Interrupt) -> Result<bool, Error> {
    let is_log = |path: &Path| path.extension() == Some(OsStr::new("LOG"));
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            fs::remove_dir_all(to).map_err(|error| Error::io(to, "remove", error))?;
            sleep(PAUSE);
        }
        let before = stamps(from, &is_log)?;
        copy_tree(from, to, interrupt, &|path| !is_log(path))?;
        copy_logs(from, to, &is_log)?;
        if stamps(from, &is_log)? == before {
            return Ok(true);
        }
    }
    Ok(false)
}

fn copy_logs(from: &Path, to: &Path, is_log: &dyn Fn(&Path) -> bool) -> Result<(), Error> {
    for entry in entries(from)? {
        let target = to.join(entry.file_name().unwrap_or_default());
        if entry.is_dir() {
            copy_logs(&entry, &target, is_log)?;
        } else if is_log(&entry) {
            copy_file(&entry, &target)?;
        }
    }
    Ok(())
}

type Stamp = (u64, u64, Option<SystemTime>);

/// What tells that a table was written: file, size and time of each.
fn stamps(dir: &Path, is_log: &dyn Fn(&Path) -> bool) -> Result<BTreeMap<PathBuf, Stamp>, Error> {
    let mut found = BTreeMap::new();
    for entry in entries(dir)? {
        match fs::symlink_metadata(&entry) {
            Ok(metadata) if metadata.is_dir() => found.extend(stamps(&entry, is_log)?),
            Ok(metadata) if !is_log(&entry) => {
                let stamp = (metadata.ino(), metadata.len(), metadata.modified().ok());
                found.insert(entry, stamp);
            }
            // A log, or a temporary file that is gone.
            _ => {}
        }
    }
    Ok(found)
}

/// Copies what `wanted` says of a directory. Pipes and sockets are not copied: they hold nothing.
fn copy_tree(
    from: &Path,
    to: &Path,
    interrupt: &Interrupt,
    wanted: &dyn Fn(&Path) -> bool,
) -> Result<(), Error> {
    interrupt.check()?;
    fs::create_dir_all(to).map_err(|error| Error::io(to, "create", error))?;
    for entry in entries(from)? {
        if !wanted(&entry) {
            continue;
        }
        let target = to.join(entry.file_name().unwrap_or_default());
        let Ok(metadata) = fs::symlink_metadata(&entry) else {
            // The node has removed it meanwhile.
            continue;
        };
        if metadata.is_dir() {
            copy_tree(&entry, &target, interrupt, wanted)?;
        } else if metadata.is_file() {
            interrupt.check()?;
            copy_file(&entry, &target)?;
        } else if metadata.is_symlink() {
            let link = fs::read_link(&entry).map_err(|error| Error::io(&entry, "read", error))?;
            symlink(&link, &target).map_err(|error| Error::io(&target, "create", error))?;
        }
    }
    keep_owner(from, to);
    let mode = fs::metadata(from).map_err(|error| Error::io(from, "read", error))?;
    fs::set_permissions(to, mode.permissions()).map_err(|error| Error::io(to, "open up", error))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::io(dir, "list", error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Shares the blocks where the file system can, and keeps mode, time and owner.
fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    let copied = fs::copy(from, to);
    match copied {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !from.exists() => {
            return Ok(());
        }
        Err(error) => return Err(Error::io(to, "write", error)),
        Ok(_) => {}
    }
    if let (Ok(metadata), Ok(file)) = (
        fs::metadata(from),
        fs::OpenOptions::new().write(true).open(to),
    ) && let Ok(modified) = metadata.modified()
    {
        // For people who look at it; the content is what counts.
        let _ = file.set_modified(modified);
    }
    keep_owner(from, to);
    Ok(())
}

/// Only root can give files away; everybody else's copies are their own.
fn keep_owner(from: &Path, to: &Path) {
    if let Ok(metadata) = fs::metadata(from) {
        let _ = std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{scratch, write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn everything_is_copied_as_it_is_but_for_pipes() {
        let site = scratch();
        let (data, etc) = (site.path().join("data"), site.path().join("etc"));
        write(&data.join("mnesia/emqx@h/schema.DAT"), "tables");
        write(&data.join("mnesia/emqx@h/LATEST.LOG"), "log");
        write(&data.join("configs/cluster.hocon"), "x = 1");
        write(&etc.join("emqx.conf"), "secret");
        let secret = PermissionsExt::from_mode(0o600);
        fs::set_permissions(etc.join("emqx.conf"), secret).expect("a mode");
        symlink("emqx.conf", etc.join("link")).expect("a link");
        nix::unistd::mkfifo(&data.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let parts: [Part<'_>; 2] = [("data", &data), ("etc", &etc)];
        let into = site.path().join("backups");
        let made = make(&into, "5.10.4", &parts, &Interrupt::deaf()).expect("a backup");
        assert!(!made.restless);
        let name = made.path.file_name().expect("a name").to_string_lossy();
        assert!(name.starts_with("emqx-5.10.4-20"), "{name}");
        for (path, text) in [
            ("data/mnesia/emqx@h/schema.DAT", "tables"),
            ("data/mnesia/emqx@h/LATEST.LOG", "log"),
            ("data/configs/cluster.hocon", "x = 1"),
            ("etc/emqx.conf", "secret"),
        ] {
            let found = fs::read_to_string(made.path.join(path)).expect(path);
            assert_eq!(found, text);
        }
        let mode = fs::metadata(made.path.join("etc/emqx.conf"))
            .expect("a file")
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let link = fs::read_link(made.path.join("etc/link")).expect("a link");
        assert_eq!(link, Path::new("emqx.conf"));
        assert!(!made.path.join("data/pipe").exists());
        let left: Vec<_> = entries(&into).expect("a directory");
        assert_eq!(left, [made.path]);
    }

    #[test]
    fn a_backup_inside_of_what_it_copies_is_refused() {
        let site = scratch();
        let data = site.path().join("data");
        write(&data.join("file"), "x");
        let into = data.join("backups");
        let error = make(&into, "5.10.4", &[("data", &data)], &Interrupt::deaf());
        let error = error.expect_err("it would copy itself");
        assert_eq!(error.name(), "backup_inside");
    }

    #[test]
    fn an_interrupted_backup_leaves_nothing() {
        let site = scratch();
        let data = site.path().join("data");
        write(&data.join("file"), "x");
        let into = site.path().join("backups");
        let interrupt = Interrupt::deaf();
        interrupt.raise();
        make(&into, "5.10.4", &[("data", &data)], &interrupt).expect_err("interrupted");
        assert!(entries(&into).expect("a directory").is_empty());
    }
}
