//! `releases/<vsn>/BUILD_INFO`: what a release was built on and for.
//!
//! The file is `key: "value"` lines (`wordsize` has no quotes). It is read for facts only, so a
//! line of another shape is passed over and no text is an error; a key that is missing is the
//! reader's problem. Data: the file's text. (Relup contract, section 2.)

/// The keys and values of a `BUILD_INFO` file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildInfo(Vec<(String, String)>);

impl BuildInfo {
    /// Reads every `key: value` line; of a repeated key the last value counts.
    #[must_use]
    pub fn parse(text: &str) -> BuildInfo {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let (key, value) = (unquoted(key).to_owned(), unquoted(value).to_owned());
            if key.is_empty() {
                continue;
            }
            pairs.retain(|(known, _)| *known != key);
            pairs.push((key, value));
        }
        BuildInfo(pairs)
    }

    /// The value of `key`, without its quotes.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
    }

    /// The target triple, e.g. `x86_64-pc-linux-gnu`.
    #[must_use]
    pub fn arch(&self) -> Option<&str> {
        self.get("arch")
    }

    /// The operating system's name, e.g. `ubuntu22.04`.
    #[must_use]
    pub fn os(&self) -> Option<&str> {
        self.get("os")
    }

    /// The version of Erlang/OTP, e.g. `26.2.5.2-1`.
    #[must_use]
    pub fn erlang(&self) -> Option<&str> {
        self.get("erlang")
    }

    /// The word size in bytes.
    #[must_use]
    pub fn wordsize(&self) -> Option<&str> {
        self.get("wordsize")
    }
}

/// Without the blanks and quotes around it.
fn unquoted(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, key: &str, expected: Option<&str>) {
        assert_eq!(
            BuildInfo::parse(text).get(key),
            expected,
            "{key} of {text:?}"
        );
    }

    #[test]
    fn every_key_of_a_real_file_is_read() {
        let info = BuildInfo::parse(
            "arch: \"x86_64-pc-linux-gnu\"\nwordsize: 8\nos: \"ubuntu22.04\"\n\
             erlang: \"26.2.5.2-1\"\nelixir: \"none\"\nrelform: \"tgz\"\n",
        );
        assert_eq!(info.arch(), Some("x86_64-pc-linux-gnu"));
        assert_eq!(info.wordsize(), Some("8"));
        assert_eq!(info.os(), Some("ubuntu22.04"));
        assert_eq!(info.erlang(), Some("26.2.5.2-1"));
        assert_eq!(info.get("elixir"), Some("none"));
        assert_eq!(info.get("relform"), Some("tgz"));
    }

    #[test]
    fn odd_lines_are_passed_over_or_read_leniently() {
        for (text, key, expected) in [
            ("", "os", None),
            ("os \"debian12\"", "os", None),
            ("os: \"debian12\"\r\n", "os", Some("debian12")),
            ("os:debian12", "os", Some("debian12")),
            ("  os  :  \"debian12\"  ", "os", Some("debian12")),
            ("os: \"a:b\"", "os", Some("a:b")),
            ("os: \"\"", "os", Some("")),
            (": \"x\"", "", None),
            ("os: \"a\"\nos: \"b\"", "os", Some("b")),
            ("OS: \"a\"", "os", None),
        ] {
            check(text, key, expected);
        }
    }
}
