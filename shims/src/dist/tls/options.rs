//! The `client` section of a file of TLS options: which options there are, what this program makes
//! of each, and which it tells that it leaves out.
//!
//! Pure but for the warnings' list: text in, options out. Source: "Using TLS for Erlang
//! Distribution" and the module `ssl` of OTP's reference.

mod given;

use super::TlsOptionsError;
use super::encoding::decode;
use super::files::Reader;
use given::Given;
use relup::term::{Partial, Term, parse_partly};
use rustls::{NamedGroup, SupportedProtocolVersion, version};
use std::fmt;

/// What a client presents and demands.
#[derive(Debug)]
pub(super) struct Options {
    /// The certificates that can be presented, each with its key.
    pub(super) identities: Vec<IdentityOptions>,
    pub(super) cacertfile: Option<String>,
    pub(super) verify: Verify,
    /// How many certificates may be between the node's and the CA's.
    pub(super) depth: usize,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// In order of preference; `None`: all.
    pub(super) ciphers: Option<Vec<&'static str>>,
    pub(super) groups: Option<Vec<NamedGroup>>,
    pub(super) server_name: ServerName,
    /// Whether `*.example.org` in a certificate stands for hosts.
    pub(super) wildcards: bool,
}

/// Whether the node's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verify {
    /// It is not.
    None,
    /// It is, because the options say so.
    Peer,
    /// It is, because they do not say anything.
    PeerByDefault,
}

/// A certificate with its key.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct IdentityOptions {
    pub(super) certfile: Option<String>,
    pub(super) keyfile: Option<String>,
    pub(super) password: Option<Password>,
}

/// A password, which messages never show.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Password(pub(super) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Which name the node is addressed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerName {
    /// The host part of its name.
    Host,
    /// Another one.
    Name(String),
    /// None: it is not told, and not looked for in the certificate.
    Disable,
}

/// OTP's own limit.
const DEFAULT_DEPTH: usize = 10;

/// Options that mean nothing to a client that makes one connection for one command, or that are for
/// servers.
const WITHOUT_EFFECT: &[&str] = &[
    "fail_if_no_peer_cert",
    "handshake",
    "hibernate_after",
    "honor_cipher_order",
    "honor_ecc_order",
    "keep_secrets",
    "key_update_at",
    "ktls",
    "log_alert",
    "log_level",
    "max_handshake_size",
    "nodelay",
    "receiver_spawn_opts",
    "renegotiate_at",
    "reuse_session",
    "reuse_sessions",
    "secure_renegotiate",
    "sender_spawn_opts",
    "session_tickets",
    "use_ticket",
];

/// Options of OTP's that this program has nothing for.
const NOT_HONOURED: &[&str] = &[
    "alpn_advertised_protocols",
    "anti_replay",
    "beast_mitigation",
    "cacerts",
    "cert",
    "certificate_authorities",
    "client_renegotiation",
    "cookie",
    "crl_cache",
    "crl_check",
    "dh",
    "dhfile",
    "early_data",
    "fallback",
    "key",
    "middlebox_comp_mode",
    "ocsp_nonce",
    "ocsp_responder_certs",
    "ocsp_stapling",
    "padding_check",
    "partial_chain",
    "psk_identity",
    "signature_algs",
    "signature_algs_cert",
    "sni_fun",
    "sni_hosts",
    "srp_identity",
    "stapling",
    "user_lookup_fun",
    "verify_fun",
];

/// Reads the file of options.
pub(super) fn read(
    reader: &Reader<'_>,
    verifies_by_default: bool,
    warnings: &mut Vec<String>,
) -> Result<Options, TlsOptionsError> {
    let bytes = reader.options()?;
    let text = decode(&bytes).map_err(|reason| {
        reader.refuse(reason, "save the file in the encoding that it names".into())
    })?;
    let hint = "it must be [{server, [Option]}, {client, [Option]}]. with a dot at its end";
    let terms = parse_partly(&text)
        .map_err(|error| reader.refuse(format!("syntax error at {error}"), hint.to_owned()))?;
    let client = client_section(terms)
        .map_err(|what| reader.refuse(format!("{what} is no section"), hint.to_owned()))?;
    let parse = |warnings: &mut Vec<String>| parse(client, verifies_by_default, warnings);
    let options = parse(warnings).map_err(|Wrong { reason, hint }| reader.refuse(reason, hint))?;
    for warning in warnings {
        *warning = format!("{}: {warning}", reader.file().display());
    }
    Ok(options)
}

/// The options for clients; none when the file has no section for them. Of two sections the last
/// one counts, as in the table that OTP puts them into.
fn client_section(terms: Partial) -> Result<Vec<Partial>, String> {
    let sections = match terms.into_list() {
        Ok(sections) => sections,
        Err(single) => vec![single],
    };
    let mut client = Vec::new();
    for section in sections {
        let parts = section.into_tuple().map_err(|other| shown(&other))?;
        let Ok([name, options]) = <[Partial; 2]>::try_from(parts) else {
            return Err("a tuple of another size than 2".to_owned());
        };
        if is_atom(&name, "client") {
            client = options.into_list().map_err(|other| shown(&other))?;
        }
    }
    Ok(client)
}

