//! The instructions of an appup for one application, in one direction.

use relup::hop::Instruction;
use relup::term::Term;

use crate::author::decide::Decision;
use crate::author::diff::{Change, ReleaseDiff};
use crate::author::facts::ReleaseFacts;
use crate::author::kind::Kind;
use crate::author::plan::HopPlan;
use crate::author::text;

/// The instructions for one application in one direction, with their reasons.
pub(super) fn steps(
    app: &str,
    diff: &ReleaseDiff<'_>,
    plan: &HopPlan,
    target: &ReleaseFacts,
) -> Vec<(String, Vec<String>)> {
    let mut steps = Vec::new();
    let change = |name: &str| diff.modules.iter().find(|module| module.name == name);
    for Decision {
        instruction, why, ..
    } in &plan.steps
    {
        let text = match instruction {
            Instruction::RestartApplication(name) if name == app => text::written(instruction),
            Instruction::LoadModule(name) => {
                let Some(module) = change(name).filter(|module| module.app == app) else {
                    continue;
                };
                let is_supervisor = target
                    .module(name)
                    .is_some_and(|(_, facts)| Kind::of(facts, target) == Kind::Supervisor);
                let name = Term::Atom(name.clone());
                match module.change {
                    Change::Added(_) => format!("{{add_module, {name}}}"),
                    Change::Changed { .. } if is_supervisor => {
                        format!("{{update, {name}, supervisor}}")
                    }
                    Change::Changed { .. } | Change::Removed => format!("{{load_module, {name}}}"),
                }
            }
            Instruction::Update { module, .. } => {
                let owner = target.module(module).map(|(owner, _)| owner);
                if owner != Some(app) {
                    continue;
                }
                text::written(instruction)
            }
            Instruction::RestartApplication(_) | Instruction::Apply { .. } => continue,
        };
        steps.push((text, why.clone()));
    }
    let is_restarted = plan.steps.iter().any(
        |step| matches!(&step.instruction, Instruction::RestartApplication(name) if name == app),
    );
    if !is_restarted {
        for module in diff.modules_of(app) {
            if let Change::Removed = module.change {
                let name = Term::Atom(module.name.to_owned());
                steps.push((format!("{{delete_module, {name}}}"), Vec::new()));
            }
        }
    }
    steps
}
