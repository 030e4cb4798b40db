//! Installations whose nodes speak TLS to each other.

use crate::authority::{Authority, Wanted};
use e2e::Result;
use e2e::install::Install;
use e2e::sample::V4;
use std::path::PathBuf;

/// Where the certificates are, as the options name them.
pub const CERTS: &str = "etc/certs";

/// The host part of the names of these nodes.
pub const HOST: &str = "127.0.0.1";

/// The option of a client that takes any node. Since OTP 26 it has to be said.
pub const UNCHECKED: &str = "{verify, verify_none}";

/// An installation with an authority (`ca.pem`), a certificate for its node (`node.pem`) and one for
/// its clients (`client.pem`).
pub struct Secure {
    pub install: Install,
    pub authority: Authority,
}

impl Secure {
    /// Not started yet. `server` and `client` are the options of the two sections.
    pub fn new(server: &str, client: &str) -> Result<Secure> {
        Secure::with_node(Wanted::new("node", &[HOST]), server, client)
    }

    /// The same with another certificate for the node.
    pub fn with_node(node: Wanted<'_>, server: &str, client: &str) -> Result<Secure> {
        let mut install = Install::sample(V4)?;
        install.set_env("EMQX_CLUSTER__PROTO_DIST", "inet_tls");
        let secure = Secure {
            install,
            authority: Authority::new("Test CA")?,
        };
        fs_err::create_dir_all(secure.certs())?;
        secure.authority.write(&secure.certs(), "ca")?;
        secure.authority.issue(&secure.certs(), node)?;
        let client_certificate = Wanted::new("client", &["client.example.org"]);
        secure
            .authority
            .issue(&secure.certs(), client_certificate)?;
        secure.write_options(server, client)?;
        Ok(secure)
    }

    /// The directory of the certificates.
    pub fn certs(&self) -> PathBuf {
        self.install.path(CERTS)
    }

    /// Writes the file of options. The node's certificate is always the same. A client that is not
    /// told otherwise takes any node, as it does by itself before OTP 26.
    pub fn write_options(&self, server: &str, client: &str) -> Result<()> {
        let own = identity("node");
        let says = ["{verify,", "{cacertfile,"]
            .iter()
            .any(|option| client.contains(option));
        let client = &list(&[client, if says { "" } else { UNCHECKED }]);
        self.write_file(&format!(
            "[{{server, [{}]}}, {{client, [{client}]}}].\n",
            list(&[&own, server])
        ))
    }

    /// Writes any text as the file of options.
    pub fn write_file(&self, text: &str) -> Result<()> {
        fs_err::write(self.install.path("etc/ssl_dist.conf"), text)?;
        Ok(())
    }
}

/// Options that present a certificate.
pub fn identity(file: &str) -> String {
    format!("{{certfile, \"{CERTS}/{file}.pem\"}}, {{keyfile, \"{CERTS}/{file}.key\"}}")
}

/// Options that demand a certificate by an authority.
pub fn verified_by(file: &str) -> String {
    format!("{{verify, verify_peer}}, {{cacertfile, \"{CERTS}/{file}.pem\"}}")
}

/// Options one behind the other; empty ones are left out.
pub fn list(options: &[&str]) -> String {
    let given: Vec<&str> = options
        .iter()
        .copied()
        .filter(|one| !one.is_empty())
        .collect();
    given.join(", ")
}
