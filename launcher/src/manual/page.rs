//! One manual page as roff. The parts that follow from the command line are `clap_mangen`'s, the
//! others follow here, in the order in which manual pages have them.

use std::io::Write;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::command::Command;
use crate::manual::facts::{FILES, exits};
use crate::release::variables::obeyed_by;
use crate::version::{VERSION, source_day};

/// The section of the manual.
const SECTION: &str = "1";

/// The page of a command.
pub struct Page {
    model: clap::Command,
    /// The command of the table that it belongs to; none for the program itself.
    command: Option<Command>,
    /// Pages to read next.
    see_also: Vec<String>,
}

impl Page {
    /// The page of the command that the names lead to; of the program without a name.
    pub fn find(program: &clap::Command, names: &[String]) -> Option<Page> {
        let mut model = program;
        let mut above = None;
        for name in names {
            above = Some(model);
            model = model.find_subcommand(name)?;
        }
        Some(Page::of(model, above))
    }

    /// Every page there is.
    pub fn all(program: &clap::Command) -> Vec<Page> {
        let mut pages = vec![Page::of(program, None)];
        let mut open = vec![program];
        while let Some(above) = open.pop() {
            for model in above.get_subcommands() {
                pages.push(Page::of(model, Some(above)));
                open.push(model);
            }
        }
        pages
    }

    fn of(model: &clap::Command, above: Option<&clap::Command>) -> Page {
        let own_name = model.get_bin_name().unwrap_or_default();
        let command = own_name.split(' ').nth(1).and_then(Command::by_name);
        let below = model.get_subcommands().map(full_name);
        let mut see_also: Vec<String> = above.map(full_name).into_iter().chain(below).collect();
        if above.is_none() {
            see_also.push("erl".into());
        }
        Page {
            model: model.clone(),
            command,
            see_also,
        }
    }

    /// The name of its file.
    pub fn file_name(&self) -> String {
        format!("{}.{SECTION}", full_name(&self.model))
    }

    /// Names of files that lead to this page: other names of the command, and `emqx_ctl`.
    pub fn second_names(&self) -> Vec<String> {
        let aliases = self
            .model
            .get_visible_aliases()
            .map(|name| format!("emqx-{name}"));
        let link = (self.command == Some(Command::Ctl)).then(|| "emqx_ctl".to_owned());
        aliases
            .chain(link)
            .map(|name| format!("{name}.{SECTION}"))
            .collect()
    }

    /// The page as roff.
    pub fn text(&self) -> String {
        let man = Man::new(self.model.clone())
            .title(full_name(&self.model).to_uppercase())
            .section(SECTION)
            .date(source_day())
            .source(format!("emqx launcher {VERSION}"))
            .manual("EMQX Launcher");
        let mut text = Vec::new();
        // Writing to memory cannot fail.
        let _ = self.write(&man, &mut text);
        once(&String::from_utf8_lossy(&text))
    }

    fn write(&self, man: &Man, to: &mut dyn Write) -> std::io::Result<()> {
        man.render_title(to)?;
        man.render_name_section(to)?;
        man.render_synopsis_section(to)?;
        man.render_description_section(to)?;
        man.render_options_section(to)?;
        if self.model.has_subcommands() {
            man.render_subcommands_section(to)?;
        }
        self.own_sections().to_writer(to)
    }

    fn own_sections(&self) -> Roff {
        let mut roff = Roff::new();
        roff.control("SH", ["EXIT STATUS"]);
        for (code, meaning) in exits(self.command) {
            entry(&mut roff, code, meaning);
        }
        roff.control("SH", ["ENVIRONMENT"]);
        for variable in obeyed_by(self.command) {
            let default = match variable.default {
                "" => String::new(),
                default => format!(" The default is {default}."),
            };
            entry(
                &mut roff,
                variable.name,
                &format!("{}{default}", variable.about),
            );
        }
        if self.command.is_none() {
            roff.control("SH", ["FILES"]);
            for (path, meaning) in FILES {
                entry(&mut roff, path, meaning);
            }
        }
        roff.control("SH", ["SEE ALSO"]);
        for (at, name) in self.see_also.iter().enumerate() {
            let end = if at + 1 < self.see_also.len() {
                ","
            } else {
                ""
            };
            roff.text([bold(name.as_str()), roman(format!("({SECTION}){end}"))]);
        }
        roff
    }
}

fn entry(roff: &mut Roff, term: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    for line in lines(meaning) {
        roff.text([roman(line)]);
    }
}

/// Text in lines as short as sources of manual pages have them.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 72 => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `emqx-relup-upgrade`.
fn full_name(model: &clap::Command) -> String {
    model
        .get_display_name()
        .unwrap_or_else(|| model.get_name())
        .to_owned()
}

/// Each section was written with the same definitions before it; one time is enough.
fn once(text: &str) -> String {
    let mut seen = Vec::new();
    let mut kept = String::new();
    for line in text.lines() {
        let definition = line.starts_with(".ie ") || line.starts_with(".el ");
        if definition && seen.contains(&line) {
            continue;
        }
        if definition {
            seen.push(line);
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}
