//! Releases as lists of entries, written out as a directory or as a tarball.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use relup::manifest::digest_to_hex;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// One entry: path, mode, content.
pub(crate) type Entry = (String, u32, String);

/// A release that can be changed before it is written.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) vsn: String,
    pub(crate) entries: Vec<Entry>,
}

const ERTS: &str = "13.1.5";

impl Release {
    /// A complete release.
    pub(crate) fn of(vsn: &str) -> Release {
        let vars = format!(
            "## comment\nREL_VSN=\"{vsn}\"\nERTS_VSN=\"{ERTS}\"\nREL_NAME=\"emqx\"\n\
             EMQX_ETC_DIR=\"$BASE_RUNNER_ROOT_DIR/etc\"\n"
        );
        let rel = format!(
            "{{release,{{\"emqx\",\"{vsn}\"}},{{erts,\"{ERTS}\"}},\n [{{kernel,\"8.5\"}},{{emqx,\"{vsn}\"}}]}}.\n"
        );
        let entries = [
            ("bin/emqx", 0o755, "#!/bin/sh\n"),
            ("bin/nodetool", 0o755, "#!/usr/bin/env escript\n"),
            (&format!("erts-{ERTS}/bin/erlexec"), 0o755, "#!/bin/sh\n"),
            (&format!("erts-{ERTS}/bin/beam.smp"), 0o755, "#!/bin/sh\n"),
            (&format!("lib/emqx-{vsn}/ebin/emqx.beam"), 0o644, &format!("FOR1 {vsn}")),
            (&format!("lib/emqx-{vsn}/ebin/emqx.app"), 0o644, "{application,emqx,[]}."),
            ("releases/emqx_vars", 0o644, &vars),
            (&format!("releases/{vsn}/emqx.rel"), 0o644, &rel),
            (&format!("releases/{vsn}/start.boot"), 0o644, "boot"),
            (
                &format!("releases/{vsn}/BUILD_INFO"),
                0o644,
                "arch: \"x86_64-pc-linux-gnu\"\nwordsize: 8\nos: \"debian12\"\nerlang: \"25.2.3\"\n",
            ),
            ("etc/emqx.conf", 0o644, "node.name = x\n"),
        ]
        .map(|(path, mode, content): (&str, u32, &str)| (path.to_owned(), mode, content.to_owned()));
        Release {
            vsn: vsn.to_owned(),
            entries: entries.into(),
        }
    }

    /// With one more entry, or another content of one that is there.
    pub(crate) fn with(mut self, path: &str, content: &str) -> Release {
        match self.entries.iter_mut().find(|entry| entry.0 == path) {
            Some(entry) => content.clone_into(&mut entry.2),
            None => self
                .entries
                .push((path.to_owned(), 0o644, content.to_owned())),
        }
        self
    }

    /// With some text in one entry replaced.
    pub(crate) fn replacing(mut self, path: &str, old: &str, new: &str) -> Release {
        let entry = self.entry(path);
        assert!(entry.2.contains(old), "{path} holds no {old:?}");
        entry.2 = entry.2.replace(old, new);
        self
    }

    /// Without everything below a path.
    pub(crate) fn without(mut self, path: &str) -> Release {
        let before = self.entries.len();
        self.entries.retain(|entry| !entry.0.starts_with(path));
        assert!(self.entries.len() < before, "there is no {path}");
        self
    }

    /// With another mode of one entry.
    pub(crate) fn with_mode(mut self, path: &str, mode: u32) -> Release {
        self.entry(path).1 = mode;
        self
    }

    fn entry(&mut self, path: &str) -> &mut Entry {
        self.entries
            .iter_mut()
            .find(|entry| entry.0 == path)
            .expect("the entry is there")
    }

    /// Writes the release below a directory.
    pub(crate) fn unpack(&self, root: &Path) {
        for (path, mode, content) in &self.entries {
            let path = root.join(path);
            super::write(&path, content);
            fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).expect("allowed");
        }
    }

    /// The release as a gzipped tarball.
    pub(crate) fn tarball(&self) -> Vec<u8> {
        self.tarball_with(|_| {})
    }

    /// The same, with hand-made entries at the end.
    pub(crate) fn tarball_with(&self, more: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, mode, content) in &self.entries {
            let content = packaged(path, content);
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(*mode);
            header.set_size(content.len() as u64);
            builder
                .append_data(&mut header, path, content.as_slice())
                .expect("appended");
        }
        more(&mut builder);
        gzip(&builder.into_inner().expect("finished"))
    }
}

/// What a package has for an entry: text, or a module.
pub(crate) fn packaged(path: &str, content: &str) -> Vec<u8> {
    if Path::new(path)
        .extension()
        .is_some_and(|found| found == "beam")
    {
        beam(content)
    } else {
        content.into()
    }
}

/// A module in form only, with `text` for its code.
pub(crate) fn beam(text: &str) -> Vec<u8> {
    let len = |len: usize| u32::try_from(len).expect("short").to_be_bytes();
    let mut code = text.as_bytes().to_vec();
    code.resize(code.len().next_multiple_of(4), 0);
    [
        b"FOR1",
        &len(12 + code.len())[..],
        b"BEAMCode",
        &len(text.len()),
        &code,
    ]
    .concat()
}

/// Compresses, fast.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// Writes the right sidecar of a tarball.
pub(crate) fn write_sidecar(tarball: &Path) {
    let digest: [u8; 32] = Sha256::digest(fs::read(tarball).expect("readable")).into();
    let name = tarball
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let sidecar = format!("{}.sha256", tarball.display());
    fs::write(sidecar, format!("{}  {name}\n", digest_to_hex(&digest))).expect("written");
}

/// A literal hop.
pub(crate) fn hop_text(from: &str, to: &str) -> String {
    format!(
        "#{{from_version => \"{from}\", target_version => \"{to}\",\n  code_changes => [{{load_module, emqx}}], post_upgrade_callbacks => []}}.\n"
    )
}
