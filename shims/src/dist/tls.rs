//! TLS between this program and a node: the client's side of Erlang distribution over TLS, as the
//! `ssl` application's user's guide describes it ("Using TLS for Erlang Distribution").
//!
//! A file of options tells what a client presents and what it demands. It is read when the first
//! connection needs it, so that commands which need no connection do not depend on it. The bytes of
//! the distribution protocol are the same as over TCP: TLS is only another stream under them.

mod certificate;
mod chain;
mod decrypt;
mod encoding;
mod failure;
mod files;
mod host;
mod identity;
mod key;
mod names;
mod options;
mod stream;
mod trust;
mod verify;

pub(crate) use failure::{TlsFailure, is_alert};
pub(crate) use stream::{NoTls, TlsStream};

use options::Options;
use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, SupportedCipherSuite, SupportedProtocolVersion};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Why the TLS options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct TlsOptionsError {
    /// The file of options.
    pub file: PathBuf,
    /// What is wrong in it, with the value.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

/// Where a node's TLS options are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSource {
    /// The file: `-ssl_dist_optfile` of the node. One that was given none has no options.
    pub file: Option<PathBuf>,
    /// The node's working directory, which relative paths start from.
    pub dir: PathBuf,
    /// Whether a client that says nothing of `verify` checks the node's certificate. It does since
    /// OTP 26.
    pub verifies_by_default: bool,
}

/// The client's side of TLS, read at its first use and then kept.
#[derive(Debug, Clone)]
pub struct Tls {
    source: TlsSource,
    loaded: Arc<OnceLock<Result<Loaded, TlsOptionsError>>>,
}

/// Options that can be connected with.
#[derive(Debug)]
pub(crate) struct Loaded {
    options: Options,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    trust: Arc<trust::Trust>,
    resolver: Option<Arc<dyn ResolvesClientCert>>,
    warnings: Vec<String>,
}

impl Tls {
    /// TLS by the options of that file, which is not read yet.
    #[must_use]
    pub fn new(source: TlsSource) -> Tls {
        Tls {
            source,
            loaded: Arc::default(),
        }
    }

    /// Reads the options and the files that they name. What is in them and has no effect here is
    /// told by [`Tls::warnings`].
    pub fn check(&self) -> Result<(), TlsOptionsError> {
        self.load().map(drop)
    }

    /// What the options ask for and this program does not do, a line each; nothing before they have
    /// been read.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        match self.loaded.get() {
            Some(Ok(loaded)) => &loaded.warnings,
            Some(Err(_)) | None => &[],
        }
    }

    pub(crate) fn load(&self) -> Result<&Loaded, TlsOptionsError> {
        let loaded = self.loaded.get_or_init(|| Loaded::read(&self.source));
        loaded.as_ref().map_err(TlsOptionsError::clone)
    }
}

impl Loaded {
    fn read(source: &TlsSource) -> Result<Loaded, TlsOptionsError> {
        let reader = files::Reader::new(source);
        let mut warnings = Vec::new();
        let options = options::read(&reader, source.verifies_by_default, &mut warnings)?;
        let mut provider = ring::default_provider();
        if let Some(groups) = &options.groups {
            provider
                .kx_groups
                .retain(|group| groups.contains(&group.name()));
        }
        if let Some(ciphers) = &options.ciphers {
            let suite = |name: &&str| find_suite(&provider, name);
            provider.cipher_suites = ciphers.iter().filter_map(suite).collect();
        }
        let provider = Arc::new(provider);
        let has_ciphers = |version: &SupportedProtocolVersion| {
            let mut suites = provider.cipher_suites.iter();
            suites.any(|suite| suite.version().version == version.version)
        };
        let mut versions = options.versions.clone();
        versions.retain(|version| has_ciphers(version));
        if versions.is_empty() {
            let reason = "ciphers has none for the versions in versions".to_owned();
            let hint = "leave ciphers out, or name ciphers of every version".to_owned();
            return Err(reader.refuse(reason, hint));
        }
        let trust = Arc::new(trust::Trust::read(&reader, &options)?);
        let resolver = identity::resolver(&reader, &options, &trust)?;
        Ok(Loaded {
            options,
            provider,
            versions,
            trust,
            resolver,
            warnings,
        })
    }

    /// Whether a client certificate can be presented.
    pub(crate) fn has_identity(&self) -> bool {
        self.resolver.is_some()
    }

    /// The configuration for a node on this host.
    fn config(&self, host: &str) -> Result<ClientConfig, rustls::Error> {
        let verifier = verify::Verifier {
            trust: Arc::clone(&self.trust),
            algorithms: self.provider.signature_verification_algorithms,
            host: self.name_to_check(host),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&self.versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.resolver {
            Some(resolver) => builder.with_client_cert_resolver(Arc::clone(resolver)),
            None => builder.with_no_client_auth(),
        };
        // A command is one connection.
        config.resumption = rustls::client::Resumption::disabled();
        config.enable_sni = self.options.server_name != options::ServerName::Disable;
        Ok(config)
    }

    /// The name that the node's certificate must have; `None`: any.
    fn name_to_check(&self, host: &str) -> Option<String> {
        match &self.options.server_name {
            options::ServerName::Disable => None,
            options::ServerName::Host => Some(host.to_owned()),
            options::ServerName::Name(name) => Some(name.clone()),
        }
    }
}

fn find_suite(provider: &CryptoProvider, name: &str) -> Option<SupportedCipherSuite> {
    let mut suites = provider.cipher_suites.iter();
    suites
        .find(|suite| suite.suite().as_str() == Some(name))
        .copied()
}
