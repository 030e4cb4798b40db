//! A release in EMQX's layout that is small enough for ten thousand tries: every file that a boot is
//! checked for, a few bytes each. It passes the real checks of the real program; only a VM that would
//! boot from it is missing, and where one boots the sample release is used.

use crate::image::{Image, Node};
use e2e::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

const ERTS: &str = "13.1.5";

/// One build of one version.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its version.
    pub vsn: String,
    /// All its files, those that are not deployed included.
    pub files: Image,
}

impl Release {
    /// The release of a version.
    #[must_use]
    pub fn of(vsn: &str) -> Release {
        let vars = format!(
            "REL_VSN=\"{vsn}\"\nERTS_VSN=\"{ERTS}\"\nREL_NAME=\"emqx\"\n\
             EMQX_ETC_DIR=\"$BASE_RUNNER_ROOT_DIR/etc\"\n\
             EMQX_LOG_DIR=\"$BASE_RUNNER_ROOT_DIR/log\"\nSCHEMA_MOD=\"emqx_enterprise_schema\"\n\
             IS_ENTERPRISE=\"no\"\nEMQX_DEFAULT_ERLANG_COOKIE=\"emqxsecretcookie\"\n\
             EMQX_DESCRIPTION=\"EMQX\"\n"
        );
        let rel = format!(
            "{{release,{{\"emqx\",\"{vsn}\"}},{{erts,\"{ERTS}\"}},\
             [{{kernel,\"8.5\"}},{{emqx,\"{vsn}\"}}]}}.\n"
        );
        let info =
            "arch: \"x86_64-pc-linux-gnu\"\nwordsize: 8\nos: \"debian12\"\nerlang: \"25.2.3\"\n";
        let mut files = Image::default();
        let script = "#!/bin/sh\n";
        files.put("bin/emqx", 0o755, script);
        files.put("bin/nodetool", 0o755, script);
        files.put(&format!("erts-{ERTS}/bin/beam.smp"), 0o755, script);
        files.put(&format!("erts-{ERTS}/bin/erlexec"), 0o755, script);
        let lib = format!("lib/emqx-{vsn}");
        files.put(&format!("{lib}/ebin/emqx.beam"), 0o644, module("1", vsn));
        let target = "ebin".to_owned();
        files.put_node(&format!("{lib}/code"), Node::Link { target });
        files.put("releases/emqx_vars", 0o644, vars);
        files.put(&format!("releases/{vsn}/BUILD_INFO"), 0o644, info);
        files.put(&format!("releases/{vsn}/emqx.rel"), 0o644, rel);
        files.put(&format!("releases/{vsn}/start.boot"), 0o644, "boot");
        files.put("etc/emqx.conf", 0o644, "node.name = x\n");
        let vsn = vsn.to_owned();
        Release { vsn, files }
    }

    /// Another build of the same version: files of the same names and sizes, other content.
    #[must_use]
    pub fn rebuilt(mut self) -> Release {
        let beam = format!("lib/emqx-{}/ebin/emqx.beam", self.vsn);
        self.files.put(&beam, 0o644, module("2", &self.vsn));
        self
    }

    /// Writes the tarball and its digest into a directory.
    pub fn pack(&self, dir: &Path) -> Result<PathBuf> {
        fs_err::create_dir_all(dir)?;
        let path = dir.join(format!("emqx-enterprise-{}.tar.gz", self.vsn));
        let gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut builder = Builder::new(gzip);
        for (path, node) in &self.files.0 {
            let mut header = Header::new_gnu();
            header.set_mtime(0);
            match node {
                Node::Dir { mode } => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_mode(*mode);
                    header.set_size(0);
                    builder.append_data(&mut header, format!("{path}/"), std::io::empty())?;
                }
                Node::File { mode, bytes } => {
                    header.set_mode(*mode);
                    header.set_size(bytes.len() as u64);
                    builder.append_data(&mut header, path, &**bytes)?;
                }
                Node::Link { target } => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    builder.append_link(&mut header, path, target)?;
                }
                Node::Program => {}
            }
        }
        fs_err::write(&path, builder.into_inner()?.finish()?)?;
        e2e::tarball::seal(&path)?;
        Ok(path)
    }
}

/// A file in the form of a module: one chunk of code, whose content is told by no check of forms.
fn module(build: &str, vsn: &str) -> Vec<u8> {
    let mut code = format!("{build} {vsn}").into_bytes();
    let len = u32::try_from(code.len()).unwrap_or_default();
    code.resize(code.len().next_multiple_of(4), 0);
    let all = u32::try_from(code.len()).unwrap_or_default() + 12;
    let mut form = b"FOR1".to_vec();
    form.extend(all.to_be_bytes());
    form.extend(b"BEAMCode");
    form.extend(len.to_be_bytes());
    form.extend(code);
    form
}
