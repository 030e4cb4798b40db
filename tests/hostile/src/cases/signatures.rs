//! Not on the list: signatures, wrong in every way, made with minisign's own keys.

use crate::case::{Case, steps};
use crate::node::{NO_HOP, Turn};
use crate::place::Place;
use crate::release::Release;
use e2e::process::Finished;
use e2e::sample::with_suffix;
use e2e::{Error, Result};
use minisign::KeyPair;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::path::PathBuf;

const INVALID: &str = "invalid_signature";
const VARIABLE: &str = "EMQX_RELUP_PUBKEY";
const COMMENT: &str = "made in a test";

/// The cases.
pub const CASES: &[Case] = &[
    steps(0, "signature: asked for without a key", || {
        let site = Site::new()?;
        site.says(
            &["--require-signature"],
            "missing_pubkey",
            "--require-signature",
        )
        .map(drop)
    }),
    steps(0, "signature: asked for and not there", || {
        let site = Site::new()?;
        site.demanded("missing_signature", ".minisig")
    }),
    steps(0, "signature: good, with the key in a file", || {
        let site = Site::signed()?;
        let said = site.says(
            &["--require-signature", "--pubkey", &site.key()],
            NO_HOP,
            "5.10.4",
        )?;
        tells(&said.stdout, COMMENT)
    }),
    steps(
        0,
        "signature: good, with the key in the environment",
        || {
            let site = Site::signed()?.with_variable(&|site| site.keys.pk.to_base64());
            let said = site.says(&["--require-signature"], NO_HOP, "5.10.4")?;
            tells(&said.stdout, COMMENT)
        },
    ),
    steps(
        0,
        "signature: good, with the key's file in the environment",
        || {
            let site = Site::signed()?.with_variable(&Site::key);
            let said = site.says(&[], NO_HOP, "5.10.4")?;
            tells(&said.stdout, COMMENT)
        },
    ),
    steps(0, "signature: made with another key", || {
        let site = Site::new()?;
        site.sign_with(&keys()?)?;
        site.demanded(INVALID, "another key")
    }),
    steps(0, "signature: bad, with a key and not asked for", || {
        let site = Site::new()?;
        site.sign_with(&keys()?)?;
        site.says(&["--pubkey", &site.key()], INVALID, "another key")
            .map(drop)
    }),
    steps(0, "signature: bad, but no key is known", || {
        let site = Site::new()?;
        site.sign_with(&keys()?)?;
        site.says(&[], NO_HOP, "5.10.4").map(drop)
    }),
    steps(0, "signature: none, with a key and not asked for", || {
        let site = Site::new()?;
        let said = site.says(&["--pubkey", &site.key()], NO_HOP, "5.10.4")?;
        tells(&said.stderr, "WARNING: the tarball is not signed")
    }),
    steps(
        0,
        "signature: the tarball was changed and its digest too",
        || {
            let site = Site::signed()?;
            site.place
                .write(&Release::small()?.with("bin/evil", "x").package())?;
            site.demanded(INVALID, "not this tarball's")
        },
    ),
    steps(0, "signature: that of another file", || {
        let site = Site::new()?;
        site.write(&site.keys, b"another file")?;
        site.demanded(INVALID, "not this tarball's")
    }),
    steps(0, "signature: the trusted comment was changed", || {
        let site = Site::signed()?;
        site.edit(|text| text.replace(COMMENT, "made by somebody else"))?;
        site.demanded(INVALID, "not this tarball's")
    }),
    steps(0, "signature: cut in its first line of digits", || cut(1)),
    steps(0, "signature: cut before its trusted comment", || cut(2)),
    steps(0, "signature: cut before its last line", || cut(3)),
    steps(0, "signature: an empty file", || cut(0)),
    steps(0, "signature: a few digits are missing", || {
        let site = Site::signed()?;
        site.edit(|text| {
            text.trim_end()
                .trim_end_matches('=')
                .split_at(text.len() - 20)
                .0
                .to_owned()
        })?;
        site.demanded(INVALID, "not all of one")
    }),
    steps(0, "signature: a FIFO", || {
        let site = Site::new()?;
        mkfifo(&site.path(), Mode::S_IRWXU)
            .map_err(|errno| Error::Unexpected(errno.to_string()))?;
        site.demanded("cannot_read_signature", "not a regular file")
    }),
    steps(0, "signature: no such file of the key", || {
        let site = Site::signed()?;
        site.says(
            &["--pubkey", "/none/key.pub"],
            "cannot_read_pubkey",
            "/none/key.pub",
        )
        .map(drop)
    }),
    steps(0, "signature: a key that is none", || {
        let site = Site::signed()?;
        let tarball = site.place.tarball();
        let sidecar = e2e::sample::sidecar_of(&tarball);
        site.says(
            &["--pubkey", &sidecar.to_string_lossy()],
            "invalid_pubkey",
            ".sha256",
        )
        .map(drop)
    }),
];

