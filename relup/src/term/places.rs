//! Where things stand in the text of a hop: for messages that point at a line.
//!
//! Tokens only, nothing is parsed: so a place is also found in a text that takes an evaluator, as far as
//! what is looked for is written out there.

use erl_tokenize::{Token, TokenValue};

use super::lex::forms;

/// The tokens of a text, to find lines by.
#[derive(Debug)]
pub struct Places<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

impl<'a> Places<'a> {
    /// The places of a text; none where it is no Erlang.
    #[must_use]
    pub fn of(text: &'a str) -> Places<'a> {
        let tokens = forms(text).map_or_else(|_| Vec::new(), |forms| forms.concat());
        Places { text, tokens }
    }

    /// The line, from 1, of the first time that an atom of this name is written.
    #[must_use]
    pub fn atom(&self, name: &str) -> Option<usize> {
        self.tokens
            .iter()
            .find(|token| self.is_atom(**token, name))
            .map(|token| self.line(*token))
    }

    /// The line of each element of the list that is written behind `key =>`; none where no list is
    /// written there.
    #[must_use]
    pub fn elements(&self, key: &str) -> Vec<usize> {
        let is_list = |window: &[Token]| {
            self.is_atom(window[0], key)
                && self.shows(window[1], "=>")
                && self.shows(window[2], "[")
        };
        let Some(start) = self.tokens.windows(3).position(is_list) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        let mut depth = 0_usize;
        let mut is_start = true;
        for token in &self.tokens[start + 3..] {
            let shown = token.text(self.text);
            let closes = matches!(shown, "]" | "}" | ")" | ">>");
            if closes && depth == 0 {
                return lines;
            }
            if is_start {
                lines.push(self.line(*token));
            }
            is_start = depth == 0 && shown == ",";
            match shown {
                "[" | "{" | "(" | "<<" => depth += 1,
                _ if closes => depth -= 1,
                _ => {}
            }
        }
        lines
    }

    fn is_atom(&self, token: Token, name: &str) -> bool {
        matches!(token.value(self.text), TokenValue::Atom(found) if found == name)
    }

    fn shows(&self, token: Token, symbol: &str) -> bool {
        token.text(self.text) == symbol
    }

    fn line(&self, token: Token) -> usize {
        self.text[..token.start().offset()].matches('\n').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_the_line_that_they_begin_in() {
        let text = "#{a => \"b\",\n list => [{x, [1,\n 2]}, % , [\n y,\n\n {z, <<1, 2>>}],\n other => []}.";
        let places = Places::of(text);
        assert_eq!(places.elements("list"), [2, 4, 6]);
        assert_eq!(places.elements("other"), Vec::<usize>::new());
        assert_eq!(places.elements("a"), Vec::<usize>::new());
        assert_eq!((places.atom("z"), places.atom("1")), (Some(6), None));
    }

    #[test]
    fn what_is_no_erlang_has_no_places() {
        for text in ["", "\"", "[", "#{list => [", "list => [}."] {
            assert_eq!(Places::of(text).elements("list"), Vec::<usize>::new());
        }
    }

    #[test]
    fn a_text_with_expressions_has_the_places_that_are_written() {
        let text =
            "F = fun(M) -> {load_module, M} end,\n#{list => [a] ++\n lists:map(F, [b,\n c])}.";
        let places = Places::of(text);
        assert_eq!(places.elements("list"), [2]);
        assert_eq!((places.atom("b"), places.atom("c")), (Some(3), Some(4)));
    }
}
