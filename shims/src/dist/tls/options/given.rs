//! The value of one option, read as what the option needs.

use super::{IdentityOptions, Password, Wrong, shown};
use crate::dist::tls::names;
use relup::term::{Partial, Term};
use rustls::{NamedGroup, SupportedProtocolVersion, version};

/// An option as it was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a Partial,
}

impl Given<'_> {
    pub(super) fn wrong(&self, expected: &str) -> Wrong {
        let shown = match self.name {
            "password" | "certs_keys" => "that is not shown here".to_owned(),
            _ => shown(self.value),
        };
        match self.value {
            Partial::Literal(_) => Wrong {
                reason: format!("{} has the value {shown}", self.name),
                hint: format!("it must be {expected}"),
            },
            _ => Wrong {
                reason: format!(
                    "{} has the value {shown}, which is an expression",
                    self.name
                ),
                hint: format!("write the value itself ({expected}): nothing is evaluated here"),
            },
        }
    }

    pub(super) fn atom(&self) -> Option<&str> {
        match self.value {
            Partial::Literal(term) => term.as_atom(),
            _ => None,
        }
    }

    fn list(&self, expected: &str) -> Result<Vec<Term>, Wrong> {
        match self.value {
            Partial::Literal(Term::List(elements)) => Ok(elements.clone()),
            _ => Err(self.wrong(expected)),
        }
    }

    pub(super) fn text_or_empty(&self) -> Result<String, Wrong> {
        match self.value {
            Partial::Literal(term) => term.to_text().ok_or_else(|| self.wrong("a string")),
            _ => Err(self.wrong("a string")),
        }
    }

    pub(super) fn text(&self) -> Result<String, Wrong> {
        let text = self.text_or_empty()?;
        if text.is_empty() || text.contains('\0') {
            return Err(self.wrong("a string with something in it"));
        }
        Ok(text)
    }

    pub(super) fn number(&self) -> Result<usize, Wrong> {
        let digits = match self.value {
            Partial::Literal(Term::Int(digits)) => digits.parse().ok(),
            _ => None,
        };
        digits.ok_or_else(|| self.wrong("a number, 0 or more"))
    }

    pub(super) fn identities(&self) -> Result<Vec<IdentityOptions>, Wrong> {
        let expected = "a list of maps with certfile, keyfile and password";
        let maps = self.list(expected)?;
        let identity = |map: &Term| match map {
            Term::Map(pairs) => {
                let text = |key: &str| {
                    let mut values = pairs.iter().filter(|(k, _)| k.as_atom() == Some(key));
                    values.next().and_then(|(_, value)| value.to_text())
                };
                Some(IdentityOptions {
                    certfile: Some(text("certfile")?),
                    keyfile: text("keyfile"),
                    password: text("password").map(Password),
                })
            }
            _ => None,
        };
        let found: Option<Vec<_>> = maps.iter().map(identity).collect();
        found.ok_or_else(|| self.wrong(expected))
    }

    pub(super) fn versions(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<&'static SupportedProtocolVersion>, Wrong> {
        let expected = "a list of 'tlsv1.2' and 'tlsv1.3', one of which this program must speak";
        let mut spoken = Vec::new();
        let mut unspoken = Vec::new();
        let list = self.list(expected)?;
        for term in &list {
            match term.as_atom() {
                Some("tlsv1.3") => spoken.push(&version::TLS13),
                Some("tlsv1.2") => spoken.push(&version::TLS12),
                Some(old @ ("tlsv1" | "tlsv1.1")) => unspoken.push(old),
                _ => return Err(self.wrong(expected)),
            }
        }
        if spoken.is_empty() {
            return Err(self.wrong(expected));
        }
        if !unspoken.is_empty() {
            let these = unspoken.join(", ");
            warnings.push(format!(
                "option versions: this program does not speak {these}"
            ));
        }
        Ok(spoken)
    }

    pub(super) fn ciphers(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Vec<&'static str>>, Wrong> {
        let expected =
            "a list of names of ciphers, one of ECDHE with AES-GCM or ChaCha20 among them";
        let list = match self.value {
            // OpenSSL's own form.
            Partial::Literal(Term::Str(text)) => text
                .split(':')
                .map(|name| Term::Str(name.to_owned()))
                .collect(),
            _ => self.list(expected)?,
        };
        if list.is_empty() {
            return Ok(None);
        }
        self.known(&list, names::cipher, expected, warnings)
    }

    pub(super) fn groups(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Vec<NamedGroup>>, Wrong> {
        let expected = "a list of groups, one of x25519, secp256r1 and secp384r1 among them";
        let list = self.list(expected)?;
        let group = |term: &Term| term.as_atom().and_then(names::group);
        self.known(&list, group, expected, warnings)
    }

    /// What is known of a list; a warning for the rest of it.
    fn known<T>(
        &self,
        list: &[Term],
        known: impl Fn(&Term) -> Option<T>,
        expected: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Vec<T>>, Wrong> {
        let found: Vec<T> = list.iter().filter_map(&known).collect();
        if found.is_empty() {
            return Err(self.wrong(expected));
        }
        let unknown = list.iter().filter(|term| known(term).is_none());
        let unknown: Vec<String> = unknown
            .map(|term| term.to_text().unwrap_or_else(|| term.to_string()))
            .collect();
        if !unknown.is_empty() {
            let these = unknown.join(", ");
            warnings.push(format!(
                "option {}: this program does not have {these}",
                self.name
            ));
        }
        Ok(Some(found))
    }
}
