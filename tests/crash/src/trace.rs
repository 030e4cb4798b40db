//! Reads what strace wrote (`-f -y -xx`): one call a line, halves of interrupted lines put together.
//!
//! With `-xx` every byte of a name or of data is `\xNN`, so that neither can look like the syntax
//! around it. Whatever cannot be read is an error: a call that was overlooked would be a gap in the
//! proof.

use crate::fault;
use e2e::Result;
use std::collections::HashMap;

/// One system call that has come to its end.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its arguments as strace shows them.
    pub args: Vec<String>,
    /// What it returned; negative for an error.
    pub value: i64,
    /// The whole line, for messages.
    pub line: String,
}

impl Call {
    /// An argument by its place.
    pub fn arg(&self, at: usize) -> Result<&str> {
        let found = self.args.get(at).map(String::as_str);
        found.ok_or_else(|| self.odd("too few arguments"))
    }

    /// A number.
    pub fn number(&self, at: usize) -> Result<u64> {
        let arg = self.arg(at)?;
        let parsed = match (arg.strip_prefix("0x"), arg.strip_prefix('0')) {
            (Some(hex), _) => u64::from_str_radix(hex, 16).ok(),
            (None, Some(octal)) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
            _ => arg.parse().ok(),
        };
        parsed.ok_or_else(|| self.odd("no number"))
    }

    /// A file descriptor with the path that it has at this moment.
    pub fn fd(&self, at: usize) -> Result<(i64, String)> {
        let arg = self.arg(at)?;
        let (number, rest) = arg.split_once('<').unwrap_or((arg, ""));
        let number = match number {
            "AT_FDCWD" => -100,
            number => number.parse().map_err(|_| self.odd("no descriptor"))?,
        };
        let path = self.text(rest.trim_end_matches('>'))?;
        Ok((number, path))
    }

    /// A path, made absolute by the descriptor before it.
    pub fn path_at(&self, dir: usize, name: usize) -> Result<String> {
        let name = self.path(name)?;
        if name.starts_with('/') {
            return Ok(name);
        }
        let (_, dir) = self.fd(dir)?;
        Ok(if name.is_empty() {
            dir
        } else {
            format!("{dir}/{name}")
        })
    }

    /// A path as it was given.
    pub fn path(&self, at: usize) -> Result<String> {
        self.text(self.arg(at)?.trim_matches('"'))
    }

    /// Bytes, at most as many as were taken.
    pub fn data(&self, at: usize) -> Result<Vec<u8>> {
        let mut bytes = self.bytes(self.arg(at)?.trim_matches('"'))?;
        bytes.truncate(usize::try_from(self.value).unwrap_or_default());
        Ok(bytes)
    }

    /// The bytes of a `writev`, as many as were taken.
    pub fn gathered(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for part in self.line.split("iov_base=\"").skip(1) {
            let (escaped, _) = part
                .split_once('"')
                .ok_or_else(|| self.odd("an open text"))?;
            bytes.extend(self.bytes(escaped)?);
        }
        bytes.truncate(usize::try_from(self.value).unwrap_or_default());
        Ok(bytes)
    }

    /// An error that names the line.
    #[must_use]
    pub fn odd(&self, why: &str) -> e2e::Error {
        fault(format!("the trace has {why}: {}", self.line))
    }

    fn text(&self, escaped: &str) -> Result<String> {
        let bytes = self.bytes(escaped)?;
        String::from_utf8(bytes).map_err(|_| self.odd("a name that is no text"))
    }

    fn bytes(&self, escaped: &str) -> Result<Vec<u8>> {
        let digits = escaped.split("\\x").skip(1);
        let bytes: Option<Vec<u8>> = digits
            .map(|pair| u8::from_str_radix(pair, 16).ok())
            .collect();
        let whole = escaped.is_empty() || escaped.starts_with("\\x");
        bytes
            .filter(|_| whole)
            .ok_or_else(|| self.odd("an odd string"))
    }
}

/// All calls of a trace in the order of their ends.
pub fn parse(text: &str) -> Result<Vec<Call>> {
    let mut open: HashMap<&str, String> = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let (thread, rest) = line.split_once(' ').unwrap_or(("", line));
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            open.insert(thread, begun.trim_end().to_owned());
            continue;
        }
        if rest.ends_with("<detached ...>") {
            // strace has let go of a thread that waits; what it waits for comes after the recording.
            open.remove(thread);
            continue;
        }
        let whole = match rest.split_once(" resumed>") {
            Some((_, end)) => format!("{}{end}", open.remove(thread).unwrap_or_default()),
            None => rest.to_owned(),
        };
        calls.push(call(&whole)?);
    }
    Ok(calls)
}

fn call(line: &str) -> Result<Call> {
    let odd = || fault(format!("the trace has an odd line: {line}"));
    let (name, rest) = line.split_once('(').ok_or_else(odd)?;
    // Nothing that strace decodes here has a closing bracket behind which an equals sign stands.
    let at = rest.rfind(") ").ok_or_else(odd)?;
    let at = rest[..at + 2]
        .rfind(") ")
        .filter(|_| !rest.contains(" = -1 "))
        .unwrap_or_else(|| {
            rest.find(" = -1 ")
                .and_then(|end| rest[..end].rfind(')'))
                .unwrap_or(at)
        });
    let value = rest[at + 1..]
        .trim_start()
        .strip_prefix('=')
        .ok_or_else(odd)?;
    let digits: String = value
        .trim_start()
        .chars()
        .take_while(|char| char.is_ascii_digit() || *char == '-')
        .collect();
    Ok(Call {
        name: name.to_owned(),
        args: rest[..at].split(", ").map(str::to_owned).collect(),
        value: digits.parse().map_err(|_| odd())?,
        line: line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_line_are_put_together_and_names_are_unescaped() {
        let text = "7 renameat(AT_FDCWD<\\x2f>, \"\\x61\", 3<\\x2f\\x62>, \"\\x63\" <unfinished ...>\n\
                    8 fsync(4<\\x2f\\x64>)      = 0\n\
                    7 <... renameat resumed>) = 0\n\
                    7 rmdir(\"\\x2f\\x65\") = -1 ENOTEMPTY (Directory not empty)\n\
                    9 write(8<\\x70>, \"\\x21\", 1 <detached ...>\n\
                    7 +++ exited with 0 +++\n";
        let calls = parse(text).expect("a trace");
        let names: Vec<_> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, ["fsync", "renameat", "rmdir"]);
        assert_eq!(calls[0].fd(0).expect("a descriptor"), (4, "/d".to_owned()));
        assert_eq!(calls[1].path_at(2, 3).expect("a path"), "/b/c");
        assert_eq!(calls[2].value, -1);
        assert!(parse("7 what is this").is_err());
    }
}
