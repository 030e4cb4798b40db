//! The release that OTP's release handler has made permanent in a tree that it manages:
//! `releases/start_erl.data`. The release handler writes that file first and in place, so a crash can
//! cut it, or come before the same version is appended to `emqx_vars`. What is whole and leads to a
//! release counts; else `emqx_vars` does, and that is said aloud.

use relup::layout::Tree;
use relup::releases_file::StartErl;
use relup::vsn::ReleaseVsn;

use crate::host::read_optional;
use crate::message;
use crate::sourced::{Origin, Sourced};

/// Version and ERTS of a release.
#[derive(Debug, Clone)]
pub struct Permanent {
    /// The version of the release.
    pub vsn: Sourced<ReleaseVsn>,
    /// The version of its ERTS.
    pub erts_vsn: Sourced<String>,
}

/// What the file says. `None` where it is not there or does not count; `instead` is what counts then.
///
/// # Errors
/// The file cannot be read.
pub fn observe(tree: &Tree, instead: &str) -> std::io::Result<Option<Permanent>> {
    let file = tree.start_erl();
    let Some(content) = read_optional(&file)? else {
        return Ok(None);
    };
    let origin = || Origin::StartErl(file.clone());
    let (told, permanent) = match StartErl::parse(&String::from_utf8_lossy(&content)) {
        None => ("it is cut, or something else".to_owned(), None),
        Some(StartErl { erts, vsn }) => {
            let told = format!("it names release {vsn} on ERTS {erts}, which is not there");
            let there = vsn.parse::<ReleaseVsn>().ok().filter(|vsn| {
                tree.release(vsn).is_dir() && tree.erts_bin(&erts).join("erlexec").exists()
            });
            let permanent = there.map(|vsn| Permanent {
                vsn: Sourced::new(vsn, origin()),
                erts_vsn: Sourced::new(erts, origin()),
            });
            (told, permanent)
        }
    };
    if permanent.is_none() {
        message::warning_aside(&format!(
            "{}: {told}; {instead} of {} counts",
            file.display(),
            tree.emqx_vars().display()
        ));
    }
    Ok(permanent)
}
