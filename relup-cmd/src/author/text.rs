//! A hop as the text of its file: one Erlang map, with comments that say why each line is there.
//!
//! What is written must read back as the same hop; whoever writes the file makes sure of it.

use relup::hop::{Callback, Hop, HopText, Instruction, parse_hop};
use relup::term::Term;
use relup::vsn::ReleaseVsn;

use super::error::AuthorError;
use super::plan::HopPlan;

/// Where lines of comments end.
const WIDTH: usize = 96;
/// How far elements of the lists are indented.
const INNER: &str = "        ";

/// The text of the hop file; `about` are sentences for its head.
pub(crate) fn render(
    plan: &HopPlan,
    from: &ReleaseVsn,
    to: &ReleaseVsn,
    about: &[String],
) -> Result<String, AuthorError> {
    let mut lines: Vec<String> = Vec::new();
    for sentence in about {
        comment(&mut lines, "", sentence);
    }
    for note in &plan.notes {
        lines.push("%%".to_owned());
        comment(&mut lines, "", note);
    }
    let string = |vsn: &ReleaseVsn| Term::Str(vsn.to_string()).to_string();
    lines.push("#{".to_owned());
    lines.push(format!("    from_version => {},", string(from)));
    lines.push(format!("    target_version => {},", string(to)));
    lines.push("    code_changes => [".to_owned());
    let last = plan.steps.len().saturating_sub(1);
    for (index, step) in plan.steps.iter().enumerate() {
        for reason in &step.why {
            comment(&mut lines, INNER, &sentence(reason));
        }
        if let Some(proposal) = &step.proposal {
            lines.push(format!("{INNER}%%   {}", written(proposal)));
        }
        let comma = if index == last { "" } else { "," };
        lines.push(format!("{INNER}{}{comma}", written(&step.instruction)));
    }
    lines.push("    ],".to_owned());
    if plan.callbacks.is_empty() {
        lines.push("    post_upgrade_callbacks => []".to_owned());
    } else {
        lines.push("    post_upgrade_callbacks => [".to_owned());
        let last = plan.callbacks.len() - 1;
        for (index, (name, why)) in plan.callbacks.iter().enumerate() {
            comment(&mut lines, INNER, &sentence(why));
            let comma = if index == last { "" } else { "," };
            lines.push(format!("{INNER}{}{comma}", Term::Atom(name.clone())));
        }
        lines.push("    ]".to_owned());
    }
    lines.push("}.\n".to_owned());
    let text = lines.join("\n");
    check(&text, plan, from, to)?;
    Ok(text)
}

/// What was written must mean what was meant.
fn check(
    text: &str,
    plan: &HopPlan,
    from: &ReleaseVsn,
    to: &ReleaseVsn,
) -> Result<(), AuthorError> {
    let callbacks = plan.callbacks.iter();
    let meant = Hop {
        from: from.clone(),
        to: to.clone(),
        code_changes: plan.instructions(),
        callbacks: callbacks
            .map(|(name, _)| Callback::Plain(name.clone()))
            .collect(),
    };
    match parse_hop(text) {
        Ok(HopText::Literal(hop)) if hop == meant => Ok(()),
        Ok(_) => Err(AuthorError::NotReadBack(
            "it means something else".to_owned(),
        )),
        Err(error) => Err(AuthorError::NotReadBack(error.to_string())),
    }
}

/// An instruction as it stands in the file.
pub(crate) fn written(instruction: &Instruction) -> String {
    let atom = |name: &String| Term::Atom(name.clone());
    match instruction {
        Instruction::LoadModule(module) => format!("{{load_module, {}}}", atom(module)),
        Instruction::Update { module, extra } => {
            format!("{{update, {}, {{advanced, {extra}}}}}", atom(module))
        }
        Instruction::RestartApplication(app) => format!("{{restart_application, {}}}", atom(app)),
        Instruction::Apply {
            module,
            function,
            args,
        } => format!(
            "{{apply, {}, {}, {}}}",
            atom(module),
            atom(function),
            Term::List(args.clone())
        ),
    }
}

/// With a full stop.
pub(crate) fn sentence(text: &str) -> String {
    if text.ends_with(['.', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// A comment, broken between words. What comes from files can't end it.
pub(crate) fn comment(lines: &mut Vec<String>, indent: &str, words: &str) {
    let mut line = String::new();
    for word in words.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        let len = indent.len() + 3 + line.chars().count() + word.chars().count();
        if len > WIDTH && !line.is_empty() {
            lines.push(format!("{indent}%%{line}"));
            line.clear();
        }
        line.push(' ');
        line += word;
    }
    if !line.is_empty() {
        lines.push(format!("{indent}%%{line}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::author::decide::Decision;

    fn vsn(text: &str) -> ReleaseVsn {
        text.parse().expect("a version")
    }

    fn step(instruction: Instruction, why: &str, proposal: Option<Instruction>) -> Decision {
        Decision {
            instruction,
            why: vec![why.to_owned()],
            proposal,
        }
    }

    #[test]
    fn a_hop_reads_back_whatever_the_names_are() {
        let odd = "Elixir.A 'b'\n%%";
        let plan = HopPlan {
            steps: vec![
                step(
                    Instruction::LoadModule("emqx_a".into()),
                    "one\n#{ two",
                    None,
                ),
                step(
                    Instruction::Update {
                        module: "B".into(),
                        extra: Term::Tuple(vec![Term::Str("x\"y".into())]),
                    },
                    &"long words ".repeat(30),
                    Some(Instruction::RestartApplication("emqx".into())),
                ),
                step(Instruction::RestartApplication("emqx_b".into()), "", None),
            ],
            callbacks: vec![
                ("pr_1_a".into(), odd.into()),
                ("pr_2_B".into(), String::new()),
            ],
            notes: vec![odd.into()],
            warnings: Vec::new(),
        };
        let text =
            render(&plan, &vsn("5.10.4"), &vsn("5.10.5+a"), &["head".into()]).expect("a hop");
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(
            text.contains("        %% one #{ two.\n        {load_module, emqx_a},\n"),
            "{text}"
        );
        assert!(text.contains("        %%   {restart_application, emqx}\n        {update, 'B', {advanced, {\"x\\\"y\"}}},\n"), "{text}");
        let empty = HopPlan {
            steps: Vec::new(),
            callbacks: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
        };
        render(&empty, &vsn("1"), &vsn("2"), &[]).expect("a hop");
    }
}
