//! The grammar of one line of `emqx_vars`: blank, comment, `NAME=word`, `export NAME=word` or
//! `export NAME`.
//!
//! A word is what the POSIX shell takes for one: unquoted, 'single' and "double" quoted parts side
//! by side, with `$NAME`, `${NAME}` and `${NAME:-word}` in the unquoted and double-quoted ones.
//! Where shells disagree, or where a shell would execute something, the line is refused with the
//! reason. Quotes end on their own line, so that one that is missing is reported where it is.
//! Nothing is looked up here; the result is a description of the value.

use std::iter::Peekable;
use std::str::Chars;

/// How deep `${A:-${B:-...}}` may be nested; real files need two levels.
const MAX_DEPTH: usize = 32;

/// One assignment or export.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) name: String,
    /// `None` for `export NAME` alone.
    pub(super) value: Option<Vec<Piece>>,
    pub(super) exported: bool,
}

/// A part of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// These characters.
    Text(String),
    /// `$NAME` or `${NAME}`.
    Variable(String),
    /// `${NAME:-default}`.
    OrDefault(String, Vec<Piece>),
}

/// The statement on `line`, if it has one, or why it is outside the grammar.
pub(super) fn statement(line: &str) -> Result<Option<Statement>, String> {
    let mut parser = Parser {
        rest: line.chars().peekable(),
        depth: 0,
    };
    if parser.at_end_or_comment() {
        return Ok(None);
    }
    let first = parser.name(line)?;
    let exported = first == "export" && parser.skip_blanks();
    let name = if exported { parser.name(line)? } else { first };
    let value = match parser.rest.next() {
        Some('=') => Some(parser.word(Place::Plain)?),
        Some(' ' | '\t') | None if exported => None,
        _ => return Err(no_assignment(line)),
    };
    if !parser.at_end_or_comment() {
        let more: String = parser.rest.collect();
        return Err(format!(
            "{:?} follows the assignment, nothing may",
            shortened(&more)
        ));
    }
    Ok(Some(Statement {
        name,
        value,
        exported,
    }))
}

/// Whether `text` can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    text.chars().next().is_some_and(begins_name) && text.chars().all(continues_name)
}

/// Whether a value may contain `c`.
pub(super) fn is_allowed(c: char) -> bool {
    c == '\t' || !c.is_control()
}

/// Where a word, or a part of one, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Unquoted, directly after the `=`.
    Plain,
    /// Unquoted, after `:-`.
    PlainDefault,
    /// Within double quotes.
    Quoted,
    /// Within double quotes, after `:-`.
    QuotedDefault,
}

impl Place {
    fn is_quoted(self) -> bool {
        matches!(self, Place::Quoted | Place::QuotedDefault)
    }

    fn is_default(self) -> bool {
        matches!(self, Place::PlainDefault | Place::QuotedDefault)
    }
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    depth: usize,
}

