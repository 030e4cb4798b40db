//! A hop as the text of its file: one Erlang map, with comments that say why each line is there.
//!
//! What is written must read back as the same hop; whoever writes the file makes sure of it.

use relup::hop::{Callback, Hop, HopText, Instruction, parse_hop};
use relup::term::Term;
use relup::vsn::ReleaseVsn;

use super::decide::Decision;
use super::error::AuthorError;
use super::plan::HopPlan;

/// Where lines of comments end.
const WIDTH: usize = 96;

/// The text of the hop file; `about` are sentences for its head.
pub(crate) fn render(
    plan: &HopPlan,
    from: &ReleaseVsn,
    to: &ReleaseVsn,
    about: &[String],
) -> Result<String, AuthorError> {
    let mut text = String::new();
    for line in about {
        comment(&mut text, "", line);
    }
    for note in &plan.notes {
        text.push_str("%%\n");
        comment(&mut text, "", note);
    }
    let string = |vsn: &ReleaseVsn| Term::Str(vsn.to_string()).to_string();
    text += "#{\n";
    text += &format!("    from_version => {},\n", string(from));
    text += &format!("    target_version => {},\n", string(to));
    text += "    code_changes => [\n";
    let last = plan.steps.len().saturating_sub(1);
    for (index, step) in plan.steps.iter().enumerate() {
        let Decision {
            instruction,
            why,
            proposal,
        } = step;
        for reason in why {
            comment(&mut text, "        ", &sentence(reason));
        }
        if let Some(proposal) = proposal {
            text += &format!("        %%   {}\n", written(proposal));
        }
        let comma = if index == last { "" } else { "," };
        text += &format!("        {}{comma}\n", written(instruction));
    }
    text += "    ],\n";
    if plan.callbacks.is_empty() {
        text += "    post_upgrade_callbacks => []\n";
    } else {
        text += "    post_upgrade_callbacks => [\n";
        let last = plan.callbacks.len() - 1;
        for (index, (name, why)) in plan.callbacks.iter().enumerate() {
            comment(&mut text, "        ", &sentence(why));
            let comma = if index == last { "" } else { "," };
            text += &format!("        {}{comma}\n", Term::Atom(name.clone()));
        }
        text += "    ]\n";
    }
    text += "}.\n";
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

fn sentence(text: &str) -> String {
    if text.ends_with(['.', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// A comment, broken between words. What comes from files can't end it.
fn comment(text: &mut String, indent: &str, words: &str) {
    let mut line = String::new();
    let flush = |line: &mut String, text: &mut String| {
        if !line.is_empty() {
            *text += &format!("{indent}%%{line}\n");
            line.clear();
        }
    };
    for word in words.split(|c: char| c.is_whitespace() || c.is_control()) {
        let len = indent.len() + 3 + line.chars().count() + word.chars().count();
        if len > WIDTH {
            flush(&mut line, text);
        }
        if !word.is_empty() {
            line.push(' ');
            line += word;
        }
    }
    flush(&mut line, text);
}

#[cfg(test)]
mod tests {
    use super::*;

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
