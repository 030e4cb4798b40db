//! Command lines, variables and files of arguments as people may see them: what is secret in them is
//! replaced. They are shown, never used.

use std::ffi::{OsStr, OsString};

use crate::boot::config::LICENSE_KEY;

/// What stands in place of a secret.
pub const REDACTED: &str = "<redacted>";

/// Options whose next word is the cookie.
const COOKIE_OPTIONS: [&str; 3] = ["-setcookie", "--cookie", "-cookie"];

/// Commands whose next word is a secret.
const SECRET_COMMANDS: [&str; 1] = ["check_license_key"];

/// Parts of the names of variables and options that hold secrets.
const SECRET_NAMES: [&str; 6] = ["COOKIE", "PASSWORD", "SECRET", "TOKEN", "KEY", "CREDENTIAL"];

/// Words of a command line, each quoted where a shell would need it.
pub fn shown_words(words: &[OsString]) -> Vec<String> {
    let mut after_secret = false;
    words
        .iter()
        .map(|word| {
            let text = word.to_string_lossy();
            let secret = after_secret;
            after_secret =
                COOKIE_OPTIONS.contains(&text.as_ref()) || SECRET_COMMANDS.contains(&text.as_ref());
            if secret {
                REDACTED.to_owned()
            } else {
                quoted(&inside(&text))
            }
        })
        .collect()
}

/// The value of a variable.
pub fn shown_variable(name: &OsStr, value: &OsStr) -> String {
    let name = name.to_string_lossy();
    let value = value.to_string_lossy();
    if SECRET_NAMES.iter().any(|part| name.contains(part)) {
        return REDACTED.to_owned();
    }
    if name == "EMQX_BOOT_CONFIGS" {
        let lines: Vec<String> = value.lines().map(shown_config).collect();
        return quoted(&lines.join("\n"));
    }
    quoted(&inside(&value))
}

/// The lines of a file of VM arguments.
pub fn shown_args_file(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            // `-env NAME VALUE` gives the VM a variable.
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("-env"), Some(name))
                    if SECRET_NAMES.iter().any(|part| name.contains(part)) =>
                {
                    format!("-env {name} {REDACTED}")
                }
                _ => inside(line),
            }
        })
        .collect()
}

/// A line `key=value` of the look-up.
fn shown_config(line: &str) -> String {
    match line.split_once('=') {
        Some((key @ ("node.cookie" | LICENSE_KEY), _)) => format!("{key}={REDACTED}"),
        _ => line.to_owned(),
    }
}

/// A text that may hold a whole command line, as `ERL_FLAGS` does.
fn inside(text: &str) -> String {
    let mut shown = text.to_owned();
    for option in COOKIE_OPTIONS {
        let mut from = 0;
        while let Some(found) = shown[from..].find(option) {
            let end = from + found + option.len();
            let rest = &shown[end..];
            let word = rest.trim_start();
            let begin = end + (rest.len() - word.len());
            // The option alone, or a longer word that only begins like it.
            if word.is_empty() || begin == end {
                from = end;
                continue;
            }
            let length = word_length(word);
            shown.replace_range(begin..begin + length, REDACTED);
            from = begin + REDACTED.len();
        }
    }
    shown
}

/// How long the first word of a text is, the blanks inside its quotes included.
fn word_length(text: &str) -> usize {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    match quote {
        Some(quote) => text[1..].find(quote).map_or(text.len(), |at| at + 2),
        None => text.find(char::is_whitespace).unwrap_or(text.len()),
    }
}

/// Quotes a word as a shell would need it; control characters are written as escapes, so that a word
/// stays a line.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=<>%~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        let escaped: String = word
            .chars()
            .map(|c| match c {
                '\'' | '\\' => format!("\\{c}"),
                c if c.is_control() => c.escape_default().to_string(),
                c => c.to_string(),
            })
            .collect();
        return format!("$'{escaped}'");
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_shown_nowhere() {
        let words = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            shown_words(&words).join(" ")
        };
        let check = |shown: String| {
            assert!(
                !shown.contains("s3cret") && shown.contains(REDACTED),
                "{shown}"
            );
        };
        check(words(&["erl", "-setcookie", "s3cret", "-hidden"]));
        check(words(&["iex", "--cookie", "s3cret"]));
        check(words(&[
            "iex",
            "--erl",
            "-kernel x 1 -setcookie 's3cret x' +P 1",
        ]));
        check(words(&[
            "escript",
            "nodetool",
            "check_license_key",
            "s3cret",
        ]));
        check(shown_variable(
            "ERL_FLAGS".as_ref(),
            "+S 2 -setcookie s3cret".as_ref(),
        ));
        check(shown_variable(
            "EMQX_NODE__COOKIE".as_ref(),
            "s3cret".as_ref(),
        ));
        check(shown_variable(
            "EMQX_BOOT_CONFIGS".as_ref(),
            "node.name=a\nnode.cookie=\"s3cret\"\nlicense.key=\"s3cret\"".as_ref(),
        ));
        check(shown_args_file("+P 1\n-setcookie 's3cret'\n-name a").join("\n"));
        check(shown_args_file("-env MY_TOKEN s3cret").join("\n"));
    }

    #[test]
    fn words_are_quoted_as_a_shell_needs_them() {
        let check = |word: &str, expected: &str| assert_eq!(quoted(word), expected);
        check("-name", "-name");
        check("/opt/e mqx", "'/opt/e mqx'");
        check("", "''");
        check("it's", "'it'\\''s'");
        check("a\nb", "$'a\\nb'");
        assert_eq!(inside("-setcookie"), "-setcookie");
        assert_eq!(inside("-setcookies x"), "-setcookies x");
    }
}
