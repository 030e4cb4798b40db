//! Manual pages: one for the program, one for each command and each command of `relup`. Made from
//! the model of the command line, the table of variables and what `facts` says of exit codes and
//! files. Needs no release and no node.

mod facts;
mod page;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::symlink;

use crate::command::{Command, Purpose, model};
use crate::error::Error;
use crate::manual::page::Page;

/// The page that the words ask for, or the paths of all pages after they were written.
///
/// # Errors
/// A command that there is none of; a directory that cannot be written.
pub fn show(words: &[OsString]) -> Result<String, Error> {
    let joined = |word: &OsString| Some(PathBuf::from(word.to_str()?.strip_prefix("--dir=")?));
    match words {
        [option, dir] if option == "--dir" => write_all(Path::new(dir)),
        [word] if joined(word).is_some() => write_all(&joined(word).unwrap_or_default()),
        [option, ..] if option.to_string_lossy().starts_with('-') => {
            Err(Error::Usage(Command::Man))
        }
        names => {
            let names: Vec<String> = names
                .iter()
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            let page = Page::find(&model(Purpose::Manual), &names);
            page.map(|page| page.text())
                .ok_or_else(|| Error::NoSuchPage {
                    command: names.join(" "),
                })
        }
    }
}

/// Writes every page, a file each, and gives the paths in lines. Second names are links to the first.
fn write_all(dir: &Path) -> Result<String, Error> {
    fs_err::create_dir_all(dir)?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for page in Page::all(&model(Purpose::Manual)) {
        let path = dir.join(page.file_name());
        fs_err::write(&path, page.text())?;
        paths.push(path);
        for second_name in page.second_names() {
            let link = dir.join(second_name);
            match fs_err::remove_file(&link) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
            symlink(page.file_name(), &link)?;
            paths.push(link);
        }
    }
    paths.sort();
    let lines = paths.iter().map(|path| path.display().to_string());
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
