//! The final VM arguments: what hocon generated laid over `etc/vm.args`, and the node's own name.
//! Pure: text in, text out.

use std::path::Path;

/// What the launcher itself knows better than any file.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// `releases/<vsn>/consolidated`.
    pub consolidated: &'a Path,
    /// `-name` or `-sname`.
    pub name_flag: &'a str,
    /// The node's name.
    pub name: &'a str,
    /// The cookie that was decided on, wherever it came from.
    pub cookie: &'a str,
    /// Where mnesia keeps this node's tables.
    pub mnesia_dir: &'a Path,
}

/// Options that the launcher alone gives.
const OWN: [&str; 3] = ["-setcookie", "-name", "-sname"];

/// Lays generated options over the installed ones. A generated line replaces the lines of the
/// same option and is appended where there is none; then come the code path of consolidated
/// protocols, the node's cookie and name, and mnesia's directory. Whoever wrote cookie or name into
/// a file is overruled: a VM that is given two of one kind takes neither.
pub fn merge(installed: &str, generated: &str, own: &Own<'_>) -> String {
    let mut lines: Vec<String> = installed.lines().map(str::to_owned).collect();
    lines.push(format!("-pa {}", erlang_string(own.consolidated)));
    for line in generated
        .lines()
        .map(str::trim)
        .filter(|line| is_option(line))
    {
        let key = key_of(line);
        let first = lines.iter().position(|old| has_key(old, &key));
        lines.retain(|old| !has_key(old, &key));
        lines.insert(first.unwrap_or(lines.len()), line.to_owned());
    }
    lines.retain(|line| {
        let key = key_of(line.trim());
        !is_option(line.trim()) || !OWN.contains(&key.first().copied().unwrap_or_default())
    });
    lines.push(format!("-setcookie {}", one_word(own.cookie)));
    lines.push(format!("{} {}", own.name_flag, own.name));
    let mnesia_dir = one_word(&erlang_string(own.mnesia_dir));
    lines.push(format!("-mnesia dir {mnesia_dir}"));
    lines.join("\n") + "\n"
}

/// A text as one word of an argument file, whatever is in it: `erlexec` takes quotes as a shell does.
fn one_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A path as an Erlang string. In double quotes `erlexec` reads an argument file the same way.
fn erlang_string(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn has_key(line: &str, key: &[&str]) -> bool {
    is_option(line.trim()) && key_of(line.trim()) == key
}

fn is_option(line: &str) -> bool {
    line.starts_with(['-', '+'])
}

/// The option's key: one word, or two where a third follows, as in `-kernel net_ticktime 120` and
/// `-env ERL_CRASH_DUMP_SECONDS 30`.
fn key_of(line: &str) -> Vec<&str> {
    let words = words(line);
    let length = if words.len() > 2 && line.starts_with('-') {
        2
    } else {
        1
    };
    words.into_iter().take(length).collect()
}

/// Splits at blanks outside quotes, so that a quoted value is one word.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => {
                quote = Some(c);
                start.get_or_insert(at);
            }
            (None, _) if c.is_whitespace() => {
                if let Some(from) = start.take() {
                    words.push(&line[from..at]);
                }
            }
            (None, _) => {
                start.get_or_insert(at);
            }
        }
    }
    words.extend(start.map(|from| &line[from..]));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(installed: &str, generated: &str, expected: &[&str]) {
        let own = Own {
            consolidated: Path::new("/rel/consolidated"),
            name_flag: "-name",
            name: "emqx@h",
            cookie: "secret",
            mnesia_dir: Path::new("/data/mnesia/emqx@h"),
        };
        let merged = merge(installed, generated, &own);
        let mut lines: Vec<&str> = expected.to_vec();
        lines.extend(["-setcookie 'secret'", "-name emqx@h"]);
        lines.push("-mnesia dir '\"/data/mnesia/emqx@h\"'");
        assert_eq!(merged.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn generated_options_replace_the_same_option_and_no_other() {
        let pa = "-pa \"/rel/consolidated\"";
        check("", "", &[pa]);
        check(
            "+P 100\n# +Q 1",
            "+P 200\n+Q 5",
            &["+P 200", "# +Q 1", pa, "+Q 5"],
        );
        check(
            "-kernel net_ticktime 60\n-kernel prevent_overlapping_partitions true",
            "-kernel net_ticktime 120",
            &[
                "-kernel net_ticktime 120",
                "-kernel prevent_overlapping_partitions true",
                pa,
            ],
        );
        check(
            "-env ERL_CRASH_DUMP_SECONDS 1\n-env ERL_CRASH_DUMP a",
            "-env ERL_CRASH_DUMP /data/x.dump",
            &[
                "-env ERL_CRASH_DUMP_SECONDS 1",
                "-env ERL_CRASH_DUMP /data/x.dump",
                pa,
            ],
        );
        check("-setcookie old\n-name a@b", "-setcookie 'it\\'s'", &[pa]);
        check("# -name a@b\n -sname a", "", &["# -name a@b", pa]);
        check("+zdbbl 1", "# comment\n\n+zdbbl 8192", &["+zdbbl 8192", pa]);
        check("+A 4", "+e 256000", &["+A 4", pa, "+e 256000"]);
    }

    #[test]
    fn quotes_stay_inside_of_one_argument() {
        let own = Own {
            consolidated: Path::new("/it's \"here\"/consolidated"),
            name_flag: "-name",
            name: "emqx@h",
            cookie: "it's \\ \"it\"",
            mnesia_dir: Path::new("/it's \"here\"/mnesia"),
        };
        let merged = merge("", "-setcookie x", &own);
        let lines: Vec<&str> = merged.lines().collect();
        assert_eq!(lines[1], r#"-setcookie 'it'\''s \ "it"'"#);
        assert_eq!(lines[0], r#"-pa "/it's \"here\"/consolidated""#);
        assert_eq!(lines[3], r#"-mnesia dir '"/it'\''s \"here\"/mnesia"'"#);
    }
}
