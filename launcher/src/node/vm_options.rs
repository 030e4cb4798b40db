//! The arguments of a VM, as its command line or a file of arguments has them. Where an option is given
//! twice the last one counts: it was put there to override the first.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The arguments of a VM.
#[derive(Debug, Clone, Copy)]
pub struct VmOptions<'a>(&'a [OsString]);

impl<'a> VmOptions<'a> {
    /// What follows `-extra` are plain words of a program that the VM runs.
    pub fn of(args: &'a [OsString]) -> Self {
        let end = args.iter().position(|arg| arg == "-extra");
        Self(&args[..end.unwrap_or(args.len())])
    }

    /// Whether the VM runs an escript.
    pub fn is_escript(&self) -> bool {
        let mut pairs = self.0.windows(2);
        self.has("-escript") || pairs.any(|pair| pair[0] == "-run" && pair[1] == "escript")
    }

    /// Whether an option is given.
    pub fn has(&self, option: &str) -> bool {
        self.0.iter().any(|arg| arg == option)
    }

    /// The word behind an option.
    pub fn value(&self, option: &str) -> Option<&OsStr> {
        let at = self.0.iter().rposition(|arg| arg == option)?;
        self.0.get(at + 1).map(OsString::as_os_str)
    }

    /// The word behind an option, as text.
    pub fn text(&self, option: &str) -> Option<String> {
        self.value(option)
            .and_then(OsStr::to_str)
            .map(str::to_owned)
    }

    /// The value of an application's parameter: `-kernel net_ticktime 120`.
    pub fn text2(&self, application: &str, parameter: &str) -> Option<String> {
        let at = self
            .0
            .windows(2)
            .rposition(|pair| pair[0] == application && pair[1] == parameter)?;
        self.0.get(at + 2)?.to_str().map(str::to_owned)
    }

    /// The last option's value, which a blank may have split where a shell started the VM.
    pub fn rest(&self, option: &str) -> Option<OsString> {
        let at = self.0.iter().rposition(|arg| arg == option)?;
        let words: Vec<&[u8]> = self.0[at + 1..]
            .iter()
            .map(|word| word.as_bytes())
            .take_while(|word| *word != b"--")
            .collect();
        (!words.is_empty()).then(|| OsStr::from_bytes(&words.join(&b' ')).to_owned())
    }
}