impl Parser<'_> {
    fn skip_blanks(&mut self) -> bool {
        let mut skipped = false;
        while self.rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {
            skipped = true;
        }
        skipped
    }

    fn at_end_or_comment(&mut self) -> bool {
        self.skip_blanks();
        matches!(self.rest.peek(), None | Some('#'))
    }

    /// A name that the line must have here.
    fn name(&mut self, line: &str) -> Result<String, String> {
        match self.rest.peek() {
            Some(c) if begins_name(*c) => Ok(self.name_here()),
            _ => Err(no_assignment(line)),
        }
    }

    fn name_here(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| continues_name(*c)) {
            name.push(c);
        }
        name
    }

    /// The parts up to whatever ends a word at `place`; a closing quote or brace is consumed.
    fn word(&mut self, place: Place) -> Result<Vec<Piece>, String> {
        let mut word = Word::default();
        while let Some(c) = self.rest.peek().copied() {
            if place == Place::Plain && matches!(c, ' ' | '\t') {
                return Ok(word.finish());
            }
            self.rest.next();
            match c {
                '"' if place == Place::Quoted => return Ok(word.finish()),
                '}' if place.is_default() => return Ok(word.finish()),
                '\\' => self.backslash(place, &mut word)?,
                '$' => self.dollar(place, &mut word)?,
                '`' => return Err("`...` runs a command, which is never done here".to_owned()),
                '"' if place == Place::QuotedDefault => {
                    return Err(
                        "a double quote inside \"${...}\" means different things to \
                                different shells"
                            .to_owned(),
                    );
                }
                c if place.is_quoted() => word.push(c)?,
                '"' => {
                    let quoted = self.word(Place::Quoted)?;
                    word.append(quoted);
                }
                '\'' => self.single_quoted(&mut word)?,
                ';' | '&' | '|' | '<' | '>' | '(' | ')' => {
                    return Err(format!("{c:?} outside of quotes is no part of a value"));
                }
                '~' if word.tilde_expands() => {
                    return Err("~ is not expanded here; write the directory".to_owned());
                }
                c => word.push(c)?,
            }
            word.colon = c == ':' && !place.is_quoted();
        }
        match place {
            Place::Plain => Ok(word.finish()),
            Place::Quoted => Err("the double quote is not closed on this line".to_owned()),
            Place::PlainDefault | Place::QuotedDefault => {
                Err("${ is not closed on this line".to_owned())
            }
        }
    }

    fn single_quoted(&mut self, word: &mut Word) -> Result<(), String> {
        word.begun = true;
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(c) => word.push(c)?,
                None => return Err("the single quote is not closed on this line".to_owned()),
            }
        }
    }

    /// Within double quotes a backslash escapes only what would be special there, and is kept
    /// otherwise.
    fn backslash(&mut self, place: Place, word: &mut Word) -> Result<(), String> {
        let Some(c) = self.rest.next() else {
            return Err("a value can't go on in the next line".to_owned());
        };
        let special = matches!(c, '"' | '\\' | '$' | '`') || (c == '}' && place.is_default());
        if place.is_quoted() && !special {
            word.push('\\')?;
        }
        word.push(c)
    }

    fn dollar(&mut self, place: Place, word: &mut Word) -> Result<(), String> {
        match self.rest.peek().copied() {
            Some('{') => {
                self.rest.next();
                let piece = self.braced(place)?;
                word.append(vec![piece]);
                Ok(())
            }
            Some(c) if begins_name(c) => {
                let name = self.name_here();
                word.append(vec![Piece::Variable(name)]);
                Ok(())
            }
            Some('(') => Err("$(...) runs a command, which is never done here".to_owned()),
            Some('[') => Err("$[...] is arithmetic, which is not done here".to_owned()),
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => {
                Err(format!("${c} has no meaning in this file"))
            }
            Some(c @ ('\'' | '"')) if !place.is_quoted() => {
                Err(format!("${c} means different things to different shells"))
            }
            _ => word.push('$'),
        }
    }

    /// What follows `${`.
    fn braced(&mut self, place: Place) -> Result<Piece, String> {
        let name = match self.rest.peek() {
            Some(c) if begins_name(*c) => self.name_here(),
            _ => return Err("${ is not followed by the name of a variable".to_owned()),
        };
        match (self.rest.next(), self.rest.peek()) {
            (Some('}'), _) => Ok(Piece::Variable(name)),
            (Some(':'), Some('-')) => {
                self.rest.next();
                if self.depth == MAX_DEPTH {
                    return Err(format!("${{ is nested deeper than {MAX_DEPTH} levels"));
                }
                self.depth += 1;
                let inner = if place.is_quoted() {
                    Place::QuotedDefault
                } else {
                    Place::PlainDefault
                };
                let default = self.word(inner)?;
                self.depth -= 1;
                Ok(Piece::OrDefault(name, default))
            }
            (Some(_), _) => Err(format!(
                "of ${{{name}...}} only ${{{name}}} and ${{{name}:-default}} are understood"
            )),
            (None, _) => Err("${ is not closed on this line".to_owned()),
        }
    }
}

/// A word while it is read.
#[derive(Default)]
struct Word {
    pieces: Vec<Piece>,
    /// Whether anything was read, be it an empty pair of quotes.
    begun: bool,
    /// Whether the last character was an unquoted colon.
    colon: bool,
}

impl Word {
    fn push(&mut self, c: char) -> Result<(), String> {
        match c {
            '\r' => return Err("the line ends the Windows way, with a carriage return".to_owned()),
            c if !is_allowed(c) => return Err(format!("the character {c:?} is not allowed")),
            _ => {}
        }
        self.begun = true;
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.push(c);
        } else {
            self.pieces.push(Piece::Text(c.to_string()));
        }
        Ok(())
    }

    fn append(&mut self, pieces: Vec<Piece>) {
        self.begun = true;
        self.pieces.extend(pieces);
    }

    /// Shells expand `~` at the beginning of a value and after a colon.
    fn tilde_expands(&self) -> bool {
        !self.begun || self.colon
    }

    fn finish(self) -> Vec<Piece> {
        self.pieces
    }
}

fn no_assignment(line: &str) -> String {
    if line.contains('\r') && line.trim().is_empty() {
        return "the line ends the Windows way, with a carriage return".to_owned();
    }
    let shown = shortened(line.trim());
    format!("{shown:?} is no assignment; only NAME=value, export NAME=value and comments are read")
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

fn begins_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn continues_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}