/// A tarball, keys, and what the environment says of them.
struct Site {
    place: Place,
    keys: KeyPair,
    variable: Option<String>,
}

impl Site {
    /// A tarball without a signature.
    fn new() -> Result<Site> {
        let place = Place::new()?;
        place.write(&Release::small()?.package())?;
        let keys = keys()?;
        let public = keys.pk.to_box().map_err(|error| odd(&error))?.to_string();
        fs_err::write(place.path("key.pub"), public)?;
        Ok(Site {
            place,
            keys,
            variable: None,
        })
    }

    /// The same with a good signature.
    fn signed() -> Result<Site> {
        let site = Site::new()?;
        site.sign_with(&site.keys)?;
        Ok(site)
    }

    fn with_variable(mut self, value: &dyn Fn(&Site) -> String) -> Site {
        self.variable = Some(value(&self));
        self
    }

    fn key(&self) -> String {
        self.place.path("key.pub").to_string_lossy().into_owned()
    }

    fn path(&self) -> PathBuf {
        with_suffix(&self.place.tarball(), ".minisig")
    }

    fn sign_with(&self, keys: &KeyPair) -> Result<()> {
        self.write(keys, &fs_err::read(self.place.tarball())?)
    }

    /// Writes the signature of some bytes.
    fn write(&self, keys: &KeyPair, bytes: &[u8]) -> Result<()> {
        let signed = minisign::sign(Some(&keys.pk), &keys.sk, bytes, Some(COMMENT), None);
        let text = signed.map_err(|error| odd(&error))?.to_string();
        Ok(fs_err::write(self.path(), text)?)
    }

    fn edit(&self, edit: impl Fn(&str) -> String) -> Result<()> {
        let text = fs_err::read_to_string(self.path())?;
        let edited = edit(&text);
        if edited == text {
            return Err(Error::Unexpected("the edit changes nothing".to_owned()));
        }
        Ok(fs_err::write(self.path(), edited)?)
    }

    /// Demands that an upgrade that asks for a signature ends so.
    fn demanded(&self, error: &str, names: &str) -> Result<()> {
        let args = ["--require-signature", "--pubkey", &self.key()];
        self.says(&args, error, names).map(drop)
    }

    /// Demands that an upgrade ends so; gives what people read.
    fn says(&self, args: &[&str], error: &str, names: &str) -> Result<Finished> {
        let mut turn = Turn::take()?;
        if let Some(value) = &self.variable {
            turn.set_env(VARIABLE, value);
        }
        turn.is_refused_with(&self.place, args, error, names)
    }
}

/// Demands that a signature of only so many lines is refused.
fn cut(lines: usize) -> Result<()> {
    let site = Site::signed()?;
    site.edit(|text| text.split_inclusive('\n').take(lines).collect())?;
    site.demanded(INVALID, "not all of one")
}

fn keys() -> Result<KeyPair> {
    KeyPair::generate_unencrypted_keypair().map_err(|error| odd(&error))
}

fn odd(error: &minisign::PError) -> Error {
    Error::Unexpected(format!("minisign: {error}"))
}

fn tells(said: &str, text: &str) -> Result<()> {
    if said.contains(text) {
        return Ok(());
    }
    Err(Error::Unexpected(format!(
        "it does not say {text:?}: {said}"
    )))
}
