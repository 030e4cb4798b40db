//! What this binary is: its version, what `build.rs` found out about its making, and the release
//! that it stands in. Tells also where there is no release, because a binary that was just
//! downloaded is asked for its version first.

use jiff::Timestamp;

use crate::host::Host;
use crate::release::Release;
use crate::release::install::Install;

/// The launcher's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The day of the sources (UTC), `YYYY-MM-DD`; empty where nothing tells it. The day of the build is
/// not known on purpose: two builds of the same sources are the same bytes.
pub fn source_day() -> String {
    moment().map_or_else(String::new, |moment| {
        moment.strftime("%Y-%m-%d").to_string()
    })
}

/// What `emqx version` prints: a fact a line, the version first.
pub fn report(host: &Host) -> String {
    let mut lines = vec![format!("emqx launcher {VERSION}")];
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("{name:<9}{value}"));
        }
    };
    fact("commit:", env!("EMQX_LAUNCHER_COMMIT").into());
    fact(
        "date:",
        moment().map_or_else(String::new, |moment| moment.to_string()),
    );
    fact(
        "target:",
        concat!(
            env!("EMQX_LAUNCHER_TARGET"),
            ", ",
            env!("EMQX_LAUNCHER_LINKAGE")
        )
        .into(),
    );
    fact("profile:", env!("EMQX_LAUNCHER_PROFILE").into());
    let rustc = env!("EMQX_LAUNCHER_RUSTC");
    fact("rustc:", rustc.trim_start_matches("rustc ").into());
    fact("release:", around(host));
    lines.join("\n")
}

/// The release in force around the binary, or why there is none.
fn around(host: &Host) -> String {
    let release = Install::observe(host).and_then(|install| Release::observe(host, install));
    match release {
        Ok(release) => {
            let place = release.tree().path().display();
            let base = match release.install.hot {
                Some(_) => format!(", deployed below {}", release.install.home.path().display()),
                None => String::new(),
            };
            format!("{} {} in {place}{base}", release.description, release.vsn)
        }
        Err(error) => format!("none in force: {error}"),
    }
}

/// The commit's time, or `SOURCE_DATE_EPOCH` of the build.
fn moment() -> Option<Timestamp> {
    let seconds = env!("EMQX_LAUNCHER_SECONDS").parse().ok()?;
    Timestamp::from_second(seconds).ok()
}
