//! What a node that is not in the process table would be called. Only for commands that find no
//! running VM: the last generated VM arguments tell, then plain lines of `emqx.conf`. No VM is
//! started for this and hocon is not re-implemented: what is not a plain line is not seen.

use std::collections::BTreeMap;

/// What the files tell of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    /// The node's name.
    pub name: Option<String>,
    /// Its cookie.
    pub cookie: Option<String>,
    /// The port from which its distribution port is counted.
    pub dist_base_port: Option<u16>,
}

/// Reads generated VM arguments.
pub fn hint_of_vm_args(text: &str) -> Hint {
    let value = |options: &[&str]| {
        text.lines()
            .filter_map(|line| line.trim().split_once(char::is_whitespace))
            .filter(|(option, _)| options.contains(option))
            .map(|(_, value)| value.trim().trim_matches('\'').to_owned())
            .next_back()
    };
    let mut dist_base_ports = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["-kernel", "inet_dist_base_port", port] => port.parse().ok(),
            _ => None,
        }
    });
    Hint {
        name: value(&["-name", "-sname"]),
        cookie: value(&["-setcookie"]),
        dist_base_port: dist_base_ports.next_back(),
    }
}

/// Reads the plain `path = value` lines of a hocon file, blocks included.
pub fn plain_values(text: &str) -> BTreeMap<String, String> {
    let lines = plain_lines(text).into_iter();
    lines.map(|(path, (_, value))| (path, value)).collect()
}

/// Paths with the number of their line, from 1, and their value.
pub type PlainLines = BTreeMap<String, (usize, String)>;

/// The same with the number of each line.
pub fn plain_lines(text: &str) -> PlainLines {
    let mut values = BTreeMap::new();
    let mut path: Vec<String> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.starts_with("//") {
            continue;
        }
        if let Some(key) = line.strip_suffix('{') {
            path.push(key.trim().trim_end_matches(['=', ':']).trim().to_owned());
        } else if line == "}" {
            path.pop();
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            let mut full = path.clone();
            full.push(key.trim().to_owned());
            let value = value.trim().trim_end_matches(',').trim_matches('"');
            values.insert(full.join("."), (index + 1, value.to_owned()));
        }
    }
    values
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
    fn generated_arguments_name_the_node() {
        let check = |text: &str, name: Option<&str>, cookie: Option<&str>| {
            let hint = hint_of_vm_args(text);
            assert_eq!(
                (hint.name.as_deref(), hint.cookie.as_deref()),
                (name, cookie),
                "{text}"
            );
        };
        check(
            "-setcookie 'a-b'\n-name emqx@127.0.0.1\n",
            Some("emqx@127.0.0.1"),
            Some("a-b"),
        );
        check("-sname emqx", Some("emqx"), None);
        check("# -name x\n+P 100", None, None);
    }

    #[test]
    fn generated_arguments_tell_the_port_to_count_from() {
        let check = |text: &str, expected: Option<u16>| {
            assert_eq!(hint_of_vm_args(text).dist_base_port, expected, "{text}");
        };
        check("+P 1\n-kernel inet_dist_base_port 5370\n", Some(5370));
        check(
            "# -kernel inet_dist_base_port 5370\n-kernel net_ticktime 60",
            None,
        );
    }

    #[test]
    fn plain_lines_are_read_in_blocks_and_with_dotted_names() {
        let check = |text: &str, key: &str, expected: Option<&str>| {
            assert_eq!(
                plain_values(text).get(key).map(String::as_str),
                expected,
                "{text}"
            );
        };
        check("node.name = \"emqx@h\"", "node.name", Some("emqx@h"));
        check(
            "node {\n  name = \"emqx@h\" # x\n}\nb = 1",
            "node.name",
            Some("emqx@h"),
        );
        check("node {\n  data_dir: data\n}\nb = 1", "b", Some("1"));
        check("// node.name = x", "node.name", None);
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
