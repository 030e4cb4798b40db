//! Certificate authorities that last for one test.

use e2e::{Error, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use std::path::{Path, PathBuf};

/// An authority with its own certificate.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate to be made.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The file's name, to which `.pem` and `.key` are added.
    pub file: &'a str,
    /// Alternative names: hosts and addresses, the latter in both forms. None: only a common name.
    pub hosts: &'a [&'a str],
    /// Until when it is valid.
    pub until: i32,
    /// The key, in PEM; a new one by default.
    pub key: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// One that is valid for these hosts.
    pub fn new(file: &'a str, hosts: &'a [&'a str]) -> Wanted<'a> {
        Wanted {
            file,
            hosts,
            until: 2100,
            key: None,
        }
    }

    /// One that is not valid any more.
    pub fn expired(self) -> Wanted<'a> {
        Wanted {
            until: 2001,
            ..self
        }
    }

    /// One for that key.
    pub fn with_key(self, key: &'a str) -> Wanted<'a> {
        Wanted {
            key: Some(key),
            ..self
        }
    }
}

impl Authority {
    /// An authority of that name.
    pub fn new(name: &str) -> Result<Authority> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Authority {
            issuer: Issuer::new(params, key),
            pem,
        })
    }

    /// Writes its own certificate.
    pub fn write(&self, dir: &Path, file: &str) -> Result<PathBuf> {
        let path = dir.join(format!("{file}.pem"));
        fs_err::write(&path, &self.pem)?;
        Ok(path)
    }

    /// Makes a certificate and writes it with its key.
    pub fn issue(&self, dir: &Path, wanted: Wanted<'_>) -> Result<()> {
        let key = match wanted.key {
            Some(pem) => KeyPair::from_pem(pem),
            None => KeyPair::generate(),
        };
        let key = key.map_err(failed)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, wanted.file);
        for host in wanted.hosts {
            if let Ok(address) = host.parse() {
                params.subject_alt_names.push(SanType::IpAddress(address));
            }
            // OTP takes an address in a node's name for the name of a host.
            let name = (*host).try_into().map_err(failed)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(wanted.until, 1, 1);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        fs_err::write(dir.join(format!("{}.pem", wanted.file)), certificate.pem())?;
        fs_err::write(
            dir.join(format!("{}.key", wanted.file)),
            key.serialize_pem(),
        )?;
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Unexpected(format!("no certificate can be made: {error}"))
}
