//! A unit of systemd that has a shell read `bin/emqx`, as EMQX's own packages bring it: it starts a
//! script and no program.
//!
//! Data: the unit and its drop-ins, where packages and administrators put them. What can't be read says
//! nothing.

use std::path::{Path, PathBuf};

use fs_err as fs;

/// Where units are, the first that has one counts; drop-ins of all of them do.
const PLACES: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const UNIT: &str = "emqx.service";

/// What is to be known where the unit of this machine starts `launcher` through a shell.
pub(super) fn warning(launcher: &Path) -> Option<String> {
    let is_launcher = |word: &str| {
        let found = fs::canonicalize(word);
        found.is_ok_and(|found| fs::canonicalize(launcher).is_ok_and(|own| own == found))
    };
    let (path, text) = PLACES.iter().find_map(|place| {
        let path = Path::new(place).join(UNIT);
        Some((path.clone(), fs::read_to_string(path).ok()?))
    })?;
    let mut texts = vec![text];
    texts.extend(drop_ins());
    let line = shell_line(&texts, &is_launcher)?;
    let path = path.display();
    Some(format!(
        "{path} has a shell read the launcher (ExecStart={line}), which no shell can: let it say ExecStart=/usr/bin/emqx foreground, by `systemctl edit emqx` with an empty ExecStart= before"
    ))
}

/// The texts of the unit's drop-ins, in the order in which they count.
fn drop_ins() -> Vec<String> {
    let mut found: Vec<PathBuf> = Vec::new();
    for place in PLACES {
        let dir = Path::new(place).join(format!("{UNIT}.d"));
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path()));
    }
    found.retain(|path| path.extension().is_some_and(|end| end == "conf"));
    found.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    found
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect()
}

/// The `ExecStart=` that is in force, if it has a shell read the launcher.
fn shell_line(texts: &[String], is_launcher: &dyn Fn(&str) -> bool) -> Option<String> {
    let lines = texts.iter().flat_map(|text| text.lines());
    let starts = lines.filter_map(|line| line.trim().strip_prefix("ExecStart="));
    // An empty one takes back what came before.
    let start = starts.fold("", |before, line| match (line.trim(), before) {
        ("", _) => "",
        (line, "") => line,
        (_, before) => before,
    });
    let mut words = start.split_whitespace();
    let shell = words.next()?.trim_start_matches(['-', '@', ':', '+', '!']);
    let is_shell = matches!(shell.rsplit('/').next(), Some("sh" | "bash" | "dash"));
    let script = words.next()?;
    (is_shell && is_launcher(script)).then(|| start.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_before_the_launcher_is_found_unless_it_is_taken_back() {
        let unit = "[Service]\nExecStart=/bin/bash /usr/bin/emqx foreground\n";
        let own = "[Service]\nExecStart=\nExecStart=/usr/bin/emqx foreground\n";
        for (texts, expected) in [
            (&[unit][..], Some("/bin/bash /usr/bin/emqx foreground")),
            (&[unit, own], None),
            (
                &[unit, "[Service]\nLimitNOFILE=1\n"],
                Some("/bin/bash /usr/bin/emqx foreground"),
            ),
            (&["ExecStart=/usr/bin/emqx foreground\n"], None),
            (
                &["ExecStart=-/bin/sh  /usr/bin/emqx start\n"],
                Some("-/bin/sh  /usr/bin/emqx start"),
            ),
            (&["ExecStart=/bin/bash /opt/other foreground\n"], None),
            (
                &["ExecStart=/bin/bash -c 'exec /usr/bin/emqx foreground'\n"],
                None,
            ),
            (&["[Service]\n"], None),
        ] {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let found = shell_line(&texts, &|word| word == "/usr/bin/emqx");
            assert_eq!(found.as_deref(), expected, "{texts:?}");
        }
    }
}
