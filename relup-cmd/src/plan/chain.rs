//! `relup plan --via`: each hop of the way, the first proven, the later ones as far as that can be known.

use serde_json::{Map, Value, json};

use super::{Totals, first, hop_shown, line, step};
use crate::error::Error;
use crate::output::Answer;
use crate::prepare::Tools;
use crate::via::{Foreseen, Leg, Progress, foresee};

/// Tells what each hop would do.
pub(super) fn run(legs: &[Leg], tools: &mut Tools<'_, '_>) -> Result<Answer, Error> {
    let progress = Progress::new(tools.args, tools.install, legs);
    let mut lines = Vec::new();
    let mut hops = Vec::new();
    for (at, leg) in legs.iter().enumerate() {
        let progress = progress.at(at);
        lines.push(format!("{} by {}", progress.title(), hop_shown(leg)));
        let mut fields = if at == 0 {
            let mut answer = first(leg, &progress, tools)?;
            // The first line is that above, and that nothing was changed is said once, at the end.
            answer.lines.pop();
            lines.extend(answer.lines.into_iter().skip(1));
            answer.fields.remove("dry_run");
            answer.fields.remove("cold");
            answer.fields.insert("proven".to_owned(), json!(true));
            answer.fields
        } else {
            later(leg, &progress, tools, &mut lines)?
        };
        let tarball = leg.prepared.staged.tarball().path();
        fields.insert("tarball".to_owned(), json!(tarball.to_string_lossy()));
        hops.push(Value::Object(fields));
    }
    lines.push("nothing was changed".to_owned());
    let from = progress.way().first().map(|hop| hop.from.as_str());
    Ok(Answer {
        lines,
        ..Answer::default()
    }
    .field("dry_run", true)
    .field("cold", false)
    .field("from", from.unwrap_or_default())
    .field("to", progress.target())
    .field("hops", hops))
}

/// A hop that starts from a release which does not run yet.
fn later(
    leg: &Leg,
    progress: &Progress,
    tools: &mut Tools<'_, '_>,
    lines: &mut Vec<String>,
) -> Result<Map<String, Value>, Error> {
    let (path, shown) = (leg.path(), hop_shown(leg));
    let now = &progress.way()[0].from;
    tools
        .console
        .stage(&format!("looking ahead at {path}"), None);
    lines.push(format!(
        "  checked: tarball, release, hop file; not proven before {} runs: what follows, which is what it would do to {now}",
        path.from
    ));
    let fields = Answer::default()
        .field("from", path.from.as_str())
        .field("to", path.to.as_str())
        .field("hop", shown)
        .field("proven", false);
    let fields = match foresee(leg, progress, tools)? {
        Foreseen::Steps(proof) => {
            for warning in &proof.warnings {
                tools.console.warn(warning.clone());
            }
            lines.extend(proof.steps.iter().map(line));
            lines.push(Totals::of(&proof).line(proof.skipped));
            fields.field("steps", proof.steps.iter().map(step).collect::<Vec<_>>())
        }
        Foreseen::NotYet(failure) => {
            lines.push(format!(
                "  cannot be told yet: {}: {}",
                failure.name, failure.detail
            ));
            fields.field("steps", Value::Null).field(
                "not_yet",
                json!({ "name": failure.name, "message": failure.detail }),
            )
        }
    };
    Ok(fields.fields)
}