/// A value that an option cannot have.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    reason: String,
    hint: String,
}

fn parse(
    options: Vec<Partial>,
    verifies_by_default: bool,
    warnings: &mut Vec<String>,
) -> Result<Options, Wrong> {
    let mut read = none(if verifies_by_default {
        Verify::PeerByDefault
    } else {
        Verify::None
    });
    let mut identity = IdentityOptions::default();
    for option in options {
        let (name, value) = match option.into_tuple() {
            Ok(parts) => match <[Partial; 2]>::try_from(parts) {
                Ok([Partial::Literal(Term::Atom(name)), value]) => (name, value),
                Ok([name, _]) => return Err(no_option(&shown(&name))),
                // A socket's option in its raw form.
                Err(parts) if parts.first().is_some_and(|first| is_atom(first, "raw")) => continue,
                Err(_) => return Err(no_option("a tuple of another size than 2")),
            },
            // Families of addresses may be given without a value.
            Err(Partial::Literal(Term::Atom(name))) if name == "inet" || name == "inet6" => {
                continue;
            }
            Err(other) => return Err(no_option(&shown(&other))),
        };
        // Of an option that is given twice the last one counts, as in OTP.
        let given = Given {
            name: &name,
            value: &value,
        };
        match name.as_str() {
            "certfile" => identity.certfile = Some(given.text()?),
            "keyfile" => identity.keyfile = Some(given.text()?),
            "password" => match &value {
                Partial::Literal(_) => identity.password = Some(Password(given.text_or_empty()?)),
                _ => warnings.push(left_out("password", "it is an expression")),
            },
            "certs_keys" => read.identities = given.identities()?,
            "cacertfile" => read.cacertfile = Some(given.text()?),
            "verify" => {
                read.verify = match given.atom() {
                    Some("verify_peer") => Verify::Peer,
                    Some("verify_none") => Verify::None,
                    _ => return Err(given.wrong("verify_peer or verify_none")),
                };
            }
            "depth" => read.depth = given.number()?,
            "versions" => read.versions = given.versions(warnings)?,
            "ciphers" => read.ciphers = given.ciphers(warnings)?,
            "supported_groups" | "eccs" => read.groups = given.groups(warnings)?,
            "server_name_indication" => {
                read.server_name = match given.atom() {
                    Some("disable") => ServerName::Disable,
                    Some("undefined") => ServerName::Host,
                    _ => ServerName::Name(given.text()?),
                };
            }
            "customize_hostname_check" => {
                // What it is made for, by OTP's documentation.
                read.wildcards = true;
                let how = "a wildcard in a certificate is taken for a host, nothing else";
                warnings.push(left_out(&name, how));
            }
            // Without it revocation is not checked either.
            "crl_check" if given.atom() == Some("false") => {}
            known if WITHOUT_EFFECT.contains(&known) => {}
            known if NOT_HONOURED.contains(&known) => {
                warnings.push(left_out(known, "this program cannot do it"));
            }
            _ => warnings.push(left_out(&name, "it is not known here")),
        }
    }
    // Once is enough.
    let mut told: Vec<String> = Vec::new();
    warnings.retain(|warning| {
        let is_new = !told.contains(warning);
        told.push(warning.clone());
        is_new
    });
    // `certs_keys` replaces the options for a single one.
    if read.identities.is_empty() && identity.certfile.is_some() {
        read.identities.push(identity);
    }
    Ok(read)
}

/// The options of a client that is told nothing.
pub(super) fn none(verify: Verify) -> Options {
    Options {
        identities: Vec::new(),
        cacertfile: None,
        verify,
        depth: DEFAULT_DEPTH,
        versions: vec![&version::TLS13, &version::TLS12],
        ciphers: None,
        groups: None,
        server_name: ServerName::Host,
        wildcards: false,
    }
}

fn left_out(name: &str, why: &str) -> String {
    format!("option {name} of the client section is left out: {why}")
}

fn no_option(what: &str) -> Wrong {
    Wrong {
        reason: format!("{what} is no option of the client section"),
        hint: "an option is {Name, Value}".to_owned(),
    }
}

fn is_atom(partial: &Partial, name: &str) -> bool {
    matches!(partial, Partial::Literal(term) if term.as_atom() == Some(name))
}

/// A value for a message, on one line.
fn shown(partial: &Partial) -> String {
    match partial {
        Partial::Literal(term) => term.shortened(60),
        Partial::Expression(source) => {
            let line = source.split_whitespace().collect::<Vec<_>>().join(" ");
            line.chars().take(60).collect()
        }
        Partial::List(_) => "a list with an expression in it".to_owned(),
        Partial::Tuple(_) => "a tuple with an expression in it".to_owned(),
    }
}

#[cfg(test)]
mod tests;
