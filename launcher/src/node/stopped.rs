//! What a node that is not in the process table would be. Only for commands that find no running VM:
//! the last generated VM arguments tell, then plain lines of `emqx.conf`. No VM is started for this
//! and hocon is not re-implemented: includes, substitutions and texts of several lines are not seen.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The arguments in a file of VM arguments, by the rules of `erlexec`: split at blanks, `#` begins a
/// comment, quotes hold words together.
pub fn vm_arguments(text: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') => {
                chars.by_ref().find(|c| *c == '\n');
                words.extend(word.take());
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words.into_iter().map(OsString::from).collect()
}

/// Reads the plain `path = value` settings of a hocon file, those in blocks included.
pub fn plain_values(text: &str) -> BTreeMap<String, String> {
    let lines = plain_lines(text).into_iter();
    lines.map(|(path, (_, value))| (path, value)).collect()
}

/// Paths with the number of their line, from 1, and their value.
pub type PlainLines = BTreeMap<String, (usize, String)>;

/// The same with the number of each line. Of a setting that is there twice the last one counts. What
/// has a substitution in it is not known here.
pub fn plain_lines(text: &str) -> PlainLines {
    let mut values = BTreeMap::new();
    let mut path: Vec<String> = Vec::new();
    let mut reader = Reader {
        rest: text,
        line: 1,
    };
    while let Some(c) = reader.skip_blanks() {
        match c {
            '}' => {
                path.pop();
                reader.take(1);
            }
            // The file's own outermost braces, and what follows a list.
            '{' | ',' | ']' => reader.take(1),
            _ => {
                let line = reader.line;
                let key = reader.key();
                path.push(key);
                match reader.skip_blanks() {
                    Some('{') => reader.take(1),
                    Some('=' | ':') => {
                        reader.take(1);
                        match reader.skip_spaces() {
                            Some('{') => {
                                reader.take(1);
                                continue;
                            }
                            Some('[') => reader.skip_list(),
                            _ => {
                                let value = reader.value();
                                values.extend(value.map(|value| (path.join("."), (line, value))));
                            }
                        }
                        path.pop();
                    }
                    // Nothing that a setting looks like.
                    _ => {
                        path.pop();
                    }
                }
            }
        }
    }
    values
}

/// What is left of a hocon file.
struct Reader<'a> {
    rest: &'a str,
    /// The number of its first line, from 1.
    line: usize,
}

impl Reader<'_> {
    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }

    fn skip_line(&mut self) {
        self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
    }

    /// To the next character that is neither blank nor part of a comment.
    fn skip_blanks(&mut self) -> Option<char> {
        loop {
            self.take(self.rest.len() - self.rest.trim_start().len());
            if !is_comment(self.rest) {
                return self.rest.chars().next();
            }
            self.skip_line();
        }
    }

    /// The same without leaving the line.
    fn skip_spaces(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        self.rest.chars().next()
    }

    /// A key with its dots, quotes removed.
    fn key(&mut self) -> String {
        let end = self.end_of(|c| "={:\n,}[]".contains(c)).max(1);
        let end = if self.rest.is_char_boundary(end) {
            end
        } else {
            self.rest.len()
        };
        let key = self.rest[..end].trim().replace('"', "");
        self.take(end);
        key.strip_suffix('+').unwrap_or(&key).trim().to_owned()
    }

    /// A value that is one text; `None` where it takes hocon to know it.
    fn value(&mut self) -> Option<String> {
        let end = self.end_of(|c| "\n,}".contains(c));
        let value = self.rest[..end].trim();
        let is_plain = !value.contains("${") && !value.starts_with("\"\"\"");
        let value = value
            .strip_prefix('"')
            .and_then(|inner| inner.strip_suffix('"'))
            .unwrap_or(value);
        let found = is_plain.then(|| value.replace("\\\"", "\"").replace("\\\\", "\\"));
        self.take(end);
        found
    }

    fn skip_list(&mut self) {
        let mut open = 0_usize;
        loop {
            let end = self.end_of(|c| c == '[' || c == ']');
            let bracket = self.rest[end..].chars().next();
            self.take(end + 1);
            match bracket {
                Some('[') => open += 1,
                Some(_) if open > 1 => open -= 1,
                Some(_) | None => return,
            }
        }
    }

    /// Where something ends: at a character outside quotes, or at a comment.
    fn end_of(&self, is_end: impl Fn(char) -> bool) -> usize {
        let mut is_quoted = false;
        let mut is_escaped = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' if is_quoted => is_escaped = true,
                '"' => is_quoted = !is_quoted,
                // A text in plain quotes does not go on in the next line.
                '\n' if is_quoted => return at,
                _ if is_quoted => {}
                _ if is_end(c) || is_comment(&self.rest[at..]) => return at,
                _ => {}
            }
        }
        self.rest.len()
    }
}

