//! Literals that have expressions inside, as in files of options: `[{verify_fun, {fun m:f/3, []}}]`.
//!
//! The literal parts can be used; an expression is handed back as its source, so that the reader can
//! name it. Nothing is evaluated.

use erl_tokenize::{Keyword, Symbol, Token, TokenKind};

use super::lex::{LexError, closing_of, error_at, forms, is_closing};
use super::parse::{Parser, Step, Stop};
use super::{Term, TermError};

/// A term as far as it can be read without an evaluator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partial {
    /// A value.
    Literal(Term),
    /// A list with an expression somewhere in it.
    List(Vec<Partial>),
    /// A tuple with an expression somewhere in it.
    Tuple(Vec<Partial>),
    /// The source of what only a VM can evaluate.
    Expression(String),
}

impl Partial {
    /// The elements of a list, whatever is in them; otherwise the thing itself.
    pub fn into_list(self) -> Result<Vec<Partial>, Partial> {
        match self {
            Partial::List(elements) => Ok(elements),
            Partial::Literal(term) => match term.into_list() {
                Ok(elements) => Ok(elements.into_iter().map(Partial::Literal).collect()),
                Err(term) => Err(Partial::Literal(term)),
            },
            other => Err(other),
        }
    }

    /// The elements of a tuple, as [`Partial::into_list`].
    pub fn into_tuple(self) -> Result<Vec<Partial>, Partial> {
        match self {
            Partial::Tuple(elements) => Ok(elements),
            Partial::Literal(Term::Tuple(elements)) => {
                Ok(elements.into_iter().map(Partial::Literal).collect())
            }
            other => Err(other),
        }
    }
}

/// Reads text that should hold one expression ended by a dot.
pub fn parse_partly(text: &str) -> Result<Partial, TermError> {
    let forms = forms(text).map_err(|error| match error {
        LexError::DependsOnOtp(error) | LexError::Broken(error) => error,
    })?;
    let form = match forms.as_slice() {
        [form] => form,
        [] => return Err(at_end(text, "there is no term")),
        [_, second, ..] => {
            let start = second
                .first()
                .map_or(text.len(), |token| token.start().offset());
            return Err(error_at(
                text,
                start,
                "a second term, where one is allowed".into(),
            ));
        }
    };
    let mut parser = Parser::new(text, form);
    let read = parser.partial().and_then(|partial| {
        let rest = parser.peek();
        rest.map_or(Ok(partial), |token| Err(parser.malformed(Some(token))))
    });
    read.map_err(|stop| match stop {
        Stop::Malformed(error) => error,
        Stop::Expression(offset) => error_at(text, offset, "this cannot be read".into()),
    })
}

fn at_end(text: &str, reason: &str) -> TermError {
    error_at(text, text.len(), reason.to_owned())
}

impl Parser<'_> {
    fn partial(&mut self) -> Step<Partial> {
        let start = self.next;
        let read = match self.peek().map(Token::kind) {
            Some(TokenKind::Symbol(Symbol::OpenSquare)) => {
                self.parts(Symbol::CloseSquare, Partial::List, Term::List)
            }
            Some(TokenKind::Symbol(Symbol::OpenBrace)) => {
                self.parts(Symbol::CloseBrace, Partial::Tuple, Term::Tuple)
            }
            _ => self.value().map(Partial::Literal),
        };
        let read = match read {
            Ok(partial) if self.is_delimited() => Ok(partial),
            Ok(_) => Err(self.stop_after_value(false)),
            stopped => stopped,
        };
        match read {
            Ok(partial) => Ok(partial),
            Err(Stop::Expression(_)) => {
                self.next = start;
                self.skip_expression()
            }
            Err(stop) => Err(stop),
        }
    }

    fn parts(
        &mut self,
        close: Symbol,
        partly: fn(Vec<Partial>) -> Partial,
        wholly: fn(Vec<Term>) -> Term,
    ) -> Step<Partial> {
        let Some(open) = self.peek() else {
            return Err(self.malformed(None));
        };
        self.next += 1;
        self.nested(open, |parser| {
            let mut parts = Vec::new();
            while !parser.accept(close) {
                // `[a | B]`, and `[a || b <- c]` as well.
                if let Some(bar) = parser.bar() {
                    return Err(Stop::Expression(bar));
                }
                if !parts.is_empty() {
                    parser.expect(Symbol::Comma)?;
                }
                parts.push(parser.partial()?);
            }
            let all: Option<Vec<Term>> = parts
                .iter()
                .map(|part| match part {
                    Partial::Literal(term) => Some(term.clone()),
                    _ => None,
                })
                .collect();
            Ok(all.map_or_else(|| partly(parts), |terms| Partial::Literal(wholly(terms))))
        })
    }

    fn bar(&self) -> Option<usize> {
        let token = self.peek()?;
        let bars = [Symbol::VerticalBar, Symbol::DoubleVerticalBar].map(TokenKind::Symbol);
        bars.contains(&token.kind()).then(|| token.start().offset())
    }

    /// Whether the value that was just read ends here.
    fn is_delimited(&self) -> bool {
        self.peek().is_none_or(|token| is_delimiter(token.kind()))
    }

    /// Goes on to the comma or bracket that ends the expression which begins here.
    fn skip_expression(&mut self) -> Step<Partial> {
        let first = self.next;
        let mut open = 0_usize;
        while let Some(token) = self.peek() {
            let kind = token.kind();
            if open == 0 && is_delimiter(kind) {
                break;
            }
            if self.opens(kind) {
                open += 1;
            } else if closes(kind) {
                open = open.saturating_sub(1);
            }
            self.next += 1;
        }
        let tokens = &self.form[first..self.next];
        match (tokens.first(), tokens.last()) {
            (Some(first), Some(last)) => {
                let source = &self.text[first.start().offset()..last.end().offset()];
                Ok(Partial::Expression(source.to_owned()))
            }
            _ => Err(self.malformed(self.peek())),
        }
    }

    fn opens(&self, kind: TokenKind) -> bool {
        use Keyword as K;
        match kind {
            TokenKind::Symbol(symbol) => closing_of(symbol).is_some(),
            TokenKind::Keyword(K::Begin | K::Case | K::If | K::Receive | K::Try | K::Maybe) => true,
            // `fun m:f/1` has no end.
            TokenKind::Keyword(K::Fun) => {
                let is_open = |token: Option<&Token>| {
                    token.is_some_and(|t| t.kind() == TokenKind::Symbol(Symbol::OpenParen))
                };
                let next = self.form.get(self.next + 1);
                let is_named = next.is_some_and(|token| token.kind() == TokenKind::Variable);
                is_open(next) || is_named && is_open(self.form.get(self.next + 2))
            }
            _ => false,
        }
    }
}

