//! The comparison: every case against this launcher and against another program in the same
//! release, and a table of what differs.

use crate::case::{Case, Class};
use crate::sections;
use crate::subject::{Program, Subject};
use e2e::{Error, Result};
use std::fmt::Write as _;
use std::path::Path;

/// How a case came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As promised.
    Holds,
    /// Otherwise, and how.
    Fails(String),
    /// It could not be tried, and why.
    NotTried(String),
}

impl Outcome {
    /// Tries a case.
    #[must_use]
    pub fn of(case: &Case, subject: &Subject) -> Self {
        match case.obstacle(subject) {
            Some(why) => Self::NotTried(why),
            None => match case.run(subject) {
                Ok(()) => Self::Holds,
                Err(error) => Self::Fails(in_short(&error)),
            },
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails(_) => "FAILS",
            Self::NotTried(_) => "not tried",
        }
    }
}

/// A case with how it came out for the launcher and for the script.
#[derive(Debug, Clone)]
pub struct Row {
    /// The case.
    pub case: Case,
    /// This launcher.
    pub launcher: Outcome,
    /// The other program.
    pub script: Outcome,
}

impl Row {
    /// What the pair means. A script that differs is only as it should be where a defect is fixed.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (&self.launcher, &self.script, self.case.class) {
            (Outcome::Fails(_), Outcome::Holds, _) => Verdict::Broken,
            (Outcome::Fails(_), _, _) => Verdict::BothFail,
            (Outcome::Holds, Outcome::Fails(_), Class::Fix) => Verdict::Fixed,
            (Outcome::Holds, Outcome::Fails(_), _) => Verdict::Unexpected,
            (Outcome::Holds, Outcome::Holds, Class::Fix) => Verdict::NothingToFix,
            (Outcome::Holds, Outcome::Holds, _) => Verdict::Alike,
            (Outcome::NotTried(_), _, _) | (_, Outcome::NotTried(_), _) => Verdict::NotCompared,
        }
    }
}

/// What a pair of outcomes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Both hold.
    Alike,
    /// The script has the defect, the launcher has not: as it should be.
    Fixed,
    /// A defect of scripts that this one has not.
    NothingToFix,
    /// The script breaks what the contract says of scripts.
    Unexpected,
    /// Neither holds.
    BothFail,
    /// The script holds, the launcher does not.
    Broken,
    /// One of them was not tried.
    NotCompared,
}

impl Verdict {
    fn words(self) -> &'static str {
        match self {
            Self::Alike => "alike",
            Self::Fixed => "differs: the script's defect is gone",
            Self::NothingToFix => "alike: this script has not got the defect",
            Self::Unexpected => "DIFFERS: the script breaks the contract",
            Self::BothFail => "BOTH FAIL",
            Self::Broken => "DIFFERS: the launcher breaks the contract",
            Self::NotCompared => "not compared",
        }
    }
}

/// Runs every case against both programs in copies of the release around a `bin/emqx`, prints the
/// table of differences, and fails where the launcher breaks a promise.
pub fn compare(bin_emqx: &Path) -> Result<()> {
    let launcher = Subject::of_release(bin_emqx, Program::Launcher)?;
    let script = Subject::of_release(bin_emqx, Program::Script)?;
    let mut rows = Vec::new();
    for case in sections::all() {
        let row = Row {
            case,
            launcher: Outcome::of(&case, &launcher),
            script: Outcome::of(&case, &script),
        };
        // A run takes minutes: each line shows that it goes on.
        println!("{:<62} {}", case.name(), row.verdict().words());
        rows.push(row);
    }
    println!("\n{}", render(bin_emqx, &rows));
    let broken = rows.iter().filter(|row| {
        let verdict = row.verdict();
        verdict == Verdict::Broken || verdict == Verdict::BothFail
    });
    match broken.count() {
        0 => Ok(()),
        count => Err(Error::Unexpected(format!(
            "the launcher breaks {count} promises in this release"
        ))),
    }
}

/// The table: every pair that differs or was not compared, with the reasons, and the sums.
#[must_use]
pub fn render(bin_emqx: &Path, rows: &[Row]) -> String {
    let mut text = format!(
        "Differences between this launcher and {}\n\n",
        bin_emqx.display()
    );
    let _ = writeln!(
        text,
        "{:<62} {:<10} {:<10} verdict",
        "case", "launcher", "script"
    );
    for row in rows {
        let verdict = row.verdict();
        if matches!(verdict, Verdict::Alike | Verdict::NotCompared) {
            continue;
        }
        let (launcher, script) = (row.launcher.word(), row.script.word());
        let name = row.case.name();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<62} {launcher:<10} {script:<10} {}",
            verdict.words()
        );
        for (who, outcome) in [("launcher", &row.launcher), ("script", &row.script)] {
            if let Outcome::Fails(why) = outcome {
                let _ = writeln!(text, "    {who}: {why}");
            }
        }
    }
    let _ = writeln!(text, "\nNot compared");
    for row in rows {
        let pair = (&row.launcher, &row.script);
        let ((Outcome::NotTried(why), _) | (_, Outcome::NotTried(why))) = pair else {
            continue;
        };
        let _ = writeln!(text, "{:<62} {why}", row.case.name());
    }
    let _ = writeln!(text);
    for verdict in [
        Verdict::Alike,
        Verdict::Fixed,
        Verdict::NothingToFix,
        Verdict::Unexpected,
        Verdict::BothFail,
        Verdict::Broken,
        Verdict::NotCompared,
    ] {
        let count = rows.iter().filter(|row| row.verdict() == verdict).count();
        let _ = writeln!(text, "{count:>4}  {}", verdict.words());
    }
    text
}

/// The reason of a failure in a line or two: what was expected, and how the command ended.
fn in_short(error: &Error) -> String {
    match error {
        Error::Command { why, finished } => {
            let said = finished.stderr.lines().chain(finished.stdout.lines());
            let said = said.map(str::trim).find(|line| !line.is_empty());
            let code = finished
                .code
                .map_or("none".to_owned(), |code| code.to_string());
            format!("{why}; exit code {code}, said {:?}", said.unwrap_or(""))
        }
        other => {
            let text = other.to_string();
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default().to_owned();
            first.chars().take(300).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Check, fix, kept};

    #[test]
    fn the_table_shows_each_difference_and_what_it_means() {
        let nothing = Check::Steps(|_| Ok(()));
        let fails = || Outcome::Fails("exit code 127".to_owned());
        let row = |case, launcher, script| Row {
            case,
            launcher,
            script,
        };
        let rows = [
            row(
                kept("1.1", "a link", nothing),
                Outcome::Holds,
                Outcome::Holds,
            ),
            row(fix("1.2", "blanks", nothing), Outcome::Holds, fails()),
            row(kept("1.3", "the base", nothing), fails(), Outcome::Holds),
        ];
        let text = render(Path::new("/opt/emqx/bin/emqx"), &rows);
        assert!(!text.contains("s1.1"), "{text}");
        assert!(text.contains("s1.2 blanks") && text.contains("the script's defect is gone"));
        assert!(text.contains("s1.3 the base") && text.contains("the launcher breaks"));
        assert!(text.contains("script: exit code 127"), "{text}");
        assert!(text.contains("   1  alike\n"), "{text}");
    }
}
