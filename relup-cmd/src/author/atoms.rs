//! Names as numbers: a release names a hundred thousand functions, each of them many times.

use std::collections::HashMap;

/// A name in one [`Atoms`]; those of two releases can't be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Atom(u32);

/// All names of a release, each once.
#[derive(Debug, Default)]
pub(crate) struct Atoms {
    numbers: HashMap<Box<str>, Atom>,
    /// All texts behind one another, and where each ends.
    texts: String,
    ends: Vec<usize>,
}

impl Atoms {
    /// The number of a name, which is new where it has none yet.
    pub(crate) fn intern(&mut self, text: &str) -> Atom {
        if let Some(atom) = self.numbers.get(text) {
            return *atom;
        }
        // The files that names come from are limited to fewer bytes than there are numbers.
        let atom = Atom(u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
        self.texts.push_str(text);
        self.ends.push(self.texts.len());
        self.numbers.insert(text.into(), atom);
        atom
    }

    /// The number of a name that the release has.
    pub(crate) fn get(&self, text: &str) -> Option<Atom> {
        self.numbers.get(text).copied()
    }

    /// The name.
    pub(crate) fn text(&self, atom: Atom) -> &str {
        let index = atom.0 as usize;
        let end = self.ends.get(index).copied().unwrap_or_default();
        let start = match index {
            0 => 0,
            _ => self.ends.get(index - 1).copied().unwrap_or_default(),
        };
        self.texts.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_and_is_found_by_it() {
        let mut atoms = Atoms::default();
        let names = ["a", "", "ä b", "a"].map(|name| atoms.intern(name));
        assert_eq!(names[0], names[3]);
        assert_eq!(names.map(|atom| atoms.text(atom)), ["a", "", "ä b", "a"]);
        assert_eq!((atoms.get("a"), atoms.get("b")), (Some(names[0]), None));
    }
}