fn closes(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Symbol(symbol) => is_closing(symbol),
        TokenKind::Keyword(keyword) => keyword == Keyword::End,
        _ => false,
    }
}

fn is_delimiter(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Symbol(Symbol::Comma | Symbol::VerticalBar | Symbol::DoubleVerticalBar) => true,
        TokenKind::Symbol(symbol) => is_closing(symbol),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(partial: &Partial) -> String {
        let join = |parts: &[Partial]| parts.iter().map(shown).collect::<Vec<_>>().join(",");
        match partial {
            Partial::Literal(term) => term.to_string(),
            Partial::List(parts) => format!("[{}]", join(parts)),
            Partial::Tuple(parts) => format!("{{{}}}", join(parts)),
            Partial::Expression(source) => format!("<{source}>"),
        }
    }

    #[test]
    fn expressions_are_told_from_the_literals_around_them() {
        let check = |text: &str, expected: &str| {
            let read = parse_partly(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(shown(&read), expected, "{text}");
        };
        check("[{a, 1}].", "[{a,1}]");
        check(
            "[{f, fun m:f/3}, {a, \"x\"}].",
            "[{f,<fun m:f/3>},{a,\"x\"}]",
        );
        check(
            "[{f, {fun(A, B) -> {A, B} end, []}}].",
            "[{f,{<fun(A, B) -> {A, B} end>,[]}}]",
        );
        check(
            "[{f, fun F(A) -> case A of 1 -> x; _ -> F(1) end end}, b].",
            "[{f,<fun F(A) -> case A of 1 -> x; _ -> F(1) end end>},b]",
        );
        check(
            "[{a, filename:join([\"x\", y])}, {b, [1 | X]}].",
            "[{a,<filename:join([\"x\", y])>},{b,<[1 | X]>}]",
        );
        check("[{a, \"x\" ++ \"y\"}].", "[{a,<\"x\" ++ \"y\">}]");
        check("[a] ++ [b].", "<[a] ++ [b]>");
        check("#{a => 1}.", "#{a => 1}");
        check("[{a, #{b => fun c:d/1}}].", "[{a,<#{b => fun c:d/1}>}]");
        check("[].", "[]");
    }

    #[test]
    fn what_is_no_erlang_is_told_with_its_line() {
        let check = |text: &str, line: usize| {
            let error = parse_partly(text).expect_err(text);
            assert_eq!(error.line, line, "{text}: {error}");
        };
        check("[{a, 1}]", 1);
        check("[\n{a, }\n].", 2);
        check("[\n{a, 1}\n{b, 2}].", 3);
        check("[{a, 1}].\n[{b, 2}].", 2);
        check("[{a, 1]}.", 1);
        check("", 1);
        check(&format!("{}.", "[".repeat(100_000)), 1);
        check(&format!("{}{}.", "[".repeat(1000), "]".repeat(1000)), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic_or_hang(
            text in "(\\[|\\]|\\{|\\}|\\(|\\)|,|\\||=>|#|a|\"x\"|1|fun |end |case | of |->|X|:|/|\\+\\+){0,60}\\."
        ) {
            let _ = parse_partly(&text);
        }
    }
}
