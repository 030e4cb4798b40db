//! The two files that a boot generates in `<data>/configs`: they appear whole or not at all, and
//! only the newest of each kind are kept.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error::Error;
use crate::host::local_time_stamp;
use crate::sourced::{Origin, Sourced};

/// How many generations are kept.
const KEPT: usize = 3;

/// `app.<time>.config` and `vm.<time>.args`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// `<data>/configs`.
    pub dir: PathBuf,
    /// `%Y.%m.%d.%H.%M.%S`.
    pub time: String,
}

impl Generated {
    /// The files of this moment, in a directory that is there and can be written.
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn now(dir: PathBuf) -> Result<Generated, Error> {
        let refused = |source: std::io::Error| Error::NotWritable {
            dir: dir.clone(),
            reason: source.kind().to_string(),
        };
        fs_err::create_dir_all(&dir).map_err(refused)?;
        // Tried before hocon is asked, which takes its time on a large release.
        drop(Builder::new().tempfile_in(&dir).map_err(refused)?);
        let time = Sourced::new(local_time_stamp(), Origin::Derived("the local time"));
        Ok(Generated {
            dir,
            time: time.decided("time of the generated files").into_value(),
        })
    }

    /// The files of an earlier moment.
    pub fn at(dir: PathBuf, time: &str) -> Generated {
        Generated {
            dir,
            time: time.to_owned(),
        }
    }

    /// The applications' configuration.
    pub fn app_config(&self) -> PathBuf {
        self.dir.join(format!("app.{}.config", self.time))
    }

    /// The VM's arguments.
    pub fn vm_args(&self) -> PathBuf {
        self.dir.join(format!("vm.{}.args", self.time))
    }

    /// Writes the applications' configuration.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn write_app_config(&self, content: &[u8]) -> Result<(), Error> {
        write(&self.app_config(), content)
    }

    /// Writes the VM's arguments, which complete the pair, and removes older generations.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn write_vm_args(&self, content: &[u8]) -> Result<(), Error> {
        write(&self.vm_args(), content)?;
        for path in outdated(&self.dir, KEPT) {
            // What cannot be removed now is removed by a later boot.
            let _ = fs_err::remove_file(&path);
        }
        Ok(())
    }

    /// The files that are removed when these are written.
    pub fn outdated(&self) -> Vec<PathBuf> {
        outdated(&self.dir, KEPT - 1)
    }
}

/// Other users may read what the umask lets them read, as with every file of the node.
fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let refused = |source: std::io::Error| Error::NotWritable {
        dir: path.to_path_buf(),
        reason: source.kind().to_string(),
    };
    let mut temp: NamedTempFile = Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(dir)
        .map_err(refused)?;
    temp.write_all(content).map_err(refused)?;
    temp.persist(path).map_err(|error| refused(error.error))?;
    Ok(())
}

/// All but the newest of each kind.
fn outdated(dir: &Path, kept: usize) -> Vec<PathBuf> {
    let kinds = [("app", "config"), ("vm", "args")];
    kinds
        .iter()
        .flat_map(|(kind, suffix)| {
            let entries = fs_err::read_dir(dir).into_iter().flatten();
            let mut generated: Vec<PathBuf> = entries
                .filter_map(Result::ok)
                .filter(|entry| {
                    let name = entry.file_name();
                    name.to_str()
                        .and_then(|name| name.strip_prefix(kind)?.strip_suffix(suffix))
                        .is_some_and(is_time)
                })
                .map(|entry| entry.path())
                .collect();
            generated.sort();
            generated.truncate(generated.len().saturating_sub(kept));
            generated
        })
        .collect()
}

/// `.2026.11.21.12.00.00.`
fn is_time(text: &str) -> bool {
    let shape = ".dddd.dd.dd.dd.dd.dd.";
    text.len() == shape.len()
        && text
            .chars()
            .zip(shape.chars())
            .all(|(c, expected)| match expected {
                'd' => c.is_ascii_digit(),
                other => c == other,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_three_are_kept_and_other_files_are_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let others = [
            "vm.args",
            "vm.2026.args",
            "cluster.hocon",
            "vm.2026.11.21.12.00.0x.args",
        ];
        for name in others {
            fs_err::write(dir.path().join(name), "").expect("written");
        }
        for second in 0..5 {
            let time = format!("2026.11.21.12.00.0{second}");
            let files = Generated::at(dir.path().to_path_buf(), &time);
            files.write_app_config(b"[].\n").expect("written");
            files.write_vm_args(b"+P 1\n").expect("written");
        }
        let mut names: Vec<String> = fs_err::read_dir(dir.path())
            .expect("listed")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        let mut expected: Vec<String> = others.iter().map(|&name| name.to_owned()).collect();
        for second in 2..5 {
            expected.push(format!("app.2026.11.21.12.00.0{second}.config"));
            expected.push(format!("vm.2026.11.21.12.00.0{second}.args"));
        }
        expected.sort();
        assert_eq!(names, expected);
    }
}
