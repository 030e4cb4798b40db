//! What the agent tells, as the upgrade commands know it. The forms: `emqx_hot_apply`.

use super::AgentError;
use crate::term::{Term, as_atom, as_int, as_list, as_text, as_tuple, map_get};
use relup::node::{ApplyDone, ApplyEvent, ApplyFailure};

pub(super) enum Told {
    Step(ApplyEvent),
    End(Result<ApplyDone, ApplyFailure>),
    /// Of another attempt, or of somebody else.
    Nothing,
}

/// Reads `{emqx_hot_apply, Attempt, Message}`.
pub(super) fn read(message: &Term, attempt: &str) -> Result<Told, AgentError> {
    let Some([tag, of, told]) = as_tuple(message) else {
        return Ok(Told::Nothing);
    };
    if as_atom(tag) != Some("emqx_hot_apply") || as_text(of).as_deref() != Some(attempt) {
        return Ok(Told::Nothing);
    }
    let read = match as_tuple(told) {
        Some([kind, step, detail]) if as_atom(kind) == Some("step") => step_of(step, detail),
        Some([kind, facts]) if as_atom(kind) == Some("done") => done(facts).map(Ok).map(Told::End),
        Some([kind, facts]) if as_atom(kind) == Some("failed") => {
            failed(facts).map(Err).map(Told::End)
        }
        _ => None,
    };
    read.ok_or_else(|| AgentError::Answer(told.to_string()))
}

fn step_of(step: &Term, detail: &Term) -> Option<Told> {
    let event = ApplyEvent::Step {
        step: as_text(step)?,
        detail: as_text(detail)?,
    };
    Some(Told::Step(event))
}

fn done(facts: &Term) -> Option<ApplyDone> {
    let text = |key| map_get(facts, key).and_then(as_text);
    let count = |key| {
        map_get(facts, key)
            .and_then(as_int)
            .and_then(|n| u64::try_from(n).ok())
    };
    let texts = |key| {
        let list = map_get(facts, key).and_then(as_list)?;
        list.iter().map(as_text).collect::<Option<Vec<_>>>()
    };
    let stages = map_get(facts, "stages_us").and_then(as_list)?;
    Some(ApplyDone {
        version: text("version")?,
        loaded: count("loaded")?,
        skipped: count("skipped")?,
        updated_processes: count("updated_processes")?,
        restarted: texts("restarted")?,
        callbacks: count("callbacks")?,
        warnings: texts("warnings")?,
        stages_us: stages.iter().map(stage).collect::<Option<Vec<_>>>()?,
    })
}

fn stage(stage: &Term) -> Option<(String, u64)> {
    let [name, micros] = as_tuple(stage)? else {
        return None;
    };
    Some((as_text(name)?, u64::try_from(as_int(micros)?).ok()?))
}

fn failed(facts: &Term) -> Option<ApplyFailure> {
    let text = |key| map_get(facts, key).and_then(as_text);
    let flag = |key| match as_atom(map_get(facts, key)?)? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    Some(ApplyFailure {
        name: text("error")?,
        stage: text("stage")?,
        detail: text("detail")?,
        changed: flag("changed")?,
        restored: flag("restored")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{atom, binary, int, list, map, tuple};

    fn message(attempt: &str, told: Vec<Term>) -> Term {
        tuple(vec![atom("emqx_hot_apply"), binary(attempt), tuple(told)])
    }

    fn facts(entries: &[(&str, Term)]) -> Term {
        map(entries
            .iter()
            .map(|(key, value)| (atom(key), value.clone()))
            .collect())
    }

    #[test]
    fn steps_and_both_ends_are_read_and_strangers_ignored() {
        let step = message("a1", vec![atom("step"), atom("planned"), binary("3 steps")]);
        let Ok(Told::Step(event)) = read(&step, "a1") else {
            panic!("it is a step")
        };
        let expected = ApplyEvent::Step {
            step: "planned".into(),
            detail: "3 steps".into(),
        };
        assert_eq!(event, expected);
        assert!(matches!(read(&step, "a2"), Ok(Told::Nothing)));
        assert!(matches!(read(&atom("hello"), "a1"), Ok(Told::Nothing)));
        let odd = message("a1", vec![atom("sung"), atom("x")]);
        assert!(matches!(read(&odd, "a1"), Err(AgentError::Answer(_))));

        let done = facts(&[
            ("version", binary("5.10.5")),
            ("loaded", int(3)),
            ("skipped", int(1)),
            ("updated_processes", int(200)),
            ("restarted", list(vec![binary("emqx_auth")])),
            ("callbacks", int(0)),
            ("warnings", list(vec![])),
            (
                "stages_us",
                list(vec![tuple(vec![binary("plan"), int(1500)])]),
            ),
            ("something_new", atom("ignored")),
        ]);
        let end = read(&message("a1", vec![atom("done"), done]), "a1");
        let Ok(Told::End(Ok(done))) = end else {
            panic!("it is done")
        };
        assert_eq!(
            (done.version.as_str(), done.loaded, done.updated_processes),
            ("5.10.5", 3, 200)
        );
        assert_eq!(done.stages_us, [("plan".to_owned(), 1500)]);

        let failure = facts(&[
            ("error", atom("module_not_found")),
            ("stage", atom("plan")),
            ("detail", binary("no m")),
            ("changed", atom("false")),
            ("restored", atom("true")),
        ]);
        let end = read(&message("a1", vec![atom("failed"), failure]), "a1");
        let Ok(Told::End(Err(failure))) = end else {
            panic!("it has failed")
        };
        assert_eq!(
            (failure.name.as_str(), failure.stage.as_str()),
            ("module_not_found", "plan")
        );
        assert!(!failure.changed && failure.restored);
    }
}
