//! The one place that prints: answers to standard output, words for people to standard error.
//!
//! With `--json` standard output carries exactly one object and nothing else. Stages are a progress
//! bar on a terminal, of which a line stays once they are done, and plain lines elsewhere. A reader
//! that has gone away (`| head`) is no error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

const RED: Style = AnsiColor::Red.on_default().bold();
/// How often a stage of unknown length shows that it goes on.
const TICK: Duration = Duration::from_millis(120);
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();

/// What a command answers: lines for people, and the same as an object.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) lines: Vec<String>,
    pub(crate) fields: Map<String, Value>,
}

impl Answer {
    /// An answer of one line.
    pub(crate) fn line(text: impl Into<String>) -> Answer {
        Answer {
            lines: vec![text.into()],
            fields: Map::new(),
        }
    }

    /// Adds a field of the object.
    pub(crate) fn field(mut self, name: &str, value: impl Into<Value>) -> Answer {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// What can end a command: one line, a name for programs, a remedy, an exit code.
pub(crate) trait Told: std::fmt::Display {
    /// The stable name, for `--json`.
    fn name(&self) -> &str;

    /// What to do about it, where there is something to do.
    fn hint(&self) -> Option<String>;

    /// The program's exit code.
    fn exit_code(&self) -> u8;

    /// Lines for standard output: what was found is the answer, whatever it is called.
    fn found(&self) -> Vec<String> {
        Vec::new()
    }

    /// More about the error, for the object.
    fn about(&self) -> Map<String, Value> {
        Map::new()
    }

    /// More fields of the object.
    fn fields(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// Where a command prints.
pub(crate) struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    json: bool,
    on_terminal: bool,
    fleeting: bool,
    stage: Option<Stage>,
    warnings: Vec<String>,
    facts: Map<String, Value>,
}

/// A stage that goes on, on a terminal.
struct Stage {
    text: String,
    bar: ProgressBar,
    begun: Instant,
}

impl<'a> Console<'a> {
    /// A console that prints to these two.
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, json: bool) -> Self {
        Console {
            out,
            err,
            json,
            on_terminal: false,
            fleeting: false,
            stage: None,
            warnings: Vec::new(),
            facts: Map::new(),
        }
    }

    /// Shows progress bars when standard error is a terminal.
    pub(crate) fn with_terminal(mut self) -> Self {
        self.on_terminal = !self.json && std::io::stderr().is_terminal();
        self
    }

    /// Leaves no line of a stage behind: what is printed is what other programs of this name print.
    pub(crate) fn with_fleeting_stages(mut self) -> Self {
        self.fleeting = true;
        self
    }

    /// Whether standard output carries one object.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Begins a stage of `total` bytes, or of unknown length.
    pub(crate) fn stage(&mut self, text: &str, total: Option<u64>) {
        self.end_stage();
        if self.json {
            return;
        }
        if !self.on_terminal {
            if !self.fleeting {
                print(self.out, text);
            }
            return;
        }
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match total {
            Some(_) => "{msg} [{bar:30}] {bytes}/{total_bytes} {eta}",
            None => "{spinner} {wide_msg}",
        };
        // The templates are constants, so a mistake in them shows in the first run of a test.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(text.to_owned());
        if total.is_none() {
            bar.enable_steady_tick(TICK);
        }
        self.stage = Some(Stage {
            text: text.to_owned(),
            bar,
            begun: Instant::now(),
        });
    }

    /// A line that stays, between stages or before something that prints by itself: a bar would stand
    /// in its way.
    pub(crate) fn note(&mut self, text: &str) {
        self.end_stage();
        if self.on_terminal {
            print(self.err, text);
        } else if !self.json {
            print(self.out, text);
        }
    }

    /// A line of the answer that is true before the command has ended.
    pub(crate) fn say(&mut self, text: &str) {
        self.end_stage();
        if !self.json {
            print(self.out, text);
        }
    }

    /// How far the stage has come, in bytes.
    pub(crate) fn progress(&mut self, done: u64) {
        if let Some(stage) = &self.stage {
            stage.bar.set_position(done);
        }
    }

    /// A step within a stage.
    pub(crate) fn step(&mut self, text: &str) {
        match &self.stage {
            Some(Stage {
                text: stage, bar, ..
            }) => {
                bar.set_message(format!("{stage}: {}", text.trim_start()));
            }
            None if !self.json => print(self.out, text),
            None => {}
        }
    }

    /// Ends a stage that is done; what it was stays on the screen.
    fn end_stage(&mut self) {
        if let Some(Stage { text, bar, begun }) = self.stage.take() {
            bar.finish_and_clear();
            if !self.fleeting {
                let seconds = begun.elapsed().as_secs_f64();
                print(self.err, &format!("{text}: {seconds:.1} s"));
            }
        }
    }

    /// Takes a stage away that did not come to its end.
    fn drop_stage(&mut self) {
        if let Some(stage) = self.stage.take() {
            stage.bar.finish_and_clear();
        }
    }

    /// Something that people should know and that stops nothing.
    pub(crate) fn warn(&mut self, text: String) {
        if !self.json {
            let line = format!("{YELLOW}WARNING:{YELLOW:#} {text}");
            match &self.stage {
                Some(stage) => stage.bar.suspend(|| print(self.err, &line)),
                None => print(self.err, &line),
            }
        }
        self.warnings.push(text);
    }

    /// Something that belongs into the object, however the command ends.
    pub(crate) fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// The end of a command that did what it was asked.
    pub(crate) fn answer(&mut self, answer: Answer) {
        self.end_stage();
        if !self.json {
            for line in answer.lines {
                print(self.out, &line);
            }
            return;
        }
        let mut object = answer.fields;
        object.insert("ok".to_owned(), Value::Bool(true));
        self.object(object);
    }

    /// The end of a command that was refused or failed.
    pub(crate) fn error(&mut self, error: &dyn Told) {
        self.drop_stage();
        let (name, hint) = (error.name(), error.hint());
        if !self.json {
            for line in error.found() {
                print(self.out, &line);
            }
            print(self.err, &format!("{RED}ERROR:{RED:#} {name}: {error}"));
            if let Some(hint) = hint {
                print(self.err, &format!("hint: {hint}"));
            }
            return;
        }
        let mut about = error.about();
        about.insert("name".to_owned(), json!(name));
        about.insert("message".to_owned(), json!(error.to_string()));
        about.insert("hint".to_owned(), json!(hint));
        let mut object = error.fields();
        object.insert("ok".to_owned(), Value::Bool(false));
        object.insert("error".to_owned(), Value::Object(about));
        object.insert("exit_code".to_owned(), json!(error.exit_code()));
        self.object(object);
    }

    fn object(&mut self, mut object: Map<String, Value>) {
        object.insert(
            "warnings".to_owned(),
            json!(std::mem::take(&mut self.warnings)),
        );
        object.append(&mut self.facts);
        print(self.out, &Value::Object(object).to_string());
    }
}

impl Drop for Console<'_> {
    fn drop(&mut self) {
        self.drop_stage();
    }
}

fn print(out: &mut dyn Write, line: &str) {
    // Whoever closed the pipe does not want to read more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
