//! The parser of literals, on top of the forms that `lex` makes.
//!
//! Wherever a literal can't go on there are two possibilities, and the difference matters to the
//! caller: the token could begin or continue some Erlang expression, so that a VM may know the
//! value; or nothing in Erlang allows it there, and the author of the file must be told. Nothing
//! is evaluated. Recursion is bounded, so that a hostile file can't exhaust the stack.

use erl_tokenize::{Symbol, Token, TokenKind, TokenValue};

use super::lex::{
    LexError, begins_expression, continues_expression, error_at, forms, is_number, unexpected,
};
use super::{Parsed, Term, TermError, number};

/// How deep brackets may be nested; real files need less than ten.
const MAX_DEPTH: usize = 200;

/// The VM's own limit for atoms, in characters.
const MAX_ATOM: usize = 255;

/// Reads text that should hold one expression ended by a dot, as `file:script/1` would.
///
/// Several expressions, separated by commas or dots, are an [`Parsed::Expression`] too.
pub fn parse_expression(text: &str) -> Result<Parsed, TermError> {
    let forms = match forms(text) {
        Ok(forms) => forms,
        Err(LexError::DependsOnOtp(_)) => return Ok(Parsed::Expression),
        Err(LexError::Broken(error)) => return Err(error),
    };
    match forms.as_slice() {
        [] => Err(error_at(
            text,
            text.len(),
            "there is no expression".to_owned(),
        )),
        [form] => match Parser::new(text, form).whole_form() {
            Ok(term) => Ok(Parsed::Literal(term)),
            Err(Stop::Expression(_)) => Ok(Parsed::Expression),
            Err(Stop::Malformed(error)) => Err(error),
        },
        _ => Ok(Parsed::Expression),
    }
}

/// Reads any number of literals, each ended by a dot, as `file:consult/1` would. An expression
/// among them is an error.
pub fn parse_terms(text: &str) -> Result<Vec<Term>, TermError> {
    let forms = forms(text).map_err(|error| match error {
        LexError::DependsOnOtp(error) | LexError::Broken(error) => error,
    })?;
    let terms = forms.iter().map(|form| {
        Parser::new(text, form)
            .whole_form()
            .map_err(|stop| match stop {
                Stop::Malformed(error) => error,
                Stop::Expression(offset) => error_at(
                    text,
                    offset,
                    "an expression where only literals are allowed".to_owned(),
                ),
            })
    });
    terms.collect()
}

/// Why the parser stopped before the end of a literal.
pub(super) enum Stop {
    /// The token at this byte offset takes an evaluator.
    Expression(usize),
    /// No Erlang allows this here.
    Malformed(TermError),
}

pub(super) type Step<T> = Result<T, Stop>;

