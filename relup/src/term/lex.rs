//! From text to forms: the tokens between one final dot and the next, brackets already balanced;
//! and what can be said about a token by itself.
//!
//! `erl_tokenize` finds the tokens; what a dot means and which brackets belong together is decided
//! here, before the parser looks at any value, so that broken text is told apart from text that
//! merely needs an evaluator. Positions in errors count characters, not bytes.

use erl_tokenize::{ErrorKind, Keyword, Symbol, Token, TokenKind};

use super::TermError;

/// Why there are no forms.
pub(super) enum LexError {
    /// Two string literals without a blank between them: one string up to OTP 26, an error since.
    /// Only the VM that reads the file can say.
    DependsOnOtp(TermError),
    /// No VM can read it.
    Broken(TermError),
}

/// Splits `text` into forms: tokens without blanks, comments and the dot that ends each form.
pub(super) fn forms(text: &str) -> Result<Vec<Vec<Token>>, LexError> {
    let tokens = erl_tokenize::scan_tokens(text).map_err(|error| {
        let reason = error_at(
            text,
            error.position.offset(),
            error.kind.message().to_owned(),
        );
        match error.kind {
            ErrorKind::AdjacentStringLiterals => LexError::DependsOnOtp(reason),
            _ => LexError::Broken(reason),
        }
    })?;
    let mut forms = Vec::new();
    let mut form = Vec::new();
    for token in tokens.into_iter().filter(|token| token.kind().is_lexical()) {
        if ends_form(text, token) {
            check_brackets(text, &form).map_err(LexError::Broken)?;
            if form.is_empty() {
                return Err(LexError::Broken(unexpected(text, token)));
            }
            forms.push(std::mem::take(&mut form));
        } else {
            form.push(token);
        }
    }
    check_brackets(text, &form).map_err(LexError::Broken)?;
    if form.is_empty() {
        return Ok(forms);
    }
    let reason = "the final dot is missing".to_owned();
    Err(LexError::Broken(error_at(text, text.len(), reason)))
}

/// The error for a token that can't be where it is.
pub(super) fn unexpected(text: &str, token: Token) -> TermError {
    let shown: String = token.text(text).chars().take(40).collect();
    error_at(
        text,
        token.start().offset(),
        format!("{shown:?} is unexpected here"),
    )
}

/// An error at a byte offset, which need not be exact: some lexer errors point into a character.
pub(super) fn error_at(text: &str, offset: usize, reason: String) -> TermError {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    TermError {
        line,
        column,
        reason,
    }
}

/// Whether `-` or `+` in front of this token still makes a literal.
pub(super) fn is_number(token: Token) -> bool {
    matches!(
        token.kind(),
        TokenKind::Integer | TokenKind::Float | TokenKind::Char
    )
}

/// Whether an expression can begin with this word. `maybe` and `else` are plain atoms to older VMs,
/// so only a VM can say what they mean.
pub(super) fn begins_expression(keyword: Keyword) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        K::Begin
            | K::Bnot
            | K::Case
            | K::Catch
            | K::Else
            | K::Fun
            | K::If
            | K::Maybe
            | K::Not
            | K::Receive
            | K::Try
    )
}

/// Whether some expression goes on with this token where a literal has come to its end.
pub(super) fn continues_expression(kind: TokenKind) -> bool {
    use {Keyword as K, Symbol as S};
    match kind {
        TokenKind::Keyword(keyword) => matches!(
            keyword,
            K::And
                | K::Andalso
                | K::Band
                | K::Bor
                | K::Bsl
                | K::Bsr
                | K::Bxor
                | K::Div
                | K::Or
                | K::Orelse
                | K::Rem
                | K::Xor
        ),
        TokenKind::Symbol(symbol) => matches!(
            symbol,
            S::OpenParen
                | S::Colon
                | S::Sharp
                | S::Match
                | S::MapMatch
                | S::DoubleVerticalBar
                | S::Bang
                | S::Hyphen
                | S::MinusMinus
                | S::Plus
                | S::PlusPlus
                | S::Multiply
                | S::Slash
                | S::Eq
                | S::ExactEq
                | S::NotEq
                | S::ExactNotEq
                | S::Greater
                | S::GreaterEq
                | S::Less
                | S::LessEq
        ),
        _ => false,
    }
}

/// A dot ends a form when a blank, a comment or the end of the text follows; elsewhere it belongs
/// to a record access or is an error.
fn ends_form(text: &str, token: Token) -> bool {
    token.kind() == TokenKind::Symbol(Symbol::Dot)
        && match text[token.end().offset()..].chars().next() {
            None | Some('%') => true,
            Some(next) => matches!(next, '\0'..=' ' | '\u{80}'..='\u{a0}'),
        }
}

fn check_brackets(text: &str, form: &[Token]) -> Result<(), TermError> {
    let mut open: Vec<(Token, Symbol)> = Vec::new();
    for token in form {
        let TokenKind::Symbol(symbol) = token.kind() else {
            continue;
        };
        if let Some(closing) = closing_of(symbol) {
            open.push((*token, closing));
        } else if is_closing(symbol) && open.pop().is_none_or(|(_, closing)| closing != symbol) {
            return Err(unexpected(text, *token));
        }
    }
    let Some((token, _)) = open.pop() else {
        return Ok(());
    };
    let reason = format!("{:?} is never closed", token.text(text));
    Err(error_at(text, token.start().offset(), reason))
}

pub(super) fn closing_of(symbol: Symbol) -> Option<Symbol> {
    match symbol {
        Symbol::OpenBrace => Some(Symbol::CloseBrace),
        Symbol::OpenParen => Some(Symbol::CloseParen),
        Symbol::OpenSquare => Some(Symbol::CloseSquare),
        Symbol::DoubleLeftAngle => Some(Symbol::DoubleRightAngle),
        _ => None,
    }
}

pub(super) fn is_closing(symbol: Symbol) -> bool {
    matches!(
        symbol,
        Symbol::CloseBrace | Symbol::CloseParen | Symbol::CloseSquare | Symbol::DoubleRightAngle
    )
}
