//! What comes out about one module: an instruction, a restart of its application, or both.

use relup::hop::Instruction;
use relup::term::Term;

use super::Decision;

/// A reason to restart a module's application.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) module: String,
    pub(crate) why: String,
    /// Whether the author asks for it; else it is the safer way.
    pub(crate) is_rule: bool,
}

/// What came out about one module.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) decision: Option<Decision>,
    pub(crate) restart: Option<Wanted>,
}

pub(super) fn load(name: &str, why: String) -> Verdict {
    let decision = Decision {
        instruction: Instruction::LoadModule(name.to_owned()),
        why: vec![why],
        proposal: None,
    };
    Verdict {
        decision: Some(decision),
        restart: None,
    }
}

pub(super) fn update(name: &str, extra: Term, why: String) -> Verdict {
    let decision = Decision {
        instruction: Instruction::Update {
            module: name.to_owned(),
            extra,
        },
        why: vec![why],
        proposal: None,
    };
    Verdict {
        decision: Some(decision),
        restart: None,
    }
}

/// Loading is what is left where the application is not restarted.
pub(super) fn restart_or_load(name: &str, why: String) -> Verdict {
    Verdict {
        restart: Some(Wanted {
            module: name.to_owned(),
            why: why.clone(),
            is_rule: false,
        }),
        ..load(name, why)
    }
}