/// One form and how much of it is read.
pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) form: &'a [Token],
    pub(super) next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, form: &'a [Token]) -> Self {
        Self {
            text,
            form,
            next: 0,
            depth: 0,
        }
    }

    fn whole_form(&mut self) -> Step<Term> {
        let term = self.value()?;
        if self.peek().is_none() {
            return Ok(term);
        }
        // A comma would separate this expression from the next one.
        Err(self.stop_after_value(self.is_symbol(Symbol::Comma)))
    }

    pub(super) fn value(&mut self) -> Step<Term> {
        let Some(token) = self.advance() else {
            return Err(self.malformed(None));
        };
        match token.value(self.text) {
            TokenValue::Atom(name) if name.chars().count() > MAX_ATOM => {
                let reason = format!("the atom is longer than {MAX_ATOM} characters");
                Err(Stop::Malformed(error_at(
                    self.text,
                    token.start().offset(),
                    reason,
                )))
            }
            TokenValue::Atom(name) => Ok(Term::Atom(name.into_owned())),
            TokenValue::Char(_) | TokenValue::Float(_) | TokenValue::Integer(_) => {
                self.number(token, false)
            }
            TokenValue::String(first) => Ok(Term::Str(self.string(first.into_owned()))),
            TokenValue::SigilString {
                prefix,
                content,
                suffix: "",
            } => match prefix {
                "" | "b" | "B" => Ok(Term::Binary(content.into_owned().into_bytes())),
                "s" | "S" => Ok(Term::Str(content.into_owned())),
                _ => Err(self.malformed(Some(token))),
            },
            TokenValue::Symbol(symbol) => self.after_symbol(token, symbol),
            TokenValue::Keyword(keyword) if begins_expression(keyword) => {
                Err(Stop::Expression(token.start().offset()))
            }
            TokenValue::Variable(_) => Err(Stop::Expression(token.start().offset())),
            TokenValue::SigilString { .. }
            | TokenValue::Keyword(_)
            | TokenValue::Comment(_)
            | TokenValue::Whitespace(_) => Err(self.malformed(Some(token))),
        }
    }

    /// A value that begins with a symbol: a bracket, a sign, or no literal.
    fn after_symbol(&mut self, token: Token, symbol: Symbol) -> Step<Term> {
        match symbol {
            Symbol::OpenBrace => self.nested(token, |p| {
                Ok(Term::Tuple(p.elements(Symbol::CloseBrace)?.0))
            }),
            Symbol::OpenSquare => self.nested(token, Self::list),
            Symbol::DoubleLeftAngle => self.nested(token, Self::binary),
            Symbol::Sharp if self.is_symbol(Symbol::OpenBrace) => {
                self.next += 1;
                self.nested(token, Self::map)
            }
            Symbol::Plus | Symbol::Hyphen => match self.peek() {
                Some(next) if is_number(next) => {
                    self.next += 1;
                    self.number(next, symbol == Symbol::Hyphen)
                }
                _ => Err(Stop::Expression(token.start().offset())),
            },
            Symbol::OpenParen | Symbol::Sharp | Symbol::WildcardRecord => {
                Err(Stop::Expression(token.start().offset()))
            }
            _ => Err(self.malformed(Some(token))),
        }
    }

    /// Reads what is between brackets.
    pub(super) fn nested<T>(
        &mut self,
        open: Token,
        body: impl FnOnce(&mut Self) -> Step<T>,
    ) -> Step<T> {
        if self.depth == MAX_DEPTH {
            let reason = format!("brackets are nested deeper than {MAX_DEPTH} levels");
            return Err(Stop::Malformed(error_at(
                self.text,
                open.start().offset(),
                reason,
            )));
        }
        self.depth += 1;
        let term = body(self);
        self.depth -= 1;
        term
    }

    /// Elements up to `close`, or up to `|` in a list; says which of the two ended them.
    fn elements(&mut self, close: Symbol) -> Step<(Vec<Term>, Symbol)> {
        let mut elements = Vec::new();
        if self.accept(close) {
            return Ok((elements, close));
        }
        loop {
            elements.push(self.value()?);
            if self.accept(close) {
                return Ok((elements, close));
            }
            if close == Symbol::CloseSquare && self.accept(Symbol::VerticalBar) {
                return Ok((elements, Symbol::VerticalBar));
            }
            self.expect(Symbol::Comma)?;
        }
    }

    fn list(&mut self) -> Step<Term> {
        let (mut elements, end) = self.elements(Symbol::CloseSquare)?;
        if end == Symbol::CloseSquare {
            return Ok(Term::List(elements));
        }
        let tail = self.value()?;
        self.expect(Symbol::CloseSquare)?;
        Ok(match tail {
            Term::ImproperList(more, end) => {
                elements.extend(more);
                Term::ImproperList(elements, end)
            }
            tail => match tail.into_list() {
                Ok(more) => {
                    elements.extend(more);
                    Term::List(elements)
                }
                Err(tail) => Term::ImproperList(elements, Box::new(tail)),
            },
        })
    }

    fn map(&mut self) -> Step<Term> {
        let mut pairs: Vec<(Term, Term)> = Vec::new();
        if self.accept(Symbol::CloseBrace) {
            return Ok(Term::Map(pairs));
        }
        loop {
            let key = self.value()?;
            self.expect(Symbol::DoubleRightArrow)?;
            let value = self.value()?;
            // Of a repeated key the last value counts.
            match pairs.iter_mut().find(|(known, _)| *known == key) {
                Some(pair) => pair.1 = value,
                None => pairs.push((key, value)),
            }
            if self.accept(Symbol::CloseBrace) {
                return Ok(Term::Map(pairs));
            }
            self.expect(Symbol::Comma)?;
        }
    }

    fn binary(&mut self) -> Step<Term> {
        let mut bytes = Vec::new();
        if self.accept(Symbol::DoubleRightAngle) {
            return Ok(Term::Binary(bytes));
        }
        loop {
            self.segment(&mut bytes)?;
            if self.accept(Symbol::DoubleRightAngle) {
                return Ok(Term::Binary(bytes));
            }
            self.expect(Symbol::Comma)?;
        }
    }

    /// One segment: a string or an integer, untyped or `/utf8`. Sizes and other types are left to
    /// a VM.
    fn segment(&mut self, bytes: &mut Vec<u8>) -> Step<()> {
        let start = self
            .peek()
            .map_or(self.text.len(), |token| token.start().offset());
        let elements = match self.value()? {
            Term::Str(text) => text.chars().map(|c| u32::from(c).to_string()).collect(),
            Term::Int(digits) => vec![digits],
            _ => return Err(Stop::Expression(start)),
        };
        if self.is_symbol(Symbol::Colon) {
            return Err(Stop::Expression(start));
        }
        if !self.accept(Symbol::Slash) {
            bytes.extend(elements.iter().map(|digits| number::low_byte(digits)));
            return Ok(());
        }
        let utf8 = self
            .advance()
            .is_some_and(|token| token.text(self.text) == "utf8");
        if !utf8 || self.is_symbol(Symbol::Hyphen) {
            return Err(Stop::Expression(start));
        }
        for digits in elements {
            let character = digits.parse().ok().and_then(char::from_u32);
            let character = character.ok_or(Stop::Expression(start))?;
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(())
    }

    /// Neighbouring string literals are one string.
    fn string(&mut self, mut text: String) -> String {
        while let Some(token) = self.peek() {
            let TokenValue::String(more) = token.value(self.text) else {
                break;
            };
            text.push_str(&more);
            self.next += 1;
        }
        text
    }

    fn number(&self, token: Token, negative: bool) -> Step<Term> {
        let digits = match token.value(self.text) {
            TokenValue::Float(value) => {
                return Ok(Term::Float(number::float(if negative {
                    -value
                } else {
                    value
                })));
            }
            TokenValue::Char(c) => u32::from(c).to_string(),
            _ => number::decimal(token.text(self.text)).ok_or_else(|| {
                let reason = "the integer is too long".to_owned();
                Stop::Malformed(error_at(self.text, token.start().offset(), reason))
            })?,
        };
        Ok(Term::Int(if negative {
            number::negated(digits)
        } else {
            digits
        }))
    }

    pub(super) fn expect(&mut self, symbol: Symbol) -> Step<()> {
        if self.accept(symbol) {
            Ok(())
        } else {
            Err(self.stop_after_value(false))
        }
    }

    /// The next token does not belong to the literal. `separates` says that it separates
    /// expressions here.
    pub(super) fn stop_after_value(&self, separates: bool) -> Stop {
        match self.peek() {
            Some(token) if separates || continues_expression(token.kind()) => {
                Stop::Expression(token.start().offset())
            }
            token => self.malformed(token),
        }
    }

    pub(super) fn malformed(&self, token: Option<Token>) -> Stop {
        let Some(token) = token else {
            let end = self
                .form
                .last()
                .map_or(self.text.len(), |last| last.end().offset());
            return Stop::Malformed(error_at(self.text, end, "a value is missing".to_owned()));
        };
        Stop::Malformed(unexpected(self.text, token))
    }

    pub(super) fn accept(&mut self, symbol: Symbol) -> bool {
        let accepted = self.is_symbol(symbol);
        self.next += usize::from(accepted);
        accepted
    }

    fn is_symbol(&self, symbol: Symbol) -> bool {
        self.peek()
            .is_some_and(|token| token.kind() == TokenKind::Symbol(symbol))
    }

    pub(super) fn peek(&self) -> Option<Token> {
        self.form.get(self.next).copied()
    }

    fn advance(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.next += 1;
        Some(token)
    }
}