fn is_comment(text: &str) -> bool {
    text.starts_with('#') || text.starts_with("//")
}

/// The newest of the generated `vm.<time>.args`: their names sort by time.
pub fn newest_vm_args(names: impl IntoIterator<Item = String>) -> Option<String> {
    names
        .into_iter()
        .filter(|name| name.len() > "vm..args".len() && is_generated(name))
        .max()
}

fn is_generated(name: &str) -> bool {
    name.strip_prefix("vm.")
        .is_some_and(|rest| rest.strip_suffix(".args").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_as_erlexec_does() {
        let check = |text: &str, expected: &[&str]| {
            let words = vm_arguments(text);
            assert_eq!(
                words,
                expected.iter().map(OsString::from).collect::<Vec<_>>()
            );
        };
        check(
            "-setcookie 'a-b'\n-name emqx@h\n",
            &["-setcookie", "a-b", "-name", "emqx@h"],
        );
        check("# -name x\n+P 100", &["+P", "100"]);
        check(
            "-a 'a b' \"c d\" 'it\"s' x#y #z\n-b",
            &["-a", "a b", "c d", "it\"s", "x", "-b"],
        );
        check(r#"a\ b 'x\' "q\"r" """#, &["a b", "x\\", "q\"r", ""]);
        check("-dir '\"/x y\"'", &["-dir", "\"/x y\""]);
        check("'open", &["open"]);
        check("\\", &[""]);
    }

    #[test]
    fn plain_settings_are_read_in_blocks_and_with_dotted_names() {
        let check = |text: &str, key: &str, expected: Option<&str>| {
            let values = plain_values(text);
            assert_eq!(values.get(key).map(String::as_str), expected, "{text}");
        };
        check("node.name = \"emqx@h\"", "node.name", Some("emqx@h"));
        check(
            "node {\n  name = \"emqx@h\" # x\n}\nb = 1",
            "node.name",
            Some("emqx@h"),
        );
        check("node {\n  data_dir: data\n}\nb = 1", "b", Some("1"));
        check("// node.name = x", "node.name", None);
        check(
            "node { name = \"emqx@h\", cookie = c }",
            "node.cookie",
            Some("c"),
        );
        check(
            "node { name = \"emqx@h\", cookie = c }\nb=1",
            "b",
            Some("1"),
        );
        check(
            "node { cookie = \"a#b//c\" }",
            "node.cookie",
            Some("a#b//c"),
        );
        check(
            "node = { cookie = \"a\\\"b\\\\\" }",
            "node.cookie",
            Some("a\"b\\"),
        );
        check("\"node\".\"name\" = x", "node.name", Some("x"));
        check("a = [\n {b = 1}\n [2, \"]\"]]\nc = 3", "c", Some("3"));
        check("a = ${b}\nc = 3", "a", None);
        check("a = ${b}\nc = 3", "c", Some("3"));
        check("node\n{\n name = x\n}", "node.name", Some("x"));
        check("a = 1\na = 2", "a", Some("2"));
        check("a = 1 // x\nb = 2", "a", Some("1"));
        check("include \"x\"\nb = 2", "b", Some("2"));
        check("a =\nb = 2", "b", Some("2"));
        check("a = \"open\nb = 2", "b", Some("2"));
        check("a { b { c = 1 } }\nd = 2", "a.b.c", Some("1"));
        check("a { b { c = 1 } }\nd = 2", "d", Some("2"));
        check("}}}]],é=è\n= x\n{ b = 2 }", "é", Some("è"));
    }

    #[test]
    fn each_setting_is_known_with_its_line() {
        let text = "# x\n\nnode {\n  name = \"emqx@h\"\n  a = [1,\n 2] cookie\n = c }\nb = 1";
        let lines = plain_lines(text);
        let check = |key: &str, line: usize| assert_eq!(lines[key].0, line, "{lines:?}");
        check("node.name", 4);
        check("node.cookie", 6);
        check("b", 8);
    }

    #[test]
    fn the_newest_generated_file_counts() {
        let names = [
            "vm.2026.01.02.03.04.05.args",
            "vm.2026.01.03.03.04.05.args",
            "vm.args",
        ];
        assert_eq!(
            newest_vm_args(names.map(String::from)).as_deref(),
            Some("vm.2026.01.03.03.04.05.args")
        );
    }
}
