//! What the agent tells, as the upgrade commands know it. The forms: `emqx_hot_apply`.

use super::AgentError;
use crate::term::{Term, as_atom, as_int, as_list, as_text, as_tuple, map_get};
use relup::node::{ApplyDone, ApplyEvent, ApplyFailure, Proof, ProvenStep};

pub(super) enum Told {
    Step(ApplyEvent),
    /// With the facts of [`done`] or [`proof`].
    End(Result<Term, ApplyFailure>),
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
        Some([kind, facts]) if as_atom(kind) == Some("done") => Some(Told::End(Ok(facts.clone()))),
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

/// What was done.
pub(super) fn done(facts: &Term) -> Result<ApplyDone, AgentError> {
    done_of(facts).ok_or_else(|| AgentError::Answer(facts.to_string()))
}

/// What would be done.
pub(super) fn proof(facts: &Term) -> Result<Proof, AgentError> {
    proof_of(facts).ok_or_else(|| AgentError::Answer(facts.to_string()))
}

fn proof_of(facts: &Term) -> Option<Proof> {
    let steps = map_get(facts, "outline").and_then(as_list)?;
    Some(Proof {
        steps: steps.iter().map(proven_step).collect::<Option<Vec<_>>>()?,
        skipped: number(map_get(facts, "skipped")?)?,
        warnings: texts(map_get(facts, "warnings")?)?,
    })
}

/// The forms: `emqx_hot_apply_outline`.
fn proven_step(step: &Term) -> Option<ProvenStep> {
    let (kind, values) = as_tuple(step)?.split_first()?;
    Some(match (as_atom(kind)?, values) {
        ("load", [modules]) => ProvenStep::Load {
            modules: texts(modules)?,
        },
        ("update", [module, processes, loads]) => ProvenStep::Update {
            module: as_text(module)?,
            processes: number(processes)?,
            loads: as_atom(loads)? == "true",
        },
        ("restart", [application, version, modules, removed]) => ProvenStep::Restart {
            application: as_text(application)?,
            version: match as_atom(version) {
                Some("undefined") => None,
                _ => Some(as_text(version)?),
            },
            modules: texts(modules)?,
            removed: texts(removed)?,
        },
        ("apply", [call]) => ProvenStep::Apply {
            call: as_text(call)?,
        },
        ("callback", [call]) => ProvenStep::Callback {
            call: as_text(call)?,
        },
        _ => return None,
    })
}

fn number(term: &Term) -> Option<u64> {
    u64::try_from(as_int(term)?).ok()
}

fn texts(term: &Term) -> Option<Vec<String>> {
    as_list(term)?.iter().map(as_text).collect()
}

fn done_of(facts: &Term) -> Option<ApplyDone> {
    let text = |key| map_get(facts, key).and_then(as_text);
    let count = |key| map_get(facts, key).and_then(number);
    let texts = |key| map_get(facts, key).and_then(texts);
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
        let Ok(Told::End(Ok(end))) = end else {
            panic!("it is done")
        };
        assert!(matches!(proof(&end), Err(AgentError::Answer(_))));
        let done = super::done(&end).expect("it has the form");
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

    #[test]
    fn a_proof_has_every_step_and_an_unknown_one_is_none() {
        let step = |kind: &str, values: Vec<Term>| tuple([vec![atom(kind)], values].concat());
        let names = |names: &[&str]| list(names.iter().map(binary).collect());
        let outline = vec![
            step("load", vec![names(&["a", "b"])]),
            step("update", vec![binary("c"), int(200), atom("true")]),
            step(
                "restart",
                vec![binary("app"), binary("2"), names(&["d"]), names(&["e"])],
            ),
            step(
                "restart",
                vec![binary("old"), atom("undefined"), names(&[]), names(&[])],
            ),
            step("apply", vec![binary("m:f/0")]),
            step("callback", vec![binary("p:c/1")]),
        ];
        let read = |outline: Vec<Term>| {
            let entries = [
                ("outline", list(outline)),
                ("skipped", int(3)),
                ("warnings", names(&["odd"])),
            ];
            proof(&facts(&entries))
        };
        let proof = read(outline.clone()).expect("it has the form");
        assert_eq!((proof.steps.len(), proof.skipped), (6, 3));
        assert_eq!(proof.warnings, ["odd"]);
        let expected = ProvenStep::Restart {
            application: "old".into(),
            version: None,
            modules: vec![],
            removed: vec![],
        };
        assert_eq!(proof.steps[3], expected);
        let sung = step("sing", vec![binary("la")]);
        assert!(read([outline, vec![sung]].concat()).is_err());
    }
}
