//! What a hop forgets, and whether it is checked against the releases that it is for.
//!
//! Pure.

use super::finding::Finding;
use super::schema::UNTOUCHABLE;
use super::world::{Version, World};
use crate::author::diff::{Change, ReleaseDiff};
use crate::author::facts::ReleaseFacts;

/// Finds what differs between the releases and the hop does nothing about.
pub(super) fn check(world: &World<'_>, diff: &ReleaseDiff<'_>, found: &mut Vec<Finding>) {
    modules(world, diff, found);
    specifications(world, diff, found);
}

/// Modules that differ and that the hop does nothing about.
fn modules(world: &World<'_>, diff: &ReleaseDiff<'_>, found: &mut Vec<Finding>) {
    for module in &diff.modules {
        if world.version(module.name, world.end()) == Version::Target
            || UNTOUCHABLE.contains(&module.app)
            || module.name == "emqx_release"
        {
            continue;
        }
        let name = format!("{} of {}", module.name, module.app);
        match module.change {
            Change::Changed { .. } => found.push(
                Finding::warning("forgotten_module", None, name)
                    .why("its code differs between the releases and the hop does not load it: the next start boots other code than runs now")
                    .remedy(format!("add {{load_module, {}}}, or an update where it has processes", module.name)),
            ),
            Change::Added(facts) if facts.is_listed => found.push(
                Finding::warning("added_module_not_loaded", None, name)
                    .why("the target has added it and the hop does not load it: in embedded mode nobody can call it before the next start")
                    .remedy(format!("add {{load_module, {}}}, before what calls it", module.name)),
            ),
            Change::Added(_) | Change::Removed => {}
        }
    }
}

/// What only the start of an application takes up.
fn specifications(world: &World<'_>, diff: &ReleaseDiff<'_>, found: &mut Vec<Finding>) {
    for app in &diff.changed {
        if app.spec.is_empty() || world.restarted(app.name).is_some() {
            continue;
        }
        let changes: Vec<String> = app.spec.iter().map(ToString::to_string).collect();
        found.push(
            Finding::warning("application_not_restarted", None, app.name)
                .why(format!(
                    "{} changed, which the application takes up when it starts",
                    changes.join(", ")
                ))
                .remedy(format!(
                    "add {{restart_application, {}}}, or leave it to the next start",
                    app.name
                )),
        );
    }
}

/// The two releases by themselves, and whether they are those that the hop names.
pub(super) fn versions(world: &World<'_>, found: &mut Vec<Finding>) {
    let (from, to) = (world.releases.from, world.releases.to);
    for (key, said, release) in [
        ("from_version", &world.script.from, from),
        ("target_version", &world.script.to, to),
    ] {
        if said.as_ref().is_some_and(|said| *said != release.vsn) {
            let said = said.as_ref().map_or_else(String::new, ToString::to_string);
            found.push(
                Finding::error("other_release", None, format!("{key} => \"{said}\""))
                    .why(format!("{} is {}", release.source.display(), release.vsn))
                    .remedy(
                        "correct the version, or check the hop against the release that it is for",
                    ),
            );
        }
    }
    let major = |release: &ReleaseFacts| {
        let info = release.build_info.as_ref()?;
        Some(info.get("erlang")?.split('.').next()?.to_owned())
    };
    if let (Some(was), Some(is)) = (major(from), major(to))
        && was != is
    {
        found.push(
            Finding::error(
                "otp_major_vsn_mismatch",
                None,
                format!("{} -> {}", from.vsn, to.vsn),
            )
            .why(format!(
                "the first was built on OTP {was}, the second on OTP {is}: an upgrade refuses that"
            ))
            .remedy("upgrade by a restart"),
        );
    }
}
